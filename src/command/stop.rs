//! `rolecall stop` and `rolecall down`.

use std::{collections::BTreeSet, path::Path, rc::Rc};

use tracing::warn;

use super::{need_root, print, real};
use crate::{
    error::{Cause, Result},
    execute::{docker, secrets, stop, stopped},
    host::process,
    paths::Paths,
    retry::Retry,
    settings::{Env, Flags, STATE_DIR, Settings},
};

/// What each container of an engine on this machine is a child of, as the kernel cuts its name.
const SHIM: &str = "containerd-shim";

/// Whether no container runs on this machine, as where its engine was stopped before.
fn nothing_runs() -> bool {
    process::named(Path::new("/proc"), SHIM).is_empty()
}

/// Stops our containers, and with `down` removes them and their networks. A run that is under way is ended first, unless
/// this is called by one of its own scripts.
///
/// # Errors
/// The first container that could not be stopped, after all others were.
pub async fn stop(projects: &[String], down: bool) -> Result<u8> {
    let command = if down { "down" } else { "stop" };
    need_root(command)?;
    let env = Env::from_process();
    let world = real::world(&env)?;
    let (remote, inside) = (docker::is_remote(env.get("DOCKER_HOST")), env.get("ROLECALL_ATTEMPT").is_some());
    // The machine may be going down: a setting that only a run needs must not keep the containers from their grace.
    let paths = Settings::load(&Flags::default(), env).map_or_else(
        |err| {
            warn!("state is looked for in {STATE_DIR}: {err}");
            Paths::from_env(STATE_DIR.as_ref())
        },
        |settings| settings.paths,
    );
    let _lock = if inside { None } else { stop::alone(&world, &paths.lock(), command, !remote).await };
    let engine = world.engine.as_ref();
    let retry = Retry::new(Rc::clone(&world.clock), None);
    let note = |ids: &BTreeSet<String>| {
        if let Err(err) = stopped::remember(&paths, ids) {
            warn!("the next run may not start everything that is stopped now: {err}");
        }
    };
    let mut failure = None;
    let each: Vec<Option<&str>> =
        if projects.is_empty() { vec![None] } else { projects.iter().map(|p| Some(p.as_str())).collect() };
    for project in each {
        let outcome = if down {
            stop::down(engine, &retry, project).await?
        } else {
            match stop::stop(engine, &retry, project, note).await {
                Err(err) if err.cause == Cause::EngineUnreachable && !remote && nothing_runs() => {
                    let _ = print("rolecall: no engine answers, and no container runs: nothing to stop\n");
                    return Ok(0);
                }
                stopped => stopped?,
            }
        };
        failure = failure.or(outcome.failure);
        let (stopped, removed) = (outcome.stopped, outcome.removed.len());
        // The containers are stopped, whether or not anybody reads it.
        let _ = print(&format!("rolecall: {stopped} containers stopped, {removed} objects removed\n"));
    }
    secrets::sweep(&retry, engine, &paths.secrets(), stop::LOOK).await;
    failure.map_or(Ok(0), Err)
}
