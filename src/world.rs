//! The outside world: a handful of small traits, so that every fault can be played.
//!
//! Stages get these and nothing else. The real implementations are in `facts::imds`, `fetch::https`,
//! `aws`, `host` and `engine`; `main` puts them together.

mod sockets;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::stream::LocalBoxStream;
use serde_json::Value;

pub use sockets::{Holder, Listener, Protocol};

use crate::{error::Result, redact::Secret};

/// Everything outside, as one value that is handed from stage to stage.
#[derive(Clone)]
pub struct World {
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Instance metadata.
    pub imds: Rc<dyn Imds>,
    /// S3 and what speaks like it.
    pub objects: Rc<dyn ObjectStore>,
    /// `https://` sources and health probes.
    pub web: Rc<dyn Web>,
    /// The other APIs of the cloud.
    pub cloud: Rc<dyn CloudApi>,
    /// Commands on this machine.
    pub host: Rc<dyn Host>,
    /// The container engine; nothing is connected before the first call.
    pub engine: Rc<dyn Engine>,
}

/// Time that can be played.
#[async_trait(?Send)]
pub trait Clock {
    /// Time since some fixed point, monotonic.
    fn now(&self) -> Duration;
    /// Waits.
    async fn sleep(&self, wait: Duration);
}

/// Instance metadata, `IMDSv2`.
#[async_trait(?Send)]
pub trait Imds {
    /// The text at a path below the pinned schema version (`meta-data/instance-id`), or `None` where the
    /// service says 404. A token is fetched when needed and again after 401. One attempt: the caller retries.
    async fn get(&self, path: &str) -> Result<Option<String>>;
}

/// An object of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Bucket name.
    pub bucket: String,
    /// Key, without a leading slash.
    pub key: String,
    /// `versionId`, where one is pinned.
    pub version: Option<String>,
}

/// How an object is asked for.
#[derive(Clone, Debug, Default)]
pub struct ObjectRequest {
    /// Region of the instance; the bucket's own is found from the answer.
    pub region: Option<String>,
    /// Accounts one of which must own the bucket; empty: the owner is not checked.
    pub owners: Vec<String>,
    /// Only this `ETag`; another answer is a transient error (the snapshot is taken again).
    pub etag: Option<String>,
    /// Bytes above which the object is refused.
    pub limit: u64,
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ObjectEntry {
    /// Whole key.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// `ETag`, with its quotes removed.
    pub etag: String,
    /// When it was last written, in milliseconds since the epoch. New metadata changes it, and not the `ETag`.
    pub modified: Option<i64>,
}

/// A fetched object, whole and checked against the length that was announced.
#[derive(Clone, Debug)]
pub struct Object {
    /// Content.
    pub body: Vec<u8>,
    /// `ETag` or other validator, if the server gave one.
    pub etag: Option<String>,
    /// Version, if the bucket has versions.
    pub version: Option<String>,
    /// Permission bits that its metadata specifies.
    pub mode: Option<u32>,
}

/// Objects in buckets. One attempt each: the caller retries.
#[async_trait(?Send)]
pub trait ObjectStore {
    /// Fetches an object.
    async fn get(&self, object: &ObjectRef, request: &ObjectRequest) -> Result<Object>;
    /// Lists all objects below a prefix, in key order; at most `most` of them, else an error.
    async fn list(&self, bucket: &str, prefix: &str, request: &ObjectRequest, most: usize) -> Result<Vec<ObjectEntry>>;
}

/// Plain web addresses.
#[async_trait(?Send)]
pub trait Web {
    /// Fetches an address, following redirects to https only; refuses bodies over `limit` bytes.
    async fn get(&self, url: &url::Url, limit: u64) -> Result<Object>;
}

/// APIs of the cloud other than objects. One attempt each: the caller retries.
#[async_trait(?Send)]
pub trait CloudApi {
    /// Tags of the instance, from the EC2 API, all pages.
    async fn tags(&self, region: &str, instance: &str) -> Result<BTreeMap<String, String>>;
    /// A parameter of Systems Manager, decrypted.
    async fn parameter(&self, region: &str, name: &str) -> Result<Secret<String>>;
    /// A secret of Secrets Manager; `stage` is a version stage such as `AWSCURRENT`.
    async fn secret(&self, region: &str, id: &str, stage: Option<&str>) -> Result<Secret<String>>;
    /// User and password for the private registry of an account.
    async fn registry_login(&self, region: &str, account: &str) -> Result<RegistryLogin>;
    /// Answers a lifecycle hook, or has it wait longer; whether there was an action that waits for it.
    async fn lifecycle(&self, region: &str, call: &LifecycleCall) -> Result<bool>;
}

/// What is told to a lifecycle hook of an Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleCall {
    /// Name of the group.
    pub group: String,
    /// Name of the hook.
    pub hook: String,
    /// The instance whose action it is.
    pub instance: String,
    /// The answer; `None` is a sign of life.
    pub verdict: Option<Verdict>,
}

/// What becomes of an instance that a hook holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on: into service, or on to its end.
    Continue,
    /// It is given up.
    Abandon,
}

impl Verdict {
    /// The word that the API uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::Abandon => "ABANDON",
        }
    }
}

/// Credentials for one registry.
#[derive(Clone, Debug)]
pub struct RegistryLogin {
    /// User; `<token>` says, as everywhere in Docker, that the password is an identity token.
    pub user: String,
    /// Password or token.
    pub password: Secret<String>,
}

/// A command for the host. Arguments are given one by one; no shell is between.
#[derive(Clone, Debug)]
pub struct Command {
    /// Program, looked up in `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// Variables on top of the agent's own environment.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub dir: Option<PathBuf>,
    /// After this long the whole process group gets TERM, then KILL.
    pub timeout: Option<Duration>,
}

impl Command {
    /// A command with the agent's environment and no deadline of its own.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), env: BTreeMap::new(), dir: None, timeout: None }
    }

    /// Sets a deadline.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code; 128 + signal where a signal ended it.
    pub code: i32,
    /// Whether it ran into its deadline.
    pub timed_out: bool,
    /// Last lines of output and error output, at most 50, as they came.
    pub tail: Vec<String>,
    /// Standard output, at most 1 MiB.
    pub stdout: String,
}

/// Commands on this machine.
#[async_trait(?Send)]
pub trait Host {
    /// Runs a command; `line` gets each line of its output as it comes. An error only if it could not be started.
    async fn run(&self, command: &Command, line: &mut dyn for<'l> FnMut(&'l str)) -> Result<Finished>;
    /// Starts a program that outlives the agent, in a session of its own, its output appended to `log`.
    async fn spawn_detached(&self, command: &Command, log: &Path) -> Result<()>;
    /// The TCP and UDP sockets that are open on this machine, and who holds them.
    async fn listeners(&self) -> Result<Vec<Listener>>;
    /// Does work that may block, such as reading from a mount whose server is gone: on a thread of its own, so that
    /// timers and signals are still heard. A host that is played does it at once.
    async fn apart(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}

/// Progress of a pull, one per message of the engine.
#[derive(Clone, Debug, Default)]
pub struct PullProgress {
    /// Layer.
    pub id: Option<String>,
    /// What happens to it.
    pub status: String,
    /// Bytes done and in all, where known.
    pub bytes: Option<(u64, u64)>,
}

/// Something that happened in the engine, as much as readiness needs.
#[derive(Clone, Debug)]
pub struct EngineEvent {
    /// Container.
    pub container: String,
    /// `start`, `die`, `health_status: healthy`, …; `kill` only for a signal that may end it, else `signal`.
    pub action: String,
}

/// A version of the Docker Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(pub u32, pub u32);

impl ApiVersion {
    /// The oldest that is spoken: Docker 20.10.
    pub const OLDEST: Self = Self(1, 41);
    /// The newest that is spoken; a newer engine is asked in this one.
    pub const NEWEST: Self = Self(1, 53);

    /// Reads `1.41`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }

    /// What is spoken with an engine that gave this answer to `GET /version`.
    pub fn spoken(version: &Value) -> Option<Self> {
        Self::parse(version.get("ApiVersion")?.as_str()?).map(|theirs| theirs.min(Self::NEWEST))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The container engine. Bodies are those of the Docker Engine API, in its own JSON; errors carry the class.
#[async_trait(?Send)]
pub trait Engine {
    /// Negotiates the API version; the answer to `GET /version`. Fails while the engine is not up.
    async fn version(&self) -> Result<Value>;
    /// `GET /info`.
    async fn info(&self) -> Result<Value>;

    /// Containers, running or not, that carry all of these labels (`key` or `key=value`): `GET /containers/json`.
    async fn containers(&self, labels: &[String]) -> Result<Vec<Value>>;
    /// `GET /containers/{id}/json`, `None` for 404.
    async fn inspect_container(&self, id: &str) -> Result<Option<Value>>;
    /// Creates a container; its id.
    async fn create_container(&self, name: &str, platform: Option<&str>, body: &Value) -> Result<String>;
    /// Starts a container; one that runs already is fine.
    async fn start_container(&self, id: &str) -> Result<()>;
    /// Waits until a container does not run; the code that it exited with.
    async fn wait_container(&self, id: &str) -> Result<i64>;
    /// Stops a container with its own signal; `grace` in seconds, else its own. One that is stopped or gone is fine.
    async fn stop_container(&self, id: &str, grace: Option<i64>) -> Result<()>;
    /// Removes a container, by force where told, and its anonymous volumes where told. One that is gone is fine.
    async fn remove_container(&self, id: &str, force: bool, volumes: bool) -> Result<()>;
    /// Renames a container.
    async fn rename_container(&self, id: &str, name: &str) -> Result<()>;
    /// Unpacks a tar archive into a container; `owned` is the engine's `copyUIDGID`.
    async fn upload(&self, id: &str, path: &str, tar: Vec<u8>, owned: bool) -> Result<()>;
    /// A file, folder or link of a container as a tar archive of at most `most` bytes; `None` if it is not there.
    async fn download(&self, id: &str, path: &str, most: usize) -> Result<Option<Vec<u8>>>;
    /// Last lines of a container's output.
    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<String>>;
    /// Runs a command inside a container, output line by line; its exit code.
    async fn exec(&self, id: &str, body: &Value, line: &mut dyn for<'l> FnMut(&'l str)) -> Result<i64>;

    /// `GET /images/{name}/json`, `None` for 404.
    async fn inspect_image(&self, name: &str) -> Result<Option<Value>>;
    /// `GET /distribution/{name}/json`: what the registry has under this name, and for which platforms.
    async fn distribution(&self, image: &str, login: Option<&RegistryLogin>) -> Result<Value>;
    /// Pulls an image; the stream must be read to its end and an item may be an error of the registry.
    async fn pull(
        &self,
        image: &str,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
    ) -> Result<LocalBoxStream<'static, Result<PullProgress>>>;
    /// Gives an image a further name.
    async fn tag_image(&self, image: &str, repository: &str, tag: &str) -> Result<()>;
    /// Removes an image by id, not by force.
    async fn remove_image(&self, id: &str) -> Result<()>;

    /// Networks that carry all of these labels. There is no lookup by name: two can have the same.
    async fn networks(&self, labels: &[String]) -> Result<Vec<Value>>;
    /// Creates a network; its id.
    async fn create_network(&self, body: &Value) -> Result<String>;
    /// Removes a network.
    async fn remove_network(&self, id: &str) -> Result<()>;
    /// Connects a container to a network, with an `EndpointConfig`.
    async fn connect_network(&self, network: &str, container: &str, endpoint: &Value) -> Result<()>;
    /// Disconnects a container from a network.
    async fn disconnect_network(&self, network: &str, container: &str) -> Result<()>;

    /// `GET /volumes/{name}`, `None` for 404.
    async fn inspect_volume(&self, name: &str) -> Result<Option<Value>>;
    /// Volumes that carry all of these labels.
    async fn volumes(&self, labels: &[String]) -> Result<Vec<Value>>;
    /// Creates a volume.
    async fn create_volume(&self, body: &Value) -> Result<()>;
    /// Removes a volume.
    async fn remove_volume(&self, name: &str) -> Result<()>;

    /// Container events that carry all of these labels, from now on.
    async fn events(&self, labels: &[String]) -> Result<LocalBoxStream<'static, Result<EngineEvent>>>;
}
