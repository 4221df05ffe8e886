//! The files of a project as the compose loader sees them: what was fetched, under the path at which it will stand.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use crate::{
    compose::{Disk, Files},
    error::Result,
    fetch::Snapshot,
};

/// What was fetched: a mirrored folder, or a single compose file and what it named beside it.
pub enum Gathered {
    /// A mirrored folder.
    Folder(Snapshot),
    /// Content by path, relative to the compose file.
    Single(BTreeMap<String, Vec<u8>>),
}

impl Gathered {
    /// The content of a file, `None` if there is no such file.
    ///
    /// # Errors
    /// The mirror is damaged or cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(snapshot) => snapshot.read(path),
            Self::Single(files) => Ok(files.get(path).cloned()),
        }
    }

    /// Paths of all files, in order.
    pub fn paths(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Folder(snapshot) => Box::new(snapshot.files.keys().map(String::as_str)),
            Self::Single(files) => Box::new(files.keys().map(String::as_str)),
        }
    }

    /// Whether there is a file, or a folder with files, at a path.
    pub fn has(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.paths().any(|name| name == path || name.starts_with(&below))
    }
}

/// What was fetched, seen under its stable folder before anything is written there.
pub struct Staged<'a> {
    /// The stable folder.
    pub dir: PathBuf,
    /// What was fetched.
    pub gathered: &'a Gathered,
    /// Files in the folder that were asked for and were not fetched.
    pub missed: RefCell<BTreeSet<String>>,
}

impl<'a> Staged<'a> {
    /// What was fetched, as it will stand in `dir`.
    pub fn new(dir: &Path, gathered: &'a Gathered) -> Self {
        Self { dir: dir.to_owned(), gathered, missed: RefCell::default() }
    }

    fn inside<'p>(&self, path: &'p Path) -> Option<&'p str> {
        path.strip_prefix(&self.dir).ok()?.to_str()
    }
}

impl Files for Staged<'_> {
    /// Inside of the project's folder only what was fetched is seen: what containers left there is data, and must
    /// not change what the manifest means. Outside, the host's own files.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match self.inside(path) {
            Some(relative) => {
                let found = self.gathered.read(relative).map_err(|err| io::Error::other(err.to_string()))?;
                if found.is_none() {
                    self.missed.borrow_mut().insert(relative.to_owned());
                }
                Ok(found)
            }
            None => Disk.read(path),
        }
    }

    fn is_dir(&self, path: &Path) -> bool {
        match self.inside(path) {
            Some("") => true,
            Some(relative) => {
                let below = format!("{relative}/");
                self.gathered.paths().any(|name| name.starts_with(&below))
            }
            None => Disk.is_dir(path),
        }
    }
}
