//! One run at a time; and who holds the locks of others.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{files, process};
use crate::error::{Cause, Error, Result};

/// The lock of a run, held until it is dropped; the kernel lets go of it when the process dies. Programs that
/// the run starts do not inherit it.
#[derive(Debug)]
pub struct RunLock(File);

impl RunLock {
    /// Takes the lock for a run and writes into its file who holds it. One try: who finds it held has nothing to do.
    ///
    /// # Errors
    /// `locked`, naming the process that holds it; `io` where the file cannot be made.
    pub fn take(path: &Path) -> Result<Self> {
        Self::take_for(path, "run")
    }

    /// The same for another command, which the file then names.
    ///
    /// # Errors
    /// As [`RunLock::take`].
    pub fn take_for(path: &Path, command: &str) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        files::create_private(folder)?;
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let mut file = match opened {
            // A disk that takes no new file keeps nobody from being alone: the folder can be locked as well.
            Err(err) if takes_nothing(&err) => File::open(if path.exists() { path } else { folder }),
            opened => opened,
        }
        .map_err(|err| Error::io("open lock", path, &err))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(path, &mut file)),
            Err(TryLockError::Error(err)) => return Err(Error::io("lock", path, &err)),
        }
        let text = format!("{} {:.0} {command}\n", std::process::id(), jiff::Timestamp::now());
        // For those who find the lock held. Without it, on a full disk, they see only that it is.
        let _ = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Self(file))
    }
}

fn takes_nothing(err: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(err.kind(), QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The text is for humans only: the lock goes with the file's last handle.
        let _ = self.0.set_len(0);
    }
}

/// Who holds the lock of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    /// Its process.
    pub pid: u32,
    /// Since when, RFC 3339.
    pub since: String,
    /// `run`, `stop` or `down`.
    pub command: String,
}

impl HeldBy {
    /// Who holds the lock at `path`, as far as its file tells. A process that was killed leaves its name there: only
    /// one that still has the file open is believed.
    pub fn read(path: &Path) -> Option<Self> {
        let held = Self::parse(&std::fs::read_to_string(path).ok()?)?;
        process::has_open(Path::new("/proc"), held.pid, path).then_some(held)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (pid, since) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        Some(Self { pid, since, command: words.next().unwrap_or("run").to_owned() })
    }
}

/// The process that holds an fcntl(2) lock on a file, if one does. Nothing is locked by asking. `Some(0)` where
/// the holder is outside our pid namespace.
pub fn holder(path: &Path) -> Result<Option<u32>> {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    let file = match File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(Error::io("open lock", path, &err)),
    };
    let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))
        .map_err(|err| Error::io("ask for the lock of", path, &err.into()))?;
    let pid = |lock: Flock| lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    Ok(lock.filter(|lock| lock.typ != FlockType::Unlocked).map(pid))
}

fn held(path: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    // Half a line or none, when the other has only just begun, is fine too.
    let _ = file.read_to_string(&mut text);
    let Some(HeldBy { pid, since, command }) = HeldBy::parse(&text) else {
        return Error::new(Cause::Locked, format!("another run holds {} (just started)", path.display()))
            .hint("follow it with `rolecall status --wait`");
    };
    let (who, hint) = match command.as_str() {
        "run" => ("another run".to_owned(), "follow it with `rolecall status --wait`"),
        _ => (format!("a `rolecall {command}`"), "wait until it has ended"),
    };
    Error::new(Cause::Locked, format!("{who} holds {} (pid {pid}, since {since})", path.display())).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_told_who_holds_the_lock_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/lock");
        let lock = RunLock::take(&path).unwrap();
        let err = RunLock::take(&path).unwrap_err();
        assert_eq!(err.cause, Cause::Locked);
        assert!(err.message.starts_with("another run holds "), "{err}");
        assert!(err.message.contains(&format!("(pid {}, since 20", std::process::id())), "{err}");
        drop(lock);
        let _stop = RunLock::take_for(&path, "stop").unwrap();
        let err = RunLock::take(&path).unwrap_err();
        assert!(err.message.starts_with("a `rolecall stop` holds "), "{err}");
        let held = HeldBy::read(&path).unwrap();
        assert_eq!((held.pid, held.command.as_str()), (std::process::id(), "stop"));
    }

    #[test]
    fn the_holder_of_an_fcntl_lock_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(holder(&path).unwrap(), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(holder(&path).unwrap(), None);
        let script = "import fcntl,sys,time; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX); print('got',flush=True); time.sleep(60)";
        let mut other = std::process::Command::new("python3")
            .args(["-c", script])
            .arg(&path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        other.stdout.take().unwrap().read_exact(&mut [0; 3]).unwrap();
        assert_eq!(holder(&path).unwrap(), Some(other.id()));
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(holder(&path).unwrap(), None);
    }

    #[test]
    fn the_text_of_a_dead_run_does_not_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let dead = format!("{} 2020-01-01T00:00:00Z and a longer line that is cut\n", std::process::id());
        std::fs::write(&path, dead).unwrap();
        assert_eq!(HeldBy::read(&path), None, "whoever has that number now does not have the file open");
        let _lock = RunLock::take(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("{} ", std::process::id())) && !text.contains("longer"), "{text}");
    }
}
