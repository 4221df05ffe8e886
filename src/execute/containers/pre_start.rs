//! `pre_start` hooks of a service: each in a container of its own, one after the other, before its containers start.

use tracing::{debug, info};

use super::{TAIL, give};
use crate::{
    error::{Cause, Error, Result},
    execute::stop,
    plan::{
        containers::{PRE_START, PreStart},
        labels,
        reconcile::{Action, Existing, Step},
    },
    world::Engine,
};

/// Runs the hooks of a service for its first container, whose id is `owner`. None of its containers runs meanwhile.
///
/// It can be called again after it was cut off at any point: a hook that ended with 0 for this container stays until the
/// container is started, and is not run again.
///
/// # Errors
/// Those of the engine; `container-failed` with its last output if a hook fails. The container of that hook stays.
pub async fn run(engine: &dyn Engine, steps: &[&Step], owner: &str) -> Result<()> {
    let Some(first) = steps.first().map(|step| &step.desired) else { return Ok(()) };
    for step in steps {
        if let (Action::Replace(_) | Action::Restart(_), Some(existing)) = (&step.action, &step.existing) {
            stop::container(engine, existing).await?;
        }
    }
    // To mount the volumes of a container, the engine needs all that it mounts.
    let there = engine.inspect_container(owner).await?.unwrap_or_default();
    give(engine, first, owner, there["Config"]["User"].as_str().unwrap_or_default()).await?;
    let known = of(engine, &first.project, &first.service).await?;
    let (ours, stale): (Vec<_>, Vec<_>) = known.into_iter().partition(|one| {
        let wanted = first.pre_start.iter().any(|hook| one.name == hook.name(&first.project, &first.service, owner));
        wanted && !matches!((one.state.as_str(), one.exit_code), ("exited" | "dead", Some(1..) | None))
    });
    for one in stale {
        engine.remove_container(&one.id, true, true).await?;
    }
    for hook in &first.pre_start {
        let name = hook.name(&first.project, &first.service, owner);
        let there = ours.iter().find(|one| one.name == name);
        one(engine, hook, &name, owner, there).await?;
    }
    Ok(())
}

async fn one(engine: &dyn Engine, hook: &PreStart, name: &str, owner: &str, there: Option<&Existing>) -> Result<()> {
    let id = match there {
        Some(there) if there.state == "exited" => return Ok(()),
        Some(there) => there.id.clone(),
        None => {
            let id = engine.create_container(name, hook.platform.as_deref(), &hook.body(owner)).await?;
            for attachment in &hook.connect {
                engine.connect_network(&attachment.network, &id, &attachment.endpoint).await?;
            }
            id
        }
    };
    info!(container = name, "running pre_start hook {name}");
    let failed = async |why: String| {
        let output = engine.logs(&id, TAIL).await.unwrap_or_default();
        let hint =
            format!("its container stays: `docker logs {name}`; the next run removes it and runs the hook again");
        Error::new(Cause::ContainerFailed, format!("pre_start hook {name} {why}")).output(output).hint(hint)
    };
    engine.start_container(&id).await?;
    let code = engine.wait_container(&id).await?;
    if code != 0 {
        return Err(failed(format!("exited with {code}")).await);
    }
    debug!(container = name, "pre_start hook {name} ended");
    Ok(())
}

/// Removes the containers of hooks that ended well, with their anonymous volumes, once a container of the service runs.
///
/// # Errors
/// Those of the engine.
pub(super) async fn remove_ended(engine: &dyn Engine, step: &Step) -> Result<()> {
    if step.desired.pre_start.is_empty() {
        return Ok(());
    }
    for one in of(engine, &step.desired.project, &step.desired.service).await? {
        if one.exit_code == Some(0) {
            engine.remove_container(&one.id, false, true).await?;
        }
    }
    Ok(())
}

async fn of(engine: &dyn Engine, project: &str, service: &str) -> Result<Vec<Existing>> {
    let mut filter = labels::ours(project);
    filter.extend([format!("{}={service}", labels::SERVICE), format!("{}={PRE_START}", labels::HOOK)]);
    Ok(engine.containers(&filter).await?.iter().map(Existing::read).collect())
}
