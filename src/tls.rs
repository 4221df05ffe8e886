//! Whom TLS trusts: the host's own CA store, what the environment names, and built-in roots where the host has
//! none. Read once, and only when the first encrypted connection is made.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{
    error::{Cause, Error, Result},
    settings::Env,
};

/// Where distributions keep their bundle: Debian and Ubuntu, Amazon Linux and Fedora, SUSE, Alpine, older Red Hat.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
];

/// The trust store of this host. Clones share what was read.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `SSL_CERT_FILE`: replaces the host's store.
    replaced_by: Option<PathBuf>,
    /// `AWS_CA_BUNDLE`: comes on top.
    extra: Option<PathBuf>,
    bundles: Vec<PathBuf>,
    roots: OnceLock<Result<Arc<RootCertStore>>>,
}

impl Trust {
    /// The store that the environment and the host's well-known paths give; nothing is read yet.
    pub fn from_env(env: &Env) -> Self {
        Self::new(env, BUNDLES.map(PathBuf::from).to_vec())
    }

    fn new(env: &Env, bundles: Vec<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            replaced_by: env.get("SSL_CERT_FILE").map(PathBuf::from),
            extra: env.get("AWS_CA_BUNDLE").map(PathBuf::from),
            bundles,
            roots: OnceLock::new(),
        }))
    }

    /// A client configuration that trusts this store.
    ///
    /// # Errors
    /// `usage` where a file that the environment names cannot be read or holds no certificate.
    pub fn client_config(&self) -> Result<ClientConfig> {
        Ok(builder()?.with_root_certificates(Arc::clone(self.roots()?)).with_no_client_auth())
    }

    fn roots(&self) -> Result<&Arc<RootCertStore>> {
        self.0.roots.get_or_init(|| self.0.read()).as_ref().map_err(Clone::clone)
    }
}

impl Inner {
    fn read(&self) -> Result<Arc<RootCertStore>> {
        let mut store = RootCertStore::empty();
        // Bundles of old hosts hold certificates that webpki does not take; the others count.
        let add = |store: &mut RootCertStore, found| _ = store.add_parsable_certificates(found);
        match &self.replaced_by {
            Some(path) => add(&mut store, named("SSL_CERT_FILE", path)?),
            None => {
                match self.bundles.iter().find_map(|path| certificates(path).ok().filter(|found| !found.is_empty())) {
                    Some(found) => add(&mut store, found),
                    None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
                }
            }
        }
        if let Some(path) = &self.extra {
            add(&mut store, named("AWS_CA_BUNDLE", path)?);
        }
        Ok(Arc::new(store))
    }
}

/// A file that the operator named must hold something.
fn named(variable: &str, path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = certificates(path)
        .map_err(|err| Error::new(Cause::Usage, format!("could not read {variable} {}: {err}", path.display())))?;
    if found.is_empty() {
        return Err(Error::new(Cause::Usage, format!("{variable} {} holds no certificate", path.display()))
            .hint("it has to be a PEM file of CA certificates"));
    }
    Ok(found)
}

/// Longest file of certificates that is read, in bytes; the bundles of distributions have about 250 KB.
const CERTIFICATES_LIMIT: u64 = 16 * 1024 * 1024;

fn certificates(path: &std::path::Path) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let pem = crate::host::files::read_regular(path, CERTIFICATES_LIMIT)?;
    Ok(CertificateDer::pem_slice_iter(&pem).filter_map(std::result::Result::ok).collect())
}

/// A client configuration that trusts nobody: for clients that only ever speak plain HTTP.
///
/// # Errors
/// Never with the crate's own choice of cipher suites.
pub fn without_roots() -> Result<ClientConfig> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|err| Error::new(Cause::Io, format!("could not set up TLS: {err}")))
}

/// Whether a request failed because this machine has no route to the address, as to IPv4 in a subnet of IPv6 alone.
pub fn no_route(err: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{HostUnreachable, NetworkUnreachable};
    let causes = std::iter::successors(Some(err), |err| err.source());
    causes
        .filter_map(|err| err.downcast_ref::<std::io::Error>())
        .any(|err| matches!(err.kind(), NetworkUnreachable | HostUnreachable))
}

/// The innermost reason of a failed request, in words: HTTP clients wrap "connection refused" several times and
/// print the address, which may carry a signature, on the way.
pub fn root_cause(err: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = err;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let text = inner.to_string();
    if text.contains("://") {
        let words: Vec<&str> = text.split(' ').filter(|word| !word.contains("://")).collect();
        words.join(" ").trim_end_matches([':', ',']).to_owned()
    } else {
        text
    }
}

/// Whether a request failed because TLS itself refused the other side for good: its certificate, or that it speaks no
/// TLS.
pub fn refused(err: &(dyn std::error::Error + 'static)) -> bool {
    within(err).is_some_and(|err| !early(err))
}

/// Whether a request failed because a certificate is not valid yet: a clock that is put right soon.
pub fn too_early(err: &(dyn std::error::Error + 'static)) -> bool {
    within(err).is_some_and(early)
}

fn early(err: &rustls::Error) -> bool {
    use rustls::CertificateError::{NotValidYet, NotValidYetContext};
    matches!(err, rustls::Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }))
}

/// The error of TLS in a chain. Errors of input and output hide their inner error from `source`, so it is looked for
/// there too.
fn within<'a>(err: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(err);
    while let Some(link) = next {
        if let Some(found) = link.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inner = link.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| within(inner)) {
            return Some(found);
        }
        next = link.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().copied().collect()
    }

    /// Some authorities, written as a host's bundle.
    fn bundle(count: usize) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut text = "# a comment\n".to_owned();
        for _ in 0..count {
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            text += &params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
        }
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn count(trust: &Trust) -> usize {
        trust.client_config().unwrap();
        trust.roots().unwrap().len()
    }

    #[test]
    fn the_host_decides_and_built_in_roots_stand_in_for_an_empty_host() {
        let host = bundle(3);
        assert_eq!(count(&Trust::new(&Env::default(), vec!["/nonexistent".into(), host.path().into()])), 3);
        assert!(count(&Trust::new(&Env::default(), vec!["/nonexistent".into()])) > 50);
    }

    #[test]
    fn ssl_cert_file_replaces_and_aws_ca_bundle_adds() {
        let (host, one, two) = (bundle(3), bundle(1), bundle(5));
        let bundles = vec![host.path().to_owned()];
        let path = |file: &tempfile::NamedTempFile| file.path().display().to_string();
        assert_eq!(count(&Trust::new(&env(&[("SSL_CERT_FILE", &path(&one))]), bundles.clone())), 1);
        assert_eq!(count(&Trust::new(&env(&[("AWS_CA_BUNDLE", &path(&two))]), bundles.clone())), 8);
    }

    #[test]
    fn a_named_file_without_certificates_is_an_error_that_names_the_variable() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        let path = empty.path().display().to_string();
        for variable in ["SSL_CERT_FILE", "AWS_CA_BUNDLE"] {
            for value in [path.as_str(), "/nonexistent/ca.pem"] {
                let err = Trust::new(&env(&[(variable, value)]), Vec::new()).client_config().unwrap_err();
                assert!(err.message.contains(variable) && err.cause == Cause::Usage, "{err}");
            }
        }
    }
}
