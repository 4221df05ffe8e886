//! The only place where something is tried again: class, full jitter, deadline, `Retry-After` with a cap, and
//! one log line per failed attempt.

mod schedule;

use std::{rc::Rc, time::Duration};

use tracing::warn;

use crate::{
    error::{Cause, Class, Error, Result},
    world::Clock,
};
pub use schedule::Schedule;

/// The longest that a `Retry-After` is followed; a server that asks for more is asked again after this.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(120);

/// How long after the start of an instance's first run a refused permission is tried again: role credentials
/// and policies take a while to spread.
pub const SETTLE: Duration = Duration::from_secs(60);

/// How long work may take past its deadline to end, and to say what it waited for: longer than a command has between
/// TERM and KILL.
const SLACK: Duration = Duration::from_secs(15);

/// How often and how long one operation is tried.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Longest first wait.
    pub base: Duration,
    /// Longest wait.
    pub cap: Duration,
    /// Tries in all; `None`: the deadline alone decides.
    pub attempts: Option<u32>,
    /// Longest time for all tries together, within the deadline of the run.
    pub budget: Option<Duration>,
    /// Longest time for one try.
    pub attempt_timeout: Option<Duration>,
    /// Whether a try ends by itself when the deadline comes, as a command does that is told how long it has.
    pub ends_itself: bool,
}

impl Policy {
    /// For small requests to a service of the cloud: 0.5 s, doubling up to 20 s, 60 s a try.
    pub const SERVICE: Self = Self {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(20),
        attempts: None,
        budget: None,
        attempt_timeout: Some(Duration::from_secs(60)),
        ends_itself: false,
    };

    /// One try, bounded only by the deadline of the run.
    pub const ONCE: Self = Self { attempts: Some(1), attempt_timeout: None, ..Self::SERVICE };

    /// The same with a limit for all tries together.
    #[must_use]
    pub const fn budget(mut self, budget: Duration) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The same with a limit for one try, or none.
    #[must_use]
    pub const fn attempt_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// The same for tries that end by themselves when the deadline comes.
    #[must_use]
    pub const fn ends_itself(mut self) -> Self {
        self.ends_itself = true;
        self
    }

    /// The same with a limited number of tries.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }
}

/// Is told what is tried again, and why.
pub type Witness = Rc<dyn Fn(&str, &Error)>;

/// Tries operations again, within the deadline of the run.
#[derive(Clone)]
pub struct Retry {
    clock: Rc<dyn Clock>,
    deadline: Option<Duration>,
    settle_until: Option<Duration>,
    patient_until: Option<Duration>,
    witness: Option<Witness>,
}

impl Retry {
    /// For a run that must be over at `deadline` (on the clock's own scale).
    pub fn new(clock: Rc<dyn Clock>, deadline: Option<Duration>) -> Self {
        Self { clock, deadline, settle_until: None, patient_until: None, witness: None }
    }

    /// The same, where a refused permission counts as transient until `until`: an instance's first run.
    #[must_use]
    pub fn settling(mut self, until: Duration) -> Self {
        self.settle_until = Some(until);
        self
    }

    /// The same, where a refused permission is final at once: after the first success with the same permission.
    #[must_use]
    pub fn settled(&self) -> Self {
        Self { settle_until: None, ..self.clone() }
    }

    /// The same, where nobody outside is waited for after `until`: each request has one try then, which may still
    /// take its time. What is on this machine comes up in its own time and is waited for as before.
    #[must_use]
    pub fn patient(mut self, until: Option<Duration>) -> Self {
        self.patient_until = until;
        self
    }

    /// The same, where nobody outside is waited for after `until` or an earlier time that is set already.
    #[must_use]
    pub fn sooner(mut self, until: Duration) -> Self {
        self.patient_until = Some(self.patient_until.map_or(until, |set| set.min(until)));
        self
    }

    /// The same, and whatever is tried again is told to `witness`.
    #[must_use]
    pub fn witnessed(mut self, witness: Witness) -> Self {
        self.witness = Some(witness);
        self
    }

    /// The same with an earlier deadline, `within` from now.
    #[must_use]
    pub fn within(&self, within: Duration) -> Self {
        let limit = self.clock.now() + within;
        Self { deadline: Some(self.deadline.map_or(limit, |d| d.min(limit))), ..self.clone() }
    }

    /// The same with a deadline a little later: for whoever watches over work that keeps this one by itself, and knows
    /// better what it waited for.
    #[must_use]
    pub fn backstop(&self) -> Self {
        Self { deadline: self.deadline.map(|d| d + SLACK), ..self.clone() }
    }

    /// What is left until the deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|d| d.saturating_sub(self.clock.now()))
    }

    /// Runs `op` until it succeeds, fails for good, or time is up. `what` says what is attempted, on what
    /// ("read tags of i-0abc"): it starts the log line of a failed attempt.
    ///
    /// # Errors
    /// The last error of `op`, whose message then says how often and how long it was tried.
    pub async fn run<T>(&self, what: &str, policy: Policy, mut op: impl AsyncFnMut(u32) -> Result<T>) -> Result<T> {
        let start = self.clock.now();
        let limit = [self.deadline, policy.budget.map(|b| start + b)].into_iter().flatten().min();
        let mut schedule = Schedule::new(policy.base, policy.cap);
        let mut attempt = 0;
        let mut last: Option<Error> = None;
        loop {
            attempt += 1;
            let err = match self.attempt(what, policy, limit, op(attempt)).await {
                Ok(value) => return Ok(value),
                Err(err) => err,
            };
            let now = self.clock.now();
            // An attempt that the limit cut short says less than the failure before it.
            let cut = err.cause == Cause::Deadline && limit.is_some_and(|l| now >= l);
            let err = last.take().filter(|_| cut).unwrap_or(err);
            let wait = match self.class(&err, now) {
                Class::Permanent | Class::Denied => return Err(told(err, attempt, now - start)),
                Class::Transient => schedule.next().unwrap_or(policy.cap),
                Class::Throttled => {
                    let asked = err.retry_after.unwrap_or_default().min(RETRY_AFTER_CAP);
                    asked + schedule.next().unwrap_or(policy.cap)
                }
            };
            let late = [limit, self.patience(&err)].into_iter().flatten().any(|l| now + wait >= l);
            if late || policy.attempts.is_some_and(|most| attempt >= most) {
                return Err(told(err, attempt, now - start));
            }
            warn!(attempt, cause = err.cause.code(), wait_ms = millis(wait), "{what}: {err}");
            if let Some(witness) = &self.witness {
                witness(what, &err);
            }
            last = Some(err);
            self.clock.sleep(wait).await;
        }
    }

    /// Runs one operation that must end by itself, bounded by `within` and by the deadline of the run.
    ///
    /// # Errors
    /// What the operation gave, else `deadline`.
    pub async fn bounded<T>(
        &self,
        what: &str,
        within: Option<Duration>,
        op: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let policy = Policy::ONCE.attempt_timeout(within);
        self.attempt(what, policy, self.deadline, op).await
    }

    /// Until when a failure is waited out: the engine and the files of this machine are no burden to anybody else.
    fn patience(&self, err: &Error) -> Option<Duration> {
        let own = matches!(
            err.cause,
            Cause::EngineUnreachable
                | Cause::EngineRefused
                | Cause::ContainerFailed
                | Cause::ServiceManager
                | Cause::Io
        );
        self.patient_until.filter(|_| !own)
    }

    fn class(&self, err: &Error, now: Duration) -> Class {
        match err.class {
            Class::Denied if self.settle_until.is_some_and(|until| now < until) => Class::Transient,
            class => class,
        }
    }

    async fn attempt<T>(
        &self,
        what: &str,
        policy: Policy,
        limit: Option<Duration>,
        op: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let now = self.clock.now();
        let slack = if policy.ends_itself { SLACK } else { Duration::ZERO };
        let left = limit.map(|l| (l + slack).saturating_sub(now));
        let Some(allowed) = [left, policy.attempt_timeout].into_iter().flatten().min() else {
            return op.await;
        };
        let op = std::pin::pin!(op);
        let timer = std::pin::pin!(self.clock.sleep(allowed));
        match futures_util::future::select(op, timer).await {
            futures_util::future::Either::Left((result, _)) => result,
            futures_util::future::Either::Right(((), _)) => {
                let message = format!("{what}: no answer within {}", seconds(allowed));
                Err(Error::new(Cause::Deadline, message).transient())
            }
        }
    }
}

/// Says in the error how often and how long it was tried, where that was more than once.
fn told(mut err: Error, attempts: u32, elapsed: Duration) -> Error {
    if attempts > 1 {
        err.message = format!("{} ({attempts} tries in {})", err.message, seconds(elapsed));
    }
    err
}

/// A duration in whole milliseconds.
pub fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// A duration as people read it: `0.4 s`, `12 s`, `3m 20s`.
pub fn seconds(d: Duration) -> String {
    match d.as_secs() {
        0..=9 => format!("{:.1} s", d.as_secs_f64()),
        s @ 10..=119 => format!("{s} s"),
        s => format!("{}m {}s", s / 60, s % 60),
    }
}

#[cfg(test)]
mod tests;
