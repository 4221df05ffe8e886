//! The real container engine: the only folder that names `bollard`.
//!
//! bollard carries the requests; what is in them is ours. Its typed bodies follow one version of the API and would
//! drop what another one knows, so every body is sent as the JSON that the planner wrote (see [`wire`]), under the
//! version that was negotiated. Answers are bollard's types turned back into JSON.

mod calls;
mod errors;
mod hub;
mod permits;
mod streams;
#[cfg(test)]
mod tests;
mod wire;

use std::{cell::RefCell, time::Duration};

use bollard::Docker;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    error::{Cause, Error, Result},
    settings::docker_host,
    world::ApiVersion,
};
use errors::Subject;
use hub::Hub;
use permits::{Kind, Permits};

/// The address that is used where `DOCKER_HOST` names none.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// How long the engine may take until it starts to answer. Generous: a create on a slow disk may take a minute.
const ANSWER: Duration = Duration::from_mins(2);

/// A stop answers when the container is gone: how long that may take where its grace is not known.
const STOP_ANSWER: Duration = Duration::from_hours(24);

/// How long after the grace the engine may take to kill the container and to answer.
const STOP_MARGIN: Duration = Duration::from_secs(30);

/// The engine behind a socket or a TCP address. Nothing is connected before the first call.
pub struct DockerEngine {
    host: String,
    /// The connection and the version that was negotiated; dropped when the engine goes away, so that the next
    /// call negotiates again with whatever comes up.
    live: RefCell<Option<(Docker, ApiVersion)>>,
    permits: Permits,
    events: Hub,
}

/// The connection for one request, and the permit for it.
struct Connection {
    docker: Docker,
    permit: Option<OwnedSemaphorePermit>,
}

impl std::ops::Deref for Connection {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        &self.docker
    }
}

impl DockerEngine {
    /// For the engine at `host`, `unix://…` or `tcp://…`.
    ///
    /// # Errors
    /// `usage` for other schemes.
    pub fn new(host: Option<&str>) -> Result<Self> {
        let host = host.filter(|h| !h.is_empty()).unwrap_or(DEFAULT_HOST);
        let host =
            docker_host(host).map_err(|err| Error { message: format!("DOCKER_HOST: {}", err.message), ..err })?;
        Ok(Self { host, live: RefCell::new(None), permits: Permits::new(), events: Hub::default() })
    }

    /// Where the engine is.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn connect(&self) -> std::result::Result<Docker, bollard::errors::Error> {
        let timeout = ANSWER.as_secs();
        if self.host.starts_with("unix://") {
            Docker::connect_with_unix(&self.host, timeout, bollard::API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_http(&self.host, timeout, bollard::API_DEFAULT_VERSION)
        }
    }

    /// Asks the engine for its version, and keeps the connection that is spoken in the best common one.
    async fn negotiate(&self) -> Result<Value> {
        let subject = Subject::Engine;
        let ask = async {
            let docker = self.connect()?;
            let version = docker.clone().with_request_modifier(wire::unversioned).version().await?;
            Ok((docker, version))
        };
        let (docker, version) = ask.await.map_err(|err| self.fail("ask for its version", &subject, err))?;
        let version = calls::json(&version)?;
        let spoken = ApiVersion::spoken(&version).ok_or_else(|| {
            Error::new(Cause::EngineRefused, format!("the engine at {} does not say which API it speaks", self.host))
        })?;
        let theirs = |key: &str| version.get(key).and_then(Value::as_str).unwrap_or("unknown").to_owned();
        if spoken < ApiVersion::OLDEST {
            return Err(Error::new(
                Cause::EngineRefused,
                format!("the engine at {} is Docker {} with API {spoken}", self.host, theirs("Version")),
            )
            .hint(format!("install Docker 20.10 or later (API {})", ApiVersion::OLDEST)));
        }
        if ApiVersion::parse(&theirs("MinAPIVersion")).is_some_and(|least| least > ApiVersion::NEWEST) {
            let message = format!(
                "the engine at {} is Docker {} and wants API {} at least; this program speaks {} at most",
                self.host,
                theirs("Version"),
                theirs("MinAPIVersion"),
                ApiVersion::NEWEST
            );
            return Err(Error::new(Cause::EngineRefused, message).hint("install a newer release of this program"));
        }
        self.live.replace(Some((docker, spoken)));
        Ok(version)
    }

    /// The connection, for a short request whose body is `body`, as soon as one is free.
    async fn docker(&self, body: Option<&Value>) -> Result<Connection> {
        self.connection(Kind::Short, body).await
    }

    async fn connection(&self, kind: Kind, body: Option<&Value>) -> Result<Connection> {
        let permit = self.permits.take(kind).await;
        Ok(Connection { docker: self.spoken(body).await?, permit })
    }

    async fn spoken(&self, body: Option<&Value>) -> Result<Docker> {
        if self.live.borrow().is_none() {
            self.negotiate().await?;
        }
        let live = self.live.borrow().clone();
        let (docker, version) = live
            .ok_or_else(|| Error::new(Cause::EngineUnreachable, "the connection to the engine was lost").transient())?;
        Ok(docker.with_request_modifier(wire::modifier(version, body)))
    }

    /// An error for `what` that was attempted on `subject`; forgets the connection where the engine is gone.
    fn fail(&self, what: &str, subject: &Subject, err: bollard::errors::Error) -> Error {
        if errors::lost(&err) {
            self.live.replace(None);
        }
        errors::told(what, subject, &self.host, err)
    }
}
