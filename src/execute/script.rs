//! Stage two: one script, run as root, its output told line by line, its exit code the verdict.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{StatVfsMountFlags, statvfs},
    process::Signal,
};
use tracing::{info, warn};

use crate::{
    error::{Cause, Error, Result},
    host::{files, process},
    manifest::scripts,
    paths::Paths,
    retry::{Retry, seconds},
    world::{Command, World},
};

/// How long a script that was left behind has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(10);

/// A script, as it was fetched.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its name in the log and in errors: the last part of its source, `bootstrap/10-users.sh`.
    pub name: String,
    /// Content.
    pub content: Vec<u8>,
    /// Variables on top of the agent's own: facts, attempt, region, bucket. Proxies are inherited.
    pub env: BTreeMap<String, String>,
    /// How long it may take, within the deadline of the run.
    pub timeout: Option<Duration>,
}

impl Script {
    /// Runs the script to its end. It is written to a private file, which goes afterwards.
    ///
    /// # Errors
    /// `script-failed` with code and last lines, or where it cannot be run at all; `script-timeout`; `io` and
    /// `disk-full` for its file.
    pub async fn run(&self, world: &World, retry: &Retry, paths: &Paths) -> Result<()> {
        let interpreter = self.interpreter()?;
        let folder = paths.scripts();
        end_left_behind(world, &self.path(&folder)).await;
        let path = self.write(&folder)?;
        let _gone = Removed(&path);
        let mut argv = vec![path.to_string_lossy().into_owned()];
        // A file system that runs no programs still lets an interpreter read one; a script that names none is
        // for the shell, as everywhere.
        if interpreter.is_none() || is_noexec(&folder) {
            argv.splice(..0, interpreter.unwrap_or_else(|| vec!["/bin/sh".into()]));
        }
        let mut env = BTreeMap::from([("HOME".to_owned(), "/root".to_owned())]);
        env.extend(self.env.clone());
        let timeout = [self.timeout, retry.remaining()].into_iter().flatten().min();
        let command = Command { argv, env, dir: Some("/".into()), timeout };
        let begin = world.clock.now();
        info!(target: "script", script = self.name, "started");
        let finished =
            world.host.run(&command, &mut |line| info!(target: "script", script = self.name, "{line}")).await?;
        let took = seconds(world.clock.now() - begin);
        if finished.timed_out {
            let within = seconds(timeout.unwrap_or_default());
            return Err(Error::new(Cause::ScriptTimeout, format!("script {} did not end within {within}", self.name))
                .hint("see its last lines below for where it was")
                .output(finished.tail));
        }
        if finished.code != 0 {
            let how = match finished.code {
                code @ 129..=192 => format!("was ended by signal {}", code - 128),
                code => format!("exited with {code}"),
            };
            return Err(Error::new(Cause::ScriptFailed, format!("script {} {how} after {took}", self.name))
                .hint("its last lines are below; correct it at its source, then run again")
                .output(finished.tail));
        }
        info!(target: "script", script = self.name, "done after {took}");
        Ok(())
    }

    /// The interpreter that its first line names, if it names one, with its argument.
    fn interpreter(&self) -> Result<Option<Vec<String>>> {
        let refuse = |what: &str, hint: &str| {
            Error::new(Cause::ScriptFailed, format!("script {} cannot be run: {what}", self.name)).hint(hint)
        };
        let words = scripts::interpreter(&self.content).map_err(|why| refuse(why.reason(), why.hint()))?;
        if let Some(program) = words.as_ref().and_then(|words| words.first()).filter(|word| !Path::new(word).exists()) {
            let what = format!("#!{program} names no program of this host");
            return Err(refuse(&what, "install it by x-rolecall.host.packages"));
        }
        Ok(words)
    }

    fn write(&self, folder: &Path) -> Result<PathBuf> {
        files::create_private(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
            .map_err(|err| Error::io("make private", folder, &err))?;
        let path = self.path(folder);
        files::write_atomic(&path, &self.content, 0o700)?;
        Ok(path)
    }

    /// A name with folders in it stays one file.
    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.name.replace(['/', '\0'], "-").trim_start_matches('.'))
    }
}

/// A run that was killed alone, and not with its unit, leaves its script behind. It ends before it begins again: one
/// script never runs beside itself.
async fn end_left_behind(world: &World, script: &Path) {
    let left = || process::started_with(Path::new("/proc"), &script.to_string_lossy(), "ROLECALL_ATTEMPT");
    for pid in left() {
        warn!("ending {} (pid {pid}), left behind by an earlier run", script.display());
        process::signal_group(pid, Signal::TERM);
        let patience = world.clock.now() + GRACE;
        while left().contains(&pid) && world.clock.now() < patience {
            world.clock.sleep(Duration::from_millis(50)).await;
        }
        // Its children may stay when it goes.
        process::signal_group(pid, Signal::KILL);
    }
}

fn is_noexec(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Removes the file at the end, however that comes: a script may hold what only root should read.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // One that stays is overwritten by the next run.
        let _ = std::fs::remove_file(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(content: &[u8]) -> Result<Option<Vec<String>>> {
        let script = Script { name: "x.sh".into(), content: content.to_vec(), env: BTreeMap::new(), timeout: None };
        script.interpreter()
    }

    #[test]
    fn a_first_line_that_cannot_work_is_explained() {
        for (content, word) in [
            (&b"#!/bin/sh\r\necho\r\n"[..], "ends as in Windows, so that #! names no program"),
            (b"\xef\xbb\xbf#!/bin/sh\n", "byte order mark"),
            (b"#!/no/such/interpreter\n", "#!/no/such/interpreter names no program of this host"),
        ] {
            let err = interpreter(content).unwrap_err();
            assert_eq!(err.cause, Cause::ScriptFailed);
            assert!(err.message.starts_with("script x.sh cannot be run: ") && err.message.contains(word), "{err}");
        }
    }
}
