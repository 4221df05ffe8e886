//! Stopping: in reverse dependency order, each container with its own grace, knowing nothing but labels.
//!
//! The order comes from the label that Compose keeps of `depends_on`, hooks from one of our own, the grace from the
//! container. Only containers that carry both kinds of labels are touched.

mod alone;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tracing::{info, warn};

use crate::{
    compose::model::ServiceHook,
    error::{Error, Result},
    execute::{containers, containers::DEFAULT_GRACE, resources},
    plan::{labels, reconcile::Existing},
    retry::{Retry, seconds},
    world::Engine,
};
pub use alone::alone;

/// How long the engine may take to say what there is. It may hang, and the machine may be going down.
pub const LOOK: Duration = Duration::from_secs(30);

/// How often containers are looked for that a run, killed a moment ago, had still asked the engine to start.
const ROUNDS: usize = 3;

/// What `stop` or `down` has done.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many containers ran and were stopped.
    pub stopped: usize,
    /// Names of what was removed.
    pub removed: Vec<String>,
    /// The first failure, if any; all others were stopped or removed all the same.
    pub failure: Option<Error>,
}

/// Stops all containers of ours, of one project or of all. `note` gets the ids of those that run, before the first of them
/// gets its signal: the next run starts them again, also when the power goes before the last one has ended.
///
/// # Errors
/// The engine does not answer.
pub async fn stop(
    engine: &dyn Engine,
    retry: &Retry,
    project: Option<&str>,
    mut note: impl FnMut(&BTreeSet<String>),
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for round in 0..ROUNDS {
        let mut all = ours(engine, retry, project).await?;
        if round > 0 {
            // At first all are looked at: one that is just being started is listed as stopped.
            all.retain(Existing::is_up);
        }
        if all.is_empty() || outcome.failure.is_some() {
            break;
        }
        // One that is just being started is listed as created.
        let over = |one: &&Existing| matches!(one.state.as_str(), "exited" | "dead" | "removing");
        note(&all.iter().filter(|one| !over(one)).map(|one| one.id.clone()).collect());
        let stop = async |one: &Existing| container(engine, one).await;
        outcome.failure = in_reverse(all, stop, |_, ran| outcome.stopped += usize::from(ran)).await;
    }
    Ok(outcome)
}

/// Stops these containers; the first failure.
pub(super) async fn these(engine: &dyn Engine, running: Vec<Existing>) -> Option<Error> {
    in_reverse(running, async |one: &Existing| container(engine, one).await, |_, _| ()).await
}

/// Stops and removes all containers of ours and their networks. Volumes and images stay.
///
/// # Errors
/// The engine does not answer.
pub async fn down(engine: &dyn Engine, retry: &Retry, project: Option<&str>) -> Result<Outcome> {
    let all = ours(engine, retry, project).await?;
    let mut outcome = Outcome::default();
    let remove = async |one: &Existing| {
        let ran = container(engine, one).await?;
        engine.remove_container(&one.id, true, false).await?;
        Ok(ran)
    };
    outcome.failure = in_reverse(all, remove, |one, ran| {
        outcome.stopped += usize::from(ran);
        outcome.removed.push(one.name);
    })
    .await;
    let mut filter = vec![format!("{}=true", labels::MANAGED)];
    filter.extend(project.map(|project| format!("{}={project}", labels::PROJECT)));
    for network in engine.networks(&filter).await? {
        let name = network["Name"].as_str().unwrap_or_default();
        if resources::labels_of(&network).contains_key(labels::NETWORK) {
            match engine.remove_network(network["Id"].as_str().unwrap_or(name)).await {
                Ok(()) => {
                    info!(network = name, "network {name} removed");
                    outcome.removed.push(name.to_owned());
                }
                Err(err) => warn!(network = name, "network {name} stays: {err}"),
            }
        }
    }
    Ok(outcome)
}

async fn ours(engine: &dyn Engine, retry: &Retry, project: Option<&str>) -> Result<Vec<Existing>> {
    let mut filter = vec![format!("{}=true", labels::MANAGED), labels::PROJECT.to_owned()];
    filter.extend(project.map(|project| format!("{}={project}", labels::PROJECT)));
    let all = retry.bounded("ask the engine for its containers", Some(LOOK), engine.containers(&filter)).await?;
    Ok(all.iter().map(Existing::read).filter(|c| c.is_ours(c.label(labels::PROJECT)) || c.is_our_hook()).collect())
}

/// Runs its hooks and stops one container; whether it ran. One that is stopped or gone already is fine.
///
/// The engine is asked how it is: while it is being started, the answer waits for the end of that.
///
/// # Errors
/// Those of the engine.
pub(super) async fn container(engine: &dyn Engine, one: &Existing) -> Result<bool> {
    let Some(there) = engine.inspect_container(&one.id).await? else { return Ok(false) };
    let state = &there["State"];
    if state["Running"] != true && state["Restarting"] != true {
        return Ok(false);
    }
    let grace = there["Config"]["StopTimeout"].as_u64().map_or(DEFAULT_GRACE, Duration::from_secs);
    if state["Running"] == true {
        pre_stop(engine, one, grace).await;
    }
    info!(container = one.name, "stopping {}, {} s at most", one.name, grace.as_secs());
    engine.stop_container(&one.id, i64::try_from(grace.as_secs()).ok()).await?;
    Ok(true)
}

/// Runs the hooks of a container before it is stopped, all together for no longer than its grace. A hook that fails must
/// not keep the machine from going down.
async fn pre_stop(engine: &dyn Engine, one: &Existing, grace: Duration) {
    let all: Vec<ServiceHook> = crate::plan::containers::read_hooks(one.label(labels::PRE_STOP));
    let run = async {
        for hook in all {
            if let Err(err) = containers::run_hook(engine, &one.id, &one.name, "pre_stop", &hook).await {
                warn!(container = one.name, "{err}");
            }
        }
    };
    if tokio::time::timeout(grace, run).await.is_err() {
        let (name, limit) = (&one.name, seconds(grace));
        warn!(container = name, "the pre_stop hooks of {name} have not ended within its grace of {limit}");
    }
}

/// Does something to all containers, each as soon as those that depend on it are done; `done` gets those that went well,
/// and what was answered. The first failure.
async fn in_reverse(
    mut waiting: Vec<Existing>,
    act: impl AsyncFn(&Existing) -> Result<bool>,
    mut done: impl FnMut(Existing, bool),
) -> Option<Error> {
    // Services that are not done yet, by project and name.
    let mut open: BTreeMap<(String, String), usize> = BTreeMap::new();
    for one in &waiting {
        *open.entry(key(one)).or_default() += 1;
    }
    let needs: BTreeMap<(String, String), BTreeSet<String>> = waiting
        .iter()
        .map(|one| (key(one), dependencies(one.label(labels::DEPENDS_ON)).into_iter().collect()))
        .collect();
    let act = &act;
    let mut running = FuturesUnordered::new();
    let mut first_error: Option<Error> = None;
    loop {
        let blocked = |one: &Existing| {
            let (project, service) = key(one);
            needs.iter().any(|(other, on)| other.0 == project && open.contains_key(other) && on.contains(&service))
        };
        let (mut ready, mut rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|one| !blocked(one));
        if ready.is_empty() && running.is_empty() {
            // Labels of several runs may contradict each other: then the order is lost, not the stop.
            ready.append(&mut rest);
        }
        waiting = rest;
        running.extend(ready.into_iter().map(|one| async move {
            let result = act(&one).await;
            (one, result)
        }));
        let Some((one, result)) = running.next().await else { break };
        let service = key(&one);
        if let Some(count) = open.get_mut(&service) {
            *count -= 1;
            if *count == 0 {
                open.remove(&service);
            }
        }
        match result {
            Ok(ran) => done(one, ran),
            Err(err) => {
                warn!(container = one.name, "{err}");
                first_error.get_or_insert(err);
            }
        }
    }
    first_error
}

fn key(one: &Existing) -> (String, String) {
    (one.label(labels::PROJECT).to_owned(), one.label(labels::SERVICE).to_owned())
}

/// The services in `service:condition:restart,…`.
fn dependencies(label: &str) -> Vec<String> {
    label.split(',').filter_map(|item| item.split(':').next()).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
