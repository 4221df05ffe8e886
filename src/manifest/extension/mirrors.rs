//! Registries that stand in the place of others: pull-through caches, such as those of ECR.

use crate::image_ref::{self, ImageRef};

/// `x-rolecall.registries[].from` and `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// What repositories begin with: a registry, or a registry and the first parts of a path.
    pub from: String,
    /// What that is replaced by.
    pub to: String,
}

/// All of them. The longest `from` that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors(Vec<Mirror>);

impl Mirrors {
    /// These mirrors.
    pub fn new(mut all: Vec<Mirror>) -> Self {
        all.sort_by_key(|mirror| std::cmp::Reverse(mirror.from.len()));
        Self(all)
    }

    /// The reference that an image is pulled by, with the same tag and digest; none if no mirror is for it.
    pub fn of(&self, image: &str) -> Option<String> {
        let reference = ImageRef::parse(image).ok()?;
        let repository = reference.repository();
        let (mirror, rest) = self.0.iter().find_map(|mirror| {
            let rest = repository.strip_prefix(&mirror.from)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((mirror, rest))
        })?;
        let tag = reference.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = reference.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        // Without a tag the engine would take all of them.
        let latest = if tag.is_empty() && digest.is_empty() { ":latest" } else { "" };
        Some(format!("{}{rest}{tag}{digest}{latest}", mirror.to))
    }

    /// The reference by which the engine knows an image once it is there: that of the project, to which a mirror's image
    /// is tagged. A digest cannot be tagged, so that it is known by the mirror.
    pub fn known_as(&self, image: &str) -> String {
        let pinned = image.contains('@').then(|| self.of(image)).flatten();
        pinned.unwrap_or_else(|| image.to_owned())
    }
}

/// Reads a prefix of repositories: a registry, with or without the first parts of a path.
///
/// # Errors
/// What is wrong, to follow the value.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let host = text.split('/').next().unwrap_or_default();
    if !(host.contains(['.', ':']) || host == "localhost") {
        return Err("must begin with the host of a registry, such as docker.io".to_owned());
    }
    ImageRef::parse(&format!("{text}/x/x")).map_err(|err| err.message)?;
    Ok(match text.strip_prefix("index.docker.io") {
        Some(rest) => format!("{}{rest}", image_ref::DOCKER_HUB),
        None => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

    fn mirrors() -> Mirrors {
        let mirror = |from: &str, to: &str| Mirror { from: from.into(), to: format!("{CACHE}/{to}") };
        Mirrors::new(vec![mirror("docker.io", "docker-hub"), mirror("docker.io/acme", "acme"), mirror("ghcr.io", "gh")])
    }

    #[test]
    fn prefix_of_a_repository_is_replaced() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (image, pulled) in [
            ("nginx", "docker-hub/library/nginx:latest".to_owned()),
            ("nginx:1.27", "docker-hub/library/nginx:1.27".to_owned()),
            ("docker.io/library/nginx:1", "docker-hub/library/nginx:1".to_owned()),
            ("index.docker.io/grafana/grafana:1", "docker-hub/grafana/grafana:1".to_owned()),
            ("acme/app:1", "acme/app:1".to_owned()),
            ("acmes/app:1", "docker-hub/acmes/app:1".to_owned()),
            ("ghcr.io/a/b:2", "gh/a/b:2".to_owned()),
            (&format!("nginx:1@{digest}"), format!("docker-hub/library/nginx:1@{digest}")),
        ] {
            assert_eq!(mirrors().of(image), Some(format!("{CACHE}/{pulled}")), "{image}");
        }
        for other in ["quay.io/a/b:1", "ghcr.io.example.com/a:1", "Not An Image"] {
            assert_eq!(mirrors().of(other), None, "{other}");
        }
    }

    #[test]
    fn digest_is_known_by_the_mirror_alone() {
        let digest = format!("nginx@sha256:{}", "0".repeat(64));
        assert_eq!(mirrors().known_as("nginx:1"), "nginx:1");
        assert!(mirrors().known_as(&digest).starts_with(CACHE));
        assert_eq!(Mirrors::default().known_as(&digest), digest);
    }

    #[test]
    fn prefix_begins_with_a_host() {
        assert_eq!(prefix("docker.io/").unwrap(), "docker.io");
        assert_eq!(prefix("index.docker.io/library").unwrap(), "docker.io/library");
        assert_eq!(prefix("localhost:5000/cache").unwrap(), "localhost:5000/cache");
        for bad in ["", "library", "https://docker.io", "docker.io/UPPER"] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
    }
}
