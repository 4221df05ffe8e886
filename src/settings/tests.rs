use std::collections::BTreeMap;

use super::*;

fn flags(source: &str) -> Flags {
    Flags { source: Some(source.to_owned()), ..Flags::default() }
}

fn load(flags: &Flags, env: &[(&str, &str)]) -> Result<Settings> {
    Settings::load(flags, env.iter().copied().collect())
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

const OWN: Option<&str> = Some("123456789012");

#[test]
fn flag_beats_environment_beats_tag_beats_file() {
    let tags = tags(&[("Bootstrap", "s3://tag-bucket/x"), ("Role", "tagrole"), ("Environment", "tagenv")]);
    let env = [("ROLECALL_SOURCE", "s3://env-bucket/x"), ("ROLECALL_ROLES", "envrole")];
    let input = load(&flags("s3://flag-bucket/x"), &env).unwrap().with(&tags, OWN).unwrap();
    assert_eq!((input.source.bucket(), input.origin), (Some("flag-bucket"), Origin::Flag));
    assert_eq!((input.roles_text.as_str(), input.roles_origin), ("envrole", Origin::Environment));
    assert_eq!(input.environment.as_deref(), Some("tagenv"));

    let mut settings = load(&Flags::default(), &[]).unwrap();
    settings.source.below = Some(Given { value: "s3://file-bucket/x".into(), origin: Origin::ConfigFile });
    assert_eq!(settings.with(&tags, OWN).unwrap().origin, Origin::Tag);
    assert_eq!(settings.with(&BTreeMap::new(), OWN).unwrap().origin, Origin::ConfigFile);
}

#[test]
fn an_empty_value_counts_as_not_given_but_an_empty_source_flag_is_a_mistake() {
    let settings = load(&Flags::default(), &[("ROLECALL_SOURCE", " "), ("ROLECALL_ROLES", "")]).unwrap();
    assert!(!settings.source.known() && !settings.roles.known());
    let err = settings.with(&tags(&[("Bootstrap", "")]), OWN).unwrap_err();
    assert_eq!(err.cause, Cause::TagMissing);
    assert!(err.to_string().contains("Bootstrap"), "{err}");

    let err = load(&flags(""), &[("ROLECALL_SOURCE", "s3://bucket/x")]).unwrap_err();
    assert_eq!(err.cause, Cause::SourceRefused);
}

#[test]
fn the_prefix_names_all_three_tags() {
    let flags = Flags { tag_prefix: Some("rolecall:".into()), ..Flags::default() };
    let settings = load(&flags, &[]).unwrap();
    let tags =
        tags(&[("Bootstrap", "s3://wrong/x"), ("rolecall:Bootstrap", "s3://right/x"), ("rolecall:Role", "web,db")]);
    let input = settings.with(&tags, OWN).unwrap();
    assert_eq!((input.source.bucket(), input.roles_text.as_str()), (Some("right"), "web:db"));
}

#[test]
fn a_tag_may_name_a_bucket_and_nothing_else() {
    let settings = load(&Flags::default(), &[]).unwrap();
    for source in ["https://host.example/x.sh", "file:///tmp/x.sh", "file:///tmp/"] {
        let err = settings.with(&tags(&[("Bootstrap", source)]), OWN).unwrap_err();
        assert_eq!(err.cause, Cause::SourceRefused, "{source}");
        assert!(err.message.contains("tag Bootstrap"), "{err}");
        assert!(load(&flags(source), &[]).unwrap().with(&BTreeMap::new(), OWN).is_ok(), "a flag may: {source}");
    }
}

#[test]
fn owners_never_come_from_a_tag_and_default_to_the_own_account() {
    let tags = tags(&[("Bootstrap", "s3://bucket/x"), ("BucketOwners", "999999999999")]);
    let own = load(&Flags::default(), &[]).unwrap();
    assert_eq!(own.with(&tags, OWN).unwrap().trust.owners, ["123456789012"]);
    assert_eq!(own.with(&tags, None).unwrap_err().cause, Cause::SourceRefused, "no identity document");

    let listed = load(&Flags::default(), &[("ROLECALL_BUCKET_OWNERS", "210987654321,123456789012")]).unwrap();
    assert_eq!(listed.with(&tags, OWN).unwrap().trust.owners, ["123456789012", "210987654321"]);
    assert_eq!(listed.with(&tags, None).unwrap().trust.owners, ["210987654321", "123456789012"]);

    for endpoint in [
        "https://s3.dualstack.eu-west-1.amazonaws.com",
        "https://s3-fips.us-gov-west-1.amazonaws.com",
        "https://bucket.vpce-0a1b.s3.eu-west-1.vpce.amazonaws.com:443",
        "https://s3.cn-north-1.amazonaws.com.cn/",
        "https://s3.eu-west-1.api.aws",
        "https://s3.dualstack.us-iso-east-1.api.aws.ic.gov",
        "https://s3.dualstack.us-isob-east-1.api.aws.scloud",
        "https://s3.dualstack.us-isof-south-1.api.aws.hci.ic.gov",
        "https://s3.dualstack.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
    ] {
        let aws = load(&Flags::default(), &[("AWS_ENDPOINT_URL", endpoint)]).unwrap();
        assert_eq!(aws.with(&tags, OWN).unwrap().trust.owners, ["123456789012"], "{endpoint}");
    }
}

#[test]
fn tag_without_checkable_owner_needs_a_way_out() {
    let tags = tags(&[("Bootstrap", "s3://bucket/x/")]);
    let key = ("ROLECALL_PUBLIC_KEY", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
    for store in
        ["http://127.0.0.1:9000", "https://amazonaws.com.example.org", "https://fakeamazonaws.com", "https://s3.ic.gov"]
    {
        let with = |more: &[(&str, &str)]| {
            let env: Vec<_> = [("AWS_ENDPOINT_URL_S3", store)].iter().chain(more).copied().collect();
            load(&Flags::default(), &env).unwrap().with(&tags, OWN)
        };
        let err = with(&[]).unwrap_err();
        assert_eq!(err.cause, Cause::SourceRefused, "{store}");
        assert!(err.message.starts_with("could not check the owner of s3://bucket/x/, which tag Bootstrap"), "{err}");
        for out in ["ROLECALL_BUCKET_OWNERS", "ROLECALL_PUBLIC_KEY", "--source", "ROLECALL_TRUST_TAGS=true"] {
            assert!(err.remedy().contains(out), "{err}");
        }
        assert!(with(&[("ROLECALL_TRUST_TAGS", "true")]).unwrap().trust.owners.is_empty());
        assert!(with(&[key]).unwrap().trust.owners.is_empty());
        assert!(with(&[("ROLECALL_SOURCE", "s3://bucket/x/")]).unwrap().trust.owners.is_empty());
        let owners = with(&[("ROLECALL_BUCKET_OWNERS", "210987654321")]).unwrap().trust.owners;
        assert_eq!(owners, ["123456789012", "210987654321"], "{store}");
    }
    let refused = load(&Flags::default(), &[("ROLECALL_TRUST_TAGS", "maybe")]).unwrap_err();
    assert!(refused.message.contains("ROLECALL_TRUST_TAGS") && refused.cause == Cause::Usage, "{refused}");
}

#[test]
fn with_a_key_a_tag_may_name_whatever_can_be_signed_but_no_file() {
    let key = ("ROLECALL_PUBLIC_KEY", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
    let settings = load(&Flags::default(), &[key]).unwrap();
    let input = |source: &str| settings.with(&tags(&[("Bootstrap", source), ("PublicKey", "none")]), OWN);
    for source in ["https://host.example/x.sh", "s3://anybodys/x.sh", "s3://anybodys/app/"] {
        let trust = input(source).unwrap().trust;
        assert_eq!((trust.keys, trust.owners), (vec![key.1.to_owned()], vec![OWN.unwrap().to_owned()]), "{source}");
    }
    for source in ["file:///tmp/x.sh", "file:///tmp/"] {
        let err = input(source).unwrap_err();
        assert!(err.cause == Cause::SourceRefused && err.message.contains("s3:// and https:// only"), "{err}");
    }
    let both = load(&Flags::default(), &[key, ("ROLECALL_BUCKET_OWNERS", "210987654321")]).unwrap();
    let owners = both.with(&tags(&[("Bootstrap", "s3://bucket/x")]), OWN).unwrap().trust.owners;
    assert_eq!(owners, ["123456789012", "210987654321"], "who names owners as well wants both");
}

#[test]
fn a_value_that_cannot_be_used_names_who_gave_it() {
    for (name, value, part) in [
        ("ROLECALL_DEADLINE", "soon", "ROLECALL_DEADLINE: \"soon\""),
        ("ROLECALL_BUCKET_OWNERS", "me", "ROLECALL_BUCKET_OWNERS: \"me\""),
        ("ROLECALL_PUBLIC_KEY", "minisign.pub", "ROLECALL_PUBLIC_KEY: a word of 12 characters"),
        ("ROLECALL_STATE_DIR", "state", "ROLECALL_STATE_DIR: "),
        ("ROLECALL_SOURCE", "nothing", "no scheme"),
        ("ROLECALL_ENVIRONMENT", "../etc", "../etc"),
    ] {
        let err = load(&Flags::default(), &[(name, value)]).expect_err(name);
        assert!(err.message.contains(part), "{err}");
        assert_eq!(err.exit() as u8, 2, "{name}");
    }
    let err = load(&Flags { deadline: Some("x".into()), ..Flags::default() }, &[]).unwrap_err();
    assert!(err.message.starts_with("--deadline: "), "{err}");
    let settings = load(&flags("s3://bucket/x"), &[]).unwrap();
    let err = settings.with(&tags(&[("Environment", "a/b")]), OWN).unwrap_err();
    assert!(err.message.starts_with("tag Environment: "), "{err}");
}

#[test]
fn tags_decide_unless_all_three_are_given() {
    let env = [("ROLECALL_SOURCE", "s3://bucket/x"), ("ROLECALL_ROLES", "web")];
    assert!(load(&Flags::default(), &env).unwrap().tags_decide());
    let all = Flags { environment: Some("prod".into()), ..Flags::default() };
    assert!(!load(&all, &env).unwrap().tags_decide());
}

#[test]
fn endpoints_in_the_clear_are_found() {
    let env: Env = [
        ("AWS_ENDPOINT_URL", "http://10.0.2.2:5000"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000"),
        ("AWS_ENDPOINT_URL_SSM", "http://[::1]:1"),
        ("AWS_ENDPOINT_URL_EC2", "https://ec2.example"),
        ("AWS_ENDPOINT_URL_ECR", "http://localhost:5"),
        ("AWS_ENDPOINT_URL_SQS", "http://store.example"),
    ]
    .into_iter()
    .collect();
    assert_eq!(env.plain_endpoints(), ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"]);
}
