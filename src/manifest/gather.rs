//! Reading a project out of what was fetched of it, with whatever a single compose file turns out to name beside itself
//! on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    rc::Rc,
};

use super::{
    LoadError, Reading, bound_beside,
    extension::Extension,
    files::{Gathered, Staged},
    load, peek,
    prepare::{Around, snapshot_of},
};
use crate::{
    compose::Project,
    error::{Cause, Error, Result},
    fetch::{Beside, Content, Snapshot},
    redact::Secret,
};

/// A project that is being read.
pub(super) struct Gathering<'a> {
    around: Around<'a>,
    /// How it is read.
    pub(super) reading: Reading,
    files: Gathered,
    /// Compose files that are named, relative to the folder.
    named: Vec<String>,
    missing: Option<Missing>,
}

impl<'a> Gathering<'a> {
    /// A mirrored folder.
    pub(super) fn folder(around: Around<'a>, reading: Reading, files: Gathered) -> Self {
        Self { around, reading, files, named: Vec::new(), missing: None }
    }

    /// A single compose file.
    pub(super) fn single(
        around: Around<'a>,
        reading: Reading,
        (name, bytes): (String, Vec<u8>),
        beside: Beside,
    ) -> Self {
        let files = Gathered::Single(BTreeMap::from([(name.clone(), bytes.into())]));
        let missing = Missing { beside, asked: BTreeSet::new(), refused: BTreeMap::new() };
        let mut gathering = Self { around, reading, files, named: vec![name], missing: Some(missing) };
        let dir = gathering.reading.dir.clone();
        gathering.place(dir);
        gathering
    }

    /// `x-rolecall`, before values are looked up.
    ///
    /// # Errors
    /// As [`peek`]; a file beside it that cannot be read.
    pub(super) async fn peek(&mut self) -> Result<Extension> {
        self.read(|staged, reading| peek(staged, reading)).await
    }

    /// The project, as it stands in the folder that its name decides.
    ///
    /// # Errors
    /// As [`load`]; a file beside it that cannot be read.
    pub(super) async fn load(
        &mut self,
        extension: &Extension,
        values: &BTreeMap<String, Secret<String>>,
    ) -> Result<Project> {
        let mut moved = false;
        loop {
            let project = self.read(|staged, reading| load(staged, reading, extension, values)).await?;
            // The name decides the folder, and the folder the paths: load again from there.
            let dir = self.around.paths.project(&project.name);
            if dir == self.reading.dir {
                return Ok(project);
            }
            if std::mem::replace(&mut moved, true) {
                let message = "the name of the project depends on the folder that it is in, which is named after it";
                return Err(Error::new(Cause::ManifestInvalid, message).hint("write a plain name at `name:`"));
            }
            self.place(dir);
        }
    }

    /// Reads, and again for as long as files come that were missed.
    ///
    /// # Errors
    /// What the last reading says; a file beside it that cannot be read.
    pub(super) async fn read<T>(&mut self, read: impl Fn(&Staged<'_>, &Reading) -> Result<T, LoadError>) -> Result<T> {
        loop {
            let staged = Staged::new(&self.reading.dir, &self.files);
            let (found, missed) = (read(&staged, &self.reading), staged.missed.take());
            if !self.brought(missed).await? {
                return found.map_err(|err| self.told(err));
            }
        }
    }

    /// Fetches the files and folders that containers of the project mount from beside a single compose file, and the files
    /// that the host gives a mode or an owner.
    ///
    /// # Errors
    /// One that cannot be read.
    pub(super) async fn fetch_bound(&mut self, project: &Project, extension: &Extension) -> Result<()> {
        let (Some(missing), Gathered::Single(_)) = (&self.missing, &self.files) else { return Ok(()) };
        let mut paths = bound_beside(project, &self.reading.dir);
        paths.extend(extension.host.files.iter().map(|file| file.path.clone()));
        for path in paths {
            fetch_beside(&path, &mut self.files, &missing.beside).await?;
        }
        Ok(())
    }

    /// The stable folder, and the files that belong there.
    ///
    /// # Errors
    /// Two tags that become one variable, where it is used; the cache cannot be written.
    pub(super) fn finish(self) -> Result<(PathBuf, Option<Rc<Snapshot>>)> {
        check_collisions(self.around, &self.files)?;
        Ok((self.reading.dir, snapshot_of(self.around, self.files)?))
    }

    fn place(&mut self, dir: PathBuf) {
        self.reading.files = self.named.iter().map(|file| dir.join(file)).collect();
        self.reading.dir = dir;
    }

    /// Whether files that the loader missed have come, so that there is a reason to load again.
    async fn brought(&mut self, missed: BTreeSet<String>) -> Result<bool> {
        let (Some(missing), Gathered::Single(files)) = (&mut self.missing, &mut self.files) else { return Ok(false) };
        let found = missing.fetch(missed).await?;
        let some = !found.is_empty();
        files.extend(found);
        Ok(some)
    }

    /// The loader's error as ours; a file that is missing since it was refused is told as that.
    fn told(&self, err: LoadError) -> Error {
        let refused = match &err {
            LoadError::Compose(err) => err
                .not_found()
                .and_then(|path| path.strip_prefix(&self.reading.dir).ok()?.to_str())
                .and_then(|path| self.missing.as_ref()?.refused.get(path)),
            LoadError::Other(_) => None,
        };
        let refused = refused.cloned();
        let err = Error::from(err);
        match refused {
            Some(refused) => Error { message: format!("{}: {}", err.message, refused.message), ..refused },
            None => err,
        }
    }
}

/// Files that the loader asked for and that a single compose file has beside it, each fetched once.
struct Missing {
    beside: Beside,
    asked: BTreeSet<String>,
    /// What was refused: it may be there, or not.
    refused: BTreeMap<String, Error>,
}

impl Missing {
    /// What was found of the files that were missed. A role that may not list the bucket gets 403 for a key that is
    /// missing.
    async fn fetch(&mut self, missed: BTreeSet<String>) -> Result<BTreeMap<String, Content>> {
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
async fn optional(beside: &Beside, path: &str) -> Result<Option<Content>> {
    match beside.get(path).await {
        Err(err) if err.cause == Cause::SourceDenied => Ok(None),
        other => other,
    }
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
