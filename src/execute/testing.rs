//! An engine in memory, as much of one as launching needs, that can be told to fail at its n-th request.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{LocalBoxStream, pending},
};
use serde_json::{Value, json};

use crate::{
    error::{Cause, Error, Result},
    world::{Clock, Engine, EngineEvent, PullProgress, RegistryLogin},
};

/// Time that stands still but for sleeping.
#[derive(Default)]
pub(crate) struct StillClock(Cell<Duration>);

#[async_trait(?Send)]
impl Clock for StillClock {
    fn now(&self) -> Duration {
        self.0.get()
    }

    async fn sleep(&self, wait: Duration) {
        // Others go first, so that a timer fires only when nothing else can happen.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.0.set(self.0.get() + wait);
    }
}

type Messages = Vec<Result<PullProgress>>;

#[derive(Default)]
pub(crate) struct MemoryEngine {
    pub(crate) containers: RefCell<BTreeMap<String, Value>>,
    pub(crate) images: RefCell<BTreeMap<String, Value>>,
    /// The platforms that registries have images for; where none are set, they do not answer.
    pub(crate) platforms: RefCell<BTreeMap<String, Value>>,
    /// What each pull says, and the image that is there afterwards.
    pub(crate) pulls: RefCell<Vec<(Messages, Option<(String, Value)>)>>,
    /// Events that each subscription delivers before it ends; the last one stays open.
    pub(crate) events: RefCell<Vec<Vec<EngineEvent>>>,
    /// Called before each inspection of a container, to let time change it.
    pub(crate) on_inspect: RefCell<Option<Box<dyn FnMut(&mut Value)>>>,
    /// Tar archives of what containers have, by path.
    pub(crate) files: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Requests, as `verb subject`.
    pub(crate) log: RefCell<Vec<String>>,
    /// The request that fails, counted from 1; it takes effect first where `after` is set.
    pub(crate) fail_at: Cell<Option<usize>>,
    pub(crate) fail_after: Cell<bool>,
    next: Cell<u64>,
}

impl MemoryEngine {
    /// Notes a request that changes something; it fails where told.
    fn call<T>(&self, what: String, effect: impl FnOnce() -> Result<T>) -> Result<T> {
        self.log.borrow_mut().push(what);
        let broken = || Error::new(Cause::EngineUnreachable, "the test cut this request off").transient();
        let hit = self.fail_at.get() == Some(self.log.borrow().len());
        if hit && !self.fail_after.get() {
            return Err(broken());
        }
        let result = effect();
        if hit { Err(broken()) } else { result }
    }

    fn missing(id: &str) -> Error {
        Error::new(Cause::EngineRefused, format!("no such container: {id}"))
    }

    fn change<T>(&self, id: &str, change: impl FnOnce(&mut Value) -> Result<T>) -> Result<T> {
        let mut all = self.containers.borrow_mut();
        let name = format!("/{id}");
        let found = all.values_mut().find(|c| c["Id"] == id || c["Name"] == name.as_str());
        change(found.ok_or_else(|| Self::missing(id))?)
    }

    pub(crate) fn count(&self) -> usize {
        self.log.borrow().len()
    }
}

fn matches(labels: &Value, wanted: &[String]) -> bool {
    wanted.iter().all(|label| match label.split_once('=') {
        Some((key, value)) => labels[key] == value,
        None => !labels[label.as_str()].is_null(),
    })
}

#[async_trait(?Send)]
impl Engine for MemoryEngine {
    async fn version(&self) -> Result<Value> {
        Ok(json!({ "ApiVersion": "1.41" }))
    }

    async fn info(&self) -> Result<Value> {
        Ok(json!({ "Architecture": "x86_64" }))
    }

    async fn containers(&self, labels: &[String]) -> Result<Vec<Value>> {
        let all = self.containers.borrow();
        let listed = all.values().filter(|c| matches(&c["Config"]["Labels"], labels)).map(|c| {
            let status = match c["State"]["Status"].as_str().unwrap_or_default() {
                "exited" => format!("Exited ({}) 2 minutes ago", c["State"]["ExitCode"]),
                other => other.to_owned(),
            };
            json!({
                "Id": c["Id"], "Names": [c["Name"]], "State": c["State"]["Status"], "Status": status,
                "Labels": c["Config"]["Labels"], "Mounts": c["Mounts"], "ImageID": c["Image"],
                "NetworkSettings": { "Networks": c["NetworkSettings"]["Networks"] },
            })
        });
        Ok(listed.collect())
    }

    async fn inspect_container(&self, id: &str) -> Result<Option<Value>> {
        if let Some(hook) = self.on_inspect.borrow_mut().as_mut() {
            self.containers.borrow_mut().values_mut().for_each(hook);
        }
        Ok(self.change(id, |c| Ok(c.clone())).ok())
    }

    async fn create_container(&self, name: &str, _: Option<&str>, body: &Value) -> Result<String> {
        self.call(format!("create {name}"), || {
            let path = format!("/{name}");
            if self.containers.borrow().values().any(|c| c["Name"] == path.as_str()) {
                return Err(Error::new(Cause::EngineRefused, format!("the name {name} is in use")));
            }
            self.next.set(self.next.get() + 1);
            let id = format!("{:064x}", self.next.get());
            let networks: BTreeMap<String, Value> = body["NetworkingConfig"]["EndpointsConfig"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| (name.clone(), json!({ "NetworkID": "" })))
                .collect();
            let mounts = body["HostConfig"]["Mounts"].as_array().into_iter().flatten().map(|m| {
                let name = m["Source"].as_str().map_or_else(|| format!("anonymous-{id}"), str::to_owned);
                json!({ "Type": m["Type"], "Name": name, "Destination": m["Target"], "RW": true })
            });
            let made = json!({
                "Id": id, "Name": path, "Image": body["Image"], "Config": body, "Mounts": mounts.collect::<Vec<_>>(),
                "State": { "Status": "created", "Running": false, "ExitCode": 0 }, "RestartCount": 0,
                "NetworkSettings": { "Networks": networks },
            });
            self.containers.borrow_mut().insert(id.clone(), made);
            Ok(id)
        })
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        self.call(format!("start {id}"), || {
            self.change(id, |c| {
                c["State"] = json!({ "Status": "running", "Running": true, "ExitCode": 0 });
                Ok(())
            })
        })
    }

    async fn wait_container(&self, id: &str) -> Result<i64> {
        self.call(format!("wait {id}"), || {
            self.change(id, |c| {
                c["State"] = json!({ "Status": "exited", "Running": false, "ExitCode": 0 });
                Ok(0)
            })
        })
    }

    async fn stop_container(&self, id: &str, _: Option<i64>) -> Result<()> {
        // Others may be stopped at the same time.
        tokio::task::yield_now().await;
        self.call(format!("stop {id}"), || {
            let _ = self.change(id, |c| {
                c["State"] = json!({ "Status": "exited", "Running": false, "ExitCode": 0 });
                Ok(())
            });
            Ok(())
        })
    }

    async fn remove_container(&self, id: &str, _: bool, _: bool) -> Result<()> {
        self.call(format!("remove {id}"), || {
            self.containers.borrow_mut().remove(id);
            Ok(())
        })
    }

    async fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        self.call(format!("rename {name}"), || {
            self.change(id, |c| {
                c["Name"] = format!("/{name}").into();
                Ok(())
            })
        })
    }

    async fn upload(&self, id: &str, _: &str, _: Vec<u8>, _: bool) -> Result<()> {
        self.call(format!("upload {id}"), || Ok(()))
    }

    async fn download(&self, _: &str, path: &str, _: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.files.borrow().get(path).cloned())
    }

    async fn logs(&self, _: &str, _: usize) -> Result<Vec<String>> {
        Ok(vec!["last words".to_owned()])
    }

    async fn exec(&self, id: &str, body: &Value, line: &mut dyn for<'l> FnMut(&'l str)) -> Result<i64> {
        line("output of a hook");
        let code = i64::from(body["Cmd"][0] == "false");
        self.call(format!("exec {id} {}", body["Cmd"][0].as_str().unwrap_or_default()), || Ok(code))
    }

    async fn inspect_image(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.images.borrow().get(name).cloned())
    }

    async fn distribution(&self, image: &str, _: Option<&RegistryLogin>) -> Result<Value> {
        self.platforms.borrow().get(image).cloned().ok_or_else(|| Error::new(Cause::EngineRefused, "no answer"))
    }

    async fn pull(
        &self,
        image: &str,
        _: Option<&str>,
        login: Option<&RegistryLogin>,
    ) -> Result<LocalBoxStream<'static, Result<PullProgress>>> {
        let user = login.map_or("nobody", |login| &login.user);
        self.log.borrow_mut().push(format!("pull {image} as {user}"));
        let (messages, after) = self.pulls.borrow_mut().remove(0);
        match after {
            Some((name, image)) => {
                self.images.borrow_mut().insert(name, image);
                Ok(futures_util::stream::iter(messages).boxed_local())
            }
            // Without an image at the end, it also has no end.
            None => Ok(futures_util::stream::iter(messages).chain(pending()).boxed_local()),
        }
    }

    async fn tag_image(&self, image: &str, repository: &str, tag: &str) -> Result<()> {
        self.call(format!("tag {image} {repository}:{tag}"), || Ok(()))
    }

    async fn remove_image(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn networks(&self, _: &[String]) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }

    async fn create_network(&self, _: &Value) -> Result<String> {
        Ok(String::new())
    }

    async fn remove_network(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn connect_network(&self, network: &str, container: &str, _: &Value) -> Result<()> {
        self.call(format!("connect {network}"), || {
            self.change(container, |c| {
                c["NetworkSettings"]["Networks"][network] = json!({ "NetworkID": "" });
                Ok(())
            })
        })
    }

    async fn disconnect_network(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    async fn inspect_volume(&self, _: &str) -> Result<Option<Value>> {
        Ok(None)
    }

    async fn volumes(&self, _: &[String]) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }

    async fn create_volume(&self, _: &Value) -> Result<()> {
        Ok(())
    }

    async fn remove_volume(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn events(&self, _: &[String]) -> Result<LocalBoxStream<'static, Result<EngineEvent>>> {
        self.log.borrow_mut().push("events".to_owned());
        let mut all = self.events.borrow_mut();
        let now = if all.is_empty() { Vec::new() } else { all.remove(0) };
        let stream = futures_util::stream::iter(now.into_iter().map(Ok));
        Ok(if all.is_empty() { stream.chain(pending()).boxed_local() } else { stream.boxed_local() })
    }
}

/// A project from the text of a compose file, named `demo`.
pub(crate) fn project(text: &str) -> crate::compose::Project {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("compose.yaml"), text).unwrap();
    let options = crate::compose::LoadOptions {
        working_dir: dir.path().to_owned(),
        project_name: Some("demo".to_owned()),
        environment: BTreeMap::from([("TOKEN".to_owned(), "s3cret".to_owned())]),
        ..Default::default()
    };
    let mut project = crate::compose::load(&crate::compose::Disk, &options).unwrap();
    // The folder is a new one each time.
    let here = dir.path().display().to_string();
    for volume in project.services.values_mut().flat_map(|s| &mut s.volumes) {
        volume.source = volume.source.replace(&here, "/project");
    }
    for file in project.secrets.values_mut().chain(project.configs.values_mut()) {
        file.file = file.file.replace(&here, "/project");
    }
    project.working_dir = "/project".into();
    project.compose_files = vec!["/project/compose.yaml".into()];
    project
}

/// What containers are made with in tests.
pub(crate) fn options(api: (u32, u32)) -> crate::plan::containers::Options<'static> {
    crate::plan::containers::Options {
        api: crate::world::ApiVersion(api.0, api.1),
        generation: crate::compose::Generation::Two,
        instance: Some("i-1".to_owned()),
        environment_files: Vec::new(),
        containers_dir: None,
        log_rotation: false,
        platform: None,
        mirrors: crate::manifest::extension::Mirrors::default(),
        proxies: BTreeMap::new(),
        key: crate::redact::Secret::new("key".to_owned()),
        secrets_dir: None,
        values: const { &BTreeMap::new() },
        fetched: {
            static FETCHED: std::sync::LazyLock<crate::plan::containers::Fetched> =
                std::sync::LazyLock::new(Default::default);
            &FETCHED
        },
        read: &|_| Ok(b"{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }".to_vec()),
        identify: &|_| Ok(Vec::new()),
    }
}

/// The memory engine as a shared one.
pub(crate) fn engine() -> Rc<MemoryEngine> {
    Rc::default()
}
