//! What the instance says of itself, and every way in which it does not.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command, time::Duration};

use crate::support::{
    bed::Bed,
    http::{Fault, Kind},
    imds::{Imds, Mode, RSA2048, SIGNATURE},
};

const ID: &str = "i-0abcdef1234567890";

#[test]
fn facts_are_printed_as_text_as_json_and_as_variables() {
    let bed = Bed::without_engine();
    bed.imds.tag("Role", "web:celery");
    bed.imds.tag("Environment", "prod");
    let text = bed.rolecall(&["facts"]).ready();
    for fact in [ID, "eu-west-1", "eu-west-1b", "123456789012", "10.20.30.40", "ip-10-20-30-40", "web:celery"] {
        assert!(text.stdout.contains(fact), "{fact} in\n{}", text.stdout);
    }
    let json = bed.rolecall(&["facts", "--format", "json"]).ready().json();
    assert_eq!(json["instance-id"], ID);
    assert_eq!(json["tags"]["Role"], "web:celery");
    bed.rolecall(&["facts", "--format", "env"]).ready().prints("ROLECALL_REGION=").prints("ROLECALL_TAG_Role=");
}

#[test]
fn variables_mean_the_same_to_the_shell_whatever_a_tag_holds() {
    let bed = Bed::without_engine();
    let awkward = "a b'c\"d$HOME`id`\\e%f;g#h é";
    bed.imds.tag("Awkward", awkward);
    bed.imds.tag("With-Dash", "x");
    let env = bed.rolecall(&["facts", "--format", "env"]).ready().stdout;
    let file = bed.path("facts.env");
    std::fs::write(&file, env).unwrap();
    let script = ". \"$1\"; printf '%s|%s' \"$ROLECALL_TAG_Awkward\" \"$ROLECALL_TAG_With_Dash\"";
    let seen = Command::new("sh").args(["-c", script, "sh"]).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&seen.stdout), format!("{awkward}|x"));
}

#[test]
fn facts_come_from_the_usual_address_where_no_other_is_set() {
    let mut bed = Bed::without_engine();
    let real = Imds::start_on("169.254.169.254:80", bed.imds.instance.clone());
    bed.agent = bed.agent.without("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    bed.rolecall(&["facts"]).ready().prints(ID);
    assert!(real.server.asked("PUT /latest/api/token") >= 1);
    // The SDK's own reading of credentials is not ours to pin.
    let ours = |target: &str| !target.starts_with("/latest/meta-data/iam/security-credentials/");
    let paths: Vec<String> = real.server.log().into_iter().filter(|a| a.method == "GET").map(|a| a.target).collect();
    let unpinned: Vec<&String> = paths.iter().filter(|p| ours(p) && p.starts_with("/latest/")).collect();
    assert!(unpinned.is_empty() && !paths.is_empty(), "the schema must be pinned: {paths:?}");
}

#[test]
fn facts_come_over_ipv6_when_asked() {
    let mut bed = Bed::without_engine();
    let real = Imds::start_on("[fd00:ec2::254]:80", bed.imds.instance.clone());
    bed.agent =
        bed.agent.without("AWS_EC2_METADATA_SERVICE_ENDPOINT").env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
    bed.rolecall(&["facts"]).ready().prints(ID);
    assert!(real.server.asked("PUT /latest/api/token") >= 1);
}

#[test]
fn metadata_is_never_asked_through_a_proxy() {
    let mut bed = Bed::without_engine();
    let nowhere = "http://127.0.0.1:9";
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"] {
        bed.agent = bed.agent.env(name, nowhere);
    }
    bed.rolecall(&["facts"]).ready().prints(ID);
}

#[test]
fn no_metadata_on_a_machine_that_is_not_ec2_fails_within_ten_seconds_with_two_ways_out() {
    let mut bed = Bed::without_engine();
    bed.net.without_metadata();
    // Whatever machine the tests run on, the agent's has no firmware that says EC2.
    let hide = "mount -t tmpfs none /sys/class && exec \"$@\"";
    bed.agent =
        bed.agent.without("AWS_EC2_METADATA_SERVICE_ENDPOINT").under(&["unshare", "--mount", "sh", "-c", hide, "sh"]);
    bed.fails(4, "imds-unreachable")
        .within(Duration::from_secs(11))
        .hints("EC2")
        .hints("AWS_EC2_METADATA_SERVICE_ENDPOINT");
}

#[test]
fn on_ec2_late_metadata_is_waited_for() {
    let bed = Bed::without_engine();
    bed.imds.server.fault(Fault::on("/", Kind::Drop).times(3));
    bed.imds.server.fault(Fault::status("/", 503).times(3));
    bed.rolecall(&["facts"]).ready().prints(ID);
}

#[test]
fn version_one_answers_are_not_taken() {
    let mut bed = Bed::without_engine();
    bed.imds.set(|i| i.mode = Mode::V1Only);
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "5s");
    let failed = bed.fails(4, "imds-refused");
    // One request without a token may probe what is wrong; what it brings must not be used.
    assert!(!failed.outcome.stderr.contains(ID) && bed.imds.server.asked("GET ") <= 1, "{}", bed.imds.server.told());
}

#[test]
fn metadata_that_is_switched_off_is_named() {
    let mut bed = Bed::without_engine();
    bed.imds.set(|i| i.mode = Mode::Disabled);
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "5s");
    bed.fails(4, "imds-refused");
}

#[test]
fn a_token_that_dies_on_the_way_hints_at_the_hop_limit() {
    let mut bed = Bed::without_engine();
    bed.imds.set(|i| i.mode = Mode::HopLimit);
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "12s");
    bed.fails(4, "imds-refused").says("hop limit");
}

#[test]
fn tags_come_from_the_ec2_api_where_metadata_has_none() {
    let bed = Bed::without_engine();
    bed.imds.tag("Role", "web");
    bed.imds.tag("Environment", "prod");
    bed.imds.tag("Name", "web-1");
    bed.imds.set(|i| i.tags_in_metadata = false);
    bed.aws.api(|api| api.page = Some(1));
    let json = bed.rolecall(&["facts", "--format", "json"]).ready().json();
    assert_eq!(json["tags"]["Role"], "web");
    assert_eq!(json["tags"]["Name"], "web-1");
    assert_eq!(json["tags"].as_object().unwrap().len(), 3);
}

#[test]
fn tags_that_may_not_be_read_name_the_permission() {
    let mut bed = Bed::without_engine();
    bed.imds.set(|i| i.tags_in_metadata = false);
    bed.aws.api(|api| _ = api.denied.insert("ec2:DescribeTags"));
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "5s");
    bed.fails(4, "tags-denied").names("ec2:DescribeTags");
}

#[test]
fn an_absent_source_tag_is_named_after_the_deadline() {
    let mut bed = Bed::without_engine();
    bed.imds.tag("Role", "web");
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "3s");
    bed.fails(4, "tag-missing").names("Bootstrap").within(Duration::from_secs(8));
}

#[test]
fn the_source_tag_is_waited_for_and_then_all_tags_are_read_again() {
    let bed = Bed::without_engine();
    bed.aws.put("rolecall-test", "late/10.sh", "#!/bin/sh\necho roles=$ROLECALL_ROLES\n");
    let run = bed.agent.env("ROLECALL_LOG_LEVEL", "info").spawn(&["facts", "--format", "json"]);
    drop(run.wait());
    let waiting = bed.agent.env("ROLECALL_DEADLINE", "60s").spawn(&["plan"]);
    std::thread::sleep(Duration::from_millis(1500));
    bed.imds.tag("Role", "web");
    bed.imds.tag("Bootstrap", "s3://rolecall-test/late/");
    waiting.wait().ready().prints("10.sh");
}

#[test]
fn a_prefix_of_the_tags_is_honoured() {
    let mut bed = Bed::without_engine();
    bed.aws.put("rolecall-test", "prefixed/10.sh", "#!/bin/sh\n");
    bed.imds.tag("Bootstrap", "s3://rolecall-test/of-somebody-else/");
    bed.imds.tag("rolecall:Bootstrap", "s3://rolecall-test/prefixed/");
    bed.agent = bed.agent.env("ROLECALL_TAG_PREFIX", "rolecall:");
    bed.rolecall(&["plan"]).ready().prints("10.sh");
}

#[test]
fn a_run_keeps_what_proves_who_the_instance_is() {
    let bed = Bed::without_engine();
    bed.project("app", &[("readme", "nothing to run\n")]);
    bed.fails(3, "source-unrecognised");
    let kept = |name: &str| fs::read_to_string(bed.agent.runtime.join("identity").join(name));
    let mode = |name: &str| fs::metadata(bed.agent.runtime.join("identity").join(name)).unwrap().permissions().mode();
    let document: serde_json::Value = serde_json::from_str(&kept("document").unwrap()).unwrap();
    assert_eq!(document["instanceId"], "i-0abcdef1234567890");
    assert_eq!((kept("rsa2048").unwrap().as_str(), kept("signature").unwrap().as_str()), (RSA2048, SIGNATURE));
    for name in ["document", "rsa2048", "signature"] {
        assert_eq!(mode(name) & 0o777, 0o600, "{name}");
    }
    // Nothing hangs on it.
    let bare = Bed::without_engine();
    bare.project("app", &[("readme", "nothing to run\n")]);
    bare.imds.server.fault(Fault::status("instance-identity/rsa2048", 500));
    bare.imds.server.fault(Fault::status("instance-identity/signature", 404));
    bare.fails(3, "source-unrecognised");
    assert!(bare.agent.runtime.join("identity/document").exists());
    assert!(!bare.agent.runtime.join("identity/rsa2048").exists());
}
