//! `rolecall stop` and `rolecall down`.

use std::collections::BTreeSet;

use tracing::warn;

use super::{need_root, print, real};
use crate::{
    error::Result,
    execute::{launch, secrets, stop},
    paths::Paths,
    settings::{Env, Flags, STATE_DIR, Settings},
};

/// Stops our containers, and with `down` removes them and their networks.
///
/// # Errors
/// The first container that could not be stopped, after all others were.
pub async fn stop(projects: &[String], down: bool) -> Result<u8> {
    need_root(if down { "down" } else { "stop" })?;
    let env = Env::from_process();
    let world = real::world(&env)?;
    // The machine may be going down: a setting that only a run needs must not keep the containers from their grace.
    let paths = Settings::load(&Flags::default(), env).map_or_else(
        |err| {
            warn!("state is looked for in {STATE_DIR}: {err}");
            Paths::from_env(STATE_DIR.as_ref())
        },
        |settings| settings.paths,
    );
    let engine = world.engine.as_ref();
    let mut ids = BTreeSet::new();
    let mut failure = None;
    let each: Vec<Option<&str>> =
        if projects.is_empty() { vec![None] } else { projects.iter().map(|p| Some(p.as_str())).collect() };
    for project in each {
        let outcome = if down { stop::down(engine, project).await? } else { stop::stop(engine, project).await? };
        ids.extend(outcome.stopped.iter().cloned());
        failure = failure.or(outcome.failure);
        let (stopped, removed) = (outcome.stopped.len(), outcome.removed.len());
        print(&format!("rolecall: {stopped} containers stopped, {removed} objects removed\n"));
    }
    secrets::sweep(engine, &paths.secrets()).await?;
    // Jobs that were stopped on the way look like jobs that are done; the next run has to know better.
    launch::remember_stopped(&paths, &ids)?;
    failure.map_or(Ok(0), Err)
}
