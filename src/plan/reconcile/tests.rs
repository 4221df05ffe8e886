use serde_json::json;

use super::*;
use crate::{
    compose::Project,
    execute::testing::{options, project},
    plan::containers,
};

/// Containers as the engine would list them after a run over the project.
fn there(project: &Project) -> There {
    let all = containers::desired(project, &Peers::new(), &options((1, 41))).unwrap();
    let containers = all.iter().enumerate().map(|(index, one)| {
        let body = one.body(&ImageIdentity::read(&json!({ "Id": "sha256:1" })), &[], None);
        let labels = body["Labels"].as_object().unwrap().iter();
        Existing {
            id: format!("id{index}"),
            name: one.name.clone(),
            state: "running".into(),
            labels: labels.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect(),
            networks: one.networks.iter().map(|n| (n.clone(), "n1".to_owned())).collect(),
            volumes: one.volumes.iter().map(|name| (name.clone(), "/d".to_owned())).collect(),
            ..Existing::default()
        }
    });
    There {
        containers: containers.collect(),
        images: [("x".to_owned(), ImageIdentity::read(&json!({ "Id": "sha256:1" })))].into(),
        networks: [("demo_default".to_owned(), "n1".to_owned())].into(),
        volumes: all.iter().flat_map(|one| one.volumes.clone()).collect(),
        ..There::default()
    }
}

fn plan(project: &Project, there: &There) -> Reconciled {
    let all = containers::desired(project, &peers("demo", &there.containers), &options((1, 41))).unwrap();
    reconcile(project, all, there).unwrap()
}

fn actions(project: &Project, there: &There) -> Vec<Action> {
    plan(project, there).steps.into_iter().map(|s| s.action).collect()
}

const WEB: &str = "services: { web: { image: x, ports: ['80'], volumes: ['data:/d'] } }\nvolumes: { data: {} }";

/// The action for the one container of `WEB`, after something about it was changed.
fn after(change: impl FnOnce(&mut There)) -> Action {
    let project = project(WEB);
    let mut there = there(&project);
    change(&mut there);
    actions(&project, &there).remove(0)
}

fn reason(action: Action) -> String {
    match action {
        Action::Replace(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unchanged_container_is_kept_or_started() {
    assert_eq!(after(|_| {}), Action::Keep);
    for state in ["exited", "created"] {
        assert_eq!(after(|t| t.containers[0].state = state.into()), Action::Start);
    }
    for state in ["restarting", "paused"] {
        assert_eq!(after(|t| t.containers[0].state = state.into()), Action::Keep);
    }
    assert_eq!(after(|t| t.containers.clear()), Action::Create);
    assert_eq!(after(|t| t.containers[0].name = "0123456789ab_demo-web-1".into()), Action::Adopt);
}

#[test]
fn every_difference_replaces_and_says_which() {
    let label = |key: &'static str, value: &'static str| {
        move |t: &mut There| {
            t.containers[0].labels.insert(key.to_owned(), value.to_owned());
        }
    };
    assert!(reason(after(label(labels::CONFIG_HASH, "0"))).contains("service was changed"));
    assert!(reason(after(label(labels::ADDED, "log-rotation"))).contains("this host adds"));
    assert!(reason(after(label(labels::INSTANCE, "i-2"))).contains("i-2"));
    assert!(reason(after(label(labels::IMAGE, "sha256:0"))).contains("image x"));
    assert!(reason(after(|t| t.containers[0].networks.clear())).contains("demo_default"));
    let renamed = |t: &mut There| {
        t.networks.insert("demo_default".into(), "n2".into());
    };
    assert!(reason(after(renamed)).contains("demo_default"));
    assert!(reason(after(|t| t.renewed_networks = ["demo_default".to_owned()].into())).contains("made anew"));
    assert!(reason(after(|t| t.containers[0].volumes.clear())).contains("demo_data"));
    assert!(reason(after(|t| t.containers[0].state = "dead".into())).contains("dead"));
    // An image that is not known cannot differ.
    assert_eq!(after(|t| t.images.clear()), Action::Keep);
}

fn ended(text: &str, change: impl FnOnce(&mut There)) -> Action {
    let project = project(text);
    let mut there = there(&project);
    let job = there.containers.iter_mut().find(|c| c.name.contains("job")).unwrap();
    job.state = "exited".into();
    job.exit_code = Some(0);
    change(&mut there);
    plan(&project, &there).steps.into_iter().find(|s| s.desired.service == "job").unwrap().action
}

#[test]
fn a_job_that_is_done_is_not_run_again() {
    let awaited = "services: { job: { image: x, restart: always }, web: { image: x, depends_on: { job: { condition: service_completed_successfully } } } }";
    let plain = "services: { job: { image: x } }";
    let seen = |t: &mut There| t.completed = t.containers.iter().map(|c| c.id.clone()).collect();
    assert_eq!(ended(awaited, |_| {}), Action::Keep, "it is a one-shot since it is awaited");
    for text in [plain, "services: { job: { image: x, restart: on-failure } }"] {
        assert_eq!(ended(text, seen), Action::Keep, "{text}");
        assert_eq!(ended(text, |_| {}), Action::Start, "no run saw it end: {text}");
    }
    for text in [awaited, plain] {
        let failed = |t: &mut There| {
            seen(t);
            t.containers.iter_mut().for_each(|c| c.exit_code = Some(1));
        };
        assert_eq!(ended(text, failed), Action::Start, "{text}");
        // One that we stopped did not end by itself.
        let stopped = |t: &mut There| {
            seen(t);
            t.stopped_by_us = t.completed.clone();
        };
        assert_eq!(ended(text, stopped), Action::Start, "{text}");
    }
    for serving in [
        "services: { job: { image: x, restart: always } }",
        "services: { job: { image: x, ports: ['80'] } }",
        "services: { job: { image: x, healthcheck: { test: 'true' } } }",
        "services: { job: { image: x }, web: { image: x, depends_on: [job] } }",
    ] {
        assert_eq!(ended(serving, seen), Action::Start, "{serving}");
    }
}

#[test]
fn a_start_that_was_cut_off_is_made_again_where_it_cannot_be_seen_what_it_came_to() {
    for (more, again) in [
        ("", false),
        (", post_start: [{ command: [hook] }]", true),
        (", depends_on: { db: { condition: service_started } }", false),
        (", depends_on: { db: { condition: service_started, restart: true } }", true),
    ] {
        let project = project(&format!("services: {{ db: {{ image: x }}, web: {{ image: x{more} }} }}"));
        let mut there = there(&project);
        assert_eq!(actions(&project, &there)[1], Action::Keep, "{more}");
        there.interrupted = ["demo-web-1".to_owned()].into();
        assert_eq!(matches!(actions(&project, &there)[1], Action::Restart(_)), again, "{more}");
        there.containers[1].state = "exited".into();
        assert!(!matches!(actions(&project, &there)[1], Action::Restart(_)), "it is started anyway");
    }
}

#[test]
fn a_replacement_reaches_those_that_refer_to_it() {
    let project = project(
        "services: { a: { image: x }, b: { image: x, network_mode: 'service:a' }, c: { image: x, links: [b] }, d: { image: x, depends_on: { a: { restart: true, condition: service_started } } }, e: { image: x, depends_on: [a] } }",
    );
    let mut there = there(&project);
    for one in &mut there.containers {
        // As it was resolved when it was made.
        one.labels.remove(labels::CONFIG_HASH);
    }
    let all = containers::desired(&project, &peers("demo", &there.containers), &options((1, 41))).unwrap();
    for (one, existing) in all.iter().zip(&mut there.containers) {
        existing.labels.insert(labels::CONFIG_HASH.into(), one.hash.clone());
    }
    assert!(actions(&project, &there).iter().all(|a| *a == Action::Keep));
    there.containers[0].labels.insert(labels::CONFIG_HASH.into(), "old".into());
    let actions = actions(&project, &there);
    assert!(matches!(&actions[1], Action::Replace(why) if why.contains("'a'")), "{actions:?}");
    assert!(matches!(&actions[2], Action::Restart(why) if why.contains("'b'")), "a link means a name: {actions:?}");
    assert!(matches!(&actions[3], Action::Restart(why) if why.contains("'a'")), "{actions:?}");
    assert_eq!(actions[4], Action::Keep);
}

#[test]
fn what_is_too_much_is_removed_and_what_is_gone_is_named() {
    let mut there = there(&project("services: { web: { image: x, scale: 3 }, old: { image: x } }"));
    let mut leftover = there.containers[1].clone();
    leftover.id = "tmp".into();
    leftover.name = format!("0123456789ab_{}", leftover.name);
    there.containers.push(leftover);
    let plan = plan(&project("services: { web: { image: x } }"), &there);
    let removed: Vec<_> = plan.remove.iter().map(|(c, _)| c.name.as_str()).collect();
    assert_eq!(removed, ["0123456789ab_demo-web-1", "demo-web-2", "demo-web-3"]);
    assert_eq!(plan.orphans.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["demo-old-1"]);
    assert_eq!(plan.steps[0].action, Action::Keep);
}

#[test]
fn one_off_containers_are_nobodys() {
    let project = project(WEB);
    let mut there = there(&project);
    there.containers[0].name = "elsewhere".into();
    there.containers[0].labels.insert(labels::ONEOFF.into(), "True".into());
    let plan = plan(&project, &there);
    assert_eq!(plan.steps[0].action, Action::Create);
    assert!(plan.remove.is_empty() && plan.orphans.is_empty());
}

#[test]
fn a_stranger_that_is_what_has_to_be_is_left_alone_and_any_other_is_named() {
    let project = project(WEB);
    let with = |change: &dyn Fn(&mut Existing)| {
        let mut there = there(&project);
        for key in [labels::MANAGED, labels::INSTANCE] {
            there.containers[0].labels.remove(key);
        }
        change(&mut there.containers[0]);
        let all = containers::desired(&project, &Peers::new(), &options((1, 41))).unwrap();
        reconcile(&project, all, &there)
    };
    let kept = with(&|_| ()).unwrap().steps.remove(0);
    assert_eq!(kept.action, Action::Keep);
    assert!(kept.desired.warnings[0].contains("demo-web-1 was made by Docker Compose"), "{:?}", kept.desired.warnings);
    let label = |key: &'static str, value: &'static str| {
        move |c: &mut Existing| {
            c.labels.insert(key.to_owned(), value.to_owned());
        }
    };
    let table: [(&dyn Fn(&mut Existing), &str); 5] = [
        (&label(labels::CONFIG_HASH, "0"), "was not made by rolecall, and its service was changed"),
        (&label(labels::IMAGE, "sha256:0"), "image x is another one now"),
        (&label(labels::PROJECT, "other"), "it is of project 'other'"),
        (&label(labels::PROJECT, ""), "it is of no project"),
        (&|c| c.state = "exited".into(), "does not run"),
    ];
    for (change, why) in table {
        let err = with(change).unwrap_err();
        assert!(err.message.contains("demo-web-1, which is taken") && err.message.contains(why), "{err}");
    }
}

#[test]
fn orphans_are_removed_when_asked_and_a_service_without_containers_has_none() {
    let two = project("services: { web: { image: x }, old: { image: x } }");
    let mut gone = plan(&project("services: { web: { image: x, scale: 0 } }"), &there(&two));
    let removed = |plan: &Reconciled| plan.remove.iter().map(|(c, _)| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(removed(&gone), ["demo-web-1"]);
    gone.remove_orphans();
    assert_eq!(removed(&gone), ["demo-web-1", "demo-old-1"]);
    assert!(gone.orphans.is_empty());
}

#[test]
fn a_listed_container_is_read() {
    let read = Existing::read(&json!({
        "Id": "1", "Names": ["/web/alias", "/web"], "State": "exited", "Status": "Exited (137) 3 days ago",
        "Labels": { "a": "b" }, "ImageID": "sha256:1", "NetworkSettings": { "Networks": { "n": { "NetworkID": "7" } } },
        "Mounts": [{ "Type": "volume", "Name": "v" }, { "Type": "bind", "Name": "" }],
    }));
    assert_eq!((read.name.as_str(), read.exit_code, read.state.as_str()), ("web", Some(137), "exited"));
    assert_eq!((read.networks["n"].as_str(), read.label("a"), read.volumes.len()), ("7", "b", 1));
    assert_eq!(Existing::read(&json!({})), Existing::default());
}
