//! Images that a signature does not cover: a tag means what its registry says today.

use std::collections::BTreeSet;

use crate::{
    compose::{Diagnostic, Project},
    image_ref::ImageRef,
    plan::containers,
};

/// A warning that names the images of a project without a digest, if it has any.
pub fn unpinned(project: &Project) -> Option<Diagnostic> {
    let own = project.services.values().map(|service| containers::image_name(project, service));
    let mounted = project.services.values().flat_map(|service| &service.volumes).filter(|v| v.r#type == "image");
    let all: BTreeSet<String> = own.chain(mounted.map(|volume| volume.source.clone())).collect();
    let pinned = |image: &String| ImageRef::parse(image).is_ok_and(|image| image.digest.is_some());
    let open: Vec<String> = all.into_iter().filter(|image| !pinned(image)).collect();
    let why = "the signature of the project does not cover images without a digest; pin them with @sha256:…";
    (!open.is_empty()).then(|| Diagnostic::general(format!("{why}: {}", open.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::testing::project;

    #[test]
    fn images_without_a_digest_are_named_once() {
        let digest = format!("c@sha256:{}", "0".repeat(64));
        let text = format!("services: {{ a: {{ image: 'x:1' }}, b: {{ image: 'x:1' }}, c: {{ image: '{digest}' }} }}");
        assert!(unpinned(&project(&text)).unwrap().to_string().ends_with("pin them with @sha256:…: x:1"));
        assert!(unpinned(&project(&format!("services: {{ c: {{ image: '{digest}' }} }}"))).is_none());
    }
}
