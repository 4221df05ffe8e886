//! Images that a container mounts, as Compose 5.5 notes them in a label: the engine keeps the content that a name stood for
//! when the container was created.

use std::collections::BTreeMap;

use crate::{compose::Generation, plan::image_identity::ImageIdentity};

/// The value of `com.docker.compose.image-volume-digest`: `target=digest`, in order and divided by commas. Empty if none of
/// the images is known (`resolveImageVolumes` in `pkg/compose/build.go` of Compose 5.5).
pub(super) fn label(mounted: &BTreeMap<String, String>, images: &BTreeMap<String, ImageIdentity>) -> String {
    let known = mounted.iter().filter_map(|(target, image)| Some((target, images.get(image)?)));
    let mut pairs: Vec<String> =
        known.map(|(target, image)| format!("{target}={}", image.label(Generation::Five, None))).collect();
    pairs.sort_unstable();
    pairs.join(",")
}

/// Why a container with this label does not mount what it would mount now, if so. Without a label that is unknown.
pub(in crate::plan) fn changed(
    mounted: &BTreeMap<String, String>,
    images: &BTreeMap<String, ImageIdentity>,
    label: &str,
) -> Option<String> {
    let noted: BTreeMap<&str, &str> = label.split(',').filter_map(|pair| pair.rsplit_once('=')).collect();
    mounted.iter().find_map(|(target, image)| {
        let (digest, now) = (noted.get(target.as_str())?, images.get(image)?);
        (!now.is_known_as(digest)).then(|| format!("image {image}, which it mounts at {target}, has changed"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(id: &str) -> ImageIdentity {
        let platform = json!({ "os": "linux", "architecture": "amd64" });
        ImageIdentity::read(
            &json!({ "Id": format!("sha256:{id}"), "Os": "linux", "Architecture": "amd64", "Manifests": [
            { "ID": format!("sha256:{id}-amd64"), "Kind": "image", "Available": true, "ImageData": { "Platform": platform } },
        ] }),
        )
    }

    #[test]
    fn label_names_the_content_at_each_target() {
        let mounted = [("/b", "site:1"), ("/a", "data:1"), ("/c", "absent:1")];
        let mounted = mounted.map(|(target, image)| (target.to_owned(), image.to_owned())).into();
        let mut images = [("site:1".to_owned(), image("s")), ("data:1".to_owned(), image("d"))].into();
        let noted = label(&mounted, &images);
        assert_eq!(noted, "/a=sha256:d-amd64,/b=sha256:s-amd64");
        assert_eq!(changed(&mounted, &images, &noted), None);
        assert_eq!(changed(&mounted, &images, "/a=sha256:d,/b=sha256:s"), None, "an id names the image, too");
        assert_eq!(changed(&mounted, &images, ""), None, "Compose 2 notes nothing");
        images.insert("site:1".to_owned(), image("t"));
        assert_eq!(changed(&mounted, &images, &noted).unwrap(), "image site:1, which it mounts at /b, has changed");
        images.remove("site:1");
        assert_eq!(changed(&mounted, &images, &noted), None, "an image that is missing cannot differ");
    }
}
