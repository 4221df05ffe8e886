use std::rc::Rc;

use super::*;
use crate::{
    execute::testing::{MemoryEngine, engine, options, project},
    plan::{
        containers::{container, desired},
        image_identity::ImageIdentity,
        reconcile::{There, note, peers, reconcile},
    },
};

/// One run over a project: what the graph does, one step after the other, in the order of the services' names.
async fn run(engine: &MemoryEngine, text: &str) -> Result<Vec<(String, Action)>> {
    let project = project(text);
    let options = options((1, 41));
    let containers = engine.containers(&[]).await?.iter().map(Existing::read).collect();
    let there = There { containers, ..There::default() };
    let mut known = peers("demo", &there.containers);
    let plan = reconcile(&project, desired(&project, &known, &options)?, &there)?;
    for (one, why) in &plan.remove {
        remove(engine, one, why).await?;
    }
    let mut done = Vec::new();
    for mut step in plan.steps {
        if !step.desired.references.is_empty() {
            let service = &project.services[&step.desired.service];
            step.desired = container(&project, service, step.desired.number, &known, &options)?;
        }
        let id = prepare(
            engine,
            &step,
            &Image {
                identity: ImageIdentity::read(&json!({ "Id": "sha256:1" })),
                volumes: vec!["/image".into()],
                ..Image::default()
            },
        )
        .await?;
        start(engine, &step, &id).await?;
        note(&mut known, &step.desired, &id);
        done.push((step.desired.name, step.action));
    }
    Ok(done)
}

const BEFORE: &str = r"
services:
  a:
    image: x
    volumes: [/anonymous]
    networks: {front: {}, back: {priority: 5}}
    configs: [greeting]
  b:
    image: x
    network_mode: service:a
    post_start: [{command: [hook]}]
networks: {front: {}, back: {}}
configs: {greeting: {content: hello}}
";

fn after() -> String {
    BEFORE.replacen("image: x", "image: x\n    environment: {CHANGED: 'yes'}", 1)
}

async fn started() -> Rc<MemoryEngine> {
    let engine = engine();
    run(&engine, BEFORE).await.unwrap();
    engine.log.borrow_mut().clear();
    engine
}

/// Names, states, whether it has the change, and anonymous volumes of all that is there.
fn state(engine: &MemoryEngine) -> Vec<String> {
    let all = engine.containers.borrow();
    let mut told: Vec<String> = all
        .values()
        .map(|c| {
            let changed = c["Config"]["Env"].to_string().contains("CHANGED");
            let name = c["Name"].as_str().unwrap();
            let networks = c["NetworkSettings"]["Networks"].as_object().unwrap();
            format!("{name} {} {changed} {} {:?}", c["State"]["Status"], c["Mounts"][0]["Name"], networks.keys())
        })
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn a_container_is_made_connected_filled_and_started() {
    let engine = engine();
    run(&engine, BEFORE).await.unwrap();
    let log = engine.log.borrow().join(", ");
    let (a, b) = (format!("{:064x}", 1), format!("{:064x}", 2));
    let wanted = format!(
        "create demo-a-1, connect demo_front, upload {a}, start {a}, create demo-b-1, start {b}, exec {b} hook"
    );
    assert_eq!(log, wanted);
    let shares = engine.containers.borrow()[&b]["Config"]["HostConfig"]["NetworkMode"].clone();
    assert_eq!(shares, format!("container:{a}"));
}

#[tokio::test]
async fn a_second_run_does_nothing() {
    let engine = started().await;
    let done = run(&engine, BEFORE).await.unwrap();
    assert!(done.iter().all(|(_, action)| *action == Action::Keep), "{done:?}");
    assert_eq!(engine.count(), 0);
}

#[tokio::test]
async fn the_new_one_is_there_before_the_old_one_is_stopped_and_keeps_its_volumes() {
    let engine = started().await;
    let volume = state(&engine)[0].clone();
    run(&engine, &after()).await.unwrap();
    let log = engine.log.borrow();
    let old = format!("{:064x}", 1);
    let at = |what: &str| log.iter().position(|l| *l == what).unwrap_or_else(|| panic!("{what} in {log:?}"));
    let created = at(&format!("create {}_demo-a-1", &old[..12]));
    assert!(created < at(&format!("stop {old}")));
    assert!(at(&format!("remove {old}")) < at("rename demo-a-1"));
    assert_eq!(state(&engine)[0], volume.replace("false", "true"));
    // What shares its network is made anew with it.
    assert_eq!(engine.containers.borrow().len(), 2);
}

#[tokio::test]
async fn a_run_that_is_cut_off_anywhere_is_made_good_by_the_next_one() {
    let whole = started().await;
    run(&whole, &after()).await.unwrap();
    let (wanted, requests) = (state(&whole), whole.count());
    assert!(requests > 8);
    for after_effect in [false, true] {
        for at in 1..=requests {
            let engine = started().await;
            engine.fail_after.set(after_effect);
            engine.fail_at.set(Some(at));
            run(&engine, &after()).await.unwrap_err();
            engine.fail_at.set(None);
            run(&engine, &after()).await.unwrap();
            assert_eq!(state(&engine), wanted, "cut at request {at}, after its effect: {after_effect}");
            engine.log.borrow_mut().clear();
            run(&engine, &after()).await.unwrap();
            assert_eq!(engine.count(), 0, "{:?}", engine.log.borrow());
        }
    }
}

#[tokio::test]
async fn a_first_run_that_is_cut_off_anywhere_is_made_good_by_the_next_one() {
    let requests = {
        let engine = engine();
        run(&engine, BEFORE).await.unwrap();
        engine.count()
    };
    for after_effect in [false, true] {
        for at in 1..=requests {
            let engine = engine();
            engine.fail_after.set(after_effect);
            engine.fail_at.set(Some(at));
            run(&engine, BEFORE).await.unwrap_err();
            engine.fail_at.set(None);
            run(&engine, BEFORE).await.unwrap();
            let names: Vec<_> = state(&engine).iter().map(|s| s[..19].to_owned()).collect();
            assert_eq!(names, ["/demo-a-1 \"running\"", "/demo-b-1 \"running\""], "cut at {at}, {after_effect}");
        }
    }
}

/// The engine was still starting it for a call that was cut off, when it was looked at.
#[tokio::test]
async fn what_the_engine_has_started_meanwhile_is_not_started_again() {
    for (text, state, wanted) in [
        ("{ image: x }", "exited", ""),
        ("{ image: x, post_start: [{ command: [hook] }] }", "running", "exec 1 hook"),
        ("{ image: x, restart: always, ports: ['80'] }", "exited", "start 1"),
    ] {
        let engine = engine();
        let project = project(&format!("services: {{ w: {text} }}"));
        let created = desired(&project, &peers("demo", &[]), &options((1, 41))).unwrap().remove(0);
        let body = created.body(&ImageIdentity::read(&json!({ "Id": "sha256:1" })), &[], None);
        engine.create_container(&created.name, None, &body).await.unwrap();
        let containers = engine.containers(&[]).await.unwrap().iter().map(Existing::read).collect();
        let there = There { containers, ..There::default() };
        let step = reconcile(&project, vec![created], &there).unwrap().steps.remove(0);
        let id = step.existing.clone().unwrap().id;
        engine.containers.borrow_mut().get_mut(&id).unwrap()["State"] =
            serde_json::json!({ "Status": state, "Running": state == "running", "ExitCode": 0 });
        engine.log.borrow_mut().clear();
        start(&*engine, &step, &id).await.unwrap();
        assert_eq!(engine.log.borrow().join(", ").replace(&id, "1"), wanted, "{text}");
    }
}

#[tokio::test]
async fn fewer_replicas_remove_the_last_ones() {
    let engine = engine();
    let scaled = |n: u32| format!("services: {{ w: {{ image: x, scale: {n} }} }}");
    run(&engine, &scaled(3)).await.unwrap();
    run(&engine, &scaled(1)).await.unwrap();
    assert_eq!(state(&engine).len(), 1);
    assert!(state(&engine)[0].starts_with("/demo-w-1"));
}

#[tokio::test]
async fn a_hook_that_fails_says_so_with_its_output() {
    let err = run(&engine(), "services: {w: {image: x, post_start: [{command: ['false']}]}}").await.unwrap_err();
    assert_eq!(err.message, "post_start hook of container demo-w-1 (false) exited with 1");
    assert_eq!(err.output, ["output of a hook"]);
}

#[tokio::test]
async fn a_strangers_container_is_never_removed() {
    let engine = engine();
    let body = serde_json::json!({ "Labels": {} });
    crate::world::Engine::create_container(&*engine, "demo-w-1", None, &body).await.unwrap();
    let err = run(&engine, "services: {w: {image: x}}").await.unwrap_err();
    assert!(err.message.contains("demo-w-1") && err.hint.unwrap().contains("docker rm"));
    assert_eq!(engine.containers.borrow().len(), 1);
}
