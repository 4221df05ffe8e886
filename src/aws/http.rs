//! The HTTP client of the AWS SDK. One client that decides by address: metadata and other link-local services are
//! never asked through a proxy, plain-HTTP endpoints cost no certificate parsing, the rest is TLS on the host's
//! trust store, through the proxy that the environment names.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};

use crate::{error::Result, settings::Env, tls::Trust};

/// The client for all services of the SDK.
#[derive(Clone, Debug)]
pub(super) struct SplitClient(Arc<Routes>);

struct Routes {
    direct: SharedHttpClient,
    proxied: SharedHttpClient,
    encrypted: OnceLock<Result<SharedHttpClient, String>>,
    trust: Trust,
    metadata: Option<String>,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Routes")
    }
}

impl SplitClient {
    pub(super) fn new(env: &Env, trust: Trust) -> Self {
        let metadata = env
            .get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
            .and_then(|endpoint| url::Url::parse(endpoint).ok())
            .and_then(|url| authority(url.host_str()?, url.port_or_known_default()));
        Self(Arc::new(Routes {
            direct: plain(ProxyConfig::disabled),
            proxied: plain(ProxyConfig::from_env),
            encrypted: OnceLock::new(),
            trust,
            metadata,
        }))
    }
}

impl HttpClient for SplitClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(SplitConnector {
            routes: Arc::clone(&self.0),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

struct SplitConnector {
    routes: Arc<Routes>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl fmt::Debug for SplitConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SplitConnector")
    }
}

impl HttpConnector for SplitConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.routes.pick(request.uri()) {
            Ok(client) => client.http_connector(&self.settings, &self.components).call(request),
            Err(reason) => HttpConnectorFuture::ready(Err(ConnectorError::user(reason.into()))),
        }
    }
}

impl Routes {
    fn pick(&self, uri: &str) -> Result<&SharedHttpClient, String> {
        let url = url::Url::parse(uri).map_err(|err| format!("{uri} is not an address: {err}"))?;
        let host = url.host_str().unwrap_or_default();
        if url.scheme() != "https" {
            let local = link_local(host)
                || (self.metadata.is_some() && self.metadata == authority(host, url.port_or_known_default()));
            return Ok(if local { &self.direct } else { &self.proxied });
        }
        self.encrypted.get_or_init(|| encrypted(&self.trust)).as_ref().map_err(Clone::clone)
    }
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

fn plain(proxy: fn() -> ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(proxy());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        builder.build_http()
    })
}

fn encrypted(trust: &Trust) -> Result<SharedHttpClient, String> {
    let pem = trust.pem().map_err(|err| err.to_string())?;
    let store = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(store).build().map_err(|err| err.to_string())?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context.clone()).build()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(env: &[(&str, &str)], uri: &str) -> &'static str {
        let env: Env = env.iter().copied().collect();
        let client = SplitClient::new(&env, Trust::from_env(&env));
        let picked = client.0.pick(uri).unwrap();
        let same = |other: &SharedHttpClient| std::ptr::eq(picked, other);
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
