//! Images made on the spot from a static busybox, as a registry serves them and as an engine imports them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Commands of busybox that the images have.
const APPLETS: &str = "sh ash httpd wget nc sleep cat echo ls env test true false touch mkdir rm id ps kill grep sed \
    stat date hostname head tail tee printf expr seq mv cp chmod chown wc sort tr cut stty mount df ip ping";

const BUILD: &str = r#"set -eu
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/www" "$root/data"
cp "$1" "$root/bin/busybox"
for name in $2; do ln -s busybox "$root/bin/$name"; done
echo 'root:x:0:0::/:/bin/sh' > "$root/etc/passwd"; echo 'app:x:1000:1000::/:/bin/sh' >> "$root/etc/passwd"
printf 'root:x:0:\napp:x:1000:\n' > "$root/etc/group"
echo hello > "$root/www/index.html"
chmod 1777 "$root/tmp"; chmod 755 "$root"
exec tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c .
"#;

/// The root file system of all images, a tar archive: busybox and `/www/index.html`.
pub fn rootfs() -> Bytes {
    static ROOTFS: OnceLock<Bytes> = OnceLock::new();
    ROOTFS
        .get_or_init(|| {
            let built = Command::new("sh").args(["-c", BUILD, "sh"]).arg(busybox()).arg(APPLETS).output().unwrap();
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            built.stdout.into()
        })
        .clone()
}

fn busybox() -> PathBuf {
    let found = ["/bin/busybox", "/usr/bin/busybox"].iter().map(Path::new).find(|p| p.exists());
    found.expect("busybox-static is installed; `make test` does it").to_owned()
}

/// An image for a registry: blobs by digest, and the manifest that names them.
#[derive(Clone, Debug)]
pub struct Image {
    pub manifest: Bytes,
    pub media_type: &'static str,
    pub digest: String,
    pub blobs: Vec<(String, Bytes)>,
}

impl Image {
    /// An image of the usual root file system with this configuration (`{"Cmd": […], "Env": […]}`).
    pub fn new(config: &Value) -> Self {
        Self::of(if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, config)
    }

    /// An image that says it is for this architecture.
    pub fn for_architecture(architecture: &str) -> Self {
        Self::of(architecture, &json!({ "Cmd": ["sleep", "1000"], "Env": ["PATH=/bin"] }))
    }

    /// A list of images, each with its operating system and architecture.
    pub fn list(images: &[(&str, &str, &Self)]) -> Self {
        let entry = |(os, architecture, image): &(&str, &str, &Self)| {
            json!({ "mediaType": image.media_type, "digest": image.digest, "size": image.manifest.len(),
                "platform": { "os": os, "architecture": architecture } })
        };
        let media_type = "application/vnd.docker.distribution.manifest.list.v2+json";
        let manifests: Vec<Value> = images.iter().map(entry).collect();
        let list = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
        let manifest: Bytes = list.to_string().into();
        let blobs = images.iter().flat_map(|(_, _, image)| image.blobs.clone()).collect();
        Self { digest: digest(&manifest), manifest, media_type, blobs }
    }

    fn of(architecture: &str, config: &Value) -> Self {
        let layer = rootfs();
        let diff = digest(&layer);
        let config: Bytes = json!({
            "architecture": architecture,
            "os": "linux", "created": "2026-11-20T08:00:00Z", "config": config,
            "rootfs": { "type": "layers", "diff_ids": [diff] },
            "history": [{ "created": "2026-11-20T08:00:00Z", "created_by": "test" }],
        })
        .to_string()
        .into();
        let media_type = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest: Bytes = json!({
            "schemaVersion": 2, "mediaType": media_type,
            "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(),
                "digest": digest(&config) },
            "layers": [{ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.len(),
                "digest": diff }],
        })
        .to_string()
        .into();
        let blobs = vec![(digest(&config), config), (diff, layer)];
        Self { digest: digest(&manifest), manifest, media_type, blobs }
    }

    /// An image whose container serves `/www` on port 80 until it is told to stop.
    pub fn web() -> Self {
        let serve = "trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait";
        Self::new(&json!({ "Cmd": ["sh", "-c", serve], "Env": ["PATH=/bin"],
            "ExposedPorts": { "80/tcp": {} } }))
    }

    /// The digest of the layer.
    pub fn layer(&self) -> &str {
        &self.blobs[1].0
    }
}

/// `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
