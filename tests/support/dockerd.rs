//! A real Docker engine, one per test: with its own socket, folders and control group, in the network of the test
//! and in process and mount namespaces of its own. It starts in under a second and leaves nothing behind, also when
//! the test is killed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

use super::{
    client::{Answer, To, request},
    image::rootfs,
};

const KEEPER: &str = include_str!("keeper.sh");

/// How long the engine may take to come up, on a machine that does much else.
const START: Duration = Duration::from_secs(60);

/// The image that most tests use: serves `/www` on port 80, and has the usual commands.
pub const WEB: &str = "rolecall-test/web:1";

/// Its command. busybox as process 1 does not hear TERM: without the trap every stop would take its whole grace.
const SERVE: &str = r#"CMD ["sh", "-c", "trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait"]"#;

/// The running engine.
pub struct Engine {
    pub dir: PathBuf,
    keeper: Child,
}

impl Engine {
    /// The engine of the distribution (or `ROLECALL_TEST_DOCKERD`), with the image [`WEB`]. The calling thread has to
    /// be in a network of its own.
    pub fn start() -> Self {
        Self::of(Self::program().as_ref())
    }

    /// The same, of this program; its containerd and runc are those of the distribution.
    pub fn of(dockerd: &Path) -> Self {
        let engine = Self::spawn(dockerd, &[], &[]);
        engine.import(WEB, &[SERVE, "EXPOSE 80"]);
        engine
    }

    /// The same without any image.
    pub fn bare_of(dockerd: &Path) -> Self {
        Self::spawn(dockerd, &[], &[])
    }

    /// The engine that tests use unless they ask for another one.
    pub fn program() -> String {
        std::env::var("ROLECALL_TEST_DOCKERD").unwrap_or_else(|_| "dockerd".into())
    }

    /// The same without any image, and with these options.
    pub fn bare(options: &[&str]) -> Self {
        Self::with_hosts(options, &[])
    }

    /// The same, and for the engine these names mean this machine.
    pub fn with_hosts(options: &[&str], names: &[&str]) -> Self {
        Self::spawn(Self::program().as_ref(), options, names)
    }

    fn spawn(dockerd: &Path, options: &[&str], names: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("rolecall-engine-").tempdir().unwrap().keep();
        if !names.is_empty() {
            fs::write(dir.join("hosts"), format!("127.0.0.1 localhost {}\n", names.join(" "))).unwrap();
        }
        let keeper = Command::new("setsid")
            .args(["sh", "-c", KEEPER, "keeper"])
            .arg(&dir)
            .arg(dockerd)
            .args(options)
            .stdin(Stdio::piped())
            .spawn()
            .expect("setsid (util-linux) starts");
        let engine = Self { dir, keeper };
        engine.wait();
        engine
    }

    /// Waits until the engine answers.
    pub fn wait(&self) {
        let start = Instant::now();
        while !self.ask("GET", "/_ping", "").is_ok_and(|a| a.status == 200) {
            assert!(start.elapsed() < START, "the Docker engine does not come up:\n{}", self.log_tail());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// For `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// Where the engine keeps its data.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// One request of the engine's API.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
        let kind = [("content-type", "application/json")];
        request(&To::Unix(self.socket()), method, path, &kind, body.to_owned())
    }

    /// The JSON at a path of the engine's API; null for 404.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "").unwrap();
        assert!(answer.status == 404 || answer.status < 300, "{path}: {} {}", answer.status, answer.text());
        if answer.status == 404 { Value::Null } else { answer.json() }
    }

    /// Sends JSON; the answer has to be a success.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.ask("POST", path, &text).unwrap();
        assert!(answer.status < 400, "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// Makes an image of the usual root file system, with these lines of a Dockerfile.
    pub fn import(&self, reference: &str, changes: &[&str]) {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let (repo, tag) = reference.rsplit_once(':').expect("an image with a tag");
        query.append_pair("fromSrc", "-").append_pair("repo", repo).append_pair("tag", tag);
        query.append_pair("changes", "ENV PATH=/bin");
        for change in changes {
            query.append_pair("changes", change);
        }
        let path = format!("/images/create?{}", query.finish());
        let kind = [("content-type", "application/x-tar")];
        let answer = request(&To::Unix(self.socket()), "POST", &path, &kind, rootfs()).unwrap();
        assert!(answer.status == 200 && !answer.text().contains("\"error\""), "{}", answer.text());
    }

    /// All containers, by name.
    pub fn containers(&self) -> Vec<(String, Value)> {
        let listed = self.get("/containers/json?all=1");
        let mut all: Vec<(String, Value)> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|c| (c["Names"][0].as_str().unwrap().trim_start_matches('/').to_owned(), c.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Names of all containers, running or not.
    pub fn names(&self) -> Vec<String> {
        self.containers().into_iter().map(|(name, _)| name).collect()
    }

    /// What the engine tells of a container; it has to be there.
    pub fn inspect(&self, name: &str) -> Value {
        let found = self.get(&format!("/containers/{name}/json"));
        assert!(!found.is_null(), "no container {name}; there are {:?}", self.names());
        found
    }

    /// Everything that a second run must not change: ids, start times and states of containers, ids of images,
    /// networks and volumes.
    pub fn snapshot(&self) -> Value {
        let containers: Vec<Value> = self
            .names()
            .iter()
            .map(|name| {
                let c = self.inspect(name);
                json!({ "name": name, "id": c["Id"], "started": c["State"]["StartedAt"], "state": c["State"]["Status"],
                    "restarts": c["RestartCount"] })
            })
            .collect();
        let ids = |path: &str, list: Option<&str>, key: &str| {
            let all = self.get(path);
            let all = list.map_or(&all, |name| &all[name]);
            let mut ids: Vec<String> = all.as_array().into_iter().flatten().map(|item| item[key].to_string()).collect();
            ids.sort();
            ids
        };
        json!({ "containers": containers, "images": ids("/images/json", None, "Id"),
            "networks": ids("/networks", None, "Id"), "volumes": ids("/volumes", Some("Volumes"), "Name") })
    }

    /// The output of a container.
    pub fn logs(&self, name: &str) -> String {
        let answer = self.ask("GET", &format!("/containers/{name}/logs?stdout=1&stderr=1"), "").unwrap();
        // Each piece has a header of eight bytes: the stream, then the length.
        let mut text = String::new();
        let mut rest = &answer.body[..];
        while let [_, _, _, _, a, b, c, d, tail @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let (piece, tail) = tail.split_at(length.min(tail.len()));
            text.push_str(&String::from_utf8_lossy(piece));
            rest = tail;
        }
        text
    }

    /// The process of the engine ends and comes back, as after a crash.
    pub fn crash(&self) {
        self.restart(Signal::KILL);
    }

    /// The process of the engine ends by this signal and comes back.
    pub fn restart(&self, signal: Signal) {
        let old = self.process();
        kill_process(old, signal).unwrap();
        let start = Instant::now();
        while test_kill_process(old).is_ok() && start.elapsed() < START {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.wait();
    }

    /// The engine goes away and stays away.
    pub fn stay_down(&self) {
        fs::write(self.dir.join("stay-down"), "").unwrap();
        kill_process(self.process(), Signal::TERM).unwrap();
        let start = Instant::now();
        while self.ask("GET", "/_ping", "").is_ok() && start.elapsed() < START {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The engine that was told to stay away comes back.
    pub fn come_back(&self) {
        fs::remove_file(self.dir.join("stay-down")).unwrap();
    }

    fn process(&self) -> Pid {
        // The pid file holds the pid inside the engine's own namespace, so the engine is found by its socket.
        let host = self.host();
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let engine = pids.filter_map(Pid::from_raw).find(|pid| {
            let words = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            let mut words = words.split(|b| *b == 0);
            words.next().is_some_and(|program| program.ends_with(b"dockerd")) && words.any(|w| w == host.as_bytes())
        });
        engine.expect("the engine runs")
    }

    /// The last lines that the engine wrote.
    pub fn log_tail(&self) -> String {
        tail(&self.dir.join("dockerd.log"), 40)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The last lines of a file.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
