//! Lifecycle hooks of an Auto Scaling group: an instance goes into service once its run is ready, is given up once its
//! run has failed for good, and is terminated once its containers have stopped.
//!
//! No event tells an instance what its group wants of it, so metadata is asked again and again. Nothing is remembered:
//! what was answered before a restart is answered once more, and then no action waits for it any more.

mod action;
pub mod unit;

use std::{pin::pin, rc::Rc, time::Duration};

use futures_util::future::{Either, select};
use tracing::{info, warn};

use crate::{
    error::Result,
    facts::group::{self, Member},
    retry::Retry,
    settings::Hooks,
    world::{Verdict, World},
};
use action::Action;

/// How often metadata and the run are looked at.
const TICK: Duration = Duration::from_secs(5);

/// Longest time for an answer of metadata.
const METADATA: Duration = Duration::from_secs(15);

/// So many answers in a row make it true that there is no group: metadata of an instance that is very young may be late.
const ABSENT: usize = 3;

/// Where a warm pool keeps an instance.
const WARM: [&str; 3] = ["Warmed:Stopped", "Warmed:Running", "Warmed:Hibernated"];

/// What the run of this instance has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// It has not begun, is under way, or will be tried again.
    UnderWay,
    /// Its services are ready.
    Ready,
    /// It failed, and another try will not help; why.
    Failed(String),
}

/// Who answers which hooks.
pub struct Lifecycle<'a> {
    /// Metadata, the API and time.
    pub world: &'a World,
    /// This instance.
    pub member: &'a Member,
    /// Its hooks.
    pub hooks: &'a Hooks,
    /// Gets what a human at the console has to know.
    pub tell: &'a dyn Fn(&str),
}

/// The state that the group is taking this instance to, as soon as metadata can be asked; `None` where it is in no group.
pub async fn target(world: &World) -> Option<String> {
    let retry = Retry::new(Rc::clone(&world.clock), None);
    let (mut absent, mut told) = (0, false);
    loop {
        match retry.bounded("read the lifecycle state", Some(METADATA), group::target(world)).await {
            Ok(Some(state)) => return Some(state),
            Ok(None) if absent + 1 == ABSENT => return None,
            Ok(None) => absent += 1,
            Err(err) if told => tracing::debug!("{err}"),
            Err(err) => {
                warn!(cause = err.cause.code(), "what the group wants is not known, asking again: {err}");
                told = true;
            }
        }
        world.clock.sleep(TICK).await;
    }
}

impl Lifecycle<'_> {
    /// Answers the hooks until the instance is terminated or leaves its group. `run` tells how the run stands, `stop`
    /// stops all containers.
    pub async fn follow(&self, run: impl Fn() -> Run, stop: impl AsyncFn() -> Result<u8>) {
        // The state that the launch hook was seen in, and its action unless that is settled. An instance that leaves a
        // warm pool passes the hook once more.
        let mut launch: (String, Option<Action<'_>>) = (String::new(), None);
        while let Some(state) = target(self.world).await {
            if matches!(state.as_str(), "Terminated" | "Warmed:Terminated")
                && let Some(hook) = &self.hooks.terminate
            {
                info!("the group is terminating this instance: stopping all containers, hook {hook} waits for that");
                return self.leave(hook, stop).await;
            }
            if launch.0 != state {
                info!("the group is taking this instance to {state}");
                let warm = WARM.contains(&state.as_str());
                // On its way back into the pool it passes the other hook.
                let back = warm && launch.0 == "InService";
                if back && let Some(hook) = &self.hooks.terminate {
                    // Of one that goes on running nothing would start the containers again.
                    let stop = async || if state == "Warmed:Stopped" { stop().await } else { Ok(0) };
                    self.leave(hook, stop).await;
                }
                let hook = self.hooks.launch.as_deref().filter(|_| !back && (warm || state == "InService"));
                launch = (state, hook.map(|hook| self.action(hook)));
            }
            if let Some(action) = &mut launch.1
                && self.launch(action, run()).await
            {
                launch.1 = None;
            }
            self.world.clock.sleep(TICK).await;
        }
        info!("this instance is in no group any more");
    }

    fn action<'a>(&'a self, hook: &'a str) -> Action<'a> {
        Action::new(self.world, self.member, hook)
    }

    /// Tells the launch hook how the run stands; whether it is settled.
    async fn launch(&self, action: &mut Action<'_>, run: Run) -> bool {
        match run {
            Run::UnderWay => {
                action.beat().await;
                false
            }
            Run::Ready => action.answer(Verdict::Continue).await.is_some(),
            Run::Failed(why) => {
                let answered = action.answer(Verdict::Abandon).await;
                if answered == Some(true) {
                    let Member { group, instance, .. } = self.member;
                    let hook = action.hook();
                    (self.tell)(&format!("answered ABANDON to hook {hook}, group {group} gives up {instance}: {why}"));
                }
                answered.is_some()
            }
        }
    }

    /// Has the terminate hook wait until `stop` has ended.
    async fn leave(&self, hook: &str, stop: impl AsyncFn() -> Result<u8>) {
        let mut action = self.action(hook);
        let beats = async {
            loop {
                action.beat().await;
                self.world.clock.sleep(TICK).await;
            }
        };
        let stopped = match select(pin!(stop()), pin!(beats)).await {
            Either::Left((stopped, _)) => stopped,
            Either::Right((never, _)) => never,
        };
        if let Err(err) = stopped {
            warn!(cause = err.cause.code(), "not everything has stopped, and the instance goes all the same: {err}");
        }
        while action.answer(Verdict::Continue).await.is_none() {
            self.world.clock.sleep(TICK).await;
        }
    }
}

#[cfg(test)]
mod tests;
