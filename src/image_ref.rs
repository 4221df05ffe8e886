//! Image references, `[registry/]path[:tag][@digest]`, by the rules of the distribution project.

use std::fmt;

use crate::error::{Cause, Error, Result};

/// The registry of references that name none.
pub const DOCKER_HUB: &str = "docker.io";

/// A parsed image reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRef {
    /// Host and port of the registry; `docker.io` where the reference names none.
    pub registry: String,
    /// Repository in the registry; `library/…` for the official images of Docker Hub.
    pub path: String,
    /// Tag, if there is one.
    pub tag: Option<String>,
    /// Digest, `sha256:…`, if there is one.
    pub digest: Option<String>,
}

impl ImageRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// `manifest-invalid` with the part that is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        read(text).map_err(|why| {
            Error::new(Cause::ManifestInvalid, format!("invalid image reference '{text}': {why}"))
                .hint("write it as [registry/]name[:tag][@sha256:digest]")
        })
    }

    /// Repository as the engine's API wants it.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// What is pulled of the repository: the digest where there is one, else the tag, else `latest`.
    pub fn version(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// The key that a docker `config.json` keeps this registry's credentials under.
    pub fn credentials_key(&self) -> &str {
        if self.registry == DOCKER_HUB { "https://index.docker.io/v1/" } else { &self.registry }
    }

    /// Account and region, where this is a private registry of AWS.
    pub fn ecr(&self) -> Option<(&str, &str)> {
        ecr(&self.registry)
    }
}

/// Account and region of a registry host such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com`, or of one that speaks
/// IPv6, too: `123456789012.dkr-ecr.eu-west-1.on.aws`.
pub fn ecr(registry: &str) -> Option<(&str, &str)> {
    const PLAIN: ([&str; 2], [&str; 2]) = ([".amazonaws.com", ".amazonaws.com.cn"], [".dkr.ecr.", ".dkr.ecr-fips."]);
    const DUAL: ([&str; 2], [&str; 2]) = ([".on.aws", ".on.amazonwebservices.com.cn"], [".dkr-ecr.", ".dkr-ecr-fips."]);
    let (account, region) = [PLAIN, DUAL].iter().find_map(|(suffixes, infixes)| {
        let host = suffixes.iter().find_map(|suffix| registry.strip_suffix(suffix))?;
        infixes.iter().find_map(|infix| host.split_once(infix))
    })?;
    let account_fits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (account_fits && !region.is_empty() && !region.contains('.')).then_some((account, region))
}

/// As people write it: without Docker Hub's host and `library/`, unless what is left would start with another host.
impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.path.strip_prefix("library/").filter(|p| !p.contains('/')).unwrap_or(&self.path);
        let other_host = short.split_once('/').is_some_and(|(first, _)| is_host(first));
        if self.registry == DOCKER_HUB && !other_host {
            f.write_str(short)?;
        } else {
            write!(f, "{}/{}", self.registry, self.path)?;
        }
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn read(text: &str) -> std::result::Result<ImageRef, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|d| !is_digest(d)) {
        return Err("the digest is not sha256: and 64 hexadecimal digits");
    }
    // A colon after the last slash starts a tag; before it, a port.
    let slash = rest.rfind('/').map_or(0, |i| i + 1);
    let (name, tag) = match rest[slash..].find(':') {
        Some(colon) => (&rest[..slash + colon], Some(&rest[slash + colon + 1..])),
        None => (rest, None),
    };
    if tag.is_some_and(|t| !is_tag(t)) {
        return Err(
            "the tag may have up to 128 letters, digits, '_', '.' and '-', and starts with neither '.' nor '-'",
        );
    }
    let (registry, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path),
        _ => (DOCKER_HUB, name),
    };
    if !is_domain(registry) {
        return Err("the registry is not a host name with an optional port");
    }
    if path.is_empty() || !path.split('/').all(is_component) {
        return Err("the name may have lower-case letters and digits, divided by '.', '_', '__', '-' and '/'");
    }
    let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
    let official = registry == DOCKER_HUB && !path.contains('/');
    let path = if official { format!("library/{path}") } else { path.to_owned() };
    if registry.len() + path.len() >= 255 {
        return Err("the name is longer than 255 characters");
    }
    let owned = |part: Option<&str>| part.map(str::to_owned);
    Ok(ImageRef { registry: registry.to_owned(), path, tag: owned(tag), digest: owned(digest) })
}

/// Whether the first part of a name is a registry and not a path.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((address, port)) => {
            let fits = address.parse::<std::net::Ipv6Addr>().is_ok();
            (if fits { "v6" } else { "" }, port)
        }
        None => text.find(':').map_or((text, ""), |i| text.split_at(i)),
    };
    let label = |l: &str| {
        !l.is_empty()
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.parse::<u16>().is_ok());
    host.split('.').all(label) && port_fits
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

/// Runs of lower-case letters and digits, divided by one dot, one or two underscores, or any number of dashes.
fn is_component(text: &str) -> bool {
    let word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let edges = bytes.first().is_some_and(word) && bytes.last().is_some_and(word);
    edges
        && bytes
            .split(word)
            .filter(|divider| !divider.is_empty())
            .all(|divider| matches!(divider, b"." | b"_" | b"__") || divider.iter().all(|b| *b == b'-'))
}

#[cfg(test)]
mod tests;
