//! `make bench`: the figures that the project holds itself to, each the median of several runs on this machine, and
//! beside what is in one's hands (a limit) or a peer's (the bare engine API, Docker Compose) as a ratio.
//!
//! `ROLECALL_BIN` is the agent, `ROLECALL_PEER_COMPOSE` a `docker-compose` of version 2.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod launch;
mod load;
mod measure;
mod peers;

use std::{fs, path::Path, process::Command};

use measure::{QUICK, mega, millis, peak, row, took};
use support::bed::{Bed, binary};

fn main() {
    let agent = binary();
    let compose = std::env::var_os("ROLECALL_PEER_COMPOSE").map(std::path::PathBuf::from).filter(|path| path.exists());
    println!("rolecall: {} ({})", agent.display(), version(&agent, "--version"));
    match &compose {
        Some(compose) => println!("compose: {} ({})", compose.display(), version(compose, "version")),
        None => println!("compose: none (set ROLECALL_PEER_COMPOSE to a docker-compose v2 to measure beside it)"),
    }
    row("binary", &mega(fs::metadata(&agent).unwrap().len()), "limit for the static one: 9.5 MB");
    row("--version", &millis(took(QUICK, || with(&agent, "--version"))), "limit 5 ms");
    load::figures(&agent, compose.as_deref());
    idle();
    launch::figures(compose.as_deref());
}

fn version(program: &Path, word: &str) -> String {
    let output = with(program, word).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn with(program: &Path, word: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(word);
    command
}

/// Three services that run already: what a run costs that finds nothing to do.
fn idle() {
    let bed = Bed::new();
    bed.compose("idle", &peers::project(3));
    bed.run().ready();
    row("run, nothing to do", &millis(took(QUICK, || bed.agent.command(&["run"]))), "limit 60 ms");
    row("run, nothing to do: peak resident", &mega(peak(|| bed.agent.command(&["run"]))), "limit 24 MB");
}
