//! A folder that files are put into without following any link: every step down is one `openat` that refuses links,
//! so that nothing a container does meanwhile can lead a write elsewhere.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Uid},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::Owner;
use crate::error::{Cause, Error, Result};

/// State of a file by which a change is seen without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    inode: u64,
    seconds: i64,
    nanoseconds: u64,
    pub(super) mode: u32,
    owner: (u32, u32),
}

/// The project folder, open.
pub(super) struct Tree {
    path: PathBuf,
    root: OwnedFd,
}

/// New files, written and synced, not yet in their places. Removed with all that is left in it.
pub(super) struct Staged {
    dir: tempfile::TempDir,
    open: OwnedFd,
    names: std::collections::BTreeMap<String, String>,
}

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

impl Tree {
    /// The folder, if it is there.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        match rustix::fs::open(path, DIR, Mode::empty()) {
            Ok(root) => Ok(Some(Self { path: path.to_owned(), root })),
            Err(Errno::NOENT) => Ok(None),
            Err(err) => Err(Error::io("open", path, &err.into())),
        }
    }

    /// The folder, made where it is not there. Its parent must be.
    pub(super) fn create(path: &Path) -> Result<Self> {
        match rustix::fs::mkdir(path, Mode::from(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(err) => return Err(Error::io("create", path, &err.into())),
        }
        let root = rustix::fs::open(path, DIR, Mode::empty()).map_err(|err| Error::io("open", path, &err.into()))?;
        Ok(Self { path: path.to_owned(), root })
    }

    /// State of the regular file at a path; `None` where there is none.
    pub(super) fn stamp(&self, path: &str) -> Result<Option<Stamp>> {
        let Some((dir, name)) = self.parent(path, false)? else { return Ok(None) };
        match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => Ok(Some(Stamp::of(&stat))),
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(err) => Err(self.failed("look at", path, err)),
        }
    }

    /// Content of the regular file at a path, if it has the expected size.
    pub(super) fn read(&self, path: &str, size: u64) -> Result<Option<Vec<u8>>> {
        let Some((dir, name)) = self.parent(path, false)? else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&dir, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(err) => return Err(self.failed("read", path, err)),
        };
        let meta = file.metadata().map_err(|err| Error::io("read", &self.path.join(path), &err))?;
        if !meta.is_file() || meta.len() != size {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(size + 1).read_to_end(&mut bytes).map_err(|err| Error::io("read", &self.path.join(path), &err))?;
        Ok(Some(bytes))
    }

    /// Writes new content beside the project, synced; the project itself is not touched.
    pub(super) fn stage(&self, paths: &[String], content: impl Fn(&str) -> Result<(Vec<u8>, u32)>) -> Result<Staged> {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        let dir = tempfile::Builder::new().prefix(crate::host::files::TEMPORARY).tempdir_in(parent);
        let dir = dir.map_err(|err| Error::io("create a folder in", parent, &err))?;
        let open = rustix::fs::open(dir.path(), DIR, Mode::empty());
        let open = open.map_err(|err| Error::io("open", dir.path(), &err.into()))?;
        let mut names = std::collections::BTreeMap::new();
        for (number, path) in paths.iter().enumerate() {
            let (bytes, mode) = content(path)?;
            let name = number.to_string();
            let owner = self.stamp(path)?.map(|stamp| stamp.owner);
            write(&open, &name, &bytes, mode, owner).map_err(|err| Error::io("write", &self.path.join(path), &err))?;
            names.insert(path.clone(), name);
        }
        Ok(Staged { dir, open, names })
    }

    /// Moves a staged file to its place.
    pub(super) fn place(&self, path: &str, staged: &Staged) -> Result<Stamp> {
        let Some((dir, name)) = self.parent(path, true)? else {
            return Err(Error::new(Cause::Io, format!("could not create the folder of {path}")));
        };
        let from = staged.names.get(path).map(String::as_str).unwrap_or_default();
        match rustix::fs::renameat(&staged.open, from, &dir, name) {
            // An empty folder is in the way of a file: nothing is lost with it. One that holds something is data.
            Err(Errno::ISDIR) => {
                match rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR) {
                    Err(Errno::NOTEMPTY | Errno::EXIST) => self.move_aside(&dir, name, path)?,
                    removed => removed.map_err(|err| self.in_the_way(path, err))?,
                }
                rustix::fs::renameat(&staged.open, from, &dir, name).map_err(|err| self.failed("write", path, err))?;
            }
            // A part of the project is a file system of its own.
            Err(Errno::XDEV) => self.copy(path, &dir, name, staged, from)?,
            moved => moved.map_err(|err| self.failed("write", path, err))?,
        }
        let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.map(|stat| Stamp::of(&stat)).map_err(|err| self.failed("look at", path, err))
    }

    /// Sets the mode of the regular file at a path.
    pub(super) fn set_mode(&self, path: &str, mode: u32) -> Result<Stamp> {
        self.change("set the mode of", path, |file| rustix::fs::fchmod(file, Mode::from(mode & 0o777)))
    }

    /// Gives the regular file at a path to somebody.
    pub(super) fn give(&self, path: &str, owner: Owner) -> Result<()> {
        let Owner { user, group } = owner;
        let give = |file: &OwnedFd| rustix::fs::fchown(file, user.map(Uid::from_raw), group.map(Gid::from_raw));
        self.change("set the owner of", path, give).map(drop)
    }

    fn change(&self, what: &str, path: &str, change: impl Fn(&OwnedFd) -> Result<(), Errno>) -> Result<Stamp> {
        let failed = |err| self.failed(what, path, err);
        let (dir, name) = self.parent(path, false)?.ok_or_else(|| failed(Errno::NOENT))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&dir, name, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(failed(Errno::INVAL));
        }
        change(&file).map_err(failed)?;
        rustix::fs::fsync(&file).map_err(failed)?;
        rustix::fs::fstat(&file).map(|stat| Stamp::of(&stat)).map_err(failed)
    }

    fn copy(&self, path: &str, dir: &OwnedFd, name: &str, staged: &Staged, from: &str) -> Result<()> {
        let temporary = format!(".rolecall-{}", std::process::id());
        let copied = (|| {
            let source = staged.dir.path().join(from);
            let bytes = std::fs::read(&source)?;
            let stat = rustix::fs::stat(&source)?;
            write(dir, &temporary, &bytes, stat.st_mode & 0o7777, Some((stat.st_uid, stat.st_gid)))?;
            rustix::fs::renameat(dir, temporary.as_str(), dir, name)?;
            std::io::Result::Ok(())
        })();
        if copied.is_err() {
            let _ = rustix::fs::unlinkat(dir, temporary.as_str(), AtFlags::empty());
        }
        copied.map_err(|err| Error::io("write", &self.path.join(path), &err))
    }

    /// Removes a file, and the folders above it as far as they are empty then.
    pub(super) fn remove(&self, path: &str) -> Result<()> {
        let Some((dir, name)) = self.parent(path, false)? else { return Ok(()) };
        match rustix::fs::unlinkat(&dir, name, AtFlags::empty()) {
            // A container replaced it by a folder: that is data.
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) => {}
            Err(err) => return Err(self.failed("remove", path, err)),
        }
        let mut above = path;
        while let Some((folder, _)) = above.rsplit_once('/') {
            let Some((dir, name)) = self.parent(folder, false)? else { break };
            if rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR).is_err() {
                break;
            }
            above = folder;
        }
        Ok(())
    }

    /// Makes the changes in the folders of these files last.
    pub(super) fn sync<'a>(&self, paths: impl Iterator<Item = &'a String>) -> Result<()> {
        let folders: std::collections::BTreeSet<&str> =
            paths.map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder)).collect();
        for folder in folders {
            let below = if folder.is_empty() { "x".to_owned() } else { format!("{folder}/x") };
            if let Some((dir, _)) = self.parent(&below, false)? {
                rustix::fs::fsync(&dir).map_err(|err| self.failed("sync", folder, err))?;
            }
        }
        rustix::fs::fsync(&self.root).map_err(|err| self.failed("sync", "", err))
    }

    /// The open folder of a path, and the last part of the path. `None` where the folder is not there and is not to
    /// be made.
    fn parent<'a>(&self, path: &'a str, create: bool) -> Result<Option<(OwnedFd, &'a str)>> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let root = self.root.as_fd().try_clone_to_owned();
        let mut dir = root.map_err(|err| Error::io("open", &self.path, &err))?;
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            if create {
                match rustix::fs::mkdirat(&dir, part, Mode::from(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(err) => return Err(self.failed("create the folder of", path, err)),
                }
            }
            dir = match rustix::fs::openat(&dir, part, DIR, Mode::empty()) {
                Ok(dir) => dir,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !create => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    self.move_aside(&dir, part, path)?;
                    rustix::fs::mkdirat(&dir, part, Mode::from(0o755))
                        .and_then(|()| rustix::fs::openat(&dir, part, DIR, Mode::empty()))
                        .map_err(|err| self.in_the_way(path, err))?
                }
                Err(err) => return Err(self.failed("open the folder of", path, err)),
            };
        }
        Ok(Some((dir, name)))
    }

    /// Moves what is in the way of a fetched file to a name of its own next to it. A container may write the project folder,
    /// and must be able neither to keep later runs from it nor to have its data deleted. A link is moved, not followed.
    fn move_aside(&self, dir: &OwnedFd, name: &str, path: &str) -> Result<()> {
        let now = jiff::Timestamp::now().as_second();
        let aside = (0_u32..).map(|more| format!("{name}.rolecall-aside-{}", now + i64::from(more)));
        for aside in aside.take(10) {
            match rustix::fs::renameat_with(dir, name, dir, aside.as_str(), RenameFlags::NOREPLACE) {
                Ok(()) => {
                    warn!(
                        "moved what was in the way of {} aside: {aside} in the same folder",
                        self.path.join(path).display()
                    );
                    return Ok(());
                }
                Err(Errno::EXIST) => {}
                Err(err) => return Err(self.in_the_way(path, err)),
            }
        }
        Err(self.in_the_way(path, Errno::EXIST))
    }

    fn failed(&self, what: &str, path: &str, err: Errno) -> Error {
        Error::io(what, &self.path.join(path), &err.into())
    }

    fn in_the_way(&self, path: &str, err: Errno) -> Error {
        let message =
            format!("could not write {}: something else is in its way ({err})", self.path.join(path).display());
        Error::new(Cause::Io, message)
            .hint("a link, a file or a folder with data stands where the source has another kind: move it away")
    }
}

impl Stamp {
    pub(super) fn belongs_to(&self, owner: Owner) -> bool {
        let (user, group) = self.owner;
        owner.user.is_none_or(|wanted| wanted == user) && owner.group.is_none_or(|wanted| wanted == group)
    }

    fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            inode: stat.st_ino,
            seconds: stat.st_mtime,
            #[allow(clippy::unnecessary_cast, reason = "its type differs between targets")]
            nanoseconds: stat.st_mtime_nsec as u64,
            mode: stat.st_mode & 0o777,
            owner: (stat.st_uid, stat.st_gid),
        }
    }
}

fn write(dir: &OwnedFd, name: &str, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> std::io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(dir, name, flags, Mode::from(0o600))?);
    file.write_all(bytes)?;
    if let Some((user, group)) = owner {
        // Only root may give files away; a test run keeps its own.
        let _ = rustix::fs::fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
    }
    rustix::fs::fchmod(&file, Mode::from(mode & 0o777))?;
    file.sync_all()
}
