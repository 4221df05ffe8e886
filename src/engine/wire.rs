//! What bollard's requests are changed into on their way out.
//!
//! - The path gets the version that was negotiated: bollard 0.21 loses it while it builds the address, so that every
//!   request would be answered in the engine's newest version, whatever was negotiated.
//! - The body becomes exactly the JSON that was planned.
//! - An image is inspected with its manifests, for which bollard has no option.
//! - Registry credentials become base64 for URLs, as the engine reads them; bollard writes the other alphabet, and the
//!   engine then pulls without credentials instead of saying so.

use bollard::BollardRequest;
use serde_json::Value;

use crate::world::ApiVersion;

/// Leaves the path alone: only `GET /version` is asked like that.
pub(super) fn unversioned(request: BollardRequest) -> BollardRequest {
    request
}

/// The change for requests in `version` with `body`, if one is given.
pub(super) fn modifier(
    version: ApiVersion,
    body: Option<&Value>,
) -> impl Fn(BollardRequest) -> BollardRequest + Send + Sync + 'static {
    let body = body.map(|body| bytes::Bytes::from(body.to_string()));
    move |request| {
        let (mut parts, original) = request.into_parts();
        let uri = versioned(&parts.uri.to_string(), version).map(|uri| with_manifests(uri, version));
        if let Some(uri) = uri.and_then(|uri| uri.parse().ok()) {
            parts.uri = uri;
        }
        if let Some(auth) = parts.headers.get_mut("x-registry-auth") {
            let safe = auth.to_str().unwrap_or_default().replace('+', "-").replace('/', "_");
            if let Ok(value) = safe.parse() {
                *auth = value;
            }
        }
        let content = match &body {
            Some(body) => bollard::body_full(body.clone()),
            None => original,
        };
        BollardRequest::from_parts(parts, content)
    }
}

/// `scheme://host/path` → `scheme://host/v1.41/path`; a version that is there already is replaced.
fn versioned(uri: &str, version: ApiVersion) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let path = match path.strip_prefix('v').and_then(|p| p.split_once('/')) {
        Some((number, tail)) if ApiVersion::parse(number).is_some() => tail,
        _ => path,
    };
    Some(format!("{scheme}://{host}/v{version}/{path}"))
}

/// Asks for the manifests of an image that is inspected, if the engine can tell (Docker 28).
fn with_manifests(uri: String, version: ApiVersion) -> String {
    let path = uri.splitn(5, '/').nth(4).unwrap_or_default();
    let inspects = path.starts_with("images/") && path.ends_with("/json") && path != "images/json";
    if inspects && version >= ApiVersion(1, 48) { format!("{uri}?manifests=true") } else { uri }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_inspected_with_its_manifests() {
        let at = |uri: &str, version| with_manifests(uri.to_owned(), version);
        let image = "unix://2f61/v1.48/images/r.io/a/b:1/json";
        assert_eq!(at(image, ApiVersion(1, 48)), format!("{image}?manifests=true"));
        assert_eq!(at(image, ApiVersion(1, 47)), image);
        for other in ["unix://2f61/v1.48/images/json", "unix://2f61/v1.48/containers/json"] {
            assert_eq!(at(other, ApiVersion(1, 48)), other);
        }
    }

    #[test]
    fn a_path_gets_the_negotiated_version_once() {
        let at = |uri| versioned(uri, ApiVersion(1, 41)).unwrap();
        assert_eq!(at("unix://2f61/containers/json?all=true"), "unix://2f61/v1.41/containers/json?all=true");
        assert_eq!(at("unix://2f61/v1.53/containers/json"), "unix://2f61/v1.41/containers/json");
        assert_eq!(at("http://h:1/volumes/v1.5/x"), "http://h:1/v1.41/volumes/v1.5/x");
    }
}
