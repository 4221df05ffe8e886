//! The files of a project as the compose loader sees them: what was fetched, under the path at which it will stand.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::{
    compose::{Disk, Files},
    error::{Error, Result},
    fetch::{Content, Snapshot},
};

/// What was fetched: a mirrored folder, or a single compose file and what it named beside it; or a folder of this machine.
pub enum Gathered {
    /// A mirrored folder.
    Folder(Rc<Snapshot>),
    /// A folder of this machine, as `rolecall validate` reads it.
    Local(Local),
    /// Content by path, relative to the compose file.
    Single(BTreeMap<String, Content>),
}

impl Gathered {
    /// The content of a file, `None` if there is no such file.
    ///
    /// # Errors
    /// The mirror is damaged or cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(snapshot) => snapshot.read(path),
            Self::Single(files) => Ok(files.get(path).map(|content| content.bytes.clone())),
            Self::Local(local) => {
                let file = local.dir.join(path);
                Disk.read(&file).map_err(|err| Error::io("read", &file, &err))
            }
        }
    }

    /// Paths of all files, in order.
    pub fn paths(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Folder(snapshot) => Box::new(snapshot.files.keys().map(String::as_str)),
            Self::Single(files) => Box::new(files.keys().map(String::as_str)),
            Self::Local(local) => Box::new(local.paths().iter().map(String::as_str)),
        }
    }

    /// Whether there is a file at a path.
    pub fn has_file(&self, path: &str) -> bool {
        match self {
            Self::Folder(snapshot) => snapshot.files.contains_key(path),
            Self::Single(files) => files.contains_key(path),
            Self::Local(local) => local.dir.join(path).is_file(),
        }
    }

    /// Whether there is a file, or a folder with files, at a path.
    pub fn has(&self, path: &str) -> bool {
        if let Self::Local(local) = self {
            return local.dir.join(path).exists();
        }
        let below = format!("{path}/");
        self.paths().any(|name| name == path || name.starts_with(&below))
    }
}

/// Files of a folder that are listed at most: as many as a mirrored prefix may have.
const LISTED: usize = 10_000;

/// A folder of this machine, whose files are listed when somebody asks for them.
pub struct Local {
    dir: PathBuf,
    listed: OnceCell<Vec<String>>,
}

impl Local {
    /// The folder.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), listed: OnceCell::new() }
    }

    fn paths(&self) -> &[String] {
        self.listed.get_or_init(|| {
            let (mut found, mut open) = (Vec::new(), vec![self.dir.clone()]);
            while let Some(folder) = open.pop() {
                for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                    let path = entry.path();
                    // A link to a folder may lead round in a circle; one to a file is uploaded as that file.
                    match entry.file_type() {
                        Ok(kind) if kind.is_dir() => open.push(path),
                        _ if path.is_file() => {
                            found.extend(path.strip_prefix(&self.dir).ok().and_then(Path::to_str).map(str::to_owned));
                        }
                        _ => {}
                    }
                }
                if found.len() > LISTED {
                    break;
                }
            }
            found.sort_unstable();
            found
        })
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
