//! When a service is ready, completed or stopped.

use std::{fs, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::bed::Bed;

/// One service of the usual image, with these attributes.
fn service(attributes: &str) -> Bed {
    let bed = Bed::new();
    bed.project(
        "shop",
        &[("compose.yaml", &format!("services:\n  web: {{ image: \"rolecall-test/web:1\", {attributes} }}\n"))],
    );
    bed
}

#[test]
fn container_that_ends_early_fails_the_run() {
    for (script, what) in [("sleep 0.2; echo no database; exit 1", "1"), ("sleep 3; echo no database; exit 7", "7")] {
        let bed = service(&format!("command: [sh, -c, '{script}']"));
        let failed = bed.fails(1, "container-failed").says("rolecall:   | no database");
        failed.names("step=ready:web").names(&format!("container shop-web-1 exited with {what}"));
        assert!(!bed.agent.state.join("good").exists(), "it was never ready");
        let status = bed.agent.status();
        assert_eq!((&status["state"], &status["services"][0]["state"]), (&"failed".into(), &"failed".into()));
    }
}

#[test]
fn crash_loop_is_not_ready_while_others_are_awaited() {
    let bed = Bed::new();
    let compose = r#"
services:
  loop: { image: "rolecall-test/web:1", restart: unless-stopped, command: [sh, -c, "echo no such queue; exit 1"] }
  slow:
    image: rolecall-test/web:1
    command: [sh, -c, "sleep 6; touch /tmp/ok; exec sleep 1000"]
    healthcheck: { test: [CMD, test, -e, /tmp/ok], interval: 1s, retries: 30 }
"#;
    bed.compose("shop", compose);
    let failed = bed.fails(1, "container-failed").says("rolecall:   | no such queue");
    failed.names("step=ready:loop").names("does not stay up: restarted 8 times");
}

#[test]
fn container_that_ends_once_it_was_ready_fails_the_run() {
    let bed = Bed::new();
    let compose = r#"
services:
  brief: { image: "rolecall-test/web:1", command: [sh, -c, "sleep 4; echo lease lost; exit 3"] }
  slow:
    image: rolecall-test/web:1
    command: [sh, -c, "sleep 9; touch /tmp/ok; exec sleep 1000"]
    healthcheck: { test: [CMD, test, -e, /tmp/ok], interval: 1s }
x-rolecall: { ready: { stable: 1s } }
"#;
    bed.compose("shop", compose);
    let failed = bed.fails(1, "container-failed").says("rolecall:   | lease lost");
    failed.names("step=ready:brief").names("container shop-brief-1 was ready, and then exited with 3");
}

#[test]
fn stable_container_is_not_waited_for_again() {
    let bed = Bed::new();
    let compose = "services: { web: { image: 'rolecall-test/web:1' } }\nx-rolecall: { ready: { stable: 10s } }\n";
    bed.compose("shop", compose);
    assert!(bed.run().ready().took >= Duration::from_secs(10));
    let again = bed.run().ready().says("nothing to do");
    assert!(again.took < Duration::from_secs(10), "{}", again.told());
}

#[test]
fn service_that_is_unhealthy_at_first_becomes_ready() {
    let bed = Bed::new();
    let compose = r#"
services:
  db:
    image: rolecall-test/web:1
    command: [sh, -c, "trap 'exit 0' TERM; sleep 9; touch /tmp/ok; sleep 300 & wait"]
    healthcheck: { test: [CMD, test, -e, /tmp/ok], interval: 2s, retries: 2 }
  web: { image: "rolecall-test/web:1", depends_on: { db: { condition: service_healthy } } }
x-rolecall: { ready: { timeout: 60s } }
"#;
    bed.compose("prod", compose);
    bed.run().ready();
    bed.rolecall(&["status"]).ready().prints("healthy").prints("running");
    assert_eq!(bed.engine().inspect("prod-web-1")["State"]["Running"], true);
}

#[test]
fn check_with_a_late_first_probe_is_asked() {
    let bed = Bed::new();
    let compose = r#"
services:
  web:
    image: rolecall-test/web:1
    command: [sh, -c, "sleep 2; touch /tmp/ok; exec sleep 1000"]
    healthcheck: { test: "test -e /tmp/ok", interval: 5m }
  late:
    image: rolecall-test/web:1
    depends_on: { web: { condition: service_healthy } }
"#;
    bed.compose("shop", compose);
    // The engine's own probe comes after five minutes, longer than a run of a test may take.
    bed.run().ready();
    bed.rolecall(&["status"]).ready().prints("healthy");
    assert_eq!(bed.engine().inspect("shop-web-1")["State"]["Health"]["Log"], json!([]));
}

/// A worker as on a laptop: no restart policy, no ports, and it ends with 0 when it is told to.
const WORKER: &str = r#"
services:
  worker: { image: "rolecall-test/web:1", command: [sh, -c, "trap 'exit 0' TERM; sleep 1000 & wait"] }
  web: { image: "rolecall-test/web:1", restart: unless-stopped }
"#;

/// The state of a container of the project `shop`, and how it ended.
fn state(bed: &Bed, service: &str) -> (String, i64) {
    let state = bed.engine().inspect(&format!("shop-{service}-1"))["State"].clone();
    (state["Status"].as_str().unwrap().to_owned(), state["ExitCode"].as_i64().unwrap())
}

/// A worker that ended with 0 by `stop` is started again.
fn worker_comes_back(stop: impl FnOnce(&Bed)) {
    let bed = Bed::new();
    bed.compose("shop", WORKER);
    bed.run().ready().says("service worker has no restart policy, serves nothing and is not awaited");
    stop(&bed);
    assert_eq!(state(&bed, "worker"), ("exited".into(), 0));
    bed.rolecall(&["status"]).ready().prints("exited (0); it was running when the run ended");
    bed.rolecall(&["plan"])
        .ready()
        .prints("start container shop-worker-1")
        .prints("! service worker has no restart policy");
    bed.run().ready().says("shop-worker-1 is running");
    assert_eq!(state(&bed, "worker").0, "running");
    bed.rolecall(&["status"]).ready().prints("running");
}

#[test]
fn worker_comes_back_after_the_engine_was_restarted() {
    worker_comes_back(|bed| bed.engine().restart(Signal::TERM));
}

#[test]
fn worker_comes_back_after_docker_stop() {
    worker_comes_back(|bed| _ = bed.engine().post("/containers/shop-worker-1/stop", &Value::Null));
}

#[test]
fn worker_comes_back_after_a_stop_without_notes() {
    worker_comes_back(|bed| {
        let notes = bed.agent.state.join("stopped.json");
        // In the way of a file, as a full disk is.
        fs::create_dir_all(notes.join("full")).unwrap();
        bed.rolecall(&["stop", "--all"]).ready().says("the next run may not start everything that is stopped now");
        fs::remove_dir_all(notes).unwrap();
    });
}

const JOB: &str = r#"
services:
  job: { image: "rolecall-test/web:1", command: [sh, -c, "echo loaded"] }
  web: { image: "rolecall-test/web:1", restart: unless-stopped }
"#;

#[test]
fn job_that_a_run_saw_end_is_not_repeated() {
    let bed = Bed::new();
    bed.compose("shop", JOB);
    bed.run().ready().says("shop-job-1 has completed");
    bed.rolecall(&["status"]).ready().prints("completed");
    bed.run().ready().says("nothing to do");
    // As a reboot.
    bed.rolecall(&["stop", "--all"]).ready();
    bed.engine().restart(Signal::TERM);
    bed.run().ready();
    assert_eq!((bed.engine().logs("shop-job-1").as_str(), state(&bed, "web").0.as_str()), ("loaded\n", "running"));
}

#[test]
fn job_that_ends_after_it_was_stable_is_not_repeated() {
    let bed = Bed::new();
    let compose = r#"
services:
  job: { image: "rolecall-test/web:1", command: [sh, -c, "sleep 3; echo loaded"] }
  slow:
    image: rolecall-test/web:1
    command: [sh, -c, "sleep 8; touch /tmp/ok; exec sleep 1000"]
    healthcheck: { test: [CMD, test, -e, /tmp/ok], interval: 1s }
x-rolecall: { ready: { stable: 1s } }
"#;
    bed.compose("shop", compose);
    bed.run().ready().says("shop-job-1 is running");
    bed.rolecall(&["status"]).ready().prints("completed");
    bed.run().ready().says("nothing to do");
}

#[test]
fn job_that_version_0_1_0_completed_is_not_repeated() {
    let bed = Bed::new();
    bed.compose("shop", JOB);
    bed.run().ready();
    // Version 0.1.0 wrote another word for the end of a wait, and nothing of how a container ended.
    let path = bed.agent.state.join("journal.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    let old = journal.lines().filter(|line| !line.contains("\"ended:")).map(|line| {
        let body = line[9..].replace("\"what\":\"done\"", "\"what\":\"reached\"");
        format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()))
    });
    fs::write(&path, old.collect::<String>()).unwrap();
    bed.run().ready().says("nothing to do");
    assert_eq!(bed.engine().logs("shop-job-1"), "loaded\n");
    // Without any trace it is unknown whether it ended by itself.
    fs::remove_file(&path).unwrap();
    bed.run().ready();
    assert_eq!(bed.engine().logs("shop-job-1"), "loaded\nloaded\n");
}

#[test]
fn stop_and_down_need_a_project_or_all() {
    let bed = Bed::new();
    bed.compose("shop", WORKER);
    bed.run().ready();
    for command in ["stop", "down"] {
        let failed = bed.rolecall(&[command]).fails(2, "usage").needs("--project NAME or --all");
        failed.names("projects on this host: shop").hints(&format!("rolecall {command} --project shop"));
        bed.rolecall(&[command, "--project", "blog"]).ready().prints("0 containers stopped");
        bed.rolecall(&[command, "--project", "shop", "--all"]).fails(2, "usage");
    }
    assert_eq!(state(&bed, "web").0, "running");
    // The unit that version 0.1.0 wrote: systemd names the process that it executes.
    let unit = bed.agent.under(&["sh", "-c", "SYSTEMD_EXEC_PID=$$ exec \"$0\" \"$@\""]);
    unit.run(&["down"]).fails(2, "usage");
    unit.run(&["stop"]).ready().prints("2 containers stopped");
    bed.run().ready();
    bed.rolecall(&["stop", "-p", "shop"]).ready().prints("2 containers stopped");
}

#[test]
fn second_project_comes_back_after_a_stop_of_all() {
    let bed = Bed::new();
    let shop = r#"
services:
  web:
    image: rolecall-test/web:1
    restart: unless-stopped
    depends_on: { db: { condition: service_healthy } }
  db: { image: "rolecall-test/web:1", restart: unless-stopped, healthcheck: { test: "true", interval: 1s } }
  job: { image: "rolecall-test/web:1", command: [sh, -c, "echo loaded"] }
  by-hand: { image: "rolecall-test/web:1", restart: unless-stopped }
"#;
    bed.compose("shop", shop);
    bed.run().ready();
    bed.compose("blog", "name: blog\nservices:\n  web: { image: \"rolecall-test/web:1\", restart: unless-stopped }\n");
    bed.run().ready();
    bed.engine().post("/containers/shop-by-hand-1/stop", &Value::Null);
    bed.rolecall(&["stop", "--all"]).ready().prints("3 containers stopped");
    bed.engine().restart(Signal::TERM);
    bed.rolecall(&["plan"]).ready().prints("start container blog-web-1").prints("start container shop-web-1");
    bed.run().ready();
    let time = |name: &str| bed.engine().inspect(name)["State"]["StartedAt"].as_str().unwrap().to_owned();
    for name in ["blog-web-1", "shop-web-1", "shop-db-1"] {
        assert_eq!(bed.engine().inspect(name)["State"]["Running"], true, "{name}");
    }
    assert!(time("shop-db-1") < time("shop-web-1"));
    assert_eq!(bed.engine().logs("shop-job-1"), "loaded\n");
    assert_eq!(state(&bed, "by-hand").0, "exited", "somebody else stopped it");
    bed.rolecall(&["status"]).ready().prints("shop/web");
    assert!(!bed.agent.state.join("stopped.json").exists());
    bed.run().ready().says("nothing to do");
}
