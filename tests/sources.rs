//! What is fetched, from where, and every way in which a source is not what it should be. A refused source leaves
//! no half of a project behind.

use crate::support::{
    bed::{BUCKET, Bed},
    http::{Fault, Reply, Server},
    image::digest,
    tls::Authority,
};

/// A machine whose runs give up soon.
fn bed() -> Bed {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "6s");
    bed
}

const SCRIPT: &str = "#!/bin/sh\necho hello from stage two\n";

fn nothing_is_left(bed: &Bed) {
    let left: Vec<String> = bed.agent.files().into_keys().filter(|p| p.starts_with("projects/")).collect();
    assert!(left.is_empty(), "half a project is left: {left:?}");
}

fn refused(source: &str, code: i32, cause: &str) {
    let bed = bed();
    bed.imds.tag("Bootstrap", source);
    bed.fails(code, cause);
    nothing_is_left(&bed);
}

#[test]
fn an_empty_source_is_a_usage_error() {
    let bed = bed();
    bed.rolecall(&["run", "--source", ""]).fails(2, "source-refused");
}

#[test]
fn a_malformed_source_is_a_usage_error() {
    for source in ["bucket/key", "s3:/bucket/key", "s3://", "gopher://x/y", "s3://bucket/pre/?versionId=1"] {
        bed().rolecall(&["run", "--source", source]).fails(2, "source-refused");
    }
}

#[test]
fn a_tag_may_not_name_a_web_address_or_a_file() {
    refused("https://example.com/compose.yaml", 2, "source-refused");
    refused("file:///etc/compose.yaml", 2, "source-refused");
}

#[test]
fn a_source_that_does_not_exist_is_named() {
    let bed = bed();
    bed.aws.put(BUCKET, "other/compose.yaml", "services: {}\n");
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/missing/compose.yaml"));
    bed.fails(4, "source-not-found").says(&format!("s3://{BUCKET}/missing/compose.yaml"));
    nothing_is_left(&bed);
}

#[test]
fn a_bucket_that_does_not_exist_is_named() {
    refused("s3://no-such-bucket/app/", 4, "source-not-found");
}

#[test]
fn an_empty_prefix_is_not_a_project() {
    let bed = bed();
    bed.aws.put(BUCKET, "other/compose.yaml", "services: {}\n");
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/nothing-here/"));
    bed.fails(4, "source-not-found");
}

#[test]
fn a_refused_object_names_the_action_and_the_role() {
    let bed = bed();
    bed.aws.put(BUCKET, "app/run.sh", SCRIPT);
    bed.aws.store(|s| s.bucket(BUCKET).denied.insert("s3:GetObject"));
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/run.sh"));
    bed.fails(4, "source-denied").names("s3:GetObject").names("arn:aws:iam::123456789012:role/rolecall-test-role");
}

#[test]
fn a_refused_listing_names_the_action_and_the_role() {
    let bed = bed();
    bed.compose("app", "services: {}\n");
    bed.aws.store(|s| s.bucket(BUCKET).denied.insert("s3:ListBucket"));
    bed.fails(4, "source-denied").names("s3:ListBucket").names("arn:aws:iam::123456789012:role/rolecall-test-role");
}

#[test]
fn on_a_first_run_a_refusal_is_tried_again() {
    let mut bed = bed();
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "60s");
    bed.aws.put(BUCKET, "app/run.sh", SCRIPT);
    bed.aws.store(|s| s.bucket(BUCKET).denied.insert("s3:GetObject"));
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/run.sh"));
    let run = bed.agent.spawn(&["plan"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    bed.aws.store(|s| s.bucket(BUCKET).denied.clear());
    run.wait().ready().prints("run.sh");
}

#[test]
fn an_instance_without_a_role_is_told_so() {
    let bed = bed();
    bed.aws.put(BUCKET, "app/run.sh", SCRIPT);
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/run.sh"));
    bed.imds.set(|i| i.role = None);
    bed.fails(4, "credentials-missing").hints("instance profile");
}

#[test]
fn a_pinned_checksum_holds_or_ends_the_run() {
    let bed = bed();
    bed.aws.put(BUCKET, "app/run.sh", SCRIPT);
    let right = digest(SCRIPT.as_bytes()).replace("sha256:", "");
    let wrong = right.replace(&right[..4], "0000");
    let source = |sum: &str| format!("s3://{BUCKET}/app/run.sh#sha256={sum}");
    bed.rolecall(&["plan", "--source", &source(&right)]).ready().prints("run.sh");
    bed.rolecall(&["run", "--source", &source(&wrong)]).fails(5, "checksum-mismatch").says(&right);
    nothing_is_left(&bed);
}

#[test]
fn a_pinned_version_is_the_one_that_is_fetched() {
    let bed = bed();
    let old = bed.aws.put(BUCKET, "app/run.sh", "#!/bin/sh\necho the old one\n");
    bed.aws.put(BUCKET, "app/run.sh", "#!/bin/sh\nexit 3\n");
    bed.rolecall(&["plan", "--source", &format!("s3://{BUCKET}/app/run.sh?versionId={old}")]).ready();
    assert_eq!(bed.aws.server.asked(&format!("versionId={old}")), 1, "{}", bed.aws.server.told());
}

#[test]
fn an_object_larger_than_the_limit_is_refused() {
    let bed = bed();
    let mut huge = b"#!/bin/sh\n".to_vec();
    huge.resize(80 << 20, b'#');
    bed.aws.put(BUCKET, "app/run.sh", huge);
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/run.sh"));
    bed.fails(4, "source-too-large");
    nothing_is_left(&bed);
}

#[test]
fn a_prefix_is_listed_page_by_page() {
    let bed = bed();
    bed.aws.store(|s| s.page = 2);
    let files: Vec<(String, String)> = (0..7).map(|n| (format!("1{n}.sh"), SCRIPT.to_owned())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(n, c)| (n.as_str(), c.as_str())).collect();
    bed.project("paged", &files);
    bed.rolecall(&["plan"]).ready().prints("10.sh").prints("16.sh");
}

#[test]
fn a_project_that_changes_while_it_is_mirrored_is_mirrored_again() {
    let bed = bed();
    bed.project("moving", &[("10.sh", SCRIPT), ("20.sh", SCRIPT)]);
    // The object is another one than the listing said, once.
    bed.aws.server.fault(Fault::status("20.sh", 412).times(1));
    bed.rolecall(&["plan"]).ready().prints("20.sh");
    assert!(bed.aws.server.asked("list-type=2") >= 3, "{}", bed.aws.server.told());
}

#[test]
fn content_that_is_neither_script_nor_compose_is_described() {
    let bed = bed();
    bed.aws.put(BUCKET, "app/readme.txt", "just words\n");
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/readme.txt"));
    bed.fails(3, "source-unrecognised").says("services");
}

#[test]
fn a_file_is_a_source_when_the_administrator_says_so() {
    let bed = bed();
    let path = bed.path("local.sh");
    std::fs::write(&path, SCRIPT).unwrap();
    bed.rolecall(&["plan", "--source", &format!("file://{}", path.display())]).ready().prints("local.sh");
}

#[test]
fn a_web_address_is_a_source_and_its_certificate_is_checked() {
    let bed = bed();
    let tls = bed.path("tls");
    std::fs::create_dir(&tls).unwrap();
    let authority = Authority::new(&tls, &["localhost"]);
    let web = Server::start_on("web", "127.0.0.1:0", Some(authority.server.clone()), |r| match r.path.as_str() {
        "/run.sh" => Reply::new(200, SCRIPT),
        _ => Reply::new(404, "no such page"),
    });
    let port = web.addr.port();
    let source = format!("https://localhost:{port}/run.sh");
    bed.rolecall(&["run", "--source", &source]).fails(4, "source-unreachable");
    for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let agent = bed.agent.env(name, &authority.ca);
        agent.run(&["plan", "--source", &source]).ready().prints("run.sh");
    }
    let agent = bed.agent.env("AWS_CA_BUNDLE", &authority.ca);
    let missing = format!("https://localhost:{port}/other.sh");
    agent.run(&["run", "--source", &missing]).fails(4, "source-not-found");
    let plain = format!("http://localhost:{port}/run.sh");
    agent.run(&["run", "--source", &plain]).fails(2, "source-refused");
}

#[test]
fn secrets_in_an_address_are_not_printed() {
    let bed = bed();
    let refused = "https://user:hunter2@127.0.0.1:9/run.sh";
    let refused = bed.rolecall(&["run", "--source", refused]).fails(2, "source-refused");
    let presigned = "https://127.0.0.1:9/run.sh?X-Amz-Signature=5ec2e75ec2e7";
    let failed = bed.rolecall(&["run", "--source", presigned]).fails(4, "source-unreachable");
    for outcome in [refused.outcome, failed.outcome] {
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!all.contains("hunter2") && !all.contains("5ec2e75ec2e7"), "{all}");
    }
    for (path, content) in bed.agent.files() {
        let text = String::from_utf8_lossy(&content).into_owned();
        assert!(!text.contains("hunter2") && !text.contains("5ec2e75ec2e7"), "{path}: {text}");
    }
}
