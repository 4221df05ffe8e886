//! The way from a fetched source to a manifest: `x-rolecall` first, then the values that it names, then the whole, and
//! whatever a single compose file names beside itself on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    rc::Rc,
};

use super::{
    LoadError, Manifest, Reading, Script, bound_beside,
    extension::Extension,
    files::{Gathered, Staged},
    load, peek, scripts,
    variables::{self, Reference},
};
use crate::{
    compose,
    error::{Cause, Error, Result},
    facts::Facts,
    fetch::{self, Beside, Fetched, Snapshot},
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
}

/// Makes a manifest of what was fetched.
///
/// # Errors
/// An invalid manifest, an unknown role, a value or a file beside it that cannot be read.
pub async fn prepare(around: Around<'_>, fetched: Fetched) -> Result<Prepared> {
    let Around { input, paths, .. } = around;
    let mut reading = Reading {
        dir: paths.project(&folder_name(input)),
        files: Vec::new(),
        environment: input.environment.clone(),
        roles: input.roles.clone(),
        variables: shell(around),
    };
    match fetched {
        Fetched::Script { name, bytes, .. } => Ok(scripts_only(reading.dir, None, vec![Script::new(name, bytes)])),
        Fetched::Prefix(snapshot) => {
            let files = Gathered::Folder(snapshot);
            if has_compose(|name| files.paths().any(|path| path == name), || files.read(".env").ok().flatten()) {
                let scripts = scripts::of(&files, true)?;
                return project(around, reading, files, None, scripts).await;
            }
            let scripts = scripts::of(&files, false)?;
            if scripts.is_empty() {
                return Err(nothing_to_do(&input.source.to_string(), &files));
            }
            Ok(scripts_only(reading.dir, snapshot_of(around, files)?, scripts))
        }
        Fetched::Compose { name, bytes, beside, .. } => {
            let files = Gathered::Single(BTreeMap::from([(name.clone(), bytes)]));
            reading.files = vec![PathBuf::from(name)];
            project(around, reading, files, Some(beside), Vec::new()).await
        }
    }
}

/// The name of the project's folder, until the project says its own.
fn folder_name(input: &Input) -> String {
    let name = compose::normalize_project_name(&input.source.folder_name());
    if name.is_empty() { "project".to_owned() } else { name }
}

async fn project(
    around: Around<'_>,
    mut reading: Reading,
    mut files: Gathered,
    beside: Option<Beside>,
    scripts: Vec<Script>,
) -> Result<Prepared> {
    let Around { world, retry, input, facts, paths } = around;
    let relative = std::mem::take(&mut reading.files);
    let mut missing = beside.as_ref().map(Missing::new);
    let place = |reading: &mut Reading, dir: PathBuf| {
        reading.files = relative.iter().map(|file| dir.join(file)).collect();
        reading.dir = dir;
    };
    let dir = reading.dir.clone();
    place(&mut reading, dir);
    let extension = loop {
        let staged = Staged::new(&reading.dir, &files);
        let (peeked, missed) = (peek(&staged, &reading), staged.missed.take());
        if !brought(missing.as_mut(), missed, &mut files).await? {
            break peeked.map_err(|err| told(err, &reading, missing.as_ref()))?;
        }
    };
    let values = variables::resolve(world, retry, facts, &input.trust, &extension.variables);
    let (values, registry_auths) = futures_util::future::try_join(values, registry_auths(around, &extension)).await?;
    let mut moved = false;
    let project = loop {
        let staged = Staged::new(&reading.dir, &files);
        let (loaded, missed) = (load(&staged, &reading, &extension, &values), staged.missed.take());
        if brought(missing.as_mut(), missed, &mut files).await? {
            continue;
        }
        let project = loaded.map_err(|err| told(err, &reading, missing.as_ref()))?;
        // The name decides the folder, and the folder the paths: load again from there.
        let dir = paths.project(&project.name);
        if dir == reading.dir {
            break project;
        }
        if std::mem::replace(&mut moved, true) {
            let message = "the name of the project depends on the folder that it is in, which is named after it";
            return Err(Error::new(Cause::ManifestInvalid, message).hint("write a plain name at `name:`"));
        }
        place(&mut reading, dir);
    };
    if let Some(beside) = &beside {
        for path in bound_beside(&project, &reading.dir) {
            fetch_beside(&path, &mut files, beside).await?;
        }
    }
    check_collisions(around, &files)?;
    let manifest = Manifest { project: Some(Rc::new(project)), extension, scripts, values };
    Ok(Prepared { manifest, dir: reading.dir, files: snapshot_of(around, files)?, registry_auths })
}

/// Files that the loader asked for and that a single compose file has beside it, each fetched once.
struct Missing<'a> {
    beside: &'a Beside,
    asked: BTreeSet<String>,
    /// What was refused: it may be there, or not.
    refused: BTreeMap<String, Error>,
}

impl<'a> Missing<'a> {
    fn new(beside: &'a Beside) -> Self {
        Self { beside, asked: BTreeSet::new(), refused: BTreeMap::new() }
    }

    /// What was found of the files that were missed. A role that may not list the bucket gets 403 for a key that is
    /// missing.
    async fn fetch(&mut self, missed: BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>> {
        let new: Vec<String> = missed.into_iter().filter(|path| self.asked.insert(path.clone())).collect();
        let all = new.iter().map(async |path| (path.clone(), self.beside.get(path).await));
        let mut found = BTreeMap::new();
        for (path, answer) in futures_util::future::join_all(all).await {
            match answer {
                Ok(body) => found.extend(body.map(|body| (path, body))),
                Err(err) if err.cause == Cause::SourceDenied => _ = self.refused.insert(path, err),
                Err(err) => return Err(err),
            }
        }
        Ok(found)
    }
}

/// Whether files that the loader missed have come, so that there is a reason to load again.
async fn brought(missing: Option<&mut Missing<'_>>, missed: BTreeSet<String>, files: &mut Gathered) -> Result<bool> {
    let (Some(missing), Gathered::Single(files)) = (missing, files) else { return Ok(false) };
    let found = missing.fetch(missed).await?;
    let some = !found.is_empty();
    files.extend(found);
    Ok(some)
}

/// The loader's error as ours; a file that is missing since it was refused is told as that.
fn told(err: LoadError, reading: &Reading, missing: Option<&Missing<'_>>) -> Error {
    let refused = match &err {
        LoadError::Compose(err) => err
            .not_found()
            .and_then(|path| path.strip_prefix(&reading.dir).ok()?.to_str())
            .and_then(|path| missing?.refused.get(path)),
        LoadError::Other(_) => None,
    };
    let refused = refused.cloned();
    let err = Error::from(err);
    match refused {
        Some(refused) => Error { message: format!("{}: {}", err.message, refused.message), ..refused },
        None => err,
    }
}

/// Fetches a file or folder that a container mounts; what is not there is made by the engine, as with Compose.
async fn fetch_beside(path: &str, files: &mut Gathered, beside: &Beside) -> Result<()> {
    if files.has(path) {
        return Ok(());
    }
    let Gathered::Single(files) = files else { return Ok(()) };
    if let Some(body) = optional(beside, path).await? {
        files.insert(path.to_owned(), body);
        return Ok(());
    }
    let below = match beside.list(path).await {
        Ok(below) => below,
        // Nothing can be listed there, or may be: the folder stays empty.
        Err(err) if matches!(err.cause, Cause::SourceRefused | Cause::SourceDenied) => Vec::new(),
        Err(err) => return Err(err),
    };
    for name in below {
        if let Some(body) = beside.get(&name).await? {
            files.insert(name, body);
        }
    }
    Ok(())
}

/// A file that may be there. A role that may not list the bucket gets 403 for a key that is missing.
async fn optional(beside: &Beside, path: &str) -> Result<Option<Vec<u8>>> {
    match beside.get(path).await {
        Err(err) if err.cause == Cause::SourceDenied => Ok(None),
        other => other,
    }
}

async fn registry_auths(around: Around<'_>, extension: &Extension) -> Result<Vec<(String, Secret<String>)>> {
    let all = extension.registries.iter().map(async |uri| {
        let body = fetch::value(around.world, around.retry, uri, around.facts, &around.input.trust).await?;
        let text = String::from_utf8(body).map_err(|_| {
            let message = format!("{uri}, named by x-rolecall.registries, is not a docker config.json");
            Error::new(Cause::ManifestInvalid, message)
        })?;
        Ok::<_, Error>((uri.clone(), Secret::new(text)))
    });
    futures_util::future::try_join_all(all).await
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

/// Two tags whose names become one variable are an error where that variable is used.
fn check_collisions(around: Around<'_>, files: &Gathered) -> Result<()> {
    let variables = around.facts.variables(&around.input.roles_text, around.input.environment.as_deref());
    for (name, tags) in variables.collisions() {
        for path in files.paths().filter(|path| path.ends_with(".yaml") || path.ends_with(".yml") || *path == ".env") {
            let text = files.read(path)?.unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(name.as_str()) {
                let message = format!("{path} uses {name}, which could be any of the tags {}", tags.join(", "));
                return Err(Error::new(Cause::ManifestInvalid, message).hint("rename or remove one of the tags"));
            }
        }
    }
    Ok(())
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

fn snapshot_of(around: Around<'_>, files: Gathered) -> Result<Option<Rc<Snapshot>>> {
    let snapshot = match files {
        Gathered::Folder(snapshot) => snapshot,
        Gathered::Single(files) => {
            let files = files.iter().map(|(path, body)| (path.as_str(), body.as_slice()));
            fetch::of_files(around.paths, &around.input.source, files)?
        }
    };
    Ok(Some(Rc::new(snapshot)))
}

fn scripts_only(dir: PathBuf, files: Option<Rc<Snapshot>>, scripts: Vec<Script>) -> Prepared {
    let manifest = Manifest { project: None, extension: Extension::default(), scripts, values: BTreeMap::new() };
    Prepared { manifest, dir, files, registry_auths: Vec::new() }
}

fn nothing_to_do(source: &str, files: &Gathered) -> Error {
    let found: Vec<&str> = files.paths().take(5).collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    Error::new(Cause::SourceUnrecognised, format!("{source} has neither a compose file nor scripts; found: {found}"))
        .need("compose.yaml, or *.sh")
        .hint("put a compose.yaml at the top of the prefix, or scripts that end in .sh")
}

#[cfg(test)]
mod tests;
