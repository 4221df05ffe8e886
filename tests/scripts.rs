//! Stage two: scripts that run as root, once per instance and content, after Docker is there.

use std::{fs, time::Duration};

use crate::support::{
    bed::{BUCKET, Bed},
    dockerd::WEB,
    image::Image,
    registry_debian::DebianRegistry,
};

fn lines(path: &std::path::Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn one_script_named_by_the_bootstrap_tag_pulls_an_image_and_runs_it_with_its_folder() {
    let bed = Bed::new();
    let registry = DebianRegistry::start();
    let image = registry.push("project/release", "1.0", &Image::web());
    let containers = bed.path("containers");
    let script = format!(
        "#!/bin/bash\nset -e\nmkdir -p {0}/web\necho served > {0}/web/index.html\ndocker pull {image}\n\
         docker run -d --name web -p 8080:80 -v {0}/web:/host {image} httpd -f -p 80 -h /host\n",
        containers.display()
    );
    bed.aws.put(BUCKET, "deploy/webserver.sh", script);
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/deploy/webserver.sh"));
    bed.run().ready();
    let served = crate::support::client::served(8080, "/");
    assert_eq!(served.text(), "served\n");
    let id = bed.engine().inspect("web")["Id"].clone();
    bed.run().ready().says("nothing to do");
    assert_eq!(bed.engine().inspect("web")["Id"], id, "the script ran again");
}

#[test]
fn scripts_of_a_bucket_run_in_order_and_see_where_they_come_from() {
    let bed = Bed::new();
    let seen = bed.path("seen");
    let script = |name: &str| {
        format!(
            "#!/bin/sh\necho \"{name} $S3_BUCKET_URL $REGION $AWS_REGION $ROLECALL_REGION $ROLECALL_INSTANCE_ID \
             $ROLECALL_ATTEMPT\" >> {}\ndocker version > /dev/null\n",
            seen.display()
        )
    };
    // The bucket is given in user-data, that is: in the environment of the service.
    for name in ["30-last.sh", "10-first.sh", "20-second.sh"] {
        bed.aws.put("project-boot", &format!("bootstrap/{name}"), script(name));
    }
    bed.aws.put("project-boot", "bootstrap/README", "not a script");
    let agent = bed.agent.env("ROLECALL_SOURCE", "s3://project-boot/bootstrap/");
    agent.run(&["run"]).ready();
    let told = lines(&seen);
    let names: Vec<&str> = told.iter().map(|l| l.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["10-first.sh", "20-second.sh", "30-last.sh"]);
    for line in &told {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words[1].starts_with("s3://project-boot"), "{line}");
        assert_eq!(words[2..], ["eu-west-1", "eu-west-1", "eu-west-1", "i-0abcdef1234567890", "1"]);
    }
    agent.run(&["run"]).ready().says("nothing to do");
    assert_eq!(lines(&seen).len(), 3);
}

#[test]
fn a_changed_script_runs_again_and_the_others_do_not() {
    let bed = Bed::new();
    let seen = bed.path("seen");
    let script = |text: &str| format!("#!/bin/sh\necho {text} >> {}\n", seen.display());
    bed.project("app", &[("10.sh", &script("one")), ("20.sh", &script("two"))]);
    bed.run().ready();
    bed.project("app", &[("20.sh", &script("three"))]);
    bed.run().ready();
    assert_eq!(lines(&seen), ["one", "two", "three"]);
    bed.imds.set(|i| i.id = "i-0fedcba9876543210".into());
    bed.run().ready();
    assert_eq!(lines(&seen), ["one", "two", "three", "one", "three"], "another instance starts anew");
}

#[test]
fn with_a_compose_file_only_the_scripts_of_its_bootstrap_folder_run() {
    let bed = Bed::new();
    let seen = bed.path("seen");
    let script = |text: &str| format!("#!/bin/sh\necho {text} >> {}\n", seen.display());
    bed.project(
        "app",
        &[
            ("compose.yaml", "services:\n  web: { image: \"rolecall-test/web:1\", ports: [\"8081:80\"] }\n"),
            ("bootstrap/10.sh", &script("bootstrap")),
            ("tools/backup.sh", &script("tools")),
            ("backup.sh", &script("root")),
        ],
    );
    bed.run().ready();
    assert_eq!(lines(&seen), ["bootstrap"]);
    assert_eq!(bed.engine().names(), ["app-web-1"]);
}

#[test]
fn what_a_script_prints_goes_to_the_log_line_by_line() {
    let bed = Bed::new();
    bed.project("app", &[("10.sh", "#!/bin/sh\necho to stdout\necho to stderr >&2\n")]);
    bed.run().ready().says("to stdout").says("to stderr");
}

#[test]
fn a_script_that_exits_with_three_fails_the_run_with_its_last_words() {
    let bed = Bed::new();
    let mark = bed.path("mark");
    let last = format!("#!/bin/sh\ntouch {}\n", mark.display());
    bed.project("app", &[("10.sh", "#!/bin/sh\necho the disk is not there\nexit 3\n"), ("20.sh", &last)]);
    bed.fails(1, "script-failed").names("10.sh").names("3").says("the disk is not there");
    assert!(!mark.exists(), "the next script must not run");
}

#[test]
fn a_script_that_never_ends_is_ended_with_all_its_children() {
    let mut bed = Bed::new();
    let pid = bed.path("pid");
    let script = format!("#!/bin/sh\nsleep 1000 &\necho $! > {}\nwait\n", pid.display());
    bed.project("app", &[("10.sh", &script)]);
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "6s");
    bed.fails(1, "script-timeout").names("10.sh").within(Duration::from_secs(25));
    let child = fs::read_to_string(&pid).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(" Z "), "a child of the script lives on: {state}");
}

#[test]
fn a_failed_script_runs_again_with_the_number_of_its_attempt() {
    let bed = Bed::new();
    let seen = bed.path("seen");
    let script = format!("#!/bin/sh\necho $ROLECALL_ATTEMPT >> {0}\n[ $(wc -l < {0}) -ge 2 ]\n", seen.display());
    bed.project("app", &[("10.sh", &script)]);
    bed.fails(1, "script-failed");
    bed.run().ready();
    assert_eq!(lines(&seen), ["1", "2"]);
}

#[test]
fn a_bare_script_source_may_use_another_interpreter() {
    let bed = Bed::new();
    let out = bed.path("out");
    let script = format!("#!/usr/bin/awk -f\nBEGIN {{ print \"from awk\" > \"{}\" }}\n", out.display());
    bed.aws.put(BUCKET, "tool", script);
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/tool"));
    bed.run().ready();
    assert_eq!(lines(&out), ["from awk"]);
    assert!(bed.engine().get("/images/json").to_string().contains(WEB));
}
