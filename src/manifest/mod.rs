//! From fetched files to one typed value: the compose project of this host's roles, what its host needs, and the
//! scripts of stage two.

mod daemon;
mod decode;
pub mod extension;
pub mod files;
pub mod findings;
mod gather;
pub mod inspect;
pub mod prepare;
pub mod roles;
pub mod scripts;
pub mod service;
pub mod survey;
#[cfg(test)]
pub(crate) mod testing;
pub mod variables;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::{
    compose::{self, Files, Fragment, Generation, LoadOptions, Project, Select, node::Node},
    error::{Cause, Error, Result},
    redact::Secret,
};
use extension::Extension;
use findings::Findings;
pub use scripts::Script;

/// Everything that a plan is made of.
#[derive(Debug)]
pub struct Manifest {
    /// The services of the roles and what they need; `None` where the source only has scripts.
    pub project: Option<Rc<Project>>,
    /// `x-rolecall`.
    pub extension: Extension,
    /// Scripts of stage two, in order.
    pub scripts: Vec<Script>,
    /// `x-rolecall.variables`, with their values.
    pub values: BTreeMap<String, Secret<String>>,
}

/// How a compose project is read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The folder that relative paths start from.
    pub dir: PathBuf,
    /// The compose files; empty: found by Compose's rules.
    pub files: Vec<PathBuf>,
    /// Name of the overlay that is merged last.
    pub environment: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Facts, which play the part of the shell.
    pub variables: BTreeMap<String, String>,
}

/// `x-rolecall`, before values are looked up.
///
/// # Errors
/// The files are not valid YAML, or `x-rolecall` is wrong: file, line, column.
pub fn peek(files: &dyn Files, reading: &Reading) -> Result<Extension, LoadError> {
    let peeked = compose::peek(files, &options(files, reading))?;
    Ok(peeked.extension.as_ref().map(Extension::read).transpose()?.unwrap_or_default())
}

/// The project of the roles, with `values` for `x-rolecall.variables`.
///
/// # Errors
/// An invalid project (file, line, column), a missing file, a required variable without a value, an unknown role.
pub fn load(
    files: &dyn Files,
    reading: &Reading,
    extension: &Extension,
    values: &BTreeMap<String, Secret<String>>,
) -> Result<Project, LoadError> {
    let project = whole(files, reading, extension, values)?;
    let (project, faults) = selected(&project, &reading.roles, extension)?;
    match compose::Error::from_all(faults) {
        Some(err) => Err(err.into()),
        None => Ok(project),
    }
}

/// The part of a project that roles select, with what is inconsistent about it.
fn selected(
    project: &Project,
    roles: &[String],
    extension: &Extension,
) -> Result<(Project, Vec<compose::Diagnostic>), LoadError> {
    let wanted: Vec<String> = roles::services(roles, &extension.roles, project)?.into_iter().collect();
    Ok(match roles::profiles(roles, &extension.roles, project) {
        Some(profiles) => project.inspect_profiles(&profiles),
        None => project.inspect(&wanted)?,
    })
}

/// Sets of roles that together reach each service that some role selects: none, where there are services without a
/// profile; each entry of `x-rolecall.roles`; each profile.
///
/// # Errors
/// As [`load`], but for what only the services of a role get wrong.
pub fn role_sets(
    files: &dyn Files,
    reading: &Reading,
    extension: &Extension,
    values: &BTreeMap<String, Secret<String>>,
) -> Result<Vec<Vec<String>>, LoadError> {
    let project = whole(files, reading, extension, values)?;
    let mut sets = sets_of(&project, extension);
    // Instances of a project that needs a role have one.
    if sets.len() > 1 && sets[0].is_empty() && project.with_profiles(&[]).is_err() {
        sets.remove(0);
    }
    Ok(sets)
}

fn sets_of(project: &Project, extension: &Extension) -> Vec<Vec<String>> {
    let services = project.all_services();
    let plain = services.is_empty() || services.values().any(|service| service.profiles.is_empty());
    let profiles = project.known_profiles().into_iter().filter(|name| !extension.roles.contains_key(*name));
    let single = extension.roles.keys().map(String::as_str).chain(profiles).map(|role| vec![role.to_owned()]);
    plain.then(Vec::new).into_iter().chain(single).collect()
}

/// All services, of which none is enabled yet, with the fragments of the roles.
fn whole(
    files: &dyn Files,
    reading: &Reading,
    extension: &Extension,
    values: &BTreeMap<String, Secret<String>>,
) -> Result<Project, LoadError> {
    Ok(compose::load(files, &whole_options(files, reading, extension, values))?)
}

fn whole_options(
    files: &dyn Files,
    reading: &Reading,
    extension: &Extension,
    values: &BTreeMap<String, Secret<String>>,
) -> LoadOptions {
    let mut options = options(files, reading);
    for (name, value) in values {
        options.environment.insert(name.clone(), value.reveal().clone());
    }
    options.select = Select::Later;
    let fragments = roles::fragments(&reading.roles, &extension.roles);
    options.fragments = fragments.into_iter().map(|(_, node)| Fragment { node: Node::clone(node) }).collect();
    options
}

/// Why a project could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The compose loader's own error, which may name a file that can still be fetched.
    Compose(compose::Error),
    /// Ours.
    Other(Box<Error>),
}

impl From<compose::Error> for LoadError {
    fn from(err: compose::Error) -> Self {
        Self::Compose(err)
    }
}

impl From<Error> for LoadError {
    fn from(err: Error) -> Self {
        Self::Other(Box::new(err))
    }
}

impl From<LoadError> for Error {
    fn from(err: LoadError) -> Self {
        match err {
            LoadError::Compose(err) => invalid(&err),
            LoadError::Other(err) => *err,
        }
    }
}

/// The compose loader's error as ours: the first fault is the message, the others stand below it.
pub fn invalid(err: &compose::Error) -> Error {
    let mut findings = Findings::default();
    findings.invalid(err.diagnostics().to_vec());
    findings.into_error().unwrap_or_else(|| Error::new(Cause::ManifestInvalid, ""))
}

fn options(files: &dyn Files, reading: &Reading) -> LoadOptions {
    LoadOptions {
        working_dir: reading.dir.clone(),
        files: reading.files.clone(),
        overlay: reading.environment.as_deref().map(|name| overlay(files, &reading.dir, name)).unwrap_or_default(),
        environment: reading.variables.clone(),
        // what is included is part of the project, and is fetched with it; variables may be the host's own
        root: Some(reading.dir.clone()),
        // it reads all that older generations read; what a container is made of follows the Compose of the host
        generation: Generation::NEWEST,
        ..LoadOptions::default()
    }
}

/// The overlay of an environment, where there is one: the first of the names that design gives it.
fn overlay(files: &dyn Files, dir: &Path, environment: &str) -> Vec<PathBuf> {
    let names = [
        format!("compose.{environment}.yaml"),
        format!("compose.{environment}.yml"),
        format!("docker-compose.{environment}.yaml"),
        format!("docker-compose.{environment}.yml"),
        format!("dc.{environment}.yml"),
        format!("dc.{environment}.yaml"),
    ];
    let found = names.into_iter().map(|name| dir.join(name)).find(|path| matches!(files.read(path), Ok(Some(_))));
    found.into_iter().collect()
}

/// Files and folders below the project's folder that its containers mount, relative to it: a single compose file may
/// name what stands beside it in the bucket.
pub fn bound_beside(project: &Project, dir: &Path) -> BTreeSet<String> {
    let volumes = project.services.values().flat_map(|service| &service.volumes);
    let binds = volumes.filter(|volume| volume.r#type == "bind").map(|volume| volume.source.as_str());
    let configs = project.configs.values().map(|config| config.file.as_str());
    let secrets = project.secrets.values().map(|secret| secret.file.as_str());
    binds
        .chain(configs)
        .chain(secrets)
        .filter_map(|path| Path::new(path).strip_prefix(dir).ok()?.to_str().map(str::to_owned))
        .filter(|relative| !relative.is_empty())
        .collect()
}
