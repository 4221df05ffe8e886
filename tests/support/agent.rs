//! The agent as its users run it: the real binary, with an environment that holds only what it is given.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than any run of a test may take.
const LIMIT: Duration = Duration::from_secs(150);

/// The folders and the environment that the agent gets.
#[derive(Clone, Debug)]
pub struct Agent {
    pub binary: PathBuf,
    pub state: PathBuf,
    pub runtime: PathBuf,
    pub config: PathBuf,
    pub cwd: PathBuf,
    pub env: BTreeMap<String, OsString>,
    /// Words in front of the command, such as `setpriv --reuid=65534`.
    pub wrapper: Vec<String>,
}

impl Agent {
    /// An agent whose folders are all below `dir`.
    pub fn new(binary: PathBuf, dir: &Path) -> Self {
        let folder = |name: &str| {
            let path = dir.join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let agent = Self {
            binary,
            state: dir.join("state"),
            runtime: folder("run"),
            config: folder("etc"),
            cwd: folder("cwd"),
            env: BTreeMap::new(),
            wrapper: Vec::new(),
        };
        let home = folder("home");
        agent
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", home)
            .env("ROLECALL_STATE_DIR", dir.join("state"))
            .env("RUNTIME_DIRECTORY", dir.join("run"))
            .env("CONFIGURATION_DIRECTORY", dir.join("etc"))
    }

    /// The same with a variable.
    #[must_use]
    pub fn env(&self, name: &str, value: impl Into<OsString>) -> Self {
        let mut agent = self.clone();
        agent.env.insert(name.to_owned(), value.into());
        agent
    }

    /// The same without a variable.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut agent = self.clone();
        agent.env.remove(name);
        agent
    }

    /// The same with words in front of the command.
    #[must_use]
    pub fn under(&self, words: &[&str]) -> Self {
        Self { wrapper: words.iter().map(ToString::to_string).collect(), ..self.clone() }
    }

    /// The command, with its environment and nothing else.
    pub fn command(&self, args: &[&str]) -> Command {
        let binary = self.binary.display().to_string();
        let mut words: Vec<&str> = self.wrapper.iter().map(String::as_str).collect();
        words.push(&binary);
        words.extend_from_slice(args);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(&self.env).current_dir(&self.cwd).stdin(Stdio::null());
        command
    }

    /// Starts it.
    pub fn spawn(&self, args: &[&str]) -> Running {
        let start = Instant::now();
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("could not start {command:?}: {e}"));
        let stdout = drain(child.stdout.take().unwrap());
        let stderr = drain(child.stderr.take().unwrap());
        Running { child, stdout, stderr, start, line: format!("rolecall {}", args.join(" ")), agent: self.clone() }
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.spawn(args).wait()
    }

    /// What it left in `status.json`; null where there is none.
    pub fn status(&self) -> Value {
        let text = fs::read_to_string(self.runtime.join("status.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Everything below the state folder, by path, with content; the journal, the lock and bookkeeping too.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        walk(&self.state)
    }

    /// The fetched project, by path below its folder.
    pub fn project(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        walk(&self.state.join("projects").join(name))
    }
}

/// All files below a folder, by path; a symbolic link by its target.
pub fn walk(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
                continue;
            }
            let content = if kind.is_symlink() {
                fs::read_link(entry.path()).unwrap().display().to_string().into_bytes()
            } else {
                fs::read(entry.path()).unwrap_or_default()
            };
            let path = entry.path().strip_prefix(dir).unwrap().display().to_string();
            files.insert(path, content);
        }
    }
    files
}

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// A run under way.
pub struct Running {
    child: Child,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    start: Instant,
    line: String,
    agent: Agent,
}

impl Running {
    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its process, which is the agent itself also behind words that replace themselves by it.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Outcome {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if self.start.elapsed() > LIMIT {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break None;
            }
            std::thread::sleep(Duration::from_millis(3));
        };
        let took = self.start.elapsed();
        let text = |bytes: JoinHandle<Vec<u8>>| String::from_utf8_lossy(&bytes.join().unwrap()).into_owned();
        let outcome = Outcome {
            line: self.line,
            code: status.and_then(|s| s.code()),
            stdout: text(self.stdout),
            stderr: text(self.stderr),
            took,
            agent: self.agent,
        };
        assert!(status.is_some(), "it did not end within {LIMIT:?}\n{}", outcome.told());
        outcome
    }
}

/// What a run came to.
pub struct Outcome {
    line: String,
    /// Exit code, none after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    agent: Agent,
}

impl Outcome {
    /// The run must have ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code\n{}", self.told());
        self
    }

    /// The run must have succeeded.
    #[track_caller]
    pub fn ready(self) -> Self {
        self.exits(0)
    }

    /// The run must have failed with this code and one line that names this cause.
    #[track_caller]
    pub fn fails(self, code: i32, cause: &str) -> Failed {
        let outcome = self.exits(code);
        let lines: Vec<&str> = outcome.stderr.lines().filter(|l| l.contains("rolecall: FAILED ")).collect();
        assert_eq!(lines.len(), 1, "one line must say what failed, not {lines:?}\n{}", outcome.told());
        let line = lines[0].to_owned();
        assert!(line.starts_with("rolecall: FAILED "), "{line:?} is not a line of its own\n{}", outcome.told());
        let failed = Failed { line, outcome };
        assert_eq!(
            failed.field("cause").as_deref(),
            Some(cause),
            "cause in {:?}\n{}",
            failed.line,
            failed.outcome.told()
        );
        for name in ["step", "error", "need", "hint"] {
            let value = failed.field(name).unwrap_or_default();
            assert!(!value.is_empty(), "no {name} in {:?}\n{}", failed.line, failed.outcome.told());
        }
        failed
    }

    /// Standard error must hold this.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} on standard error\n{}", self.told());
        self
    }

    /// Standard output must hold this.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} on standard output\n{}", self.told());
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("standard output is not JSON: {e}\n{}", self.told()))
    }

    /// Everything that helps to see what happened.
    pub fn told(&self) -> String {
        let mut text = format!(
            "--- {} (in {}, {:.2} s, exit {:?})\n--- stdout\n{}\n--- stderr\n{}\n",
            self.line,
            self.agent.cwd.display(),
            self.took.as_secs_f64(),
            self.code,
            self.stdout,
            self.stderr
        );
        let _ = writeln!(text, "--- status.json\n{}", self.agent.status());
        for (path, content) in self.agent.files() {
            let _ = writeln!(text, "--- {path}, {} bytes", content.len());
            if Path::new(&path).extension().is_some_and(|e| e == "jsonl") {
                let _ = writeln!(text, "{}", String::from_utf8_lossy(&content));
            }
        }
        text
    }
}

/// A run that failed as it should.
pub struct Failed {
    /// The one line.
    pub line: String,
    pub outcome: Outcome,
}

impl Failed {
    /// A field of the line: a word, or a text in double quotes.
    pub fn field(&self, name: &str) -> Option<String> {
        let at = self.line.find(&format!(" {name}="))? + name.len() + 2;
        let rest = &self.line[at..];
        if let Some(quoted) = rest.strip_prefix('"') {
            return quoted.split('"').next().map(str::to_owned);
        }
        rest.split(' ').next().map(str::to_owned)
    }

    /// The line, or what stands around it on standard error, must hold this.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.outcome.stderr.contains(text), "no {text:?} on standard error\n{}", self.outcome.told());
        self
    }

    /// The line itself must hold this.
    #[track_caller]
    pub fn names(self, text: &str) -> Self {
        assert!(self.line.contains(text), "no {text:?} in {:?}\n{}", self.line, self.outcome.told());
        self
    }

    /// The line must say what to do.
    #[track_caller]
    pub fn hints(self, text: &str) -> Self {
        let hint = self.field("hint").unwrap_or_default();
        assert!(hint.contains(text), "no {text:?} in the hint {hint:?}\n{}", self.outcome.told());
        self
    }

    /// The line must name what is missing.
    #[track_caller]
    pub fn needs(self, text: &str) -> Self {
        let need = self.field("need").unwrap_or_default();
        assert!(need.contains(text), "no {text:?} in the need {need:?}\n{}", self.outcome.told());
        self
    }

    /// The run must have taken no longer than this.
    #[track_caller]
    pub fn within(self, limit: Duration) -> Self {
        assert!(self.outcome.took <= limit, "took {:?}\n{}", self.outcome.took, self.outcome.told());
        self
    }
}
