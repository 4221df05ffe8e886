//! What cannot become a policy ends in one line.

use super::Project;

const COMPOSE: &str = "
services:
  web: { image: 'example.com/web:1' }
  worker: { image: 'example.com/worker:1', profiles: [jobs] }
";

#[test]
fn flags_that_cannot_be_are_usage() {
    let project = Project::new(&[("compose.yaml", COMPOSE)]);
    for (args, cause, says) in [
        (&["."][..], "usage", "the following required arguments were not provided"),
        (&[".", "--bucket", "Bucket"], "source-refused", "names no possible bucket: 'Bucket'"),
        (&[".", "--bucket", "s3://bkt/app"], "usage", "--bucket: 's3://bkt/app' is not the name of a bucket"),
        (&[".", "--bucket", "bkt", "--prefix", "a/../b"], "source-refused", "has a key with . or .. in it"),
        (&[".", "--bucket", "bkt", "--account", "1234"], "usage", "--account: '1234' is not an account id"),
        (&[".", "--bucket", "bkt", "--region", "Ireland"], "usage", "--region: 'Ireland' is not a region"),
        (&[".", "--bucket", "bkt", "--partition", "gov"], "usage", "--partition: 'gov' is not a partition"),
        (
            &[".", "--bucket", "bkt", "--asg", "a:b"],
            "usage",
            "--asg: 'a:b' cannot be the name of an Auto Scaling group",
        ),
        (&[".", "--bucket", "bkt", "--kms-key", "alias/x"], "usage", "--kms-key: 'alias/x' is not the ARN of a key"),
        (&[".", "--bucket", "bkt", "--set", "X"], "usage", "--set: 'X' is not NAME=VALUE"),
        (&[".", "--bucket", "bkt", "--set", "X=1"], "usage", "--set: X is no variable of x-rolecall.variables"),
        (&[".", "--bucket", "bkt", "--pinned"], "source-refused", "it can carry neither versionId nor sha256"),
    ] {
        project.agent.run(&[&["iam"], args].concat()).fails(2, cause).names(says);
    }
}

#[test]
fn what_is_no_manifest_is_named() {
    let files = [
        ("compose.yaml", COMPOSE),
        ("notes.txt", "hello\n"),
        ("broken/compose.yaml", "services: { web: { imge: a } }\n"),
        ("empty/README.md", "nothing\n"),
    ];
    let project = Project::new(&files);
    for (file, cause, says) in [
        ("none.yaml", "manifest-invalid", "none.yaml does not exist"),
        ("notes.txt", "source-unrecognised", "is neither a script nor a compose file"),
        ("broken", "manifest-invalid", "compose.yaml:1:20: services.web.imge"),
        ("empty", "source-unrecognised", "has neither a compose file nor scripts"),
    ] {
        project.agent.run(&["iam", file, "--bucket", "bkt"]).fails(3, cause).names(says);
    }
    let failed = project.agent.run(&["iam", ".", "--bucket", "bkt", "--roles", "job"]).fails(3, "role-unknown");
    failed.names("unknown role 'job', did you mean 'jobs'?").needs("one of: all, jobs, web, worker");
}
