//! The clock of the machine, which changes while the run is under way. The services play it: what counts is how far
//! both are apart.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    Must::Converge,
    machines::{Done, Machine},
    rows,
};

/// The clocks are `before` seconds apart until tags have been asked for, and `after` from then on.
fn set(before: i64, after: i64) -> Done {
    let machine = Machine::tags_by_api().deadline(60);
    let ahead = &machine.bed.aws.cloud.ahead;
    ahead.store(before, Ordering::Relaxed);
    let mut run = machine.spawn();
    while machine.bed.aws.server.asked("POST /") < 1 && !run.ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    ahead.store(after, Ordering::Relaxed);
    Done { outcome: run.wait(), machine }
}

rows! { Clock:
    clock_put_right, Skewed, "it is 20 minutes behind, and put right while the run is under way", Converge, || set(1200, 0);

    clock_put_wrong, Skewed, "it is right, and put 20 minutes ahead while the run is under way", Converge, || set(0, -1200);
}
