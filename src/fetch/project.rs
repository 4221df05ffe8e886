//! Installs a snapshot at the stable path of its project.
//!
//! Relative binds of containers live in that folder and are data. So only files that an earlier install wrote are
//! ever replaced without being asked or deleted; everything is written elsewhere first and then moved, so that a full
//! disk changes nothing; and no link that a container may have put there is followed.

mod tree;

use std::{collections::BTreeMap, fmt, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    snapshot::{File, Snapshot},
    verify::sha256,
};
use crate::{
    error::{Cause, Error, Result},
    host::files,
    state_file,
};
use tree::{Stamp, Tree};

/// What an install changed, as paths inside the project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// New or replaced.
    pub written: Vec<String>,
    /// Fetched by an earlier install and gone from the source.
    pub deleted: Vec<String>,
    /// With the right content and another mode.
    pub modes: Vec<String>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn none(&self) -> bool {
        self.written.is_empty() && self.deleted.is_empty() && self.modes.is_empty()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files written, {} deleted", self.written.len(), self.deleted.len())?;
        if self.modes.is_empty() { Ok(()) } else { write!(f, ", {} modes set", self.modes.len()) }
    }
}

/// What an install wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Installed {
    file: File,
    /// State of the file right after it was written; `None` while that is still to come.
    stamp: Option<Stamp>,
}

/// Format of the record.
const FORMAT: u64 = 1;

#[derive(Default, Serialize, Deserialize)]
struct Record {
    files: BTreeMap<String, Installed>,
}

/// Says what [`install`] would change, without changing anything.
///
/// # Errors
/// `io` where the project cannot be read.
pub fn preview(snapshot: &Snapshot, project: &Path) -> Result<Changes> {
    let record = read_record(&record_path(project)?);
    let tree = Tree::open(project)?;
    changes(snapshot, &record, tree.as_ref())
}

fn changes(snapshot: &Snapshot, record: &Record, tree: Option<&Tree>) -> Result<Changes> {
    let written = outdated(snapshot, record, tree)?;
    let modes = other_modes(snapshot, &written, record, tree)?;
    Ok(Changes { written, deleted: obsolete(snapshot, record, tree)?, modes })
}

/// Makes the project folder hold the files of the snapshot. A second call with the same snapshot changes nothing.
///
/// # Errors
/// `disk-full` and `io`, with the project as it was before.
pub fn install(snapshot: &Snapshot, project: &Path) -> Result<Changes> {
    let record_path = record_path(project)?;
    let mut record = read_record(&record_path);
    let tree = Tree::open(project)?;
    let changes = changes(snapshot, &record, tree.as_ref())?;
    let restamp = restamped(snapshot, &record, tree.as_ref());
    if changes.none() && tree.is_some() {
        if !restamp.is_empty() {
            record.files.extend(restamp);
            write_record(&record_path, &record)?;
        }
        return Ok(changes);
    }
    if let Some(projects) = project.parent() {
        files::create_private(projects)?;
    }
    let tree = Tree::create(project)?;
    let staged = tree.stage(&changes.written, |path| match snapshot.files.get(path) {
        Some(file) => Ok((snapshot.content(file)?, mode(path, file, &record, &tree))),
        None => Err(Error::new(Cause::Io, format!("{path} is not in the snapshot"))),
    })?;
    // From here on a crash may leave some files new and others old: all of them are ours from now on.
    record.files.extend(restamp);
    for path in &changes.written {
        if let Some(file) = snapshot.files.get(path) {
            record.files.insert(path.clone(), Installed { file: file.clone(), stamp: None });
        }
    }
    write_record(&record_path, &record)?;
    for path in &changes.deleted {
        tree.remove(path)?;
    }
    for path in &changes.modes {
        if let Some(file) = snapshot.files.get(path) {
            let stamp = tree.set_mode(path, file.mode)?;
            record.files.insert(path.clone(), Installed { file: file.clone(), stamp: Some(stamp) });
        }
    }
    for path in &changes.written {
        let stamp = tree.place(path, &staged)?;
        if let Some(installed) = record.files.get_mut(path) {
            installed.stamp = Some(stamp);
        }
    }
    tree.sync(changes.written.iter().chain(&changes.deleted))?;
    record.files.retain(|path, _| snapshot.files.contains_key(path));
    write_record(&record_path, &record)?;
    Ok(changes)
}

/// Who a file belongs to, as far as it is specified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Number of the user.
    pub user: Option<u32>,
    /// Number of the group.
    pub group: Option<u32>,
}

/// Whether a file of a project belongs to an owner; one that does not exist belongs to nobody.
///
/// # Errors
/// `io` if the project cannot be read.
pub fn is_owned(project: &Path, path: &str, owner: Owner) -> Result<bool> {
    let stamp = Tree::open(project)?.map(|tree| tree.stamp(path)).transpose()?.flatten();
    Ok(stamp.is_some_and(|stamp| stamp.belongs_to(owner)))
}

/// Gives a file of a project to an owner. No link is followed.
///
/// # Errors
/// `io` if the file does not exist, or cannot be given away.
pub fn give(project: &Path, path: &str, owner: Owner) -> Result<()> {
    match Tree::open(project)? {
        Some(tree) => tree.give(path, owner),
        None => Err(Error::new(Cause::Io, format!("{} does not exist", project.display()))),
    }
}

/// Beside the project, where no container sees it.
fn record_path(project: &Path) -> Result<std::path::PathBuf> {
    match project.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(project.with_file_name(format!(".{name}.files"))),
        None => Err(Error::new(Cause::Io, format!("{} cannot be a project folder", project.display()))),
    }
}

fn read_record(path: &Path) -> Record {
    state_file::read_or_rebuild(path, FORMAT, "files of the project that are gone from the source stay")
}

fn write_record(path: &Path, record: &Record) -> Result<()> {
    files::write_atomic(path, &state_file::encode(path, FORMAT, record)?, 0o600)
}

/// Files whose content is not that of the snapshot. One that was not touched since we wrote it is not read.
fn outdated(snapshot: &Snapshot, record: &Record, tree: Option<&Tree>) -> Result<Vec<String>> {
    let mut written = Vec::new();
    for (path, file) in &snapshot.files {
        let same = match tree {
            None => false,
            Some(tree) => match tree.stamp(path)? {
                None => false,
                Some(now) => untouched(path, file, record, &now) || same_content(tree, path, file)?,
            },
        };
        if !same {
            written.push(path.clone());
        }
    }
    Ok(written)
}

/// Files with the right content and another mode than they should have. In place: a container that mounts the file sees its
/// new mode at once.
fn other_modes(snapshot: &Snapshot, written: &[String], record: &Record, tree: Option<&Tree>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let Some(tree) = tree else { return Ok(found) };
    for (path, file) in snapshot.files.iter().filter(|(path, _)| written.binary_search(path).is_err()) {
        if let Some(now) = tree.stamp(path)?
            && now.mode != file.mode
            && !may_differ(path, file, record)
        {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// Whether a file may have another mode than the source gives it: an operator may set one, unless it is declared, and until
/// the source changes its own.
fn may_differ(path: &str, file: &File, record: &Record) -> bool {
    let known = record.files.get(path).is_none_or(|known| known.stamp.is_none() || known.file.mode == file.mode);
    known && !file.declared
}

fn untouched(path: &str, file: &File, record: &Record, now: &Stamp) -> bool {
    record.files.get(path).is_some_and(|known| known.file == *file && known.stamp.as_ref() == Some(now))
}

fn same_content(tree: &Tree, path: &str, file: &File) -> Result<bool> {
    let content = tree.read(path, file.size)?;
    Ok(content.is_some_and(|bytes| sha256(&bytes) == file.sha256))
}

/// Records for files that have the right content but another state than the record says.
fn restamped(snapshot: &Snapshot, record: &Record, tree: Option<&Tree>) -> BTreeMap<String, Installed> {
    let mut found = BTreeMap::new();
    let Some(tree) = tree else { return found };
    for (path, file) in &snapshot.files {
        if let Ok(Some(now)) = tree.stamp(path)
            && !untouched(path, file, record, &now)
            && same_content(tree, path, file).unwrap_or(false)
        {
            found.insert(path.clone(), Installed { file: file.clone(), stamp: Some(now) });
        }
    }
    found
}

/// Files that we wrote and that are gone from the source. One that was recorded but perhaps never written is ours
/// only if it has the content that was to be written.
fn obsolete(snapshot: &Snapshot, record: &Record, tree: Option<&Tree>) -> Result<Vec<String>> {
    let mut deleted = Vec::new();
    let Some(tree) = tree else { return Ok(deleted) };
    for (path, known) in record.files.iter().filter(|(path, _)| !snapshot.files.contains_key(*path)) {
        let there = tree.stamp(path)?.is_some();
        if there && (known.stamp.is_some() || same_content(tree, path, &known.file)?) {
            deleted.push(path.clone());
        }
    }
    Ok(deleted)
}

/// The mode of a file that is replaced.
fn mode(path: &str, file: &File, record: &Record, tree: &Tree) -> u32 {
    let ours = record.files.contains_key(path) && may_differ(path, file, record);
    match tree.stamp(path) {
        Ok(Some(now)) if ours => now.mode,
        _ => file.mode,
    }
}

#[cfg(test)]
mod tests;
