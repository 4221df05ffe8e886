//! What a single compose file names beside itself: the files that a run asks for, and the folders that it lists.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use super::unknown;
use crate::{
    compose::{Disk, Files, Project},
    manifest::{bound_beside, extension::Extension},
};

/// The files of this machine, and what the loader has asked for of them.
pub struct Asked {
    dir: PathBuf,
    /// Paths below the folder of the project, and whether there is such a file.
    files: RefCell<BTreeMap<String, bool>>,
    tags: RefCell<BTreeSet<String>>,
}

impl Asked {
    /// For the project in this folder.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), files: RefCell::default(), tags: RefCell::default() }
    }

    /// Variables after tags that the files mention which were read.
    pub fn tags(&self) -> BTreeSet<String> {
        self.tags.borrow().clone()
    }

    /// The files and folders that a run asks for besides the compose file itself.
    pub fn beside(&self, compose: &str, projects: &[Project], extensions: &[Extension]) -> Beside {
        let files = self.files.borrow();
        let mut beside = Beside { files: files.keys().cloned().collect(), folders: BTreeSet::new() };
        let here: BTreeSet<&str> = files.iter().filter(|(_, there)| **there).map(|(path, _)| path.as_str()).collect();
        let bound: BTreeSet<String> =
            projects.iter().flat_map(|project| bound_beside(project, &project.working_dir)).collect();
        for path in bound {
            let below = format!("{path}/");
            let fetched = here.iter().any(|file| *file == path || file.starts_with(&below));
            if fetched || beside.folders.iter().any(|folder| path.starts_with(&format!("{folder}/"))) {
                continue;
            }
            if !self.dir.join(&path).is_file() {
                beside.folders.insert(path.clone());
            }
            beside.files.insert(path);
        }
        let owned = extensions.iter().flat_map(|extension| &extension.host.files);
        beside.files.extend(owned.map(|file| file.path.clone()));
        beside.files.remove(compose);
        beside
    }
}

impl Files for Asked {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let found = Disk.read(path)?;
        if let Some(relative) = path.strip_prefix(&self.dir).ok().and_then(Path::to_str) {
            self.files.borrow_mut().insert(relative.to_owned(), found.is_some());
            self.tags.borrow_mut().extend(found.as_deref().map(unknown::tags).unwrap_or_default());
        }
        Ok(found)
    }

    fn is_dir(&self, path: &Path) -> bool {
        Disk.is_dir(path)
    }
}

/// Paths relative to the compose file.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Files that are asked for, there or not.
    pub files: BTreeSet<String>,
    /// Folders that are listed, and read.
    pub folders: BTreeSet<String>,
}
