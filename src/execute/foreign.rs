//! Containers that another instance made: on a machine that was started from an image of a running one, they do a work
//! that is not this instance's, and are stopped before anything else. Replacing and removing them is the project's.

use std::{collections::BTreeSet, time::Duration};

use tracing::{info, warn};

use super::stop;
use crate::{
    error::Result,
    plan::{labels, reconcile::Existing},
    retry::Retry,
    world::Engine,
};

/// How long an engine may take to say what there is before it counts as absent.
const ANSWER: Duration = Duration::from_secs(5);

/// Containers of ours that run, and that another instance than this one made.
///
/// # Errors
/// The engine does not answer.
pub async fn running(engine: &dyn Engine, instance: &str) -> Result<Vec<Existing>> {
    let all = engine.containers(&[format!("{}=true", labels::MANAGED), labels::INSTANCE.to_owned()]).await?;
    let all = all.iter().map(Existing::read).filter(|one| one.is_ours(one.label(labels::PROJECT)));
    Ok(all.filter(|one| one.is_up() && one.label(labels::INSTANCE) != instance).collect())
}

/// Stops them in reverse dependency order, each with its own grace; how many there were.
///
/// # Errors
/// The engine does not answer, or the first of them that could not be stopped, after all others were.
pub async fn stop(engine: &dyn Engine, instance: &str) -> Result<usize> {
    let all = running(engine, instance).await?;
    if all.is_empty() {
        return Ok(0);
    }
    let of: BTreeSet<&str> = all.iter().map(|one| one.label(labels::INSTANCE)).collect();
    let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    let of = of.into_iter().collect::<Vec<_>>().join(", ");
    info!("this is {instance}: stopping the containers of {of}: {}", names.join(", "));
    let count = all.len();
    stop::these(engine, all).await.map_or(Ok(count), Err)
}

/// Stops them where an engine answers already; none is waited for, and what fails is tried again once one is there.
pub async fn stop_at_once(retry: &Retry, engine: &dyn Engine, instance: &str) {
    let look = retry.bounded("look for containers of another instance", Some(ANSWER), running(engine, instance));
    if !look.await.is_ok_and(|all| !all.is_empty()) {
        return;
    }
    if let Err(err) = retry.bounded("stop the containers of another instance", None, stop(engine, instance)).await {
        warn!("containers of another instance are not all stopped: {err}");
    }
}
