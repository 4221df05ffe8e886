//! A container that is waited for, with its history since it is watched.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Reached, Target, check,
    check::Asking,
    verdict::{Condition, History},
};
use crate::world::EngineEvent;

/// What happened to containers while steps were carried out.
#[derive(Debug, Default)]
pub struct Observed {
    /// Ids of those that were told to stop and have not been started since.
    stopped: BTreeSet<String>,
    /// Times after which nothing was seen for a while.
    gaps: Vec<Timestamp>,
}

impl Observed {
    /// Notes an event.
    pub fn note(&mut self, event: &EngineEvent) {
        match event.action.as_str() {
            "kill" => _ = self.stopped.insert(event.container.clone()),
            "start" | "restart" => _ = self.stopped.remove(&event.container),
            _ => {}
        }
    }

    /// Notes that the events broke off.
    pub fn gap(&mut self) {
        self.gaps.push(Timestamp::now());
    }
}

/// A container that is waited for.
pub(super) struct Watched {
    pub(super) target: Target,
    /// When its health check is asked.
    pub(super) asking: Asking,
    /// Why it is not ready.
    pub(super) why: String,
    /// Whether its health check fails.
    pub(super) unhealthy: bool,
    /// The last output of its health check.
    pub(super) check: Vec<String>,
    /// When it is looked at again, although nothing happens.
    pub(super) again: Option<Duration>,
    /// Restarts when it was first looked at: what happened before is another run's.
    restarts: Option<u64>,
    /// Its present start, when that was first seen, and how long it had been up then.
    up: (String, Duration, Duration),
    /// Its start when it was ready, if it was.
    ready: Option<String>,
    /// Whether it was told to stop.
    stopped: bool,
    /// An end after this time was not seen as it happened.
    unseen: Option<Timestamp>,
}

impl Watched {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            asking: Asking::default(),
            why: "was not looked at yet".to_owned(),
            unhealthy: false,
            check: Vec::new(),
            again: None,
            restarts: None,
            up: (String::new(), Duration::MAX, Duration::ZERO),
            ready: None,
            stopped: false,
            unseen: None,
        }
    }

    /// One that was ready, and what was observed since.
    pub(super) fn again(reached: Reached, observed: &Observed) -> Self {
        let Reached { target, started, restarts, at, .. } = reached;
        let stopped = observed.stopped.contains(&target.id);
        let unseen = observed.gaps.iter().find(|gap| **gap >= at).copied();
        Self { restarts: Some(restarts), ready: Some(started), stopped, unseen, ..Self::new(target) }
    }

    pub(super) fn was_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// What is known of it besides the engine's answer. Its time is measured from the start that the engine names; the
    /// wall clock, which is set at boot, is read once for each start.
    pub(super) fn history(&mut self, there: &Value, now: Duration) -> History {
        let state = &there["State"];
        let time = |key: &str| state[key].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let between = |from: Timestamp, to: Timestamp| Duration::try_from(to.duration_since(from)).unwrap_or_default();
        let count = there["RestartCount"].as_u64().unwrap_or_default();
        let restarts = count.saturating_sub(*self.restarts.get_or_insert(count));
        let started = state["StartedAt"].as_str().unwrap_or_default();
        if self.up.0 != started || self.up.1 == Duration::MAX {
            let age = time("StartedAt").map(|at| between(at, Timestamp::now())).unwrap_or_default();
            self.up = (started.to_owned(), now, age);
        }
        let earlier = self.ready.as_deref().filter(|ready| *ready != started);
        let lives = earlier.map(|ready| {
            let whole = ready.parse().ok().zip(time("FinishedAt")).map(|(from, to)| between(from, to));
            whole.unwrap_or_default() / u32::try_from(restarts).unwrap_or(u32::MAX).max(1)
        });
        if state["Running"] == true {
            // Its end is still to come, and will be seen.
            self.unseen = None;
        }
        let unseen = self.unseen.zip(time("FinishedAt")).is_some_and(|(since, ended)| ended >= since);
        let up = now.saturating_sub(self.up.1) + self.up.2;
        History { restarts, up, lives, stopped: self.stopped || unseen }
    }

    /// Notes an event.
    pub(super) fn note(&mut self, action: &str) {
        match action {
            "kill" => self.stopped = true,
            "start" | "restart" => self.stopped = false,
            _ => {}
        }
    }

    /// Notes that from now on it is not seen what happens to it.
    pub(super) fn unseen(&mut self) {
        self.unseen.get_or_insert_with(Timestamp::now);
    }

    /// Notes why it is not ready; `asked` is the output of its check if the run asked it.
    pub(super) fn wait(&mut self, there: &Value, (why, unhealthy): (String, bool), asked: Vec<String>) {
        (self.why, self.unhealthy) = (why, unhealthy);
        let own = check::output(&there["State"]);
        if let (true, Some(line)) = (own.is_empty(), asked.first()) {
            self.why = format!("{}: {}", self.why, line.trim_start());
        }
        if !own.is_empty() || !asked.is_empty() {
            self.check = if own.is_empty() { asked } else { own };
        }
    }

    /// It is ready.
    pub(super) fn reached(&self, there: &Value, condition: Condition) -> Reached {
        let started = there["State"]["StartedAt"].as_str().unwrap_or_default().to_owned();
        let restarts = there["RestartCount"].as_u64().unwrap_or_default();
        Reached { target: self.target.clone(), condition, started, restarts, at: Timestamp::now() }
    }
}
