//! How long the containers of this host may take to stop. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::compose::Project;

/// What the engine gives a container whose service does not say.
pub const DEFAULT: Duration = Duration::from_secs(10);

/// `JobTimeoutSec` of systemd's `reboot.target` and `poweroff.target`: a shutdown that takes longer is cut off.
const SHUTDOWN: Duration = Duration::from_secs(30 * 60);

/// How long the containers of this host may take to stop. Hooks that run before a stop have the grace of their service
/// once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grace {
    /// The longest of one service: what the engine gives all of them when it is stopped itself.
    pub longest: Duration,
    /// The longest chain of services that wait for each other.
    pub chain: Duration,
}

impl Grace {
    /// The grace of a project, whose services are given in an order in which each stands after what it depends on.
    pub fn of(project: &Project, order: &[String]) -> Self {
        let mut grace = Self::default();
        // A service stops before what it depends on: its own grace comes on top of that of its dependants.
        let mut until: BTreeMap<&str, Duration> = BTreeMap::new();
        for name in order.iter().rev() {
            let Some(service) = project.services.get(name) else { continue };
            let own = service.stop_grace_period.map_or(DEFAULT, crate::compose::model::Duration::as_std);
            let hooks = if service.pre_stop.is_empty() { Duration::ZERO } else { own };
            let end = until.get(name.as_str()).copied().unwrap_or_default() + hooks + own;
            grace.longest = grace.longest.max(own);
            grace.chain = grace.chain.max(end);
            for need in service.depends_on.keys() {
                let start = until.entry(need).or_default();
                *start = (*start).max(end);
            }
        }
        grace
    }

    /// What systemd cannot hold.
    pub fn warning(&self) -> Option<String> {
        let minutes = |d: Duration| d.as_secs().div_ceil(60);
        (self.chain > SHUTDOWN).then(|| {
            format!(
                "services that wait for each other may take {} minutes to stop, and systemd cuts a shutdown off after {} \
                 (JobTimeoutSec of reboot.target and poweroff.target)",
                minutes(self.chain),
                minutes(SHUTDOWN)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graces_add_up_along_the_longest_chain_and_hooks_count_once_more() {
        let project = crate::execute::testing::project(
            "services:\n  db: { image: x, stop_grace_period: 600s }\n  cache: { image: x }\n  app: { image: x, \
             stop_grace_period: 20m, depends_on: [db, cache] }\n  web: { image: x, depends_on: [app], pre_stop: \
             [{ command: [drain] }] }\n",
        );
        let order = ["cache", "db", "app", "web"].map(String::from);
        let grace = Grace::of(&project, &order);
        let (longest, chain) = (Duration::from_secs(1200), Duration::from_secs(2 * 10 + 1200 + 600));
        assert_eq!(grace, Grace { longest, chain });
        assert!(grace.warning().unwrap().contains("may take 31 minutes"), "{grace:?}");
        assert_eq!(Grace::of(&project, &order[..3]).warning(), None, "half an hour is what systemd gives");
    }
}
