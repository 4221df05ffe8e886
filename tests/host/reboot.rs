//! Containers across reboots and power cuts, with the real agent, a real Docker and a real systemd.

use std::time::Duration;

use crate::instance::{Instance, in_order, service};

const HEALTHY: &str = "healthcheck: { test: [CMD, test, -e, /bin/sh], interval: 1s }";

/// Longer than systemd (90 s) and Docker (10 and 15 s) give anything by themselves.
const LONG: &str = "200";

#[test]
fn a_container_that_needs_200_seconds_to_stop_leaves_with_0_across_a_reboot() {
    let instance = Instance::start("long");
    instance.compose(&[
        service("web", "restart: unless-stopped, depends_on: [app]"),
        service(
            "app",
            &format!(
                "restart: unless-stopped, stop_grace_period: 600s, environment: {{ TAKES: {LONG} }}, \
                 depends_on: {{ db: {{ condition: service_healthy }} }}"
            ),
        ),
        service("db", &format!("restart: unless-stopped, {HEALTHY}")),
    ]);
    let done = instance.run_unit();
    assert_eq!(done.code, 0, "{}", done.text);
    assert_eq!(instance.events(), ["db begin", "app begin", "web begin"]);
    assert_eq!(
        instance.sh(
            "systemctl is-active rolecall-containers; systemctl show -P TimeoutStopUSec rolecall-containers docker"
        ),
        "active\n11min 20s\n\n11min\n"
    );

    instance.sh("systemctl reboot");
    instance.wait_off_within(Duration::from_secs(300));
    assert!(instance.exit_codes().iter().all(|(_, code)| *code == 0), "{:?}", instance.exit_codes());
    assert_eq!(instance.exit_codes().len(), 3);

    instance.boot();
    instance.booted();
    let took =
        "awk '$1 == \"app\" && $2 == \"term\" { t = $3 } $1 == \"app\" && $2 == \"end\" { print ($3 - t >= 200) }'";
    assert_eq!(instance.sh(&format!("{took} /srv/log/events")).trim(), "1");
    assert_eq!(
        instance.events(),
        [
            "web term",
            "web end",
            "app term",
            "app end",
            "db term",
            "db end", // the stop, in reverse
            "db begin",
            "app begin",
            "web begin", // the boot, in order
        ]
    );
}

/// One service of each policy, in a chain: web → app → db.
fn chain() -> Vec<String> {
    vec![
        service("web", "restart: 'no', depends_on: [app]"),
        service("app", "restart: unless-stopped, depends_on: { db: { condition: service_healthy } }"),
        service("db", &format!("restart: always, {HEALTHY}")),
    ]
}

const STOPPED: [&str; 6] = ["web term", "web end", "app term", "app end", "db term", "db end"];
const BEGUN: [&str; 3] = ["db begin", "app begin", "web begin"];

/// A service that never becomes healthy, and one that waits for it.
fn stuck() -> Vec<String> {
    let never = "healthcheck: { test: [CMD, 'false'], interval: 1s, retries: 1000 }";
    let slow = service("slow", &format!("restart: unless-stopped, depends_on: [app], {never}"));
    vec![slow, service("last", "depends_on: { slow: { condition: service_healthy } }")]
}

#[test]
fn order_and_grace_hold_whatever_has_become_of_the_run() {
    let instance = Instance::start("verdicts");
    instance.sh("echo ROLECALL_REMOVE_ORPHANS=true >>/etc/rolecall/env");

    // A run that failed: one container cannot start, the others run.
    let broken = "  broken: { image: 'box:1', command: [/no/such/program] }\n".to_owned();
    instance.compose(&[chain(), vec![broken]].concat());
    assert_eq!(instance.run_unit().code, 1);
    assert_eq!(instance.sh("systemctl is-failed rolecall").trim(), "failed");
    assert_eq!(instance.events(), BEGUN);
    instance.compose(&chain());
    instance.sh("systemctl poweroff");
    instance.wait_off();
    instance.boot();
    instance.booted();
    assert_eq!(instance.events(), [&STOPPED[..], &BEGUN].concat());

    // A run that is still going.
    instance.compose(&[chain(), stuck()].concat());
    instance.sh("systemctl start rolecall");
    instance.until("grep -q 'slow begin' /srv/log/events", Duration::from_secs(60));
    assert_eq!(instance.events(), ["slow begin"]);
    instance.sh("systemctl reboot");
    instance.wait_off();
    instance.boot();
    instance.until("grep -q 'slow begin' /srv/log/events", Duration::from_secs(60));
    let events = instance.events();
    let (stop, start) = events.split_at(8);
    assert!(stop.iter().all(|e| !e.ends_with("begin")) && start.iter().all(|e| e.ends_with("begin")), "{events:?}");
    in_order(&events, &STOPPED);
    in_order(&events, &["slow end", "app term"]);
    in_order(&events, &["db begin", "app begin", "slow begin"]);

    // Stopped by hand, be the run the unit's or somebody's: it ends, and nothing undoes the stop.
    for run in ["systemctl start rolecall", "set -a; . /etc/rolecall/env; setsid rolecall run >/srv/out 2>&1 &"] {
        instance.sh(&format!("systemctl stop rolecall; {run}"));
        instance.until("rolecall status --json | grep -q healthy:slow", Duration::from_secs(60));
        let done = instance.run("set -a; . /etc/rolecall/env; rolecall stop --all");
        assert_eq!(done.code, 0, "{}", done.text);
        instance.sh("! systemctl is-active rolecall; ! pgrep -x rolecall; [ -z \"$(docker ps -q)\" ]");
    }
    assert!(instance.sh("cat /srv/out").contains("cause=interrupted"), "{}", instance.sh("cat /srv/out"));
    assert!(!instance.events().contains(&"last begin".to_owned()));
}

#[test]
fn after_a_power_cut_policies_bring_containers_up_and_the_run_the_rest() {
    let instance = Instance::start("power");
    instance.sh("echo ROLECALL_REMOVE_ORPHANS=true >>/etc/rolecall/env");
    let once = "  once: { image: 'box:1', volumes: ['/srv/log:/log'], command: [sh, -c, 'echo once begin 0 >>/log/events'] }\n";
    instance.compose(&[chain(), vec![once.to_owned()]].concat());
    assert_eq!(instance.run_unit().code, 0);
    in_order(&instance.events(), &BEGUN);

    instance.cut();
    instance.boot();
    instance.booted();
    let events = instance.events();
    assert_eq!(events.len(), 3, "a one-shot that had ended stays done: {events:?}");
    in_order(&events, &["db begin", "web begin"]);
    in_order(&events, &["app begin", "web begin"]);
    assert_eq!(instance.sh("docker ps --format '{{.Names}}' | sort"), "shop-app-1\nshop-db-1\nshop-web-1\n");

    // A run that does not get as far as the containers: what policies bring up is stopped in order all the same.
    instance.sh("systemctl disable imds 2>/dev/null");
    instance.cut();
    instance.boot();
    instance.until("[ $(grep -c begin /srv/log/events) = 2 ]", Duration::from_secs(60));
    // The engine starts containers before it counts as started itself.
    instance.until("systemctl is-active rolecall && systemctl is-active rolecall-containers", Duration::from_secs(60));
    instance.events();
    instance.sh("systemctl enable imds 2>/dev/null; systemctl reboot");
    instance.wait_off();
    instance.boot();
    instance.booted();
    assert_eq!(instance.events(), [&STOPPED[2..], &BEGUN].concat());

    // The engine is upgraded and restarted: each has its own grace, in no order, and policies bring up what they do.
    instance.compose(&[
        service("db", "restart: always, stop_grace_period: 200s, environment: { TAKES: 100 }"),
        service("app", "restart: unless-stopped, depends_on: [db]"),
    ]);
    assert_eq!(instance.run_unit().code, 0);
    instance.events();
    instance.sh("apt-get install -y --reinstall docker.io >/dev/null 2>&1; systemctl restart docker");
    instance.until("[ $(grep -c begin /srv/log/events) = 2 ]", Duration::from_secs(60));
    let events = instance.events();
    in_order(&events, &["db term", "db end", "db begin"]);
    in_order(&events, &["app term", "app end", "app begin"]);

    // A machine whose engine does not run goes down as well.
    instance.sh("systemctl stop docker.socket & timeout 20 docker kill shop-db-1; wait; systemctl stop docker; systemctl poweroff");
    instance.wait_off();
    instance.boot();
    instance.booted();
}

#[test]
fn a_stop_ends_within_its_bounds_and_says_what_it_could_not_do() {
    let instance = Instance::start("bounds");
    // A script that will not end, and an engine that hangs.
    instance.write(
        "/srv/compose.yaml",
        "#!/bin/sh\ntrap '' TERM\ntouch /srv/begun\nwhile :; do sleep 1; done\n",
        "644",
    );
    instance.sh("systemctl start rolecall");
    instance.until("test -e /srv/begun", Duration::from_secs(60));
    instance.sh("kill -STOP $(pgrep -x dockerd)");
    let done = instance.run("set -a; . /etc/rolecall/env; rolecall stop --all");
    assert_eq!(done.code, 4, "{}", done.text);
    assert!(done.text.contains("cause=deadline") && done.text.contains("no answer within 30 s"), "{}", done.text);
    assert!(instance.console().contains("(compose.yaml) with signal SIGKILL"), "{}", instance.console());
    instance.sh("! pgrep -x compose.yaml; ! systemctl is-active rolecall");
    // No engine at all: said at once, and a failure where it has left something running.
    instance.sh("kill -KILL $(pgrep -x dockerd); systemctl stop docker docker.socket");
    let done = instance.run("set -a; . /etc/rolecall/env; rolecall stop --all");
    assert!(done.code == 0 && done.text.contains("no container runs: nothing to stop"), "{}", done.text);
    instance.sh("cp /bin/sleep /srv/containerd-shim; setsid /srv/containerd-shim 600 >/dev/null 2>&1 </dev/null &");
    let done = instance.run("set -a; . /etc/rolecall/env; rolecall stop --all");
    assert!(done.code == 4 && done.text.contains("cause=engine-unreachable"), "{}", done.text);
}
