//! Whether a container, as the engine describes it, is what is waited for. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    error::Cause,
    execute::ready::{Target, Until},
};

/// After this many restarts it does not come up by itself. The engine waits 0.1 s before the first, then twice as long
/// each time, so that this takes half a minute: long enough for a service that ends until its database is there.
pub(super) const CRASH_LOOP: u64 = 8;

/// A container that was restarted counts as running after this long: the engine's own measure of a start that held.
const HELD: Duration = Duration::from_secs(10);

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Ready,
    /// Not yet: how it is, and when to look again although nothing happens.
    Waiting {
        why: String,
        again: Option<Duration>,
    },
    /// It cannot become it any more.
    Failed(Cause, String),
}

/// Judges the answer to `GET /containers/{id}/json`; null for a container that is gone. `restarts` counts those since
/// it is watched.
pub(super) fn of(there: &Value, target: &Target, restarts: u64, now: Timestamp) -> Verdict {
    let state = &there["State"];
    let code = state["ExitCode"].as_i64().unwrap_or_default();
    let waiting = |why: &str| Verdict::Waiting { why: why.to_owned(), again: None };
    if restarts >= CRASH_LOOP {
        let why = format!("does not stay up: restarted {restarts} times, last exit code {code}{}", oom(state));
        return Verdict::Failed(Cause::ContainerFailed, why);
    }
    match state["Status"].as_str().unwrap_or_default() {
        "created" => waiting("is not started yet"),
        "restarting" => {
            Verdict::Waiting { why: format!("exited with {code}{} and is being restarted", oom(state)), again: None }
        }
        "paused" => waiting("is paused"),
        "running" => running(there, target, now),
        "exited" if code == 0 && (target.job || target.until == Until::Completed) => Verdict::Ready,
        "exited" => {
            Verdict::Failed(Cause::ContainerFailed, format!("exited with {code}{}{}", oom(state), why_not(state)))
        }
        "" => Verdict::Failed(Cause::ContainerFailed, "is gone".to_owned()),
        other => Verdict::Failed(Cause::ContainerFailed, format!("is {other}")),
    }
}

fn running(there: &Value, target: &Target, now: Timestamp) -> Verdict {
    let state = &there["State"];
    if target.until == Until::Completed {
        return Verdict::Waiting { why: "has not ended yet".to_owned(), again: None };
    }
    match state["Health"]["Status"].as_str().unwrap_or("none") {
        "healthy" => Verdict::Ready,
        "unhealthy" => Verdict::Failed(Cause::ContainerUnhealthy, format!("is unhealthy{}", last_check(state))),
        "none" | "" if target.until == Until::Healthy => {
            let why = "is waited for to be healthy, and has no health check";
            Verdict::Failed(Cause::ContainerUnhealthy, why.to_owned())
        }
        "none" | "" => held(there, now),
        _ => Verdict::Waiting { why: format!("is not healthy yet{}", last_check(state)), again: None },
    }
}

/// One that was restarted might be on its way down again.
fn held(there: &Value, now: Timestamp) -> Verdict {
    if there["RestartCount"].as_u64().unwrap_or_default() == 0 {
        return Verdict::Ready;
    }
    let since = there["State"]["StartedAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or(now);
    let up = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    if up >= HELD {
        return Verdict::Ready;
    }
    Verdict::Waiting { why: "was restarted a moment ago".to_owned(), again: Some(HELD.saturating_sub(up)) }
}

fn oom(state: &Value) -> &'static str {
    if state["OOMKilled"] == true { " (out of memory)" } else { "" }
}

/// What the engine says about a start that failed.
fn why_not(state: &Value) -> String {
    state["Error"].as_str().filter(|e| !e.is_empty()).map(|e| format!(": {e}")).unwrap_or_default()
}

/// What the last health check printed.
fn last_check(state: &Value) -> String {
    let last = state["Health"]["Log"].as_array().and_then(|log| log.last());
    let line = last.and_then(|last| last["Output"].as_str()?.lines().map(str::trim).find(|l| !l.is_empty()));
    line.map(|line| format!(": {}", line.chars().take(200).collect::<String>())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(until: Until, job: bool, restarts: u64, there: &Value) -> Verdict {
        let target = Target { id: "1".into(), name: "web".into(), job, until };
        of(there, &target, restarts, "2026-01-01T00:00:20Z".parse().unwrap())
    }

    fn state(status: &str, code: i64) -> Value {
        json!({ "State": { "Status": status, "ExitCode": code }, "RestartCount": 0 })
    }

    fn health(status: &str) -> Value {
        json!({ "State": { "Status": "running", "Health": { "Status": status, "Log": [{ "Output": "\n refused\n" }] } } })
    }

    fn failed(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Failed(..))
    }

    #[test]
    fn a_service_is_ready_when_it_runs_or_is_healthy() {
        assert_eq!(judge(Until::Serving, false, 0, &state("running", 0)), Verdict::Ready);
        assert_eq!(judge(Until::Serving, false, 0, &health("healthy")), Verdict::Ready);
        assert!(matches!(judge(Until::Serving, false, 0, &health("starting")), Verdict::Waiting { .. }));
        let unhealthy = judge(Until::Serving, false, 0, &health("unhealthy"));
        assert_eq!(unhealthy, Verdict::Failed(Cause::ContainerUnhealthy, "is unhealthy: refused".into()));
    }

    #[test]
    fn health_is_not_there_without_a_check() {
        assert!(failed(&judge(Until::Healthy, false, 0, &state("running", 0))));
    }

    #[test]
    fn an_end_is_judged_by_what_was_waited_for() {
        assert_eq!(judge(Until::Completed, true, 0, &state("exited", 0)), Verdict::Ready);
        assert_eq!(judge(Until::Serving, true, 0, &state("exited", 0)), Verdict::Ready);
        assert!(failed(&judge(Until::Serving, false, 0, &state("exited", 0))));
        assert!(failed(&judge(Until::Completed, true, 0, &state("exited", 3))));
        assert!(matches!(judge(Until::Completed, true, 0, &state("running", 0)), Verdict::Waiting { .. }));
        assert!(failed(&judge(Until::Completed, true, 0, &Value::Null)));
        assert!(failed(&judge(Until::Serving, false, 0, &state("dead", 0))));
    }

    #[test]
    fn a_crash_loop_is_waited_for_and_then_given_up() {
        assert!(matches!(judge(Until::Serving, false, 7, &state("restarting", 1)), Verdict::Waiting { .. }));
        let Verdict::Failed(_, why) = judge(Until::Serving, false, 8, &state("restarting", 1)) else { panic!() };
        assert!(why.contains("8 times") && why.contains("exit code 1"), "{why}");
    }

    #[test]
    fn one_that_was_restarted_has_to_hold() {
        let up = |since: &str| json!({ "State": { "Status": "running", "StartedAt": since }, "RestartCount": 2 });
        let early = judge(Until::Serving, false, 2, &up("2026-01-01T00:00:17Z"));
        let Verdict::Waiting { again, .. } = early else { panic!("{early:?}") };
        assert_eq!(again, Some(Duration::from_secs(7)));
        assert_eq!(judge(Until::Serving, false, 2, &up("2026-01-01T00:00:05Z")), Verdict::Ready);
    }
}
