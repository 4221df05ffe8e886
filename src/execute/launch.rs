//! Compares what the engine has with what the project wants, and makes of that the second graph of a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;
use serde_json::Value;

use tracing::warn;

use crate::{
    error::{Error, Result},
    execute::{Context, dropped_volumes, evidence, look::LaunchState, mounted, stopped},
    host::files,
    manifest::{extension::Extension, findings::Findings},
    paths::Paths,
    plan::{
        Action, Launch, Plan, PullPolicy, Step,
        containers::{self, Desired},
        image_identity::ImageIdentity,
        images, labels, launch_steps, limits,
        networks::{self, NetworkAction, RenamedNetwork},
        reconcile::{self, Existing, There},
        volumes::{self, VolumeAction},
    },
    state_file,
    world::Engine,
};

/// Longest time for one image that the registry is asked for again.
const REFRESH: Duration = Duration::from_secs(30 * 60);

/// The pulls that must come before anything is compared: images whose policy asks the registry although the engine
/// has them. All others are pulled beside everything else.
///
/// # Errors
/// A project that this engine cannot run.
pub fn refresh(cx: &Context) -> Result<Plan> {
    let launch = cx.launch()?;
    let mut plan = Plan::default();
    for need in images::needs(&containers::desired(&launch.project, &BTreeMap::new(), &launch.options())?) {
        if matches!(need.policy, PullPolicy::Always | PullPolicy::Every(_)) {
            plan.add(Step::new(format!("image:{}", need.image), "", REFRESH, Action::Image(need)), []);
        }
    }
    Ok(plan)
}

/// The second graph: what has to be done so that what is there becomes what has to be.
///
/// # Errors
/// A project that this engine cannot run, a container or network in the way that is not ours, no engine.
pub async fn plan(cx: &Context, extension: &Extension, unit: bool) -> Result<Plan> {
    let launch = cx.launch()?;
    let project = &launch.project;
    let mut limits = Findings::default();
    limits::check(project, &launch.info, &mut limits);
    let limits = limits.into_result()?;
    let engine = cx.world.engine.as_ref();
    let answers = !launch.info.is_null();
    let list = async |_| engine.containers(&[]).await;
    let listed = if answers { cx.engine(&cx.retry, "list", "the containers", list).await? } else { Vec::new() };
    let containers: Vec<Existing> = listed.iter().map(Existing::read).collect();
    let completed = evidence::completed(cx, &containers).await?;
    let peers = reconcile::peers(&project.name, &containers);
    let desired = containers::desired(project, &peers, &launch.options())?;
    let wanted_networks = networks::desired(project, launch.options().generation, Some(&launch.instance));
    let wanted_volumes = volumes::desired(project, Some(&launch.instance));
    let needs = images::needs(&desired);
    let seen = if answers {
        let look = async |_| {
            let images = needs.iter().map(|need| need.image.as_str());
            let volumes = wanted_volumes.iter().map(|volume| volume.name.as_str());
            Seen::look(engine, images, volumes).await
        };
        cx.engine(&cx.retry, "look for", "images, networks and volumes", look).await?
    } else {
        Seen::default()
    };
    let used = containers.iter().flat_map(|c| c.networks.values().cloned()).collect();
    let mut there = There {
        started: started(cx, &desired, &containers).await?,
        volumes: seen.volume_names.clone(),
        containers,
        images: seen.images.iter().map(|(name, image)| (name.clone(), ImageIdentity::read(image))).collect(),
        networks: BTreeMap::new(),
        renewed_networks: BTreeSet::new(),
        stopped_by_us: stopped::read(&cx.paths),
        completed,
        mounted: mounted::read(&cx.paths),
        interrupted: cx.interrupted(),
    };
    let renamed_networks = networks::renamed(&wanted_networks, &project.name, &seen.networks);
    let mut compared_networks = Vec::new();
    let mut shown = Vec::new();
    let mut look_at = |kind: &str, name: &str, body: Option<&Value>| {
        let what = format!("{kind} {name}");
        shown.extend(body.into_iter().flat_map(|body| containers::exposed(&what, body, launch.options().values)));
    };
    for network in wanted_networks {
        look_at("network", &network.name, network.body.as_ref());
        let named = networks::named(&network.name, &seen.networks, &used);
        if let Some(id) = named.first().and_then(|n| n["Id"].as_str()) {
            there.networks.insert(network.name.clone(), id.to_owned());
        }
        let action = if answers || network.body.is_some() {
            let absent = named.is_empty() && network.body.is_none();
            networks::compare(&network, &project.name, &named)
                .or_else(|err| unforeseen(launch, absent, err).map(NetworkAction::KeepOther))?
        } else {
            NetworkAction::Keep
        };
        if action == NetworkAction::Replace {
            there.renewed_networks.insert(network.name.clone());
        }
        compared_networks.push((network, action));
    }
    let mut compared_volumes = Vec::new();
    for volume in wanted_volumes.into_iter().filter(|volume| answers || volume.body.is_some()) {
        look_at("volume", &volume.name, volume.body.as_ref());
        let found = seen.volumes.get(&volume.name);
        let absent = found.is_none() && volume.body.is_none();
        let action = volumes::compare(&volume, &project.name, found)
            .or_else(|err| unforeseen(launch, absent, err).map(VolumeAction::KeepOther))?;
        compared_volumes.push((volume, action));
    }
    let missing = needs.into_iter().filter(|need| !seen.images.contains_key(&need.image)).collect();
    let mut reconciled = reconcile::reconcile(project, desired, &there)?;
    if launch.remove_orphans {
        reconciled.remove_orphans();
    }
    let (renamed_networks, in_use) = unused(renamed_networks, &reconciled, &there.containers);
    let dropped = dropped_volumes::warnings(cx, &reconciled, &there).await;
    let replaced_images = if extension.host.prune { replaced(&reconciled, &cx.paths) } else { Vec::new() };
    let mut plan = launch_steps(Launch {
        project,
        reconciled,
        networks: compared_networks,
        volumes: compared_volumes,
        missing,
        ready: extension.ready,
        unit,
        replaced_images,
        renamed_networks,
    });
    plan.warnings.extend(limits.into_iter().chain(shown).chain(dropped).chain(in_use));
    Ok(plan)
}

/// The pulls of a plan whose images replace those of containers that are down.
pub fn pulls_for_those_down(plan: &Plan) -> Plan {
    let down = |existing: &Existing| !existing.is_up() && existing.state != "created";
    let replaced = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Start(start) if matches!(start.action, reconcile::Action::Replace(_)) => Some(start),
        _ => None,
    });
    let images: BTreeSet<&str> = replaced
        .filter(|start| start.existing.as_ref().is_some_and(down))
        .flat_map(|start| start.desired.images())
        .collect();
    let mut pulls = Plan::default();
    for step in &plan.steps {
        if let Action::Image(need) = &step.action
            && images.contains(need.image.as_str())
        {
            pulls.add(Step::new(step.name.clone(), "", step.deadline, Action::Image(need.clone())), []);
        }
    }
    pulls
}

/// The renamed networks that nothing is in once the containers have been replaced, and warnings about the others.
fn unused(
    renamed: Vec<RenamedNetwork>,
    reconciled: &reconcile::Reconciled,
    containers: &[Existing],
) -> (Vec<RenamedNetwork>, Vec<String>) {
    let replaced = reconciled.steps.iter().filter(|step| matches!(step.action, reconcile::Action::Replace(_)));
    let leaving =
        replaced.filter_map(|step| step.existing.as_ref()).chain(reconciled.remove.iter().map(|(one, _)| one));
    let leaving: BTreeSet<&str> = leaving.map(|one| one.id.as_str()).collect();
    let mut warnings = Vec::new();
    let mut unused = Vec::new();
    for network in renamed {
        // One that was never started is in its networks by name only.
        let within = |c: &&Existing| {
            c.networks.iter().any(|(name, id)| *id == network.id || (id.is_empty() && *name == network.name))
        };
        let staying = containers.iter().filter(within).filter(|c| !leaving.contains(c.id.as_str()));
        let staying: Vec<&str> = staying.map(|c| c.name.as_str()).collect();
        if staying.is_empty() {
            unused.push(network);
        } else {
            let RenamedNetwork { name, now, .. } = &network;
            let users = staying.join(", ");
            warnings.push(format!("network {name} is {now} now, and stays since {users} is still connected to it"));
        }
    }
    (unused, warnings)
}

/// What a plan says of something external that does not exist, if a script that has not run yet may create it.
fn unforeseen(launch: &LaunchState, absent: bool, err: Error) -> Result<String> {
    if !launch.scripts_pending || !absent {
        return Err(err);
    }
    Ok(format!("{}; this plan cannot know whether a script that has not run yet creates it", err.message))
}

/// What the engine has of what the project names.
#[derive(Default)]
struct Seen {
    images: BTreeMap<String, Value>,
    /// All of them: names are not unique.
    networks: Vec<Value>,
    volumes: BTreeMap<String, Value>,
    /// Of all volumes, also those that only a container names.
    volume_names: BTreeSet<String>,
}

impl Seen {
    async fn look<'a>(
        engine: &dyn Engine,
        images: impl Iterator<Item = &'a str>,
        volumes: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let images = images.map(async |name| Ok::<_, Error>((name, engine.inspect_image(name).await?)));
        let volumes = volumes.map(async |name| Ok::<_, Error>((name, engine.inspect_volume(name).await?)));
        let all = try_join(try_join_all(images), try_join(engine.networks(&[]), try_join_all(volumes)));
        let ((images, (networks, volumes)), listed) = try_join(all, engine.volumes(&[])).await?;
        let volume_names = listed.iter().filter_map(|volume| volume["Name"].as_str().map(str::to_owned)).collect();
        Ok(Self { images: present(images), networks, volumes: present(volumes), volume_names })
    }
}

/// When the containers that share a namespace, and those whose it is, were last started.
async fn started(cx: &Context, desired: &[Desired], containers: &[Existing]) -> Result<BTreeMap<String, Timestamp>> {
    let joining = desired.iter().filter(|one| !one.joins.is_empty());
    let services: BTreeSet<&str> =
        joining.flat_map(|one| one.joins.iter().chain([&one.service])).map(String::as_str).collect();
    let mut started = BTreeMap::new();
    for one in containers.iter().filter(|c| c.is_up() && services.contains(c.label(labels::SERVICE))) {
        let inspect = async |_| cx.world.engine.inspect_container(&one.id).await;
        let details = cx.engine(&cx.retry, "inspect", &one.name, inspect).await?.unwrap_or_default();
        if let Some(at) = details["State"]["StartedAt"].as_str().and_then(|text| text.parse().ok()) {
            started.insert(one.id.clone(), at);
        }
    }
    Ok(started)
}

fn present(all: Vec<(&str, Option<Value>)>) -> BTreeMap<String, Value> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Writes down what a plan is to do that nothing would tell any more if the run were cut off half way: which images to
/// prune, once their containers are gone, and which containers to restart, once what they depend on is replaced.
///
/// # Errors
/// The disk is full or fails.
pub fn announce(cx: &Context, plan: &Plan) -> Result<()> {
    for step in &plan.steps {
        match &step.action {
            Action::Prune { images } => {
                let ids = serde_json::to_vec(images).unwrap_or_default();
                // What is not noted is not pruned by a later run; that keeps no container down.
                if let Err(err) = files::write_atomic(&cx.paths.replaced(), &ids, 0o600) {
                    warn!("images of replaced containers may stay: {err}");
                }
            }
            Action::Start(start) if matches!(start.action, reconcile::Action::Restart(_)) => {
                cx.intend(step)?;
                // One that ends with 0 when it is stopped is not done.
                let ids = start.existing.iter().map(|there| there.id.clone()).collect();
                if let Err(err) = stopped::remember(&cx.paths, &ids) {
                    warn!("a run that is cut may leave {} stopped: {err}", step.name);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Images of containers that go, and those of containers that went in a run that was cut off.
fn replaced(reconciled: &reconcile::Reconciled, paths: &Paths) -> Vec<String> {
    let steps = reconciled.steps.iter().filter(|s| matches!(s.action, reconcile::Action::Replace(_)));
    let old = steps.filter_map(|s| s.existing.as_ref()).chain(reconciled.remove.iter().map(|(old, _)| old));
    // A label may name the content of an image, by which it cannot be removed.
    let image = |c: &Existing| match c.image_id.as_str() {
        "" => c.label(labels::IMAGE).to_owned(),
        id => id.to_owned(),
    };
    // A list of ids, as version 0.1.0 wrote it. A later format is a map that has `format`.
    let loss = "images of containers that were replaced before stay";
    let mut all: BTreeSet<String> = state_file::read_or_rebuild(&paths.replaced(), state_file::FIRST, loss);
    all.extend(old.map(image));
    all.into_iter().collect()
}
