//! Errors of the engine and of registries, told and classified.
//!
//! Status codes and error kinds decide where there are any. A registry's refusal reaches us only as a sentence that the
//! engine passes on, so there, and only there, words decide.

mod start;

use std::io;

use bollard::errors::Error as Bollard;

use crate::{
    error::{Cause, Class, Error},
    image_ref::ImageRef,
};

/// What something was attempted on.
pub(super) enum Subject<'a> {
    Engine,
    Container(&'a str),
    Image(&'a str),
    Pull(&'a str),
    Network(&'a str),
    Volume(&'a str),
}

impl<'a> Subject<'a> {
    /// A container by name, or by id, which is shortened as `docker ps` does.
    pub(super) fn container(name: &'a str) -> Self {
        let id = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        Self::Container(if id { &name[..12] } else { name })
    }

    fn told(&self, host: &str) -> String {
        match self {
            Self::Engine => format!("the engine at {host}"),
            Self::Container(name) => format!("container {name}"),
            Self::Image(name) | Self::Pull(name) => format!("image {name}"),
            Self::Network(name) => format!("network {name}"),
            Self::Volume(name) => format!("volume {name}"),
        }
    }
}

/// Whether the engine is gone, so that the next call has to negotiate again.
pub(super) fn lost(err: &Bollard) -> bool {
    match err {
        Bollard::DockerResponseServerError { status_code, message } => *status_code == 400 && speaks_other(message),
        Bollard::DockerStreamError { .. } | Bollard::RequestTimeoutError => false,
        _ => true,
    }
}

/// The engine was exchanged for one that does not speak the negotiated version.
fn speaks_other(message: &str) -> bool {
    message.contains("client version")
}

/// The error for `what` that was attempted on `subject` of the engine at `host`.
pub(super) fn told(what: &str, subject: &Subject, host: &str, err: Bollard) -> Error {
    let attempted = format!("could not {what} {}", subject.told(host));
    match err {
        Bollard::DockerResponseServerError { status_code, message } => match subject {
            Subject::Pull(image) if status_code != 400 => registry(image, &attempted, &message),
            _ => refused(&attempted, status_code, &message),
        },
        Bollard::DockerStreamError { error } => match subject {
            Subject::Pull(image) => registry(image, &attempted, &error),
            _ => Error::new(Cause::EngineRefused, format!("{attempted}: {}", sentence(&error))),
        },
        Bollard::RequestTimeoutError => {
            let message = format!("{attempted}: the engine at {host} does not answer");
            Error::new(cause(subject), message).transient()
        }
        Bollard::SocketNotFoundError(path) => {
            let message = format!("{attempted}: there is no socket at {path}");
            Error::new(Cause::EngineUnreachable, message).transient().hint("is docker installed and running?")
        }
        other => transport(&attempted, subject, host, &other),
    }
}

fn cause(subject: &Subject) -> Cause {
    if matches!(subject, Subject::Pull(_)) { Cause::ImagePull } else { Cause::EngineUnreachable }
}

/// The connection failed, or the answer broke off.
fn transport(attempted: &str, subject: &Subject, host: &str, err: &Bollard) -> Error {
    // A transparent variant hands out the source of what it wraps, and so hides the thing itself.
    let outermost: &(dyn std::error::Error + 'static) = if let Bollard::IOError { err } = err { err } else { err };
    let mut chain = vec![outermost];
    while let Some(next) = chain[chain.len() - 1].source() {
        chain.push(next);
    }
    let kind = chain.iter().find_map(|e| e.downcast_ref::<io::Error>()).map(io::Error::kind);
    // The innermost error says what happened; the outer ones say only that something did.
    let told = chain.last().map_or_else(|| err.to_string(), ToString::to_string);
    let message = format!("{attempted}: {}", sentence(&told));
    match kind {
        Some(io::ErrorKind::PermissionDenied) => Error::new(Cause::EngineUnreachable, message)
            .hint(format!("run as root, or as a user who may use the engine at {host}")),
        Some(_) => Error::new(cause(subject), message).transient(),
        None => match err {
            // Neither the engine nor the wire: an answer that is no JSON, an address that cannot be built.
            Bollard::JsonSerdeError { err } if err.is_eof() => Error::new(cause(subject), message).transient(),
            Bollard::JsonDataError { .. }
            | Bollard::JsonSerdeError { .. }
            | Bollard::URLParseError { .. }
            | Bollard::InvalidURIError { .. }
            | Bollard::UnsupportedURISchemeError { .. } => Error::new(Cause::EngineRefused, message),
            _ => Error::new(cause(subject), message).transient(),
        },
    }
}

/// Answers of the engine that will not change by themselves, although it says 500: words, cause and advice. For a
/// container, advice that is empty is that of [`start`].
const PERMANENT: &[(&str, Cause, &str)] = &[
    ("no space left on device", Cause::DiskFull, "free space below docker's data-root, then run again"),
    ("port is already allocated", Cause::PortHeld, "another container publishes this port; find it with `docker ps`"),
    ("address already in use", Cause::PortHeld, "another process listens there; find it with `ss -ltnp`"),
    (
        "all ports are allocated",
        Cause::PortHeld,
        "no port of the range is free: widen it, or stop what holds its ports",
    ),
    ("runtime create failed", Cause::ContainerFailed, ""),
    ("failed to create task", Cause::ContainerFailed, ""),
    ("failed to create shim", Cause::ContainerFailed, ""),
    ("failed to initialize logging driver", Cause::ContainerFailed, ""),
    ("could not select device driver", Cause::ContainerFailed, "the host lacks this device or its driver"),
    ("oci runtime", Cause::ContainerFailed, ""),
    ("error mounting", Cause::ContainerFailed, ""),
    ("failed to mount", Cause::ContainerFailed, ""),
    ("is mounted on", Cause::ContainerFailed, "the bind's propagation needs a shared mount on the host"),
    ("executable file not found", Cause::ContainerFailed, ""),
    ("permission denied", Cause::ContainerFailed, ""),
    ("not a directory", Cause::ContainerFailed, ""),
    ("no such", Cause::EngineRefused, ""),
    ("not found", Cause::EngineRefused, ""),
    ("invalid", Cause::EngineRefused, ""),
    ("unknown", Cause::EngineRefused, ""),
    ("not supported", Cause::EngineRefused, ""),
    ("is supported only", Cause::EngineRefused, ""),
    ("read-only file system", Cause::ContainerFailed, "the engine cannot write there"),
    ("operation not permitted", Cause::ContainerFailed, ""),
    ("not a swarm manager", Cause::EngineRefused, "the network needs a swarm: use the bridge driver"),
    ("no available ipv4 addresses", Cause::EngineRefused, "the network is full: give it a larger subnet"),
    ("all predefined address pools", Cause::EngineRefused, "remove unused networks, or add to default-address-pools"),
    ("pool overlaps with other one", Cause::EngineRefused, "give the network another subnet"),
    ("could not find an available, non-overlapping", Cause::EngineRefused, "remove unused networks"),
];

/// Refusals that come of requests which a run that was killed had made: the engine still serves them. Who asks again
/// sees what came of them.
const CROSSED: &[&str] = &["is already in use", "is already in progress", "is ambiguous"];

/// What an engine says that is about to end, or has only just come up.
const PASSING: &[&str] = &["failed to update store", "context canceled", "shutting down", "transport is closing"];

/// Words of an engine that could not reach what a container needs from elsewhere: the service of its log driver, the
/// server of an NFS volume, a network plugin. As Go and the kernel phrase it, and the SDKs of the cloud.
const OUT_OF_REACH: &[&str] = &[
    "connection refused",
    "connection reset",
    "connection timed out",
    "no route to host",
    "host is down",
    "network is unreachable",
    "no such host",
    "i/o timeout",
    "tls handshake timeout",
    "server misbehaving",
    "temporary failure in name resolution",
    "context deadline exceeded",
    "exceeded maximum number of attempts",
    "send request failed",
    "throttlingexception",
    "serviceunavailable",
    // Role credentials take a moment to arrive at boot.
    "nocredentialproviders",
    "no ec2 imds role found",
];

/// What needs something from elsewhere to start, and what an operator looks at.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "logging driver",
        "the log driver of the service does not reach its destination: see `logging` and the route to it",
    ),
    ("mount", "the server of the volume does not answer: see its address and the route to it"),
];

/// Words of an engine that found no source for a mount: a disk that is mounted a little later than the engine starts.
fn from_missing_source(lower: &str, told: &str) -> Option<Error> {
    let missing = lower.contains("bind source path does not exist")
        || (lower.contains("failed to mount local volume")
            && ["no such file or directory", "no such device"].iter().any(|words| lower.contains(words)));
    let error = Error::new(Cause::ContainerFailed, told).transient();
    missing.then(|| error.hint("mount the disk of this path or create it, or correct the source of the mount"))
}

/// The error for something outside the engine that did not answer, or that refused the role of this instance.
fn from_elsewhere(lower: &str, told: &str) -> Option<Error> {
    let place = ELSEWHERE.iter().find(|(words, _)| lower.contains(words));
    let cause = if place.is_some() { Cause::ContainerFailed } else { Cause::EngineRefused };
    if OUT_OF_REACH.iter().any(|words| lower.contains(words)) {
        let error = Error::new(cause, told).transient();
        return Some(match place {
            Some((_, advice)) => error.hint(*advice),
            None => error,
        });
    }
    let denied =
        lower.contains("logging driver") && (lower.contains("accessdenied") || lower.contains("not authorized"));
    denied.then(|| {
        let error = Error::new(cause, told).class(Class::Denied);
        error
            .need("logs:CreateLogStream, logs:PutLogEvents")
            .hint("allow the instance's role what its log driver needs")
    })
}

/// The engine answered, and refused.
fn refused(attempted: &str, status: u16, message: &str) -> Error {
    let lower = message.to_lowercase();
    let told = format!("{attempted}: {}", sentence(message));
    if let Some(error) = from_missing_source(&lower, &told).or_else(|| from_elsewhere(&lower, &told)) {
        return error;
    }
    let known = PERMANENT.iter().find(|(words, ..)| lower.contains(words));
    let error = match known {
        Some((_, cause, advice)) => {
            let error = Error::new(*cause, told);
            match (*advice, *cause) {
                ("", Cause::ContainerFailed) => error.hint(start::advice(&lower)),
                ("", _) => error,
                (advice, _) => error.hint(advice),
            }
        }
        None => Error::new(Cause::EngineRefused, told),
    };
    match status {
        400 if speaks_other(message) => error.transient(),
        500 if PASSING.iter().any(|words| lower.contains(words)) => {
            Error::new(Cause::EngineRefused, error.message).transient()
        }
        400 | 409 if CROSSED.iter().any(|words| lower.contains(words)) => error.transient(),
        429 => error.class(Class::Throttled),
        // An engine that is in no swarm has 503 for what needs one.
        503 if lower.contains("not a swarm manager") => error,
        // 501: not implemented, for good.
        502..=504 => error.transient(),
        500 if known.is_none() => error.transient(),
        _ => error,
    }
}

const THROTTLED: &[&str] = &["toomanyrequests", "too many requests", "429", "rate limit"];
const DENIED: &[&str] =
    &["unauthorized", "denied", "no basic auth", "authentication required", "401", "403", "forbidden"];
const MISSING: &[&str] = &["manifest unknown", "not found", "name unknown", "no such image", "404"];
const PLATFORM: &[&str] = &["no matching manifest", "does not match the specified platform", "cannot be used on this"];
const CORRUPT: &[&str] = &["verification failed", "unexpected digest", "digest mismatch"];
const UNTRUSTED: &[&str] = &["x509:", "certificate", "gave http response to https client"];

/// The registry answered, through the engine, and refused; or the engine could not reach it.
fn registry(image: &str, attempted: &str, message: &str) -> Error {
    // Neither the name of an image nor digits within a port or a digest are an answer.
    let lower = message.to_lowercase().replace(&image.to_lowercase(), "");
    let is = |word: &str| lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| w == word);
    let has = |words: &[&str]| words.iter().any(|w| if w.parse::<u16>().is_ok() { is(w) } else { lower.contains(w) });
    let reference = ImageRef::parse(image).ok();
    let host = reference.as_ref().map_or("its registry", |r| r.registry.as_str());
    let told = format!("{attempted}: {}", sentence(message));
    let error = |cause| Error::new(cause, told.clone());
    if has(THROTTLED) {
        return error(Cause::ImagePull).class(Class::Throttled).hint(format!("{host} limits how often it is asked"));
    }
    if lower.contains("no space left on device") {
        return error(Cause::DiskFull).hint("free space below docker's data-root, then run again");
    }
    if has(CORRUPT) {
        // What is not what its digest says is tried again: it may have been changed on its way.
        return error(Cause::ChecksumMismatch)
            .transient()
            .need("content that is what its digest says")
            .hint(format!("see what stands between this machine and {host}; else push the image again"));
    }
    if has(PLATFORM) {
        return error(Cause::ImageNotFound).hint("the image is not made for this machine's architecture");
    }
    if has(DENIED) {
        // A role's permissions take a while to spread after it was attached.
        let ecr = reference.as_ref().is_some_and(|r| r.ecr().is_some());
        let denied = error(Cause::ImageDenied).class(if ecr { Class::Denied } else { Class::Permanent });
        return if ecr {
            denied.need(format!("ecr:GetAuthorizationToken, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer on {host}"))
        } else {
            denied.hint(format!("check that the image exists, and the credentials for {host} in x-rolecall.registries"))
        };
    }
    if has(MISSING) {
        return error(Cause::ImageNotFound).hint(format!("check name and tag at {host}"));
    }
    if lower.contains("not yet valid") {
        return error(Cause::ImagePull)
            .transient()
            .hint("the clock of this machine is off: check chrony or systemd-timesyncd");
    }
    if has(UNTRUSTED) {
        return error(Cause::ImagePull).hint(format!("the engine does not trust {host}: see its certificate"));
    }
    if lower.contains("invalid reference format") || lower.contains("unsupported") {
        return error(Cause::ImagePull);
    }
    error(Cause::ImagePull).transient()
}

/// What someone else said, as one line.
fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
