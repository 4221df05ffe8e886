//! The service manager, as far as a boot needs it. Nothing here waits for a job without a limit: what waits inside a
//! boot may wait for something that is queued behind it. An answer is waited for under the deadline of the step: an
//! instance whose burst credits are spent takes minutes for what takes milliseconds otherwise.

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::{
    error::{Cause, Error, Result},
    retry::{Policy, Retry},
    world::{Command, Finished, Host},
};

/// Longest time for the last lines of a unit. They only explain a failure, and the run is at its deadline then.
const LINES: Duration = Duration::from_secs(30);

/// Words of `systemctl` if systemd or its bus did not answer it in time: it waits for 25 s by itself, and 90 s at most.
const BUSY: [&str; 7] = [
    "timed out",
    "Failed to connect to bus",
    "Connection reset",
    "Connection refused",
    "Transport endpoint is not connected",
    "disconnected from message bus",
    "Resource temporarily unavailable",
];

/// Whether systemd runs this machine: `sd_booted(3)`.
pub fn running(root: &Path) -> bool {
    root.join("run/systemd/system").is_dir()
}

/// What systemd says of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `activating`, `failed`, `inactive`, …
    pub active: String,
    /// Why it is as it is: `success`, `exit-code`, `start-limit-hit`, …
    pub result: String,
    /// `enabled`, `disabled`, `static`, …
    pub enabled: String,
    /// Whether a job for it is queued.
    pub queued: bool,
    /// Whether its files on disk are newer than what systemd has read.
    pub outdated: bool,
}

impl UnitState {
    /// Whether there is such a unit.
    pub fn exists(&self) -> bool {
        self.load == "loaded"
    }

    fn parse(text: &str) -> Self {
        let fields: BTreeMap<_, _> = text.lines().filter_map(|l| l.split_once('=')).collect();
        let get = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
        Self {
            load: get("LoadState"),
            active: get("ActiveState"),
            result: get("Result"),
            enabled: get("UnitFileState"),
            queued: !matches!(get("Job").as_str(), "" | "0"),
            outdated: get("NeedDaemonReload") == "yes",
        }
    }
}

/// The service manager, asked within the time that `retry` leaves.
#[derive(Clone, Copy)]
pub struct Systemd<'a> {
    /// Commands.
    pub host: &'a dyn Host,
    /// Deadline.
    pub retry: &'a Retry,
}

impl Systemd<'_> {
    /// Asks for the state of a unit; one that is not there is `not-found`.
    pub async fn state(&self, unit: &str) -> Result<UnitState> {
        let show = "LoadState,ActiveState,Result,UnitFileState,Job,NeedDaemonReload";
        Ok(UnitState::parse(&self.ask(&["show", "--property", show, unit]).await?.stdout))
    }

    /// How long systemd would give a unit to stop if the drop-in `without` were not there; `None` where there is no such
    /// unit, or no limit.
    pub async fn stop_timeout(&self, unit: &str, without: &str) -> Result<Option<Duration>> {
        let shown = self.ask(&["show", "--property", "LoadState,TimeoutStopUSec", unit]).await?.stdout;
        let value = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        if value("LoadState=") != "loaded" {
            return Ok(None);
        }
        let files = self.ask(&["cat", unit]).await?.stdout;
        if !files.lines().any(|line| line.strip_prefix("# ") == Some(without)) {
            return Ok(timespan(value("TimeoutStopUSec=")));
        }
        if let Some(set) = stop_timeout_of(&files, without) {
            return Ok(Some(set));
        }
        let default = self.ask(&["show", "--property", "DefaultTimeoutStopUSec", "--value"]).await?.stdout;
        Ok(timespan(default.trim()))
    }

    /// Whether systemd has started a unit again by itself since somebody last asked for it; also if it does not answer.
    pub async fn restarted(&self, unit: &str) -> bool {
        let shown = self.ask(&["show", "--property", "NRestarts", "--value", unit]).await;
        shown.map_or(true, |shown| shown.stdout.trim() != "0")
    }

    /// Queues the start of a unit and returns.
    pub async fn start(&self, unit: &str) -> Result<()> {
        self.ask(&["start", "--no-block", unit]).await.map(drop)
    }

    /// Starts a unit and waits until it has, for no longer than `within`; whether it has.
    pub async fn start_within(&self, unit: &str, within: Duration) -> Result<bool> {
        let finished = self.host.run(&systemctl(&["start", unit]).timeout(within), &mut |_| ()).await?;
        Ok(!finished.timed_out && finished.code == 0)
    }

    /// Stops a unit and waits until it has, for no longer than `within`: only for what no boot waits for.
    pub async fn stop(&self, unit: &str, within: Duration) -> Result<()> {
        done("systemctl stop", self.host.run(&systemctl(&["stop", unit]).timeout(within), &mut |_| ()).await?).map(drop)
    }

    /// Queues the restart of a unit and returns. Counts of earlier failures are forgotten first, else systemd may
    /// refuse.
    pub async fn restart(&self, unit: &str) -> Result<()> {
        self.reset_failed(unit).await?;
        self.ask(&["restart", "--no-block", unit]).await.map(drop)
    }

    /// Forgets that a unit failed.
    pub async fn reset_failed(&self, unit: &str) -> Result<()> {
        // systemctl calls it an error where the unit is not loaded: then there is nothing to forget.
        self.run(&["reset-failed", unit]).await.map(drop)
    }

    /// Has a unit started at every boot.
    pub async fn enable(&self, unit: &str) -> Result<()> {
        self.ask(&["enable", unit]).await.map(drop)
    }

    /// Has a unit not started any more, and queues its stop.
    pub async fn disable(&self, unit: &str) -> Result<()> {
        self.ask(&["disable", "--now", "--no-block", unit]).await.map(drop)
    }

    /// Has systemd read its unit files again.
    pub async fn reload(&self) -> Result<()> {
        self.ask(&["daemon-reload"]).await.map(drop)
    }

    /// The last lines that a unit has logged since this boot; empty where there is no journal.
    pub async fn last_lines(&self, unit: &str) -> Vec<String> {
        let command =
            Command::new(["journalctl", "--boot", "--no-pager", "--output=cat", "--lines=20", "--unit", unit]);
        match self.host.run(&command.timeout(LINES), &mut |_| ()).await {
            Ok(finished) if finished.code == 0 => finished.tail,
            _ => Vec::new(),
        }
    }

    /// Asks until systemd answers, or the deadline has come.
    async fn ask(&self, args: &[&str]) -> Result<Finished> {
        let what = format!("systemctl {}", args.join(" "));
        let policy = Policy::SERVICE.attempt_timeout(None).ends_itself();
        self.retry.run(&what, policy, async |_| done(&what, self.run(args).await?)).await
    }

    async fn run(&self, args: &[&str]) -> Result<Finished> {
        let command = systemctl(args);
        let command = match self.retry.remaining() {
            Some(left) => command.timeout(left),
            None => command,
        };
        self.host.run(&command, &mut |_| ()).await
    }
}

fn done(what: &str, finished: Finished) -> Result<Finished> {
    if finished.code == 0 {
        return Ok(finished);
    }
    let said = finished.tail.join("; ");
    let refused = |came: &str| Error::new(Cause::ServiceManager, format!("{what}: {came}"));
    if finished.timed_out {
        return Err(refused("no answer").transient());
    }
    let err = refused(&format!("exit {}: {said}", finished.code));
    Err(if BUSY.iter().any(|words| said.contains(words)) { err.transient() } else { err })
}

/// What unit files, as `systemctl cat` prints them in the order in which they count, set as limit for stopping; the
/// file `without` does not count. `None`: nothing; no limit is the longest time that there is.
fn stop_timeout_of(files: &str, without: &str) -> Option<Duration> {
    let (mut counts, mut last) = (true, None);
    for line in files.lines() {
        if let Some(path) = line.strip_prefix("# /") {
            counts = without.strip_prefix('/') != Some(path);
        }
        let Some((key, value)) = line.split_once('=').filter(|_| counts) else { continue };
        if matches!(key.trim(), "TimeoutStopSec" | "TimeoutSec") {
            // systemd ignores what it cannot read; 0 is no limit.
            last = match value.trim() {
                "infinity" => Some(Duration::MAX),
                text => timespan(text).map(|t| if t.is_zero() { Duration::MAX } else { t }).or(last),
            };
        }
    }
    last
}

/// Reads a time as systemd prints it, or as units have it: `1min 30s`, `500ms`, `90`. `None` for `infinity`.
fn timespan(text: &str) -> Option<Duration> {
    text.split_whitespace().try_fold(Duration::ZERO, |sum, word| {
        let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let number: f64 = word[..digits].parse().ok()?;
        let unit = match &word[digits..] {
            "us" => 1e-6,
            "ms" => 1e-3,
            "" | "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" => 86400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        Some(sum + Duration::from_secs_f64(number * unit))
    })
}

fn systemctl(args: &[&str]) -> Command {
    Command::new(std::iter::once("systemctl").chain(args.iter().copied()))
}

#[cfg(test)]
mod tests;
