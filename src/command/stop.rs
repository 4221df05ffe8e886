//! `rolecall stop` and `rolecall down`.

use std::{collections::BTreeSet, path::Path, rc::Rc, time::Duration};

use tracing::warn;

use super::{need_root, print, real};
use crate::{
    cli::ProjectArgs,
    error::{Cause, Error, Result},
    execute::{docker, secrets, stop, stopped},
    host::process,
    paths::Paths,
    plan::{labels, reconcile::Existing},
    retry::Retry,
    settings::{Env, Flags, STATE_DIR, Settings},
};

/// How long the engine may take to list the projects that a mistaken command line could mean.
const LIST: Duration = Duration::from_secs(5);

/// What each container of an engine on this machine is a child of, as the kernel cuts its name.
const SHIM: &str = "containerd-shim";

/// Whether no container runs on this machine, as where its engine was stopped before.
fn nothing_runs() -> bool {
    process::named(Path::new("/proc"), SHIM).is_empty()
}

/// Stops the containers of these projects, as asked on the command line.
///
/// # Errors
/// `usage` if neither a project nor all are named; those of [`stop`].
pub async fn by_hand(asked: &ProjectArgs, down: bool) -> Result<u8> {
    // Units that version 0.1.0 wrote call a plain `rolecall stop`. Between an upgrade and the run that rewrites them a
    // machine may go down, and its containers must have their grace.
    let of_unit = !down && super::under_way::is_of_unit();
    if asked.project.is_empty() && !asked.all && !of_unit {
        return Err(unnamed(if down { "down" } else { "stop" }).await);
    }
    stop(&asked.project, down).await
}

async fn unnamed(command: &str) -> Error {
    let projects = projects().await.unwrap_or_default();
    let list = projects.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let here = if list.is_empty() { String::new() } else { format!("; projects on this host: {list}") };
    let message = format!("rolecall {command} acts on the projects that it is given, and none was given{here}");
    let example = projects.first().map_or("NAME", String::as_str);
    Error::new(Cause::Usage, message)
        .step("command line")
        .need("--project NAME or --all")
        .hint(format!("rolecall {command} --project {example}, or rolecall {command} --all"))
}

/// The projects that we started on this host.
async fn projects() -> Result<BTreeSet<String>> {
    let world = real::world(&Env::from_process())?;
    let retry = Retry::new(Rc::clone(&world.clock), None);
    let filter = [format!("{}=true", labels::MANAGED), labels::PROJECT.to_owned()];
    let list = world.engine.containers(&filter);
    let listed = retry.bounded("list the containers", Some(LIST), list).await?;
    Ok(listed.iter().map(|one| Existing::read(one).label(labels::PROJECT).to_owned()).collect())
}

/// Stops our containers, of all projects if none is named, and with `down` removes them and their networks. A run that is under way is ended first, unless
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
