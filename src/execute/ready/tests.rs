use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use serde_json::json;

use super::*;
use crate::execute::testing::{MemoryEngine, StillClock, engine};

fn add(engine: &MemoryEngine, id: &str, state: Value) {
    let container = json!({ "Id": id, "Name": format!("/{id}"), "State": state, "RestartCount": 0 });
    engine.containers.borrow_mut().insert(id.to_owned(), container);
}

fn target(id: &str, until: Until) -> Target {
    let [id, name, project, service] = [id, id, "demo", id].map(String::from);
    let stable = Duration::from_secs(5);
    Target { id, name, project, service, job: until == Until::Completed, until, stable, foreign: false }
}

async fn wait(engine: &Rc<MemoryEngine>, targets: Vec<Target>) -> Result<Vec<Reached>> {
    let clock = Rc::new(StillClock::default());
    let retry = Retry::new(clock.clone(), None);
    let ready = Ready { engine: &**engine, clock: &*clock, retry: &retry, project: "demo" };
    ready.wait(targets, Some(Duration::from_secs(60))).await
}

fn event(container: &str) -> EngineEvent {
    EngineEvent { container: container.into(), action: "health_status: healthy".into() }
}

/// The container becomes healthy at its n-th inspection.
fn heal_at(engine: &MemoryEngine, nth: usize) {
    let seen = Cell::new(0);
    *engine.on_inspect.borrow_mut() = Some(Box::new(move |container| {
        seen.set(seen.get() + 1);
        let status = if seen.get() >= nth { "healthy" } else { "starting" };
        container["State"] = json!({ "Status": "running", "Health": { "Status": status } });
    }));
}

#[tokio::test]
async fn a_container_is_looked_at_when_something_happens_to_it() {
    let engine = engine();
    add(&engine, "web", json!({}));
    heal_at(&engine, 2);
    engine.events.borrow_mut().push(vec![event("other"), event("web")]);
    wait(&engine, vec![target("web", Until::Healthy)]).await.unwrap();
}

#[tokio::test]
async fn events_that_break_off_are_taken_up_again() {
    let engine = engine();
    add(&engine, "web", json!({}));
    heal_at(&engine, 3);
    *engine.events.borrow_mut() = vec![vec![event("web")], vec![], vec![]];
    wait(&engine, vec![target("web", Until::Serving)]).await.unwrap();
    assert!(engine.log.borrow().iter().filter(|l| *l == "events").count() >= 2);
}

#[tokio::test]
async fn a_failure_ends_the_wait_at_once_with_the_last_output() {
    let engine = engine();
    add(&engine, "db", json!({ "Status": "running" }));
    add(&engine, "migrate", json!({ "Status": "exited", "ExitCode": 3 }));
    let err = wait(&engine, vec![target("db", Until::Serving), target("migrate", Until::Completed)]).await.unwrap_err();
    assert_eq!(err.cause, Cause::ContainerFailed);
    assert_eq!(err.message, "container migrate exited with 3");
    assert_eq!(err.output, ["last words"]);
}

#[tokio::test]
async fn time_that_is_up_says_who_is_not_ready_and_why() {
    let engine = engine();
    add(&engine, "web", json!({ "Status": "running", "Health": { "Status": "starting" } }));
    add(&engine, "job", json!({ "Status": "running" }));
    let err = wait(&engine, vec![target("web", Until::Serving), target("job", Until::Completed)]).await.unwrap_err();
    assert_eq!(err.cause, Cause::ReadyTimeout);
    assert_eq!(err.message, "not ready within 60 s: web is not healthy yet, job has not ended yet");
    assert_eq!(err.output, ["last words"]);
}

/// Makes containers ready, changes the engine, and looks once more.
async fn confirmed(engine: &Rc<MemoryEngine>, targets: Vec<Target>, change: impl FnOnce()) -> Result<Vec<Condition>> {
    let clock = Rc::new(StillClock::default());
    let retry = Retry::new(clock.clone(), None);
    let ready = Ready { engine: &**engine, clock: &*clock, retry: &retry, project: "demo" };
    let reached = ready.wait(targets, Some(Duration::from_secs(60))).await?;
    change();
    let again = ready.confirm(reached, &RefCell::default(), Some(Duration::from_secs(60))).await?;
    Ok(again.into_iter().map(|one| one.condition).collect())
}

#[tokio::test]
async fn container_that_ended_since_it_was_ready_fails_with_its_step() {
    let engine = engine();
    add(&engine, "web", json!({ "Status": "running", "Running": true }));
    let dead = || add(&engine, "web", json!({ "Status": "exited", "ExitCode": 3 }));
    let err = confirmed(&engine, vec![target("web", Until::Serving)], dead).await.unwrap_err();
    assert_eq!(err.message, "container web was ready, and then exited with 3");
    assert_eq!((err.step.as_deref(), err.output), (Some("ready:web"), vec!["last words".to_owned()]));
}

#[tokio::test]
async fn container_restarted_since_it_was_ready_has_to_hold() {
    let engine = engine();
    let state = |started: &str| json!({ "Status": "running", "Running": true, "StartedAt": started });
    add(&engine, "web", state("2026-01-01T00:00:00Z"));
    // Its new start lies ahead: it has been up for no time yet.
    let restarted = || {
        add(&engine, "web", state("2999-01-01T00:00:00Z"));
        engine.containers.borrow_mut().get_mut("web").unwrap()["RestartCount"] = json!(1);
    };
    let looks = engine.log.borrow().len();
    let held = confirmed(&engine, vec![target("web", Until::Serving)], restarted).await.unwrap();
    assert_eq!(held, [Condition::Running]);
    let events = engine.log.borrow()[looks..].iter().filter(|line| *line == "events").count();
    assert_eq!(events, 2, "once until it was ready, once until it was so again");
}

#[tokio::test]
async fn job_that_ended_since_it_was_ready_has_completed() {
    let engine = engine();
    add(&engine, "job", json!({ "Status": "running", "Running": true }));
    let job = Target { job: true, ..target("job", Until::Serving) };
    let ended = || add(&engine, "job", json!({ "Status": "exited", "ExitCode": 0 }));
    assert_eq!(confirmed(&engine, vec![job], ended).await.unwrap(), [Condition::Completed]);
}
