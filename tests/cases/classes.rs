//! Which failures are tried again, and hosts that stay up.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

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

/// An agent whose state folder is a copy of the one so far, on a file system with this much room left.
fn with_room(bed: &Bed, kilobytes: u32) -> Agent {
    let (state, saved) = (bed.agent.state.display().to_string(), bed.path("saved").display().to_string());
    let script = format!(
        "rm -rf {saved}; cp -a {state} {saved}; mount -t tmpfs -o size=8m none {state}; cp -a {saved}/. {state}; \
         dd if=/dev/zero of={state}/filler bs=4k 2> /dev/null; truncate -s -{kilobytes}k {state}/filler; exec \"$@\""
    );
    bed.agent.under(&["unshare", "--mount", "sh", "-c", &script, "sh"])
}

/// The project is as it was, or has another file, or its source is gone.
#[test]
fn full_state_folder_keeps_no_container_down() {
    let bed = Bed::new();
    bed.project("app", &[("compose.yaml", GOOD), ("conf/a", "a")]);
    bed.run().ready();
    // What is left of the last block of the journal is room, too: its last line, again and again, takes it.
    let journal = bed.agent.state.join("journal.jsonl");
    let mut text = fs::read_to_string(&journal).unwrap();
    let last = format!("{}\n", text.lines().last().unwrap());
    while text.len() % 4096 + last.len() <= 4096 {
        text += &last;
    }
    fs::write(&journal, text).unwrap();
    let up = || bed.engine().inspect("app-web-1")["State"]["Running"] == true;
    for change in ["nothing", "a file", "the source"] {
        match change {
            "a file" => bed.project("app", &[("conf/a", &"b".repeat(200_000))]),
            "the source" => bed.aws.store(|s| s.buckets.clear()),
            _ => {}
        }
        // A new file takes the most writes: each of them meets the end of the disk once.
        let step = if change == "a file" { 4 } else { 50 };
        for room in (0..=100).step_by(step).filter(|room| *room <= 24 || room % 50 == 0) {
            bed.engine().post("/containers/app-web-1/kill", &Value::Null);
            let run = with_room(&bed, room).run(&["run"]);
            assert!(up(), "{change}, {room} KB\n{}", run.told());
            if run.code != Some(0) {
                let told = |word: &str| run.stderr.contains(word);
                assert!(run.code == Some(1) && told("cause=disk-full"), "{change}, {room} KB\n{}", run.told());
            }
            assert!(room > 0 || run.code == Some(1), "nobody hears of it: {change}\n{}", run.told());
        }
    }
}

#[test]
fn full_runtime_folder_keeps_no_container_down() {
    let bed = Bed::new();
    bed.compose("app", GOOD);
    let run = bed.path("run").display().to_string();
    let script = format!("mount -t tmpfs -o size=4k,nr_inodes=1 none {run} && exec \"$@\"");
    bed.agent.under(&["unshare", "--mount", "sh", "-c", &script, "sh"]).run(&["run"]).ready();
    assert_eq!(bed.engine().inspect("app-web-1")["State"]["Running"], true);
}

#[test]
fn full_runtime_folder_is_named_if_a_secret_needs_it() {
    let bed = Bed::new();
    bed.aws.api(|api| _ = api.parameters.insert("/prod/db".into(), "full-canary".into()));
    let secret = "services:\n  web: { image: \"rolecall-test/web:1\", secrets: [db] }\nsecrets: { db: { environment: DB } }\n\
                  x-rolecall: { variables: { DB: \"ssm:///prod/db\" }, ready: { stable: 300ms } }\n";
    bed.compose("app", secret);
    let run = bed.path("run").display().to_string();
    let script = format!("mount -t tmpfs -o size=4k,nr_inodes=1 none {run} && exec \"$@\"");
    let failed =
        bed.agent.under(&["unshare", "--mount", "sh", "-c", &script, "sh"]).run(&["run"]).fails(1, "disk-full");
    failed.names("/secrets/app");
    bed.run().ready();
}

#[test]
fn state_is_for_root_alone() {
    let bed = Bed::new();
    bed.project("app", &[("compose.yaml", GOOD), ("bootstrap/10.sh", "#!/bin/sh\n")]);
    // As version 0.1.0 left them.
    fs::create_dir(&bed.agent.state).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let journal = bed.agent.state.join("journal.jsonl");
    fs::write(&journal, "").unwrap();
    set(&journal, 0o644);
    set(&bed.agent.state, 0o755);
    bed.run().ready();
    assert_eq!(mode(&bed.agent.state), 0o700, "the state folder");
    let open: Vec<String> = bed.agent.files().into_keys().filter(|path| !path.starts_with("projects/")).collect();
    for path in &open {
        assert_eq!(mode(&bed.agent.state.join(path)) & 0o077, 0, "{path}");
    }
    assert!(open.iter().any(|path| path == "journal.jsonl") && open.len() > 3, "{open:?}");
    let runtime = crate::support::agent::walk(&bed.agent.runtime);
    let shared: Vec<&String> = runtime.keys().filter(|p| mode(&bed.agent.runtime.join(p)) & 0o077 != 0).collect();
    assert_eq!(shared, ["status.json"]);
}
