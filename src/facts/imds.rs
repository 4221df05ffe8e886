//! The real metadata service: `IMDSv2` only, one pinned schema, one token for all, never through a proxy.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Client, StatusCode};
use tokio::sync::Mutex;
use tracing::info;

use crate::{
    error::{Cause, Class, Error, Result},
    redact,
    settings::Env,
    tls,
    world::Imds,
};

/// The schema that every path is asked in: the first with all that rolecall needs, tags included.
pub const SCHEMA: &str = "2021-07-15";

/// The service in a subnet without IPv4 (EC2 User Guide, "Instance metadata service").
const OVER_IPV6: &str = "http://[fd00:ec2::254]";

/// Longest life that the service gives a token.
const TOKEN_TTL_SECONDS: u32 = 21_600;
/// The service is one hop away: a connection that takes longer will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A token is tiny. An answer that does not come back in this time has most likely died of its hop limit.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(2);
/// So many token requests in a row must die of the hop limit before it counts as the verdict.
const HOP_LIMIT_VERDICT: u32 = 3;
/// No item of metadata comes near this.
const BODY_LIMIT: u64 = 256 * 1024;

/// Instance metadata over HTTP.
pub struct HttpImds {
    client: Client,
    base: RefCell<String>,
    /// Asked if there is no route to the first; none if the environment chose.
    other: Option<&'static str>,
    disabled: bool,
    token: Mutex<Option<String>>,
    hop_limit_deaths: Cell<u32>,
}

impl HttpImds {
    /// The service that the environment names, else the link-local one.
    ///
    /// # Errors
    /// `usage` for an endpoint or endpoint mode that cannot be used.
    pub fn from_env(env: &Env) -> Result<Self> {
        let chosen = ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"]
            .iter()
            .any(|name| env.get(name).is_some());
        let other = (!chosen).then_some(OVER_IPV6);
        Self::new(&endpoint(env)?, other, env.is_true("AWS_EC2_METADATA_DISABLED"))
    }

    fn new(base: &str, other: Option<&'static str>, disabled: bool) -> Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // The service speaks plain HTTP: no certificate is ever read for it.
            .tls_backend_preconfigured(tls::without_roots()?)
            .build()
            .map_err(|err| Error::new(Cause::ImdsUnreachable, format!("could not set up HTTP: {err}")))?;
        Ok(Self {
            client,
            base: RefCell::new(base.trim_end_matches('/').to_owned()),
            other,
            disabled,
            token: Mutex::new(None),
            hop_limit_deaths: Cell::new(0),
        })
    }

    /// The shared token; concurrent callers wait for the one request that fetches it.
    async fn token(&self) -> Result<String> {
        let mut slot = self.token.lock().await;
        if let Some(token) = &*slot {
            return Ok(token.clone());
        }
        let token = self.fetch_token().await?;
        Ok(slot.insert(token).clone())
    }

    async fn drop_token(&self, refused: &str) {
        let mut slot = self.token.lock().await;
        if slot.as_deref() == Some(refused) {
            *slot = None;
        }
    }

    fn base(&self) -> String {
        self.base.borrow().clone()
    }

    /// A token over IPv6, and with it all that follows, where `err` says that there is no route to the first address. If
    /// that fails too, the next try begins with the first again: its route may only come late.
    async fn token_over_other(&self, err: &reqwest::Error) -> Option<Result<String>> {
        let other = self.other.filter(|other| tls::no_route(err) && *self.base.borrow() != *other)?;
        let first = self.base.replace(other.to_owned());
        let token = Box::pin(self.fetch_token()).await;
        if token.is_ok() {
            info!("no route to instance metadata over IPv4, asking {other}");
        } else {
            self.base.replace(first);
        }
        Some(token)
    }

    async fn fetch_token(&self) -> Result<String> {
        let request = self
            .client
            .put(format!("{}/latest/api/token", self.base()))
            .header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL_SECONDS)
            .timeout(TOKEN_TIMEOUT);
        let response = match request.send().await {
            Ok(response) => response,
            Err(err) if tls::no_route(&err) => {
                let other = self.token_over_other(&err).await;
                return other.unwrap_or_else(|| Err(self.unreachable("get a metadata token from", &err)));
            }
            Err(err) if err.is_timeout() && !err.is_connect() => return Err(self.token_timed_out().await),
            Err(err) => return Err(self.unreachable("get a metadata token from", &err)),
        };
        self.hop_limit_deaths.set(0);
        match response.status() {
            StatusCode::OK => {
                let token = self.body("a metadata token", response).await?;
                let usable = !token.trim().is_empty() && token.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
                if usable { Ok(token.trim().to_owned()) } else { Err(self.not_a_token()) }
            }
            StatusCode::FORBIDDEN => Err(self.refused("refuses tokens with 403: instance metadata is disabled").hint(
                "enable the instance's metadata endpoint (modify-instance-metadata-options --http-endpoint enabled); \
                 a proxy in between is refused too",
            )),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Err(self.no_tokens(response.status()).await)
            }
            status => Err(self.status("a metadata token", status, retry_after(&response))),
        }
    }

    /// The token request got no answer: if metadata itself answers at once, the answer died on its way back.
    async fn token_timed_out(&self) -> Error {
        let message = format!("metadata service {} gives no token within {} s", self.shown(), TOKEN_TIMEOUT.as_secs());
        if self.tokenless().await != Some(StatusCode::UNAUTHORIZED) {
            return Error::new(Cause::ImdsUnreachable, message).transient();
        }
        let deaths = self.hop_limit_deaths.get() + 1;
        self.hop_limit_deaths.set(deaths);
        let class = if deaths < HOP_LIMIT_VERDICT { Class::Transient } else { Class::Permanent };
        Error::new(Cause::ImdsRefused, format!("{message}, yet refuses requests without one: its hop limit is too low"))
            .class(class)
            .hint("run rolecall on the host, not in a container, or raise http-put-response-hop-limit to 2")
    }

    /// There is no token to be had: either the service knows version 1 only, or it is no metadata service.
    async fn no_tokens(&self, status: StatusCode) -> Error {
        match self.tokenless().await {
            Some(found) if found.is_success() => self
                .refused("answers as IMDSv1 only: it has no tokens, and rolecall never reads without one")
                .hint("enable IMDSv2 on this instance or metadata proxy"),
            _ => Error::new(
                Cause::ImdsUnreachable,
                format!("{} gives no metadata token: HTTP {}", self.shown(), status.as_u16()),
            )
            .transient()
            .hint("check AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        }
    }

    async fn tokenless(&self) -> Option<StatusCode> {
        let request = self.client.get(format!("{}/latest/meta-data/", self.base())).timeout(CONNECT_TIMEOUT);
        request.send().await.ok().map(|response| response.status())
    }

    async fn once(&self, path: &str, token: &str) -> Result<Answer> {
        let url = format!("{}/{SCHEMA}/{path}", self.base());
        let request = self.client.get(url).header("x-aws-ec2-metadata-token", token);
        let response = request.send().await.map_err(|err| self.unreachable(&format!("read {path} from"), &err))?;
        match response.status() {
            StatusCode::OK => Ok(Answer::Text(self.body(path, response).await?)),
            StatusCode::NOT_FOUND => Ok(Answer::Absent),
            StatusCode::UNAUTHORIZED => Ok(Answer::TokenRefused),
            StatusCode::FORBIDDEN => Err(self
                .refused(&format!("refuses {path} with 403"))
                .hint("instance metadata is disabled, or not for this process")),
            status => Err(self.status(path, status, retry_after(&response))),
        }
    }

    async fn body(&self, what: &str, mut response: reqwest::Response) -> Result<String> {
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|err| self.unreachable(&format!("read {what} from"), &err))?
        {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > BODY_LIMIT {
                return Err(self.refused(&format!("answers {what} with more than {BODY_LIMIT} bytes")));
            }
        }
        String::from_utf8(bytes).map_err(|_| self.refused(&format!("answers {what} with bytes that are not text")))
    }

    fn status(&self, what: &str, status: StatusCode, wait: Option<Duration>) -> Error {
        let message = format!("metadata service {} answers {what} with HTTP {}", self.shown(), status.as_u16());
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Error::new(Cause::ImdsUnreachable, message).class(Class::Throttled).retry_after(wait).hint(
                    "something on this machine asks instance metadata too often: its limit is for the whole machine",
                )
            }
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                Error::new(Cause::ImdsUnreachable, message).transient()
            }
            _ => Error::new(Cause::ImdsRefused, message),
        }
    }

    fn unreachable(&self, attempt: &str, err: &reqwest::Error) -> Error {
        let message = format!("could not {attempt} metadata service {}: {}", self.shown(), tls::root_cause(err));
        Error::new(Cause::ImdsUnreachable, message).transient()
    }

    fn refused(&self, what: &str) -> Error {
        Error::new(Cause::ImdsRefused, format!("metadata service {} {what}", self.shown()))
    }

    fn not_a_token(&self) -> Error {
        self.refused("answers the token request with something that is no token")
            .hint("check AWS_EC2_METADATA_SERVICE_ENDPOINT: this may be a web server or proxy")
    }

    fn shown(&self) -> String {
        redact::url(&self.base()).trim_end_matches('/').to_owned()
    }
}

enum Answer {
    Text(String),
    Absent,
    TokenRefused,
}

#[async_trait(?Send)]
impl Imds for HttpImds {
    async fn get(&self, path: &str) -> Result<Option<String>> {
        if self.disabled {
            return Err(Error::new(Cause::ImdsRefused, "AWS_EC2_METADATA_DISABLED switches instance metadata off")
                .hint("rolecall needs it: unset AWS_EC2_METADATA_DISABLED"));
        }
        // A token can be lost on the side of the service, seen for half a minute after boot: one more is fetched
        // at once, and the caller's retry fetches the next.
        for _ in 0..2 {
            let token = self.token().await?;
            match self.once(path, &token).await? {
                Answer::Text(text) => return Ok(Some(text)),
                Answer::Absent => return Ok(None),
                Answer::TokenRefused => self.drop_token(&token).await,
            }
        }
        Err(self.refused(&format!("refuses {path} with 401 although the token is fresh")).transient())
    }
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn endpoint(env: &Env) -> Result<String> {
    if let Some(given) = env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        let usable = url::Url::parse(given).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !usable {
            let message = format!("AWS_EC2_METADATA_SERVICE_ENDPOINT is no address: {}", redact::url(given));
            return Err(Error::new(Cause::Usage, message).hint("write http://host:port"));
        }
        return Ok(given.to_owned());
    }
    match env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").unwrap_or("IPv4") {
        mode if mode.eq_ignore_ascii_case("IPv4") => Ok("http://169.254.169.254".to_owned()),
        mode if mode.eq_ignore_ascii_case("IPv6") => Ok(OVER_IPV6.to_owned()),
        mode => {
            let message = format!("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is {mode:?}");
            Err(Error::new(Cause::Usage, message).hint("it is IPv4 or IPv6"))
        }
    }
}

#[cfg(test)]
mod tests;
