//! `/run/rolecall/status.json`: what the present or last run has come to.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Cause, Error, Result},
    host::files,
    printable,
    redact::mask,
    state_file::{self, Content},
};

/// Format of the file. Whoever reads a newer one takes from it what it understands: the run goes on, and may be waited for.
pub const FORMAT: u64 = 1;

fn first() -> u64 {
    state_file::FIRST
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Under way.
    Running,
    /// All services are ready, or there was nothing to launch.
    Ready,
    /// Ended without being ready.
    Failed,
}

/// One service and what it has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Name of the service.
    pub service: String,
    /// `running`, `healthy`, `completed`, `exited (0)` or `failed`.
    pub state: String,
}

/// The failure that ended a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable cause.
    pub cause: String,
    /// The step that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What was attempted and what came back.
    pub message: String,
    /// What is missing.
    pub need: String,
    /// What to do.
    pub hint: String,
    /// Last lines of what failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
}

impl From<&Error> for Failure {
    /// The failure as anybody may read it.
    fn from(err: &Error) -> Self {
        let masked = |text: &str| printable::line(&mask(text)).into_owned();
        Self {
            cause: err.cause.code().to_owned(),
            step: err.step.as_deref().map(masked),
            message: masked(&err.message),
            need: masked(err.needs()),
            hint: masked(err.remedy()),
            output: err.output.iter().map(|line| masked(line)).collect(),
        }
    }
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Format of the file.
    #[serde(default = "first")]
    pub format: u64,
    /// Where the run stands.
    pub state: State,
    /// Process of the run.
    pub pid: u32,
    /// Exit code, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// Begin, UTC.
    pub started: jiff::Timestamp,
    /// End, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<jiff::Timestamp>,
    /// Instance, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Source, as it may be printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Roles, once they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
    /// Name of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Stage or steps under way.
    #[serde(default)]
    pub doing: Vec<String>,
    /// How many steps there are.
    pub steps: usize,
    /// How many of them are done.
    pub done: usize,
    /// How many of them changed something.
    pub changed: usize,
    /// Services and what they have come to.
    #[serde(default)]
    pub services: Vec<ServiceStatus>,
    /// Things that did not stop the run but must be seen.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Where the journal of the run is, for those who follow it.
    pub journal: PathBuf,
}

/// A longer file is none of ours.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

impl Status {
    /// A run that begins now.
    pub fn begin(journal: PathBuf) -> Self {
        Self {
            format: FORMAT,
            state: State::Running,
            pid: std::process::id(),
            exit: None,
            started: jiff::Timestamp::now(),
            finished: None,
            instance: None,
            source: None,
            roles: None,
            project: None,
            doing: vec!["facts".to_owned()],
            steps: 0,
            done: 0,
            changed: 0,
            services: Vec::new(),
            warnings: Vec::new(),
            failure: None,
            journal,
        }
    }

    /// How long the run took, or has taken.
    pub fn elapsed(&self) -> Duration {
        let until = self.finished.unwrap_or_else(jiff::Timestamp::now);
        until.duration_since(self.started).try_into().unwrap_or_default()
    }

    /// The same as anybody may read it; a failure is so already.
    fn masked(&self) -> Self {
        let (mut status, masked) =
            (self.clone(), |text: &mut String| *text = printable::line(&mask(text)).into_owned());
        status.doing.iter_mut().chain(&mut status.warnings).for_each(masked);
        status
    }

    /// Writes the file, whole or not at all; the folder is made where it is missing.
    ///
    /// # Errors
    /// The folder or file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, &e))?;
        }
        let text = serde_json::to_vec_pretty(&self.masked()).unwrap_or_default();
        files::write_volatile(path, &text, 0o644)
    }

    /// Reads the file; `None` when there has been no run since boot.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of ours.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match files::read_regular(path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(Error::io("read", path, &err)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|err| match state_file::read::<Self>(path, FORMAT) {
            Content::Newer { format, .. } => Error::new(Cause::Io, state_file::newer(path, format, FORMAT))
                .hint("ask the version of rolecall that wrote it"),
            _ => Error::new(Cause::Io, format!("{} is not a status file: {err}", path.display())),
        })
    }
}
