//! The project files that containers have mounted since their last start: a label is as old as its container, and one that
//! was started again has newer files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    host::files,
    paths::Paths,
    plan::{labels, reconcile::Step},
    state_file,
};

/// Format of the record.
const FORMAT: u64 = 1;

/// One container.
#[derive(Serialize, Deserialize)]
struct Mounted {
    id: String,
    files: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Record {
    /// By the name of the container, so that the record is not longer than the project.
    #[serde(default)]
    containers: BTreeMap<String, Mounted>,
}

/// The project files of containers whose labels are older, by id.
pub(super) fn read(paths: &Paths) -> BTreeMap<String, String> {
    load(paths).containers.into_values().map(|one| (one.id, one.files)).collect()
}

/// Records that a container was started: if its label is older than the files, it would be restarted again.
///
/// # Errors
/// The record cannot be written.
pub(super) fn started(paths: &Paths, step: &Step, id: &str) -> Result<()> {
    let files = step.desired.project_files.label();
    // A container that is started by its labels alone: what it mounts is not known.
    if files.is_empty() {
        return Ok(());
    }
    let mut record = load(paths);
    let kept = step.existing.as_ref().filter(|existing| existing.id == id);
    let changed = match kept {
        Some(existing) if existing.label(labels::PROJECT_FILES) != files => {
            record.containers.insert(step.desired.name.clone(), Mounted { id: id.to_owned(), files });
            true
        }
        _ => record.containers.remove(&step.desired.name).is_some(),
    };
    if changed {
        let path = paths.mounted();
        files::write_atomic(&path, &state_file::encode(&path, FORMAT, &record)?, 0o600)
    } else {
        Ok(())
    }
}

fn load(paths: &Paths) -> Record {
    let loss = "containers that mount files of the project are restarted once more";
    state_file::read_or_rebuild(&paths.mounted(), FORMAT, loss)
}
