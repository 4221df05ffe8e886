//! Health checks: what the engine found, and asking a check that the engine will not run for a while.
//!
//! Engines before 25.0, and later ones without a start period, run a check for the first time one whole `interval` after
//! the start of its container. A check of every five minutes would make each boot five minutes longer.

use std::{collections::VecDeque, time::Duration};

use futures_util::future::{Either, select};
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::debug;

use crate::{
    execute::containers::TAIL,
    world::{Clock, Engine},
};

/// What the engine takes for an `interval` or `timeout` that is not set.
const DEFAULT: Duration = Duration::from_secs(30);

/// A probe of the engine that comes within this time is waited for.
const SOON: Duration = Duration::from_secs(5);

/// The longest time between two of our own probes.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The longest line of a check's output that is kept, in characters.
const LINE: usize = 200;

/// The health of a container that runs: `healthy`, `unhealthy`, `starting`, or `none` without a check. A result of before
/// its start is of another process: the engine keeps it until its next probe.
pub(super) fn status(state: &Value) -> &str {
    match state["Health"]["Status"].as_str().unwrap_or("none") {
        "" | "none" => "none",
        status if is_current(state) => status,
        _ => "starting",
    }
}

fn last(state: &Value) -> Option<&Value> {
    state["Health"]["Log"].as_array()?.last()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn is_current(state: &Value) -> bool {
    let probed = last(state).and_then(|last| time(&last["Start"]));
    probed.zip(time(&state["StartedAt"])).is_none_or(|(probed, started)| probed >= started)
}

/// The output of the engine's last probe, as lines.
pub(super) fn output(state: &Value) -> Vec<String> {
    let text = last(state).filter(|_| is_current(state)).and_then(|last| last["Output"].as_str()).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(cut).collect();
    lines[lines.len().saturating_sub(TAIL)..].to_vec()
}

/// The first line of the output of the engine's last probe.
pub(super) fn last_line(state: &Value) -> Option<String> {
    output(state).first().map(|line| line.trim_start().to_owned())
}

fn cut(line: &str) -> String {
    line.chars().take(LINE).collect()
}

/// When a check is asked by the run itself.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// On the monotonic clock; none before the first time.
    next: Option<Duration>,
    wait: Duration,
    /// A probe did not end: another one would be left running in the container too.
    hung: bool,
}

/// The result of asking.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// Whether the check passed.
    pub(super) passed: bool,
    /// How long to wait before it is asked again; none if the engine is left to it.
    pub(super) again: Option<Duration>,
    /// The last lines of its output.
    pub(super) output: Vec<String>,
}

impl Asking {
    /// Asks the check of a container that runs, if the engine does not do so soon and it is time.
    pub(super) async fn ask(&mut self, engine: &dyn Engine, clock: &dyn Clock, there: &Value) -> Answer {
        let Some(command) = command(there).filter(|_| !self.hung && next_probe(there, Timestamp::now()) > SOON) else {
            return Answer::default();
        };
        let now = clock.now();
        if let Some(wait) = self.next.and_then(|next| next.checked_sub(now)).filter(|wait| !wait.is_zero()) {
            return Answer { again: Some(wait), ..Answer::default() };
        }
        self.wait = (self.wait * 2).clamp(Duration::from_secs(1), MAX_WAIT);
        let (passed, output) = self.probe(engine, clock, there, command).await;
        self.next = Some(clock.now() + self.wait);
        Answer { passed, again: Some(self.wait).filter(|_| !self.hung), output }
    }

    /// Runs the check as the engine does: as the container's user, in its folder and environment, for no longer than
    /// its timeout. Whether it passed, and the last lines of its output.
    async fn probe(
        &mut self,
        engine: &dyn Engine,
        clock: &dyn Clock,
        there: &Value,
        command: Vec<Value>,
    ) -> (bool, Vec<String>) {
        let id = there["Id"].as_str().unwrap_or_default();
        let timeout = duration(&there["Config"]["Healthcheck"]["Timeout"]).unwrap_or(DEFAULT);
        let body = json!({ "Cmd": command, "AttachStdout": true, "AttachStderr": true });
        let mut lines = VecDeque::with_capacity(TAIL);
        let mut keep = |line: &str| {
            if lines.len() == TAIL {
                lines.pop_front();
            }
            lines.push_back(cut(line));
        };
        debug!(container = id, "asking its health check, which the engine will not run for a while");
        // The timer first: a check that floods its output is always ready.
        let passed = match select(clock.sleep(timeout), engine.exec(id, &body, &mut keep)).await {
            Either::Left(_) => {
                self.hung = true;
                false
            }
            Either::Right((code, _)) => code.is_ok_and(|code| code == 0),
        };
        (passed, lines.into_iter().filter(|line| !line.trim().is_empty()).collect())
    }
}

/// The command of a check, as the engine runs it.
fn command(there: &Value) -> Option<Vec<Value>> {
    let config = &there["Config"];
    let test = config["Healthcheck"]["Test"].as_array()?;
    let (kind, words) = test.split_first()?;
    match kind.as_str()? {
        "CMD" => Some(words.to_vec()),
        "CMD-SHELL" => {
            let shell = config["Shell"].as_array().filter(|shell| !shell.is_empty()).cloned();
            let mut command = shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
            command.extend_from_slice(words);
            Some(command)
        }
        _ => None,
    }
}

/// How long the engine waits until its next probe, as engines before 25.0 do.
fn next_probe(there: &Value, now: Timestamp) -> Duration {
    let (state, check) = (&there["State"], &there["Config"]["Healthcheck"]);
    let last = last(state).filter(|_| is_current(state)).and_then(|last| time(&last["End"]));
    let since = last.or_else(|| time(&state["StartedAt"])).unwrap_or(now);
    let passed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    duration(&check["Interval"]).unwrap_or(DEFAULT).saturating_sub(passed)
}

/// A duration in nanoseconds; zero means unset.
fn duration(value: &Value) -> Option<Duration> {
    value.as_u64().filter(|nanos| *nanos > 0).map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::execute::testing::{StillClock, engine};

    fn there(test: &Value, interval: u64) -> Value {
        json!({ "Id": "db", "State": { "Status": "running", "StartedAt": Timestamp::now().to_string(),
            "Health": { "Status": "starting" } },
            "Config": { "Healthcheck": { "Test": test, "Interval": interval * 1_000_000_000 } } })
    }

    #[tokio::test]
    async fn check_is_asked_at_growing_intervals_if_the_engine_waits() {
        let (engine, clock) = (engine(), Rc::new(StillClock::default()));
        let far = there(&json!(["CMD", "false"]), 300);
        let mut asking = Asking::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            let answer = asking.ask(&*engine, &*clock, &far).await;
            assert!(!answer.passed);
            let wait = answer.again.unwrap();
            waits.push(wait.as_secs());
            let early = asking.ask(&*engine, &*clock, &far).await;
            assert_eq!((early.passed, early.again), (false, Some(wait)), "it is not time yet");
            clock.sleep(wait).await;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(engine.log.borrow().len(), 7);
        assert!(asking.ask(&*engine, &*clock, &there(&json!(["CMD", "true"]), 300)).await.passed);
    }

    #[tokio::test]
    async fn probe_of_the_engine_that_comes_soon_is_waited_for() {
        let (engine, clock) = (engine(), Rc::new(StillClock::default()));
        for near in [there(&json!(["CMD", "true"]), 5), there(&json!(["NONE"]), 300), there(&json!(null), 300)] {
            assert_eq!(Asking::default().ask(&*engine, &*clock, &near).await, Answer::default());
        }
        assert!(engine.log.borrow().is_empty());
    }

    #[test]
    fn command_is_that_of_the_engine() {
        let of = |test: Value| command(&json!({ "Config": { "Healthcheck": { "Test": test } } }));
        assert_eq!(of(json!(["CMD", "a", "b"])), Some(vec![json!("a"), json!("b")]));
        assert_eq!(of(json!(["CMD-SHELL", "a | b"])), Some(vec![json!("/bin/sh"), json!("-c"), json!("a | b")]));
        let own = json!({ "Config": { "Shell": ["/bin/bash", "-ec"], "Healthcheck": { "Test": ["CMD-SHELL", "a"] } } });
        assert_eq!(command(&own), Some(vec![json!("/bin/bash"), json!("-ec"), json!("a")]));
    }

    #[test]
    fn next_probe_comes_one_interval_after_the_last() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let wait = |state: Value, interval: u64| {
            let check = json!({ "Healthcheck": { "Interval": interval * 1_000_000_000 } });
            next_probe(&json!({ "State": state, "Config": check }), now).as_secs()
        };
        assert_eq!(wait(json!({ "StartedAt": "2026-01-01T00:00:50Z" }), 300), 290);
        assert_eq!(wait(json!({ "StartedAt": "2026-01-01T00:00:50Z" }), 0), 20, "every 30 s by default");
        let probed = json!([{ "Start": "2026-01-01T00:00:57Z", "End": "2026-01-01T00:00:58Z" }]);
        let probed = json!({ "StartedAt": "2026-01-01T00:00:00Z", "Health": { "Log": probed } });
        assert_eq!(wait(probed, 20), 18);
    }
}
