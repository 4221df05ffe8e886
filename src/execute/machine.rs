//! What host steps work on, and how they end.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use tracing::info;

use crate::{
    error::{Cause, Error, Result},
    host::{proxy, systemd::Systemd},
    retry::{Retry, seconds},
    world::{Clock, Command, Finished, Host, World},
};

/// What applying a step has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to do.
    Unchanged,
    /// Something was done; what, in a few words.
    Changed(String),
}

/// The machine that a host step changes: commands, time left, and the folder that its absolute paths start
/// from.
#[derive(Clone)]
pub struct Machine {
    /// Commands.
    pub host: Rc<dyn Host>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Deadline and retry.
    pub retry: Retry,
    /// `/`; a test may give another.
    pub root: PathBuf,
}

impl Machine {
    /// This machine, under the deadline of `retry`.
    pub fn new(world: &World, retry: &Retry) -> Self {
        Self { host: world.host.clone(), clock: world.clock.clone(), retry: retry.clone(), root: "/".into() }
    }

    /// An absolute path, below [`Machine::root`].
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Whether a program is in one of the usual folders.
    pub fn has(&self, program: &str) -> bool {
        const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        FOLDERS.iter().any(|folder| self.path(folder).join(program).is_file())
    }

    /// Runs a command with the proxies in every spelling and messages in English, within what is left of the
    /// deadline; each line of output goes to `line`.
    ///
    /// # Errors
    /// `deadline` where time is up; `io` where it cannot be started. An exit code is not an error here.
    pub async fn run(&self, command: Command, line: &mut dyn for<'l> FnMut(&'l str)) -> Result<Finished> {
        let mut env: BTreeMap<_, _> = proxy::from_env();
        env.insert("LC_ALL".into(), "C.UTF-8".into());
        env.extend(command.env);
        let left = self.retry.remaining();
        let timeout = [command.timeout, left].into_iter().flatten().min();
        let words = command.argv.iter().take(2).filter(|word| !word.starts_with('-'));
        let name = words.cloned().collect::<Vec<_>>().join(" ");
        let finished = self.host.run(&Command { env, timeout, ..command }, line).await?;
        if finished.timed_out {
            let within = seconds(timeout.unwrap_or_default());
            let err = Error::new(Cause::Deadline, format!("{name} did not end within {within}")).transient();
            return Err(err.output(finished.tail));
        }
        Ok(finished)
    }

    /// The same for a question: output is not told, only kept. Under the step's deadline alone: `dpkg --audit` takes
    /// minutes on an instance that has no burst credits left.
    pub async fn ask<const N: usize>(&self, argv: [&str; N]) -> Result<Finished> {
        self.run(Command::new(argv), &mut |_| ()).await
    }

    /// The same for package managers: output goes to the log as it comes.
    pub async fn packager(&self, command: Command) -> Result<Finished> {
        self.run(command, &mut |line| info!(target: "packages", "{line}")).await
    }

    /// The service manager, under the same deadline.
    pub fn systemd(&self) -> Systemd<'_> {
        Systemd { host: self.host.as_ref(), retry: &self.retry }
    }

    /// The root as a path.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
