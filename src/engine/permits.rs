//! How much is asked of the engine at once. Each request is a connection of its own, and each connection an open file:
//! a project of many services would come to the end of them where few are allowed.
//!
//! Short requests, pulls and what lasts as long as containers take have permits of their own, so that none waits for
//! another kind. Events need none: there is one stream of them.

use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Open files that are left to everything else: output, journal, timers, other services, commands.
const OTHERS: usize = 24;

/// So many short requests, and so many pulls, keep an engine busy.
const REQUESTS: usize = 16;

/// Containers are stopped at the same time, whatever their graces are.
const LASTING: usize = 256;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is answered as fast as the engine can.
    Short,
    /// It brings an image.
    Pull,
    /// It is answered when a container has stopped, or a command in it has ended.
    Lasting,
}

/// The permits that are left.
pub(super) struct Permits([Arc<Semaphore>; 3]);

impl Permits {
    /// As many as the limit of open files allows.
    pub(super) fn new() -> Self {
        let limit =
            getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| files.try_into().unwrap_or(usize::MAX));
        Self(counts(limit).map(|count| Arc::new(Semaphore::new(count))))
    }

    /// Waits for a permit, which is given back when it is dropped.
    pub(super) async fn take(&self, kind: Kind) -> Option<OwnedSemaphorePermit> {
        // The semaphores are never closed.
        Arc::clone(&self.0[kind as usize]).acquire_owned().await.ok()
    }
}

/// Permits of each kind, where so many files may be open.
fn counts(files: usize) -> [usize; 3] {
    let share = (files.saturating_sub(OTHERS) / 3).max(1);
    [share.min(REQUESTS), share.min(REQUESTS), share.min(LASTING)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_leave_files_for_everything_else() {
        assert_eq!(counts(1024), [16, 16, 256]);
        assert_eq!(counts(40), [5, 5, 5]);
        assert_eq!(counts(3), [1, 1, 1]);
    }
}
