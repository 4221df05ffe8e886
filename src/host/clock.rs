//! Real time.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::world::Clock;

/// The monotonic clock of this machine, counted from its construction.
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait(?Send)]
impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}
