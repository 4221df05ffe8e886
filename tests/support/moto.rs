//! The real stand-in for AWS, moto, on a port of its own: what our own stand-in says is checked against somebody
//! else's reading of the API.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    client::{Answer, To, get, request},
    dockerd::tail,
    net::free_port,
};

/// The running server.
pub struct Moto {
    pub port: u16,
    process: Child,
    dir: tempfile::TempDir,
}

impl Moto {
    pub fn start() -> Self {
        let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/moto");
        let found = Command::new(setup).arg("--path").output().unwrap();
        let program = String::from_utf8(found.stdout).unwrap();
        assert!(Path::new(program.trim()).exists(), "moto is not installed: run tests/setup/moto; `make test` does it");
        let dir = tempfile::Builder::new().prefix("rolecall-moto-").tempdir().unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let port = free_port();
        let process = Command::new(program.trim())
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let moto = Self { port, process, dir };
        let start = Instant::now();
        while !get(port, "/moto-api/data.json").is_ok_and(|a| a.status == 200) {
            assert!(start.elapsed() < Duration::from_secs(60), "moto does not come up: {}", moto.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    /// For `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One request to a service in a region.
    pub fn ask(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=TEST/20261120/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let mut all = vec![("authorization", scope.as_str()), ("x-amz-date", "20261120T080000Z")];
        all.extend_from_slice(headers);
        let answer = request(&To::Tcp(format!("127.0.0.1:{}", self.port)), method, path, &all, body).unwrap();
        assert!(answer.status < 300, "{service} {method} {path}: {} {}", answer.status, answer.text());
        answer
    }

    /// Stores an object, in a bucket that is made where it is not there.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        let place =
            "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
        let to = To::Tcp(format!("127.0.0.1:{}", self.port));
        if request(&to, "HEAD", &format!("/{bucket}"), &[], "").unwrap().status == 404 {
            self.ask("s3", "PUT", &format!("/{bucket}"), &[], place);
        }
        self.ask("s3", "PUT", &format!("/{bucket}/{key}"), &[], body);
    }

    /// Starts an instance with these tags; its id.
    pub fn instance(&self, tags: &[(&str, &str)]) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "RunInstances").append_pair("Version", "2016-11-15");
        form.append_pair("ImageId", "ami-12c6146b").append_pair("MinCount", "1").append_pair("MaxCount", "1");
        form.append_pair("TagSpecification.1.ResourceType", "instance");
        for (n, (key, value)) in tags.iter().enumerate() {
            form.append_pair(&format!("TagSpecification.1.Tag.{}.Key", n + 1), key);
            form.append_pair(&format!("TagSpecification.1.Tag.{}.Value", n + 1), value);
        }
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let text = self.ask("ec2", "POST", "/", &kind, form.finish()).text();
        let id = text.split("<instanceId>").nth(1).and_then(|t| t.split('<').next());
        id.unwrap_or_else(|| panic!("no instance in {text}")).to_owned()
    }

    /// Stores a parameter as a `SecureString`.
    pub fn parameter(&self, name: &str, value: &str) {
        let body = json!({ "Name": name, "Value": value, "Type": "SecureString" });
        self.json("ssm", "AmazonSSM.PutParameter", &body);
    }

    /// Stores a secret.
    pub fn secret(&self, name: &str, value: &str) {
        self.json("secretsmanager", "secretsmanager.CreateSecret", &json!({ "Name": name, "SecretString": value }));
    }

    fn json(&self, service: &str, target: &str, body: &Value) {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.1")];
        self.ask(service, "POST", "/", &headers, body.to_string());
    }

    /// What moto wrote.
    pub fn log(&self) -> String {
        tail(&self.dir.path().join("log"), 60)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
