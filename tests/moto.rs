//! The same against moto: somebody else's reading of the API.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use crate::support::{bed::Bed, moto::Moto};

fn bed() -> (Bed, Moto) {
    let mut bed = Bed::without_engine();
    let moto = Moto::start();
    bed.agent = bed.agent.env("AWS_ENDPOINT_URL", moto.url()).env("ROLECALL_DEADLINE", "30s");
    (bed, moto)
}

#[test]
fn tags_are_described_by_moto() {
    let (bed, moto) = bed();
    let id = moto.instance(&[("Role", "web"), ("Bootstrap", "s3://bucket/app/"), ("Odd key", "odd value")]);
    moto.instance(&[("Role", "somebody-else")]);
    bed.imds.set(|i| {
        i.id.clone_from(&id);
        i.tags_in_metadata = false;
    });
    let json = bed.rolecall(&["facts", "--format", "json"]).ready().json();
    assert_eq!(json["tags"]["Role"], "web");
    assert_eq!(json["tags"]["Odd key"], "odd value");
    assert_eq!(json["tags"].as_object().unwrap().len(), 3);
}

#[test]
fn a_project_is_mirrored_from_moto() {
    let (bed, moto) = bed();
    moto.put("bucket", "app/10-first.sh", "#!/bin/sh\necho first\n");
    moto.put("bucket", "app/20-second.sh", "#!/bin/sh\necho second\n");
    moto.put("bucket", "app/files/data.txt", "data\n");
    bed.imds.tag("Bootstrap", "s3://bucket/app/");
    bed.rolecall(&["plan"]).ready().prints("10-first.sh").prints("20-second.sh");
}

#[test]
fn mode_in_metadata_of_moto_reaches_the_host() {
    let mut bed = Bed::new();
    let moto = Moto::start();
    bed.agent = bed.agent.env("AWS_ENDPOINT_URL", moto.url());
    let compose = "services: { web: { image: 'rolecall-test/web:1' } }\nx-rolecall: { ready: { stable: 300ms } }\n";
    moto.put("bucket", "app/compose.yaml", compose);
    moto.put("bucket", "app/tool", "data");
    bed.imds.tag("Bootstrap", "s3://bucket/app/");
    let mode = || fs::metadata(bed.agent.state.join("projects/app/tool")).unwrap().permissions().mode() & 0o777;
    bed.run().ready();
    assert_eq!(mode(), 0o644);
    // Times in a listing have no fractions of seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let copy = [
        ("x-amz-copy-source", "/bucket/app/tool"),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-mode", "0755"),
    ];
    moto.ask("s3", "PUT", "/bucket/app/tool", &copy, "");
    bed.run().ready().says("0 files written, 0 deleted, 1 modes set");
    assert_eq!(mode(), 0o755);
    bed.run().ready().says("nothing to do");
}

#[test]
fn parameters_and_secrets_of_moto_become_variables() {
    let (bed, moto) = bed();
    moto.parameter("/prod/db/password", "from-ssm");
    moto.secret("prod/api", "{\"key\": \"from-secrets-manager\"}");
    let compose = "services:\n  app:\n    image: rolecall-test/web:1\n    environment:\n      DB: ${DB}\n      API: ${API}\n\
        x-rolecall:\n  variables:\n    DB: ssm:///prod/db/password\n    API: secretsmanager://prod/api#key\n";
    moto.put("bucket", "app/compose.yaml", compose);
    bed.imds.tag("Bootstrap", "s3://bucket/app/");
    let plan = bed.rolecall(&["plan"]).ready();
    assert!(!format!("{}{}", plan.stdout, plan.stderr).contains("from-ssm"), "{}", plan.told());
    let missing = compose.replace("/prod/db/password", "/prod/no/such");
    moto.put("bucket", "app/compose.yaml", missing);
    bed.fails(3, "value-missing").names("/prod/no/such");
}
