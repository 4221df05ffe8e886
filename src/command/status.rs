//! `rolecall status`.

use std::{path::PathBuf, rc::Rc, time::Duration};

use super::real;
use crate::{
    error::Result,
    paths::Paths,
    plan::{labels, reconcile::Existing},
    report::{
        follow,
        status::{State, Status},
    },
    retry::Retry,
    settings::Env,
};

/// How long the engine may take to list containers. Without an answer, services are as the run left them.
const LIST: Duration = Duration::from_secs(3);

/// Tells what the present or last run has come to, or follows it to its end; its exit code.
///
/// # Errors
/// The status cannot be read, or the run died.
pub async fn status(json: bool, wait: bool, state_dir: Option<String>) -> Result<u8> {
    let state = state_dir.or_else(|| std::env::var("ROLECALL_STATE_DIR").ok().filter(|dir| !dir.is_empty()));
    let paths = Paths::from_env(&PathBuf::from(state.unwrap_or_else(|| crate::settings::STATE_DIR.to_owned())));
    let mut out = std::io::stdout();
    if wait {
        let status = follow::until_end(&paths.status(), &mut std::io::stderr(), another_is_coming)?;
        return Ok(follow::print(&status, &paths.status(), json, &mut out));
    }
    let Some(mut status) = Status::read(&paths.status())? else {
        super::print(if json { "null\n" } else { "rolecall: no run since this machine was booted\n" })?;
        return Ok(0);
    };
    if status.state == State::Running && follow::process(status.pid).is_none() {
        return Err(follow::died(&status));
    }
    if status.state != State::Running && !json {
        compare(&mut status, &containers().await.unwrap_or_default());
    }
    Ok(follow::print(&status, &paths.status(), json, &mut out))
}

/// The containers that we started on this host.
async fn containers() -> Result<Vec<Existing>> {
    let world = real::world(&Env::from_process())?;
    let retry = Retry::new(Rc::clone(&world.clock), None);
    let filter = [format!("{}=true", labels::MANAGED), labels::SERVICE.to_owned()];
    let listed = retry.bounded("list the containers", Some(LIST), world.engine.containers(&filter)).await?;
    Ok(listed.iter().map(Existing::read).collect())
}

/// Names services that were up when the run ended and have a container that is not up any more.
fn compare(status: &mut Status, containers: &[Existing]) {
    let own = status.project.clone().unwrap_or_default();
    for service in status.services.iter_mut().filter(|s| matches!(s.state.as_str(), "running" | "healthy")) {
        let (project, name) = service.service.split_once('/').unwrap_or((&own, &service.service));
        let is_its = |c: &&Existing| c.label(labels::PROJECT) == project && c.label(labels::SERVICE) == name;
        if let Some(down) = containers.iter().filter(is_its).find(|container| container.state != "running") {
            let code = down.exit_code.map(|code| format!(" ({code})")).unwrap_or_default();
            service.state = format!("{}{code}; it was {} when the run ended", down.state, service.state);
        }
    }
}

/// Whether the unit of the run is queued, or under way as another process than the one that wrote this status.
fn another_is_coming(status: &Status) -> bool {
    let show = ["show", "--property=MainPID,ActiveState,Job", "rolecall.service"];
    let Ok(shown) = std::process::Command::new("systemctl").args(show).output() else { return false };
    let shown = String::from_utf8_lossy(&shown.stdout);
    let field =
        |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    let queued = !matches!(field("Job"), "" | "0");
    let other = !matches!(field("MainPID"), "" | "0") && field("MainPID") != status.pid.to_string();
    queued || other
}
