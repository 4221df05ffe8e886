//! When an image is pulled.

use std::time::Duration;

/// What `pull_policy` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// Where the engine does not have it.
    Missing,
    /// Each time.
    Always,
    /// Never: it has to be there.
    Never,
    /// Where it was pulled longer ago than this.
    Every(Duration),
}

const HOUR: u64 = 3600;

/// Reads `pull_policy`; `None` for what is no policy, or one that builds.
pub fn pull_policy(text: &str) -> Option<PullPolicy> {
    match text {
        "" | "missing" | "if_not_present" => Some(PullPolicy::Missing),
        "always" => Some(PullPolicy::Always),
        "never" => Some(PullPolicy::Never),
        "daily" => Some(PullPolicy::Every(Duration::from_secs(24 * HOUR))),
        "weekly" => Some(PullPolicy::Every(Duration::from_secs(7 * 24 * HOUR))),
        _ => interval(text.strip_prefix("every_")?).map(PullPolicy::Every),
    }
}

/// `1w2d12h30m5s`: whole numbers with units, at least one of them.
fn interval(text: &str) -> Option<Duration> {
    let mut secs = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest[digits..].chars().next()? {
            'w' => 7 * 24 * HOUR,
            'd' => 24 * HOUR,
            'h' => HOUR,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        secs = secs.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_of_the_specification_is_known() {
        let hours = |h: u64| Some(PullPolicy::Every(Duration::from_secs(h * HOUR)));
        assert_eq!(pull_policy(""), Some(PullPolicy::Missing));
        assert_eq!(pull_policy("if_not_present"), Some(PullPolicy::Missing));
        assert_eq!(pull_policy("always"), Some(PullPolicy::Always));
        assert_eq!(pull_policy("never"), Some(PullPolicy::Never));
        assert_eq!(pull_policy("daily"), hours(24));
        assert_eq!(pull_policy("weekly"), hours(168));
        assert_eq!(pull_policy("every_1w2d"), hours(9 * 24));
        for no in ["build", "sometimes", "every_", "every_5", "every_x", "every_5y", "every_99999999999999999999s"] {
            assert_eq!(pull_policy(no), None, "{no}");
        }
    }
}
