//! Readiness, driven by the engine's events; only where none come for a while are the containers looked at without one.
//!
//! First the events are subscribed to, then each container is looked at, then again whenever something happens to it. A
//! stream that breaks is taken up again, and everything is looked at once more.

mod verdict;

use std::{cell::RefCell, time::Duration};

use futures_util::{
    StreamExt,
    future::{Either, LocalBoxFuture, pending, select},
    stream::LocalBoxStream,
};
use serde_json::Value;
use tracing::{info, warn};

use crate::{
    error::{Cause, Error, Result},
    execute::containers::TAIL,
    plan::{
        Until,
        containers::{Desired, Goal},
        labels,
    },
    retry::{Policy, Retry, Schedule, seconds},
    world::{Clock, Engine, EngineEvent},
};
use verdict::Verdict;

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
    /// Whether it may end with 0.
    pub job: bool,
    /// What is waited for.
    pub until: Until,
}

impl Target {
    /// A container that has to become what its service is for.
    pub fn goal(desired: &Desired, id: &str) -> Self {
        let until = match desired.goal {
            Goal::Serving => Until::Serving,
            Goal::Completed => Until::Completed,
        };
        Self { id: id.to_owned(), name: desired.name.clone(), job: desired.job, until }
    }
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
    /// At once `container-failed` or `container-unhealthy` when one cannot become it any more, and `ready-timeout` when
    /// time is up, with the container's last output.
    pub async fn wait(&self, targets: Vec<Target>, timeout: Option<Duration>) -> Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        let open = RefCell::new(targets.into_iter().map(Watched::new).collect::<Vec<_>>());
        let limit: LocalBoxFuture<()> = match timeout {
            Some(timeout) => self.clock.sleep(timeout),
            None => Box::pin(pending()),
        };
        let work = std::pin::pin!(self.follow(&open));
        match select(work, limit).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let open = open.take();
                Err(self.late(&open, timeout.unwrap_or_default()).await)
            }
        }
    }

    async fn follow(&self, open: &RefCell<Vec<Watched>>) -> Result<()> {
        let mut waits = Schedule::new(Duration::from_secs(1), Duration::from_secs(20));
        loop {
            // Also of those that Docker Compose made and that stand in for ours.
            let filter = vec![format!("{}={}", labels::PROJECT, self.project)];
            let mut events = self
                .retry
                .run("follow the engine's events", Policy::SERVICE, async |_| self.engine.events(&filter).await)
                .await?;
            match self.listen(&mut events, open).await? {
                None => return Ok(()),
                Some(why) => warn!("the engine's events broke off, taking them up again: {why}"),
            }
            self.clock.sleep(waits.next().unwrap_or(Duration::from_secs(1))).await;
        }
    }

    /// Looks at all, then at those that something happens to; `None` when all are done, else why the events ended.
    async fn listen(
        &self,
        events: &mut LocalBoxStream<'static, Result<EngineEvent>>,
        open: &RefCell<Vec<Watched>>,
    ) -> Result<Option<String>> {
        self.look(open, None).await?;
        while !open.borrow().is_empty() {
            let quiet = self.clock.now() + QUIET;
            let again = open.borrow().iter().filter_map(|w| w.again).min().map_or(quiet, |at| at.min(quiet));
            let timer = self.clock.sleep(again.saturating_sub(self.clock.now()));
            match select(events.next(), timer).await {
                Either::Left((Some(Ok(event)), _)) => self.look(open, Some(&event.container)).await?,
                Either::Left((Some(Err(err)), _)) => return Ok(Some(err.message)),
                Either::Left((None, _)) => return Ok(Some("the stream ended".to_owned())),
                Either::Right(_) => self.look(open, None).await?,
            }
        }
        Ok(None)
    }

    /// Looks at one container, or at all.
    async fn look(&self, open: &RefCell<Vec<Watched>>, only: Option<&str>) -> Result<()> {
        let mut all = open.take();
        let mut result = Ok(());
        let mut left = Vec::with_capacity(all.len());
        for mut watched in all.drain(..) {
            if result.is_err() || only.is_some_and(|id| id != watched.target.id) {
                left.push(watched);
                continue;
            }
            match self.judge(&mut watched).await {
                Ok(true) => {
                    info!(container = watched.target.name, "{} {}", watched.target.name, reached(&watched.target));
                }
                Ok(false) => left.push(watched),
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
    async fn judge(&self, watched: &mut Watched) -> Result<bool> {
        let target = &watched.target;
        let what = format!("inspect {}", target.name);
        let there =
            self.retry.run(&what, Policy::SERVICE, async |_| self.engine.inspect_container(&target.id).await).await?;
        let there = there.unwrap_or(Value::Null);
        let restarts = there["RestartCount"].as_u64().unwrap_or_default();
        let before = *watched.restarts.get_or_insert(restarts);
        watched.again = None;
        match verdict::of(&there, target, restarts.saturating_sub(before), jiff::Timestamp::now()) {
            Verdict::Ready => Ok(true),
            Verdict::Waiting { why, again } => {
                watched.why = why;
                watched.again = again.map(|wait| self.clock.now() + wait);
                Ok(false)
            }
            Verdict::Failed(cause, why) => {
                let output = self.tail(&target.id).await;
                Err(Error::new(cause, format!("container {} {why}", target.name)).output(output))
            }
        }
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
        let output = match open.first() {
            Some(first) => self.tail(&first.target.id).await,
            None => Vec::new(),
        };
        Error::new(Cause::ReadyTimeout, message).output(output)
    }
}

struct Watched {
    target: Target,
    /// Restarts when it was first looked at: what happened before is another run's.
    restarts: Option<u64>,
    why: String,
    /// When it is looked at again, although nothing happens.
    again: Option<Duration>,
}

impl Watched {
    fn new(target: Target) -> Self {
        Self { target, restarts: None, why: "was not looked at yet".to_owned(), again: None }
    }
}

fn reached(target: &Target) -> &'static str {
    match target.until {
        Until::Serving => "is ready",
        Until::Healthy => "is healthy",
        Until::Completed => "has completed",
    }
}

#[cfg(test)]
mod tests;
