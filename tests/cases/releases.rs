//! A signed compose file and the files that it names, which must be of one release.

use crate::support::{
    bed::{BUCKET, Bed},
    minisign::Signer,
};

const TIME: u64 = 1_800_000_000;

#[test]
fn files_of_two_releases_are_not_mixed() {
    let (mut bed, signer) = (Bed::without_engine(), Signer::new());
    bed.agent = bed.agent.env("ROLECALL_PUBLIC_KEY", &signer.key).env("ROLECALL_DEADLINE", "6s");
    let put = |serial: u64, key: &str, content: &str, release: Option<&str>| {
        let name = key.rsplit('/').next().unwrap();
        let release = release.map(|release| format!("\trelease:{release}")).unwrap_or_default();
        bed.aws.put(BUCKET, key, content);
        let signature = signer.sign_with(&["-t", &format!("timestamp:{serial}\tfile:{name}{release}")], name, content);
        bed.aws.put(BUCKET, &format!("{key}.minisig"), signature);
    };
    let compose = "services: { web: { image: a, env_file: web.env, volumes: [\"./conf:/conf:ro\"] } }\n";
    let source = format!("s3://{BUCKET}/app/c.yaml");
    bed.imds.tag("Bootstrap", &source);
    put(TIME + 9, "app/c.yaml", compose, Some("v2"));
    put(TIME + 9, "app/web.env", "A=1\n", Some("v1"));
    put(TIME + 9, "app/conf/x", "1", Some("v2"));
    let mixed = "web.env.minisig is of release 'v1', and that of s3://rolecall-test/app/c.yaml is of release 'v2'";
    bed.fails(5, "signature-invalid").names(mixed).hints("the same `release:`");
    bed.rolecall(&["plan"]).fails(5, "signature-invalid");
    put(TIME + 9, "app/web.env", "A=1\n", None);
    bed.fails(5, "signature-invalid").names("web.env.minisig is of no release").needs("of release 'v2'");
    // Each has its own second: that they were signed together is not what makes them one. A refused file has not been
    // accepted: it blocks no older one.
    put(TIME + 3, "app/web.env", "A=1\n", Some("v2"));
    put(TIME + 4, "app/conf/x", "1", Some("v1"));
    bed.fails(5, "signature-invalid").names("conf/x.minisig is of release 'v1'");
    put(TIME + 2, "app/conf/x", "1", Some("v2"));
    let run = bed.fails(4, "engine-unreachable").outcome;
    assert!(!run.stderr.contains("names no release"), "{}", run.told());
    // The other way round, and without any release, as before there were any.
    put(TIME + 10, "app/c.yaml", compose, None);
    bed.fails(5, "signature-invalid").names("web.env.minisig is of release 'v2'").names("is of no release");
    put(TIME + 10, "app/web.env", "A=1\n", None);
    put(TIME + 10, "app/conf/x", "1", None);
    let run = bed.fails(4, "engine-unreachable").says(&format!("the signature of {source} names no release")).outcome;
    assert_eq!(run.stderr.matches("names no release").count(), 1, "{}", run.told());
}
