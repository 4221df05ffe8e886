//! The real registry: Debian's `docker-registry` on a port of its own, its images in a folder of its own.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    client::{To, get, request},
    image::Image,
    net::free_port,
};

/// The running registry.
pub struct DebianRegistry {
    pub port: u16,
    process: Child,
    dir: tempfile::TempDir,
}

impl DebianRegistry {
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("rolecall-registry-").tempdir().unwrap();
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog: {{ level: warn }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: \"127.0.0.1:{port}\" }}\n",
            dir.path().join("data").display()
        );
        fs::write(dir.path().join("config.yml"), config).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("docker-registry is installed; `make test` does it");
        let registry = Self { port, process, dir };
        let start = Instant::now();
        while !get(port, "/v2/").is_ok_and(|a| a.status == 200) {
            assert!(start.elapsed() < Duration::from_secs(30), "docker-registry does not come up: {}", registry.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// Uploads an image; the reference to pull it by.
    pub fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        let to = To::Tcp(format!("127.0.0.1:{}", self.port));
        for (digest, body) in &image.blobs {
            let started = request(&to, "POST", &format!("/v2/{name}/blobs/uploads/"), &[], "").unwrap();
            assert_eq!(started.status, 202, "{}", started.text());
            let location = url::Url::parse(started.headers["location"].to_str().unwrap()).unwrap();
            let target = format!("{}?{}&digest={digest}", location.path(), location.query().unwrap_or_default());
            let kind = [("content-type", "application/octet-stream")];
            let stored = request(&to, "PUT", &target, &kind, body.clone()).unwrap();
            assert_eq!(stored.status, 201, "{}", stored.text());
        }
        let kind = [("content-type", image.media_type)];
        let stored =
            request(&to, "PUT", &format!("/v2/{name}/manifests/{tag}"), &kind, image.manifest.clone()).unwrap();
        assert_eq!(stored.status, 201, "{}", stored.text());
        format!("127.0.0.1:{}/{name}:{tag}", self.port)
    }

    /// What the registry wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
