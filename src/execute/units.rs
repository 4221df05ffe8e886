//! The units of a host: the run, and the grace that its containers have when the machine goes down.

use std::{path::Path, time::Duration};

use tracing::warn;

use super::machine::{Machine, Outcome};
use crate::{
    error::Result,
    host::{files, systemd},
    plan::grace::Grace,
};

/// `rolecall.service`: the run.
pub const RUN: &str = include_str!("../../userdata/rolecall.service");

/// `rolecall-containers.service`: the grace.
pub const CONTAINERS: &str = include_str!("../../userdata/rolecall-containers.service");

const CONTAINERS_UNIT: &str = "rolecall-containers.service";
const DOCKER_UNIT: &str = "docker.service";
/// What systemd calls a unit that could be enabled and is not.
pub(super) const DISABLED: &str = "disabled";
pub(super) const BINARY: &str = "/usr/local/bin/rolecall";

/// What a unit needs on top of the grace: for a run that is ended first, and for the engine to kill and to clean up.
const MARGIN: Duration = Duration::from_secs(60);

/// How long the start of the grace is waited for: it runs `/bin/true` once the engine is up, which takes a slow machine
/// some seconds. Not without a limit: inside a boot, its job may be queued behind whoever waits for this run.
const ACTIVE: Duration = Duration::from_secs(120);

/// The first line of a unit that we brought, so that it goes where a package brings one.
pub(super) const MARK: &str = "# Written by rolecall; changes belong into a drop-in.\n";

/// Whether the grace of the containers is in force.
pub async fn check(machine: &Machine, binary: &Path, grace: Grace) -> Result<bool> {
    if !systemd::running(machine.root()) {
        return Ok(true);
    }
    for (path, text) in wanted(machine, binary, grace).await? {
        if files::read(&machine.path(&path))?.as_deref() != text.as_deref().map(str::as_bytes) {
            return Ok(false);
        }
    }
    let state = machine.systemd().state(CONTAINERS_UNIT).await?;
    Ok(state.active == "active" && state.enabled != DISABLED)
}

/// Puts the grace in force, before the first container is started: installs the unit where no package did, has the
/// timeouts of units fit the grace, starts the unit, and has it started with the engine from then on, so that it does not
/// depend on how far the run of a later boot comes. Without systemd there is nothing to do.
pub async fn apply(machine: &Machine, binary: &Path, grace: Grace) -> Result<Outcome> {
    if !systemd::running(machine.root()) {
        return Ok(Outcome::Unchanged);
    }
    let mut written = false;
    for (path, text) in wanted(machine, binary, grace).await? {
        let path = machine.path(&path);
        if files::read(&path)?.as_deref() == text.as_deref().map(str::as_bytes) {
            continue;
        }
        match text {
            Some(text) => files::write_atomic(&path, text.as_bytes(), 0o644)?,
            None => files::remove(&path)?,
        }
        written = true;
    }
    let manager = machine.systemd();
    if written {
        manager.reload().await?;
    }
    let state = manager.state(CONTAINERS_UNIT).await?;
    let enabled = state.enabled != DISABLED;
    if !enabled {
        manager.enable(CONTAINERS_UNIT).await?;
    }
    if !written && enabled && state.active == "active" {
        return Ok(Outcome::Unchanged);
    }
    if !manager.start_within(CONTAINERS_UNIT, ACTIVE).await? {
        // The containers are worth more than their grace.
        warn!("containers may not be stopped in order when the machine goes down: {CONTAINERS_UNIT} does not start");
    }
    Ok(Outcome::Changed("grace of the containers set".into()))
}

/// The files that hold the grace, those without a text not being needed: a unit where no package brought it, and drop-ins
/// where the timeouts of others are too short.
async fn wanted(machine: &Machine, binary: &Path, grace: Grace) -> Result<Vec<(String, Option<String>)>> {
    let mut files = Vec::new();
    let unit = format!("/etc/systemd/system/{CONTAINERS_UNIT}");
    if !machine.path("/usr/lib/systemd/system").join(CONTAINERS_UNIT).exists() {
        files.push((unit, Some(format!("{MARK}{}", CONTAINERS.replace(BINARY, &quoted(binary))))));
    } else if files::read(&machine.path(&unit))?.is_some_and(|text| text.starts_with(MARK.as_bytes())) {
        files.push((unit, None));
    }
    let need = grace.chain + MARGIN;
    files.push((dropin(CONTAINERS_UNIT), (need > unit_timeout(CONTAINERS)).then(|| timeout(need))));
    let (docker, need) = (dropin(DOCKER_UNIT), grace.longest + MARGIN);
    let theirs = machine.systemd().stop_timeout(DOCKER_UNIT, &docker).await?;
    files.push((docker, theirs.is_some_and(|has| has < need).then(|| timeout(need))));
    Ok(files)
}

fn dropin(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}.d/rolecall-grace.conf")
}

fn timeout(time: Duration) -> String {
    format!("# Written by each run, from the graces of its services.\n[Service]\nTimeoutStopSec={}\n", time.as_secs())
}

/// `TimeoutStopSec` in the text of a unit of ours.
fn unit_timeout(unit: &str) -> Duration {
    let value = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")?.parse().ok());
    Duration::from_secs(value.unwrap_or(90))
}

/// A path in a command line of a unit.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%").replace('$', "$$");
    if text.contains([' ', '"', '\'', '\\']) {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stage_carries_the_unit_without_its_comments() {
        let script = include_str!("../../userdata/bootstrap.sh");
        let (_, rest) = script.split_once("<<UNIT\n").unwrap();
        let (carried, _) = rest.split_once("UNIT\n").unwrap();
        let named = [("$b", BINARY), ("$e", "/etc/rolecall/env"), ("$f", "/var/lib/rolecall/fetch")];
        let carried = named.iter().fold(carried.to_owned(), |text, (name, path)| text.replace(name, path));
        let bare: String =
            RUN.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
        assert_eq!(carried, bare);
        assert!(script.len() < 8192, "{} bytes", script.len());
    }

    #[test]
    fn the_run_waits_for_nothing_that_may_wait_for_user_data() {
        let after: Vec<_> = RUN.lines().filter(|l| l.starts_with("After=") || l.starts_with("Requires=")).collect();
        assert_eq!(after, ["After=network-online.target"]);
    }

    #[test]
    fn paths_are_quoted_for_a_command_line() {
        assert_eq!(quoted(Path::new("/usr/bin/rolecall")), "/usr/bin/rolecall");
        assert_eq!(quoted(Path::new("/srv/a b/100%/x")), "\"/srv/a b/100%%/x\"");
    }
}
