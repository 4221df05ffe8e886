//! What runs inside a machine: the library's host steps on the real machine, with an engine that only answers
//! for its version.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use async_trait::async_trait;
use futures_util::stream::LocalBoxStream;
use rolecall::{
    error::{Cause, Error, Result},
    execute::{
        docker::{Archive, Docker},
        machine::Machine,
        packages,
        script::Script,
        units,
    },
    host::{clock::SystemClock, command::SystemHost},
    manifest::extension::{DockerSettings, Install, Upgrade},
    paths::Paths,
    plan::{
        grace::Grace,
        ports::{self, HostPort, PortCheck, PortRequest},
    },
    redact::Secret,
    retry::Retry,
    world::{
        CloudApi, Engine, EngineEvent, Imds, LifecycleCall, Object, ObjectEntry, ObjectRef, ObjectRequest, ObjectStore,
        Protocol, PullProgress, RegistryLogin, Web, World,
    },
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Orders: `packages NAME…`, `upgrade security|full`, `docker JSON` (daemon keys; `data-root` as its own),
/// `script SECONDS TEXT`, `grace LONGEST CHAIN`,
/// `static FILE`, `remote DOCKER_HOST`, `port NUMBER`.
/// Prints `outcome: …` or `error: …`.
#[test]
#[ignore = "runs inside a machine"]
fn agent() {
    let order = std::env::var("ROLECALL_TEST_ORDER").unwrap();
    tracing_subscriber::fmt().with_writer(std::io::stdout).without_time().with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(obey(&order)) {
        Ok(text) => println!("outcome: {text}"),
        Err(err) => {
            println!("error: {} {err}", err.cause.code());
            err.output.iter().for_each(|line| println!("  | {line}"));
        }
    }
}

async fn obey(order: &str) -> Result<String> {
    let (verb, rest) = order.split_once(' ').unwrap();
    let clock = Rc::new(SystemClock::default());
    let deadline = std::env::var("ROLECALL_TEST_DEADLINE").map_or(300, |d| d.parse().unwrap());
    let retry = Retry::new(clock.clone(), Some(Duration::from_secs(deadline)));
    let world = World {
        clock,
        imds: Rc::new(Nothing),
        objects: Rc::new(Nothing),
        web: Rc::new(Nothing),
        cloud: Rc::new(Nothing),
        host: Rc::new(SystemHost),
        engine: Rc::new(Nothing),
    };
    let paths = Paths::new("/var/lib/rolecall", "/run/rolecall", "/etc/rolecall");
    let machine = Machine::new(&world, &retry);
    match verb {
        "packages" => {
            let names: Vec<String> = rest.split(' ').map(str::to_owned).collect();
            let before = packages::check(&machine, &names).await?;
            let outcome = packages::apply(&machine, &names).await?;
            Ok(format!("{before} {outcome:?} {}", packages::check(&machine, &names).await?))
        }
        "upgrade" => {
            let upgrade = if rest == "security" { Upgrade::Security } else { Upgrade::Full };
            Ok(format!("{:?}", packages::Packages::of(&machine)?.upgrade(upgrade).await?))
        }
        "docker" => {
            let daemon: Value = serde_json::from_str(rest).unwrap();
            let settings = DockerSettings { daemon: daemon.as_object().unwrap().clone(), ..DockerSettings::default() };
            let docker = Docker::new(&world, &retry, &paths, Some(settings), None, archive())?;
            let before = docker.check().await?;
            let outcome = docker.apply().await?;
            Ok(format!("{before} {outcome:?} {}", docker.check().await?))
        }
        "static" => {
            let install = Install::Static(rest.to_owned());
            let settings = DockerSettings { install, ..DockerSettings::default() };
            let docker = Docker::new(&world, &retry, &paths, Some(settings), None, archive())?;
            Ok(format!("{:?} {}", docker.apply().await?, docker.check().await?))
        }
        "port" => {
            let port = HostPort { ip: None, port: rest.parse().unwrap(), protocol: Protocol::Tcp };
            let request = PortRequest { service: "web".into(), item: 0, port };
            let check = PortCheck { requests: vec![request], ..PortCheck::default() };
            ports::held(&check, &world.host.listeners().await?, Some(&[])).map(|()| "free".into())
        }
        "remote" => {
            let set_up = Docker::new(&world, &retry, &paths, Some(DockerSettings::default()), Some(rest), archive());
            let left_alone = Docker::new(&world, &retry, &paths, None, Some(rest), archive())?.check().await?;
            set_up.map(|_| format!("{left_alone}"))
        }
        "grace" => {
            let grace = |seconds: &str| Duration::from_secs(seconds.parse().unwrap());
            let (longest, chain) = rest.split_once(' ').unwrap();
            let grace = Grace { longest: grace(longest), chain: grace(chain) };
            let binary = std::path::Path::new("/opt/my agent");
            let before = units::check(&machine, binary, grace).await?;
            let outcome = units::apply(&machine, binary, grace).await?;
            Ok(format!("{before} {outcome:?} {}", units::check(&machine, binary, grace).await?))
        }
        "script" => {
            let (timeout, content) = rest.split_once(' ').unwrap();
            let script = Script {
                name: "bootstrap/10-test.sh".into(),
                content: content.replace("\\n", "\n").into_bytes(),
                env: BTreeMap::from([("REGION".into(), "eu-west-1".into())]),
                timeout: Some(Duration::from_secs(timeout.parse().unwrap())),
            };
            script.run(&world, &retry, &paths).await.map(|()| "done".into())
        }
        other => panic!("no such order: {other}"),
    }
}

/// A static archive is a file of the machine.
fn archive() -> Archive {
    Box::new(|path| Box::pin(async move { Ok(std::fs::read(path).unwrap()) }))
}

/// An outside world in which there is nothing but an engine on its socket.
struct Nothing;

fn nothing<T>() -> Result<T> {
    Err(Error::new(Cause::Io, "not in this test"))
}

#[async_trait(?Send)]
impl Imds for Nothing {
    async fn get(&self, _: &str) -> Result<Option<String>> {
        nothing()
    }
}

#[async_trait(?Send)]
impl ObjectStore for Nothing {
    async fn get(&self, _: &ObjectRef, _: &ObjectRequest) -> Result<Object> {
        nothing()
    }
    async fn list(&self, _: &str, _: &str, _: &ObjectRequest, _: usize) -> Result<Vec<ObjectEntry>> {
        nothing()
    }
}

#[async_trait(?Send)]
impl Web for Nothing {
    async fn get(&self, _: &url::Url, _: u64) -> Result<Object> {
        nothing()
    }
}

#[async_trait(?Send)]
impl CloudApi for Nothing {
    async fn tags(&self, _: &str, _: &str) -> Result<BTreeMap<String, String>> {
        nothing()
    }
    async fn parameter(&self, _: &str, _: &str) -> Result<Secret<String>> {
        nothing()
    }
    async fn secret(&self, _: &str, _: &str, _: Option<&str>) -> Result<Secret<String>> {
        nothing()
    }
    async fn registry_login(&self, _: &str, _: &str) -> Result<RegistryLogin> {
        nothing()
    }
    async fn lifecycle(&self, _: &str, _: &LifecycleCall) -> Result<bool> {
        nothing()
    }
}

async fn ask_version() -> std::io::Result<Value> {
    let mut socket = tokio::net::UnixStream::connect("/run/docker.sock").await?;
    socket.write_all(b"GET /version HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok(serde_json::from_str(body)?)
}

#[async_trait(?Send)]
impl Engine for Nothing {
    async fn version(&self) -> Result<Value> {
        ask_version().await.map_err(|err| Error::new(Cause::EngineUnreachable, err.to_string()).transient())
    }
    async fn info(&self) -> Result<Value> {
        nothing()
    }
    async fn containers(&self, _: &[String]) -> Result<Vec<Value>> {
        nothing()
    }
    async fn inspect_container(&self, _: &str) -> Result<Option<Value>> {
        nothing()
    }
    async fn create_container(&self, _: &str, _: Option<&str>, _: &Value) -> Result<String> {
        nothing()
    }
    async fn start_container(&self, _: &str) -> Result<()> {
        nothing()
    }
    async fn wait_container(&self, _: &str) -> Result<i64> {
        nothing()
    }
    async fn stop_container(&self, _: &str, _: Option<i64>) -> Result<()> {
        nothing()
    }
    async fn remove_container(&self, _: &str, _: bool, _: bool) -> Result<()> {
        nothing()
    }
    async fn rename_container(&self, _: &str, _: &str) -> Result<()> {
        nothing()
    }
    async fn upload(&self, _: &str, _: &str, _: Vec<u8>, _: bool) -> Result<()> {
        nothing()
    }
    async fn download(&self, _: &str, _: &str, _: usize) -> Result<Option<Vec<u8>>> {
        nothing()
    }
    async fn logs(&self, _: &str, _: usize) -> Result<Vec<String>> {
        nothing()
    }
    async fn exec(&self, _: &str, _: &Value, _: &mut dyn for<'l> FnMut(&'l str)) -> Result<i64> {
        nothing()
    }
    async fn inspect_image(&self, _: &str) -> Result<Option<Value>> {
        nothing()
    }
    async fn distribution(&self, _: &str, _: Option<&RegistryLogin>) -> Result<Value> {
        nothing()
    }
    async fn pull(
        &self,
        _: &str,
        _: Option<&str>,
        _: Option<&RegistryLogin>,
    ) -> Result<LocalBoxStream<'static, Result<PullProgress>>> {
        nothing()
    }
    async fn tag_image(&self, _: &str, _: &str, _: &str) -> Result<()> {
        nothing()
    }
    async fn remove_image(&self, _: &str) -> Result<()> {
        nothing()
    }
    async fn networks(&self, _: &[String]) -> Result<Vec<Value>> {
        nothing()
    }
    async fn create_network(&self, _: &Value) -> Result<String> {
        nothing()
    }
    async fn remove_network(&self, _: &str) -> Result<()> {
        nothing()
    }
    async fn connect_network(&self, _: &str, _: &str, _: &Value) -> Result<()> {
        nothing()
    }
    async fn disconnect_network(&self, _: &str, _: &str) -> Result<()> {
        nothing()
    }
    async fn inspect_volume(&self, _: &str) -> Result<Option<Value>> {
        nothing()
    }
    async fn volumes(&self, _: &[String]) -> Result<Vec<Value>> {
        nothing()
    }
    async fn create_volume(&self, _: &Value) -> Result<()> {
        nothing()
    }
    async fn remove_volume(&self, _: &str) -> Result<()> {
        nothing()
    }
    async fn events(&self, _: &[String]) -> Result<LocalBoxStream<'static, Result<EngineEvent>>> {
        nothing()
    }
}
