//! A Debian 12 under systemd, made by `tests/support/machine`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A machine that runs; removed when dropped.
pub(crate) struct Machine(String);

/// What a command in a machine has come to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    /// Output and error output.
    pub(crate) text: String,
}

impl Machine {
    /// Boots a fresh machine.
    pub(crate) fn start(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let machine = Self(name);
        machine.boot();
        machine
    }

    /// The same, with files in it before its first boot: (path, content).
    pub(crate) fn start_with(name: &str, files: &[(&str, &str)]) -> Self {
        let machine = Self(format!("{name}-{}", std::process::id()));
        for (path, content) in files {
            let path = machine.folder().join("upper").join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        machine.boot();
        machine
    }

    /// Where its disk is, seen from outside: `upper` holds what differs from the image, `docker` is /var/lib/docker.
    pub(crate) fn folder(&self) -> PathBuf {
        let cache = std::env::var("ROLECALL_TEST_CACHE")
            .unwrap_or_else(|_| format!("{}/.cache/rolecall-tests", std::env::var("HOME").unwrap()));
        Path::new(&cache).join("machines").join(&self.0)
    }

    /// Boots it, also again after a cut.
    pub(crate) fn boot(&self) {
        let done = self.tool(&["start", &self.0]);
        assert_eq!(done.code, 0, "{}", done.text);
    }

    /// The same with no network but its own loopback.
    pub(crate) fn boot_offline(&self) {
        let done = self.tool(&["start", &self.0, "--offline"]);
        assert_eq!(done.code, 0, "{}", done.text);
    }

    /// Takes the power away.
    pub(crate) fn cut(&self) {
        let done = self.tool(&["cut", &self.0]);
        assert_eq!(done.code, 0, "{}", done.text);
    }

    /// Waits until it has gone down by itself.
    pub(crate) fn wait_off(&self) {
        self.wait_off_within(Duration::from_secs(120));
    }

    /// The same, for longer.
    pub(crate) fn wait_off_within(&self, limit: Duration) {
        let done = self.tool(&["wait-off", &self.0, &limit.as_secs().to_string()]);
        assert_eq!(done.code, 0, "{}", done.text);
    }

    /// Runs a shell script in it.
    pub(crate) fn run(&self, script: &str) -> Done {
        self.tool(&["exec", &self.0, "sh", "-c", &format!("exec 2>&1\n{script}")])
    }

    /// Runs a shell script that must succeed; its output.
    pub(crate) fn sh(&self, script: &str) -> String {
        let done = self.run(script);
        assert_eq!(done.code, 0, "{script}\n{}", done.text);
        done.text
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, content: &str, mode: &str) {
        let temp = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(temp.path(), content).unwrap();
        self.put(temp.path(), path);
        self.sh(&format!("chmod {mode} '{path}'"));
    }

    /// Copies a file into it.
    pub(crate) fn put(&self, file: &Path, path: &str) {
        let done = self.tool(&["put", &self.0, &file.to_string_lossy(), path]);
        assert_eq!(done.code, 0, "{}", done.text);
    }

    /// Waits until a shell condition holds.
    pub(crate) fn until(&self, condition: &str, within: Duration) {
        let start = Instant::now();
        while self.run(condition).code != 0 {
            assert!(start.elapsed() < within, "not within {within:?}: {condition}\n{}", self.console());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the console has shown.
    pub(crate) fn console(&self) -> String {
        self.tool(&["console", &self.0]).text
    }

    /// Puts this test program into the machine, and runs its `inside::agent` there with an order.
    pub(crate) fn agent(&self, order: &str) -> Done {
        self.put(&std::env::current_exe().unwrap(), "/opt/agent");
        let args = "--exact inside::agent --ignored --nocapture";
        self.run(&format!("ROLECALL_TEST_ORDER='{order}' /opt/agent {args}"))
    }

    fn tool(&self, args: &[&str]) -> Done {
        let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/machine");
        let output = Command::new(tool).args(args).stdin(Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Done { code: output.status.code().unwrap_or(-1), text }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("console of {}:\n{}", self.0, self.console());
        }
        self.tool(&["remove", &self.0]);
    }
}
