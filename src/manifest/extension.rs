//! `x-rolecall`: what a host needs beyond Compose, typed.

mod host_files;
mod mirrors;
mod package;

use std::{path::PathBuf, time::Duration};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{
    daemon,
    decode::{Faults, Section, expected},
    variables::Reference,
};
use crate::compose::{self, node::Node};
pub use host_files::HostFile;
pub use mirrors::{Mirror, Mirrors};

/// How long services may take to become ready, unless `ready.timeout` says otherwise.
pub const READY_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// How long a service without a health check has to be up, unless `ready.stable` specifies another time.
pub const READY_STABLE: Duration = Duration::from_secs(5);

/// `x-rolecall.ready`: when services are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The longest that they may take.
    pub timeout: Duration,
    /// How long one without a health check has to be up.
    pub stable: Duration,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { timeout: READY_TIMEOUT, stable: READY_STABLE }
    }
}

/// `x-rolecall`, whole.
#[derive(Debug, Default)]
pub struct Extension {
    /// Values that must not stand in the file, by the name under which they are interpolated.
    pub variables: IndexMap<String, Reference>,
    /// Compose fragments by role.
    pub roles: IndexMap<String, Node>,
    /// What the host itself needs.
    pub host: HostSettings,
    /// Where credentials for registries are kept: URIs of docker config.json files.
    pub registries: Vec<String>,
    /// Registries that images are pulled from in place of their own.
    pub mirrors: Mirrors,
    /// When services are ready.
    pub ready: Readiness,
}

/// `x-rolecall.host`.
#[derive(Clone, Debug, Default)]
pub struct HostSettings {
    /// Which package upgrades are made.
    pub upgrade: Upgrade,
    /// Packages that must be there.
    pub packages: Vec<String>,
    /// How the engine is installed and set up.
    pub docker: DockerSettings,
    /// Mode and owner of files of the project.
    pub files: Vec<HostFile>,
    /// Each service gets `<dir>/<service>:/host`.
    pub containers_dir: Option<PathBuf>,
    /// Whether replaced images are removed once the new ones are ready.
    pub prune: bool,
}

/// `x-rolecall.host.upgrade`; what comes later brings more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Upgrade {
    /// None.
    #[default]
    None,
    /// Security fixes only.
    Security,
    /// Everything.
    Full,
}

impl Upgrade {
    /// The word in the manifest.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Security => "security",
            Self::Full => "full",
        }
    }
}

/// Where the engine comes from when it is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Install {
    /// The distribution's own package.
    #[default]
    Distro,
    /// Docker's own repository.
    DockerCe,
    /// A static archive, `docker-27.3.1.tgz` as published by Docker, at this `s3://` or `file://` address.
    Static(String),
}

/// `x-rolecall.host.docker`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DockerSettings {
    /// Where the engine comes from when it is absent.
    pub install: Install,
    /// `data-root` of daemon.json.
    pub data_root: Option<String>,
    /// `registry-mirrors` of daemon.json.
    pub registry_mirrors: Vec<String>,
    /// Any other keys of daemon.json.
    pub daemon: serde_json::Map<String, serde_json::Value>,
    /// Whether the manifest says anything about docker.
    pub named: bool,
}

impl DockerSettings {
    /// All of them as one text: settings that differ have another.
    pub fn rendered(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

const KEYS: &[&str] = &["variables", "roles", "host", "registries", "ready"];
const HOST_KEYS: &[&str] = &["upgrade", "packages", "docker", "files", "containers-dir", "prune"];
const DOCKER_KEYS: &[&str] = &["install", "archive", "data-root", "registry-mirrors", "daemon"];
const UPGRADES: &[(&str, Upgrade)] =
    &[("none", Upgrade::None), ("security", Upgrade::Security), ("full", Upgrade::Full)];
const INSTALLS: &[(&str, &str)] = &[("distro", "distro"), ("docker-ce", "docker-ce"), ("static", "static")];

impl Extension {
    /// Reads `x-rolecall`.
    ///
    /// # Errors
    /// Unknown keys and values of the wrong kind, all of them, each with its place.
    pub fn read(node: &Node) -> Result<Self, compose::Error> {
        let (extension, faults) = Self::inspect(node);
        compose::Error::from_all(faults).map_or(Ok(extension), Err)
    }

    /// Reads as much of `x-rolecall` as can be read, with everything that is wrong with it.
    pub fn inspect(node: &Node) -> (Self, Vec<compose::Diagnostic>) {
        let mut faults = Faults::default();
        let mut extension = Self::default();
        if let Some(top) = Section::new(node, "x-rolecall", KEYS, &mut faults) {
            extension.variables = variables(&top, &mut faults);
            for (name, fragment) in top.pairs("roles", &mut faults) {
                if !fragment.is_null() && fragment.as_map().is_none() {
                    faults.push(expected(fragment, &format!("x-rolecall.roles.{}", name.name), "a compose fragment"));
                }
                extension.roles.insert(name.name.clone(), fragment.clone());
            }
            if let Some(host) = top.get("host") {
                extension.host = host_settings(host, &mut faults);
            }
            (extension.registries, extension.mirrors) = registries(&top, &mut faults);
            if let Some(ready) = top.get("ready") {
                extension.ready = readiness(ready, &mut faults);
            }
        }
        (extension, faults.into_inner())
    }
}

fn variables(top: &Section<'_>, faults: &mut Faults) -> IndexMap<String, Reference> {
    let mut variables = IndexMap::new();
    for (name, node) in top.pairs("variables", faults) {
        let path = format!("x-rolecall.variables.{}", name.name);
        let Some(text) = node.as_str() else {
            faults.push(expected(node, &path, "a reference such as ssm:///path"));
            continue;
        };
        match Reference::parse(text) {
            Ok(reference) => {
                variables.insert(name.name.clone(), reference);
            }
            Err(message) => faults.push(node.fault(path, message)),
        }
    }
    variables
}

fn host_settings(node: &Node, faults: &mut Faults) -> HostSettings {
    let mut host = HostSettings::default();
    let Some(section) = Section::new(node, "x-rolecall.host", HOST_KEYS, faults) else { return host };
    host.upgrade = section.choice("upgrade", UPGRADES, faults).unwrap_or_default();
    host.packages = section.texts("packages", faults);
    for (index, name) in host.packages.iter().enumerate() {
        if let Err(why) = package::check(name) {
            let list = section.get("packages");
            let at = list.and_then(Node::as_seq).and_then(|items| items.get(index)).unwrap_or(node);
            faults.push(at.fault(format!("x-rolecall.host.packages[{index}]"), format!("'{name}' {why}")));
        }
    }
    host.files = host_files::read(&section, faults);
    host.prune = section.flag("prune", faults).unwrap_or_default();
    host.containers_dir = section.text("containers-dir", faults).map(PathBuf::from);
    if let (Some(dir), Some(at)) = (&host.containers_dir, section.get("containers-dir"))
        && !dir.is_absolute()
    {
        faults.push(at.fault("x-rolecall.host.containers-dir", "must be an absolute path"));
    }
    if let Some(docker) = section.get("docker") {
        host.docker = docker_settings(docker, faults);
    }
    host
}

fn docker_settings(node: &Node, faults: &mut Faults) -> DockerSettings {
    let mut docker = DockerSettings::default();
    let Some(section) = Section::new(node, "x-rolecall.host.docker", DOCKER_KEYS, faults) else { return docker };
    docker.named = true;
    let archive = section.text("archive", faults);
    docker.install = match (section.choice("install", INSTALLS, faults), archive) {
        (Some("static"), Some(archive)) => Install::Static(archive),
        (Some("static"), None) => {
            faults
                .push(node.fault("x-rolecall.host.docker", "install: static needs 'archive', the s3:// address of it"));
            Install::Distro
        }
        (Some("docker-ce"), _) => Install::DockerCe,
        _ => Install::Distro,
    };
    docker.data_root = section.text("data-root", faults);
    if let (Some(root), Some(at)) = (&docker.data_root, section.get("data-root"))
        && !root.starts_with('/')
    {
        faults.push(at.fault("x-rolecall.host.docker.data-root", "must be an absolute path"));
    }
    docker.registry_mirrors = section.texts("registry-mirrors", faults);
    if let Some(mirrors) = section.get("registry-mirrors") {
        daemon::mirrors(mirrors, "x-rolecall.host.docker.registry-mirrors", faults);
    }
    if let Some(node) = section.get("daemon") {
        if node.as_map().is_none() {
            faults.push(expected(node, "x-rolecall.host.docker.daemon", "a mapping"));
        }
        docker.daemon = daemon::read(node, "x-rolecall.host.docker.daemon", faults);
    }
    docker
}

fn registries(top: &Section<'_>, faults: &mut Faults) -> (Vec<String>, Mirrors) {
    let Some(node) = top.get("registries") else { return Default::default() };
    let Some(items) = node.as_seq() else {
        faults.push(expected(node, "x-rolecall.registries", "a list"));
        return Default::default();
    };
    let (mut found, mut mirrors) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let path = format!("x-rolecall.registries[{index}]");
        let Some(section) = Section::new(item, &path, &["auth", "from", "to"], faults) else { continue };
        let auth = section.text("auth", faults);
        let mut prefix = |key: &str| {
            let text = section.text(key, faults)?;
            let read = mirrors::prefix(&text);
            read.map_err(|why| faults.push(section.get(key).unwrap_or(item).fault(section.path(key), why))).ok()
        };
        match (prefix("from"), prefix("to")) {
            (Some(from), Some(to)) => mirrors.push(Mirror { from, to }),
            _ if section.get("from").is_some() != section.get("to").is_some() => {
                faults.push(item.fault(&path, "needs both 'from' and 'to', the registry to pull from in its place"));
            }
            (None, None) if auth.is_none() && section.get("from").is_none() => {
                faults.push(item.fault(&path, "needs 'auth', the address of a docker config.json, or 'from' and 'to'"));
            }
            _ => {}
        }
        found.extend(auth);
    }
    (found, Mirrors::new(mirrors))
}

fn readiness(node: &Node, faults: &mut Faults) -> Readiness {
    let mut ready = Readiness::default();
    let Some(section) = Section::new(node, "x-rolecall.ready", &["timeout", "stable"], faults) else { return ready };
    for (key, place) in [("timeout", &mut ready.timeout), ("stable", &mut ready.stable)] {
        let Some(text) = section.text(key, faults) else { continue };
        match crate::settings::duration(&text) {
            Ok(duration) => *place = duration,
            Err(err) => faults.push(section.get(key).unwrap_or(node).fault(section.path(key), err.message)),
        }
    }
    ready
}

#[cfg(test)]
mod tests;
