//! When a service is ready, completed or stopped.

use std::time::Duration;

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
    assert_eq!(bed.engine().inspect("shop-web-1")["State"]["Health"]["Log"], serde_json::json!([]));
}
