//! The HTTP client of the AWS SDK: reqwest, which sources by https use too, so that the binary has one HTTP stack. One
//! client that decides by address: metadata and other link-local services are never asked through a proxy, plain-HTTP
//! endpoints cost no certificate parsing, the rest is TLS on the host's trust store, through the proxy that the
//! environment names.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;
use url::Url;

use crate::{
    error::Result,
    settings::Env,
    tls::{self, Trust},
};

/// The client for all services of the SDK.
#[derive(Clone)]
pub struct SplitClient(Arc<Routes>);

struct Routes {
    direct: OnceLock<Result<Client, String>>,
    proxied: OnceLock<Result<Client, String>>,
    encrypted: OnceLock<Result<Client, String>>,
    trust: Trust,
    metadata: Option<String>,
}

impl fmt::Debug for SplitClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SplitClient")
    }
}

impl SplitClient {
    /// A client for this environment; nothing is read or connected before the first request.
    pub fn new(env: &Env, trust: Trust) -> Self {
        let metadata = env
            .get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
            .and_then(|endpoint| Url::parse(endpoint).ok())
            .and_then(|url| authority(url.host_str()?, url.port_or_known_default()));
        let (direct, proxied, encrypted) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self(Arc::new(Routes { direct, proxied, encrypted, trust, metadata }))
    }
}

impl HttpClient for SplitClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let limit = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());
        SharedHttpConnector::new(SplitConnector { client: self.clone(), limit })
    }
}

#[derive(Debug)]
struct SplitConnector {
    client: SplitClient,
    /// Longest time until the head of an answer is there, the connection included.
    limit: Option<Duration>,
}

impl HttpConnector for SplitConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.client.0.pick(request.uri()) {
            Ok(client) => HttpConnectorFuture::new(send(client.clone(), request, self.limit)),
            Err(reason) => HttpConnectorFuture::ready(Err(ConnectorError::user(reason.into()))),
        }
    }
}

async fn send(client: Client, request: HttpRequest, limit: Option<Duration>) -> Result<HttpResponse, ConnectorError> {
    let request = outgoing(request).map_err(|reason| ConnectorError::user(reason.into()))?;
    let over_ipv6 = metadata_over_ipv6(&request);
    let answer = async {
        match (client.execute(request).await, over_ipv6) {
            (Err(err), Some(request)) if tls::no_route(&err) => client.execute(request).await,
            (answer, _) => answer,
        }
    };
    let answer = match limit {
        Some(limit) => {
            tokio::time::timeout(limit, answer).await.map_err(|late| ConnectorError::timeout(late.into()))?
        }
        None => answer.await,
    };
    let answer: http::Response<reqwest::Body> = answer.map_err(failed)?.into();
    HttpResponse::try_from(answer.map(SdkBody::from_body_1_x)).map_err(|err| ConnectorError::other(err.into(), None))
}

/// The same request to the metadata service over IPv6, for a machine without a route to the other. The SDK has no such
/// fall-back: it asks where `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` points, and nothing else.
fn metadata_over_ipv6(request: &reqwest::Request) -> Option<reqwest::Request> {
    if request.url().host_str() != Some("169.254.169.254") {
        return None;
    }
    let mut request = request.try_clone()?;
    request.url_mut().set_host(Some("[fd00:ec2::254]")).ok()?;
    Some(request)
}

fn outgoing(request: HttpRequest) -> Result<reqwest::Request, String> {
    let request = request.try_into_http1x().map_err(|err| err.to_string())?;
    let path = request.uri().path().to_owned();
    let (head, body) = request.into_parts();
    let body = body.bytes().map(<[u8]>::to_vec).ok_or("a request with a body that is not in memory")?;
    let request = http::Request::from_parts(head, body);
    let request = reqwest::Request::try_from(request).map_err(|err| tls::root_cause(&err))?;
    // Another path than the one that was signed would be told as a wrong signature.
    if request.url().path() == path { Ok(request) } else { Err(format!("an address cannot have the path {path}")) }
}

fn failed(err: reqwest::Error) -> ConnectorError {
    match () {
        () if err.is_timeout() => ConnectorError::timeout(err.into()),
        () if err.is_builder() => ConnectorError::user(err.into()),
        () => ConnectorError::io(err.into()),
    }
}

impl Routes {
    fn pick(&self, uri: &str) -> Result<&Client, String> {
        let url = Url::parse(uri).map_err(|err| format!("{uri} is not an address: {err}"))?;
        let host = url.host_str().unwrap_or_default();
        let made = if url.scheme() == "https" {
            self.encrypted.get_or_init(|| client(self.trust.client_config(), |builder| builder))
        } else if link_local(host)
            || (self.metadata.is_some() && self.metadata == authority(host, url.port_or_known_default()))
        {
            self.direct.get_or_init(|| client(tls::without_roots(), ClientBuilder::no_proxy))
        } else {
            self.proxied.get_or_init(|| client(tls::without_roots(), |builder| builder))
        };
        made.as_ref().map_err(Clone::clone)
    }
}

fn client(tls: Result<ClientConfig>, more: fn(ClientBuilder) -> ClientBuilder) -> Result<Client, String> {
    let tls = tls.map_err(|err| err.to_string())?;
    // What a service redirects to is the SDK's to judge: it signs anew.
    let builder = Client::builder().tls_backend_preconfigured(tls).redirect(reqwest::redirect::Policy::none());
    more(builder.connect_timeout(super::CONNECT_TIMEOUT)).build().map_err(|err| err.to_string())
}

fn authority(host: &str, port: Option<u16>) -> Option<String> {
    Some(format!("{host}:{}", port?))
}

/// Metadata (169.254.169.254, `fd00:ec2::254`) and the credential services of containers beside it.
fn link_local(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.segments()[0] == 0xfd00 && ip.segments()[1] == 0x0ec2,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(env: &[(&str, &str)], uri: &str) -> &'static str {
        let env: Env = env.iter().copied().collect();
        let client = SplitClient::new(&env, Trust::from_env(&env));
        let picked = client.0.pick(uri).unwrap();
        let same = |other: &OnceLock<Result<Client, String>>| {
            other.get().is_some_and(|other| std::ptr::eq(picked, other.as_ref().unwrap()))
        };
        match () {
            () if same(&client.0.direct) => "direct",
            () if same(&client.0.proxied) => "proxied",
            () => "encrypted",
        }
    }

    #[test]
    fn metadata_is_never_asked_through_a_proxy() {
        assert_eq!(route(&[], "http://169.254.169.254/latest/api/token"), "direct");
        assert_eq!(route(&[], "http://[fd00:ec2::254]/latest/api/token"), "direct");
        assert_eq!(route(&[], "http://169.254.170.2/v2/credentials"), "direct");
        let env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://imds.test:8111/")];
        assert_eq!(route(&env, "http://imds.test:8111/latest/meta-data/"), "direct");
        assert_eq!(route(&env, "http://imds.test:8112/latest/meta-data/"), "proxied");
        assert_eq!(route(&[], "https://s3.eu-west-1.amazonaws.com/"), "encrypted");
    }

    #[test]
    fn a_trust_store_that_cannot_be_read_fails_the_call_and_names_the_variable() {
        let env: Env = [("AWS_CA_BUNDLE", "/nonexistent.pem")].into_iter().collect();
        let client = SplitClient::new(&env, Trust::from_env(&env));
        assert!(client.0.pick("https://s3.test/").unwrap_err().contains("AWS_CA_BUNDLE"));
        assert!(client.0.pick("http://s3.test/").is_ok(), "plain HTTP never reads it");
    }
}
