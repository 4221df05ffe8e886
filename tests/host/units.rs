//! The units under a real systemd, with a stand-in for the agent.

use std::time::Duration;

use crate::machine::Machine;

const RUN: &str = include_str!("../../userdata/rolecall.service");
const CONTAINERS: &str = include_str!("../../userdata/rolecall-containers.service");
const LIFECYCLE: &str = include_str!("../../userdata/rolecall-lifecycle.service");

/// Notes how it was called, and ends as /srv/code says.
const STAND_IN: &str = "#!/bin/sh\necho \"$*\" >>/srv/calls\n[ \"$1\" != stop ] || sleep 2\nexit $(cat /srv/code)\n";

fn machine(name: &str) -> Machine {
    let machine = Machine::start_with(
        name,
        &[
            ("/etc/systemd/system/rolecall.service", RUN),
            ("/etc/systemd/system/rolecall-containers.service", CONTAINERS),
            ("/etc/systemd/system/rolecall-lifecycle.service", LIFECYCLE),
            // So that a test need not wait 15 s for each restart.
            ("/etc/systemd/system/rolecall.service.d/fast.conf", "[Service]\nRestartSec=1\n"),
        ],
    );
    machine.write("/usr/local/bin/rolecall", STAND_IN, "755");
    machine
}

#[test]
fn the_run_is_started_again_only_where_that_can_help() {
    let machine = machine("units");
    machine.sh("systemd-analyze verify rolecall.service rolecall-containers.service rolecall-lifecycle.service");
    for (code, again) in [(0, false), (1, false), (2, false), (3, false), (4, true), (5, false), (6, false)] {
        machine.sh(&format!(
            "systemctl stop rolecall; rm -f /srv/calls; echo {code} >/srv/code; systemctl start --no-block rolecall"
        ));
        machine.until("[ -s /srv/calls ]", Duration::from_secs(30));
        if again {
            machine.until("[ $(wc -l </srv/calls) -ge 7 ]", Duration::from_secs(30));
            machine.sh("[ $(systemctl show -P ActiveState rolecall) != failed ]");
        } else {
            std::thread::sleep(Duration::from_millis(2500));
            assert_eq!(machine.sh("cat /srv/calls"), "run\n", "exit {code}");
        }
    }
    // Nor through another unit: one that waits for Docker must not be waited for.
    let after = machine.sh("systemctl show -P After rolecall.service");
    for late in ["cloud-final", "cloud-init.target", "multi-user.target", "docker", "rolecall-containers"] {
        assert!(!after.contains(late), "{late} in {after}");
    }
}

/// What of a sandbox a unit lacks, as systemd counts it: 100 lacks all. The run lacks nearly all, see docs/boot.md.
const EXPOSURE: [(&str, u32); 3] = [("rolecall", 96), ("rolecall-containers", 33), ("rolecall-lifecycle", 33)];

#[test]
fn a_unit_is_no_more_exposed_than_is_known() {
    let machine = machine("exposure");
    for (unit, exposure) in EXPOSURE {
        let within = |limit: u32| {
            machine.run(&format!(
                "systemd-analyze security --offline=true --threshold={limit} /etc/systemd/system/{unit}.service"
            ))
        };
        let done = within(exposure);
        assert_eq!(done.code, 0, "{unit} is above {exposure}:\n{}", done.text);
        assert_ne!(within(exposure - 1).code, 0, "{unit} is better than {exposure}");
    }
}

#[test]
fn the_containers_are_stopped_when_the_machine_goes_down_also_after_a_run_that_failed() {
    let machine = machine("grace");
    machine.sh("echo 1 >/srv/code; systemctl start rolecall-containers; systemctl start --no-block rolecall");
    machine.until("systemctl is-failed rolecall", Duration::from_secs(30));
    machine.sh("echo 0 >/srv/code; systemctl poweroff");
    machine.wait_off();
    machine.boot();
    assert_eq!(machine.sh("cat /srv/calls"), "run\nstop --all\n");
    machine.sh("! systemctl is-active rolecall-containers");
}

#[test]
fn the_boot_does_not_wait_for_a_download() {
    // The fetcher hangs; the boot is over nevertheless.
    let machine = Machine::start_with(
        "hang",
        &[("/etc/systemd/system/rolecall.service", RUN), ("/var/lib/rolecall/fetch", "sleep 1000\n")],
    );
    machine.sh("systemctl enable rolecall 2>/dev/null");
    machine.cut();
    machine.boot();
    machine.until("systemctl is-active multi-user.target", Duration::from_secs(20));
    assert_eq!(machine.sh("systemctl show -P ActiveState rolecall; pgrep -xc sleep").trim(), "active\n1");
}

#[test]
fn the_grace_fits_the_services_whatever_the_units_say() {
    let machine = Machine::start("fits");
    machine.write("/etc/systemd/system/docker.service", "[Service]\nExecStart=/bin/sleep 1000\n", "644");
    machine.sh("systemctl daemon-reload; systemctl start docker");
    let done = machine.agent("grace 10 30");
    assert!(done.text.contains("outcome: false Changed(\"grace of the containers set\") true"), "{}", done.text);
    let show = "systemctl is-active rolecall-containers; systemctl show -P TimeoutStopUSec rolecall-containers docker; \
                systemctl show -P ExecStop rolecall-containers | sed 's/.*\\(argv.*\\) ; ignore.*/\\1/'";
    assert_eq!(machine.sh(show), "active\n2min\n\n1min 30s\nargv[]=/opt/my agent stop --all\n");
    assert!(machine.agent("grace 10 30").text.contains("outcome: true Unchanged true"));
    assert!(machine.agent("grace 600 900").text.contains("outcome: false Changed"));
    assert_eq!(machine.sh(show), "active\n16min\n\n11min\nargv[]=/opt/my agent stop --all\n");
    assert!(machine.agent("grace 600 900").text.contains("outcome: true Unchanged true"));
    machine.write("/opt/my agent", STAND_IN, "755");
    machine.sh("systemd-analyze verify rolecall-containers.service docker.service");
    // Shorter again: drop-ins follow.
    assert!(machine.agent("grace 100 100").text.contains("outcome: false Changed"));
    assert_eq!(machine.sh(show), "active\n2min 40s\n\n2min 40s\nargv[]=/opt/my agent stop --all\n");

    // What an administrator gives Docker is not made shorter, be it there before or after our drop-in.
    let theirs = "/etc/systemd/system/docker.service.d/10-theirs.conf";
    for (limit, shown) in [("infinity", "infinity"), ("1h", "1h"), ("30", "11min")] {
        machine.write(theirs, &format!("[Service]\nTimeoutStopSec={limit}\n"), "644");
        machine.sh("systemctl daemon-reload");
        assert!(machine.agent("grace 600 900").text.contains("outcome: false Changed"), "{limit}");
        assert_eq!(machine.sh("systemctl show -P TimeoutStopUSec docker").trim(), shown, "{limit}");
        assert!(machine.agent("grace 600 900").text.contains("outcome: true Unchanged true"), "{limit}");
        assert!(machine.agent("grace 10 10").text.contains("outcome: false Changed"), "{limit}");
    }

    // A package brings the unit: ours makes way for it, and the one of an administrator does not.
    machine.write("/usr/lib/systemd/system/rolecall-containers.service", CONTAINERS, "644");
    assert!(machine.agent("grace 600 900").text.contains("outcome: false Changed"));
    assert!(machine.sh(show).starts_with("active\n16min\n\n11min\nargv[]=/usr/local/bin/rolecall stop --all"));
    let edited = CONTAINERS.replace("TimeoutStopSec=120", "TimeoutStopSec=130");
    machine.write("/etc/systemd/system/rolecall-containers.service", &edited, "644");
    machine.sh("systemctl daemon-reload");
    assert!(machine.agent("grace 600 900").text.contains("outcome: true Unchanged true"));
    machine.sh("test -e /etc/systemd/system/rolecall-containers.service");

    // It comes up with Docker, whatever the run does.
    assert_eq!(machine.sh("systemctl is-enabled rolecall-containers").trim(), "enabled");
    machine.sh("systemctl disable rolecall 2>/dev/null; systemctl enable docker 2>/dev/null; systemctl reboot");
    machine.wait_off();
    machine.boot();
    machine.sh("systemctl start docker");
    machine.until("systemctl is-active rolecall-containers", Duration::from_secs(20));
}

#[test]
fn the_line_of_a_failure_reaches_the_console_and_the_journal() {
    let machine = machine("console");
    let line = "rolecall: FAILED cause=io step=start need=\"a file\" hint=\"look at its mode\"";
    machine.write("/usr/local/bin/rolecall", &format!("#!/bin/sh\necho '{line}' >&2\nexit 1\n"), "755");
    machine.sh("systemctl start --no-block rolecall");
    machine.until("systemctl is-failed rolecall", Duration::from_secs(30));
    machine.until("journalctl --unit rolecall | grep -q 'FAILED cause=io'", Duration::from_secs(30));
    assert!(machine.console().contains(line), "{}", machine.console());
}
