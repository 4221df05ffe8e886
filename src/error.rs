//! The one error of the crate: what was attempted and what came back, a stable cause, whether another try
//! can help, and what the operator should do.
//!
//! Every stage returns this type, so that the edge of the program can turn any failure into an exit code and
//! one line on a serial console. Parsers with positions of their own (the compose loader) keep their error
//! type and convert at the border of their stage.

use std::{fmt, time::Duration};

/// Result of everything that can fail in a way that an operator must read.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Exit codes of the program. Service managers and scripts decide by them, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A step failed; the journal and the console line name it.
    Step = 1,
    /// Flags, environment, config.toml or a source that cannot mean anything.
    Usage = 2,
    /// The manifest is invalid: running again without a change cannot help.
    Manifest = 3,
    /// Facts or source could not be reached: running again may help.
    Unreachable = 4,
    /// A checksum, a signature or an owner is not what it has to be.
    Integrity = 5,
    /// Another run holds the lock.
    Locked = 6,
}

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

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $exit:ident;)*) => {
        /// Stable cause of a failure: the `cause=` of the console line. Codes are never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Cause { $($(#[$doc])* $name),* }

        impl Cause {
            /// Every cause there is, for documentation and its test.
            pub const ALL: &'static [Cause] = &[$(Cause::$name),*];

            /// The word printed as `cause=`.
            pub const fn code(self) -> &'static str {
                match self { $(Cause::$name => $code),* }
            }

            /// The exit code that a run ends with when this cause ended it.
            pub const fn exit(self) -> Exit {
                match self { $(Cause::$name => Exit::$exit),* }
            }
        }
    };
}

causes! {
    /// Flags, environment or config.toml hold something that cannot be used.
    Usage = "usage", Usage;
    /// The command needs root.
    NotRoot = "not-root", Usage;
    /// The source is empty, malformed, or may not be chosen by who chose it.
    SourceRefused = "source-refused", Usage;
    /// Another run holds the lock.
    Locked = "locked", Locked;

    /// No instance metadata service answers.
    ImdsUnreachable = "imds-unreachable", Unreachable;
    /// The metadata service answers, but not as `IMDSv2` (disabled, v1 only, hop limit).
    ImdsRefused = "imds-refused", Unreachable;
    /// The tag that names the source is not there.
    TagMissing = "tag-missing", Unreachable;
    /// Tags are off in metadata and may not be read through the EC2 API.
    TagsDenied = "tags-denied", Unreachable;
    /// The EC2 API throttled the reading of tags until the deadline.
    TagsThrottled = "tags-throttled", Unreachable;
    /// The instance has no role credentials.
    CredentialsMissing = "credentials-missing", Unreachable;
    /// The credentials have expired, and no newer ones come.
    CredentialsExpired = "credentials-expired", Unreachable;
    /// An API of the cloud did not answer.
    CloudUnreachable = "cloud-unreachable", Unreachable;
    /// An API of the cloud refused permission.
    CloudDenied = "cloud-denied", Unreachable;
    /// A parameter or secret does not exist.
    ValueMissing = "value-missing", Manifest;
    /// The source does not exist.
    SourceNotFound = "source-not-found", Unreachable;
    /// Permission to read the source was refused.
    SourceDenied = "source-denied", Unreachable;
    /// The source did not answer, or broke off.
    SourceUnreachable = "source-unreachable", Unreachable;
    /// The source is larger than the limit.
    SourceTooLarge = "source-too-large", Unreachable;
    /// The content of the source is neither a script nor a compose file.
    SourceUnrecognised = "source-unrecognised", Manifest;

    /// Content does not have the pinned checksum.
    ChecksumMismatch = "checksum-mismatch", Integrity;
    /// The bucket belongs to an account that is not allowed.
    OwnerMismatch = "owner-mismatch", Integrity;
    /// A key is configured, and content is not signed.
    SignatureMissing = "signature-missing", Integrity;
    /// A signature is not one of a configured key over this content under this name.
    SignatureInvalid = "signature-invalid", Integrity;
    /// Content was signed before what this instance has accepted already.
    Rollback = "rollback", Integrity;

    /// The compose file or its `x-rolecall` is invalid.
    ManifestInvalid = "manifest-invalid", Manifest;
    /// A role that is neither an entry of `x-rolecall.roles`, a profile nor a service.
    RoleUnknown = "role-unknown", Manifest;
    /// One host port is asked for twice.
    PortClash = "port-clash", Manifest;

    /// A process that is not ours holds a port that a service publishes.
    PortHeld = "port-held", Step;
    /// A script of stage two did not exit with 0.
    ScriptFailed = "script-failed", Step;
    /// A script of stage two ran into its deadline.
    ScriptTimeout = "script-timeout", Step;
    /// The package manager failed.
    PackagesFailed = "packages-failed", Step;
    /// Docker is absent and could not be installed.
    DockerInstall = "docker-install", Step;
    /// daemon.json could not be merged, or the daemon does not come up with it.
    DockerConfig = "docker-config", Step;
    /// The engine does not answer.
    EngineUnreachable = "engine-unreachable", Step;
    /// The engine refused a request.
    EngineRefused = "engine-refused", Step;
    /// The registry has no such image.
    ImageNotFound = "image-not-found", Step;
    /// The registry refused the credentials.
    ImageDenied = "image-denied", Step;
    /// An image could not be pulled.
    ImagePull = "image-pull", Step;
    /// A container exited, or could not be started.
    ContainerFailed = "container-failed", Step;
    /// A container's health check says unhealthy.
    ContainerUnhealthy = "container-unhealthy", Step;
    /// Services were not ready in time.
    ReadyTimeout = "ready-timeout", Step;
    /// The deadline of the run or of a step passed.
    Deadline = "deadline", Step;
    /// The disk is full.
    DiskFull = "disk-full", Step;
    /// A file of the host could not be read or written.
    Io = "io", Step;
    /// The run was asked to stop by a signal.
    Interrupted = "interrupted", Step;
}

/// What went wrong, for a tired human and for the retry loop.
#[derive(Debug, Clone)]
pub struct Error {
    /// Stable cause; decides the exit code.
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

    /// The exit code of a run that ends with this error.
    pub fn exit(&self) -> Exit {
        self.cause.exit()
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
