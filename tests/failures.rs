//! The line at 3 a.m.: each failure is one line that says what to do, and docs/errors.md says the same.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::Command,
    time::Duration,
};

use rolecall::error::Cause;
use rustix::process::{Pid, Signal};

use crate::support::{
    bed::Bed,
    docs::written,
    http::{Fault, Kind},
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");

/// The table of causes, from the code.
fn table() -> String {
    let mut text = "\n| cause | exit | meaning | remedy |\n|---|---|---|---|\n".to_owned();
    for cause in Cause::ALL {
        let exits: Vec<String> = cause.exits().iter().map(|exit| (*exit as u8).to_string()).collect();
        let (code, exit) = (cause.code(), exits.join(" or "));
        let _ = writeln!(text, "| `{code}` | {exit} | {} | {} |", cause.meaning(), cause.remedy());
    }
    text + "\n"
}

/// The rows of all tables of causes in the documentation: cause, exit code, meaning, remedy.
fn rows(text: &str) -> Vec<[String; 4]> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|row| row[1..5].to_vec().try_into().expect("four cells")).collect()
}

#[test]
fn the_table_of_causes_is_that_of_the_code() {
    written("errors.md", "failures", &table());
}

#[test]
fn every_cause_has_a_remedy_and_stands_there_once() {
    let rows = rows(&fs::read_to_string(FILE).unwrap());
    let codes: BTreeSet<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(codes.len(), rows.len(), "a cause stands there twice");
    for cause in Cause::ALL {
        assert!(codes.contains(cause.code()), "{} is not in docs/errors.md", cause.code());
    }
    for [cause, exit, meaning, remedy] in &rows {
        assert!(["1", "1 or 4", "2", "3", "4", "5", "6"].contains(&exit.as_str()), "{cause}: {exit}");
        assert!(meaning.ends_with('.') && remedy.len() > 10 && !remedy.ends_with('.'), "{cause}: {meaning} {remedy}");
    }
}

#[test]
fn the_first_stage_fails_with_causes_that_are_documented() {
    let rows = rows(&fs::read_to_string(FILE).unwrap());
    let script = include_str!("../userdata/bootstrap.sh");
    let mut seen = BTreeSet::new();
    for words in script.split("fail ").skip(1).map(|rest| rest.split_whitespace().collect::<Vec<_>>()) {
        let [exit, cause, need, hint, ..] = words[..] else { continue };
        if exit.parse::<u8>().is_err() {
            continue;
        }
        let known = rows.iter().any(|row| row[0].trim_matches('`') == cause && row[1] == exit);
        assert!(known, "docs/errors.md does not say that the first stage fails with {exit} for {cause}");
        assert!(!need.is_empty() && !hint.is_empty());
        seen.insert(cause);
    }
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn whatever_fails_before_a_run_ends_in_the_line_too() {
    let bed = Bed::without_engine();
    let missing = bed.path("missing").display().to_string();
    for (args, code, cause) in [
        (&["launch"][..], 2, "usage"),
        (&["run", "--deadline", "soon"], 2, "usage"),
        (&["plan", "--source", "ftp://host/x"], 2, "source-refused"),
        (&["validate", &missing], 3, "manifest-invalid"),
        (&["config"], 3, "manifest-invalid"),
        (&["run"], 4, "tag-missing"),
        (&["stop"], 2, "usage"),
        (&["stop", "--all"], 4, "engine-unreachable"),
    ] {
        let agent = bed.agent.env("ROLECALL_DEADLINE", "3s");
        let failed = agent.run(args).fails(code, cause);
        assert_eq!(failed.field("report").is_some(), args == ["run"], "{}", failed.line);
    }
}

#[test]
fn the_report_has_the_whole_failure_and_status_tells_it_again() {
    let bed = Bed::new();
    bed.project("app", &[("10.sh", "#!/bin/sh\nfor n in 1 2 3; do echo line $n; done\nexit 4\n")]);
    let failed = bed.fails(1, "script-failed").says("rolecall:   | line 3\n").hints("correct it at its source");
    let report = bed.agent.runtime.join("status.json");
    assert_eq!(failed.field("report").as_deref(), report.to_str());
    assert_eq!(failed.outcome.stderr.lines().last(), Some(failed.line.as_str()), "the line is the last");
    let failure = bed.agent.status()["failure"].clone();
    for name in ["cause", "step", "need", "hint"] {
        assert_eq!(failure[name].as_str(), failed.field(name).as_deref(), "{failure}");
    }
    assert_eq!(failure["output"], serde_json::json!(["line 1", "line 2", "line 3"]));
    bed.rolecall(&["status"]).exits(1).prints(&failed.line).prints("rolecall:   | line 1\n");
}

#[test]
fn a_run_that_is_killed_is_told_by_who_asks_for_its_status() {
    let bed = Bed::new();
    let mark = bed.path("mark");
    let script = format!("#!/bin/sh\ntouch {}\nwhile kill -0 $PPID; do sleep 0.1; done\n", mark.display());
    bed.project("app", &[("10.sh", &script)]);
    let run = bed.agent.env("ROLECALL_DEADLINE", "100s").spawn(&["run"]);
    while !mark.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    run.signal(Signal::KILL);
    run.wait();
    bed.rolecall(&["status"]).fails(1, "interrupted").hints("run it again");
}

/// The user that the files of a process in `/proc` belong to: root, once no core of it may be written.
fn owner(pid: Pid) -> u32 {
    fs::metadata(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap().uid()
}

#[test]
fn no_core_file_is_written_of_what_holds_secrets() {
    const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut bed = Bed::without_engine();
    fs::set_permissions(bed.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = bed.path("rolecall");
    fs::copy(&bed.agent.binary, &copy).unwrap();
    bed.agent.binary = copy;
    bed.agent = bed.agent.under(&NOBODY);
    bed.imds.server.fault(Fault::on("/latest/api/token", Kind::Hang(0)));
    let facts = bed.agent.spawn(&["facts"]);
    while bed.imds.server.log().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(owner(facts.pid()), 0);
    facts.signal(Signal::KILL);
    facts.wait();
    let mut other = Command::new(NOBODY[0]).args(&NOBODY[1..]).args(["sleep", "60"]).spawn().unwrap();
    let pid = Pid::from_child(&other);
    while fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).is_ok_and(|exe| exe.ends_with("setpriv")) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(owner(pid), 65534, "another program of that user could have one");
    other.kill().unwrap();
    other.wait().unwrap();
}
