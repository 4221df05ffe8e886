//! Where files come from: a disk, or anything that can play one.

use std::io;
use std::path::{Path, PathBuf};

/// Files by absolute path.
pub trait Files {
    /// The content of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Whether the path is a folder.
    fn is_dir(&self, path: &Path) -> bool;

    /// Whether the path is a file.
    fn is_file(&self, path: &Path) -> bool {
        matches!(self.read(path), Ok(Some(_)))
    }

    /// The path with its first symbolic link resolved, if it has one.
    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

/// A file is not read further than this: one byte more than what any reader of this module accepts.
pub const LIMIT: u64 = (1 << 20) + 1;

/// Opens a file to read it. A pipe or a device is refused: it could block, or never end.
fn open_regular(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    // Without it, a pipe that nobody writes to would block already here.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::File::options().read(true).custom_flags(nonblock).open(path)?;
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        () => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        use io::Read;
        let file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(LIMIT).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        let mut parts = path.components();
        let mut head = PathBuf::new();
        while let Some(part) = parts.next() {
            head.push(part);
            if head.is_symlink() {
                return Some(std::fs::canonicalize(&head).ok()?.join(parts.as_path()));
            }
        }
        None
    }
}

/// Files that are held in memory, by absolute path.
impl Files for std::collections::BTreeMap<PathBuf, Vec<u8>> {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.get(path).cloned())
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.keys().any(|file| file != path && file.starts_with(path))
    }

    fn is_file(&self, path: &Path) -> bool {
        self.contains_key(path)
    }
}
