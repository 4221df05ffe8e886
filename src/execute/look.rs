//! The engine that is launched on, and what containers get there besides their services.

use std::{
    collections::BTreeMap,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use futures_util::future::{join, try_join};
use serde_json::Value;

use crate::{
    compose::{Generation, Project},
    error::{Cause, Result},
    execute::{Context, client_config, compose_plugin, file_key},
    fetch::{Snapshot, project::Changes},
    host::files,
    manifest::{extension::Mirrors, prepare::Prepared},
    plan::containers::{Fetched, Options},
    redact::Secret,
    retry::Policy,
    world::ApiVersion,
};

/// Longest file that is read whole for a comparison, in bytes.
const READ_LIMIT: u64 = 64 * 1024 * 1024;

/// What is launched, and on what.
pub struct LaunchState {
    /// The project.
    pub project: Rc<Project>,
    /// The engine's answer to `GET /info`; null where none answers.
    pub info: Value,
    /// Whether containers whose service is gone are removed.
    pub remove_orphans: bool,
    /// Whether scripts run before the launch, whose work nobody can foresee.
    pub scripts_pending: bool,
    /// The instance that launches.
    pub instance: String,
    api: ApiVersion,
    generation: Generation,
    containers_dir: Option<PathBuf>,
    log_rotation: bool,
    mirrors: Mirrors,
    proxies: BTreeMap<String, String>,
    key: Secret<String>,
    secrets_dir: Option<PathBuf>,
    values: BTreeMap<String, Secret<String>>,
    fetched: Fetched,
    read: Box<dyn Fn(&Path) -> io::Result<Vec<u8>>>,
    identify: Box<dyn Fn(&Path) -> io::Result<Vec<u8>>>,
}

impl LaunchState {
    /// What containers are made with besides their services.
    pub fn options(&self) -> Options<'_> {
        Options {
            api: self.api,
            instance: Some(self.instance.clone()),
            environment_files: Vec::new(),
            generation: self.generation,
            containers_dir: self.containers_dir.clone(),
            log_rotation: self.log_rotation,
            platform: std::env::var("DOCKER_DEFAULT_PLATFORM").ok().filter(|p| !p.is_empty()),
            mirrors: self.mirrors.clone(),
            proxies: self.proxies.clone(),
            key: self.key.clone(),
            secrets_dir: self.secrets_dir.clone(),
            values: &self.values,
            fetched: &self.fetched,
            read: self.read.as_ref(),
            identify: self.identify.as_ref(),
        }
    }
}

/// What is to be launched.
pub struct Look<'a> {
    /// The project.
    pub project: &'a Rc<Project>,
    /// What it was made of.
    pub prepared: &'a Prepared,
    /// The instance that launches.
    pub instance: &'a str,
    /// What this run changes of the files of the project.
    pub changes: Changes,
    /// Whether nothing is done afterwards, as for `plan`: an engine that does not answer counts as empty, since there
    /// may be no Docker yet, and nothing is written.
    pub idle: bool,
    /// Whether containers whose service is gone are removed.
    pub remove_orphans: bool,
    /// Whether scripts have not run yet that a run starts before the launch.
    pub scripts_pending: bool,
}

/// Looks at the engine, and tells the steps of the run what they launch.
///
/// # Errors
/// The engine does not answer; the state folder cannot be written.
pub async fn look(cx: &Context, look: Look<'_>) -> Result<()> {
    let Look { project, prepared, instance, changes, idle, remove_orphans, scripts_pending } = look;
    let engine = cx.world.engine.as_ref();
    let ask = async |_| try_join(engine.version(), engine.info()).await;
    let answer = async {
        if idle {
            return Ok(ask(1).await.unwrap_or_default());
        }
        let policy = Policy::SERVICE.budget(Duration::from_secs(60));
        let answer = cx.retry.run("ask the engine what it is", policy, ask).await;
        answer.map_err(|err| err.instead_of_deadline(Cause::EngineUnreachable))
    };
    let (answer, generation) = join(answer, compose_plugin::generation(cx.world.host.as_ref())).await;
    let (version, info) = answer?;
    let has_files = !project.configs.is_empty() || !project.secrets.is_empty() || prepared.files.is_some();
    let project_files = prepared.files.as_ref().map(|snapshot| snapshot.files.clone()).unwrap_or_default();
    cx.launching(Rc::new(LaunchState {
        project: Rc::clone(project),
        api: ApiVersion::spoken(&version).unwrap_or(ApiVersion::NEWEST),
        remove_orphans,
        scripts_pending,
        instance: instance.to_owned(),
        generation,
        containers_dir: prepared.manifest.extension.host.containers_dir.clone(),
        log_rotation: needs_rotation(&info, cx.docker_host.is_none()),
        mirrors: prepared.manifest.extension.mirrors.clone(),
        proxies: client_config::proxies(cx.docker_host.as_deref()),
        key: file_key::read(&cx.paths, has_files && !idle)?,
        secrets_dir: mounts_ours(&info, cx.docker_host.as_deref()).then(|| cx.paths.secrets()),
        values: prepared.manifest.values.clone(),
        fetched: Fetched { dir: prepared.dir.clone(), files: project_files, changes },
        read: reader(prepared, |path| files::read_regular(path, READ_LIMIT)),
        identify: reader(prepared, identity),
        info,
    }));
    Ok(())
}

/// Reads files of the project as they are about to be: what was fetched may not stand in its place yet.
fn reader(
    prepared: &Prepared,
    on_disk: impl Fn(&Path) -> io::Result<Vec<u8>> + 'static,
) -> Box<dyn Fn(&Path) -> io::Result<Vec<u8>>> {
    let (dir, files): (PathBuf, Option<Rc<Snapshot>>) = (prepared.dir.clone(), prepared.files.clone());
    Box::new(move |path| {
        let relative = path.strip_prefix(&dir).ok().and_then(Path::to_str);
        let fetched = relative.zip(files.as_ref()).and_then(|(path, files)| files.read(path).ok().flatten());
        fetched.map_or_else(|| on_disk(path), Ok)
    })
}

/// The content of a file, or what changes with it if it is too large to be read at each run.
fn identity(path: &Path) -> io::Result<Vec<u8>> {
    match files::read_regular(path, READ_LIMIT) {
        Err(err) if err.kind() == io::ErrorKind::FileTooLarge => {
            let meta = path.metadata()?;
            let numbers = [meta.size(), meta.ino(), meta.mtime().cast_unsigned(), meta.mtime_nsec().cast_unsigned()];
            Ok(numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
        }
        read => read,
    }
}

/// Whether containers can read files of ours that they mount: the engine is on this machine, and neither gives users other
/// numbers in its containers nor asks for labels on files.
fn mounts_ours(info: &Value, docker_host: Option<&str>) -> bool {
    let here = docker_host.is_none_or(|host| host.starts_with("unix://"));
    let mut options = info["SecurityOptions"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let apart =
        |option: &str| ["name=rootless", "name=userns", "name=selinux"].iter().any(|name| option.starts_with(name));
    here && !options.any(apart)
}

/// Whether containers need log rotation of their own: the engine writes json files, and its own settings, where they
/// can be seen, do not rotate them.
fn needs_rotation(info: &Value, local: bool) -> bool {
    let driver = info["LoggingDriver"].as_str().unwrap_or("json-file");
    let read = || files::read_regular(Path::new("/etc/docker/daemon.json"), READ_LIMIT).unwrap_or_default();
    let text = if local { read() } else { Vec::new() };
    let settings: Value = serde_json::from_slice(&text).unwrap_or_default();
    driver == "json-file" && settings["log-opts"]["max-size"].is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_mounted_where_the_engine_can_read_them() {
        let table = [
            (None, json!(["name=seccomp,profile=builtin", "name=cgroupns"]), true),
            (Some("unix:///var/run/docker.sock"), json!([]), true),
            (None, json!(null), true),
            (Some("tcp://far:2375"), json!([]), false),
            (Some("ssh://far"), json!([]), false),
            (None, json!(["name=rootless"]), false),
            (None, json!(["name=userns"]), false),
            (None, json!(["name=selinux"]), false),
        ];
        for (host, options, wanted) in table {
            assert_eq!(mounts_ours(&json!({ "SecurityOptions": options }), host), wanted, "{host:?} {options}");
        }
    }
}
