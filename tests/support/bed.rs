//! Everything that a run needs, put together: a network, an instance, a cloud, an engine where one is needed, and
//! the agent.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    agent::{Agent, Failed, Outcome},
    aws::Aws,
    dockerd::Engine,
    imds::Imds,
    net::Net,
};

/// The bucket of the tests.
pub const BUCKET: &str = "rolecall-test";

/// A machine on EC2, with nothing on it yet. On failure it tells all it knows.
pub struct Bed {
    pub imds: Imds,
    pub aws: Aws,
    pub engine: Option<Engine>,
    pub agent: Agent,
    pub dir: tempfile::TempDir,
    pub net: Net,
}

impl Bed {
    /// A machine whose Docker does not answer, for what ends before containers.
    pub fn without_engine() -> Self {
        let mut bed = Self::with(binary(), false);
        // A run that gets as far as the engine shall not wait for it for long.
        bed.agent = bed.agent.env("ROLECALL_DEADLINE", "20s");
        bed
    }

    /// A machine with an engine of its own that has the image [`super::dockerd::WEB`].
    pub fn new() -> Self {
        Self::with(binary(), true)
    }

    /// The same with this binary.
    pub fn with(binary: PathBuf, engine: bool) -> Self {
        Self::with_engine(binary, || engine.then(Engine::start))
    }

    /// The same with an engine that is started in the machine's network.
    pub fn with_engine(binary: PathBuf, start: impl FnOnce() -> Option<Engine>) -> Self {
        let dir = tempfile::Builder::new().prefix("rolecall-test-").tempdir().unwrap();
        let net = Net::with_folder(dir.path());
        let imds = Imds::start();
        let aws = Aws::start(imds.instance.clone());
        let engine = start();
        let host =
            engine.as_ref().map_or_else(|| format!("unix://{}/no-engine.sock", dir.path().display()), Engine::host);
        let agent = Agent::new(binary, dir.path())
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.server.url())
            .env("AWS_ENDPOINT_URL", aws.server.url())
            // No store of a test knows accounts.
            .env("ROLECALL_TRUST_TAGS", "true")
            .env("DOCKER_HOST", host);
        Self { imds, aws, engine, agent, dir, net }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("a bed with an engine")
    }

    /// Stores files below `s3://rolecall-test/<prefix>/` and points the instance's source tag there.
    pub fn project(&self, prefix: &str, files: &[(&str, &str)]) {
        for (path, content) in files {
            self.aws.put(BUCKET, &format!("{prefix}/{path}"), *content);
        }
        self.imds.tag("Bootstrap", &format!("s3://{BUCKET}/{prefix}/"));
    }

    /// A project that is one compose file. Unless it has an `x-rolecall` of its own, its services are ready a moment
    /// after their start: most tests are about something else than five seconds without a restart.
    pub fn compose(&self, prefix: &str, compose: &str) {
        let block = compose.ends_with('\n') && compose.lines().any(|line| line == "services:");
        let short =
            if block && !compose.contains("x-rolecall") { "x-rolecall: { ready: { stable: 300ms } }\n" } else { "" };
        self.project(prefix, &[("compose.yaml", &format!("{compose}{short}"))]);
    }

    /// Takes a project from a folder of the tests, as it is.
    pub fn folder(&self, prefix: &str, name: &str) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects").join(name);
        for (path, content) in super::agent::walk(&dir) {
            self.aws.put(BUCKET, &format!("{prefix}/{path}"), content);
        }
        self.imds.tag("Bootstrap", &format!("s3://{BUCKET}/{prefix}/"));
    }

    /// `rolecall` with these arguments.
    pub fn rolecall(&self, args: &[&str]) -> Outcome {
        self.agent.run(args)
    }

    /// `rolecall run`.
    pub fn run(&self) -> Outcome {
        self.rolecall(&["run"])
    }

    /// `rolecall run`, which has to fail so.
    #[track_caller]
    pub fn fails(&self, code: i32, cause: &str) -> Failed {
        self.run().fails(code, cause)
    }

    /// Writes the host's config.toml.
    pub fn config(&self, toml: &str) {
        fs::write(self.agent.config.join("config.toml"), toml).unwrap();
    }

    /// A path below the test's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}{}", self.imds.server.told(), self.aws.server.told());
            if let Some(engine) = &self.engine {
                eprintln!("--- containers: {:?}\n--- engine\n{}", engine.names(), engine.log_tail());
            }
        }
    }
}

/// The agent: `ROLECALL_BIN`, or what cargo built beside this program.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ROLECALL_BIN") {
        return path.into();
    }
    let built = option_env!("CARGO_BIN_EXE_rolecall").map(PathBuf::from).unwrap_or_else(|| {
        let program = std::env::current_exe().unwrap();
        program.ancestors().nth(2).unwrap().join("rolecall")
    });
    assert!(built.exists(), "{} is not built: cargo build", built.display());
    built
}
