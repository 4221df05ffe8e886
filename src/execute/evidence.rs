//! Which containers are one-shots that are done: those that a run saw end with 0 by themselves.
//!
//! Exit code 0 alone shows nothing. A worker that handles its signal ends with 0 too when the engine is restarted, at a
//! shutdown, and at a `docker stop`, and the engine does not keep the reason.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    error::Result,
    execute::{
        Context,
        journal::{ENDED, Event},
        ready::Target,
    },
    plan::{labels, reconcile::Existing},
};

/// Writes down that a run saw a container end with 0. The container's id is that of the step, so that another container
/// of the same name is another one.
pub(super) fn keep(cx: &Context, target: &Target) {
    if cx.done_before(&target.id) {
        return;
    }
    let name = format!("{ENDED}{}", target.name);
    cx.journal(Event::Done { step: target.id.clone(), name, what: "exit code 0".to_owned(), ms: 0 }, true);
}

/// Of the containers that have exited with 0, those that a run saw end by themselves.
///
/// # Errors
/// The engine does not answer.
pub(super) async fn completed(cx: &Context, containers: &[Existing]) -> Result<BTreeSet<String>> {
    let mut completed = BTreeSet::new();
    for one in containers.iter().filter(|one| one.is_managed() && one.exit_code == Some(0)) {
        if cx.done_before(&one.id) || seen_by_0_1_0(cx, one).await? {
            completed.insert(one.id.clone());
        }
    }
    Ok(completed)
}

/// Version 0.1.0 wrote down when it found a service ready, and not whether that was because it had ended. If the
/// container had ended by then, it was.
async fn seen_by_0_1_0(cx: &Context, one: &Existing) -> Result<bool> {
    let service = one.label(labels::SERVICE);
    let Some(ready) = cx.ready_in_0_1_0(service) else { return Ok(false) };
    let inspect = async |_| cx.world.engine.inspect_container(&one.id).await;
    let there = cx.engine(&cx.retry, "inspect", &one.name, inspect).await?.unwrap_or_default();
    let ended = there["State"]["FinishedAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    Ok(ended.is_some_and(|ended| ended <= ready))
}
