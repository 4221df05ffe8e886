//! One action of a hook, from when it may wait for this instance until it is answered.

use std::{rc::Rc, time::Duration};

use tracing::{info, warn};

use crate::{
    error::Class,
    facts::group::Member,
    retry::Retry,
    world::{LifecycleCall, Verdict, World},
};

/// How often a hook gets a sign of life.
const BEAT: Duration = Duration::from_secs(60);

/// How long an action may be late: the group makes it a moment after the instance has begun to run.
const LATE: Duration = Duration::from_secs(60);

/// How often is asked again what was refused.
const REFUSED: Duration = Duration::from_secs(60);

/// Longest time of one request.
const REQUEST: Duration = Duration::from_secs(30);

pub(super) struct Action<'a> {
    world: &'a World,
    retry: Retry,
    member: &'a Member,
    hook: &'a str,
    /// When it was first looked for.
    since: Duration,
    /// When the next sign of life is due.
    beat: Duration,
    /// Since when an answer finds nothing that waits for it.
    idle: Option<Duration>,
    /// Until when nothing is asked, since it was refused.
    refused: Duration,
    told: bool,
}

impl<'a> Action<'a> {
    pub(super) fn new(world: &'a World, member: &'a Member, hook: &'a str) -> Self {
        let retry = Retry::new(Rc::clone(&world.clock), None);
        let since = world.clock.now();
        Self { world, retry, member, hook, since, beat: since, idle: None, refused: since, told: false }
    }

    pub(super) fn hook(&self) -> &str {
        self.hook
    }

    /// Has it wait longer, where that is due. That nothing waits says little: it may be late.
    pub(super) async fn beat(&mut self) {
        let now = self.world.clock.now();
        if now < self.beat {
            return;
        }
        match self.call(None).await {
            Some(waits) if waits || now.saturating_sub(self.since) >= LATE => self.beat = now + BEAT,
            _ => {}
        }
    }

    /// Answers it; `None`: not settled yet, else whether it waited for the answer.
    pub(super) async fn answer(&mut self, verdict: Verdict) -> Option<bool> {
        let waits = self.call(Some(verdict)).await?;
        let (hook, word) = (self.hook, verdict.name());
        let now = self.world.clock.now();
        if waits {
            info!("hook {hook} is answered: {word}");
        } else if now.saturating_sub(*self.idle.get_or_insert(now)) < LATE {
            return None;
        } else {
            info!("hook {hook} does not wait for this instance: it has passed it, or the group has no such hook");
        }
        Some(waits)
    }

    /// One request; `None` where it failed.
    async fn call(&mut self, verdict: Option<Verdict>) -> Option<bool> {
        let now = self.world.clock.now();
        if now < self.refused {
            return None;
        }
        let Member { region, instance, group } = self.member;
        let (group, hook, instance) = (group.clone(), self.hook.to_owned(), instance.clone());
        let call = LifecycleCall { group, hook, instance, verdict };
        let asked = self.world.cloud.lifecycle(region, &call);
        match self.retry.bounded(&format!("answer hook {}", self.hook), Some(REQUEST), asked).await {
            Ok(waits) => {
                self.told = false;
                return Some(waits);
            }
            Err(err) if matches!(err.class, Class::Transient | Class::Throttled) => {
                warn!(cause = err.cause.code(), "trying again: {err}");
            }
            Err(err) => {
                self.refused = now + REFUSED;
                if !std::mem::replace(&mut self.told, true) {
                    warn!(cause = err.cause.code(), "{err}; it is tried again every minute");
                }
            }
        }
        None
    }
}
