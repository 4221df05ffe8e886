//! Whether a container, as the engine describes it, is what is waited for. Pure.

use std::time::Duration;

use serde_json::Value;

use super::{Target, Until, check};
use crate::{error::Cause, retry::seconds};

/// After this many restarts it does not come up by itself. The engine waits 0.1 s before the first, then twice as long
/// each time, so that this takes half a minute: long enough for a service that ends until its database is there.
pub(super) const CRASH_LOOP: u64 = 8;

/// A container that was restarted counts as running after this long: the engine's own measure of a start that held.
const HELD: Duration = Duration::from_secs(10);

/// The longest that a container has to stay up because it had been ready and was restarted.
const HELD_LIMIT: Duration = Duration::from_secs(60);

/// The condition of a container that is ready, in the order in which one of several is named for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// A one-shot that ended with 0.
    Completed,
    /// It ended with 0, and nothing shows that it is a one-shot.
    Exited,
    /// It runs, and its health check passes.
    Healthy,
    /// It runs, and has no health check.
    Running,
}

impl Condition {
    /// The word of `rolecall status`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Exited => "exited (0)",
            Self::Healthy => "healthy",
            Self::Running => "running",
        }
    }

    /// The same as part of a sentence.
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::Completed => "has completed",
            Self::Exited => "has exited with 0",
            Self::Healthy => "is healthy",
            Self::Running => "is running",
        }
    }
}

/// The history of a container, which its description by the engine does not contain.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    /// Restarts since it was first looked at.
    pub(super) restarts: u64,
    /// How long it has been up.
    pub(super) up: Duration,
    /// How long it stayed up each time before, if it was ready and has been restarted since.
    pub(super) lives: Option<Duration>,
    /// Whether it was told to stop while it was watched.
    pub(super) stopped: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Ready(Condition),
    /// Not yet: how it is, when to look again although nothing happens, and whether its health check fails.
    Waiting {
        why: String,
        again: Option<Duration>,
        unhealthy: bool,
    },
    /// It cannot become it any more.
    Failed(Cause, String),
}

fn waiting(why: impl Into<String>) -> Verdict {
    Verdict::Waiting { why: why.into(), again: None, unhealthy: false }
}

/// Judges the answer to `GET /containers/{id}/json`; null for a container that is gone.
pub(super) fn of(there: &Value, target: &Target, history: History) -> Verdict {
    let state = &there["State"];
    let code = state["ExitCode"].as_i64().unwrap_or_default();
    let failed = |why: String| Verdict::Failed(Cause::ContainerFailed, why);
    if history.restarts >= CRASH_LOOP {
        let restarts = history.restarts;
        return failed(format!("does not stay up: restarted {restarts} times, last exit code {code}{}", oom(state)));
    }
    let job = target.job || target.until == Until::Completed;
    match state["Status"].as_str().unwrap_or_default() {
        "created" => waiting("is not started yet"),
        "restarting" => waiting(format!("exited with {code}{} and is being restarted", oom(state))),
        "paused" => waiting("is paused"),
        "running" => running(there, target, history),
        "exited" if code == 0 && job && history.stopped => failed("was stopped before it had ended by itself".into()),
        "exited" if code == 0 && job => {
            Verdict::Ready(if target.foreign { Condition::Exited } else { Condition::Completed })
        }
        "exited" => failed(format!("exited with {code}{}{}", oom(state), why_not(state))),
        "" => failed("is gone".to_owned()),
        other => failed(format!("is {other}")),
    }
}

/// The exit code of a command that exists and is not executable, as shells and `init` report it.
const NOT_EXECUTABLE: i64 = 126;

/// What an operator does about a container that failed.
pub(super) fn advice(there: &Value, cause: Cause, name: &str) -> String {
    if there["State"]["ExitCode"] == NOT_EXECUTABLE {
        return format!(
            "a command is not executable: set the mode of its file in x-rolecall.host.files, or in the metadata of its \
             object; docker logs {name}"
        );
    }
    match cause {
        Cause::ContainerUnhealthy => format!("read its last lines, and the check's: docker inspect {name}"),
        _ => format!("read its last lines: docker logs {name}"),
    }
}

fn running(there: &Value, target: &Target, history: History) -> Verdict {
    let state = &there["State"];
    if target.until == Until::Completed {
        return waiting("has not ended yet");
    }
    let told = check::last_line(state).map(|line| format!(": {line}")).unwrap_or_default();
    match check::status(state) {
        // A check may pass between two crashes.
        "healthy" if history.lives.is_none() => Verdict::Ready(Condition::Healthy),
        "healthy" => held(there, target, history, Condition::Healthy),
        // It may still become healthy: a first start takes longer than the retries of the check.
        "unhealthy" => Verdict::Waiting { why: format!("is unhealthy{told}"), again: None, unhealthy: true },
        "none" if target.until == Until::Healthy => {
            let why = "is waited for to be healthy, and has no health check";
            Verdict::Failed(Cause::ContainerUnhealthy, why.to_owned())
        }
        "none" => held(there, target, history, Condition::Running),
        _ => waiting(format!("is not healthy yet{told}")),
    }
}

/// Whether it has been up for long enough. One that was restarted may be on its way down again.
fn held(there: &Value, target: &Target, history: History, condition: Condition) -> Verdict {
    let restarted = history.lives.is_some() || there["RestartCount"].as_u64().unwrap_or_default() > 0;
    let outlived = history.lives.unwrap_or_default().min(HELD_LIMIT);
    let need = if restarted { target.stable.max(HELD).max(outlived) } else { target.stable };
    if history.up >= need {
        return Verdict::Ready(condition);
    }
    let after = if restarted { " since it was restarted" } else { "" };
    let why = format!("has not been up for {} yet{after}", seconds(need));
    Verdict::Waiting { why, again: Some(need.saturating_sub(history.up)), unhealthy: false }
}

fn oom(state: &Value) -> &'static str {
    if state["OOMKilled"] == true { " (out of memory)" } else { "" }
}

/// The engine's reason for a start that failed.
fn why_not(state: &Value) -> String {
    state["Error"].as_str().filter(|e| !e.is_empty()).map(|e| format!(": {e}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STABLE: Duration = Duration::from_secs(5);

    fn judge(until: Until, job: bool, history: History, there: &Value) -> Verdict {
        let [id, name, project, service] = ["1", "web-1", "demo", "web"].map(String::from);
        of(there, &Target { id, name, project, service, job, until, stable: STABLE, foreign: false }, history)
    }

    fn up(seconds: u64) -> History {
        History { up: Duration::from_secs(seconds), ..History::default() }
    }

    fn state(status: &str, code: i64) -> Value {
        json!({ "State": { "Status": status, "ExitCode": code }, "RestartCount": 0 })
    }

    fn health(status: &str, probed: &str) -> Value {
        json!({ "State": { "Status": "running", "StartedAt": "2026-01-01T00:00:05Z",
            "Health": { "Status": status, "Log": [{ "Start": probed, "Output": "\n refused\n" }] } } })
    }

    fn failed(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Failed(..))
    }

    fn again(verdict: &Verdict) -> Option<u64> {
        let Verdict::Waiting { again, .. } = verdict else { panic!("{verdict:?}") };
        again.map(|wait| wait.as_secs())
    }

    #[test]
    fn service_without_a_check_is_ready_once_stable() {
        assert_eq!(again(&judge(Until::Serving, false, up(2), &state("running", 0))), Some(3));
        let stable = judge(Until::Serving, false, up(5), &state("running", 0));
        assert_eq!(stable, Verdict::Ready(Condition::Running));
    }

    #[test]
    fn service_with_a_check_is_ready_once_healthy() {
        let (before, after) = ("2026-01-01T00:00:01+00:00", "2026-01-01T01:00:06+01:00");
        let of = |status, probed| judge(Until::Serving, false, up(0), &health(status, probed));
        assert_eq!(of("healthy", after), Verdict::Ready(Condition::Healthy));
        let not_yet = |why: &str, unhealthy| Verdict::Waiting { why: why.into(), again: None, unhealthy };
        assert_eq!(of("starting", after), not_yet("is not healthy yet: refused", false));
        assert_eq!(of("unhealthy", after), not_yet("is unhealthy: refused", true));
        assert_eq!(of("healthy", before), not_yet("is not healthy yet", false), "of before its start");
        assert_eq!(of("unhealthy", before), not_yet("is not healthy yet", false), "of before its start");
    }

    #[test]
    fn health_is_not_there_without_a_check() {
        assert!(failed(&judge(Until::Healthy, false, up(9), &state("running", 0))));
    }

    #[test]
    fn an_end_is_judged_by_what_was_waited_for() {
        let completed = Verdict::Ready(Condition::Completed);
        assert_eq!(judge(Until::Completed, true, up(0), &state("exited", 0)), completed);
        assert_eq!(judge(Until::Serving, true, up(0), &state("exited", 0)), completed);
        assert!(failed(&judge(Until::Serving, false, up(0), &state("exited", 0))));
        assert!(failed(&judge(Until::Completed, true, up(0), &state("exited", 3))));
        assert!(matches!(judge(Until::Completed, true, up(9), &state("running", 0)), Verdict::Waiting { .. }));
        assert!(failed(&judge(Until::Completed, true, up(0), &Value::Null)));
        assert!(failed(&judge(Until::Serving, false, up(0), &state("dead", 0))));
    }

    #[test]
    fn job_that_was_stopped_is_not_completed() {
        let stopped = History { stopped: true, ..History::default() };
        for until in [Until::Serving, Until::Completed] {
            assert!(failed(&judge(until, true, stopped, &state("exited", 0))), "{until:?}");
        }
    }

    #[test]
    fn a_crash_loop_is_waited_for_and_then_given_up() {
        let after = |restarts| History { restarts, ..History::default() };
        assert!(matches!(judge(Until::Serving, false, after(7), &state("restarting", 1)), Verdict::Waiting { .. }));
        let verdict = judge(Until::Serving, false, after(8), &state("restarting", 1));
        let Verdict::Failed(_, why) = verdict else { panic!() };
        assert!(why.contains("8 times") && why.contains("exit code 1"), "{why}");
    }

    #[test]
    fn one_that_was_restarted_has_to_hold() {
        let there = json!({ "State": { "Status": "running" }, "RestartCount": 2 });
        assert_eq!(again(&judge(Until::Serving, false, up(3), &there)), Some(7));
        assert_eq!(judge(Until::Serving, false, up(10), &there), Verdict::Ready(Condition::Running));
    }

    #[test]
    fn one_that_lost_readiness_has_to_outlive_its_earlier_lives() {
        let there = json!({ "State": { "Status": "running", "Health": { "Status": "healthy" } }, "RestartCount": 1 });
        for (lives, need) in [(3, 10), (25, 25), (3600, 60)] {
            let lives = Some(Duration::from_secs(lives));
            for there in [&there, &json!({ "State": { "Status": "running" }, "RestartCount": 1 })] {
                let of = |seconds| judge(Until::Serving, false, History { lives, ..up(seconds) }, there);
                assert_eq!(again(&of(need - 1)), Some(1));
                assert!(matches!(of(need), Verdict::Ready(_)));
            }
        }
    }
}
