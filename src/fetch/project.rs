//! Installs a snapshot at the stable path of its project.
//!
//! Relative binds of containers live in that folder and are data. So only files that an earlier install wrote are
//! ever replaced without being asked or deleted; everything is written elsewhere first and then moved, so that a full
//! disk changes nothing; and no link that a container may have put there is followed.

mod tree;

use std::{collections::BTreeMap, path::Path};

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
}

impl Changes {
    /// Whether nothing changed.
    pub fn none(&self) -> bool {
        self.written.is_empty() && self.deleted.is_empty()
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
    let tree = tree.as_ref();
    Ok(Changes { written: outdated(snapshot, &record, tree)?, deleted: obsolete(snapshot, &record, tree)? })
}

/// Makes the project folder hold the files of the snapshot. A second call with the same snapshot changes nothing.
///
/// # Errors
/// `disk-full` and `io`, with the project as it was before.
pub fn install(snapshot: &Snapshot, project: &Path) -> Result<Changes> {
    let record_path = record_path(project)?;
    let mut record = read_record(&record_path);
    let tree = Tree::open(project)?;
    let changes = Changes {
        written: outdated(snapshot, &record, tree.as_ref())?,
        deleted: obsolete(snapshot, &record, tree.as_ref())?,
    };
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

/// A mode that an operator set is kept, as long as the source does not change its own.
fn mode(path: &str, file: &File, record: &Record, tree: &Tree) -> u32 {
    let ours = record.files.get(path).is_some_and(|known| known.file.mode == file.mode);
    match tree.stamp(path) {
        Ok(Some(now)) if ours => now.mode,
        _ => file.mode,
    }
}

#[cfg(test)]
mod tests;
