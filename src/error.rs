//! The one error of the crate: what was attempted and what came back, a stable cause, whether another try
//! can help, and what the operator should do.
//!
//! Every stage returns this type, so that the edge of the program can turn any failure into an exit code and
//! one line on a serial console. Parsers with positions of their own (the compose loader) keep their error
//! type and convert at the border of their stage.

mod cause;
mod exit;

use std::{fmt, time::Duration};

pub use cause::Cause;
pub use exit::Exit;

/// Result of everything that can fail in a way that an operator must read.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether, and how, another try can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Timeouts, resets, 5xx: tried again with full jitter.
    Transient,
    /// The other side asked for patience (429, `SlowDown`): tried again, no earlier than it asked.
    Throttled,
    /// Permission refused. Final, but for the first minute of an instance's first run: roles take a while to spread.
    Denied,
    /// The same request will get the same answer.
    Permanent,
}

/// What went wrong, for a tired human and for the retry loop.
#[derive(Debug, Clone)]
pub struct Error {
    /// Stable cause; decides the exit code, together with the class.
    pub cause: Cause,
    /// Whether another try can help.
    pub class: Class,
    /// What was attempted, on what, and what came back. Lower case, one line, no secrets.
    pub message: String,
    /// What is missing (`s3:GetObject on arn:…`), if that is known.
    pub need: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The step that failed, filled in by the executor.
    pub step: Option<String>,
    /// How long the other side asked us to wait.
    pub retry_after: Option<Duration>,
    /// Last lines of the output of what failed (a script, a container).
    pub output: Vec<String>,
}

impl Error {
    /// A permanent error; the builder methods say more.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            class: Class::Permanent,
            message: message.into(),
            need: None,
            hint: None,
            step: None,
            retry_after: None,
            output: Vec::new(),
        }
    }

    /// Sets the retry class.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Another try can help.
    #[must_use]
    pub fn transient(self) -> Self {
        self.class(Class::Transient)
    }

    /// Names what is missing.
    #[must_use]
    pub fn need(mut self, need: impl Into<String>) -> Self {
        self.need = Some(need.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the step, unless one nearer to the failure did.
    #[must_use]
    pub fn step(mut self, step: impl Into<String>) -> Self {
        self.step.get_or_insert_with(|| step.into());
        self
    }

    /// Where a deadline cut a request short, the outside that did not answer is the cause.
    #[must_use]
    pub fn instead_of_deadline(mut self, cause: Cause) -> Self {
        if self.cause == Cause::Deadline {
            self.cause = cause;
        }
        self
    }

    /// Attaches the last lines of what failed.
    #[must_use]
    pub fn output(mut self, lines: Vec<String>) -> Self {
        self.output = lines;
        self
    }

    /// How long the other side asked us to wait; makes the error throttled.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        if wait.is_some() {
            self.class = Class::Throttled;
            self.retry_after = wait;
        }
        self
    }

    /// An I/O error on a file of the host: a full disk has a cause of its own.
    pub fn io(what: &str, path: &std::path::Path, err: &std::io::Error) -> Self {
        let reason = err.to_string();
        // An error of a temporary file names its path once more.
        let reason = reason.split(" at path \"").next().unwrap_or_default();
        let message = format!("could not {what} {}: {reason}", path.display());
        match err.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::new(Cause::DiskFull, message).hint("free space on that file system, then run again")
            }
            _ => Self::new(Cause::Io, message),
        }
    }

    /// What is missing, as closely as it is known.
    pub fn needs(&self) -> &str {
        self.need.as_deref().unwrap_or(self.cause.need())
    }

    /// What to do, as closely as it is known.
    pub fn remedy(&self) -> &str {
        self.hint.as_deref().unwrap_or(self.cause.remedy())
    }

    /// The exit code of a run that ends with this error.
    pub fn exit(&self) -> Exit {
        self.cause.exit(self.class)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
