//! What the agent refuses, and what ends a run that began.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use rustix::process::Signal;

use crate::support::{
    bed::{BUCKET, Bed},
    http::{Reply, Server},
};

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
    while fs::read_to_string(&mark).unwrap_or_default().is_empty() {
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
fn a_key_that_is_none_is_usage() {
    let bed = Bed::without_engine();
    bed.project("app", &[("10.sh", "#!/bin/sh\nexit 0\n")]);
    for key in ["minisign.pub", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO", "untrusted comment: x"] {
        bed.rolecall(&["run", "--public-key", key]).fails(2, "usage").says("--public-key").hints("start with RW");
        bed.agent.env("ROLECALL_PUBLIC_KEY", key).run(&["run"]).fails(2, "usage").says("ROLECALL_PUBLIC_KEY");
    }
    bed.config("public-key = [\"x\"]\n");
    bed.fails(2, "usage").says("config.toml");
}

/// Whoever may set tags may name a bucket of this account, and nothing else.
#[test]
fn a_tag_cannot_be_made_to_say_more_than_a_tag_may() {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.env("ROLECALL_BUCKET_OWNERS", "123456789012");
    bed.aws.store(|s| s.bucket("foreign").owner = "999999999999".into());
    for key in ["run.sh", "app/run.sh", "../foreign/run.sh"] {
        bed.aws.put(BUCKET, key, "#!/bin/sh\n");
        bed.aws.put("foreign", key, "#!/bin/sh\n");
    }
    let refused = (2, "source-refused");
    for (source, (code, cause)) in [
        ("https://example.com/run.sh", refused),
        ("HtTpS://example.com/run.sh", refused),
        ("http://example.com/run.sh", refused),
        ("https:example.com/run.sh", refused),
        ("//example.com/run.sh", refused),
        ("file:///etc/profile", refused),
        ("FILE:///etc/", refused),
        ("file://localhost/etc/profile", refused),
        ("file:/etc/profile", refused),
        ("/etc/profile", refused),
        ("s3:///etc/profile", refused),
        ("s3://foreign/run.sh", (5, "owner-mismatch")),
        ("s3://foreign/app/", (5, "owner-mismatch")),
        ("s3://999999999999@foreign/run.sh", refused),
        ("s3://rolecall-test@foreign/run.sh", refused),
        ("s3://foreign:443/run.sh", refused),
        ("s3://rolecall-test%2F..%2Fforeign/run.sh", refused),
        ("s3://rolecall-test\\..\\foreign/run.sh", refused),
        ("s3://rolecall-test/../foreign/run.sh", refused),
        ("s3://rolecall-test/app/../../foreign/app/", refused),
        ("s3://rolecall-test/%2e%2e/foreign/run.sh", (4, "source-not-found")),
        ("s3://rolecall-test/..\\foreign\\run.sh", (4, "source-not-found")),
        ("s3://foreign/run.sh?owner=999999999999", refused),
        ("s3://foreign/run.sh?versionId=v1&owner=999999999999", refused),
        ("s3://foreign/run.sh?versionId=v1&versionId=v1", refused),
        ("s3://foreign/run.sh?versionId=v1", (5, "owner-mismatch")),
        ("s3://foreign/run.sh?versionId=v1%26x-amz-expected-bucket-owner%3D999999999999", (5, "owner-mismatch")),
        ("s3://foreign/run.sh?x-amz-expected-bucket-owner=999999999999", refused),
        ("s3://foreign/run.sh?endpoint=https://example.com", refused),
        ("s3://foreign/run.sh#owner=999999999999", refused),
        ("s3://foreign/run.sh#public-key=x", refused),
        ("s3://foreign/run.sh#sha256=00&owner=999999999999", refused),
        ("s3://foreign/run.sh --bucket-owners 999999999999", (5, "owner-mismatch")),
        ("s3://foreign/run.sh\nROLECALL_BUCKET_OWNERS=999999999999", refused),
    ] {
        bed.imds.tag("Bootstrap", source);
        for tag in ["BucketOwners", "bucket-owners", "ROLECALL_BUCKET_OWNERS", "PublicKey", "ROLECALL_PUBLIC_KEY"] {
            bed.imds.tag(tag, "999999999999");
        }
        let failed = bed.rolecall(&["plan"]).fails(code, cause);
        assert!(!failed.outcome.stdout.contains("run.sh"), "{source:?}: {}", failed.outcome.told());
    }
    // With an owner that the administrator names it is accepted, as is one of this account without.
    bed.imds.tag("Bootstrap", "s3://foreign/run.sh");
    bed.agent.env("ROLECALL_BUCKET_OWNERS", "999999999999").run(&["plan"]).ready().prints("run.sh");
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/run.sh"));
    bed.rolecall(&["plan"]).ready().prints("run.sh");
}

/// What was fetched says what runs in containers; whom this host trusts and where it asks is not its to say.
#[test]
fn what_was_fetched_changes_no_setting() {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.env("ROLECALL_BUCKET_OWNERS", "123456789012").env("ROLECALL_DEADLINE", "6s");
    bed.aws.store(|s| s.bucket("foreign").owner = "999999999999".into());
    bed.aws.put("foreign", "value", "x");
    for key in ["public-key: x", "bucket-owners: '999999999999'", "source: 's3://foreign/'", "state-dir: /tmp"] {
        let compose = format!("services: {{ web: {{ image: a }} }}\nx-rolecall: {{ {key} }}\n");
        bed.compose("app", &compose);
        bed.fails(3, "manifest-invalid").says(key.split(':').next().unwrap());
    }
    let env = "ROLECALL_BUCKET_OWNERS=999999999999\nROLECALL_PUBLIC_KEY=none\nROLECALL_SOURCE=s3://foreign/\n\
               ROLECALL_STATE_DIR=/nonexistent\nAWS_ENDPOINT_URL=http://127.0.0.1:9\nAWS_ENDPOINT_URL_S3=http://127.0.0.1:9\n\
               AWS_ACCESS_KEY_ID=x\nAWS_SECRET_ACCESS_KEY=x\nAWS_EC2_METADATA_DISABLED=true\nAWS_CA_BUNDLE=/nonexistent\n\
               HTTPS_PROXY=http://127.0.0.1:9\nDOCKER_HOST=tcp://127.0.0.1:9\n";
    let foreign = "services: { web: { image: a } }\nx-rolecall: { variables: { V: 's3://foreign/value' } }\n";
    bed.project("app", &[("compose.yaml", foreign), (".env", env)]);
    bed.fails(5, "owner-mismatch");
    bed.compose("app", "services: { web: { image: a } }\n");
    bed.rolecall(&["plan"]).ready().prints("web");
    bed.fails(4, "engine-unreachable");
    assert!(!std::path::Path::new("/nonexistent").exists());
}

/// What a project names lies in it: nothing is fetched from the web, or from outside of its folder in the bucket.
#[test]
fn nothing_is_fetched_from_outside_of_a_project() {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "6s");
    let web = Server::start("web", |_| Reply::new(200, "services: { web: { image: stolen } }\nA=1\n"));
    bed.aws.put(BUCKET, "outside.yaml", "services: { web: { image: stolen } }\n");
    let address = format!("{}/outside.yaml", web.url());
    for place in ["../outside.yaml", "sub/../../outside.yaml", &address, &address.replace("http:", "https:")] {
        for (form, service) in [
            ("include", format!("include: ['{place}']\nservices: {{ other: {{ image: a }} }}\n")),
            ("extends", format!("services: {{ web: {{ extends: {{ file: '{place}', service: web }} }} }}\n")),
            ("env_file", format!("services: {{ web: {{ image: a, env_file: '{place}' }} }}\n")),
        ] {
            bed.compose("app", &service);
            for source in [format!("s3://{BUCKET}/app/"), format!("s3://{BUCKET}/app/compose.yaml")] {
                let outcome = bed.rolecall(&["plan", "--source", &source]);
                let told = outcome.told();
                assert!(matches!(outcome.code, Some(2 | 3)), "{form} {place}: {told}");
                assert!(!outcome.stdout.contains("stolen"), "{form} {place}: {told}");
            }
        }
    }
    assert!(web.log().is_empty(), "{}", web.told());
    let outside = format!("/{BUCKET}/outside.yaml");
    assert_eq!(bed.aws.server.asked(&format!("GET {outside}")), 0, "{}", bed.aws.server.told());
}
