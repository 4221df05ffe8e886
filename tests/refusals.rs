//! What the agent refuses, and what ends a run that began.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use rustix::process::Signal;

use crate::support::bed::{BUCKET, Bed};

#[test]
fn wrong_flags_are_usage() {
    let bed = Bed::without_engine();
    for args in [&["launch"][..], &["run", "--sauce", "x"], &["facts", "--format", "xml"], &[]] {
        let outcome = bed.rolecall(args).exits(2);
        assert!(!outcome.stderr.is_empty());
    }
    bed.rolecall(&["run", "--deadline", "soon", "--source", "s3://b/k/"]).fails(2, "usage").says("soon");
    bed.config("sauce = \"s3://b/k/\"\n");
    bed.fails(2, "usage").says("config.toml").says("sauce").says("source");
}

#[test]
fn flag_beats_environment_beats_tag_beats_config() {
    let mut bed = Bed::without_engine();
    for name in ["flag", "environment", "tag", "config"] {
        bed.aws.put(BUCKET, &format!("{name}/{name}.sh"), "#!/bin/sh\n");
    }
    let source = |name: &str| format!("s3://{BUCKET}/{name}/");
    bed.config(&format!("source = \"{}\"\n", source("config")));
    bed.rolecall(&["plan"]).ready().prints("config.sh");
    bed.imds.tag("Bootstrap", &source("tag"));
    bed.rolecall(&["plan"]).ready().prints("tag.sh");
    bed.agent = bed.agent.env("ROLECALL_SOURCE", source("environment"));
    bed.rolecall(&["plan"]).ready().prints("environment.sh");
    bed.rolecall(&["plan", "--source", &source("flag")]).ready().prints("flag.sh");
}

#[test]
fn a_run_needs_root_and_says_so() {
    let mut bed = Bed::without_engine();
    bed.project("app", &[("10.sh", "#!/bin/sh\n")]);
    // Where cargo builds, others may not read.
    fs::set_permissions(bed.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = bed.path("rolecall");
    fs::copy(&bed.agent.binary, &copy).unwrap();
    bed.agent.binary = copy;
    bed.agent = bed.agent.under(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    bed.fails(2, "not-root").needs("root").hints("sudo");
    assert!(!bed.agent.state.exists());
    bed.rolecall(&["facts"]).ready();
}

#[test]
fn two_runs_at_once_are_one_too_many() {
    let bed = Bed::new();
    bed.project("app", &[("10.sh", "#!/bin/sh\nsleep 4\n")]);
    let first = bed.agent.spawn(&["run"]);
    std::thread::sleep(Duration::from_millis(1500));
    bed.fails(6, "locked").within(Duration::from_secs(2));
    first.wait().ready();
    bed.run().ready();
}

#[test]
fn a_full_disk_is_named_and_leaves_no_half_of_a_project() {
    let mut bed = Bed::without_engine();
    bed.project("app", &[("10.sh", "#!/bin/sh\n"), ("compose.yaml", "services: {}\n")]);
    bed.aws.put(BUCKET, "app/data.bin", vec![7_u8; 2 << 20]);
    let state = bed.agent.state.display().to_string();
    let seen = bed.path("seen").display().to_string();
    let script = format!(
        "mkdir -p {state} && mount -t tmpfs -o size=1m none {state} && \"$@\"; code=$?; cp -a {state} {seen}; exit $code"
    );
    bed.agent = bed.agent.under(&["unshare", "--mount", "sh", "-c", &script, "sh"]);
    bed.fails(1, "disk-full").hints("space");
    let left: Vec<String> = crate::support::agent::walk(&bed.path("seen"))
        .into_iter()
        .filter(|(path, content)| path.starts_with("projects/") && !content.is_empty())
        .map(|(path, _)| path)
        .collect();
    assert!(!left.iter().any(|p| p.ends_with("data.bin")), "half of a file is left: {left:?}");
}

#[test]
fn a_run_that_is_told_to_stop_says_so_and_goes_on_next_time() {
    let bed = Bed::new();
    let mark = bed.path("mark");
    bed.project("app", &[("10.sh", &format!("#!/bin/sh\necho run >> {}\nsleep ${{SLEEP:-0}}\n", mark.display()))]);
    let run = bed.agent.env("SLEEP", "60").spawn(&["run"]);
    while !mark.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    run.signal(Signal::TERM);
    run.wait().fails(1, "interrupted").within(Duration::from_secs(20));
    bed.run().ready();
    assert_eq!(fs::read_to_string(&mark).unwrap(), "run\nrun\n", "a script whose end is not known runs again");
    bed.run().ready();
    assert_eq!(fs::read_to_string(&mark).unwrap(), "run\nrun\n");
}

#[test]
fn an_engine_that_does_not_answer_is_named() {
    let mut bed = Bed::without_engine();
    bed.compose("app", "services:\n  web: { image: \"rolecall-test/web:1\" }\n");
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "5s").env("DOCKER_HOST", "tcp://127.0.0.1:9");
    bed.fails(1, "engine-unreachable");
}

#[test]
fn where_a_key_is_configured_nothing_runs_unchecked() {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.env("ROLECALL_PUBLIC_KEY", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
    bed.project("app", &[("10.sh", "#!/bin/sh\nexit 0\n")]);
    let told = bed.run().exits(2);
    assert!(told.stderr.contains("cannot check signatures"), "{}", told.told());
}
