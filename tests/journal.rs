//! What a run leaves behind, and how the next one goes on from it.

use std::fs;

use serde_json::{Value, json};

use crate::support::bed::Bed;

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
