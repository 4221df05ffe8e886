//! The agent is killed, the next run goes on: what comes out is what an undisturbed run makes.

mod journal;
mod picture;
mod stage;

use stage::{Moment, Stage};

/// Kills after one record of every so many, beginning with the `first`.
fn after_records(first: usize, every: usize) {
    let stage = Stage::new();
    stage.reset();
    let (wanted, all, _) = stage.undisturbed();
    assert!(all > 30, "{all} records");
    for record in (first..=all).step_by(every) {
        stage.reset();
        let killed = stage.kill(Moment::Record(record));
        stage.converges(&wanted, &killed, &format!("killed after record {record} of {all}"));
    }
}

#[test]
fn a_kill_after_any_record_is_healed_1_of_4() {
    after_records(1, 4);
}

#[test]
fn a_kill_after_any_record_is_healed_2_of_4() {
    after_records(2, 4);
}

#[test]
fn a_kill_after_any_record_is_healed_3_of_4() {
    after_records(3, 4);
}

#[test]
fn a_kill_after_any_record_is_healed_4_of_4() {
    after_records(4, 4);
}

/// `ROLECALL_TEST_KILLS` says how many, `ROLECALL_TEST_SEED` at which moments.
#[test]
fn a_kill_at_any_moment_is_healed() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse::<u64>().unwrap());
    let (kills, seed) = (number("ROLECALL_TEST_KILLS", 12), number("ROLECALL_TEST_SEED", 1));
    let stage = Stage::new();
    let pace = stage.reset();
    let (wanted, _, took) = stage.undisturbed();
    eprintln!("{kills} kills within {took:?}, ROLECALL_TEST_SEED={seed}");
    let mut hits = 0;
    for kill in 0..kills {
        // A machine that does much else at times is slower at times: the run before tells.
        let now = stage.reset().as_secs_f64() / pace.as_secs_f64();
        let moment = took.mul_f64(fraction(seed, kill) * now);
        let left = stage.kill(Moment::After(moment));
        hits += u64::from(left.under_way);
        stage.converges(&wanted, &left, &format!("kill {kill} of seed {seed}, after {moment:?}"));
        eprintln!("{} of {kills} converge, {hits} were under way", kill + 1);
    }
    assert!(hits * 2 >= kills, "{hits} of {kills} runs were under way when they were killed");
}

/// A number below one, the same for the same kill of the same seed (splitmix64).
#[expect(clippy::cast_precision_loss, reason = "the upper bits are enough")]
fn fraction(seed: u64, kill: u64) -> f64 {
    let mut x = seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(kill.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A run that is killed alone, without its unit, leaves its script behind: the next run ends that one first.
#[test]
fn a_script_never_runs_beside_itself() {
    let stage = Stage::slow();
    stage.reset();
    let journal = stage.kill(Moment::Script);
    assert!(journal.begun("script:bootstrap/20-second.sh") && !journal.done("script:bootstrap/20-second.sh"));
    stage.run().ready().says("left behind by an earlier run");
    assert_eq!(stage.effects("20"), ["1 begun", "2 begun", "2 done"]);
    assert_eq!(stage.waiting(), 0, "a child of the first try lives on");
}
