//! Containers: made, put in the place of others, started.
//!
//! A container is prepared early (created, under a temporary name where another one still has its place) and started
//! when its own needs hold; only then is the old one stopped. Each function can be called again after it was cut off at
//! any point: it looks at what is there.

pub mod pre_start;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tracing::{debug, info};

use crate::{
    compose::model::ServiceHook,
    error::{Cause, Error, Result},
    execute::{container_user, host_folders, images::Image, secrets, stop, upload},
    plan::{
        containers::{Desired, Inherited},
        image_identity::ImageIdentity,
        json::variables,
        labels,
        reconcile::{Action, Existing, Step},
    },
    world::Engine,
};

/// How many last lines of a container's output an error carries.
pub(super) const TAIL: usize = 20;

/// Makes what a step needs before it can start: the container, its folders on the host, its networks. Its id.
///
/// # Errors
/// Those of the engine; `container-failed` where a stranger has the name.
pub async fn prepare(engine: &dyn Engine, step: &Step, image: &Image) -> Result<String> {
    let desired = &step.desired;
    if step.existing.is_none() || matches!(step.action, Action::Replace(_)) {
        secrets::write(&desired.secrets, desired.user().unwrap_or(&image.user))?;
    }
    // An engine before 23.0 makes no folder for a mount in the longer form.
    host_folders::make(&host_folders::pending(&desired.folders))?;
    match (&step.action, &step.existing) {
        (Action::Replace(_), Some(old)) => {
            let name = format!("{}_{}", short(&old.id), desired.name);
            let inherited = engine.inspect_container(&old.id).await?.map(|old| inherited(&old)).unwrap_or_default();
            create(engine, desired, &name, &body(engine, desired, image, Some(&inherited)).await?).await
        }
        (_, Some(existing)) => Ok(existing.id.clone()),
        (_, None) => create(engine, desired, &desired.name, &body(engine, desired, image, None).await?).await,
    }
}

/// The body of the request that makes a container, now that all of its images are there.
async fn body(engine: &dyn Engine, desired: &Desired, image: &Image, replaces: Option<&Inherited>) -> Result<Value> {
    let mut mounted = BTreeMap::new();
    for name in desired.mounted_images.values() {
        if let Some(found) = engine.inspect_image(name).await? {
            mounted.insert(name.clone(), ImageIdentity::read(&found));
        }
    }
    let mut body = desired.body(&image.identity, &image.volumes, replaces);
    desired.label_mounted_images(&mut body, &mounted);
    Ok(body)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// The mounts of a container that is about to be replaced.
fn inherited(old: &Value) -> Inherited {
    Inherited { mounts: old["Mounts"].as_array().cloned().unwrap_or_default() }
}

/// Creates and connects a container. One of that name that is ours was made by an attempt whose answer was lost: it is
/// not known to be whole, and nothing has run in it, so it is made again.
async fn create(engine: &dyn Engine, desired: &Desired, name: &str, body: &Value) -> Result<String> {
    if let Some(there) = engine.inspect_container(name).await?.filter(|there| there["Name"] == format!("/{name}")) {
        remove_unstarted(engine, desired, name, &there).await?;
    }
    let id = engine.create_container(name, desired.platform.as_deref(), body).await?;
    for attachment in &desired.connect {
        engine.connect_network(&attachment.network, &id, &attachment.endpoint).await?;
    }
    debug!(container = name, "container {name} created");
    Ok(id)
}

async fn remove_unstarted(engine: &dyn Engine, desired: &Desired, name: &str, there: &Value) -> Result<()> {
    let label = |key: &str| there["Config"]["Labels"][key].as_str().unwrap_or_default();
    let ours = label(labels::PROJECT) == desired.project && label(labels::MANAGED) == "true";
    if !ours || there["State"]["Status"] != "created" {
        let message = format!("service '{}' needs the container name {name}, which is taken", desired.service);
        return Err(Error::new(Cause::ContainerFailed, message).hint(format!("remove it with `docker rm -f {name}`")));
    }
    // Its anonymous volumes may be the old container's: they stay.
    engine.remove_container(there["Id"].as_str().unwrap_or(name), false, false).await
}

/// Starts a container that was prepared: the one that it replaces is stopped with its own grace and removed, files are
/// copied, hooks are run. Whether something was done.
///
/// # Errors
/// Those of the engine; `container-failed` with its last output where it cannot be started or a hook fails.
pub async fn start(engine: &dyn Engine, step: &Step, id: &str) -> Result<bool> {
    let desired = &step.desired;
    match (&step.action, &step.existing) {
        (Action::Keep, _) => return Ok(false),
        (Action::Replace(reason), Some(old)) => {
            info!(container = desired.name, "replacing {}: {reason}", desired.name);
            stop::container(engine, old).await?;
            engine.remove_container(&old.id, false, false).await?;
        }
        (Action::Restart(reason), Some(existing)) => {
            info!(container = desired.name, "restarting {}: {reason}", desired.name);
            stop::container(engine, existing).await?;
        }
        _ => {}
    }
    let there = engine.inspect_container(id).await?.ok_or_else(|| {
        Error::new(Cause::ContainerFailed, format!("container {} is gone before it was started", desired.name))
    })?;
    if there["Name"] != format!("/{}", desired.name) {
        engine.rename_container(id, &desired.name).await?;
    }
    if has_run(step, &there["State"]) {
        return Ok(true);
    }
    // It runs where an earlier call was cut off while the engine started it: its hooks are still to come.
    if there["State"]["Running"] != true {
        give(engine, desired, id, there["Config"]["User"].as_str().unwrap_or_default()).await?;
        upload::upload(engine, id, &desired.uploads).await?;
        if let Err(err) = engine.start_container(id).await {
            let output = engine.logs(id, TAIL).await.unwrap_or_default();
            let err = Error { message: err.message.replace(short(id), &desired.name), ..err };
            return Err(if output.is_empty() { err } else { err.output(output) });
        }
        debug!(container = desired.name, "container {} started", desired.name);
    }
    pre_start::remove_ended(engine, step).await?;
    for hook in &desired.post_start {
        run_hook(engine, id, &desired.name, "post_start", hook).await?;
    }
    Ok(true)
}

/// Gives to the user of a container what it mounts: folders that were made for it, and secrets, which a reboot takes.
async fn give(engine: &dyn Engine, desired: &Desired, id: &str, user: &str) -> Result<()> {
    let folders = host_folders::pending(&desired.folders);
    if folders.is_empty() && desired.secrets.is_empty() {
        return Ok(());
    }
    // To look up a name, the engine mounts all that the container mounts, and would make what is missing.
    host_folders::make(&folders)?;
    secrets::write(&desired.secrets, user)?;
    let numbers = container_user::resolved(engine, id, user).await?;
    host_folders::give(&folders, container_user::numbers(&numbers).unwrap_or_default())?;
    if numbers == user { Ok(()) } else { secrets::write(&desired.secrets, &numbers) }
}

/// Whether a job came to its good end between the look at it and its start: an earlier call was cut off while the engine
/// started it.
fn has_run(step: &Step, state: &Value) -> bool {
    let untouched = match &step.action {
        Action::Restart(_) => false,
        Action::Start | Action::Adopt => step.existing.as_ref().is_some_and(|there| there.state == "created"),
        _ => true,
    };
    untouched && step.desired.job && state["Status"] == "exited" && state["ExitCode"] == 0
}

/// Removes a container of ours that is too many.
///
/// # Errors
/// Those of the engine.
pub async fn remove(engine: &dyn Engine, container: &Existing, why: &str) -> Result<()> {
    info!(container = container.name, "removing {}: {why}", container.name);
    stop::container(engine, container).await?;
    engine.remove_container(&container.id, false, false).await
}

/// Runs a hook inside a container.
pub(super) async fn run_hook(engine: &dyn Engine, id: &str, name: &str, kind: &str, hook: &ServiceHook) -> Result<()> {
    let command = hook.command.clone().unwrap_or_default();
    let environment: Vec<String> = variables(&hook.environment).collect();
    let body = json!({
        "Cmd": command, "User": hook.user, "Privileged": hook.privileged, "WorkingDir": hook.working_dir,
        "Env": environment, "AttachStdout": true, "AttachStderr": true,
    });
    let mut output = std::collections::VecDeque::with_capacity(TAIL);
    let code = engine
        .exec(id, &body, &mut |line| {
            if output.len() == TAIL {
                output.pop_front();
            }
            output.push_back(line.to_owned());
        })
        .await?;
    if code == 0 {
        return Ok(());
    }
    let program = command.first().map_or("", String::as_str);
    let message = format!("{kind} hook of container {name} ({program}) exited with {code}");
    Err(Error::new(Cause::ContainerFailed, message).output(output.into()))
}

/// How long the engine gives a container that says nothing.
pub(super) const DEFAULT_GRACE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
