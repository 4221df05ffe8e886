//! `rolecall status`.

use std::path::PathBuf;

use crate::{
    error::Result,
    paths::Paths,
    report::{
        follow,
        status::{State, Status},
    },
};

/// Tells what the present or last run has come to, or follows it to its end; its exit code.
///
/// # Errors
/// The status cannot be read, or the run died.
pub fn status(json: bool, wait: bool, state_dir: Option<String>) -> Result<u8> {
    let state = state_dir.or_else(|| std::env::var("ROLECALL_STATE_DIR").ok().filter(|dir| !dir.is_empty()));
    let paths = Paths::from_env(&PathBuf::from(state.unwrap_or_else(|| crate::settings::STATE_DIR.to_owned())));
    let mut out = std::io::stdout();
    if wait {
        let status = follow::until_end(&paths.status(), &mut std::io::stderr(), another_is_coming)?;
        return Ok(follow::print(&status, &paths.status(), json, &mut out));
    }
    let Some(status) = Status::read(&paths.status())? else {
        super::print(if json { "null\n" } else { "rolecall: no run since this machine was booted\n" })?;
        return Ok(0);
    };
    if status.state == State::Running && follow::process(status.pid).is_none() {
        return Err(follow::died(&status));
    }
    Ok(follow::print(&status, &paths.status(), json, &mut out))
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
