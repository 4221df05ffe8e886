//! State that another version of rolecall left: 0.1.0 before an upgrade, a newer one before a downgrade.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::support::{
    agent::{Agent, walk},
    bed::{BUCKET, Bed},
};

const COMPOSE: &str = "services:\n  web: { image: \"rolecall-test/web:1\", stop_grace_period: 0s }\n\
    x-rolecall: { host: { upgrade: security, prune: true } }\n";

const SCRIPT: &str = "#!/bin/sh\necho ran >> \"$MARK\"\n";

/// What version 0.1.0 left after a run of this project: a script and an upgrade that ended, a container that was stopped,
/// an accepted signature, a project that was ready.
fn saved() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state/0.1.0")
}

fn host() -> (Bed, Agent) {
    let bed = Bed::new();
    bed.project("app", &[("compose.yaml", COMPOSE), ("bootstrap/10.sh", SCRIPT)]);
    let agent = bed.agent.env("MARK", bed.path("mark"));
    for (path, content) in walk(&saved()) {
        let to = path.strip_prefix("run/").map_or_else(|| agent.state.join(&path), |path| agent.runtime.join(path));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, content).unwrap();
    }
    (bed, agent)
}

/// State files that a run of a prefix writes, below the state folder.
fn written(agent: &Agent) -> Vec<PathBuf> {
    let names = ["project.json", "index.json", ".app.files", "failures.json", "status.json"];
    let all = agent.files().into_keys().map(|path| agent.state.join(path));
    let all = all.chain(walk(&agent.runtime).into_keys().map(|path| agent.runtime.join(path)));
    all.filter(|path| names.iter().any(|name| path.ends_with(name))).collect()
}

fn parsed(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn state_of_0_1_0_runs_nothing_again() {
    let (bed, agent) = host();
    let mark = bed.path("mark");
    agent.run(&["status"]).ready().prints("i-0abcdef1234567890");
    let run = agent.run(&["run"]).ready();
    assert!(!mark.exists() && !run.stderr.contains("upgrade: "), "{}", run.told());
    assert!(!run.stderr.contains("newer version") && !run.stderr.contains("could not read"), "{}", run.told());
    assert!(!agent.state.join("projects/app/old.conf").exists(), "a file that is gone from the source is deleted");
    assert!(!agent.state.join("replaced.json").exists(), "its image was to be removed");
    assert_eq!(bed.aws.server.asked("app/compose.yaml"), 1, "its cache has the content, without metadata");
    // By now the script is known by its content, too.
    bed.aws.store(|s| s.bucket(BUCKET).objects.remove("app/bootstrap/10.sh"));
    bed.project("app", &[("bootstrap/20-renamed.sh", SCRIPT)]);
    agent.run(&["run"]).ready();
    assert_eq!(bed.aws.server.asked("app/compose.yaml"), 1, "now it has both");
    assert!(!mark.exists(), "a renamed script is no new one");
    bed.project("app", &[("bootstrap/20-renamed.sh", &format!("{SCRIPT}# changed\n"))]);
    agent.run(&["run"]).ready();
    assert_eq!(fs::read_to_string(&mark).unwrap(), "ran\n");
    let serials = fs::read(agent.state.join("serials.json")).unwrap();
    assert_eq!(serials, fs::read(saved().join("serials.json")).unwrap());
    let files = written(&agent);
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(files.iter().all(|path| parsed(path)["format"] == 1), "{files:?}");
}

#[test]
fn upgrade_baked_by_0_1_0_is_not_made_again() {
    let (bed, agent) = host();
    fs::remove_file(agent.state.join("journal.jsonl")).unwrap();
    let run = agent.run(&["run"]).ready();
    assert!(bed.path("mark").exists() && !run.stderr.contains("upgrade: "), "{}", run.told());
}

#[test]
fn project_kept_by_0_1_0_is_started() {
    let (bed, agent) = host();
    bed.aws.store(|s| s.buckets.remove(BUCKET));
    agent.run(&["run"]).ready().says("did=\"started the project that was ready on 2026-11-29T07:23:27Z\"");
    assert_eq!(bed.engine().inspect("app-web-1")["State"]["Running"], true);
    assert!(!bed.path("mark").exists());
}

/// Replaces each state file by one of a format that no version has yet, with its content under the same names.
fn as_newer(agent: &Agent) -> Vec<PathBuf> {
    let mut files = written(agent);
    files.retain(|path| !path.ends_with("status.json"));
    files.extend(["replaced.json", "baked.json", "mounted.json", "failures.json"].map(|name| agent.state.join(name)));
    for path in &files {
        let mut content = if path.exists() { parsed(path) } else { json!({}) };
        if !content.is_object() {
            content = json!({ "all": content });
        }
        content["format"] = 99.into();
        content["entries"] = Value::Null;
        fs::write(path, content.to_string()).unwrap();
    }
    files
}

#[test]
fn newer_state_warns_and_fails_no_boot() {
    let (bed, agent) = host();
    agent.run(&["run"]).ready();
    let id = bed.engine().inspect("app-web-1")["Id"].clone();
    let files = as_newer(&agent);
    bed.engine().post("/containers/app-web-1/kill", &Value::Null);
    bed.project("app", &[("compose.yaml", &COMPOSE.replace("0s", "1s"))]);
    let run = agent.run(&["run"]).ready();
    for path in files.iter().filter(|path| !path.ends_with("failures.json")) {
        let line = format!("a newer version wrote {} (format 99, this one knows 1)", path.display());
        assert_eq!(run.stderr.matches(&line).count(), 1, "{}: {}", path.display(), run.told());
    }
    assert!(!agent.state.join("failures.json").exists());
    // What was ready is known in this version's own format again.
    bed.aws.store(|s| s.buckets.remove(BUCKET));
    bed.engine().post("/containers/app-web-1/kill", &Value::Null);
    let run = agent.run(&["run"]).ready().says("did=\"started the project that was ready on 20");
    for name in ["project.json", "index.json", ".app.files", "replaced.json"] {
        assert!(!run.stderr.contains(&format!("{name} (format")), "{name}: {}", run.told());
    }
    assert_ne!(bed.engine().inspect("app-web-1")["Id"], id);
}

#[test]
fn containers_of_a_newer_last_good_start() {
    let (bed, agent) = host();
    agent.run(&["run"]).ready();
    let id = bed.engine().inspect("app-web-1")["Id"].clone();
    as_newer(&agent);
    bed.engine().post("/containers/app-web-1/kill", &Value::Null);
    bed.aws.store(|s| s.buckets.remove(BUCKET));
    let run = agent.run(&["run"]).ready();
    let run = run.says("was kept by a newer version").says("did=\"started the project that was ready on 20");
    let there = bed.engine().inspect("app-web-1");
    assert!(there["Id"] == id && there["State"]["Running"] == true, "{}", run.told());
}

#[test]
fn newer_status_is_read_as_far_as_possible() {
    let (_bed, agent) = host();
    let path = agent.runtime.join("status.json");
    let mut status = parsed(&path);
    status["format"] = 99.into();
    status["phase"] = "later".into();
    fs::write(&path, status.to_string()).unwrap();
    agent.run(&["status"]).ready().prints("i-0abcdef1234567890");
    status["state"] = json!({ "name": "ready" });
    fs::write(&path, status.to_string()).unwrap();
    agent.run(&["status"]).fails(1, "io").names("a newer version wrote").names("(format 99, this one knows 1)");
}
