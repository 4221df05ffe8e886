//! A certificate authority of the test's own, for services under their real names.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// An authority and one certificate for these names.
pub struct Authority {
    /// The authority's own certificate, for `AWS_CA_BUNDLE` and `SSL_CERT_FILE`.
    pub ca: PathBuf,
    pub server: Arc<ServerConfig>,
}

impl Authority {
    /// Issues the certificate, and keeps that of the authority in this folder.
    pub fn new(dir: &Path, names: &[&str]) -> Self {
        Self::valid_in(dir, names, Duration::ZERO)
    }

    /// The same with a certificate that is not valid before so much later.
    pub fn valid_in(dir: &Path, names: &[&str], later: Duration) -> Self {
        let mut authority = params(&[], "rolecall test CA");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let ca = dir.join("ca.pem");
        fs::write(&ca, authority.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(authority, key);

        let mut server = params(names, "rolecall test server");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if later > Duration::ZERO {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            server.not_before = rcgen::date_time_ymd(1970, 1, 1) + now + later;
        }
        let key = KeyPair::generate().unwrap();
        let chain = vec![server.signed_by(&key, &issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self { ca, server: Arc::new(server) }
    }
}

fn params(names: &[&str], common: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, common);
    params
}
