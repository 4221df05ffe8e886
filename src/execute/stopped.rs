//! Notes of containers that we stopped ourselves: the next run starts them again, whichever project they are of.
//!
//! They are on the disk before the first of them gets its signal, so that neither a power cut nor a disk that fills up
//! makes one that ends with 0 look like a one-shot that is done.

use std::collections::BTreeSet;

use crate::{error::Result, host::files, paths::Paths};

/// The ids of containers that were stopped and have not been started again. Notes that cannot be read cost little: a
/// container that is no one-shot is started all the same.
pub fn read(paths: &Paths) -> BTreeSet<String> {
    let text = std::fs::read(paths.stopped()).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
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
        0 => files::remove(&paths.stopped()),
        left if left == known => Ok(()),
        _ => write(paths, &all),
    }
}

fn write(paths: &Paths, all: &BTreeSet<String>) -> Result<()> {
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
}
