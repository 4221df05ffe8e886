//! What the agent refuses, and what ends a run that began.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use rustix::process::Signal;

use crate::support::bed::{BUCKET, Bed};

#[test]
fn the_exit_codes_and_the_causes_are_in_the_documentation() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).unwrap();
    for cause in rolecall::error::Cause::ALL {
        let row = format!("| `{}` | {} |", cause.code(), cause.exit() as u8);
        assert!(text.contains(&row), "docs/errors.md has no row {row}");
    }
}

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
fn where_a_key_is_configured_nothing_runs_unchecked() {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.env("ROLECALL_PUBLIC_KEY", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
    bed.project("app", &[("10.sh", "#!/bin/sh\nexit 0\n")]);
    let told = bed.run().exits(2);
    assert!(told.stderr.contains("cannot check signatures"), "{}", told.told());
}
