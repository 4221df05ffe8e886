//! `make bench`: the figures that the project holds itself to, each the median of several runs on this machine, and
//! beside what is in one's hands (a limit) or a peer's (the bare engine API, Docker Compose) as a ratio.
//!
//! `ROLECALL_BIN` is the agent, `ROLECALL_PEER_COMPOSE` a `docker-compose` of version 2.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod peers;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use support::{
    agent::Agent,
    bed::{Bed, binary},
};

/// Runs of what is quick, and of what starts containers.
const QUICK: usize = 25;
const SLOW: usize = 7;

fn main() {
    let agent = binary();
    println!("rolecall: {} ({})", agent.display(), version(&agent));
    row("binary", &format!("{:.2} MB", mega(fs::metadata(&agent).unwrap().len())), "limit for the static one: 9 MB");
    start_up(&agent);
    idle();
    launch();
}

fn version(agent: &Path) -> String {
    let output = Command::new(agent).arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn row(name: &str, figure: &str, note: &str) {
    println!("{name:<44} {figure:>12}   {note}");
}

#[allow(clippy::cast_precision_loss)] // sizes of files and processes
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn millis(d: Duration) -> String {
    format!("{:.1} ms", d.as_secs_f64() * 1e3)
}

fn median<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort();
    all[all.len() / 2]
}

fn ratio(a: Duration, b: Duration) -> String {
    format!("{:.2} x", a.as_secs_f64() / b.as_secs_f64())
}

fn start_up(agent: &Path) {
    let took = (0..QUICK).map(|_| {
        let start = Instant::now();
        let status = Command::new(agent).arg("--version").stdout(Stdio::null()).status().unwrap();
        assert!(status.success());
        start.elapsed()
    });
    row("--version", &millis(median(took.collect())), "limit 5 ms");
}

/// Three services that run already: what a run costs that finds nothing to do.
fn idle() {
    let bed = Bed::new();
    bed.compose("idle", &peers::project(3));
    bed.run().ready();
    let (mut took, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..QUICK {
        let (time, peak) = measured(&bed.agent);
        took.push(time);
        resident.push(peak);
    }
    row("run, nothing to do", &millis(median(took)), "limit 60 ms");
    row("run, nothing to do: peak resident", &format!("{:.1} MB", mega(median(resident))), "limit 24 MB");
}

/// Time and peak resident memory of one run. The peak only grows, so its last reading before the end is it.
fn measured(agent: &Agent) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = agent.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        peak = line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0).max(peak);
        if let Some(code) = child.try_wait().unwrap() {
            break code;
        }
        std::thread::sleep(Duration::from_micros(300));
    };
    assert!(code.success(), "a run with nothing to do failed: {code}");
    (start.elapsed(), peak * 1024)
}

/// Eight services in two chains of four, from nothing to running, with images that are there.
fn launch() {
    let bed = Bed::new();
    let compose = peers::project(8);
    let peer = std::env::var_os("ROLECALL_PEER_COMPOSE").map(std::path::PathBuf::from).filter(|p| p.exists());
    bed.compose("eight", &compose);
    let file = bed.path("compose.yaml");
    fs::write(&file, compose).unwrap();
    let (mut ours, mut bare, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does meets all of them.
    for _ in 0..SLOW {
        bare.push(peers::bare_api(&bed, 8));
        peers::clear(bed.engine());
        let run = bed.run().ready();
        assert_eq!(bed.engine().names().len(), 8);
        ours.push(run.took);
        peers::clear(bed.engine());
        if let Some(peer) = &peer {
            theirs.push(peers::compose(&bed, peer, &file));
            peers::clear(bed.engine());
        }
    }
    let (ours, bare) = (median(ours), median(bare));
    row("eight services, depth 4: bare engine API", &millis(bare), "");
    row(
        "eight services, depth 4: rolecall run",
        &millis(ours),
        &format!("{} the bare API, limit 1.15 x", ratio(ours, bare)),
    );
    if theirs.is_empty() {
        println!("(set ROLECALL_PEER_COMPOSE to a docker-compose v2 to measure beside it)");
    } else {
        let theirs = median(theirs);
        let note = format!("{} the bare API; rolecall is {} it", ratio(theirs, bare), ratio(ours, theirs));
        row("eight services, depth 4: docker compose up -d", &millis(theirs), &note);
    }
}
