//! A certificate authority of the test's own, for services under their real names.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

const ISSUE: &str = r#"set -eu
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj '/CN=rolecall test CA' \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj '/CN=rolecall test server'
printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "$1" > ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.pem
"#;

/// An authority and one certificate for these names.
pub struct Authority {
    /// The authority's own certificate, for `AWS_CA_BUNDLE` and `SSL_CERT_FILE`.
    pub ca: PathBuf,
    pub server: Arc<ServerConfig>,
}

impl Authority {
    /// Issues the certificate in this folder; needs `openssl`.
    pub fn new(dir: &Path, names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|n| format!("DNS:{n}")).collect();
        let issued = Command::new("sh").args(["-c", ISSUE, "sh", &names.join(",")]).current_dir(dir).output().unwrap();
        assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
        let chain = CertificateDer::pem_file_iter(dir.join("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(dir.join("server.key")).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self { ca: dir.join("ca.pem"), server: Arc::new(server) }
    }
}
