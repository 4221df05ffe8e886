//! How things are measured and printed.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Runs of what is quick, and of what starts containers.
pub(crate) const QUICK: usize = 25;
pub(crate) const SLOW: usize = 7;

pub(crate) fn row(name: &str, figure: &str, note: &str) {
    println!("{name:<44} {figure:>12}   {note}");
}

#[allow(clippy::cast_precision_loss)] // sizes of files and processes
pub(crate) fn mega(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

pub(crate) fn millis(d: Duration) -> String {
    format!("{:.1} ms", d.as_secs_f64() * 1e3)
}

pub(crate) fn ratio(a: Duration, b: Duration) -> String {
    format!("{:.2} x", a.as_secs_f64() / b.as_secs_f64())
}

pub(crate) fn median<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort();
    all[all.len() / 2]
}

/// How long something takes.
pub(crate) fn timed(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

/// How long a program takes from its start to its end.
pub(crate) fn took(runs: usize, command: impl Fn() -> Command) -> Duration {
    let once = |_| {
        let mut command = command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        timed(|| assert!(command.status().unwrap().success(), "{command:?} failed"))
    };
    median((0..runs).map(once).collect())
}

/// The most memory that a program is resident with. The peak only grows, so its last reading before the end is it.
pub(crate) fn peak(command: impl Fn() -> Command) -> u64 {
    let once = |_| {
        let mut child = command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        let code = loop {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
            peak = line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0).max(peak);
            if let Some(code) = child.try_wait().unwrap() {
                break code;
            }
            std::thread::sleep(Duration::from_micros(50));
        };
        assert!(code.success(), "{code}");
        peak * 1024
    };
    median((0..QUICK).map(once).collect())
}
