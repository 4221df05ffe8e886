//! Eight services in two chains of four, with images that are there, by rolecall, by Compose and by the least requests
//! of the engine's API: from nothing, with nothing to do, with one service changed, and down.

use std::{fs, path::Path, time::Duration};

use super::{
    measure::{SLOW, median, millis, ratio},
    peers::{self, COUNT, Phase},
    support::bed::Bed,
};

pub(crate) fn figures(peer: Option<&Path>) {
    let bed = Bed::new();
    let file = bed.path("compose.yaml");
    let mut took: Vec<Took> = Phase::ALL.iter().map(|_| Took::default()).collect();
    // In turns, so that whatever else the machine does meets all of them.
    for _ in 0..SLOW {
        for (phase, took) in Phase::ALL.iter().zip(&mut took) {
            took.bare.push(peers::bare(&bed, *phase));
        }
        peers::clear(bed.engine());
        for (phase, took) in Phase::ALL.iter().zip(&mut took) {
            bed.compose("eight", &peers::text(*phase));
            let words: &[&str] = if *phase == Phase::Down { &["down", "--all"] } else { &["run"] };
            took.ours.push(bed.rolecall(words).ready().took);
            assert_eq!(bed.engine().names().len(), if *phase == Phase::Down { 0 } else { COUNT });
        }
        peers::clear(bed.engine());
        let Some(peer) = peer else { continue };
        for (phase, took) in Phase::ALL.iter().zip(&mut took) {
            fs::write(&file, peers::text(*phase)).unwrap();
            took.theirs.push(peers::compose(&bed, peer, &file, *phase));
        }
        peers::clear(bed.engine());
    }
    println!(
        "\n{:<28} {:>12} {:>12} {:>12}   rolecall is",
        "eight services, depth 4", "rolecall", "compose", "bare API"
    );
    for (phase, took) in Phase::ALL.iter().zip(took) {
        took.print(*phase);
    }
}

/// What a phase took, run by run.
#[derive(Default)]
struct Took {
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
    bare: Vec<Duration>,
}

impl Took {
    fn print(self, phase: Phase) {
        let (ours, bare) = (median(self.ours), median(self.bare));
        let theirs = (!self.theirs.is_empty()).then(|| median(self.theirs));
        let shown = theirs.map_or_else(|| "-".to_owned(), millis);
        let mut note = theirs.map(|theirs| format!("{} Compose, ", ratio(ours, theirs))).unwrap_or_default();
        note.push_str(&format!("{} the bare API", ratio(ours, bare)));
        if phase == Phase::FromNothing {
            note.push_str(", limit 1.15 x");
        }
        println!("{:<28} {:>12} {shown:>12} {:>12}   {note}", phase.name(), millis(ours), millis(bare));
    }
}
