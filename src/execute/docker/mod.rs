//! The engine on this machine: found, else installed; its settings merged; started and waited for.

mod accepted;
mod daemon_json;
mod install;
mod key;
mod plugin;
mod start;

use std::{path::PathBuf, rc::Rc, time::Duration};

use futures_util::future::LocalBoxFuture;

use super::machine::{Machine, Outcome};
use crate::{
    error::{Cause, Error, Result},
    host::files,
    manifest::extension::{DockerSettings, Install},
    paths::Paths,
    retry::{Policy, Retry},
    world::{Engine, Web, World},
};

/// The engine as the manifest wants it on this machine.
pub struct Docker {
    settings: DockerSettings,
    machine: Machine,
    engine: Rc<dyn Engine>,
    web: Rc<dyn Web>,
    state: PathBuf,
    config: PathBuf,
    remote: bool,
    archive: Archive,
}

/// Fetches a static archive, only where the engine is absent.
pub type Archive = Box<dyn Fn(String) -> LocalBoxFuture<'static, Result<Vec<u8>>>>;

impl Docker {
    /// `settings` are those of the manifest, if it has any; `docker_host` is `DOCKER_HOST`.
    ///
    /// # Errors
    /// `manifest-invalid` where the manifest sets up an engine and `DOCKER_HOST` names another one.
    pub fn new(
        world: &World,
        retry: &Retry,
        paths: &Paths,
        settings: Option<DockerSettings>,
        docker_host: Option<&str>,
        archive: Archive,
    ) -> Result<Self> {
        let remote = is_remote(docker_host);
        if remote && settings.is_some() {
            let host = docker_host.unwrap_or_default();
            let message = format!("x-rolecall.host.docker cannot be applied: DOCKER_HOST names the engine at {host}");
            return Err(Error::new(Cause::ManifestInvalid, message).hint("remove the one or the other"));
        }
        Ok(Self {
            settings: settings.unwrap_or_default(),
            machine: Machine::new(world, retry),
            engine: world.engine.clone(),
            web: world.web.clone(),
            state: paths.state.join("docker"),
            config: paths.config.clone(),
            remote,
            archive,
        })
    }

    /// Whether there is nothing to do: the engine answers and has the settings of the manifest.
    pub async fn check(&self) -> Result<bool> {
        let settled = || -> Result<bool> {
            let pending = self.installing().exists() || self.old_file().exists();
            Ok(!pending && self.merged(false)?.is_none() && self.proxies_to_write()?.is_none())
        };
        Ok((self.remote || settled()?) && self.answers().await)
    }

    /// Installs, sets up and starts the engine, and waits until it answers.
    ///
    /// # Errors
    /// `docker-install`, `packages-failed`, `docker-config` (the old daemon.json is back), `engine-unreachable`.
    pub async fn apply(&self) -> Result<Outcome> {
        if self.remote {
            return self.wait_for_remote().await;
        }
        if self.installing().exists() || !self.present().await {
            return self.install().await;
        }
        let mut done = Vec::new();
        if let Some(text) = self.merged(false)? {
            self.accepts(&text).await?;
            self.keep_old_file()?;
            files::rewrite(&self.machine.path(daemon_json::PATH), text.as_bytes(), 0o644)?;
            done.push("daemon.json merged");
        }
        if let Some(text) = self.proxies_to_write()? {
            self.keep_old_file()?;
            files::write_atomic(&self.proxy_file(), text.as_bytes(), 0o600)?;
            done.push("proxies set");
        }
        // The old file is kept until the engine has come up with the new one: where it is still there, a restart
        // is due, also after a run that was cut in between.
        let restart = self.old_file().exists();
        if !restart && self.answers().await {
            return Ok(Outcome::Unchanged);
        }
        done.push(if restart { "engine restarted" } else { "engine started" });
        match self.start(restart).await {
            Ok(()) => files::remove(&self.old_file())?,
            Err(err) if restart => return Err(self.roll_back(err).await),
            Err(err) => return Err(err),
        }
        Ok(Outcome::Changed(done.join(", ")))
    }

    async fn wait_for_remote(&self) -> Result<Outcome> {
        let ask = async |_| self.engine.version().await.map_err(Error::transient);
        let policy = Policy::SERVICE.attempt_timeout(Some(Duration::from_secs(15))).budget(Duration::from_secs(120));
        self.machine.retry.run("reach the engine that DOCKER_HOST names", policy, ask).await?;
        Ok(Outcome::Unchanged)
    }

    /// Whether an engine is on this machine: its program, or something that answers on its socket.
    async fn present(&self) -> bool {
        self.machine.has("dockerd") || (self.machine.path("/run/docker.sock").exists() && self.answers().await)
    }

    /// Whether the engine answers within a moment. A socket that systemd holds for it accepts at once.
    async fn answers(&self) -> bool {
        let version = self.engine.version();
        self.machine.retry.bounded("ask the engine", Some(start::ANSWER), version).await.is_ok()
    }

    fn merged(&self, fresh: bool) -> Result<Option<String>> {
        let content = files::read(&self.machine.path(daemon_json::PATH))?;
        let text = content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        daemon_json::merge(text.as_deref(), &self.settings, fresh)
    }

    /// Stands while an installation is under way, so that one that was cut is taken up again.
    fn installing(&self) -> PathBuf {
        self.state.join("installing")
    }

    /// The daemon.json that the engine last came up with, while a new one is not proved; empty: there was none.
    fn old_file(&self) -> PathBuf {
        self.state.join("daemon.json.old")
    }

    fn keep_old_file(&self) -> Result<()> {
        if self.old_file().exists() {
            return Ok(());
        }
        let old = files::read(&self.machine.path(daemon_json::PATH))?.unwrap_or_default();
        files::write_atomic(&self.old_file(), &old, 0o600)
    }

    async fn roll_back(&self, err: Error) -> Error {
        let path = self.machine.path(daemon_json::PATH);
        let back = async {
            match files::read(&self.old_file())? {
                Some(old) if !old.is_empty() => files::rewrite(&path, &old, 0o644)?,
                _ => files::remove(&path)?,
            }
            self.start(true).await?;
            files::remove(&self.old_file())
        };
        let then = match back.await {
            Ok(()) => "its old file is back and it runs again".to_owned(),
            Err(again) => format!("with its old file neither: {}", again.message),
        };
        Error::new(
            Cause::DockerConfig,
            format!("the engine does not come up with the merged {}; {then}", path.display()),
        )
        // An engine that was only too slow may come up in time at another try.
        .class(err.class)
        .hint("correct x-rolecall.host.docker; the lines below are the engine's own")
        .output(err.output)
    }

    fn proxy_file(&self) -> PathBuf {
        self.config.join("dockerd.env")
    }
}

/// Whether `DOCKER_HOST` names another engine than that of this machine's own unit.
pub fn is_remote(docker_host: Option<&str>) -> bool {
    !matches!(docker_host, None | Some("" | "unix:///var/run/docker.sock" | "unix:///run/docker.sock"))
}
