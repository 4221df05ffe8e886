//! A stop that nobody undoes: the run that is under way is ended first, and none begins before the stop has ended.

use std::{path::Path, rc::Rc, time::Duration};

use tracing::{info, warn};

use crate::{
    error::Cause,
    host::{lock, process, systemd},
    retry::Retry,
    world::World,
};

/// The unit of the run.
const UNIT: &str = "rolecall.service";

/// How long the run may take to end: `TimeoutStopSec` of its unit, and a little more for systemd to see it. Not longer on a
/// slow machine either: the containers need the rest of the time that the machine has to go down.
const END: Duration = Duration::from_secs(45);

/// How often it is looked whether the lock is free.
const LOOK: Duration = Duration::from_millis(100);

/// Ends the run, be it the unit's or somebody's, and takes the lock in its place. A stop that is under way already is
/// waited for: a second signal could cost a container its grace. The machine may be going down, so whatever goes wrong
/// here is told, and does not keep containers from being stopped.
pub async fn alone(world: &World, path: &Path, command: &str, unit: bool) -> Option<lock::RunLock> {
    let retry = Retry::new(Rc::clone(&world.clock), Some(world.clock.now() + END));
    let manager = systemd::Systemd { host: &*world.host, retry: &retry };
    if unit && systemd::running(Path::new("/")) {
        let stopped = async {
            let state = manager.state(UNIT).await?;
            let idle = matches!(state.active.as_str(), "inactive" | "failed") && !state.queued;
            if idle { Ok(()) } else { manager.stop(UNIT, END).await }
        };
        if let Err(err) = stopped.await {
            warn!("{UNIT} could not be stopped: {err}");
        }
    }
    let mut asked: Option<lock::HeldBy> = None;
    let mut since = world.clock.now();
    loop {
        let err = match lock::RunLock::take_for(path, command) {
            Ok(held) => return Some(held),
            Err(err) if err.cause == Cause::Locked => err,
            Err(err) => {
                warn!("a run may begin before all is stopped: {err}");
                return None;
            }
        };
        let holder = lock::HeldBy::read(path);
        if holder.is_some() && holder != asked {
            since = world.clock.now();
            asked = holder;
            if let Some(lock::HeldBy { pid, command, .. }) = asked.as_ref().filter(|held| held.command == "run") {
                info!("ending the {command} that is under way (pid {pid})");
                if let Err(err) = process::terminate(*pid) {
                    warn!("{err}");
                }
            } else {
                info!("waiting: {err}");
            }
        }
        let stopping = asked.as_ref().is_some_and(|held| held.command != "run");
        if !stopping && world.clock.now().saturating_sub(since) > END {
            warn!("it may start again what is stopped now: {err}");
            return None;
        }
        world.clock.sleep(LOOK).await;
    }
}
