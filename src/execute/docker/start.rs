//! Starting the engine and waiting for its socket, never for a job: inside a boot, a job may be queued behind
//! whoever waits for it.

use std::{path::Path, time::Duration};

use tracing::{info, warn};

use super::Docker;
use crate::{
    error::{Cause, Error, Result},
    host::{process, systemd},
    retry::{Policy, Schedule, seconds},
    world::Command,
};

pub(super) const UNIT: &str = "docker.service";
const SOCKET_UNIT: &str = "docker.socket";

/// Where an engine without a service manager writes to.
const LOG: &str = "/var/log/dockerd.log";

/// How long the engine may take to answer one question while it starts. An answer ends the wait at once, so that only a
/// slow machine waits for long; one that takes longer is asked again.
pub(super) const ANSWER: Duration = Duration::from_secs(15);

/// The longest wait between two questions, and what is left of the deadline when no other is asked.
const LOOK: Duration = Duration::from_secs(1);

/// How long a unit, or a process, may be neither running nor failed before that counts as a failure.
const SETTLE: Duration = Duration::from_secs(15);

/// How often the wait is told.
const SAY: Duration = Duration::from_secs(30);

/// How it goes with an engine that does not answer.
enum Progress {
    /// It may still come.
    Waiting(&'static str),
    /// It will not, and this is why.
    Over(Error),
}

impl Docker {
    /// Starts the engine, or restarts it where it runs, and waits until it answers.
    pub(super) async fn start(&self, restart: bool) -> Result<()> {
        let booted = systemd::running(self.machine.root());
        if booted {
            self.queue(restart).await?;
        } else {
            self.spawn(restart).await?;
        }
        let begin = self.machine.clock.now();
        let mut said = begin;
        let mut waits = Schedule::new(Duration::from_millis(200), LOOK);
        loop {
            // A restart is over when its job is: until then the old engine may be the one that answers.
            if !(booted && restart && self.queued().await?) && self.ready().await? {
                info!("the engine answers after {}", seconds(self.machine.clock.now() - begin));
                return Ok(());
            }
            let now = self.machine.clock.now();
            let progress = if booted { self.unit(now - begin).await? } else { self.process(now - begin) };
            let state = match progress {
                Progress::Over(err) => return Err(err),
                Progress::Waiting(state) => state,
            };
            if self.machine.retry.remaining().is_some_and(|left| left < LOOK) {
                let waited = seconds(now - begin);
                let message = format!("the engine did not answer within {waited}: {state}");
                return Err(Error::new(Cause::EngineUnreachable, message)
                    .transient()
                    .hint("see `systemctl list-jobs` and `journalctl -u docker`")
                    .output(self.last_lines(booted).await));
            }
            if now - said >= SAY {
                warn!("still waiting for the engine after {}: {state}", seconds(now - begin));
                said = now;
            }
            self.machine.clock.sleep(waits.next().unwrap_or(LOOK)).await;
        }
    }

    /// Whether the engine answers. An answer that is a refusal will not change by waiting.
    async fn ready(&self) -> Result<bool> {
        match self.machine.retry.bounded("ask the engine", Some(ANSWER), self.engine.version()).await {
            Ok(_) => Ok(true),
            Err(err) if matches!(err.cause, Cause::EngineUnreachable | Cause::Deadline) => Ok(false),
            Err(err) => Err(err),
        }
    }

    async fn queue(&self, restart: bool) -> Result<()> {
        let manager = self.machine.systemd();
        let state = manager.state(UNIT).await?;
        if !state.exists() {
            let message = format!("there is an engine, but its unit {UNIT} is {}", state.load);
            return Err(Error::new(Cause::EngineUnreachable, message).hint(match state.load.as_str() {
                "masked" => "unmask it with `systemctl unmask docker.service docker.socket`",
                _ => "start it by hand, or remove x-rolecall.host.docker so that it is left alone",
            }));
        }
        // A socket that failed with its service takes no connections until it is told to.
        if manager.state(SOCKET_UNIT).await?.active == "failed" {
            manager.reset_failed(SOCKET_UNIT).await?;
        }
        if restart {
            return manager.restart(UNIT).await;
        }
        // What is so already, or is about to be, is not asked for.
        if state.queued || matches!(state.active.as_str(), "active" | "activating") {
            return Ok(());
        }
        manager.reset_failed(UNIT).await?;
        manager.start(UNIT).await
    }

    async fn queued(&self) -> Result<bool> {
        Ok(self.machine.systemd().state(UNIT).await?.queued)
    }

    async fn unit(&self, waited: Duration) -> Result<Progress> {
        let state = self.machine.systemd().state(UNIT).await?;
        Ok(match state.active.as_str() {
            _ if state.queued => Progress::Waiting("docker.service is queued to start"),
            "failed" => Progress::Over(self.failed(&format!("docker.service failed ({})", state.result)).await),
            "inactive" if waited > SETTLE => {
                Progress::Over(self.failed("docker.service is not running, and nothing is queued to start it").await)
            }
            "active" => Progress::Waiting("docker.service runs, but its socket does not answer"),
            _ => Progress::Waiting("docker.service is starting"),
        })
    }

    async fn failed(&self, message: &str) -> Error {
        Error::new(Cause::EngineUnreachable, message)
            .hint("see `journalctl -u docker -b`")
            .output(self.last_lines(true).await)
    }

    async fn spawn(&self, restart: bool) -> Result<()> {
        let mut argv = vec!["dockerd".to_owned()];
        let running = process::named(Path::new("/proc"), "dockerd");
        if restart {
            for pid in &running {
                argv = process::arguments(Path::new("/proc"), *pid);
                process::terminate(*pid)?;
            }
            let gone = async |_| {
                let left = process::named(Path::new("/proc"), "dockerd");
                if left.is_empty() {
                    return Ok(());
                }
                Err(Error::new(Cause::EngineUnreachable, format!("dockerd (pid {}) does not end", left[0])).transient())
            };
            let policy = Policy { cap: Duration::from_secs(1), ..Policy::SERVICE }.budget(Duration::from_secs(60));
            self.machine.retry.run("stop the engine", policy, gone).await?;
        } else if !running.is_empty() {
            return Ok(());
        }
        self.machine.host.spawn_detached(&Command::new(argv), &self.machine.path(LOG)).await
    }

    fn process(&self, waited: Duration) -> Progress {
        if waited < SETTLE || !process::named(Path::new("/proc"), "dockerd").is_empty() {
            return Progress::Waiting("dockerd is starting");
        }
        Progress::Over(
            Error::new(Cause::EngineUnreachable, "dockerd has ended")
                .hint(format!("see {LOG}"))
                .output(last_of(&self.machine.path(LOG))),
        )
    }

    async fn last_lines(&self, booted: bool) -> Vec<String> {
        if booted { self.machine.systemd().last_lines(UNIT).await } else { last_of(&self.machine.path(LOG)) }
    }
}

/// The last lines of a log file; none where it cannot be read.
fn last_of(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].iter().map(ToString::to_string).collect()
}
