//! What a failed call of the SDK means: one place for all services.

use std::{error::Error as StdError, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::{DateTime, date_time::Format, error::metadata::ProvideErrorMetadata};

use crate::{
    error::{Cause, Class, Error},
    tls,
};

/// A clock that is this far off may be why a signature is refused: services bear 5 minutes, S3 15.
const SKEW: Duration = Duration::from_secs(4 * 60);

const DUALSTACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";
const FIPS: &str = "AWS_USE_FIPS_ENDPOINT";

const NOT_LOADED: &str = "neither environment, profile nor instance metadata has any";

/// A call, as its errors name it.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    /// What is attempted, on what: `read s3://bucket/key`.
    pub(super) what: &'a str,
    /// The permission that it needs: `s3:GetObject on arn:…`.
    pub(super) need: &'a str,
    /// Cause where the service does not answer, or answers nonsense.
    pub(super) unreachable: Cause,
    /// Cause where the permission is refused.
    pub(super) denied: Cause,
    /// Cause where what was asked for does not exist.
    pub(super) missing: Cause,
}

/// A failed call, without the types of its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The service answered with an error.
    Answer(Answer),
    /// No answer in time, no connection, or one that broke.
    Io(String),
    /// No credentials: none configured (permanent), refused (denied), or their source failed (transient).
    Credentials { class: Class, reason: String },
    /// A setting that chooses among the endpoints of AWS, where another setting names the endpoint.
    Endpoint(&'static str),
    /// Anything that the same call will run into again.
    Other(String),
}

/// An error that a service answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
    /// Region that the bucket is really in.
    pub(super) region: Option<String>,
    /// Whether the time of the answer is far from this machine's, so that a refusal may be of the signature's time.
    pub(super) skewed: bool,
}

impl Failure {
    pub(super) fn of<E>(err: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let Some(found) = chain(err).find_map(|link| link.downcast_ref::<CredentialsError>()) {
            let class = match found {
                CredentialsError::CredentialsNotLoaded(_) => Class::Permanent,
                // The role cannot be assumed: its trust is wrong, or has not spread yet.
                CredentialsError::InvalidConfiguration(_) => Class::Denied,
                _ => Class::Transient,
            };
            let reason = match found {
                // The SDK tells at length what it tried.
                CredentialsError::CredentialsNotLoaded(_) => NOT_LOADED.to_owned(),
                _ => tls::root_cause(found),
            };
            return Self::Credentials { class, reason };
        }
        // A cache that gives up waiting has an error of its own, which nobody else can name.
        let told = tls::root_cause(err);
        if told.starts_with("identity resolver timed out") {
            return Self::Credentials {
                class: Class::Transient,
                reason: "their source does not answer in time".to_owned(),
            };
        }
        if let Some(setting) = beside_endpoint(&told) {
            return Self::Endpoint(setting);
        }
        match err {
            // A certificate that is refused now is refused on the next try.
            SdkError::DispatchFailure(_) if tls::refused(err) => Self::Other(told),
            SdkError::TimeoutError(_) => Self::Io("no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::Io("no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) if failure.is_io() => Self::Io(told),
            SdkError::ResponseError(failure) => {
                // An answer that cannot be read: with an error status it is the status that counts.
                let answer = Answer::of(failure.raw(), None, None);
                if answer.status >= 400 { Self::Answer(answer) } else { Self::Io(told) }
            }
            SdkError::ServiceError(failure) => {
                let (code, message) = (failure.err().code(), failure.err().message());
                Self::Answer(Answer::of(failure.raw(), code, message))
            }
            SdkError::DispatchFailure(failure) if failure.is_other() => Self::Io(told),
            _ => Self::Other(told),
        }
    }

    /// Whether another try can help.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Io(_) => Class::Transient,
            Self::Other(_) | Self::Endpoint(_) => Class::Permanent,
            Self::Credentials { class, .. } => *class,
            Self::Answer(answer) => answer.class(),
        }
    }

    /// The error that the operator reads.
    pub(super) fn error(&self, call: &Call<'_>) -> Error {
        let Call { what, .. } = call;
        match self {
            Self::Io(reason) => Error::new(call.unreachable, format!("could not {what}: {reason}")).transient(),
            Self::Other(reason) => Error::new(call.unreachable, format!("could not {what}: {reason}")),
            Self::Endpoint(setting) => {
                let kind = if *setting == FIPS { "a FIPS" } else { "a dual-stack" };
                let message = format!("could not {what}: {setting}=true cannot be combined with AWS_ENDPOINT_URL");
                Error::new(call.unreachable, message)
                    .need(format!("{setting} or AWS_ENDPOINT_URL, not both"))
                    .hint(format!("remove {setting} and name {kind} endpoint, or remove AWS_ENDPOINT_URL*"))
            }
            Self::Credentials { reason, .. } => {
                let message = format!("could not {what}: no credentials ({reason})");
                Error::new(Cause::CredentialsMissing, message).class(self.class())
            }
            Self::Answer(answer) => {
                let message = format!("could not {what}: {answer}");
                match answer.class() {
                    class if answer.clock() => Error::new(call.unreachable, message)
                        .class(class)
                        .hint("the clock of this machine is off: check chrony or systemd-timesyncd"),
                    class if answer.expired() => Error::new(Cause::CredentialsExpired, message)
                        .class(class)
                        .need("credentials that have not expired")
                        .hint("renew those of AWS_SESSION_TOKEN or of the profile; for a role, see its trust policy"),
                    Class::Denied => Error::new(call.denied, message)
                        .class(Class::Denied)
                        .need(call.need)
                        .hint(format!("allow {}", call.need)),
                    Class::Permanent if answer.missing() => Error::new(call.missing, message),
                    Class::Permanent => Error::new(call.unreachable, message),
                    class => Error::new(call.unreachable, message).class(class).retry_after(answer.retry_after),
                }
            }
        }
    }
}

impl Answer {
    fn of(raw: &HttpResponse, code: Option<&str>, message: Option<&str>) -> Self {
        let header = |name: &str| raw.headers().get(name).map(str::to_owned);
        let body = || std::str::from_utf8(raw.body().bytes().unwrap_or_default()).unwrap_or_default().to_owned();
        Self {
            status: raw.status().as_u16(),
            code: code.map(str::to_owned),
            message: message.map(str::to_owned),
            request_id: header("x-amz-request-id").or_else(|| header("x-amzn-requestid")),
            retry_after: header("retry-after").and_then(|value| value.trim().parse().ok()).map(Duration::from_secs),
            region: header("x-amz-bucket-region").or_else(|| between(&body(), "<Region>", "</Region>")),
            skewed: header("date").is_some_and(|date| skewed(&date)),
        }
    }

    pub(super) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    fn class(&self) -> Class {
        if self.clock() {
            // The SDK has taken the server's time from this answer: the next try is signed with it.
            return Class::Transient;
        }
        match (self.code(), self.status) {
            (code, _) if throttling(code) => Class::Throttled,
            (_, 429) => Class::Throttled,
            (
                "RequestTimeout"
                | "RequestTimeoutException"
                | "InternalError"
                | "InternalFailure"
                | "ServiceUnavailable",
                _,
            )
            | (_, 408) => Class::Transient,
            // Credentials that rotated under the request; the next try asks for new ones.
            _ if self.expired() => Class::Transient,
            (
                "AccessDenied"
                | "AccessDeniedException"
                | "UnauthorizedOperation"
                | "AuthFailure"
                | "AllAccessDisabled"
                | "UnauthorizedAccess"
                | "InvalidAccessKeyId"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "SignatureDoesNotMatch"
                | "NotAuthorized"
                | "OptInRequired",
                _,
            ) => Class::Denied,
            ("InvalidObjectState", _) => Class::Permanent,
            (_, 500..) => Class::Transient,
            (_, 401 | 403) => Class::Denied,
            _ => Class::Permanent,
        }
    }

    fn clock(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        let told = message.contains("Signature expired") || message.contains("Signature not yet current");
        match self.code() {
            "RequestTimeTooSkewed" => true,
            "InvalidSignatureException" | "AuthFailure" | "SignatureDoesNotMatch" => told || self.skewed,
            "RequestExpired" => self.skewed,
            _ => false,
        }
    }

    /// Whether the credentials were good once.
    pub(super) fn expired(&self) -> bool {
        !self.clock()
            && matches!(
                self.code(),
                "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired"
            )
    }

    /// Whether no action of a lifecycle hook waits for this instance; the code for that is that of many mistakes.
    pub(super) fn nothing_waits(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        self.code() == "ValidationError" && message.to_ascii_lowercase().contains("no active lifecycle action")
    }

    /// Whether what was asked for does not exist.
    pub(super) fn missing(&self) -> bool {
        matches!(
            self.code(),
            "NoSuchKey"
                | "NoSuchBucket"
                | "NoSuchVersion"
                | "NotFound"
                | "ParameterNotFound"
                | "ParameterVersionNotFound"
                | "ResourceNotFoundException"
                | "RepositoryNotFoundException"
        ) || self.status == 404
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {}", message.trim().trim_end_matches('.').replace(['\n', '\r'], " "))?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

/// The setting that the endpoint rules of the SDK refuse because an endpoint is configured; the errors of S3 are worded
/// differently from those of other services.
fn beside_endpoint(message: &str) -> Option<&'static str> {
    let message = message.to_ascii_lowercase();
    match () {
        () if !message.contains("custom endpoint") => None,
        () if message.contains("dual-stack") || message.contains("dualstack") => Some(DUALSTACK),
        () if message.contains("fips") => Some(FIPS),
        () => None,
    }
}

/// Whether the time of an answer is so far from this machine's that signatures may not hold.
fn skewed(date: &str) -> bool {
    let Ok(there) = DateTime::from_str(date, Format::HttpDate) else { return false };
    let here = jiff::Timestamp::now().as_second();
    there.secs().abs_diff(here) > SKEW.as_secs()
}

fn throttling(code: &str) -> bool {
    matches!(
        code,
        "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "PriorRequestNotComplete"
            | "TransactionInProgressException"
            | "EC2ThrottledException"
            | "ProvisionedThroughputExceededException"
    )
}

fn between(text: &str, open: &str, close: &str) -> Option<String> {
    let start = text.find(open)? + open.len();
    let end = text[start..].find(close)?;
    Some(text[start..start + end].trim().to_owned()).filter(|found| !found.is_empty())
}

fn chain<'a>(err: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(err);
    std::iter::from_fn(move || {
        let link = next?;
        next = link.source();
        Some(link)
    })
}

#[cfg(test)]
mod tests;
