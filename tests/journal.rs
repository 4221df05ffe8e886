//! What a run leaves behind, and how the next one goes on from it.

use std::{fs, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    bed::{BUCKET, Bed},
    http::Fault,
};

const COMPOSE: &str = "services:\n  web: { image: \"rolecall-test/web:1\", ports: [\"8080:80\"] }\n  \
    worker: { image: \"rolecall-test/web:1\", depends_on: [web] }\n";

#[test]
fn of_two_networks_with_one_name_the_one_in_use_stays() {
    let bed = Bed::new();
    bed.compose("app", COMPOSE);
    bed.run().ready();
    let engine = bed.engine();
    let networks = || -> Vec<Value> {
        let all = engine.get("/networks");
        all.as_array().unwrap().iter().filter(|n| n["Name"] == "app_default").cloned().collect()
    };
    let used = networks().remove(0);
    engine.post("/networks/create", &json!({ "Name": "app_default", "Labels": used["Labels"] }));
    assert_eq!(networks().len(), 2);
    bed.run().ready().says("2 times");
    assert_eq!(networks().iter().map(|n| &n["Id"]).collect::<Vec<_>>(), [&used["Id"]]);
    bed.run().ready().says("nothing to do");
}

#[test]
fn every_line_of_the_journal_is_checksummed_json_and_holds_no_secret() {
    let bed = Bed::new();
    bed.aws.api(|api| _ = api.parameters.insert("/db".into(), "hunter2".into()));
    let compose = "services:\n  web: { image: \"rolecall-test/web:1\", environment: { PASSWORD: \"${DB}\" } }\n\
        x-rolecall: { variables: { DB: \"ssm:///db\" } }\n";
    bed.compose("app", compose);
    let run = bed.run().ready();
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("hunter2"), "{}", run.told());
    let journal = fs::read_to_string(bed.agent.state.join("journal.jsonl")).unwrap();
    assert!(journal.lines().count() > 2);
    for line in journal.lines() {
        let (checksum, event) = line.split_once(' ').unwrap();
        assert_eq!(checksum.len(), 8, "{line}");
        assert!(serde_json::from_str::<serde_json::Value>(event).is_ok(), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    assert!(!bed.agent.status().to_string().contains("hunter2"));
}

#[test]
fn a_refresh_replaces_what_was_fetched_and_leaves_data_alone() {
    let bed = Bed::new();
    bed.project("app", &[("compose.yaml", COMPOSE), ("old.conf", "old"), ("site/a.html", "a")]);
    bed.run().ready();
    let dir = bed.agent.state.join("projects/app");
    fs::create_dir_all(dir.join("data")).unwrap();
    fs::write(dir.join("data/rows"), "made by a container").unwrap();
    bed.aws.store(|s| s.bucket("rolecall-test").objects.remove("app/old.conf"));
    bed.project("app", &[("site/a.html", "b")]);
    bed.run().ready();
    assert!(!dir.join("old.conf").exists());
    assert_eq!(fs::read_to_string(dir.join("site/a.html")).unwrap(), "b");
    assert_eq!(fs::read_to_string(dir.join("data/rows")).unwrap(), "made by a container");
}

/// Requests for the listing of the project.
fn asked(bed: &Bed) -> usize {
    bed.aws.server.asked("list-type")
}

const SPENT: &str = "in vain: each request has one try";

/// The engine takes every request and never answers one.
#[test]
fn an_engine_that_says_nothing_holds_no_run_past_its_deadline() {
    let mut bed = Bed::without_engine();
    let socket = bed.path("silent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    bed.agent = bed.agent.env("DOCKER_HOST", format!("unix://{}", socket.display())).env("ROLECALL_DEADLINE", "6s");
    bed.compose("app", COMPOSE);
    bed.run().exits(4).says("rolecall: FAILED ");
}

/// Runs until nothing of its time is left; each run takes most of what there is.
fn exhaust(bed: &Bed) {
    let spent = |_| bed.fails(4, "source-unreachable").outcome.stderr.contains(SPENT);
    assert!((0..9).any(spent), "the time is never spent");
}

#[test]
fn patience_is_not_renewed_by_starting_again_until_something_is_another() {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "8s");
    bed.project("app", &[("10.sh", "#!/bin/sh\n")]);
    bed.aws.server.fault(Fault::status(BUCKET, 503));
    // What a run that is cut has spent is known from its last failure.
    let mut run = bed.agent.spawn(&["run"]);
    let journal = bed.agent.state.join("journal.jsonl");
    let retries = || fs::read_to_string(&journal).unwrap_or_default().matches("\"event\":\"retry\"").count();
    while retries() < 4 && !run.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    run.signal(Signal::KILL);
    drop(run.wait());
    let cut = asked(&bed);
    let second = bed.fails(4, "source-unreachable").outcome;
    assert!(second.stderr.contains(" tries in ") && !second.stderr.contains(SPENT), "{}", second.told());
    assert!(cut > 3 && asked(&bed) > cut + 1);
    exhaust(&bed);
    for _ in 0..2 {
        let before = asked(&bed);
        let spent = bed.fails(4, "source-unreachable").says(SPENT).outcome;
        assert_eq!(asked(&bed), before + 1, "one try each");
        assert!(!spent.stderr.contains(" tries in "), "{}", spent.told());
    }
    // Another input has all its time.
    let before = asked(&bed);
    let other = bed.agent.env("ROLECALL_ENVIRONMENT", "prod").run(&["run"]).fails(4, "source-unreachable").outcome;
    assert!(!other.stderr.contains(SPENT) && asked(&bed) > before + 2, "{}", other.told());
}

#[test]
fn a_run_that_is_ready_gives_the_patience_back_and_so_does_an_hour() {
    let mut bed = Bed::new();
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "5s");
    bed.project("app", &[("10.sh", "#!/bin/sh\n")]);
    bed.aws.server.fault(Fault::status(BUCKET, 503));
    exhaust(&bed);
    // The next morning.
    let journal = bed.agent.state.join("journal.jsonl");
    let aged: String = fs::read_to_string(&journal).unwrap().lines().map(yesterday).collect();
    fs::write(&journal, aged).unwrap();
    let failed = bed.fails(4, "source-unreachable").says(" tries in ").outcome;
    assert!(!failed.stderr.contains(SPENT), "{}", failed.told());
    exhaust(&bed);
    bed.aws.server.heal();
    bed.run().ready().says(SPENT);
    assert!(!bed.run().ready().stderr.contains(SPENT));
}

/// A line of the journal as it would have been written a day before.
fn yesterday(line: &str) -> String {
    let mut event: Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
    let at: jiff::Timestamp = event["at"].as_str().unwrap().parse().unwrap();
    event["at"] = (at - Duration::from_secs(24 * 3600)).to_string().into();
    let body = event.to_string();
    format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()))
}
