//! What has to be done so that the containers that are there become those that have to be.
//!
//! A container is matched by project, service and number. It is ours if it carries Compose's labels and our own; nothing
//! else is ever acted on. One that Docker Compose made is left alone where it is just what has to be; any other stranger
//! in the way is an error that names it.

mod follow;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use super::existing::Existing;
use crate::{
    compose::Project,
    error::{Cause, Error, Result},
    manifest::service::OnFileChange,
    plan::{
        containers::{Desired, Goal, Peer, Peers, mounted_images},
        image_identity::ImageIdentity,
        labels,
    },
};
use follow::follow;

/// What is there.
#[derive(Clone, Debug, Default)]
pub struct There {
    /// All containers of the engine, not only ours: names are shared by all.
    pub containers: Vec<Existing>,
    /// Images by reference, for those that the engine has.
    pub images: BTreeMap<String, ImageIdentity>,
    /// Network ids by name, for those that the engine has.
    pub networks: BTreeMap<String, String>,
    /// Names of all volumes that the engine has.
    pub volumes: BTreeSet<String>,
    /// When containers that share a namespace were last started, by id.
    pub started: BTreeMap<String, Timestamp>,
    /// Networks that are made anew: what was in them is, too.
    pub renewed_networks: BTreeSet<String>,
    /// Ids of containers that we stopped ourselves; they are started again even where they ended with 0.
    pub stopped_by_us: BTreeSet<String>,
    /// Ids of containers that a run saw end with 0 by themselves.
    pub completed: BTreeSet<String>,
    /// The project files that containers have mounted since their last start, by id, if those are newer than their labels.
    pub mounted: BTreeMap<String, String>,
    /// Names of containers whose start was begun by an earlier run and did not end well.
    pub interrupted: BTreeSet<String>,
}

/// What has to be done about one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is there and runs, or is a job that is done.
    Keep,
    /// It is there, unchanged, and does not run.
    Start,
    /// It is there, unchanged, and a service that it depends on is replaced.
    Restart(String),
    /// It is there under a temporary name: an earlier run was cut off between removing and renaming.
    Adopt,
    /// It is not there.
    Create,
    /// It is there and otherwise; why.
    Replace(String),
}

/// A container that has to be, and what is to be done for it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The container as it has to be.
    pub desired: Desired,
    /// What is done.
    pub action: Action,
    /// The container that is there.
    pub existing: Option<Existing>,
}

/// All that has to be done about containers.
#[derive(Clone, Debug, Default)]
pub struct Reconciled {
    /// One step per container that has to be.
    pub steps: Vec<Step>,
    /// Containers of ours that are too many, and why; they are removed.
    pub remove: Vec<(Existing, String)>,
    /// Containers of ours whose service is gone; they are named, and removed only when asked.
    pub orphans: Vec<Existing>,
}

impl Reconciled {
    /// Has the orphans removed, too.
    pub fn remove_orphans(&mut self) {
        let gone = |one| (one, "its service is gone or not of these roles".to_owned());
        self.remove.extend(std::mem::take(&mut self.orphans).into_iter().map(gone));
    }
}

/// The containers of a project that are there, as others refer to them. What an interrupted replacement left behind does
/// not count where the container that it should have replaced is still there.
pub fn peers(project: &str, containers: &[Existing]) -> Peers {
    let mut all: Vec<&Existing> = containers.iter().filter(|c| c.is_of(project)).collect();
    all.sort_by_key(|c| (!c.is_managed(), c.is_temporary()));
    let mut taken = BTreeSet::new();
    let mut peers = Peers::new();
    for one in all {
        if taken.insert((one.label(labels::SERVICE), one.label(labels::NUMBER))) {
            let peer = Peer { name: one.place().to_owned(), id: one.id.clone() };
            peers.entry(one.label(labels::SERVICE).to_owned()).or_default().insert(peer);
        }
    }
    peers
}

/// Notes that a container was made: whoever refers to it means this one from now on.
pub fn note(peers: &mut Peers, desired: &Desired, id: &str) {
    let all = peers.entry(desired.service.clone()).or_default();
    all.retain(|peer| peer.name != desired.name);
    all.insert(Peer { name: desired.name.clone(), id: id.to_owned() });
}

/// Compares what has to be with what is there.
///
/// # Errors
/// `container-failed` where a container that is not ours has a name that we need, and cannot stand for ours.
pub fn reconcile(project: &Project, desired: Vec<Desired>, there: &There) -> Result<Reconciled> {
    let mut result = Reconciled::default();
    let Project { name: project, services, .. } = project;
    let mut left: Vec<&Existing> = there.containers.iter().filter(|c| c.is_ours(project)).collect();
    for mut one in desired {
        if let Some(stranger) = there.containers.iter().find(|c| c.name == one.name && !c.is_ours(project)) {
            stands_in(&one, stranger, there)?;
            let name = &one.name;
            one.warnings
                .push(format!("container {name} was made by Docker Compose, just as it has to be; it is left alone"));
            result.steps.push(Step { desired: one, action: Action::Keep, existing: Some(stranger.clone()) });
            continue;
        }
        let number = one.number.to_string();
        let (mut same, rest): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|c| c.label(labels::SERVICE) == one.service && c.label(labels::NUMBER) == number);
        left = rest;
        // The one with the right name first; any other is what an interrupted replacement left behind.
        same.sort_by_key(|c| (c.name != one.name, c.name.clone()));
        let mut same = same.into_iter();
        let existing = same.next();
        result.remove.extend(same.map(|c| (c.clone(), "left over from an interrupted replacement".to_owned())));
        let action = existing.map_or(Action::Create, |existing| action(&one, existing, there));
        result.steps.push(Step { desired: one, action, existing: existing.cloned() });
    }
    for one in left {
        if services.contains_key(one.label(labels::SERVICE)) {
            result.remove.push((one.clone(), "the service has fewer containers now".to_owned()));
        } else {
            result.orphans.push(one.clone());
        }
    }
    follow(&mut result.steps, there)?;
    Ok(result)
}

/// Whether a container that we did not make can be what a service needs: made by Docker Compose, up to date, running. We
/// may not act on it, so that anything else is an error.
fn stands_in(desired: &Desired, stranger: &Existing, there: &There) -> Result<()> {
    let number = desired.number.to_string();
    let same = stranger.is_of(&desired.project)
        && stranger.label(labels::SERVICE) == desired.service
        && stranger.label(labels::NUMBER) == number;
    let owner = match stranger.label(labels::PROJECT) {
        "" => "it is of no project".to_owned(),
        project if stranger.is_managed() => format!("it is of project '{project}'"),
        project => format!("it is of project '{project}' and was not made by rolecall"),
    };
    let unfit = || bereft(desired, stranger, there).filter(|_| !ended_well(desired, stranger));
    let why = match (same, outdated(desired, stranger, there).or_else(unfit)) {
        (false, _) => owner,
        (true, Some(why)) => format!("{owner}, and {why}"),
        (true, None) if desired.own_folder => format!("{owner}, and lacks its folder below containers-dir"),
        (true, None) if !(stranger.is_up() || ended_well(desired, stranger)) => format!("{owner}, and does not run"),
        (true, None) => return Ok(()),
    };
    Err(foreign(desired, &why))
}

fn foreign(desired: &Desired, why: &str) -> Error {
    let message =
        format!("service '{}' needs the container name {}, which is taken: {why}", desired.service, desired.name);
    Error::new(Cause::ContainerFailed, message).hint(format!("remove it with `docker rm -f {}`", desired.name))
}

fn action(desired: &Desired, existing: &Existing, there: &There) -> Action {
    if let Some(reason) = changed(desired, existing, there) {
        return Action::Replace(reason);
    }
    let done = is_done(desired, existing, there);
    if !done && let Some(reason) = bereft(desired, existing, there) {
        return Action::Replace(reason);
    }
    let mounted = there.mounted.get(&existing.id).map_or_else(|| existing.label(labels::PROJECT_FILES), String::as_str);
    let files = desired.project_files.changed(mounted);
    match (files, desired.project_files.on_change) {
        (Some(why), OnFileChange::Replace) => return Action::Replace(why),
        (Some(why), OnFileChange::Restart) if existing.name == desired.name => return Action::Restart(why),
        _ => {}
    }
    if existing.name != desired.name {
        return Action::Adopt;
    }
    // Of a start that was cut off it cannot be seen whether its hooks ran, and of a restart not whether it came to it.
    let counts = !desired.post_start.is_empty() || desired.depends_on.values().any(|needed| needed.restart);
    if existing.is_up() && counts && there.interrupted.contains(&desired.name) {
        return Action::Restart("an earlier start of it was cut off".to_owned());
    }
    if existing.is_up() || done { Action::Keep } else { Action::Start }
}

/// Whether it is a one-shot that is done: it ended with 0, nobody stopped it, and either another service awaits its end or
/// a run saw it. Without either it may be a worker that was stopped with its engine.
pub(crate) fn is_done(desired: &Desired, existing: &Existing, there: &There) -> bool {
    let shown = desired.goal == Goal::Completed || there.completed.contains(&existing.id);
    ended_well(desired, existing) && shown && !there.stopped_by_us.contains(&existing.id)
}

/// Why a container cannot be started again, if it cannot: the engine keeps ids of networks and names of volumes that it
/// does not have any more, as after a prune while the container was stopped.
fn bereft(desired: &Desired, existing: &Existing, there: &There) -> Option<String> {
    let lost = desired.networks.iter().find(|name| {
        let at = existing.networks.get(*name);
        // One that was never started is in its networks by name only.
        at.is_some_and(|at| !at.is_empty() && there.networks.get(*name) != Some(at))
    });
    if let Some(network) = lost {
        return Some(if there.networks.contains_key(network) {
            format!("it is not connected to network {network}")
        } else {
            format!("network {network} does not exist any more")
        });
    }
    if existing.is_up() {
        return None;
    }
    let gone = existing.volumes.keys().find(|name| !there.volumes.contains(*name));
    gone.map(|volume| format!("volume {volume} does not exist any more"))
}

/// Whether it may be a one-shot that is done.
fn ended_well(desired: &Desired, existing: &Existing) -> bool {
    desired.job && existing.exit_code == Some(0)
}

/// Why a container of ours cannot stay, if it cannot.
fn changed(desired: &Desired, existing: &Existing, there: &There) -> Option<String> {
    if let Some(why) = outdated(desired, existing, there) {
        return Some(why);
    }
    let files = existing.label(labels::FILES);
    if !files.is_empty() && files != desired.files {
        return Some("its configs or secrets were changed".to_owned());
    }
    if existing.label(labels::ADDED) != desired.added {
        return Some("what this host adds to it was changed".to_owned());
    }
    let instance = existing.label(labels::INSTANCE);
    if desired.instance.as_deref().is_some_and(|ours| ours != instance) {
        return Some(format!("it was made by instance {}", if instance.is_empty() { "unknown" } else { instance }));
    }
    None
}

/// Why a container is not what Docker Compose would take for up to date.
fn outdated(desired: &Desired, existing: &Existing, there: &There) -> Option<String> {
    if !desired.hashes.iter().any(|hash| existing.label(labels::CONFIG_HASH) == hash) {
        return Some("its service was changed".to_owned());
    }
    if matches!(existing.state.as_str(), "dead" | "removing") {
        return Some(format!("it is {}", existing.state));
    }
    let of = Some(existing.label(labels::IMAGE)).filter(|id| !id.is_empty()).unwrap_or(&existing.image_id);
    if there.images.get(&desired.image).is_some_and(|now| !now.is_known_as(of)) {
        return Some(format!("image {} is another one now", desired.image));
    }
    let noted = existing.label(labels::MOUNTED_IMAGES);
    if let Some(why) = mounted_images::changed(&desired.mounted_images, &there.images, noted) {
        return Some(why);
    }
    if let Some(network) = desired.networks.intersection(&there.renewed_networks).next() {
        return Some(format!("network {network} is made anew"));
    }
    let detached = desired.networks.iter().find(|name| !existing.networks.contains_key(*name));
    if let Some(network) = detached {
        return Some(format!("it is not connected to network {network}"));
    }
    let missing = desired.volumes.iter().find(|name| !existing.volumes.contains_key(*name));
    missing.map(|volume| format!("it does not mount volume {volume}"))
}

/// Whether a service is one that ends: nothing needs it to keep running, and it is not restarted when it has ended well.
pub(crate) fn is_job(goal: Goal, restarts: bool, serves: bool) -> bool {
    goal == Goal::Completed || (!restarts && !serves)
}

#[cfg(test)]
mod tests;
