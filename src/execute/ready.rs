//! Readiness, driven by the engine's events; only where none come for a while are the containers looked at without one.
//!
//! First the events are subscribed to, then each container is looked at, then again whenever something happens to it. A
//! stream that breaks is taken up again, and everything is looked at once more.
//!
//! Without a health check a container is ready once it has been up for a while without a restart; with one, once the
//! engine finds it healthy, or its check passes when it is [asked](check). At the end of a run all are
//! [looked at once more](Ready::confirm): until then one that was ready may have ended.

mod check;
mod verdict;
mod watched;

use std::{cell::RefCell, time::Duration};

use futures_util::{
    StreamExt,
    future::{Either, LocalBoxFuture, join_all, pending, select},
    stream::LocalBoxStream,
};
use jiff::Timestamp;
use serde_json::Value;
use tracing::{info, warn};

use crate::{
    error::{Cause, Error, Result},
    execute::containers::TAIL,
    plan::{Until, containers::Goal, labels, reconcile::Step},
    retry::{Policy, Retry, Schedule, seconds},
    world::{Clock, Engine, EngineEvent},
};
pub use verdict::Condition;
use verdict::Verdict;
pub use watched::Observed;
use watched::Watched;

/// A stream of events that has died says nothing, like one where nothing happens.
const QUIET: Duration = Duration::from_secs(15);

/// How long the last lines of a container are waited for.
const TAIL_PATIENCE: Duration = Duration::from_secs(5);

/// A container that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: String,
    /// Its service.
    pub service: String,
    /// Whether it may end with 0.
    pub job: bool,
    /// What is waited for.
    pub until: Until,
    /// How long it has to be up if it has no health check.
    pub stable: Duration,
    /// Whether somebody else made it, so that no journal knows how it ended.
    pub foreign: bool,
}

impl Target {
    /// A container that has to become what its service is for.
    pub fn goal(step: &Step, id: &str, stable: Duration) -> Self {
        let desired = &step.desired;
        let until = match desired.goal {
            Goal::Serving => Until::Serving,
            Goal::Completed => Until::Completed,
        };
        let foreign = step.existing.as_ref().is_some_and(|existing| !existing.is_managed());
        Self {
            id: id.to_owned(),
            name: desired.name.clone(),
            project: desired.project.clone(),
            service: desired.service.clone(),
            job: desired.job,
            until,
            stable,
            foreign,
        }
    }
}

/// A container that is what was waited for.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The container.
    pub target: Target,
    /// What it has become.
    pub condition: Condition,
    /// When it was started, as the engine writes it.
    started: String,
    /// How often the engine had restarted it.
    restarts: u64,
    /// When it was found so.
    at: Timestamp,
}

/// Waits for containers.
pub struct Ready<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// Time.
    pub clock: &'a dyn Clock,
    /// For requests that fail on the way.
    pub retry: &'a Retry,
    /// The project, whose events are followed.
    pub project: &'a str,
}

impl Ready<'_> {
    /// Waits until all containers are what is waited for.
    ///
    /// # Errors
    /// At once `container-failed` when one cannot become it any more, with its last output. When time is up
    /// `container-unhealthy` if a health check fails, with the output of that, else `ready-timeout`.
    pub async fn wait(&self, targets: Vec<Target>, timeout: Option<Duration>) -> Result<Vec<Reached>> {
        self.watch(targets.into_iter().map(Watched::new).collect(), timeout).await
    }

    /// Looks once more at containers that were ready, and waits for those that have been restarted since.
    ///
    /// # Errors
    /// As [`Ready::wait`], with the step that had found the container ready.
    pub async fn confirm(
        &self,
        reached: Vec<Reached>,
        observed: &RefCell<Observed>,
        timeout: Option<Duration>,
    ) -> Result<Vec<Reached>> {
        let look = async |reached: Reached| {
            let mut watched = Watched::again(reached, &observed.borrow());
            let service = watched.target.service.clone();
            let found = self.judge(&mut watched).await.map_err(|err| err.step(format!("ready:{service}")))?;
            Ok::<_, Error>(found.ok_or(watched))
        };
        let looks = join_all(reached.into_iter().map(look)).await;
        let (mut done, mut open) = (Vec::new(), Vec::new());
        for look in looks {
            match look? {
                Ok(reached) => done.push(reached),
                Err(watched) => open.push(watched),
            }
        }
        if let Some(first) = open.first() {
            let step = format!("ready:{}", first.target.service);
            let names: Vec<&str> = open.iter().map(|watched| watched.target.name.as_str()).collect();
            warn!("no longer ready, waiting once more: {}", names.join(", "));
            done.extend(self.watch(open, timeout).await.map_err(|err| err.step(step))?);
        }
        Ok(done)
    }

    async fn watch(&self, all: Vec<Watched>, timeout: Option<Duration>) -> Result<Vec<Reached>> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let (open, done) = (RefCell::new(all), RefCell::default());
        let limit: LocalBoxFuture<()> = match timeout {
            Some(timeout) => self.clock.sleep(timeout),
            None => Box::pin(pending()),
        };
        let work = std::pin::pin!(self.follow(&open, &done));
        match select(work, limit).await {
            Either::Left((result, _)) => result.map(|()| done.take()),
            Either::Right(_) => {
                let open = open.take();
                Err(self.late(&open, timeout.unwrap_or_default()).await)
            }
        }
    }

    async fn follow(&self, open: &RefCell<Vec<Watched>>, done: &RefCell<Vec<Reached>>) -> Result<()> {
        let mut waits = Schedule::new(Duration::from_secs(1), Duration::from_secs(20));
        loop {
            // Also of those that Docker Compose made and that stand in for ours.
            let filter = vec![format!("{}={}", labels::PROJECT, self.project)];
            let mut events = self
                .retry
                .run("follow the engine's events", Policy::SERVICE, async |_| self.engine.events(&filter).await)
                .await?;
            match self.listen(&mut events, open, done).await? {
                None => return Ok(()),
                Some(why) => warn!("the engine's events broke off, taking them up again: {why}"),
            }
            // An engine that stops has its containers stop after it has hung up.
            open.borrow_mut().iter_mut().for_each(Watched::unseen);
            self.clock.sleep(waits.next().unwrap_or(Duration::from_secs(1))).await;
        }
    }

    /// Looks at all, then at those that something happens to; `None` when all are done, else why the events ended.
    async fn listen(
        &self,
        events: &mut LocalBoxStream<'static, Result<EngineEvent>>,
        open: &RefCell<Vec<Watched>>,
        done: &RefCell<Vec<Reached>>,
    ) -> Result<Option<String>> {
        self.look(open, done, None).await?;
        while !open.borrow().is_empty() {
            let quiet = self.clock.now() + QUIET;
            let again = open.borrow().iter().filter_map(|w| w.again).min().map_or(quiet, |at| at.min(quiet));
            let timer = self.clock.sleep(again.saturating_sub(self.clock.now()));
            match select(events.next(), timer).await {
                Either::Left((Some(Ok(event)), _)) => self.look(open, done, Some(&event)).await?,
                Either::Left((Some(Err(err)), _)) => return Ok(Some(err.message)),
                Either::Left((None, _)) => return Ok(Some("the stream ended".to_owned())),
                Either::Right(_) => self.look(open, done, None).await?,
            }
        }
        Ok(None)
    }

    /// Looks at the container of an event, or at all.
    async fn look(
        &self,
        open: &RefCell<Vec<Watched>>,
        done: &RefCell<Vec<Reached>>,
        event: Option<&EngineEvent>,
    ) -> Result<()> {
        let mut all = open.take();
        let mut result = Ok(());
        let mut left = Vec::with_capacity(all.len());
        for mut watched in all.drain(..) {
            if result.is_err() || event.is_some_and(|event| event.container != watched.target.id) {
                left.push(watched);
                continue;
            }
            if let Some(event) = event {
                watched.note(&event.action);
            }
            match self.judge(&mut watched).await {
                Ok(Some(reached)) => {
                    let name = &watched.target.name;
                    info!(container = name, "{name} {}", reached.condition.phrase());
                    done.borrow_mut().push(reached);
                }
                Ok(None) => left.push(watched),
                Err(err) => {
                    left.push(watched);
                    result = Err(err);
                }
            }
        }
        open.replace(left);
        result
    }

    /// Whether a container is what is waited for.
    async fn judge(&self, watched: &mut Watched) -> Result<Option<Reached>> {
        let target = watched.target.clone();
        let what = format!("inspect {}", target.name);
        let there =
            self.retry.run(&what, Policy::SERVICE, async |_| self.engine.inspect_container(&target.id).await).await?;
        let there = there.unwrap_or(Value::Null);
        let verdict = verdict::of(&there, &target, watched.history(&there, self.clock.now()));
        let condition = match verdict {
            Verdict::Ready(condition) => condition,
            Verdict::Failed(cause, why) => {
                let output = self.tail(&target.id).await;
                let was = if watched.was_ready() { "was ready, and then " } else { "" };
                let error = Error::new(cause, format!("container {} {was}{why}", target.name)).output(output);
                return Err(error.hint(verdict::advice(&there, cause, &target.name)));
            }
            Verdict::Waiting { why, again, unhealthy } => {
                let awaits_health = check::status(&there["State"]) != "none" && target.until != Until::Completed;
                let answer = if awaits_health && there["State"]["Status"] == "running" {
                    watched.asking.ask(self.engine, self.clock, &there).await
                } else {
                    check::Answer::default()
                };
                if !answer.passed {
                    watched.wait(&there, (why, unhealthy), answer.output);
                    watched.again = again.or(answer.again).map(|wait| self.clock.now() + wait);
                    return Ok(None);
                }
                Condition::Healthy
            }
        };
        Ok(Some(watched.reached(&there, condition)))
    }

    /// The last lines of a container; an engine that does not answer must not hold the verdict.
    async fn tail(&self, id: &str) -> Vec<String> {
        match select(self.engine.logs(id, TAIL), self.clock.sleep(TAIL_PATIENCE)).await {
            Either::Left((lines, _)) => lines.unwrap_or_default(),
            Either::Right(_) => Vec::new(),
        }
    }

    async fn late(&self, open: &[Watched], timeout: Duration) -> Error {
        let told: Vec<String> = open.iter().map(|w| format!("{} {}", w.target.name, w.why)).collect();
        let message = format!("not ready within {}: {}", seconds(timeout), told.join(", "));
        let unhealthy = open.iter().find(|watched| watched.unhealthy);
        let mut output = Vec::new();
        if let Some(first) = unhealthy.or(open.first()) {
            output.extend(first.check.iter().map(|line| format!("health check: {line}")));
            output.extend(self.tail(&first.target.id).await);
        }
        let Some(unhealthy) = unhealthy else { return Error::new(Cause::ReadyTimeout, message).output(output) };
        let cause = Cause::ContainerUnhealthy;
        Error::new(cause, message).output(output).hint(verdict::advice(&Value::Null, cause, &unhealthy.target.name))
    }
}

#[cfg(test)]
mod tests;
