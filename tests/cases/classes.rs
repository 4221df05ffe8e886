//! Which failures are tried again, and hosts that stay up.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    agent::{Agent, Running},
    bed::Bed,
    net::free_port,
};

const GOOD: &str = "services:\n  web: { image: \"rolecall-test/web:1\", stop_grace_period: 0s }\n";

/// An agent for which nobody listens at the only mirror of packages.
fn without_mirror(agent: &Agent) -> Agent {
    let script = format!(
        "mount -t tmpfs none /etc/apt && mount -t tmpfs none /var/lib/apt && mkdir -p /etc/apt/apt.conf.d \
         /etc/apt/preferences.d /var/lib/apt/lists/partial && \
         echo 'deb [trusted=yes] http://127.0.0.1:{}/ ./' > /etc/apt/sources.list && exec \"$@\"",
        free_port()
    );
    agent.under(&["unshare", "--mount", "sh", "-c", &script, "sh"])
}

#[test]
fn last_good_project_starts_without_mirror() {
    let bed = Bed::new();
    bed.compose("app", GOOD);
    bed.run().ready();
    bed.engine().post("/containers/app-web-1/kill", &Value::Null);
    bed.compose("app", &format!("{GOOD}x-rolecall: {{ host: {{ packages: [rolecall-no-such] }} }}\n"));
    let agent = without_mirror(&bed.agent).env("ROLECALL_DEADLINE", "20s");
    agent.run(&["run"]).fails(4, "packages-failed").names("started the project that was ready on 20");
    assert_eq!(bed.engine().inspect("app-web-1")["State"]["Running"], true);
}

/// An agent that its unit started, where `systemctl` counts this many restarts.
fn as_unit(bed: &Bed, restarts: u32) -> Agent {
    let tools = bed.path("tools");
    fs::create_dir_all(&tools).unwrap();
    let stub = tools.join("systemctl");
    fs::write(&stub, format!("#!/bin/sh\necho {restarts}\n")).unwrap();
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), bed.agent.env["PATH"].to_str().unwrap());
    bed.agent.env("PATH", path).under(&["sh", "-c", "export SYSTEMD_EXEC_PID=$$; exec \"$@\"", "sh"])
}

fn requests(bed: &Bed) -> usize {
    bed.imds.server.log().len()
}

/// Starts a run of the unit that waits before its first request. The delay is random, and now and then too short to see.
fn waiting(bed: &Bed, unit: &Agent) -> (Running, usize) {
    for _ in 0..9 {
        let (before, mut run) = (requests(bed), unit.spawn(&["run"]));
        while !run.ended() && requests(bed) == before {
            if unit.status()["doing"].to_string().contains("waiting ") {
                return (run, before);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        run.wait().fails(4, "source-not-found");
    }
    panic!("no run waits")
}

#[test]
fn unit_waits_longer_after_each_exit_4() {
    let bed = Bed::new();
    bed.imds.tag("Bootstrap", "s3://rolecall-test/app/");
    let unit = as_unit(&bed, 1);
    // The first one has nothing to wait for; those that follow are some hours into an outage.
    unit.run(&["run"]).fails(4, "source-not-found");
    let file = bed.agent.state.join("failures.json");
    let mut noted: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(noted["count"], 1);
    noted["count"] = 40.into();
    fs::write(&file, noted.to_string()).unwrap();

    // While it waits it holds no lock and asks nobody; somebody who follows it waits, too; a signal ends it.
    let (run, before) = waiting(&bed, &unit);
    bed.rolecall(&["status"]).ready().prints("running for ").prints(": waiting ").prints("cause=source-not-found");
    assert_eq!(requests(&bed), before);
    run.signal(Signal::TERM);
    run.wait().fails(1, "interrupted").within(Duration::from_secs(20));

    // From a shell, with other settings, or as `systemctl start` by hand, it begins at once.
    let agents = [bed.agent.clone(), unit.env("ROLECALL_ENVIRONMENT", "prod"), as_unit(&bed, 0)];
    for agent in agents {
        let run = agent.run(&["run"]).fails(4, "source-not-found").outcome;
        assert!(!run.stderr.contains("waiting "), "{}", run.told());
    }
    // A boot is nobody's hand.
    noted["boot"] = "another".into();
    fs::write(&file, noted.to_string()).unwrap();
    let (run, _) = waiting(&bed, &as_unit(&bed, 0));
    // Who starts a run meanwhile has the lock, and a run that is ready ends the count.
    bed.project("app", &[("10.sh", "#!/bin/sh\n")]);
    bed.run().ready();
    assert!(!file.exists());
    run.signal(Signal::TERM);
    run.wait().fails(1, "interrupted");
}
