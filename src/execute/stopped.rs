//! Notes of containers that we stopped ourselves: the next run starts them again, whichever project they are of.
//!
//! They are on the disk before the first of them gets its signal, so that neither a power cut nor a disk that fills up
//! makes one that ends with 0 look like a one-shot that is done.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    error::Result,
    host::files,
    paths::Paths,
    state_file::{self, Content},
};

/// The format of the file: a list of ids, as version 0.1.0 wrote it. A later one is a map that has `format`.
const FORMAT: u64 = state_file::FIRST;

/// The ids of containers that were stopped and have not been started again. Notes that cannot be read cost little: a
/// container of this project that is no one-shot is started all the same.
///
/// Without the notes of a newer version, containers of other projects would stay down after a downgrade, so whatever looks
/// like an id in them counts.
pub fn read(paths: &Paths) -> BTreeSet<String> {
    let path = paths.stopped();
    match state_file::read(&path, FORMAT) {
        Content::Missing => BTreeSet::new(),
        Content::Known(ids) => ids,
        Content::Newer { format, value } => {
            let ids = ids(&value);
            let message = state_file::newer(&path, format, FORMAT);
            state_file::warn_once(&path, &format!("{message}; {} containers are started by it", ids.len()));
            ids
        }
        Content::Damaged(why) => {
            let message =
                format!("could not read {}: {why}; stopped containers of other projects stay down", path.display());
            state_file::warn_once(&path, &message);
            BTreeSet::new()
        }
    }
}

/// The ids of containers in a file of whatever form.
fn ids(value: &Value) -> BTreeSet<String> {
    let id = |text: &String| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match value {
        Value::String(text) => Some(text).filter(|text| id(text)).cloned().into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(ids).collect(),
        Value::Object(fields) => {
            fields.keys().filter(|key| id(key)).cloned().chain(fields.values().flat_map(ids)).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Notes containers that are about to be stopped, besides those that are noted already.
///
/// # Errors
/// The file cannot be written.
pub fn remember(paths: &Paths, ids: &BTreeSet<String>) -> Result<()> {
    let mut all = read(paths);
    let known = all.len();
    all.extend(ids.iter().cloned());
    if all.len() == known { Ok(()) } else { write(paths, &all) }
}

/// Forgets containers that run again or are gone.
///
/// # Errors
/// The file cannot be written or removed.
pub fn forget(paths: &Paths, gone: impl Fn(&str) -> bool) -> Result<()> {
    let mut all = read(paths);
    let known = all.len();
    all.retain(|id| !gone(id));
    match all.len() {
        // Also one that could not be read.
        0 => {
            state_file::set_newer_aside(&paths.stopped(), FORMAT)?;
            files::remove(&paths.stopped())
        }
        left if left == known => Ok(()),
        _ => write(paths, &all),
    }
}

fn write(paths: &Paths, all: &BTreeSet<String>) -> Result<()> {
    state_file::set_newer_aside(&paths.stopped(), FORMAT)?;
    files::write_atomic(&paths.stopped(), &serde_json::to_vec(all).unwrap_or_default(), 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_grow_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::from_env(dir.path());
        let ids = |all: &[&str]| all.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(read(&paths), ids(&[]));
        remember(&paths, &ids(&["a", "b"])).unwrap();
        remember(&paths, &ids(&["b", "c"])).unwrap();
        assert_eq!(read(&paths), ids(&["a", "b", "c"]));
        forget(&paths, |id| id == "b").unwrap();
        assert_eq!(read(&paths), ids(&["a", "c"]));
        forget(&paths, |_| true).unwrap();
        assert!(!paths.stopped().exists());
        std::fs::write(paths.stopped(), "torn").unwrap();
        forget(&paths, |_| false).unwrap();
        assert!(!paths.stopped().exists(), "nothing in it can be used");
    }

    #[test]
    fn ids_of_a_newer_format_count() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), dir.path(), dir.path());
        let [a, b, c] = ["a", "b", "c"].map(|c| c.repeat(64));
        let text = format!(r#"{{"format":2,"{a}":{{"at":"2027-01-01","with":["{b}","web-1"]}}}}"#);
        std::fs::write(paths.stopped(), &text).unwrap();
        assert_eq!(read(&paths), BTreeSet::from([a.clone(), b.clone()]));
        remember(&paths, &BTreeSet::from([c.clone()])).unwrap();
        assert_eq!(read(&paths), BTreeSet::from([a, b, c]));
        assert_eq!(std::fs::read_to_string(dir.path().join("stopped.json.format-2")).unwrap(), text);
    }
}
