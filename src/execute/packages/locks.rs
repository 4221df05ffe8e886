//! Waiting for the locks of a package manager. A lock is not a failure: somebody works, and will be done.

use std::{path::PathBuf, time::Duration};

use tracing::info;

use crate::{
    error::{Cause, Error, Result},
    execute::machine::Machine,
    host::{lock, process},
};

/// How often we look.
const LOOK: Duration = Duration::from_millis(250);

/// How often we say that we still wait.
const SAY: Duration = Duration::from_secs(30);

/// Waits until nobody holds an fcntl lock on any of these files.
///
/// # Errors
/// `packages-failed`, naming the holder, when the deadline of the run comes first.
pub(super) async fn wait(machine: &Machine, files: &[&str]) -> Result<()> {
    let start = machine.clock.now();
    let mut told: Option<(u32, Duration)> = None;
    while let Some((file, pid)) = held(machine, files)? {
        let who = || match pid {
            0 => "a process outside this namespace".to_owned(),
            pid => process::describe(std::path::Path::new("/proc"), pid).to_string(),
        };
        if machine.retry.remaining().is_some_and(|left| left < LOOK) {
            let waited = crate::retry::seconds(machine.clock.now() - start);
            let message = format!("lock {} is still held by {} after {waited}", file.display(), who());
            return Err(Error::new(Cause::PackagesFailed, message)
                .transient()
                .hint("see what that process waits for; `rolecall run` can be started again at any time"));
        }
        let now = machine.clock.now();
        if told.is_none_or(|(last, at)| last != pid || now - at >= SAY) {
            info!(target: "packages", "waiting for {}, which holds {}", who(), file.display());
            told = Some((pid, now));
        }
        machine.clock.sleep(LOOK).await;
    }
    if told.is_some() {
        info!(target: "packages", "went on after {}", crate::retry::seconds(machine.clock.now() - start));
    }
    Ok(())
}

fn held(machine: &Machine, files: &[&str]) -> Result<Option<(PathBuf, u32)>> {
    for file in files {
        let path = machine.path(file);
        if let Some(pid) = lock::holder(&path)? {
            return Ok(Some((path, pid)));
        }
    }
    Ok(None)
}
