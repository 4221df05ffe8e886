use serde_json::json;

use super::*;
use crate::{
    execute::testing::{MemoryEngine, engine},
    testing::Played,
};

fn add(engine: &MemoryEngine, service: &str, depends_on: &str, managed: bool) {
    let mut all = engine.containers.borrow_mut();
    let id = format!("{service}-id");
    let mut labels = json!({
        labels::PROJECT: "demo", labels::SERVICE: service, labels::DEPENDS_ON: depends_on, labels::ONEOFF: "False",
    });
    if managed {
        labels[labels::MANAGED] = json!("true");
    }
    all.insert(
        id.clone(),
        json!({
            "Id": id, "Name": format!("/demo-{service}-1"), "Config": { "Labels": labels, "StopTimeout": 600 },
            "State": { "Status": "running", "Running": true }, "Mounts": [], "NetworkSettings": { "Networks": {} },
        }),
    );
}

fn retry() -> Retry {
    Played::new().retry(60)
}

/// Stops, and what was noted on the way.
async fn stopped(engine: &MemoryEngine, project: Option<&str>) -> (Outcome, Vec<String>) {
    let mut noted = Vec::new();
    let outcome = stop(engine, &retry(), project, |ids| noted.extend(ids.iter().cloned())).await.unwrap();
    (outcome, noted)
}

fn stops(engine: &MemoryEngine) -> Vec<String> {
    let log = engine.log.borrow();
    log.iter().filter_map(|l| l.strip_prefix("stop ")).map(|id| id.trim_end_matches("-id").to_owned()).collect()
}

#[tokio::test]
async fn what_depends_on_others_is_stopped_before_them() {
    let engine = engine();
    add(&engine, "db", "", true);
    add(&engine, "cache", "", true);
    add(&engine, "app", "db:service_healthy:false,cache:service_started:false", true);
    add(&engine, "web", "app:service_started:true", true);
    let (outcome, noted) = stopped(&engine, Some("demo")).await;
    let order = stops(&engine);
    assert_eq!(order[..2], ["web", "app"]);
    assert_eq!((outcome.stopped, noted.len()), (4, 4));
    // Again: nothing runs.
    assert_eq!(stopped(&engine, Some("demo")).await.0.stopped, 0);
    assert_eq!(stops(&engine).len(), 4);
}

#[tokio::test]
async fn containers_are_noted_before_the_first_is_stopped() {
    let engine = engine();
    add(&engine, "db", "", true);
    add(&engine, "job", "", true);
    engine.containers.borrow_mut().get_mut("job-id").unwrap()["State"] = json!({ "Status": "exited", "ExitCode": 0 });
    add(&engine, "web", "db:service_started:false", true);
    let mut noted = Vec::new();
    let note = |ids: &BTreeSet<String>| noted.push((stops(&engine).len(), ids.iter().cloned().collect::<Vec<_>>()));
    stop(&*engine, &retry(), None, note).await.unwrap();
    assert_eq!(noted[0], (0, vec!["db-id".to_owned(), "web-id".to_owned()]));
    assert!(noted[1..].iter().all(|(_, ids)| ids.is_empty()), "{noted:?}");
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let engine = engine();
    add(&engine, "web", "", true);
    add(&engine, "theirs", "web:service_started:false", false);
    down(&*engine, &retry(), None).await.unwrap();
    assert_eq!(engine.containers.borrow().keys().collect::<Vec<_>>(), ["theirs-id"]);
    assert_eq!(stops(&engine), ["web"]);
}

#[tokio::test]
async fn contradicting_labels_do_not_keep_anything_up() {
    let engine = engine();
    add(&engine, "a", "b:service_started:false", true);
    add(&engine, "b", "a:service_started:false", true);
    assert_eq!(stopped(&engine, None).await.0.stopped, 2);
}

#[tokio::test]
async fn one_that_cannot_be_stopped_does_not_keep_the_others_up() {
    let engine = engine();
    add(&engine, "db", "", true);
    add(&engine, "web", "db:service_started:false", true);
    engine.fail_at.set(Some(1));
    let (outcome, noted) = stopped(&engine, None).await;
    assert_eq!(outcome.failure.unwrap().cause, crate::error::Cause::EngineUnreachable);
    assert_eq!(noted, ["db-id", "web-id"], "also what may have stopped");
    assert_eq!(stops(&engine), ["web", "db"]);
}

#[tokio::test]
async fn hooks_run_before_the_stop_and_may_fail() {
    let engine = engine();
    add(&engine, "web", "", true);
    let hook = |word: &str| json!([{ "command": [word] }]).to_string();
    for word in ["drain", "false"] {
        engine.containers.borrow_mut().get_mut("web-id").unwrap()["Config"]["Labels"][labels::PRE_STOP] =
            json!(hook(word));
        engine.containers.borrow_mut().get_mut("web-id").unwrap()["State"] =
            json!({ "Status": "running", "Running": true });
        stopped(&engine, None).await;
    }
    let log = engine.log.borrow();
    assert_eq!(log[..], ["exec web-id drain", "stop web-id", "exec web-id false", "stop web-id"]);
}
