//! The way from a fetched source to a manifest: `x-rolecall` first, then the values that it names, then the whole, and
//! whatever a single compose file names beside itself on the way.

use std::{collections::BTreeMap, path::PathBuf, rc::Rc};

use tracing::warn;

use super::{
    Manifest, Reading, Script,
    extension::Extension,
    files::Gathered,
    gather::Gathering,
    scripts,
    variables::{self, Reference},
};
use crate::{
    compose,
    error::{Cause, Error, Exit, Result},
    facts::Facts,
    fetch::{self, Fetched, Snapshot, project::Changes},
    paths::Paths,
    redact::Secret,
    retry::Retry,
    settings::Input,
    world::World,
};

/// What a plan is made of.
#[derive(Debug)]
pub struct Prepared {
    /// The manifest.
    pub manifest: Manifest,
    /// The stable folder of the project.
    pub dir: PathBuf,
    /// The files that belong there.
    pub files: Option<Rc<Snapshot>>,
    /// Where each docker config.json was found, and its text.
    pub registry_auths: Vec<(String, Secret<String>)>,
}

impl Prepared {
    /// What bringing the folder of the project up to date would change now. A folder that cannot be read has none: the
    /// step that writes it fails with the reason.
    pub fn changes(&self) -> Changes {
        let preview = self.files.as_ref().map(|files| fetch::project::preview(files, &self.dir));
        preview.and_then(Result::ok).unwrap_or_default()
    }
}

/// What surrounds the preparation of one project.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The outside world.
    pub world: &'a World,
    /// Tries again until the deadline.
    pub retry: &'a Retry,
    /// Source, roles and environment.
    pub input: &'a Input,
    /// Who this instance is.
    pub facts: &'a Facts,
    /// Where things are kept.
    pub paths: &'a Paths,
    /// Whether an older project stands in for the source: its images are used as they are, so that a login that cannot
    /// be had is no reason not to start it.
    pub standing_in: bool,
}

/// What was fetched, as far as it can be told without reading it: scripts alone, or a project that is still to be read.
pub(super) enum Opened<'a> {
    /// There is nothing but scripts.
    Scripts(Box<Prepared>),
    /// A project, and the scripts that come before it.
    Project(Box<Gathering<'a>>, Vec<Script>),
}

/// Makes a manifest of what was fetched.
///
/// # Errors
/// An invalid manifest, an unknown role, a value or a file beside it that cannot be read.
pub async fn prepare(around: Around<'_>, fetched: Fetched) -> Result<Prepared> {
    let (mut gathering, scripts) = match open(around, fetched)? {
        Opened::Scripts(prepared) => return Ok(*prepared),
        Opened::Project(gathering, scripts) => (gathering, scripts),
    };
    let Around { world, retry, input, facts, .. } = around;
    let extension = gathering.peek().await?;
    let values = variables::resolve(world, retry, facts, &input.trust, &extension.variables);
    let (values, registry_auths) = futures_util::future::try_join(values, registry_auths(around, &extension)).await?;
    let project = gathering.load(&extension, &values).await?;
    gathering.fetch_bound(&project, &extension).await?;
    let (dir, files) = gathering.finish()?;
    let files = files.map(|files| with_modes(files, &extension));
    let manifest = Manifest { project: Some(Rc::new(project)), extension, scripts, values };
    Ok(Prepared { manifest, dir, files, registry_auths })
}

/// The files with the modes of `x-rolecall.host.files`.
fn with_modes(files: Rc<Snapshot>, extension: &Extension) -> Rc<Snapshot> {
    let modes: Vec<_> = extension.host.files.iter().filter_map(|file| Some((&file.path, file.mode?))).collect();
    if modes.is_empty() {
        return files;
    }
    let mut files = Rc::unwrap_or_clone(files);
    for (path, mode) in modes {
        files.set_mode(path, mode);
    }
    Rc::new(files)
}

pub(super) fn open(around: Around<'_>, fetched: Fetched) -> Result<Opened<'_>> {
    let Around { input, paths, .. } = around;
    let reading = Reading {
        dir: paths.project(&folder_name(input)),
        files: Vec::new(),
        environment: input.environment.clone(),
        roles: input.roles.clone(),
        variables: shell(around),
    };
    match fetched {
        Fetched::Script { name, bytes, .. } => {
            Ok(Opened::Scripts(Box::new(scripts_only(reading.dir, None, vec![Script::new(name, bytes)]))))
        }
        Fetched::Prefix(snapshot) => {
            let files = Gathered::Folder(Rc::new(snapshot));
            if has_compose(|name| files.paths().any(|path| path == name), || files.read(".env").ok().flatten()) {
                let scripts = scripts::of(&files, true)?;
                return Ok(Opened::Project(Box::new(Gathering::folder(around, reading, files)), scripts));
            }
            let scripts = scripts::of(&files, false)?;
            if scripts.is_empty() {
                return Err(nothing_to_do(&input.source.to_string(), &files));
            }
            Ok(Opened::Scripts(Box::new(scripts_only(reading.dir, snapshot_of(around, files)?, scripts))))
        }
        Fetched::Compose { name, bytes, beside, .. } => {
            Ok(Opened::Project(Box::new(Gathering::single(around, reading, (name, bytes), beside)), Vec::new()))
        }
    }
}

/// The name of the project's folder, until the project says its own.
fn folder_name(input: &Input) -> String {
    let name = compose::normalize_project_name(&input.source.folder_name());
    if name.is_empty() { "project".to_owned() } else { name }
}

/// Where each docker config.json was found, and its text.
///
/// # Errors
/// One that has to be there and cannot be read.
pub(super) async fn registry_auths(around: Around<'_>, extension: &Extension) -> Result<Vec<(String, Secret<String>)>> {
    let all = extension.registries.iter().map(async |uri| match registry_auth(around, uri).await {
        Err(err) if around.standing_in && err.exit() == Exit::Unreachable => {
            warn!(cause = err.cause.code(), "going on without the logins of {uri}: {err}");
            Ok(None)
        }
        other => other.map(|text| Some((uri.clone(), text))),
    });
    Ok(futures_util::future::try_join_all(all).await?.into_iter().flatten().collect())
}

async fn registry_auth(around: Around<'_>, uri: &str) -> Result<Secret<String>> {
    let body = fetch::value(around.world, around.retry, uri, around.facts, &around.input.trust).await?;
    let text = String::from_utf8(body).map_err(|_| {
        let message = format!("{uri}, named by x-rolecall.registries, is not a docker config.json");
        Error::new(Cause::ManifestInvalid, message)
    })?;
    Ok(Secret::new(text))
}

/// What interpolation sees in place of a shell: the facts, and the name that every shell has.
fn shell(around: Around<'_>) -> BTreeMap<String, String> {
    let variables = around.facts.variables(&around.input.roles_text, around.input.environment.as_deref());
    let mut shell = variables.all().clone();
    if let Ok(home) = std::env::var("HOME") {
        shell.insert("HOME".to_owned(), home);
    }
    shell
}

/// Values for `rolecall validate`, which has no network: each variable has some value, which is never shown.
pub fn placeholders(variables: &indexmap::IndexMap<String, Reference>) -> BTreeMap<String, Secret<String>> {
    variables.keys().map(|name| (name.clone(), Secret::new("placeholder".to_owned()))).collect()
}

/// Whether a folder is a compose project: it `has` a compose file, or its `.env` names one.
pub fn has_compose(has: impl Fn(&str) -> bool, env: impl FnOnce() -> Option<Vec<u8>>) -> bool {
    compose::load::DEFAULT_FILES.iter().any(|name| has(name)) || env().is_some_and(|env| env_names_compose_file(&env))
}

fn env_names_compose_file(env: &[u8]) -> bool {
    String::from_utf8_lossy(env).lines().any(|line| line.trim_start().starts_with("COMPOSE_FILE="))
}

pub(super) fn snapshot_of(around: Around<'_>, files: Gathered) -> Result<Option<Rc<Snapshot>>> {
    match files {
        Gathered::Folder(snapshot) => Ok(Some(snapshot)),
        Gathered::Single(files) => {
            let files = files.iter().map(|(path, content)| (path.as_str(), content.clone()));
            Ok(Some(Rc::new(fetch::of_files(around.paths, &around.input.source, files)?)))
        }
        // A run is never made of one.
        Gathered::Local(_) => Ok(None),
    }
}

fn scripts_only(dir: PathBuf, files: Option<Rc<Snapshot>>, scripts: Vec<Script>) -> Prepared {
    let manifest = Manifest { project: None, extension: Extension::default(), scripts, values: BTreeMap::new() };
    Prepared { manifest, dir, files, registry_auths: Vec::new() }
}

pub(super) fn nothing_to_do(source: &str, files: &Gathered) -> Error {
    let found: Vec<&str> = files.paths().take(5).collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    Error::new(Cause::SourceUnrecognised, format!("{source} has neither a compose file nor scripts; found: {found}"))
        .need("compose.yaml, or *.sh")
        .hint("put a compose.yaml at the top of the prefix, or scripts that end in .sh")
}

#[cfg(test)]
mod tests;
