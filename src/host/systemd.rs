//! The service manager, as far as a boot needs it. Nothing here waits for a job: what waits inside a boot may
//! wait for something that is queued behind it.

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

/// How long systemd gives a unit to stop; `None` where there is no such unit, or no limit.
pub async fn stop_timeout(host: &dyn Host, unit: &str) -> Result<Option<Duration>> {
    let shown = ask(host, &["show", "--property", "LoadState,TimeoutStopUSec", unit]).await?.stdout;
    let value = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    Ok(if value("LoadState=") == "loaded" { timespan(value("TimeoutStopUSec=")) } else { None })
}

/// Reads a time as systemd prints it: `1min 30s`, `500ms`, `infinity`.
fn timespan(text: &str) -> Option<Duration> {
    text.split_whitespace().try_fold(Duration::ZERO, |sum, word| {
        let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let number: f64 = word[..digits].parse().ok()?;
        let unit = match &word[digits..] {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        Some(sum + Duration::from_secs_f64(number * unit))
    })
}

/// Queues the start of a unit and returns.
pub async fn start(host: &dyn Host, unit: &str) -> Result<()> {
    ask(host, &["start", "--no-block", unit]).await.map(drop)
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
    let finished = run(host, args).await?;
    if finished.code == 0 {
        return Ok(finished);
    }
    let said = finished.tail.join("; ");
    let came = if finished.timed_out { "no answer".to_owned() } else { format!("exit {}: {said}", finished.code) };
    Err(Error::new(Cause::Io, format!("systemctl {}: {came}", args.join(" "))).transient())
}

async fn run(host: &dyn Host, args: &[&str]) -> Result<Finished> {
    let command = Command::new(std::iter::once("systemctl").chain(args.iter().copied()));
    host.run(&command.timeout(ANSWER), &mut |_| ()).await
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
