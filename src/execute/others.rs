//! Containers of other projects: `rolecall stop --all` and a shutdown stop those too, and a run has one source. Whatever was
//! stopped is started again, in order, by what its labels specify.

use std::{collections::BTreeSet, time::Duration};

use tracing::{info, warn};

use crate::{
    error::Result,
    execute::{self, Context, readiness, remembered, stopped},
    plan::{Plan, labels, reconcile::Existing},
};

/// The longest time for the containers of one other project. It must not keep the run from its end for long.
const LIMIT: Duration = Duration::from_secs(3 * 60);

/// A project other than the run's own, with containers that we stopped.
pub struct Other {
    /// Its name.
    pub name: String,
    /// The ids of the containers that we stopped.
    ids: BTreeSet<String>,
    /// Starts them.
    pub plan: Plan,
}

/// The other projects, each with a plan that starts what we stopped of it.
///
/// # Errors
/// The engine does not answer; labels that no project can have had.
pub async fn plans(cx: &Context, own: &str, instance: &str) -> Result<Vec<Other>> {
    let noted = if cx.launch()?.info.is_null() { BTreeSet::new() } else { stopped::read(&cx.paths) };
    let mut others = Vec::new();
    for name in projects(cx, own, &noted).await? {
        let meant = |one: &Existing| one.is_up() || (noted.contains(&one.id) && one.state == "exited");
        let there = remembered::there(cx, &name, instance, meant).await?;
        let ids: BTreeSet<String> =
            there.containers.values().filter(|(one, _)| !one.is_up()).map(|(one, _)| one.id.clone()).collect();
        if !ids.is_empty() {
            let project = there.project(&name, &cx.paths.project(&name))?;
            let plan = there.plan(cx, &project, false)?;
            others.push(Other { name, ids, plan });
        }
    }
    Ok(others)
}

/// The projects of ours that the notes name, but for `own`.
async fn projects(cx: &Context, own: &str, noted: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    if noted.is_empty() {
        return Ok(BTreeSet::new());
    }
    let filter = vec![format!("{}=true", labels::MANAGED), labels::PROJECT.to_owned()];
    let list = async |_| cx.world.engine.containers(&filter).await;
    let listed = cx.engine(&cx.retry, "list", "the containers", list).await?;
    let all = listed.iter().map(Existing::read).filter(|one| noted.contains(&one.id));
    let names = all.map(|one| one.label(labels::PROJECT).to_owned());
    Ok(names.filter(|name| name != own).collect())
}

/// Starts what we stopped of other projects, and forgets what was stopped of `own` if that is `ready`. What cannot be
/// started keeps its note for the next run, and is no failure of this one: warnings.
pub async fn start(cx: &Context, own: &str, instance: &str, ready: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let (mut started, mut left) = (BTreeSet::new(), BTreeSet::new());
    let others = plans(cx, own, instance).await;
    let known = others.is_ok();
    let others = others.unwrap_or_else(|err| {
        warnings.push(format!("containers of other projects that were stopped are not started: {err}"));
        Vec::new()
    });
    for Other { name, ids, plan } in others {
        info!("starting the containers of project {name}, which were stopped");
        let work = Box::pin(async {
            execute::run(&plan, cx).await?;
            readiness::confirm(cx, &plan).await
        });
        let work = readiness::observed(cx, &name, work);
        match cx.retry.bounded(&format!("start project {name}"), Some(LIMIT), work).await {
            Ok(()) => started.extend(ids),
            Err(err) => {
                warnings.push(format!("project {name}, which was stopped, does not come up again: {err}"));
                left.extend(ids);
            }
        }
    }
    if known {
        let done = |id: &str| started.contains(id) || (ready && !left.contains(id));
        let forgotten = stopped::forget(&cx.paths, done);
        warnings.extend(forgotten.err().map(|err| format!("notes of stopped containers stay: {err}")));
    }
    for warning in &warnings {
        warn!("{warning}");
    }
    warnings
}
