//! Taking files away for good. An image of a disk holds the blocks of removed files as well, so what a file holds is
//! overwritten before it goes, as far as the file system writes in place.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, OFlags, SeekFrom, StatxAttributes, StatxFlags, seek, statx},
    io::Errno,
};
use tracing::warn;

use crate::{
    error::{Error, Result},
    host::files,
};

/// How much is written at once.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Removes a file, or a folder with all that is in it. What is mounted there is somebody else's, and stays.
pub(super) fn remove(path: &Path) -> Result<()> {
    gone(remove_all(path).map(drop)).map_err(|err| Error::io("remove", path, &err))
}

/// Removes the files in a folder, at any depth; folders, links and sockets stay.
pub(super) fn remove_files(folder: &Path) -> Result<()> {
    let mut result = Ok(());
    each_file(folder, &mut |path, meta| {
        let removed = gone(overwrite_at(path, meta).and_then(|()| fs::remove_file(path)));
        if result.is_ok() {
            result = removed.map_err(|err| Error::io("remove", path, &err));
        }
    });
    result
}

/// Whether there is a file in a folder, at any depth.
pub(super) fn has_files(folder: &Path) -> bool {
    let mut any = false;
    each_file(folder, &mut |_, _| any = true);
    any
}

/// Leaves nothing of a file but its name.
pub(super) fn empty(path: &Path) -> Result<()> {
    let empty = || {
        overwrite_at(path, &fs::metadata(path)?)?;
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(0)?;
        file.sync_all()
    };
    empty().map_err(|err| Error::io("empty", path, &err))
}

/// Gives a file another content. It keeps owner and mode, and is there all the time.
pub(super) fn rewrite(path: &Path, content: &[u8]) -> Result<()> {
    let old = OpenOptions::new().write(true).open(path).map_err(|err| Error::io("open", path, &err))?;
    files::rewrite(path, content, 0o600)?;
    overwrite(&old).map_err(|err| Error::io("overwrite", path, &err))
}

fn each_file(folder: &Path, then: &mut dyn FnMut(&Path, &Metadata)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() && !is_mount(&path) {
            each_file(&path, then);
        } else if meta.is_file() {
            then(&path, &meta);
        }
    }
}

/// Whether all of it is gone.
fn remove_all(path: &Path) -> io::Result<bool> {
    if is_mount(path) {
        warn!("{} is mounted, and is left as it is", path.display());
        return Ok(false);
    }
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        overwrite_at(path, &meta)?;
        fs::remove_file(path)?;
        return Ok(true);
    }
    let mut all = true;
    for entry in fs::read_dir(path)? {
        all &= match remove_all(&entry?.path()) {
            // Whoever made it has removed it.
            Err(err) if err.kind() == io::ErrorKind::NotFound => true,
            other => other?,
        };
    }
    if all {
        fs::remove_dir(path)?;
    }
    Ok(all)
}

fn is_mount(path: &Path) -> bool {
    let seen = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    seen.is_ok_and(|seen| seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Overwrites a file that has no other name: what has one, the cache shares with what is kept.
fn overwrite_at(path: &Path, meta: &Metadata) -> io::Result<()> {
    if !meta.is_file() || meta.nlink() > 1 || meta.len() == 0 {
        return Ok(());
    }
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    overwrite(&OpenOptions::new().write(true).custom_flags(flags).open(path)?)
}

/// Writes zeros over what a file holds. Its holes, of which a log may have more than the disk has room, stay holes.
fn overwrite(file: &File) -> io::Result<()> {
    let mut at = 0;
    loop {
        let begin = match seek(file, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            Err(Errno::NXIO) => break,
            Err(err) => return Err(err.into()),
        };
        at = seek(file, SeekFrom::Hole(begin))?;
        let mut next = begin;
        while next < at {
            let size = usize::try_from(at - next).unwrap_or(ZEROS.len()).min(ZEROS.len());
            file.write_all_at(&ZEROS[..size], next)?;
            next += size as u64;
        }
    }
    file.sync_data()
}
