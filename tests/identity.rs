//! Whose state it is: a machine that was started from an image of a running one, and two runs at once.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;

use crate::support::{
    bed::Bed,
    dockerd::WEB,
    http::{Fault, Kind},
};

const NEW: &str = "i-0fedcba9876543210";

fn state(bed: &Bed, name: &str) -> String {
    bed.engine().inspect(name)["State"]["Status"].as_str().unwrap().to_owned()
}

fn instance(bed: &Bed, name: &str) -> String {
    bed.engine().inspect(name)["Config"]["Labels"]["io.rolecall.instance"].as_str().unwrap().to_owned()
}

/// Names of what was set aside, without the time in them.
fn aside(bed: &Bed) -> Vec<String> {
    let names = fs::read_dir(&bed.agent.state).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let parts = names.filter_map(|name| Some(name.strip_prefix("journal.")?.split('.').next()?.to_owned()));
    let mut names: Vec<String> = parts.filter(|part| part != "jsonl").collect();
    names.sort();
    names
}

/// A machine that has run two projects, of which the second is its present one, and a script.
fn ran() -> Bed {
    let bed = Bed::new();
    let c = format!("image: \"{WEB}\", stop_grace_period: 5s");
    bed.compose("old", &format!("name: old\nservices: {{ left: {{ {c}, restart: always }} }}\n"));
    bed.run().ready();
    let compose = format!(
        "name: app\nservices:\n  db: {{ {c}, volumes: ['data:/data', './here:/here'] }}\n  web: {{ {c}, depends_on: [db] }}\n\
         volumes: {{ data: {{ }} }}\n"
    );
    let script = format!("#!/bin/sh\necho $ROLECALL_INSTANCE_ID $ROLECALL_ATTEMPT >> {}\n", bed.path("mark").display());
    bed.project("app", &[("compose.yaml", &compose), ("bootstrap/10.sh", &script)]);
    bed.run().ready();
    fs::write(bed.agent.state.join("projects/app/here/rows"), "data").unwrap();
    fs::write(volume(&bed).join("rows"), "data").unwrap();
    bed
}

fn volume(bed: &Bed) -> PathBuf {
    bed.engine().data().join("volumes/app_data/_data")
}

#[test]
fn an_image_of_a_running_machine_boots_as_a_new_one() {
    let bed = ran();
    bed.imds.set(|i| i.id = NEW.into());
    bed.rolecall(&["plan"]).ready().prints("stop containers that another instance than i-0fedcba9876543210 made");
    assert_eq!(state(&bed, "old-left-1"), "running", "a plan only looks");
    let run = bed.run().ready();
    for line in [
        "the state of instance i-0abcdef1234567890 is set aside as ",
        "this is i-0fedcba9876543210: stopping the containers of i-0abcdef1234567890: ",
    ] {
        assert_eq!(run.stderr.matches(line).count(), 1, "{line}\n{}", run.told());
    }
    assert_eq!(state(&bed, "old-left-1"), "exited");
    for name in ["app-db-1", "app-web-1"] {
        assert_eq!((state(&bed, name), instance(&bed, name)), ("running".into(), NEW.into()));
    }
    assert_eq!(fs::read_to_string(bed.path("mark")).unwrap(), format!("i-0abcdef1234567890 1\n{NEW} 1\n"));
    assert_eq!(fs::read_to_string(bed.agent.state.join("projects/app/here/rows")).unwrap(), "data");
    assert_eq!(fs::read_to_string(volume(&bed).join("rows")).unwrap(), "data");
    assert_eq!(aside(&bed), ["i-0abcdef1234567890"]);
    bed.run().ready().says("nothing to do");
    // The engine starts it again with itself; the next run stops it again.
    bed.engine().crash();
    bed.run().ready();
    assert_eq!(state(&bed, "old-left-1"), "exited");
    assert_eq!(aside(&bed), ["i-0abcdef1234567890"]);
    bed.rolecall(&["down", "--all"]).ready();
    assert!(
        bed.engine().names().is_empty(),
        "{:?}: down takes what is ours, whichever instance made it",
        bed.engine().names()
    );
}

#[test]
fn what_another_instance_runs_is_stopped_also_where_the_source_cannot_be_had() {
    let bed = ran();
    bed.imds.set(|i| i.id = NEW.into());
    bed.aws.server.fault(Fault::status("rolecall-test", 404));
    bed.fails(4, "source-not-found");
    for name in ["app-db-1", "app-web-1", "old-left-1"] {
        assert_eq!(
            (state(&bed, name), instance(&bed, name)),
            ("exited".into(), "i-0abcdef1234567890".into()),
            "{name}"
        );
    }
    let ended = |name: &str| bed.engine().inspect(name)["State"]["FinishedAt"].as_str().unwrap().to_owned();
    assert!(ended("app-web-1") <= ended("app-db-1"), "in reverse order");
    bed.rolecall(&["status"]).exits(4).prints(NEW);
    bed.aws.server.heal();
    bed.run().ready();
    assert_eq!((state(&bed, "app-web-1"), instance(&bed, "app-web-1")), ("running".into(), NEW.into()));
}

/// What stood under names of this instance's project, and what a stranger made, is nobody else's.
#[test]
fn nothing_but_what_another_instance_made_is_stopped() {
    let bed = ran();
    let body = serde_json::json!({ "Image": WEB, "Labels": { "io.rolecall.instance": "i-other" } });
    bed.engine().post("/containers/create?name=stranger", &body);
    bed.engine().post("/containers/stranger/start", &Value::Null);
    let before = bed.engine().snapshot();
    bed.run().ready().says("nothing to do");
    assert_eq!(bed.engine().snapshot(), before);
}

#[test]
fn a_second_run_is_told_who_holds_the_lock_and_changes_nothing() {
    let bed = Bed::without_engine();
    bed.project("app", &[("10.sh", "#!/bin/sh\n")]);
    bed.aws.server.fault(Fault::on("rolecall-test", Kind::Silence));
    let first = bed.agent.spawn(&["run"]);
    while bed.aws.server.asked("rolecall-test") == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let holder = fs::read_to_string(bed.agent.state.join("lock")).unwrap();
    let [pid, since, "run"] = holder.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{holder}") };
    let (files, status) = (bed.agent.files(), bed.agent.status());
    assert_eq!(status["pid"].to_string(), pid);
    bed.fails(6, "locked").names(&format!("(pid {pid}, since {since})")).hints("rolecall status --wait");
    assert_eq!((bed.agent.files(), bed.agent.status()), (files, status));
    first.signal(rustix::process::Signal::KILL);
    drop(first.wait());
    bed.fails(4, "source-unreachable");
}
