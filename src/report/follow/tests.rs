use std::{path::PathBuf, time::Duration};

use super::*;
use crate::execute::journal::Journal;

struct Stage {
    dir: tempfile::TempDir,
    journal: Journal,
    status: Status,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/journal.jsonl");
        let mut journal = Journal::open(&path, "i-1").unwrap();
        journal.write(done("earlier"), false);
        // The lines of an earlier run are older than this one.
        std::thread::sleep(Duration::from_millis(2));
        Self { status: Status::begin(path), journal, dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("run/status.json")
    }

    fn write(&self) {
        self.status.write(&self.path()).unwrap();
    }

    fn end(&mut self, state: State, exit: u8) {
        (self.status.state, self.status.exit) = (state, Some(exit));
        self.write();
    }
}

fn done(name: &str) -> Event {
    Event::Done { step: "0".into(), name: name.into(), what: "pulled".into(), ms: 1500 }
}

fn follow(path: &Path, stale: impl Fn(&Status) -> bool) -> (Result<Status>, String) {
    let mut out = Vec::new();
    let result = until_end(path, &mut out, stale);
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn a_run_that_has_ended_is_told_with_its_own_steps_only() {
    let mut stage = Stage::new();
    stage.journal.write(Event::Intent { step: "0".into(), name: "image:x".into(), attempt: 2 }, false);
    stage.journal.write(done("image:x"), false);
    stage.end(State::Failed, 4);
    let (status, out) = follow(&stage.path(), |_| false);
    assert_eq!(status.unwrap().exit, Some(4));
    assert_eq!(out, "rolecall: image:x: begun, attempt 2\nrolecall: image:x: pulled in 1.5 s\n");
}

#[test]
fn a_run_is_waited_for_from_before_its_first_file_to_its_end() {
    let mut stage = Stage::new();
    let path = stage.path();
    let watcher = std::thread::spawn(move || follow(&path, |_| false));
    std::thread::sleep(Duration::from_millis(50));
    stage.write();
    for step in ["one", "two"] {
        std::thread::sleep(Duration::from_millis(20));
        stage.journal.write(done(step), false);
    }
    stage.end(State::Ready, 0);
    let (status, out) = watcher.join().unwrap();
    assert_eq!(status.unwrap().state, State::Ready);
    let steps: Vec<&str> = out.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(steps, ["one", "two"], "each once, in order");
}

#[test]
fn an_old_end_is_not_taken_for_the_run_that_is_queued() {
    let mut stage = Stage::new();
    stage.end(State::Failed, 1);
    let (path, old) = (stage.path(), stage.status.started);
    let watcher = std::thread::spawn(move || follow(&path, move |status| status.started == old));
    std::thread::sleep(Duration::from_millis(50));
    stage.status = Status::begin(stage.status.journal.clone());
    stage.end(State::Ready, 0);
    assert_eq!(watcher.join().unwrap().0.unwrap().exit, Some(0));
}

#[test]
fn a_run_that_died_is_told_so() {
    let mut stage = Stage::new();
    let mut child = std::process::Command::new("sleep").arg("0.1").spawn().unwrap();
    stage.status.pid = child.id();
    stage.status.doing = vec!["script:a".into()];
    stage.write();
    let path = stage.path();
    let watcher = std::thread::spawn(move || follow(&path, |_| false));
    child.wait().unwrap();
    let err = watcher.join().unwrap().0.unwrap_err();
    assert_eq!((err.cause, err.step.as_deref()), (Cause::Interrupted, Some("script:a")));
}

#[test]
fn a_status_is_printed_for_people_and_for_machines() {
    let mut stage = Stage::new();
    stage.status.warnings = vec!["look here".into()];
    stage.end(State::Failed, 3);
    let printed = |json| {
        let mut out = Vec::new();
        assert_eq!(print(&stage.status, &stage.path(), json, &mut out), 3);
        String::from_utf8(out).unwrap()
    };
    assert!(printed(false).contains("exit code 3") && printed(false).contains("warning: look here"));
    let json: serde_json::Value = serde_json::from_str(&printed(true)).unwrap();
    assert_eq!((json["state"].as_str(), json["exit"].as_u64()), (Some("failed"), Some(3)));
}
