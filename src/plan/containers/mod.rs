//! The container that Docker Compose 2.40.3 would make of a service, as the body of `POST /containers/create`.
//!
//! Pure: what only the engine knows (ids of other containers, the image that a tag means) is handed in, or filled in
//! by [`Desired::body`] when it is known.

mod added;
mod config;
mod exposed;
mod files;
mod folders;
mod hooks;
mod host;
mod labelled;
pub(super) mod mounted_images;
mod mounts;
mod network;
mod pre_start;
mod project_files;
mod resources;
mod secrets;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    compose::{
        Generation, Project,
        model::{Dependency, ServiceConfig, ServiceHook},
        service_hash,
    },
    error::Result,
    manifest::extension::Mirrors,
    plan::{image_identity::ImageIdentity, json::texts, labels, reconcile, unsupported},
    redact::Secret,
    world::ApiVersion,
};
use added::Added;
pub(crate) use exposed::exposed;
pub use files::Upload;
pub(crate) use hooks::read as read_hooks;
pub use mounts::Inherited;
pub use network::Attachment;
pub use pre_start::{PRE_START, PreStart};
pub use project_files::{Fetched, ProjectFiles};
pub use secrets::SecretFile;

/// What a container is made with besides its service.
pub struct Options<'a> {
    /// The API that the engine is spoken to in.
    pub api: ApiVersion,
    /// The generation of Compose whose labels new containers get.
    pub generation: Generation,
    /// The instance, for our own label.
    pub instance: Option<String>,
    /// The project's explicit environment files, for Compose's label.
    pub environment_files: Vec<String>,
    /// The folder whose `<service>` each service gets at `/host`.
    pub containers_dir: Option<PathBuf>,
    /// Whether a container without `logging` gets its log rotated: where daemon.json does not say so.
    pub log_rotation: bool,
    /// Platform of services that name none: `DOCKER_DEFAULT_PLATFORM`.
    pub platform: Option<String>,
    /// Registries that images are pulled from in place of their own.
    pub mirrors: Mirrors,
    /// Proxy variables that Docker's own clients give to each container.
    pub proxies: BTreeMap<String, String>,
    /// What the checksums over configs and secrets are keyed with: a label can be read by more than a secret can.
    pub key: Secret<String>,
    /// The folder in memory that secrets are kept in; without one, as on another machine's engine, they are copied into
    /// containers.
    pub secrets_dir: Option<PathBuf>,
    /// `x-rolecall.variables` with their values: what the engine shows of them is told.
    pub values: &'a BTreeMap<String, Secret<String>>,
    /// The fetched files of the project.
    pub fetched: &'a Fetched,
    /// Reads a file of the project, or one that it names: a seccomp profile, a config, a secret.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// What tells a file from another one in its place: its content, or the size, time and inode of a very large one.
    pub identify: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

/// A container that is there, as others refer to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// Its name, without a slash.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// The containers that are there, by service.
pub type Peers = BTreeMap<String, BTreeSet<Peer>>;

/// When a service counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It runs, and is healthy where it has a health check.
    Serving,
    /// It has ended with 0: others wait for that.
    Completed,
}

/// A container as it has to be.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Project.
    pub project: String,
    /// Service.
    pub service: String,
    /// Number in the service, from 1.
    pub number: u32,
    /// Name of the container.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Platform that is asked for.
    pub platform: Option<String>,
    /// When the image is pulled; as in the manifest.
    pub pull_policy: String,
    /// Compose's config hash, in the generation of Compose whose labels new containers get.
    pub hash: String,
    /// The same in each generation of Compose: a container that has one of them is up to date.
    pub hashes: [String; 2],
    /// The generation of Compose whose labels new containers get.
    pub generation: Generation,
    /// What was added to Compose's container; empty if nothing was.
    pub added: String,
    /// Keyed checksum over its configs and secrets; empty if it has none.
    pub files: String,
    /// What it mounts from the folder of its project.
    pub project_files: ProjectFiles,
    /// The instance that makes it.
    pub instance: Option<String>,
    /// Networks, by their names in the engine.
    pub networks: BTreeSet<String>,
    /// Named volumes, by their names in the engine.
    pub volumes: BTreeSet<String>,
    /// Images that it mounts, by target.
    pub mounted_images: BTreeMap<String, String>,
    /// Hooks of its service, which run before the first of its containers starts.
    pub pre_start: Vec<PreStart>,
    /// Networks that it is connected to after it was created, where the engine takes one only.
    pub connect: Vec<Attachment>,
    /// Files that are copied into it before each start.
    pub uploads: Vec<Upload>,
    /// Secrets that it mounts, written before it is created or started.
    pub secrets: Vec<SecretFile>,
    /// Folders of the host that are made for it if they are missing, and belong to the user that it runs as.
    pub folders: Vec<PathBuf>,
    /// Whether one of them is its own, below `containers-dir`.
    pub own_folder: bool,
    /// Commands run in it after it has started.
    pub post_start: Vec<ServiceHook>,
    /// Commands run in it before it is stopped.
    pub pre_stop: Vec<ServiceHook>,
    /// How long it may take to stop, where the service says so.
    pub grace: Option<Duration>,
    /// Services that must be there first.
    pub depends_on: BTreeMap<String, Dependency>,
    /// Services whose containers its body names by id or name: those are there before it is made.
    pub references: BTreeSet<String>,
    /// Those of them whose containers its hash names: it is made anew when one of those is.
    pub shares: BTreeSet<String>,
    /// Services whose network, IPC or PID namespace it shares.
    pub joins: BTreeSet<String>,
    /// When it counts as ready.
    pub goal: Goal,
    /// Whether it may end, with 0: nothing waits for it to serve, and the engine does not start it again.
    pub job: bool,
    /// What Compose would do in silence, or ignore; for the plan and the log.
    pub warnings: Vec<String>,
    template: Value,
    anonymous: BTreeSet<String>,
}

/// The containers of all services of a project, by service and number.
///
/// # Errors
/// `manifest-invalid` for what cannot be done here, with the service and the reason.
pub fn desired(project: &Project, peers: &Peers, options: &Options) -> Result<Vec<Desired>> {
    let mut all = Vec::new();
    for service in project.services.values() {
        for number in 1..=service.replicas() {
            all.push(container(project, service, number, peers, options)?);
        }
    }
    Ok(all)
}

/// One container of a service.
///
/// # Errors
/// `manifest-invalid` for what cannot be done here, with the service and the reason.
pub fn container(
    project: &Project,
    service: &ServiceConfig,
    number: u32,
    peers: &Peers,
    options: &Options,
) -> Result<Desired> {
    unsupported::check(project, service)?;
    unsupported::check_engine(project, service, options.api)?;
    let mut shares = BTreeSet::new();
    let resolved = network::resolved(service, peers, &mut shares);
    let mut references = shares.clone();
    let links = network::links(project, service, number, peers, &mut references);
    let name = container_name(project, service, number);
    let attached = network::settings(project, &resolved, &name, &links, options.api)?;
    let secrets = secrets::files(project, service, options)?;
    let mut mounted = mounts::mounts(project, &resolved, &secrets, options.generation)?;
    let hashes = [Generation::Two, Generation::Five].map(|generation| service_hash(&resolved, generation));
    let hash = hashes[usize::from(options.generation == Generation::Five)].clone();
    let added = Added::to(service, options);
    mounted.mounts.extend(secrets.iter().map(SecretFile::mount));
    let uploads = files::uploads(project, service, options.secrets_dir.is_none())?;
    let files = files::checksum(project, service, (&secrets, &uploads), options);
    let project_files = ProjectFiles::of(project, service, options.fetched, &options.key);

    let mut host = host::config(project, &resolved, options)?;
    host.keep("NetworkMode", attached.mode.clone());
    host.set("Links", texts(&links));
    let mut binds = mounted.binds.clone();
    binds.extend(added.bind.clone());
    host.set("Binds", binds).set("Mounts", Value::from(mounted.mounts.clone()));
    if added.log_rotation {
        host.set("LogConfig", json!({ "Type": "json-file", "Config": { "max-size": "10m", "max-file": "5" } }));
    }

    let mut body = config::config(project, &resolved, options)?;
    body.set("MacAddress", attached.mac.clone());
    let told = [
        (labels::CONFIG_HASH, hash.clone()),
        (labels::ADDED, added.told()),
        (labels::FILES, files.clone()),
        (labels::PROJECT_FILES, project_files.label()),
    ];
    body.keep("Labels", labelled::all(project, service, number, told, options));
    body.keep("HostConfig", host);
    if !attached.endpoints.is_empty() {
        body.keep("NetworkingConfig", json!({ "EndpointsConfig": attached.endpoints }));
    }

    let template = Value::from(body);
    let what = format!("service '{}'", service.name);
    let mut warnings = exposed(&what, &template, options.values);
    if options.secrets_dir.is_some() {
        warnings.extend(exposed::copied(&what, &uploads, options.values));
    }
    warnings.extend(secrets::ignored(project, service, &secrets));

    let networks = (attached.mode.as_str(), &attached.endpoints, attached.connect.as_slice());
    let pre_start = pre_start::of(project, service, networks, options);
    let goal = goal(project, service);
    Ok(Desired {
        project: project.name.clone(),
        service: service.name.clone(),
        number,
        image: options.mirrors.known_as(&image_name(project, service)),
        platform: platform(service, options),
        pull_policy: service.pull_policy.clone(),
        hash,
        hashes,
        generation: options.generation,
        added: added.told(),
        files,
        project_files,
        instance: options.instance.clone(),
        networks: attached.names,
        volumes: mounted.volumes,
        mounted_images: mounted.images,
        pre_start,
        connect: attached.connect,
        uploads,
        secrets,
        own_folder: added.folder.is_some(),
        folders: folders::made(&resolved, added.folder, options),
        post_start: service.post_start.clone(),
        pre_stop: service.pre_stop.clone(),
        grace: service.stop_grace_period.map(crate::compose::model::Duration::as_std),
        depends_on: service.depends_on.clone(),
        references,
        shares,
        joins: network::joins(service).map(str::to_owned).collect(),
        goal,
        job: reconcile::is_job(goal, restarts(service), serves(project, service)),
        warnings,
        template,
        anonymous: mounted.anonymous,
        name,
    })
}

impl Desired {
    /// The body of the request that makes it of an image, in the place of another container where one is given.
    pub fn body(&self, image: &ImageIdentity, image_volumes: &[String], replaces: Option<&Inherited>) -> Value {
        let mut body = self.template.clone();
        if let Some(labels) = body.get_mut("Labels").and_then(Value::as_object_mut) {
            let image = image.label(self.generation, self.platform.as_deref());
            labels.insert(labels::IMAGE.to_owned(), image.into());
            if replaces.is_some() {
                labels.insert(labels::REPLACE.to_owned(), self.place().into());
            }
        }
        if let Some(old) = replaces {
            mounts::inherit(&mut body, old, image_volumes, &self.anonymous);
        }
        body
    }

    /// Adds the label of Compose 5.5 for the images that it mounts to the body of the request that makes it. Compose 2 has
    /// none.
    pub fn label_mounted_images(&self, body: &mut Value, images: &BTreeMap<String, ImageIdentity>) {
        let label = mounted_images::label(&self.mounted_images, images);
        if self.generation != Generation::Two && !label.is_empty() {
            body["Labels"][labels::MOUNTED_IMAGES] = label.into();
        }
    }

    /// Whether it has a volume without a name at this path.
    pub(super) fn has_anonymous(&self, target: &str) -> bool {
        self.anonymous.contains(target)
    }

    /// The images that have to be there for it.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let hooks = self.pre_start.iter().map(|hook| &hook.image);
        let further: BTreeSet<&str> = self.mounted_images.values().chain(hooks).map(String::as_str).collect();
        std::iter::once(self.image.as_str()).chain(further)
    }

    /// What Compose writes down of a container that is being replaced: its name without the project.
    fn place(&self) -> String {
        let own = format!("{}-{}-{}", self.project, self.service, self.number);
        if self.name == own { format!("{}-{}", self.service, self.number) } else { self.name.clone() }
    }

    /// The user that it runs as, where the service says so.
    pub fn user(&self) -> Option<&str> {
        self.template.get("User")?.as_str()
    }

    /// Whether the service has a health check; `None` where its image decides.
    pub fn has_health_check(&self) -> Option<bool> {
        let test = self.template.get("Healthcheck")?.get("Test")?.as_array()?;
        Some(test.first().is_some_and(|first| first != "NONE"))
    }
}

/// `PROJECT-SERVICE-NUMBER`, unless the service names its container.
pub fn container_name(project: &Project, service: &ServiceConfig, number: u32) -> String {
    if service.container_name.is_empty() {
        format!("{}-{}-{number}", project.name, service.name)
    } else {
        service.container_name.clone()
    }
}

/// The service's image; one that is built and not named is called after project and service.
pub fn image_name(project: &Project, service: &ServiceConfig) -> String {
    if service.image.is_empty() { format!("{}-{}", project.name, service.name) } else { service.image.clone() }
}

/// The platform that a service asks for, else the one for all services.
fn platform(service: &ServiceConfig, options: &Options) -> Option<String> {
    if service.platform.is_empty() { options.platform.clone() } else { Some(service.platform.clone()) }
}

/// A service that another one waits for until it has completed is a one-shot.
fn goal(project: &Project, service: &ServiceConfig) -> Goal {
    let awaited = project.services.values().any(|other| {
        other.depends_on.get(&service.name).is_some_and(|d| d.condition == "service_completed_successfully")
    });
    if awaited { Goal::Completed } else { Goal::Serving }
}

/// Whether the engine starts it again after it has ended with 0.
fn restarts(service: &ServiceConfig) -> bool {
    let policy = service.deploy.as_ref().and_then(|d| d.restart_policy.as_ref());
    let name = policy.map_or(service.restart.as_str(), |policy| policy.condition.as_str());
    matches!(name, "always" | "unless-stopped" | "any")
}

/// Whether something is expected of it while it runs: it has ports or a health check, or others wait for it to be up.
fn serves(project: &Project, service: &ServiceConfig) -> bool {
    let awaited = project.services.values().any(|other| {
        other.depends_on.get(&service.name).is_some_and(|d| d.condition != "service_completed_successfully")
    });
    awaited || !service.ports.is_empty() || !service.expose.is_empty() || service.healthcheck.is_some()
}
