//! What an image is known as in the labels of containers that were made of it.

use serde_json::Value;

use crate::compose::Generation;

/// An image that the engine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageIdentity {
    /// Its id.
    pub id: String,
    platform: Platform,
    /// Manifests whose content is there, as an engine with the containerd image store lists them: digest and platform.
    manifests: Vec<(String, Platform)>,
}

/// Operating system, architecture and variant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Platform(String, String, String);

impl Platform {
    fn new(os: &str, architecture: &str, variant: &str) -> Self {
        // Written in two ways.
        let variant = if architecture == "arm64" && variant == "v8" { "" } else { variant };
        Self(os.to_owned(), architecture.to_owned(), variant.to_owned())
    }

    /// `linux/arm64/v8`, or an architecture alone.
    fn parse(text: &str) -> Self {
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant) => Self::new(os, architecture, variant.unwrap_or_default()),
            _ => Self::new("linux", text, ""),
        }
    }
}

impl ImageIdentity {
    /// Reads the answer to `GET /images/{name}/json`, with `Manifests` if the engine has them.
    pub fn read(image: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let platform = |value: &Value, keys: [&str; 3]| {
            let [os, architecture, variant] = keys.map(|key| text(&value[key]));
            Platform::new(&os, &architecture, &variant)
        };
        let listed = image["Manifests"].as_array().into_iter().flatten();
        let runnable = listed.filter(|manifest| manifest["Kind"] == "image" && manifest["Available"] == true);
        let manifests = runnable.map(|manifest| {
            let of = platform(&manifest["ImageData"]["Platform"], ["os", "architecture", "variant"]);
            (text(&manifest["ID"]), of)
        });
        Self {
            id: text(&image["Id"]),
            platform: platform(image, ["Os", "Architecture", "Variant"]),
            manifests: manifests.collect(),
        }
    }

    /// Whether a label names this image, in any generation of Compose.
    pub fn is_known_as(&self, label: &str) -> bool {
        self.id == label || self.manifests.iter().any(|(digest, _)| digest == label)
    }

    /// The value of `com.docker.compose.image`. Compose 2 takes the id. With the containerd image store that is the
    /// digest of an index, which changes with each build although the content is the same, so that Compose 5 takes the
    /// digest of the manifest for the platform (`localContentDigest` in `pkg/compose/images.go` of Compose 5.5).
    pub fn label(&self, generation: Generation, platform: Option<&str>) -> &str {
        if generation == Generation::Two {
            return &self.id;
        }
        let wanted = platform.map_or_else(|| self.platform.clone(), Platform::parse);
        let fits = self.manifests.iter().find(|(_, platform)| *platform == wanted);
        match (fits, self.manifests.as_slice()) {
            (Some((digest, _)), _) | (None, [(digest, _)]) => digest,
            _ => &self.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn compose_5_takes_the_content_for_the_platform() {
        let manifest = |id: &str, kind: &str, available: bool, architecture: &str, variant: &str| {
            let platform = json!({ "os": "linux", "architecture": architecture, "variant": variant });
            json!({ "ID": id, "Kind": kind, "Available": available, "ImageData": { "Platform": platform } })
        };
        let mut image = json!({ "Id": "sha256:index", "Os": "linux", "Architecture": "amd64", "Manifests": [
            manifest("sha256:arm", "image", true, "arm64", "v8"),
            manifest("sha256:amd", "image", true, "amd64", ""),
            manifest("sha256:other", "image", false, "s390x", ""),
            manifest("sha256:attestation", "attestation", true, "unknown", ""),
        ] });
        let read = ImageIdentity::read(&image);
        assert_eq!(read.label(Generation::Two, None), "sha256:index");
        for (platform, wanted) in [
            (None, "sha256:amd"),
            (Some("linux/arm64"), "sha256:arm"),
            (Some("arm64"), "sha256:arm"),
            (Some("linux/s390x"), "sha256:index"),
        ] {
            assert_eq!(read.label(Generation::Five, platform), wanted, "{platform:?}");
        }
        for (label, known) in [("sha256:index", true), ("sha256:arm", true), ("sha256:attestation", false), ("", false)]
        {
            assert_eq!(read.is_known_as(label), known, "{label}");
        }
        image["Manifests"].as_array_mut().unwrap().remove(1);
        assert_eq!(ImageIdentity::read(&image).label(Generation::Five, None), "sha256:arm", "the only one");
        image["Manifests"] = json!(null);
        assert_eq!(ImageIdentity::read(&image).label(Generation::Five, None), "sha256:index", "another image store");
    }
}
