//! The delay before the first request of a run that systemd started, after runs that ended with exit code 4.
//!
//! systemd starts such a run again after `RestartSec`, which before version 254 cannot grow. A fleet with one wrong tag
//! would ask the bucket for ever, all instances in step. So the unit's next run waits by itself: with full jitter below
//! a ceiling that doubles, until `RestartSec` and the ceiling together are five minutes; also at the next boot, so that a
//! loop of reboots is no faster. The count ends with any other exit code, with other settings, and after an hour. A run
//! from a shell and `systemctl start` or `restart` by hand do not wait: somebody is looking.

use std::{path::PathBuf, rc::Rc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::under_way::is_of_unit;
use crate::{
    error::{Cause, Error, Exit, Result},
    execute::Summary,
    fetch::sha256,
    host::{files, systemd},
    retry::{Retry, Schedule, seconds},
    settings::{Settings, carried},
    state_file,
    world::World,
};

/// The unit of the run.
const UNIT: &str = "rolecall.service";

/// `RestartSec` of the unit, and so the shortest delay of a restart.
const RESTART: Duration = Duration::from_secs(15);

/// The longest delay of a restart.
const LONGEST: Duration = Duration::from_secs(300);

/// A run that begins this long after the last one is nobody's loop.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// Format of the file.
const FORMAT: u64 = 1;

/// What earlier runs came to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failures {
    /// How many runs in a row ended with exit code 4.
    count: u32,
    /// End of the last one.
    at: Timestamp,
    /// Its cause.
    cause: String,
    /// Boot of the kernel.
    boot: String,
    /// Hash of the settings.
    input: String,
}

/// Counts runs that ended with exit code 4, and waits for as long as they ask for.
pub(super) struct RestartDelay {
    path: PathBuf,
    input: String,
    boot: String,
}

impl RestartDelay {
    pub(super) fn of(settings: &Settings) -> Self {
        let Settings { source, roles, environment, tags, owners, keys, trust_tags, .. } = settings;
        // Endpoints, proxies and certificates decide what can be reached, whoever sets them.
        let variables = settings.env.matching(carried::is_setting);
        let input = format!("{:?}", (source, roles, environment, tags, owners, keys, trust_tags, variables));
        Self { path: settings.paths.failures(), input: sha256(input.as_bytes()), boot: boot() }
    }

    /// How long to wait before the first request, if systemd started this process by itself, and why.
    pub(super) async fn due(&self, world: &World) -> Option<(Duration, String)> {
        let failures = self.read(Timestamp::now())?;
        if !self.automatic(&failures, world).await {
            return None;
        }
        let wait = delay(failures.count);
        let (count, cause) = (failures.count, &failures.cause);
        let runs = if count == 1 { "a run".to_owned() } else { format!("{count} runs") };
        Some((wait, format!("waiting {} before the next try: {runs} ended with cause={cause}", seconds(wait))))
    }

    /// Notes what a run came to. What cannot be noted only makes the next delay shorter.
    pub(super) fn note(&self, result: &Result<Summary>) {
        let noted = match result {
            // It may have been for a reboot.
            Err(err) if err.cause == Cause::Interrupted => Ok(()),
            Err(err) if err.exit() == Exit::Unreachable => self.count(err),
            _ if self.path.exists() => files::remove(&self.path),
            _ => Ok(()),
        };
        if let Err(err) = noted {
            warn!("the delay before the next run does not grow: {err}");
        }
    }

    fn count(&self, err: &Error) -> Result<()> {
        let before = self.read(Timestamp::now()).map_or(0, |failures| failures.count);
        let failures = Failures {
            count: before.saturating_add(1),
            at: Timestamp::now(),
            cause: err.cause.code().to_owned(),
            boot: self.boot.clone(),
            input: self.input.clone(),
        };
        files::write_volatile(&self.path, &state_file::encode(&self.path, FORMAT, &failures)?, 0o600)
    }

    /// What counts of earlier runs.
    fn read(&self, now: Timestamp) -> Option<Failures> {
        let loss = "this run is not delayed";
        let failures: Failures = state_file::read_or_rebuild::<Option<_>>(&self.path, FORMAT, loss)?;
        // A clock that was put back makes no run older.
        let age = Duration::try_from(now.duration_since(failures.at)).unwrap_or_default();
        (failures.input == self.input && age < FORGOTTEN).then_some(failures)
    }

    /// Whether nobody asked for this run: it is the unit's, and was started by a boot or as a restart.
    async fn automatic(&self, failures: &Failures, world: &World) -> bool {
        let retry = Retry::new(Rc::clone(&world.clock), Some(world.clock.now() + RESTART));
        let manager = systemd::Systemd { host: world.host.as_ref(), retry: &retry };
        is_of_unit() && (failures.boot != self.boot || manager.restarted(UNIT).await)
    }
}

/// The delay after so many runs, on top of [`RESTART`].
fn delay(count: u32) -> Duration {
    let nth = usize::try_from(count.clamp(1, 16) - 1).unwrap_or_default();
    Schedule::new(RESTART, LONGEST - RESTART).nth(nth).unwrap_or_default()
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Flags;

    #[test]
    fn delay_grows_to_five_minutes_with_jitter() {
        let text = include_str!("../../userdata/rolecall.service");
        assert!(text.contains(&format!("\nRestartSec={}\n", RESTART.as_secs())));
        for (count, ceiling) in [(1, 15), (2, 30), (3, 60), (4, 120), (5, 240), (6, 285), (7, 285), (u32::MAX, 285)] {
            let waits: Vec<u64> = (0..300).map(|_| delay(count).as_secs()).collect();
            assert!(waits.iter().all(|wait| *wait <= ceiling), "{count}: {waits:?}");
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*least < ceiling / 4 && *most > ceiling * 3 / 4, "{count}: {least} to {most}");
        }
    }

    #[test]
    fn settings_that_decide_what_is_reached_are_input() {
        let input = |env: &[(&str, &str)]| {
            let settings = Settings::load(&Flags::default(), env.iter().copied().collect()).unwrap();
            RestartDelay::of(&settings).input
        };
        let plain = input(&[]);
        for (name, value) in [
            ("ROLECALL_TRUST_TAGS", "true"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
            ("AWS_USE_FIPS_ENDPOINT", "true"),
            ("AWS_ENDPOINT_URL_S3", "https://s3.test"),
            ("HTTPS_PROXY", "http://proxy.test:3128"),
        ] {
            assert_ne!(input(&[(name, value)]), plain, "{name}");
        }
        assert_eq!(input(&[("PATH", "/bin"), ("INVOCATION_ID", "1")]), plain);
    }

    #[test]
    fn only_failures_in_a_row_on_one_input_count() {
        let dir = tempfile::tempdir().unwrap();
        let delays = |input: &str| RestartDelay { path: dir.path().join("f"), input: input.into(), boot: "b".into() };
        let one = delays("one");
        let count = |delays: &RestartDelay, now: Timestamp| delays.read(now).map(|failures| failures.count);
        let unreachable = || Err(Error::new(Cause::ImagePull, "no").transient());
        one.note(&unreachable());
        one.note(&unreachable());
        let now = Timestamp::now();
        assert_eq!(count(&one, now), Some(2));
        one.note(&Err(Error::new(Cause::Interrupted, "stopped")));
        assert_eq!((count(&one, now), count(&delays("two"), now)), (Some(2), None));
        assert_eq!(count(&one, now + FORGOTTEN + Duration::from_secs(1)), None);
        assert_eq!(count(&one, now - FORGOTTEN), Some(2), "the clock was put back");
        for end in [Ok(Summary::default()), Err(Error::new(Cause::ImageNotFound, "no"))] {
            one.note(&unreachable());
            one.note(&end);
            assert_eq!(count(&one, now), None);
        }
        std::fs::write(&one.path, r#"{"format":2,"count":9}"#).unwrap();
        assert_eq!(count(&one, now), None);
    }
}
