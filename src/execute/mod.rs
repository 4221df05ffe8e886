//! Carrying out a plan: steps that do not need each other run at the same time, each under the journal.
//!
//! A step is first checked: one that is already done leaves no trace. Otherwise its intent is on the disk before it
//! changes anything, and its end after. When a step fails, what does not need it still goes on, so that one missing
//! image does not keep the other services of a host down; the run then ends with the first failure.

pub mod baked;
mod client_config;
mod compose_plugin;
mod container_user;
pub mod containers;
pub mod context;
pub mod credentials;
pub mod docker;
mod dropped_volumes;
mod evidence;
mod file_key;
pub mod foreign;
pub mod host_files;
mod host_folders;
mod host_logins;
pub mod images;
pub mod journal;
pub mod launch;
pub mod lifecycle;
pub mod look;
pub mod machine;
mod mounted;
pub mod others;
pub mod packages;
pub mod perform;
pub mod readiness;
pub mod ready;
pub mod remembered;
pub mod resources;
pub mod script;
pub mod seal;
pub mod secrets;
pub mod stop;
pub mod stopped;
#[cfg(test)]
pub(crate) mod testing;
pub mod units;
mod upload;

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tracing::{error, info};

pub use context::{Context, Progress};
pub use machine::Outcome;

use crate::{
    error::{Error, Exit, Result},
    execute::journal::Event,
    plan::{Plan, Step},
    retry::seconds,
};

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Steps that changed something.
    pub changed: usize,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.changed += other.changed;
    }
}

/// Carries out the plan.
///
/// # Errors
/// The first failure for which trying again helps, else the first, once everything that does not depend on it has ended.
pub async fn run(plan: &Plan, cx: &Context) -> Result<Summary> {
    let mut walk = plan.graph.walk();
    let mut running = FuturesUnordered::new();
    let mut summary = Summary::default();
    let mut failure: Option<Error> = None;
    cx.tell(Progress::Steps(plan.steps.len()));
    loop {
        while let Some(index) = walk.take() {
            running.push(async move { (index, step(cx, &plan.steps[index]).await) });
        }
        let Some((index, result)) = running.next().await else { break };
        let name = plan.steps[index].name.clone();
        match result {
            Ok(outcome) => {
                let changed = outcome != Outcome::Unchanged;
                summary.changed += usize::from(changed);
                walk.done(index);
                cx.tell(Progress::Ended { name, changed });
            }
            Err(err) => {
                error!(step = name, cause = err.cause.code(), "{err}");
                walk.failed(index);
                cx.tell(Progress::Failed(name));
                // As long as one of several failures can get better, the run is worth another try; what cannot is the
                // verdict once it is all that is left.
                let better = failure.as_ref().is_some_and(|first| first.exit() != Exit::Unreachable);
                if failure.is_none() || (better && err.exit() == Exit::Unreachable) {
                    failure = Some(err);
                }
            }
        }
    }
    let Some(err) = failure else { return Ok(summary) };
    let lost: Vec<&str> = walk.lost().iter().map(|index| plan.steps[*index].name.as_str()).collect();
    if !lost.is_empty() {
        error!("not begun, since they need what failed: {}", lost.join(", "));
    }
    Err(err)
}

async fn step(cx: &Context, step: &Step) -> Result<Outcome> {
    checked(cx, step).await.map_err(|err| err.step(&step.name))
}

async fn checked(cx: &Context, step: &Step) -> Result<Outcome> {
    let start = cx.world.clock.now();
    if cx.retry.bounded("look whether it is done", Some(step.deadline), perform::check(cx, step)).await? {
        return Ok(Outcome::Unchanged);
    }
    cx.tell(Progress::Begun(step.name.clone()));
    let silent = step.action.is_wait();
    let attempt = cx.attempt(&step.id);
    if !silent {
        info!(step = step.name, "{}: {}", step.name, step.describe());
        cx.intend(step)?;
    }
    let limit = cx.retry.within(step.deadline);
    // Boxed: it is awaited in two places, and would stand twice in the binary.
    let work = Box::pin(perform::apply(cx, &limit, step, attempt));
    let result = if step.action.keeps_time() {
        work.await
    } else {
        limit.backstop().bounded(&step.describe(), None, work).await
    };
    let took = cx.world.clock.now().saturating_sub(start);
    record(cx, step, silent, result, took)
}

fn record(cx: &Context, step: &Step, silent: bool, result: Result<Outcome>, took: Duration) -> Result<Outcome> {
    let (id, name) = (step.id.clone(), step.name.clone());
    match result {
        Ok(outcome) => {
            let what = match &outcome {
                Outcome::Changed(what) => what.clone(),
                // Not the word of version 0.1.0, for which a one-shot was ready also if it was stopped.
                Outcome::Unchanged if silent => "done".to_owned(),
                Outcome::Unchanged => "nothing to do".to_owned(),
            };
            if !silent {
                info!(step = name, "{name}: {what} in {}", seconds(took));
            }
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            cx.journal(Event::Done { step: id, name, what, ms }, !silent);
            Ok(outcome)
        }
        Err(err) => {
            let (cause, message) = (err.cause.code().to_owned(), err.message.clone());
            cx.journal(Event::Failed { step: id, name, cause, message }, true);
            Err(err)
        }
    }
}
