//! From a manifest to graphs of steps. Pure: nothing outside is asked or touched.
//!
//! A run has two of them. The first brings the host as far as an engine that answers ([`host_steps`]). The second is
//! made of what that engine has and of what it should have ([`launch_steps`]): containers that are there and unchanged
//! have no step at all.

mod bake;
pub mod checks;
pub mod containers;
pub mod dropped_volumes;
mod existing;
pub mod grace;
pub mod graph;
pub mod hash;
mod host_steps;
pub mod image_identity;
pub mod images;
pub(crate) mod json;
pub mod labels;
mod launch;
mod launch_steps;
pub(crate) mod limits;
pub mod networks;
pub mod ports;
pub mod pull;
pub mod reconcile;
pub mod release_folder;
pub mod render;
pub mod seal;
pub mod unsupported;
pub mod volumes;

use std::{path::PathBuf, rc::Rc, time::Duration};

use sha2::{Digest, Sha256};

pub use bake::bake_steps;
pub use graph::{Graph, Index};
pub use host_steps::host_steps;
pub use launch::Launch;
pub use launch_steps::{Until, launch_steps};
pub use pull::{PullPolicy, pull_policy};

use crate::{
    fetch::Snapshot,
    manifest::{
        Script,
        extension::{DockerSettings, HostFile, Upgrade},
    },
    plan::{
        grace::Grace,
        images::ImageNeed,
        networks::{NetworkDesired, RenamedNetwork},
        ports::PortCheck,
        reconcile::Existing,
        volumes::VolumeDesired,
    },
};

/// What is done, in which order.
#[derive(Debug, Default)]
pub struct Plan {
    /// The steps; each needs only steps before it.
    pub steps: Vec<Step>,
    /// Which steps wait for which.
    pub graph: Graph,
    /// What an operator should know before it starts.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Adds a step that needs others, which have been added before.
    pub fn add(&mut self, step: Step, needs: impl IntoIterator<Item = Index>) -> Index {
        self.steps.push(step);
        self.graph.add(needs)
    }
}

/// One thing to do.
#[derive(Debug)]
pub struct Step {
    /// Hash of the rendered input: a step whose input changes is another step.
    pub id: String,
    /// Name, such as `image:nginx:1.27`.
    pub name: String,
    /// Longest time for all its attempts.
    pub deadline: Duration,
    /// What it does.
    pub action: Action,
}

impl Step {
    /// A step whose identity is its name and `input`.
    pub fn new(name: impl Into<String>, input: &str, deadline: Duration, action: Action) -> Self {
        let name = name.into();
        let digest = Sha256::new().chain_update(&name).chain_update([0]).chain_update(input).finalize();
        Self { id: hex::encode(&digest[..8]), name, deadline, action }
    }

    /// What the step would do, in a few words.
    pub fn describe(&self) -> String {
        match &self.action {
            Action::Project { dir, .. } => format!("bring {} up to date", dir.display()),
            Action::Owners { files, .. } => {
                let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
                format!("set the owners of {}", paths.join(", "))
            }
            Action::Upgrade(which) => format!("upgrade packages ({})", which.word()),
            Action::Packages(names) => format!("install {}", names.join(", ")),
            Action::Docker(_) => "install, set up and start docker".to_owned(),
            Action::Foreign(instance) => format!("stop containers that another instance than {instance} made"),
            Action::Script(script) => format!("run {} once (sha256 {})", script.name, &script.sha256[..12]),
            Action::Ports(_) => "look who holds the ports".to_owned(),
            Action::Unit(_) => "start rolecall-containers.service, which keeps the grace at shutdown".to_owned(),
            Action::Image(need) => format!("pull {}", need.image),
            Action::Network(network) => format!("create network {}", network.name),
            Action::RemoveNetwork(network) => format!("remove network {}, which is {} now", network.name, network.now),
            Action::Volume(volume) => format!("create volume {}", volume.name),
            Action::Container(step) => match &step.action {
                reconcile::Action::Replace(why) => format!("replace container {}: {why}", step.desired.name),
                _ => format!("create container {}", step.desired.name),
            },
            Action::Stop { existing, why } => format!("stop container {}: {why}", existing.name),
            Action::PreStart(steps) => {
                let first = steps.first().map(|step| &step.desired);
                let hooks = first.map_or(0, |desired| desired.pre_start.len());
                let service = first.map_or("", |desired| &desired.service);
                format!("run {hooks} pre_start {} of service {service}", if hooks == 1 { "hook" } else { "hooks" })
            }
            Action::Start(step) => match &step.action {
                reconcile::Action::Restart(why) => format!("restart container {}: {why}", step.desired.name),
                _ => format!("start container {}", step.desired.name),
            },
            Action::Ready { service, until, .. } => match until {
                Some(Until::Healthy) => format!("wait until {service} is healthy"),
                Some(Until::Completed) => format!("wait until {service} has completed"),
                _ => format!("wait until {service} is ready"),
            },
            Action::Remove { existing, why } => format!("remove {}: {why}", existing.name),
            Action::Prune { images } => format!("remove {} replaced images", images.len()),
        }
    }
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// Writes the files of the project.
    Project {
        /// Its stable folder.
        dir: PathBuf,
        /// What belongs there.
        files: Rc<Snapshot>,
    },
    /// Gives files of the project to their owners.
    Owners {
        /// The folder of the project.
        dir: PathBuf,
        /// The files.
        files: Vec<HostFile>,
    },
    /// Upgrades packages, once per instance.
    Upgrade(Upgrade),
    /// Installs packages that are missing.
    Packages(Vec<String>),
    /// Installs, sets up and starts the engine.
    Docker(DockerSettings),
    /// Stops containers that another instance than this one made.
    Foreign(String),
    /// Runs a script, once per instance and content.
    Script(Script),
    /// Refuses ports that somebody else holds.
    Ports(PortCheck),
    /// Starts the unit that holds the grace, which is the longest of the services'.
    Unit(Grace),
    /// Brings an image.
    Image(ImageNeed),
    /// Makes a network.
    Network(NetworkDesired),
    /// Removes a network that has another name now.
    RemoveNetwork(RenamedNetwork),
    /// Makes a volume.
    Volume(VolumeDesired),
    /// Makes a container, beside the one that it replaces.
    Container(Rc<reconcile::Step>),
    /// Stops a container that is started again further on.
    Stop {
        /// The container.
        existing: Existing,
        /// Why it is stopped.
        why: String,
    },
    /// Runs the `pre_start` hooks of a service, for the first of its containers that are about to start.
    PreStart(Vec<Rc<reconcile::Step>>),
    /// Puts a container in its place and starts it.
    Start(Rc<reconcile::Step>),
    /// Waits for all containers of a service.
    Ready {
        /// Service.
        service: String,
        /// Its containers.
        containers: Vec<Rc<reconcile::Step>>,
        /// What is waited for; none: what the service is for.
        until: Option<Until>,
        /// How long one without a health check has to be up.
        stable: Duration,
    },
    /// Removes a container that is too many.
    Remove {
        /// The container.
        existing: Existing,
        /// Why it goes.
        why: String,
    },
    /// Removes images that were replaced.
    Prune {
        /// Their ids.
        images: Vec<String>,
    },
}

impl Action {
    /// Whether the step only looks or waits: it changes nothing, and the journal does not speak of it.
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::Ports(_))
    }

    /// Whether the step ends by itself when its time is up, and then says more than that: what is not ready, or the
    /// last words of a script, which is ended with all its children.
    pub fn keeps_time(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::Script(_))
    }
}
