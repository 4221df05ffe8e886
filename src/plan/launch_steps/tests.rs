use std::collections::BTreeSet;

use super::*;
use crate::{
    compose::{Generation, model::ServiceHook},
    execute::testing::{options, project},
    plan::{
        PullPolicy, containers,
        networks::{self, RenamedNetwork},
        reconcile::{Existing, Reconciled, Step as Made},
        volumes,
    },
};

/// Everything of a project has to be made, but for what `change` says.
fn plan(text: &str, change: impl FnOnce(&mut Launch<'_>)) -> Plan {
    let project = project(text);
    let desired = containers::desired(&project, &BTreeMap::new(), &options((1, 47))).unwrap();
    let needs = crate::plan::images::needs(&desired);
    let step = |desired| Made { desired, action: reconcile::Action::Create, existing: None };
    let mut launch = Launch {
        project: &project,
        reconciled: Reconciled { steps: desired.into_iter().map(step).collect(), ..Reconciled::default() },
        networks: networks::desired(&project, Generation::Two, None)
            .into_iter()
            .map(|n| (n, NetworkAction::Create))
            .collect(),
        volumes: volumes::desired(&project, None).into_iter().map(|v| (v, VolumeAction::Create)).collect(),
        missing: needs,
        ready: crate::manifest::extension::Readiness::default(),
        unit: false,
        replaced_images: Vec::new(),
        renamed_networks: Vec::new(),
    };
    change(&mut launch);
    launch_steps(launch)
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.name.as_str()).collect()
}

/// What a step waits for itself, in the order of the plan.
fn needs(plan: &Plan, name: &str) -> String {
    let index = plan.steps.iter().position(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}"));
    plan.graph.needs(index).map(|need| plan.steps[need].name.as_str()).collect::<Vec<_>>().join(" ")
}

/// The steps that are still begun when some fail.
fn begun(plan: &Plan, failing: &str) -> BTreeSet<String> {
    let mut walk = plan.graph.walk();
    let mut begun = BTreeSet::new();
    while let Some(index) = walk.take() {
        begun.insert(plan.steps[index].name.clone());
        if plan.steps[index].name == failing { walk.failed(index) } else { walk.done(index) }
    }
    begun
}

const SHOP: &str = "
services:
  web: { image: w, ports: ['80:80'], depends_on: { db: { condition: service_healthy }, migrate: { condition: service_completed_successfully } } }
  migrate: { image: m, depends_on: [db] }
  db: { image: d, volumes: ['data:/d'], healthcheck: { test: [CMD, 'true'] } }
volumes: { data: {} }
";

#[test]
fn a_container_is_made_early_and_started_when_its_own_needs_hold() {
    let plan = plan(SHOP, |_| ());
    assert_eq!(needs(&plan, "ports"), "");
    assert_eq!(needs(&plan, "image:w"), "ports");
    assert_eq!(needs(&plan, "container:demo-db-1"), "ports image:d network:demo_default volume:demo_data");
    assert_eq!(needs(&plan, "container:demo-web-1"), "ports image:w network:demo_default", "it waits for no other");
    assert_eq!(needs(&plan, "start:demo-db-1"), "ports container:demo-db-1");
    assert_eq!(needs(&plan, "start:demo-migrate-1"), "ports start:demo-db-1 container:demo-migrate-1");
    assert_eq!(needs(&plan, "healthy:db"), "start:demo-db-1");
    assert_eq!(needs(&plan, "completed:migrate"), "start:demo-migrate-1");
    assert_eq!(needs(&plan, "start:demo-web-1"), "ports container:demo-web-1 healthy:db completed:migrate");
    assert_eq!(needs(&plan, "ready:web"), "start:demo-web-1");
    let waits: Vec<&str> = names(&plan).into_iter().filter(|n| n.starts_with("ready:")).collect();
    assert_eq!(waits, ["ready:web"], "the stricter wait stands for the general one");
}

#[test]
fn a_failure_keeps_back_what_needs_it_and_nothing_else() {
    let plan = plan(SHOP, |_| ());
    let begun = begun(&plan, "healthy:db");
    assert!(begun.contains("completed:migrate") && begun.contains("container:demo-web-1"), "{begun:?}");
    assert!(!begun.contains("start:demo-web-1") && !begun.contains("ready:web"), "{begun:?}");
}

#[test]
fn a_dependency_that_is_not_required_is_waited_for_and_gone_without() {
    let text = "services: { web: { image: a, depends_on: { db: { condition: service_healthy, required: false } } }, db: { \
                image: a, healthcheck: { test: [CMD, 'true'] } } }";
    let plan = plan(text, |_| ());
    assert!(needs(&plan, "start:demo-web-1").contains("healthy:db"));
    for failing in ["healthy:db", "start:demo-db-1"] {
        assert!(begun(&plan, failing).contains("ready:web"), "{failing}");
    }
}

#[test]
fn what_is_kept_is_only_looked_at() {
    let keep = |launch: &mut Launch<'_>| {
        for step in &mut launch.reconciled.steps {
            step.action = reconcile::Action::Keep;
        }
        launch.networks.iter_mut().for_each(|(_, action)| *action = NetworkAction::Keep);
        launch.volumes.iter_mut().for_each(|(_, action)| *action = VolumeAction::Keep);
    };
    let plan = plan(SHOP, keep);
    assert_eq!(names(&plan), ["ready:db", "ready:migrate", "ready:web"]);
    assert!(plan.steps.iter().all(|step| step.action.is_wait()));
}

#[test]
fn a_container_in_another_ones_namespace_is_made_when_that_one_runs() {
    let plan = plan("services: { main: { image: a }, side: { image: a, network_mode: 'service:main' } }", |_| ());
    assert!(needs(&plan, "container:demo-side-1").contains("start:demo-main-1"));
}

#[test]
fn the_unit_comes_before_the_first_container_and_what_is_too_many_goes_first() {
    let plan = plan("services: { a: { image: a } }", |launch| {
        launch.unit = true;
        let old = Existing { id: "1".into(), name: "demo-a-2".into(), ..Existing::default() };
        launch.reconciled.remove.push((old, "scale".into()));
    });
    assert_eq!(needs(&plan, "container:demo-a-1"), "unit image:a network:demo_default remove:demo-a-2");
    assert!(needs(&plan, "start:demo-a-1").starts_with("unit"));
}

#[test]
fn a_network_that_is_made_anew_stops_nothing_before_all_is_pulled() {
    let plan = plan("services: { a: { image: a }, b: { image: b } }", |launch| {
        launch.networks[0].1 = NetworkAction::Replace;
    });
    assert_eq!(needs(&plan, "network:demo_default"), "image:a image:b");
    let step = plan.steps.iter().find(|step| step.name == "network:demo_default").unwrap();
    assert!(step.deadline > GRACE_LIMIT, "containers in it may take their grace");
}

#[test]
fn only_images_that_a_new_container_needs_are_pulled_and_replaced_ones_go_last() {
    let plan = plan("services: { a: { image: a }, b: { image: b, pull_policy: always } }", |launch| {
        let b = launch.reconciled.steps.iter_mut().find(|s| s.desired.service == "b").unwrap();
        b.action = reconcile::Action::Keep;
        assert!(launch.missing.iter().any(|need| need.policy == PullPolicy::Always));
        launch.replaced_images = vec!["sha256:old".into()];
    });
    assert!(!names(&plan).contains(&"image:b"));
    assert_eq!(names(&plan).last(), Some(&"prune"));
    assert_eq!(needs(&plan, "prune"), "ready:a ready:b");
    assert!(!begun(&plan, "ready:a").contains("prune"), "images stay where the new ones are not ready");
}

#[test]
fn always_with_a_dependency_is_warned_of() {
    let text = "services: { web: { image: a, restart: always, depends_on: [db] }, db: { image: a, restart: always } }";
    let warnings = plan(text, |_| ()).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("service web") && warnings[0].contains("db"));
}

#[test]
fn who_asked_to_be_restarted_is_stopped_before_its_dependency_and_after_its_own_dependants() {
    let text = "services: { db: { image: a }, app: { image: a, depends_on: { db: { condition: service_started, restart: true \
                } } }, web: { image: b, depends_on: { app: { condition: service_started }, db: { condition: \
                service_started, restart: true } } } }";
    let plan = plan(text, |launch| {
        for step in &mut launch.reconciled.steps {
            let there = Existing { id: "1".into(), name: step.desired.name.clone(), ..Existing::default() };
            step.existing = Some(Existing { state: "running".into(), ..there });
            step.action = match step.desired.service.as_str() {
                "app" => reconcile::Action::Restart("db is replaced".into()),
                _ => reconcile::Action::Replace("changed".into()),
            };
        }
    });
    assert_eq!(needs(&plan, "stop:demo-web-1"), "image:b container:demo-db-1", "it is not down before all is there");
    assert_eq!(needs(&plan, "stop:demo-app-1"), "image:a container:demo-db-1 stop:demo-web-1");
    assert_eq!(needs(&plan, "start:demo-db-1"), "container:demo-db-1 stop:demo-web-1 stop:demo-app-1");
    assert_eq!(needs(&plan, "start:demo-app-1"), "start:demo-db-1");
}

#[test]
fn holder_of_a_moved_port_is_stopped_first() {
    let text = "services: { a: { image: a, ports: ['80:80'] }, b: { image: b, ports: ['81:80'] } }";
    let plan = plan(text, |launch| {
        for step in &mut launch.reconciled.steps {
            // Each has the port that the other gets.
            let (id, port) = if step.desired.service == "a" { ("1", 81) } else { ("2", 80) };
            let listed = serde_json::json!({ "Id": id, "Names": [format!("/{}", step.desired.name)], "State": "running",
                "Ports": [{ "PublicPort": port, "Type": "tcp", "IP": "0.0.0.0" }] });
            step.existing = Some(Existing::read(&listed));
            step.action = reconcile::Action::Replace("changed".into());
        }
    });
    assert_eq!(needs(&plan, "stop:demo-b-1"), "image:b container:demo-a-1");
    assert!(needs(&plan, "start:demo-a-1").contains("stop:demo-b-1"));
    assert!(needs(&plan, "start:demo-b-1").contains("stop:demo-a-1"));
}

#[test]
fn what_is_used_as_it_is_and_what_is_left_alone_is_told() {
    let plan = plan("services: { a: { image: a, volumes: ['data:/d'] } }\nvolumes: { data: {} }", |launch| {
        launch.networks[0].1 = NetworkAction::KeepOther("another's network".into());
        launch.volumes[0].1 = VolumeAction::KeepOther("older volume".into());
        let orphan = Existing { name: "demo-old-1".into(), ..Existing::default() };
        launch.reconciled.orphans.push(orphan);
    });
    let told = plan.warnings.join("; ");
    assert!(told.contains("another's network; older volume; container demo-old-1"), "{told}");
    assert_eq!(names(&plan), ["image:a", "container:demo-a-1", "start:demo-a-1", "ready:a"]);
}

#[test]
fn an_image_that_is_mounted_is_brought_first() {
    let text =
        "services: { a: { image: a, pull_policy: never, volumes: [{ type: image, source: data, target: /d }] } }";
    let project = project(text);
    let desired = containers::desired(&project, &BTreeMap::new(), &options((1, 48))).unwrap();
    let needed = crate::plan::images::needs(&desired);
    let policies: Vec<_> = needed.iter().map(|need| (need.image.as_str(), need.policy)).collect();
    assert_eq!(policies, [("a", PullPolicy::Never), ("data", PullPolicy::Missing)]);
    let step = |desired| Made { desired, action: reconcile::Action::Create, existing: None };
    let plan = launch_steps(Launch {
        project: &project,
        reconciled: Reconciled { steps: desired.into_iter().map(step).collect(), ..Reconciled::default() },
        networks: Vec::new(),
        volumes: Vec::new(),
        missing: needed,
        ready: crate::manifest::extension::Readiness::default(),
        unit: false,
        replaced_images: Vec::new(),
        renamed_networks: Vec::new(),
    });
    assert_eq!(needs(&plan, "container:demo-a-1"), "image:a image:data");
}

#[test]
fn image_of_a_hook_pulled_by_the_policy_of_its_service() {
    for (policy, shared, wanted) in [
        ("always", "h", "a Always, h Always"),
        ("daily", "h", "a Every(86400s), h Every(86400s)"),
        ("missing", "h", "a Missing, h Missing"),
        ("never", "h", "a Never, h Never"),
        ("always", "b", "a Always, b Always"),
        ("never", "b", "a Never, b Missing"),
    ] {
        let other = if shared == "b" { ", b: { image: b }" } else { "" };
        let mut project = project(&format!("services: {{ a: {{ image: a, pull_policy: {policy} }}{other} }}"));
        let hook = ServiceHook { image: shared.to_owned(), ..ServiceHook::default() };
        project.services.get_mut("a").unwrap().pre_start.push(hook);
        let desired = containers::desired(&project, &BTreeMap::new(), &options((1, 48))).unwrap();
        let needs = crate::plan::images::needs(&desired);
        let told: Vec<_> = needs.iter().map(|need| format!("{} {:?}", need.image, need.policy)).collect();
        assert_eq!(told.join(", "), wanted);
    }
}

#[test]
fn renamed_network_removed_once_its_containers_have_moved() {
    let renamed = |in_the_way| {
        plan("services: { a: { image: a } }", |launch| {
            launch.renamed_networks =
                vec![RenamedNetwork { id: "1".into(), name: "old".into(), now: "demo_default".into(), in_the_way }];
        })
    };
    assert_eq!(needs(&renamed(false), "remove-network:old"), "ready:a");
    assert_eq!(needs(&renamed(false), "network:demo_default"), "");
    let plan = renamed(true);
    assert!(!names(&plan).contains(&"remove-network:old"), "the step that makes the new one removes it");
    assert_eq!(needs(&plan, "network:demo_default"), "image:a", "its containers are stopped for it");
}
