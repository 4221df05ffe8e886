//! Every wait and what ends it, for docs/faults.md; times are read from the constants of the code.

use std::{fmt::Write as _, fs, path::Path};

/// What is waited for; how long for a connection, for the first byte, between two bytes, and in all: a constant of the
/// code as `file:NAME`, or words.
const WAITS: &[[&str; 5]] = &[
    [
        "instance metadata",
        "facts/imds.rs:CONNECT_TIMEOUT",
        "facts/imds.rs:REQUEST_TIMEOUT",
        "facts/imds.rs:REQUEST_TIMEOUT",
        "facts/imds.rs:REQUEST_TIMEOUT; a token facts/imds.rs:TOKEN_TIMEOUT",
    ],
    ["role credentials", "the SDK's 1 s", "the SDK's 1 s", "the SDK's 10 s", "the SDK's 10 s"],
    [
        "EC2, SSM, Secrets Manager, ECR, listings of S3",
        "aws/mod.rs:CONNECT_TIMEOUT",
        "aws/mod.rs:READ_TIMEOUT",
        "aws/mod.rs:ANSWER_TIMEOUT",
        "aws/mod.rs:ANSWER_TIMEOUT",
    ],
    [
        "objects of S3",
        "aws/mod.rs:CONNECT_TIMEOUT",
        "aws/mod.rs:READ_TIMEOUT",
        "aws/s3.rs:IDLE_TIMEOUT",
        "that of the run",
    ],
    [
        "https",
        "fetch/https.rs:CONNECT_TIMEOUT",
        "fetch/https.rs:READ_TIMEOUT",
        "fetch/https.rs:READ_TIMEOUT",
        "that of the run",
    ],
    ["requests to the engine", "engine/mod.rs:ANSWER", "engine/mod.rs:ANSWER", "that of the step", "that of the step"],
    ["pulls", "engine/mod.rs:ANSWER", "execute/images.rs:IDLE", "execute/images.rs:IDLE", "that of the step"],
    [
        "events of the engine",
        "engine/mod.rs:ANSWER",
        "execute/ready.rs:QUIET, then containers are looked at without them",
        "execute/ready.rs:QUIET, as before",
        "that of the step",
    ],
    ["last lines of a container", "", "", "", "execute/ready.rs:TAIL_PATIENCE"],
    ["an engine that starts", "", "execute/docker/start.rs:ANSWER a question", "", "that of the step"],
    ["systemd", "", "", "", "that of the step; a job is never waited for"],
    [
        "commands and scripts",
        "",
        "",
        "",
        "that of the step; TERM, then KILL after host/command.rs:GRACE; output is read for host/command.rs:DRAIN more",
    ],
    ["locks of a package manager", "", "", "", "that of the run; the holder is named"],
    ["the lock of a run", "", "", "", "is not waited for"],
    ["services to be ready", "", "", "", "manifest/extension.rs:READY_TIMEOUT, or `x-rolecall.ready.timeout`"],
    ["`Retry-After`", "", "", "", "is followed up to retry/mod.rs:RETRY_AFTER_CAP, never past the deadline"],
];

/// Steps, and the constant of their deadline.
const STEPS: &[[&str; 2]] = &[
    ["files of the project", "plan/host_steps.rs:FILES"],
    ["packages, upgrade", "plan/host_steps.rs:PACKAGES"],
    ["docker", "plan/host_steps.rs:DOCKER"],
    ["a script", "plan/host_steps.rs:SCRIPT"],
    ["an image", "plan/launch_steps.rs:PULL"],
    ["a network, a volume, a container", "plan/launch_steps.rs:ENGINE"],
    ["the whole run", "`--deadline`, 30 min"],
];

pub(super) fn written() -> String {
    let mut text = String::from(
        "\n## Deadlines\n\n| waited for | connection | first byte | between bytes | in all |\n|---|---|---|---|---|\n",
    );
    for [what, bounds @ ..] in WAITS {
        let _ = writeln!(text, "| {what} | {} |", bounds.map(times).join(" | "));
    }
    text.push_str("\n| step | deadline |\n|---|---|\n");
    for [what, bound] in STEPS {
        let _ = writeln!(text, "| {what} | {} |", times(bound));
    }
    text
}

/// Words, with the times of constants in their place.
fn times(words: &str) -> String {
    let told = |word: &str| {
        let (name, rest) = word.split_at(word.find([',', ';']).unwrap_or(word.len()));
        name.split_once(".rs:").map_or_else(|| word.to_owned(), |(file, name)| format!("{}{rest}", time(file, name)))
    };
    words.split(' ').map(told).collect::<Vec<_>>().join(" ")
}

/// The time that a constant of the code holds, as people write it.
fn time(file: &str, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(format!("{file}.rs"));
    let text = fs::read_to_string(&path).unwrap();
    let (_, rest) = text
        .split_once(&format!("const {name}: Duration = Duration::from_"))
        .unwrap_or_else(|| panic!("no {name} in {}", path.display()));
    let (unit, rest) = rest.split_once('(').unwrap();
    let (product, _) = rest.split_once(')').unwrap();
    let number: u64 = product.split('*').map(|factor| factor.trim().parse::<u64>().unwrap()).product();
    let millis = number
        * match unit {
            "millis" => 1,
            "secs" => 1000,
            "mins" => 60_000,
            other => panic!("{name} is in {other}"),
        };
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..120_000 => format!("{} s", millis / 1000),
        _ => format!("{} min", millis / 60_000),
    }
}
