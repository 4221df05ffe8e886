//! The Docker Compose that an operator of the host has: its generation decides how new containers are labelled, so that
//! `docker compose up` finds them up to date.

use std::time::Duration;

use crate::{
    compose::Generation,
    world::{Command, Host},
};

/// It only prints a word. A host that is slower than this is treated as one without the plugin.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The generation of the plugin of the Docker CLI; the newest if there is none.
pub(super) async fn generation(host: &dyn Host) -> Generation {
    let ask = Command::new(["docker", "compose", "version", "--short"]).timeout(ANSWER_TIMEOUT);
    let Ok(finished) = host.run(&ask, &mut |_| ()).await else { return Generation::NEWEST };
    if finished.code == 0 && !finished.timed_out { of(&finished.stdout) } else { Generation::NEWEST }
}

/// The generation of a version such as `2.40.3`, `v5.1.0` or `2.26.1-4`.
fn of(version: &str) -> Generation {
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(..5) => Generation::Two,
        _ => Generation::Five,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_tells_the_generation() {
        for two in ["2.40.3\n", "v2.29.7", "2.26.1-4", "1.29.2"] {
            assert_eq!(of(two), Generation::Two, "{two}");
        }
        for five in ["5.0.0", "v5.5.0\n", "6.1", "", "dev"] {
            assert_eq!(of(five), Generation::Five, "{five}");
        }
    }
}
