//! The service manager, as far as a boot needs it. Nothing here waits for a job without a limit: what waits inside a
//! boot may wait for something that is queued behind it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::{
    error::{Cause, Error, Result},
    world::{Command, Finished, Host},
};

/// systemd answers at once, or not at all.
const ANSWER: Duration = Duration::from_secs(30);

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
        }
    }
}

/// Asks for the state of a unit; one that is not there is `not-found`.
pub async fn state(host: &dyn Host, unit: &str) -> Result<UnitState> {
    let show = "LoadState,ActiveState,Result,UnitFileState,Job";
    Ok(UnitState::parse(&ask(host, &["show", "--property", show, unit]).await?.stdout))
}

/// How long systemd would give a unit to stop if the drop-in `without` were not there; `None` where there is no such
/// unit, or no limit.
pub async fn stop_timeout(host: &dyn Host, unit: &str, without: &str) -> Result<Option<Duration>> {
    let shown = ask(host, &["show", "--property", "LoadState,TimeoutStopUSec", unit]).await?.stdout;
    let value = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    if value("LoadState=") != "loaded" {
        return Ok(None);
    }
    let files = ask(host, &["cat", unit]).await?.stdout;
    if !files.lines().any(|line| line.strip_prefix("# ") == Some(without)) {
        return Ok(timespan(value("TimeoutStopUSec=")));
    }
    if let Some(set) = stop_timeout_of(&files, without) {
        return Ok(Some(set));
    }
    let default = ask(host, &["show", "--property", "DefaultTimeoutStopUSec", "--value"]).await?.stdout;
    Ok(timespan(default.trim()))
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

/// Whether systemd has started a unit again by itself since somebody last asked for it; also if it does not answer.
pub async fn restarted(host: &dyn Host, unit: &str) -> bool {
    let shown = ask(host, &["show", "--property", "NRestarts", "--value", unit]).await;
    shown.map_or(true, |shown| shown.stdout.trim() != "0")
}

/// Queues the start of a unit and returns.
pub async fn start(host: &dyn Host, unit: &str) -> Result<()> {
    ask(host, &["start", "--no-block", unit]).await.map(drop)
}

/// Starts a unit and waits until it has, for no longer than `within`; whether it has.
pub async fn start_within(host: &dyn Host, unit: &str, within: Duration) -> Result<bool> {
    let finished = host.run(&systemctl(&["start", unit]).timeout(within), &mut |_| ()).await?;
    Ok(!finished.timed_out && finished.code == 0)
}

/// Stops a unit and waits until it has, for no longer than `within`: only for what no boot waits for.
pub async fn stop(host: &dyn Host, unit: &str, within: Duration) -> Result<()> {
    done(&["stop", unit], host.run(&systemctl(&["stop", unit]).timeout(within), &mut |_| ()).await?).map(drop)
}

/// Queues the restart of a unit and returns. Counts of earlier failures are forgotten first, else systemd may
/// refuse.
pub async fn restart(host: &dyn Host, unit: &str) -> Result<()> {
    reset_failed(host, unit).await?;
    ask(host, &["restart", "--no-block", unit]).await.map(drop)
}

/// Forgets that a unit failed.
pub async fn reset_failed(host: &dyn Host, unit: &str) -> Result<()> {
    // systemctl calls it an error where the unit is not loaded: then there is nothing to forget.
    run(host, &["reset-failed", unit]).await.map(drop)
}

/// Has a unit started at every boot.
pub async fn enable(host: &dyn Host, unit: &str) -> Result<()> {
    ask(host, &["enable", unit]).await.map(drop)
}

/// Has a unit not started any more, and queues its stop.
pub async fn disable(host: &dyn Host, unit: &str) -> Result<()> {
    ask(host, &["disable", "--now", "--no-block", unit]).await.map(drop)
}

/// Has systemd read its unit files again.
pub async fn reload(host: &dyn Host) -> Result<()> {
    ask(host, &["daemon-reload"]).await.map(drop)
}

/// The last lines that a unit has logged since this boot; empty where there is no journal.
pub async fn last_lines(host: &dyn Host, unit: &str) -> Vec<String> {
    let command = Command::new(["journalctl", "--boot", "--no-pager", "--output=cat", "--lines=20", "--unit", unit]);
    match host.run(&command.timeout(ANSWER), &mut |_| ()).await {
        Ok(finished) if finished.code == 0 => finished.tail,
        _ => Vec::new(),
    }
}

async fn ask(host: &dyn Host, args: &[&str]) -> Result<Finished> {
    done(args, run(host, args).await?)
}

fn done(args: &[&str], finished: Finished) -> Result<Finished> {
    if finished.code == 0 {
        return Ok(finished);
    }
    let said = finished.tail.join("; ");
    let came = if finished.timed_out { "no answer".to_owned() } else { format!("exit {}: {said}", finished.code) };
    Err(Error::new(Cause::Io, format!("systemctl {}: {came}", args.join(" "))).transient())
}

async fn run(host: &dyn Host, args: &[&str]) -> Result<Finished> {
    host.run(&systemctl(args).timeout(ANSWER), &mut |_| ()).await
}

fn systemctl(args: &[&str]) -> Command {
    Command::new(std::iter::once("systemctl").chain(args.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_printed() {
        assert_eq!(timespan("1min 30s"), Some(Duration::from_secs(90)));
        assert_eq!(timespan("10min 500ms"), Some(Duration::from_millis(600_500)));
        assert_eq!(timespan("infinity"), None);
    }

    #[test]
    fn the_limit_of_others_is_read_beside_ours() {
        let ours = "/etc/systemd/system/docker.service.d/rolecall-grace.conf";
        let files = |unit: &str, drop_in: &str| {
            format!(
                "# /lib/systemd/system/docker.service\n[Service]\nTimeoutStartSec=0\n{unit}\n\n# {ours}\n[Service]\n\
                 TimeoutStopSec=660\n\n# /etc/systemd/system/docker.service.d/zz.conf\n[Service]\n{drop_in}\n"
            )
        };
        let limit = |s: u64| Some(Duration::from_secs(s));
        for (unit, drop_in, set) in [
            ("", "", None),
            ("TimeoutStopSec=120", "", limit(120)),
            ("TimeoutStopSec=120", "TimeoutStopSec = 2min", limit(120)),
            ("TimeoutSec=0", "", Some(Duration::MAX)),
            ("TimeoutStopSec=30", "TimeoutStopSec=infinity", Some(Duration::MAX)),
            ("TimeoutStopSec=30", "TimeoutStopSec=soon", limit(30)),
        ] {
            assert_eq!(stop_timeout_of(&files(unit, drop_in), ours), set, "{unit} {drop_in}");
        }
    }

    #[test]
    fn the_state_of_a_unit_is_read() {
        let state = UnitState::parse(
            "Job=1234\nResult=success\nLoadState=loaded\nActiveState=activating\nUnitFileState=enabled\n",
        );
        assert!(state.exists() && state.queued);
        assert_eq!((state.active.as_str(), state.enabled.as_str()), ("activating", "enabled"));
        let none = UnitState::parse("Job=0\nLoadState=not-found\nActiveState=inactive\n");
        assert!(!none.exists() && !none.queued);
    }
}
