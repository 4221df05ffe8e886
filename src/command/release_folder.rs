//! Asks the engine whether a project without a name of its own would start beside the one that it is to replace.

use std::time::Duration;

use super::stages::Session;
use crate::{
    error::Result,
    facts::Facts,
    fetch::kept,
    manifest::prepare::Prepared,
    plan::{labels, reconcile::Existing, release_folder},
    settings::Input,
};

/// How long an engine may take to list its containers before it counts as absent.
const ANSWER: Duration = Duration::from_secs(5);

/// Refuses such a project; whether that is known. A project that stands in (`strict` is false) was ready here before.
///
/// # Errors
/// As [`release_folder::check`].
pub(super) async fn check(
    session: &Session,
    (input, facts): (&Input, &Facts),
    prepared: &Prepared,
    strict: bool,
) -> Result<bool> {
    let Some(project) = prepared.manifest.project.as_deref().filter(|project| strict && !project.named) else {
        return Ok(true);
    };
    let kept = kept::all(&session.paths);
    let candidate = |kept: &kept::Kept| kept.project.as_ref().is_some_and(|name| *name != project.name);
    if !kept.iter().any(candidate) {
        return Ok(true);
    }
    let filter = [format!("{}=true", labels::MANAGED)];
    let list = session.world.engine.containers(&filter);
    let Ok(listed) = session.retry.bounded("list the containers", Some(ANSWER), list).await else { return Ok(false) };
    let containers: Vec<Existing> = listed.iter().map(Existing::read).collect();
    release_folder::check(project, &input.source.to_string(), &facts.instance_id, &kept, &containers).map(|()| true)
}
