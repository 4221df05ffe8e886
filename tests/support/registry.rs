//! An image registry in this process, for the faults that a real one will not play.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::Engine as _;
use bytes::Bytes;
use serde_json::json;

use super::{
    gate::{Gate, of_registry},
    http::{Reply, Request, Server},
    image::{Image, digest},
};

#[derive(Default)]
struct Content {
    /// By `name:reference`; the reference is a tag or a digest.
    manifests: BTreeMap<String, (Bytes, &'static str)>,
    blobs: BTreeMap<String, Bytes>,
    /// `user:password`, where one is needed.
    login: Option<String>,
}

impl Content {
    fn push(&mut self, name: &str, tag: &str, image: &Image) {
        self.blobs.extend(image.blobs.iter().cloned());
        for reference in [tag, &image.digest] {
            self.manifests.insert(format!("{name}:{reference}"), (image.manifest.clone(), image.media_type));
        }
    }
}

/// The running registry.
pub struct Registry {
    pub server: Server,
    content: Arc<Mutex<Content>>,
}

impl Registry {
    /// On a free port of loopback, which engines trust without TLS.
    pub fn start() -> Self {
        Self::start_on("127.0.0.1:0")
    }

    /// On this address.
    pub fn start_on(addr: &str) -> Self {
        Self::serve(addr, Arc::default())
    }

    fn serve(addr: &str, content: Arc<Mutex<Content>>) -> Self {
        let told = content.clone();
        let server = Server::start_on("registry", addr, None, move |request| answer(&told.lock().unwrap(), request));
        Self { server, content }
    }

    /// On this address, with an image from the first moment on.
    pub fn with(addr: &str, name: &str, tag: &str, image: &Image) -> Self {
        let content = Arc::new(Mutex::new(Content::default()));
        content.lock().unwrap().push(name, tag, image);
        Self::serve(addr, content)
    }

    /// On this address, as the private registry of this region behind the policy of the role.
    pub fn behind(addr: &str, gate: Arc<Mutex<Gate>>, region: &'static str) -> Self {
        let content: Arc<Mutex<Content>> = Arc::default();
        let told = content.clone();
        let server = Server::start_on("registry", addr, None, move |request| {
            let call = of_registry(request, region);
            match gate.lock().unwrap().pass(call.into_iter().collect()) {
                Some(refused) => error(403, "DENIED", &format!("not authorized to perform: {}", refused.action)),
                None => answer(&told.lock().unwrap(), request),
            }
        });
        Self { server, content }
    }

    /// Offers an image; the reference to pull it by. Offered again, the tag moves.
    pub fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        self.content.lock().unwrap().push(name, tag, image);
        format!("{}/{name}:{tag}", self.server.addr)
    }

    /// Asks everyone for this login from now on.
    pub fn require(&self, user: &str, password: &str) {
        self.content.lock().unwrap().login = Some(format!("{user}:{password}"));
    }

    /// The refusal that sends a client to this registry for a token.
    pub fn unauthorised(&self) -> Reply {
        let challenge = format!("Bearer realm=\"{}/token\",service=\"test\"", self.server.url());
        error(401, "UNAUTHORIZED", "authentication required").with("www-authenticate", challenge)
    }

    /// A `config.json` of Docker with this login.
    pub fn docker_config(&self, user: &str, password: &str) -> String {
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        json!({ "auths": { self.server.addr.to_string(): { "auth": auth } } }).to_string()
    }
}

fn answer(content: &Content, request: &Request) -> Reply {
    if request.path == "/token" {
        return Reply::new(200, json!({ "token": "test" }).to_string()).with("content-type", "application/json");
    }
    if let Some(login) = &content.login {
        let wanted = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login));
        if request.header("authorization") != Some(&wanted) {
            return error(401, "UNAUTHORIZED", "authentication required")
                .with("www-authenticate", "Basic realm=\"test registry\"");
        }
    }
    let path = request.path.trim_end_matches('/');
    if path == "/v2" {
        return Reply::new(200, "{}").with("docker-distribution-api-version", "registry/2.0");
    }
    let path = path.strip_prefix("/v2/").unwrap_or_default();
    if let Some((name, reference)) = path.split_once("/manifests/") {
        return match content.manifests.get(&format!("{name}:{reference}")) {
            Some((body, media_type)) => Reply::new(200, body.clone())
                .with("content-type", media_type)
                .with("docker-content-digest", digest(body)),
            None => error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        };
    }
    let blob = path.split_once("/blobs/").and_then(|(_, digest)| content.blobs.get(digest));
    match blob {
        Some(body) => Reply::new(200, body.clone()).with("content-type", "application/octet-stream"),
        None => error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
    }
}

/// An error as registries write it.
pub fn error(status: u16, code: &str, text: &str) -> Reply {
    Reply::new(status, json!({ "errors": [{ "code": code, "message": text, "detail": null }] }).to_string())
        .with("content-type", "application/json")
        .with("docker-distribution-api-version", "registry/2.0")
}
