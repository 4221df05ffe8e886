//! `rolecall lifecycle`: answers the lifecycle hooks of the Auto Scaling group, as `rolecall-lifecycle.service`.

use std::{path::Path, rc::Rc};

use tracing::{debug, info};

use super::{need_root, real, stop};
use crate::{
    error::{Cause, Result},
    execute::lifecycle::{self, Lifecycle, Run},
    facts::group,
    report::{
        console,
        status::{State, Status},
    },
    retry::{Retry, SETTLE},
    settings::Flags,
};

/// Answers the hooks until the instance is terminated; the exit code.
///
/// # Errors
/// `usage`, no root; metadata that refuses; `tag-missing` or `tags-denied`, where the group's name cannot be had.
pub async fn lifecycle() -> Result<u8> {
    let (world, settings) = real::open(&Flags::default())?;
    need_root("lifecycle")?;
    if !settings.hooks.any() {
        info!("no lifecycle hook is named: nothing to answer");
        return Ok(0);
    }
    if lifecycle::target(&world).await.is_none() {
        info!("this instance is in no Auto Scaling group: no hook to answer");
        return Ok(0);
    }
    let clock = &world.clock;
    // The role of an instance that has just begun may not have spread yet.
    let retry = Retry::new(Rc::clone(clock), None).settling(clock.now() + SETTLE);
    let member = group::member(&world, &retry, &settings).await.map_err(|err| err.step("lifecycle"))?;
    let path = settings.paths.status();
    let tell = |line: &str| console::write(&format!("rolecall: {line}\n"));
    let follow = Lifecycle { world: &world, member: &member, hooks: &settings.hooks, tell: &tell };
    follow.follow(|| run(&path, &member.instance), async || stop::stop(&[], false).await).await;
    Ok(0)
}

/// What the status says of the run of this instance. The folder that it is in does not outlive a boot.
fn run(path: &Path, instance: &str) -> Run {
    match Status::read(path) {
        Ok(Some(status)) => verdict(&status, instance),
        Ok(None) => Run::UnderWay,
        Err(err) => {
            debug!("{err}");
            Run::UnderWay
        }
    }
}

/// A run that somebody ended is no verdict: it may have been for a reboot, or to look after the instance.
fn verdict(status: &Status, instance: &str) -> Run {
    if status.state == State::Running || status.instance.as_deref().is_some_and(|of| of != instance) {
        return Run::UnderWay;
    }
    let cause = status.failure.as_ref().map_or("", |failure| failure.cause.as_str());
    match status.exit {
        Some(0) => Run::Ready,
        Some(1 | 2 | 3 | 5) if cause != Cause::Interrupted.code() => {
            let told = status.failure.as_ref().map_or_else(String::new, |f| format!("cause={cause}, {}", f.message));
            Run::Failed(format!("the run failed with exit code {}, {told}", status.exit.unwrap_or(1)))
        }
        _ => Run::UnderWay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Error, report::status::Failure};

    #[test]
    fn only_an_end_that_nothing_will_change_is_a_failure() {
        let mut status = Status::begin("/x".into());
        assert_eq!(verdict(&status, "i-1"), Run::UnderWay);
        let mut ended = |exit: u8, cause: Option<Cause>, of: &str| {
            status.state = if exit == 0 { State::Ready } else { State::Failed };
            status.exit = Some(exit);
            status.instance = Some(of.to_owned());
            status.failure = cause.map(|cause| Failure::from(&Error::new(cause, "it broke")));
            verdict(&status, "i-1")
        };
        assert_eq!(ended(0, None, "i-1"), Run::Ready);
        assert_eq!(ended(0, None, "i-2"), Run::UnderWay, "of the instance that the image was made of");
        for (exit, cause) in [(1, Cause::ContainerFailed), (2, Cause::SourceRefused), (3, Cause::ManifestInvalid)] {
            let Run::Failed(why) = ended(exit, Some(cause), "i-1") else { panic!("exit {exit}") };
            assert_eq!(why, format!("the run failed with exit code {exit}, cause={}, it broke", cause.code()));
        }
        assert!(matches!(ended(5, Some(Cause::Rollback), "i-1"), Run::Failed(_)));
        for (exit, cause) in [(4, Cause::SourceUnreachable), (6, Cause::Locked), (1, Cause::Interrupted)] {
            assert_eq!(ended(exit, Some(cause), "i-1"), Run::UnderWay, "exit {exit}");
        }
    }
}
