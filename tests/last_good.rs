//! The last known good: a boot that cannot have its project starts the one that was ready, and never another role's.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    agent::Outcome,
    bed::{BUCKET, Bed},
    dockerd::WEB,
    image::Image,
    registry::Registry,
};

const GOOD: &str = "services:\n  web: { image: \"rolecall-test/web:1\", environment: { WORD: good }, stop_grace_period: 0s }\n  \
    worker: { image: \"rolecall-test/web:1\", depends_on: [web], stop_grace_period: 0s }\n";

/// Ids and states of all containers.
fn there(bed: &Bed) -> BTreeMap<String, (String, String)> {
    let one = |(name, c): (String, Value)| (name, (c["Id"].to_string(), c["State"].as_str().unwrap().to_owned()));
    bed.engine().containers().into_iter().map(one).collect()
}

fn run_of(bed: &Bed, names: &[&str]) -> bool {
    let all = there(bed);
    names.iter().all(|name| all.get(*name).is_some_and(|(_, state)| state == "running"))
}

/// As at a boot after a power cut: nothing runs.
fn down(bed: &Bed) {
    for name in bed.engine().names() {
        bed.engine().post(&format!("/containers/{name}/kill"), &Value::Null);
    }
    assert!(there(bed).values().all(|(_, state)| state == "exited"), "{:?}", there(bed));
}

/// The run must have gone on without its source, and said so in one line and in its status.
#[track_caller]
fn warns(run: Outcome, cause: &str) -> Outcome {
    let run = run.ready();
    let lines: Vec<&str> = run.stderr.lines().filter(|l| l.starts_with("rolecall: WARNING ")).collect();
    assert_eq!(lines.len(), 1, "{}", run.told());
    assert!(lines[0].contains(&format!("cause={cause} step=")), "{}", run.told());
    assert!(lines[0].contains(" did=\"started the project that was ready on 20"), "{}", run.told());
    run
}

/// How a source goes bad, and what a boot makes of it that once had it.
type Row = (&'static str, fn(&Bed), i32, &'static str);

const ROWS: &[Row] = &[
    ("the bucket is gone", |bed| _ = bed.aws.store(|s| s.buckets.remove(BUCKET)), 0, "source-not-found"),
    (
        "reading is refused",
        |bed| _ = bed.aws.store(|s| s.bucket(BUCKET).denied.insert("s3:ListBucket")),
        0,
        "source-denied",
    ),
    ("a typo", |bed| is(bed, "services: { web: { imagee: x } }\n"), 0, "manifest-invalid"),
    ("no YAML", |bed| is(bed, "services: [\n"), 0, "manifest-invalid"),
    ("the role is gone", |bed| is(bed, "services: { other: { image: x } }\n"), 0, "role-unknown"),
    ("a port twice", |bed| is(bed, PORT_TWICE), 0, "port-clash"),
    (
        "what the engine cannot do",
        |bed| is(bed, &GOOD.replace("good }", "good }, use_api_socket: true")),
        0,
        "manifest-invalid",
    ),
    (
        "a value that is not there",
        |bed| is(bed, &format!("{GOOD}x-rolecall: {{ variables: {{ A: 'ssm:///gone' }} }}\n")),
        0,
        "value-missing",
    ),
    ("neither script nor compose file", |bed| only(bed, "app/readme", "text"), 0, "source-unrecognised"),
    ("another owner", |bed| bed.aws.store(|s| s.bucket(BUCKET).owner = "999999999999".into()), 5, "owner-mismatch"),
];

const PORT_TWICE: &str = "services: { web: { image: x, ports: ['80:80'] }, worker: { image: x, ports: ['80:80'] } }\n";

/// The project is this file.
fn is(bed: &Bed, compose: &str) {
    bed.compose("app", compose);
}

/// The bucket holds one object.
fn only(bed: &Bed, key: &str, body: &str) {
    bed.aws.store(|s| s.bucket(BUCKET).objects.clear());
    bed.aws.put(BUCKET, key, body);
}

#[test]
fn what_cannot_be_had_or_used_is_replaced_by_what_was_ready() {
    let mut bed = Bed::new();
    bed.agent = bed.agent.env("ROLECALL_BUCKET_OWNERS", "123456789012");
    bed.imds.tag("Role", "web:worker");
    bed.compose("app", GOOD);
    bed.run().ready();
    let ids = there(&bed);
    let sound = bed.aws.store(|s| s.clone());
    for (what, spoil, code, cause) in ROWS {
        eprintln!("{what}");
        down(&bed);
        spoil(&bed);
        let run = bed.run();
        if *code == 0 {
            warns(run, cause);
            assert_eq!(bed.agent.status()["state"], "ready", "{what}");
            let warnings = bed.agent.status()["warnings"].to_string();
            assert!(warnings.contains("started the project that was ready on 20"), "{what}: {warnings}");
            bed.rolecall(&["status"]).ready().prints("warning: started the project that was ready on");
        } else {
            run.fails(*code, cause).names("started the project that was ready on 20");
        }
        assert_eq!(there(&bed), ids, "{what}: the very containers run");
        bed.aws.store(|s| *s = sound.clone());
        bed.run().ready().says("nothing to do");
    }
}

#[test]
fn a_first_boot_has_nothing_to_fall_back_on() {
    let bed = Bed::new();
    bed.imds.tag("Bootstrap", "s3://rolecall-test/app/");
    bed.fails(4, "source-not-found");
    bed.compose("app", "services: [\n");
    bed.fails(3, "manifest-invalid");
    bed.aws.store(|s| s.buckets.clear());
    bed.fails(4, "source-not-found");
}

#[test]
fn a_changed_tag_never_starts_the_old_role() {
    let bed = Bed::new();
    bed.compose("app", GOOD);
    bed.imds.tag("Role", "web");
    bed.run().ready();
    down(&bed);
    let sound = bed.aws.store(|s| s.clone());
    bed.aws.store(|s| s.buckets.clear());
    for (tag, value) in [("Role", "worker"), ("Environment", "prod"), ("Bootstrap", "s3://rolecall-test/other/")] {
        let before = bed.imds.instance.lock().unwrap().tags.clone();
        bed.imds.tag(tag, value);
        bed.fails(4, "source-not-found");
        assert!(!run_of(&bed, &["app-web-1"]), "{tag}");
        bed.imds.set(|i| i.tags = before);
    }
    // Without an answer about tags nothing is known of the role, so nothing is started.
    let blind = bed.agent.env("ROLECALL_DEADLINE", "3s").env("ROLECALL_SOURCE", "s3://rolecall-test/app/");
    bed.imds.set(|i| i.tags_in_metadata = false);
    bed.aws.api(|api| api.throttled = usize::MAX);
    blind.run(&["run"]).fails(4, "tags-throttled");
    assert!(!run_of(&bed, &["app-web-1"]));
    bed.imds.set(|i| i.tags_in_metadata = true);
    warns(bed.run(), "source-not-found");
    assert!(run_of(&bed, &["app-web-1"]) && there(&bed).len() == 1);
    bed.aws.store(|s| *s = sound);
    bed.run().ready().says("nothing to do");
}

/// A single compose file with what stands beside it, a single script, a folder of scripts.
#[test]
fn every_kind_of_source_is_kept_whole() {
    let bed = Bed::new();
    let compose = format!(
        "services: {{ web: {{ image: \"{WEB}\", stop_grace_period: 0s, env_file: sub/env, volumes: ['./site:/www'] }} }}\n"
    );
    let mark = bed.path("mark");
    let script = format!("#!/bin/sh\necho run >> {}\n", mark.display());
    for (key, body) in [
        ("a/stack.yml", compose.as_str()),
        ("a/sub/env", "WORD=kept\n"),
        ("a/site/index.html", "hello"),
        ("one.sh", &script),
        ("many/10.sh", &format!("{script}true\n")),
    ] {
        bed.aws.put(BUCKET, key, body);
    }
    let sources = ["a/stack.yml", "one.sh", "many/"].map(|key| format!("s3://{BUCKET}/{key}"));
    for source in &sources {
        bed.imds.tag("Bootstrap", source);
        bed.run().ready();
    }
    let files = bed.agent.project("a");
    bed.aws.store(|s| s.buckets.clear());
    bed.engine().post("/containers/a-web-1/kill", &Value::Null);
    std::fs::remove_dir_all(bed.agent.state.join("projects/a")).unwrap();
    bed.engine().ask("DELETE", "/containers/a-web-1", "").unwrap();
    for source in &sources {
        bed.imds.tag("Bootstrap", source);
        warns(bed.run(), "source-not-found");
    }
    assert!(run_of(&bed, &["a-web-1"]));
    assert!(bed.engine().inspect("a-web-1")["Config"]["Env"].to_string().contains("WORD=kept"));
    assert_eq!(bed.agent.project("a"), files);
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "run\nrun\n", "each script ran once");
}

#[test]
fn a_pin_that_does_not_match_any_more_starts_what_did_and_fails() {
    let bed = Bed::new();
    bed.aws.put(BUCKET, "app/compose.yaml", GOOD);
    let sum = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(GOOD));
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/compose.yaml#sha256={sum}"));
    bed.run().ready();
    down(&bed);
    bed.aws.put(BUCKET, "app/compose.yaml", GOOD.replace("good", "evil"));
    bed.fails(5, "checksum-mismatch").names("started the project that was ready on");
    assert!(run_of(&bed, &["app-web-1", "app-worker-1"]));
    assert!(bed.engine().inspect("app-web-1")["Config"]["Env"].to_string().contains("WORD=good"));
}

/// Only instance metadata answers. What is gone is made again of images that are there, without a word to the registry.
#[test]
fn with_metadata_alone_it_boots() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = registry.push("app/web", "1", &Image::web());
    let compose = format!(
        "services:\n  web: {{ image: \"{image}\", pull_policy: always, ports: ['8080:80'], stop_grace_period: 0s }}\n  \
         every: {{ image: \"{image}\", pull_policy: every_1s, stop_grace_period: 0s }}\n"
    );
    bed.project("app", &[("compose.yaml", &compose), ("bootstrap/10.sh", "#!/bin/sh\ntrue\n")]);
    bed.run().ready();
    bed.engine().crash();
    bed.rolecall(&["stop", "--all"]).ready();
    bed.engine().ask("DELETE", "/containers/app-every-1", "").unwrap();
    registry.server.forget();
    bed.aws.server.forget();
    // Nobody listens there: connections are refused, again and again, for the time that a fetch has.
    let agent = bed.agent.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("ROLECALL_DEADLINE", "30s");
    let run = warns(agent.run(&["run"]), "source-unreachable");
    assert!(run.stderr.contains(" tries in "), "{}", run.told());
    assert!(run_of(&bed, &["app-web-1", "app-every-1"]), "{:?}", there(&bed));
    assert_eq!(crate::support::client::served(8080, "/").status, 200);
    assert_eq!(registry.server.log().len() + bed.aws.server.log().len(), 0, "{}", registry.server.told());
}

/// Values are not kept. Without them the containers that are there are started, in order.
#[test]
fn without_its_values_what_is_there_is_started_by_its_labels() {
    let bed = Bed::new();
    bed.aws.api(|api| _ = api.parameters.insert("/db".into(), "hunter2".into()));
    let c = format!("image: \"{WEB}\", stop_grace_period: 0s, environment: {{ P: \"${{DB}}\" }}");
    let compose = format!(
        "services:\n  job: {{ {c}, command: 'echo done' }}\n  \
         db: {{ {c}, depends_on: {{ job: {{ condition: service_completed_successfully }} }}, \
         healthcheck: {{ test: 'true', interval: 1s }} }}\n  \
         conf: {{ {c}, volumes: [{{ type: bind, source: ./conf, target: /conf, bind: {{ create_host_path: false }} }}] }}\n  \
         web: {{ {c}, depends_on: {{ db: {{ condition: service_healthy }} }}, deploy: {{ replicas: 2 }} }}\n\
         x-rolecall: {{ variables: {{ DB: 'ssm:///db' }} }}\n"
    );
    bed.project("app", &[("compose.yaml", &compose), ("conf/x", "x")]);
    bed.run().ready();
    for (path, content) in bed.agent.files() {
        assert!(!String::from_utf8_lossy(&content).contains("hunter2"), "{path} holds a value");
    }
    let ids: BTreeMap<_, _> = there(&bed).into_iter().map(|(name, (id, _))| (name, id)).collect();
    let started = |name: &str| bed.engine().inspect(name)["State"]["StartedAt"].as_str().unwrap().to_owned();
    let job = started("app-job-1");
    for gone in ["parameters", "everything"] {
        for name in ["app-web-1", "app-web-2", "app-db-1"] {
            bed.engine().post(&format!("/containers/{name}/kill"), &Value::Null);
        }
        bed.aws.api(|api| _ = api.denied.insert("ssm:GetParameter"));
        if gone == "everything" {
            bed.aws.store(|s| s.buckets.clear());
        }
        let cause = if gone == "everything" { "source-not-found" } else { "cloud-denied" };
        let run = warns(bed.run(), cause);
        assert!(run.stderr.contains("starting the containers that are there, by their labels"), "{}", run.told());
        assert_eq!(ids, there(&bed).into_iter().map(|(name, (id, _))| (name, id)).collect::<BTreeMap<_, _>>());
        assert!(run_of(&bed, &["app-db-1", "app-web-1", "app-web-2"]), "{:?}", there(&bed));
        assert_eq!(started("app-job-1"), job, "a job that is done is not done again");
        assert!(started("app-db-1") < started("app-web-1"), "in order");
    }
    // What depends on nothing that is there is started all the same; one that cannot be is named, and the others run.
    bed.engine().ask("DELETE", "/containers/app-db-1?force=true", "").unwrap();
    bed.engine().post("/containers/app-web-2/kill", &Value::Null);
    warns(bed.run(), "source-not-found");
    for name in ["app-web-1", "app-conf-1"] {
        bed.engine().post(&format!("/containers/{name}/kill"), &Value::Null);
    }
    std::fs::remove_dir_all(bed.agent.state.join("projects/app/conf")).unwrap();
    bed.fails(4, "source-not-found").names("does not start either").says("app-conf-1");
    assert!(run_of(&bed, &["app-web-1", "app-web-2"]), "{:?}", there(&bed));
    for name in bed.engine().names() {
        bed.engine().ask("DELETE", &format!("/containers/{name}?force=true"), "").unwrap();
    }
    bed.fails(4, "source-not-found").names("does not start either").names("no container of project app is there");
}

/// Good, bad, out of reach, good again; each boot may be cut.
#[test]
fn whatever_the_order_the_last_good_one_stays() {
    let bed = Bed::new();
    let word = || bed.engine().inspect("app-web-1")["Config"]["Env"].to_string();
    let boot = |kills: &[u64]| {
        for wait in kills {
            let mut run = bed.agent.spawn(&["run"]);
            std::thread::sleep(Duration::from_millis(*wait));
            if !run.ended() {
                run.signal(Signal::KILL);
            }
            drop(run.wait());
        }
        bed.run()
    };
    let kills: &[u64] = &[30, 90, 200, 400];
    bed.compose("app", GOOD);
    boot(kills).ready();
    for round in 0..2 {
        down(&bed);
        bed.compose("app", "services: { web: { imagee: x } }\n");
        warns(boot(kills), "manifest-invalid");
        down(&bed);
        let sound = bed.aws.store(|s| std::mem::take(&mut s.buckets));
        warns(boot(kills), "source-not-found");
        assert!(word().contains(if round == 0 { "WORD=good" } else { "WORD=better" }), "{}", word());
        assert!(run_of(&bed, &["app-web-1", "app-worker-1"]));
        bed.aws.store(|s| s.buckets = sound);
        bed.compose("app", &GOOD.replace("good", "better"));
        boot(kills).ready();
        assert!(word().contains("WORD=better"), "{}", word());
    }
    down(&bed);
    bed.aws.store(|s| s.buckets.clear());
    warns(boot(&[]), "source-not-found");
    assert!(word().contains("WORD=better"), "{}", word());
}

/// What does not become ready is never kept.
#[test]
fn only_what_was_ready_is_kept() {
    let bed = Bed::new();
    bed.compose("app", GOOD);
    bed.run().ready();
    bed.compose("app", &GOOD.replace("good }", "worse }, command: 'exit 3'"));
    bed.fails(1, "container-failed");
    bed.aws.store(|s| s.buckets.clear());
    warns(bed.run(), "source-not-found");
    assert!(bed.engine().inspect("app-web-1")["Config"]["Env"].to_string().contains("WORD=good"));
}

#[test]
fn an_idle_run_writes_nothing_and_a_damaged_keep_is_no_harm() {
    let bed = Bed::new();
    bed.compose("app", GOOD);
    bed.run().ready();
    let good = || -> BTreeMap<String, Vec<u8>> {
        bed.agent.files().into_iter().filter(|(path, _)| path.starts_with("good/")).collect()
    };
    let before = good();
    assert_eq!(before.len(), 2, "a record and one file: {:?}", before.keys());
    bed.run().ready().says("nothing to do");
    assert_eq!(good(), before);
    for path in before.keys() {
        std::fs::write(bed.agent.state.join(path), "damaged").unwrap();
        bed.run().ready();
        assert_eq!(good().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    }
    std::fs::write(bed.agent.state.join(before.keys().next().unwrap()), json!([]).to_string()).unwrap();
    down(&bed);
    bed.aws.store(|s| s.buckets.clear());
    let run = warns(bed.run(), "source-not-found");
    assert!(run.stderr.contains("by their labels"), "{}", run.told());
    assert!(run_of(&bed, &["app-web-1", "app-worker-1"]));
}
