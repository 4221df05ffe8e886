//! `Web` over reqwest: https only, also after a redirect; bounded in size and in time.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Response, StatusCode};
use tokio::sync::OnceCell;
use url::Url;

use crate::{
    error::{Cause, Class, Error, Result},
    redact,
    tls::{self, Trust},
    world::{Object, Web},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence, before the first byte of the answer and between any two.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
const REDIRECTS: usize = 5;

/// `https://` addresses, through the proxy that the environment names. The trust store is read at the first call.
pub struct HttpsWeb {
    trust: Trust,
    client: OnceCell<Client>,
}

impl HttpsWeb {
    /// A client that trusts what the host trusts.
    pub fn new(trust: &Trust) -> Self {
        Self { trust: trust.clone(), client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(|| async {
                let policy = reqwest::redirect::Policy::custom(|attempt| {
                    if attempt.url().scheme() != "https" {
                        attempt.error("it redirects to an address that is not https")
                    } else if attempt.previous().len() > REDIRECTS {
                        attempt.error("it redirects more than five times")
                    } else {
                        attempt.follow()
                    }
                });
                Client::builder()
                    .tls_backend_preconfigured(self.trust.client_config()?)
                    .https_only(true)
                    .redirect(policy)
                    .referer(false)
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .user_agent(concat!("rolecall/", env!("CARGO_PKG_VERSION")))
                    .build()
                    .map_err(|err| Error::new(Cause::SourceUnreachable, format!("could not set up HTTPS: {err}")))
            })
            .await
    }
}

#[async_trait(?Send)]
impl Web for HttpsWeb {
    async fn get(&self, url: &Url, limit: u64) -> Result<Object> {
        let shown = redact::url(url.as_str());
        if url.scheme() != "https" {
            return Err(Error::new(Cause::SourceRefused, format!("{shown} is not https")));
        }
        let response = self.client().await?.get(url.clone()).send().await.map_err(|err| failed(&shown, &err))?;
        if !response.status().is_success() {
            return Err(refused(&shown, &response));
        }
        read(response, &shown, limit).await
    }
}

async fn read(mut response: Response, shown: &str, limit: u64) -> Result<Object> {
    let too_large = |size: String| {
        Error::new(Cause::SourceTooLarge, format!("could not read {shown}: it has {size} bytes, the limit is {limit}"))
    };
    let header = |name| response.headers().get(name).and_then(|v: &reqwest::header::HeaderValue| v.to_str().ok());
    let etag = header("etag").map(|etag| etag.trim_matches('"').to_owned());
    let announced = response.content_length();
    if let Some(size) = announced.filter(|size| *size > limit) {
        return Err(too_large(size.to_string()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|err| {
        let message =
            format!("could not read {shown}: it broke off after {} bytes: {}", body.len(), tls::root_cause(&err));
        Error::new(Cause::SourceUnreachable, message).transient()
    })? {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > limit {
            return Err(too_large("more".to_owned()));
        }
    }
    match announced {
        Some(size) if size != body.len() as u64 => {
            let message = format!("could not read {shown}: it was truncated: {} of {size} bytes came", body.len());
            Err(Error::new(Cause::SourceUnreachable, message).transient())
        }
        _ => Ok(Object { body, etag, version: None, mode: None }),
    }
}

/// The request got no answer.
fn failed(shown: &str, err: &reqwest::Error) -> Error {
    let reason = if err.is_timeout() { "no answer in time".to_owned() } else { tls::root_cause(err) };
    let message = format!("could not read {shown}: {reason}");
    if err.is_redirect() {
        return Error::new(Cause::SourceRefused, message);
    }
    let found = Error::new(Cause::SourceUnreachable, message);
    if tls::too_early(err) {
        return found.transient().hint("the clock of this machine is off: check chrony or systemd-timesyncd");
    }
    // A certificate that is not trusted now will not be on the next try.
    if tls::refused(err) {
        return found.hint("check the clock, and add a private CA by AWS_CA_BUNDLE or the host's CA store");
    }
    found.transient()
}

/// The server answered with an error.
fn refused(shown: &str, response: &Response) -> Error {
    let status = response.status();
    let message = format!("could not read {shown}: HTTP {}", status.as_u16());
    let wait = response.headers().get("retry-after").and_then(|value| retry_after(value.to_str().ok()?));
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Error::new(Cause::SourceNotFound, message),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::new(Cause::SourceDenied, message)
            .hint("a presigned address may have expired; a private bucket is read by s3://"),
        StatusCode::TOO_MANY_REQUESTS => {
            Error::new(Cause::SourceUnreachable, message).class(Class::Throttled).retry_after(wait)
        }
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => {
            Error::new(Cause::SourceUnreachable, message)
        }
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Error::new(Cause::SourceUnreachable, message).transient().retry_after(wait)
        }
        _ => Error::new(Cause::SourceUnreachable, message),
    }
}

/// Seconds, or a date of HTTP.
fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(date.duration_since(jiff::Timestamp::now())).ok()
}

#[cfg(test)]
mod tests;
