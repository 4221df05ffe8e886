//! Lifecycle hooks of an Auto Scaling group: what the group is told, by the real agent, from launch to termination.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    agent::Running,
    bed::{BUCKET, Bed},
    imds::ACCOUNT,
    scaling::GROUP,
};

const UP: &str = "shop-up";
const DOWN: &str = "shop/down_1";
const WEB: &str = "rolecall-test/web:1";

/// An instance that a group has just started, whose agent knows both hooks.
fn launched(mut bed: Bed) -> Bed {
    bed.imds.tag("aws:autoscaling:groupName", GROUP);
    bed.imds.set(|i| i.lifecycle_state = Some("InService".into()));
    bed.agent = bed.agent.env("ROLECALL_LAUNCH_HOOK", UP).env("ROLECALL_TERMINATE_HOOK", DOWN);
    bed
}

fn waits(bed: &Bed, hook: &str) {
    let instance = bed.imds.instance.lock().unwrap().id.clone();
    bed.aws.scaling(|s| s.wait(hook, &instance));
}

/// Results that the group was told, with their hooks.
fn answers(bed: &Bed) -> Vec<String> {
    bed.aws.scaling(|s| s.answers.iter().map(|a| format!("{} {}", a.hook, a.result)).collect())
}

#[track_caller]
fn until(what: &str, limit: u64, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(limit), "{what} not within {limit} s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the agent has looked so many times more at what the group wants.
#[track_caller]
fn looks(bed: &Bed, times: usize) {
    let looked = || bed.imds.server.asked("/2021-07-15/meta-data/autoscaling/target-lifecycle-state");
    let before = looked();
    until("another look", 40, || looked() >= before + times);
}

fn end(agent: Running) -> String {
    agent.signal(Signal::TERM);
    agent.wait().stderr
}

#[test]
fn an_instance_is_in_service_once_it_is_ready_and_goes_once_its_containers_have_stopped() {
    let bed = launched(Bed::new());
    // One that does not listen to its signal: its grace is longer than a hook that does not wait for it would take.
    let service = |more: &str| {
        format!("{{ image: '{WEB}', command: [sh, -c, \"trap '' TERM; sleep 1000 & wait; wait\"], {more} }}")
    };
    let (web, db) = (service("depends_on: [db], stop_grace_period: 3s"), service("stop_grace_period: 1s"));
    let compose = format!("services:\n  web: {web}\n  db: {db}\n");
    bed.compose("shop", &compose);
    // The role may do what `rolecall iam` prints, and nothing else.
    let project = bed.path("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("compose.yaml"), compose).unwrap();
    let project = project.display().to_string();
    let source = ["iam", &project, "--bucket", BUCKET, "--prefix", "shop", "--asg", GROUP];
    let place = ["--region", "eu-west-1", "--account", ACCOUNT];
    let policy = bed.rolecall(&[&source[..], &place].concat()).ready().json();
    bed.aws.gate(|gate| gate.policy = Some(policy));
    let agent = bed.agent.spawn(&["lifecycle"]);
    // The group is late, and no run has begun.
    until("a question", 20, || bed.aws.scaling(|s| s.early) > 0);
    waits(&bed, UP);
    until("a sign of life", 20, || bed.aws.scaling(|s| s.heartbeats.contains_key(UP)));
    assert!(answers(&bed).is_empty());
    bed.run().ready();
    until("an answer", 20, || !answers(&bed).is_empty());
    assert_eq!(answers(&bed), [format!("{UP} CONTINUE")]);

    waits(&bed, DOWN);
    bed.imds.set(|i| i.lifecycle_state = Some("Terminated".into()));
    until("the second answer", 60, || answers(&bed).len() > 1);
    let ended = |name: &str| {
        let state = bed.engine().inspect(name)["State"].clone();
        assert_eq!(state["Running"], false, "{name}: {state}");
        state["FinishedAt"].as_str().unwrap().to_owned()
    };
    assert!(ended("shop-web-1") < ended("shop-db-1"), "the one that needs the other is stopped first");
    assert_eq!(answers(&bed)[1], format!("{DOWN} CONTINUE"));
    assert!(bed.aws.scaling(|s| s.heartbeats[DOWN]) > 0);
    agent.wait().exits(0).prints("rolecall: 2 containers stopped");
}

#[test]
fn an_instance_whose_run_has_failed_for_good_is_given_up() {
    let bed = launched(Bed::without_engine());
    waits(&bed, UP);
    bed.compose("shop", "services:\n  web: { imagee: x }\n");
    bed.fails(3, "manifest-invalid");
    let agent = bed.agent.spawn(&["lifecycle"]);
    until("an answer", 20, || !answers(&bed).is_empty());
    assert_eq!(answers(&bed), [format!("{UP} ABANDON")]);
    looks(&bed, 2);
    assert_eq!(answers(&bed).len(), 1);
    let stderr = end(agent);
    let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with("rolecall: ")).collect();
    let told = format!("rolecall: answered ABANDON to hook {UP}, group {GROUP} gives up i-0abcdef1234567890: ");
    assert!(lines.len() == 1 && lines[0].starts_with(&told) && lines[0].contains("manifest-invalid"), "{stderr}");
}

#[test]
fn a_run_that_is_tried_again_and_a_role_that_may_not_answer_keep_the_instance_waiting() {
    let bed = launched(Bed::without_engine());
    waits(&bed, UP);
    bed.imds.tag("Bootstrap", "s3://rolecall-test/nothing/");
    bed.fails(4, "source-not-found");
    let agent = bed.agent.spawn(&["lifecycle"]);
    until("a sign of life", 20, || bed.aws.scaling(|s| s.heartbeats.contains_key(UP)));
    looks(&bed, 2);
    assert!(answers(&bed).is_empty(), "{:?}", answers(&bed));
    end(agent);

    bed.imds.set(|i| i.tags_in_metadata = false);
    let tags = json!({ "Effect": "Allow", "Action": "ec2:DescribeTags", "Resource": "*" });
    bed.aws.gate(|g| g.policy = Some(json!({ "Version": "2012-10-17", "Statement": [tags] })));
    let stderr = {
        let agent = bed.agent.spawn(&["lifecycle"]);
        looks(&bed, 4);
        end(agent)
    };
    assert_eq!(
        stderr.matches("allow autoscaling:RecordLifecycleActionHeartbeat on group shop-web").count(),
        1,
        "{stderr}"
    );
}

#[test]
fn without_a_group_or_a_hook_there_is_nothing_to_answer() {
    let mut bed = launched(Bed::without_engine());
    bed.agent.without("ROLECALL_LAUNCH_HOOK").without("ROLECALL_TERMINATE_HOOK").run(&["lifecycle"]).exits(0);
    bed.agent
        .env("ROLECALL_LAUNCH_HOOK", "two words")
        .run(&["lifecycle"])
        .fails(2, "usage")
        .names("ROLECALL_LAUNCH_HOOK");
    bed.imds.set(|i| i.tags.clear());
    bed.rolecall(&["lifecycle"]).fails(4, "tag-missing").needs("aws:autoscaling:groupName").hints("Auto Scaling group");
    bed.imds.set(|i| i.lifecycle_state = None);
    bed.agent = bed.agent.env("ROLECALL_LOG_LEVEL", "info");
    let done = bed.rolecall(&["lifecycle"]).exits(0).says("in no Auto Scaling group");
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert!(done.took < Duration::from_secs(30));
}
