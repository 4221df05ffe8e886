//! Files that are either the old or the new, whatever happens in between.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::Path,
};

use crate::error::{Error, Result};

/// How names start that are only there while something is written.
pub const TEMPORARY: &str = ".rolecall-";

/// Replaces a file: written beside it, synced, renamed, the folder synced.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    replace(path, content, true, |file| set_mode(file, mode)).map_err(|err| Error::io("write", path, &err))
}

/// The same for what need not outlive a power cut: nothing is synced.
pub fn write_volatile(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    replace(path, content, false, |file| set_mode(file, mode)).map_err(|err| Error::io("write", path, &err))
}

/// The same with an owner and group.
pub fn write_volatile_as(path: &Path, content: &[u8], (uid, gid, mode): (u32, u32, u32)) -> Result<()> {
    let give = |file: &File| {
        fchown(file, Some(uid), Some(gid))?;
        set_mode(file, mode)
    };
    replace(path, content, false, give).map_err(|err| Error::io("write", path, &err))
}

/// The same for a file that is somebody else's: one that is there keeps its owner, its mode and its extended attributes
/// (access list, security label), and a link stays a link to the file that is written. `mode` is for a new file.
pub fn rewrite(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let write = || match fs::metadata(path) {
        Ok(old) => replace(&fs::canonicalize(path)?, content, true, |file| {
            fchown(file, Some(old.uid()), Some(old.gid()))?;
            set_mode(file, old.mode() & 0o7777)?;
            copy_attributes(path, file);
            Ok(())
        }),
        Err(err) if err.kind() == io::ErrorKind::NotFound => replace(path, content, true, |file| set_mode(file, mode)),
        Err(err) => Err(err),
    };
    write().map_err(|err| Error::io("write", path, &err))
}

/// `give` sets owner and mode before the file gets its name.
fn replace(path: &Path, content: &[u8], sync: bool, give: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut temp = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    temp.write_all(content)?;
    give(temp.as_file())?;
    if sync {
        temp.as_file().sync_all()?;
    }
    temp.persist(path).map_err(|err| err.error)?;
    if sync { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Copies extended attributes, as far as the file system lets us.
fn copy_attributes(from: &Path, to: &File) {
    // The most that Linux has for all names, and for one value: `XATTR_LIST_MAX`, `XATTR_SIZE_MAX`.
    let (mut names, mut value) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let listed = rustix::fs::listxattr(from, &mut names[..]).unwrap_or_default();
    for name in names[..listed].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Ok(size) = rustix::fs::getxattr(from, name, &mut value[..]) {
            let _ = rustix::fs::fsetxattr(to, name, &value[..size], rustix::fs::XattrFlags::empty());
        }
    }
}

/// Removes what a process that was cut off had half written in a folder. Nobody else may be writing there.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
            let path = entry.path();
            // Only space is at stake.
            let _ = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
        }
    }
}

/// Makes a folder, and those above it, for root alone.
pub fn create_private(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|err| Error::io("make folder", folder, &err))
}

/// Takes a folder of ours from everybody but its owner. A folder for all, as `/tmp` is, is left as it is.
pub fn make_private(folder: &Path) -> Result<()> {
    let tighten = || {
        let mode = fs::metadata(folder)?.mode();
        let (open, shared) = (mode & 0o077 != 0, mode & 0o1000 != 0);
        if open && !shared { fs::set_permissions(folder, Permissions::from_mode(mode & 0o700)) } else { Ok(()) }
    };
    tighten().map_err(|err| Error::io("make private", folder, &err))
}

/// Removes a file, if there is one, and syncs its folder.
pub fn remove(path: &Path) -> Result<()> {
    let remove = || match fs::remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(err) => Err(err),
    };
    remove().map_err(|err| Error::io("remove", path, &err))
}

/// Opens a file to read it. A pipe or a device is refused: it could block, or never end.
///
/// # Errors
/// It cannot be opened, or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Without it, a pipe that nobody writes to would block already here.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(nonblock).open(path)?;
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        () => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// Reads a regular file whole, up to `limit` bytes.
///
/// # Errors
/// As [`open_regular`]; `FileTooLarge` for one that is longer.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte over the limit tells a file that is too large from one that just fits.
    open_regular(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Content of a file, `None` where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let whole = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open_regular(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match whole() {
        Ok(content) => Ok(Some(content)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(Error::io("read", path, &err)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let (file, fifo) = (dir.path().join("file"), dir.path().join("fifo"));
        fs::write(&file, "12345").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(read_regular(&file, 5).unwrap(), b"12345");
        assert_eq!(read(&file).unwrap().unwrap(), b"12345");
        assert!(read(&fifo).unwrap_err().message.ends_with("it is no regular file"));
        for (path, kind) in [
            (file.as_path(), io::ErrorKind::FileTooLarge),
            (&fifo, io::ErrorKind::InvalidInput),
            (Path::new("/dev/zero"), io::ErrorKind::InvalidInput),
            (dir.path(), io::ErrorKind::IsADirectory),
            (&dir.path().join("none"), io::ErrorKind::NotFound),
        ] {
            assert_eq!(read_regular(path, 4).unwrap_err().kind(), kind, "{}", path.display());
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/file");
        write_atomic(&path, b"one", 0o600).unwrap();
        write_atomic(&path, b"two", 0o640).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o640));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn somebody_elses_file_keeps_mode_owner_and_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o604)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let owner = fs::metadata(&real).unwrap().uid();
        rewrite(&link, b"new", 0o644).unwrap();
        assert!(link.is_symlink());
        assert_eq!((fs::read(&real).unwrap(), mode(&real)), (b"new".to_vec(), 0o604));
        assert_eq!(fs::metadata(&real).unwrap().uid(), owner);
    }

    #[test]
    fn what_was_half_written_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".rolecall-x/y")).unwrap();
        for name in [".rolecall-y", "rolecall-z", ".other"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        sweep(dir.path());
        sweep(&dir.path().join("absent"));
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".other", "rolecall-z"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let err = write_atomic(Path::new("/proc/no/file"), b"x", 0o600).unwrap_err();
        assert_eq!(err.cause, Cause::Io);
        assert!(err.message.starts_with("could not write /proc/no/file: "), "{err}");
    }

    #[test]
    fn what_is_not_there_is_read_as_none_and_removed_without_a_word() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert_eq!(read(&path).unwrap(), None);
        remove(&path).unwrap();
    }
}
