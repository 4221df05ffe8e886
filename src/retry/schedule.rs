//! The waits between attempts. The only file that names `backoff`, and only for its interval arithmetic:
//! classes, attempts, deadlines and `Retry-After` are ours (see `retry`).

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

/// An endless schedule of waits with full jitter: each is uniform between zero and twice its centre, where the
/// centre doubles from `base / 2` on, so that the longest possible wait is `base`, 2·`base`, … up to `cap`.
pub struct Schedule {
    inner: ExponentialBackoff,
    cap: Duration,
}

impl Schedule {
    /// A schedule whose longest waits are `base`, 2·`base`, 4·`base`, … and never over `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        let inner = ExponentialBackoffBuilder::new()
            .with_initial_interval(base.min(cap) / 2)
            .with_max_interval(cap / 2)
            .with_multiplier(2.0)
            .with_randomization_factor(1.0)
            .with_max_elapsed_time(None)
            .build();
        Self { inner, cap }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.inner.next_backoff().map(|wait| wait.min(self.cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_under_a_doubling_ceiling() {
        for _ in 0..200 {
            let base = Duration::from_millis(100);
            let cap = Duration::from_secs(2);
            let mut ceiling = base;
            for wait in Schedule::new(base, cap).take(12) {
                assert!(wait <= ceiling + Duration::from_millis(1), "{wait:?} over {ceiling:?}");
                ceiling = (ceiling * 2).min(cap);
            }
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let waits: Vec<_> =
            (0..400).filter_map(|_| Schedule::new(Duration::from_secs(1), Duration::from_secs(1)).next()).collect();
        assert!(waits.iter().any(|w| *w < Duration::from_millis(200)));
        assert!(waits.iter().any(|w| *w > Duration::from_millis(800)));
    }
}
