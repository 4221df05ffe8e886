//! Folders of the host that containers mount.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use tracing::warn;

use crate::error::{Error, Result};

/// Those that are not there, or that were made and not yet given to their user.
pub(super) fn pending(folders: &[PathBuf]) -> Vec<&Path> {
    let all = folders.iter().map(PathBuf::as_path);
    all.filter(|folder| fs::symlink_metadata(folder).map_or(true, |found| is_ours(folder, &found))).collect()
}

/// A folder that [`make`] made has no permission bits until its owner is known, so that a later run can tell it from one
/// that was there before.
fn is_ours(folder: &Path, found: &fs::Metadata) -> bool {
    let bits = Permissions::from_mode(found.mode() & 0o7777);
    let bare = found.is_dir() && bits == Permissions::from_mode(0o0) && found.uid() == 0;
    bare && fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Makes folders that are given to their user later; those above them belong to root.
///
/// # Errors
/// A folder cannot be made.
pub(super) fn make(folders: &[&Path]) -> Result<()> {
    for folder in folders {
        let made = || match fs::DirBuilder::new().mode(0o0).create(folder) {
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        };
        let above = folder.parent().map_or(Ok(()), fs::create_dir_all);
        above.and_then(|()| made()).map_err(|err| Error::io("make folder", folder, &err))?;
    }
    Ok(())
}

/// Gives folders that [`make`] made to a user and group.
///
/// # Errors
/// A folder cannot be opened for its user.
pub(super) fn give(folders: &[&Path], (uid, gid): (u32, u32)) -> Result<()> {
    for folder in folders {
        if let Err(err) = chown(folder, Some(uid), Some(gid)) {
            // A file server may keep owners to itself.
            warn!("could not give {} to user {uid}: {err}", folder.display());
        }
        let opened = fs::set_permissions(folder, Permissions::from_mode(0o755));
        opened.map_err(|err| Error::io("change the mode of", folder, &err))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_made_and_given_to_a_user() {
        let dir = tempfile::tempdir().unwrap();
        let (there, below) = (dir.path().join("there"), dir.path().join("a/b"));
        fs::create_dir(&there).unwrap();
        let folders = [there, below.clone()];
        assert_eq!(pending(&folders), [below.as_path()]);
        let me = fs::metadata(dir.path()).unwrap();
        make(&pending(&folders)).unwrap();
        // A run that was cut off here is followed by one that goes on.
        if me.uid() == 0 {
            assert_eq!(pending(&folders), [below.as_path()]);
        }
        make(&[&below]).unwrap();
        give(&[&below], (me.uid(), me.gid())).unwrap();
        assert!(pending(&folders).is_empty());
        assert_eq!(fs::metadata(&below).unwrap().mode() & 0o7777, 0o755);
    }
}
