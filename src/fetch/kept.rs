//! The last known good: what was fetched of a project that was ready, so that a boot that cannot reach or use its source
//! can start it again.
//!
//! Kept is what was fetched, after it was verified, and nothing that was looked up for it: values and logins are asked
//! for anew. Content lies under its checksum and is shared with the cache, so that a project that did not change costs
//! nothing. What another instance kept, or what was kept for another source, role, environment or public key, is never
//! found.
//!
//! An image may bring a copy for instances that have none of their own yet: as it was baked, for whatever role, and else
//! under the same conditions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File as Folder,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Beside, Fetched,
    snapshot::{File, Snapshot, of_files},
    verify::sha256,
};
use crate::{
    error::{Cause, Error, Result},
    facts::Facts,
    host::files,
    paths::Paths,
    retry::Retry,
    settings::{Input, Source},
    state_file::{self, Content},
    world::World,
};

/// Format of `project.json`.
const FORMAT: u64 = 1;

/// So many inputs of this instance are remembered: a role may be given back.
const MOST_KEPT: usize = 4;

/// Where a script that is a source of its own is kept.
const SCRIPT: &str = "script";

/// What a source was found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A single script of this name.
    Script(String),
    /// A single compose file of this name.
    Compose(String),
    /// A project folder.
    Folder,
}

impl Shape {
    /// What was fetched.
    pub fn of(fetched: &Fetched) -> Self {
        match fetched {
            Fetched::Script { name, .. } => Self::Script(name.clone()),
            Fetched::Compose { name, .. } => Self::Compose(name.clone()),
            Fetched::Prefix(_) => Self::Folder,
        }
    }
}

/// A project that was ready, or that the image brought.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// When it was first ready as it is, or baked.
    at: jiff::Timestamp,
    #[serde(default)]
    baked: bool,
    /// The source that it came from, without what is secret of an address; none of what version 0.1.0 kept.
    #[serde(default)]
    pub source: Option<String>,
    /// Name of the compose project, where there is one.
    pub project: Option<String>,
    /// Its services, those of the roles.
    pub services: BTreeSet<String>,
    shape: Shape,
    files: BTreeMap<String, File>,
    #[serde(skip)]
    objects: PathBuf,
    /// A newer version kept it: of its project, only the containers can be started.
    #[serde(skip)]
    newer: bool,
}

impl Kept {
    /// What is read of a newer format.
    fn of_newer(value: &Value) -> Option<Self> {
        let services = value["services"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned);
        Some(Self {
            at: value["at"].as_str()?.parse().ok()?,
            baked: value["baked"].as_bool().unwrap_or_default(),
            source: value["source"].as_str().map(str::to_owned),
            project: value["project"].as_str().map(str::to_owned),
            services: services.collect(),
            shape: Shape::Folder,
            files: BTreeMap::new(),
            objects: PathBuf::new(),
            newer: true,
        })
    }

    /// Which project it is, in a few words.
    pub fn told(&self) -> String {
        let how = if self.baked { "baked" } else { "ready" };
        format!("the project that was {how} on {:.0}", self.at)
    }

    /// What was kept, as if it had just been fetched.
    ///
    /// # Errors
    /// `io` if it is damaged, or a newer version kept it.
    pub fn fetched(&self, (world, retry): (&World, &Retry), input: &Input, facts: &Facts) -> Result<Fetched> {
        if self.newer {
            return Err(Error::new(Cause::Io, format!("{} was kept by a newer version", self.told())));
        }
        let snapshot = Snapshot { files: self.files.clone(), objects: self.objects.clone() };
        let read = |path: &str| -> Result<(Vec<u8>, String)> {
            let damaged = || Error::new(Cause::Io, format!("{} does not hold {path}", self.objects.display()));
            let bytes = snapshot.read(path)?.ok_or_else(damaged)?;
            let sum = sha256(&bytes);
            Ok((bytes, sum))
        };
        Ok(match &self.shape {
            Shape::Folder => Fetched::Prefix(snapshot),
            Shape::Script(name) => {
                let (bytes, sha256) = read(SCRIPT)?;
                Fetched::Script { name: name.clone(), bytes, sha256 }
            }
            Shape::Compose(name) => {
                let (bytes, sha256) = read(name)?;
                let beside = Beside::kept(snapshot, world, retry, facts, &input.trust);
                Fetched::Compose { name: name.clone(), bytes, sha256, beside }
            }
        })
    }
}

/// Everything that was ready on this machine and is kept, whatever source and roles it was of.
pub fn all(paths: &Paths) -> Vec<Kept> {
    entries(&paths.good()).into_iter().filter_map(|dir| read(&dir)).collect()
}

/// What is kept in a folder. Of a newer format, what names the containers is read, so that a downgrade does not keep
/// them down.
fn read(dir: &Path) -> Option<Kept> {
    let path = dir.join("project.json");
    match state_file::read::<Kept>(&path, FORMAT) {
        Content::Missing => None,
        Content::Known(kept) => Some(Kept { objects: dir.join("objects"), ..kept }),
        Content::Newer { format, value } => {
            let message = state_file::newer(&path, format, FORMAT);
            let loss = "without its source, this project is started from its containers alone";
            state_file::warn_once(&path, &format!("{message}; until it is ready again, {loss}"));
            Kept::of_newer(&value)
        }
        Content::Damaged(why) => {
            let loss = "a project that was ready is not known any more";
            state_file::warn_once(&path, &format!("could not read {}: {why}; {loss}", path.display()));
            None
        }
    }
}

/// Where the last known good of one input is kept.
#[derive(Clone, Debug)]
pub struct Good {
    key: String,
    dir: PathBuf,
    baked: bool,
}

impl Good {
    /// For this instance, and for source, roles, environment and public keys as they are now.
    pub fn of(paths: &Paths, input: &Input, instance: &str) -> Self {
        let key = key(input, instance, &input.roles_text);
        Self { dir: paths.good().join(&key), key, baked: false }
    }

    /// What the image brings for source, environment and public keys as they are now.
    pub fn baked(paths: &Paths, input: &Input) -> Self {
        let key = key(input, "", "");
        Self { dir: paths.baked().join(&key), key, baked: true }
    }

    /// Names the input: a hash over all of these.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is kept, if anything is; what cannot be read is as if it were not there.
    pub fn read(&self) -> Option<Kept> {
        read(&self.dir)
    }

    /// Keeps a project that is ready in place of what was kept before; a crash leaves the one or the other.
    ///
    /// # Errors
    /// The state folder cannot be written; then the one before is still there.
    pub fn keep(
        &self,
        source: &Source,
        (shape, project, services): (Shape, Option<&str>, BTreeSet<String>),
        snapshot: &Snapshot,
    ) -> Result<()> {
        let objects = self.objects();
        files::create_private(&objects)?;
        let mut linked = false;
        for file in snapshot.files.values() {
            let to = objects.join(&file.sha256);
            if !std::fs::metadata(&to).is_ok_and(|there| there.len() == file.size) {
                linked = true;
                let _ = std::fs::remove_file(&to);
                if std::fs::hard_link(snapshot.objects.join(&file.sha256), &to).is_err() {
                    files::write_atomic(&to, &snapshot.content(file)?, 0o600)?;
                }
            }
        }
        let before = self.read();
        let same = before.is_some_and(|old| {
            !old.newer
                && old.shape == shape
                && old.files == snapshot.files
                && old.project.as_deref() == project
                && old.services == services
                && old.source.is_some()
        });
        if same && !linked {
            return Ok(());
        }
        Folder::open(&objects).and_then(|dir| dir.sync_all()).map_err(|err| Error::io("write", &objects, &err))?;
        let (project, files) = (project.map(str::to_owned), snapshot.files.clone());
        let (at, baked) = (jiff::Timestamp::now(), self.baked);
        let source = Some(source.to_string());
        let kept = Kept { at, baked, source, project, services, shape, files, objects, newer: false };
        files::write_atomic(&self.record(), &state_file::encode(&self.record(), FORMAT, &kept)?, 0o600)?;
        self.tidy(&kept);
        Ok(())
    }

    fn record(&self) -> PathBuf {
        self.dir.join("project.json")
    }

    fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }

    /// Removes content that is not named any more, and what was kept longest ago; only space is at stake.
    fn tidy(&self, kept: &Kept) {
        let used: BTreeSet<&str> = kept.files.values().map(|file| file.sha256.as_str()).collect();
        for entry in entries(&self.objects()) {
            if entry.file_name().and_then(|name| name.to_str()).is_none_or(|name| !used.contains(name)) {
                let _ = std::fs::remove_file(entry);
            }
        }
        let age = |dir: &PathBuf| {
            let changed = std::fs::metadata(dir.join("project.json")).and_then(|meta| meta.modified());
            changed.unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let mut all: Vec<PathBuf> = self.dir.parent().map(entries).unwrap_or_default();
        all.retain(|dir| *dir != self.dir);
        all.sort_by_key(|dir| std::cmp::Reverse(age(dir)));
        for old in all.into_iter().skip(MOST_KEPT - 1) {
            let _ = std::fs::remove_dir_all(old);
        }
    }
}

/// A hash over an input, for an instance and its roles.
fn key(input: &Input, instance: &str, roles: &str) -> String {
    let environment = input.environment.as_deref().unwrap_or_default();
    // What was accepted without these keys has no effect with them.
    let keys = input.trust.keys.join(",");
    let mut key = sha256([instance, &input.source.identity(), roles, environment, &keys].join("\0").as_bytes());
    key.truncate(32);
    key
}

/// Forgets what the image brought: this instance has a project of its own now, and what is older shall not come back.
///
/// # Errors
/// The state folder cannot be written.
pub fn forget_baked(paths: &Paths) -> Result<()> {
    let folder = paths.baked();
    match std::fs::remove_dir_all(&folder) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &folder, &err)),
        _ => Ok(()),
    }
}

/// A script that is a source of its own, as a snapshot.
///
/// # Errors
/// `io` and `disk-full` of the store.
pub fn of_script(paths: &Paths, input: &Input, body: &[u8]) -> Result<Snapshot> {
    of_files(paths, &input.source, [(SCRIPT, body.to_vec().into())])
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests;
