//! The fault matrix: what a run comes to when a part of its world fails, one row for each part and fault.
//!
//! Each row is a test of the real binary, and docs/faults.md is written from these same rows.

mod clock;
mod credentials;
mod deadlines;
mod disk;
mod doc;
mod ec2;
mod engine;
mod https;
mod imds;
mod machines;
mod packages;
mod registry;
mod s3;

use machines::Done;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    Imds,
    Credentials,
    Ec2,
    S3,
    Https,
    Registry,
    Engine,
    Packages,
    Disk,
    Clock,
}

impl Component {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Imds, "IMDS"),
        (Self::Credentials, "role credentials"),
        (Self::Ec2, "EC2 API"),
        (Self::S3, "S3"),
        (Self::Https, "https"),
        (Self::Registry, "registry"),
        (Self::Engine, "Docker engine"),
        (Self::Packages, "package manager"),
        (Self::Disk, "disk"),
        (Self::Clock, "clock"),
    ];
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Late,
    Refused,
    Reset,
    Truncated,
    Hangs,
    Burst,
    RetryAfter,
    Throttled,
    Unauthorised,
    Checksum,
    Owner,
    Expired,
    Skewed,
    Full,
    ReadOnly,
    Locked,
    Restarted,
    Exits,
    Unhealthy,
}

impl Fault {
    const ALL: [(Self, &'static str); 19] = [
        (Self::Late, "late"),
        (Self::Refused, "refused"),
        (Self::Reset, "reset mid-body"),
        (Self::Truncated, "truncated"),
        (Self::Hangs, "hangs after headers"),
        (Self::Burst, "5xx burst"),
        (Self::RetryAfter, "throttled with Retry-After"),
        (Self::Throttled, "throttled for ever"),
        (Self::Unauthorised, "401 after token"),
        (Self::Checksum, "wrong checksum"),
        (Self::Owner, "wrong owner"),
        (Self::Expired, "expired credentials"),
        (Self::Skewed, "clock 20 minutes off"),
        (Self::Full, "disk full"),
        (Self::ReadOnly, "read-only file system"),
        (Self::Locked, "lock held by a live process"),
        (Self::Restarted, "daemon restarted mid-pull"),
        (Self::Exits, "container that exits at once"),
        (Self::Unhealthy, "container never healthy"),
    ];
}

/// What a run must come to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Must {
    /// Exit 0, and the state of an undisturbed run.
    Converge,
    /// This exit code, and this line on the console; `*` stands for what differs from run to run.
    Fail(i32, &'static str),
}

/// A row of the matrix.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) component: Component,
    pub(crate) fault: Fault,
    /// What is played, in words.
    pub(crate) played: &'static str,
    pub(crate) must: Must,
}

/// The rows of a component: name, fault, what is played in words, what must come of it, and how it is played. Each is a
/// constant of the table and a test.
macro_rules! rows {
    ($component:ident: $($name:ident, $fault:ident, $played:literal, $must:expr, $play:expr;)+) => {
        pub(super) const ROWS: &[super::Row] = &[$(super::Row {
            name: stringify!($name),
            component: super::Component::$component,
            fault: super::Fault::$fault,
            played: $played,
            must: $must,
        }),+];

        $(#[test]
        fn $name() {
            super::judge(stringify!($name), ROWS, $play);
        })+
    };
}
pub(crate) use rows;

/// All rows, in the order of the components.
pub(crate) fn table() -> impl Iterator<Item = &'static Row> {
    let of = [
        imds::ROWS,
        credentials::ROWS,
        ec2::ROWS,
        s3::ROWS,
        https::ROWS,
        registry::ROWS,
        engine::ROWS,
        packages::ROWS,
        disk::ROWS,
        clock::ROWS,
    ];
    of.into_iter().flatten()
}

/// Plays a row and compares what came of it with what must.
#[track_caller]
fn judge(name: &str, rows: &[Row], play: fn() -> Done) {
    let row = rows.iter().find(|row| row.name == name).unwrap();
    let Done { outcome, machine } = play();
    match row.must {
        Must::Converge => machine.converged(&outcome.ready()),
        Must::Fail(exit, line) => {
            let cause = line.split("cause=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
            let failed = outcome.fails(exit, cause);
            // Where the whole report is kept is the same for all.
            let told = failed.line.split(" report=").next().unwrap().trim_end();
            machine.nothing_is_half_fetched(told);
            assert!(fits(line, told), "the line is\n{told}\nand has to be\n{line}\n{}", failed.outcome.told());
        }
    }
}

/// Whether a line is what a pattern says; `*` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[test]
fn a_pattern_is_of_the_whole_line() {
    assert!(fits("a * c", "a b c") && fits("a*", "a") && fits("*b*", "abc") && fits("ab", "ab"));
    assert!(!fits("a * c", "a b c d") && !fits("a", "ab") && !fits("*b", "abc") && !fits("a*b*c", "acb"));
}
