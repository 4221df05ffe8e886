//! Keeps the status file true while a run goes on.

use std::path::{Path, PathBuf};

use tracing::warn;

use super::{
    bug,
    status::{Failure, ServiceStatus, State, Status},
};
use crate::{
    error::Result,
    execute::{Progress, Summary},
};

/// Writes the status file at every change. Telling can never fail a run: a file that cannot be written is said once.
pub struct Reporter {
    path: PathBuf,
    status: Status,
    silent: bool,
}

impl Reporter {
    /// A run begins.
    pub fn begin(path: &Path, journal: PathBuf) -> Self {
        bug::running(path);
        let mut reporter = Self { path: path.to_owned(), status: Status::begin(journal), silent: false };
        reporter.write();
        reporter
    }

    /// Changes the status and writes it.
    pub fn update(&mut self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status);
        self.write();
    }

    /// What the executor tells.
    pub fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Steps(count) => {
                self.status.steps += count;
                self.status.doing.clear();
            }
            Progress::Begun(name) => self.status.doing.push(name),
            Progress::Ended { name, changed } => {
                self.status.doing.retain(|n| *n != name);
                self.status.done += 1;
                self.status.changed += usize::from(changed);
                if !changed {
                    return;
                }
            }
            Progress::Warning(text) => self.status.warnings.push(text),
            Progress::Failed(name) => self.status.doing.retain(|n| *n != name),
            Progress::Service { service, state } => {
                match self.status.services.iter_mut().find(|s| s.service == service) {
                    Some(known) if known.state == state => return,
                    Some(known) => known.state = state,
                    None => self.status.services.push(ServiceStatus { service, state }),
                }
            }
        }
        self.write();
    }

    /// The run has ended.
    pub fn end(&mut self, result: &Result<Summary>) -> u8 {
        let exit = result.as_ref().err().map_or(0, |err| err.exit() as u8);
        self.status.finished = Some(jiff::Timestamp::now());
        self.status.doing.clear();
        self.status.exit = Some(exit);
        match result {
            Ok(_) => self.status.state = State::Ready,
            Err(err) => {
                self.status.state = State::Failed;
                self.status.failure = Some(Failure::from(err));
            }
        }
        self.write();
        exit
    }

    /// The status as it stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    fn write(&mut self) {
        if let Err(err) = self.status.write(&self.path)
            && !std::mem::replace(&mut self.silent, true)
        {
            warn!("the status file is not written: {err}");
        }
    }
}

#[cfg(test)]
mod tests;
