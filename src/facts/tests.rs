use std::rc::Rc;

use super::*;
use crate::{
    settings::{Env, Flags},
    testing::{Bucket, Ec2, Metadata, Played, world},
};

const DOCUMENT: &str = r#"{"accountId":"123456789012","architecture":"x86_64","availabilityZone":"eu-west-1b",
    "imageId":"ami-1","instanceId":"i-0abc","instanceType":"t3.small","privateIp":"10.0.0.5","region":"eu-west-1"}"#;
const IDENTITY: [(&str, &str); 4] = [
    ("dynamic/instance-identity/document", DOCUMENT),
    (
        "meta-data/iam/info",
        r#"{"Code":"Success","InstanceProfileArn":"arn:aws:iam::123456789012:instance-profile/p/web"}"#,
    ),
    ("meta-data/iam/security-credentials/", "web-role"),
    ("meta-data/local-hostname", "ip-10-0-0-5.internal\n"),
];

fn settings(flags: &Flags) -> Settings {
    let env: Env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://imds.test")].into_iter().collect();
    Settings::load(flags, env).unwrap()
}

fn source(source: &str) -> Settings {
    settings(&Flags { source: Some(source.into()), ..Flags::default() })
}

struct Stage {
    clock: Rc<Played>,
    imds: Rc<Metadata>,
    ec2: Rc<Ec2>,
    world: World,
}

fn stage(tags: &[(&str, &str)], answers: Vec<Result<BTreeMap<String, String>>>) -> Stage {
    let imds = Metadata::new(&IDENTITY);
    for (key, value) in tags {
        set_tag(&imds, key, value);
    }
    let (clock, ec2) = (Played::new(), Ec2::new(answers));
    let world = world(&clock, imds.clone(), ec2.clone(), &Bucket::new(&[]));
    Stage { clock, imds, ec2, world }
}

fn set_tag(imds: &Metadata, key: &str, value: &str) {
    let mut items = imds.items.borrow_mut();
    let list = items.entry("meta-data/tags/instance".to_owned()).or_default();
    *list = format!("{list}\n{key}").trim().to_owned();
    items.insert(format!("meta-data/tags/instance/{key}"), value.to_owned());
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn denied() -> Error {
    Error::new(Cause::CloudDenied, "HTTP 403 UnauthorizedOperation").class(Class::Denied).need("ec2:DescribeTags on *")
}

fn throttled() -> Error {
    Error::new(Cause::CloudUnreachable, "HTTP 503 RequestLimitExceeded").class(Class::Throttled)
}

#[tokio::test]
async fn the_facts_of_an_instance_and_its_tags() {
    let stage = stage(&[("Name", "web-1"), ("Bootstrap", "s3://bucket/app/"), ("Role", "web")], vec![]);
    let facts = gather(&stage.world, &stage.clock.retry(60), &settings(&Flags::default())).await.unwrap();
    assert_eq!(facts.instance_id, "i-0abc");
    assert_eq!((facts.region.as_str(), facts.availability_zone.as_deref()), ("eu-west-1", Some("eu-west-1b")));
    assert_eq!(facts.hostname, "ip-10-0-0-5.internal");
    assert_eq!(facts.role_arn.as_deref(), Some("arn:aws:iam::123456789012:role/web-role"));
    assert_eq!((facts.tags.len(), facts.tags_origin), (3, TagsOrigin::Metadata));
    let input = settings(&Flags::default()).with_tags(&facts).unwrap();
    assert_eq!((input.roles_text.as_str(), input.trust.owners.as_slice()), ("web", &["123456789012".to_owned()][..]));
}

#[tokio::test]
async fn without_an_identity_document_the_items_are_asked_one_by_one() {
    let stage = stage(&[("Bootstrap", "s3://bucket/x")], vec![]);
    {
        let mut items = stage.imds.items.borrow_mut();
        items.remove("dynamic/instance-identity/document");
        items.insert("meta-data/instance-id".into(), "i-0abc".into());
        items.insert("meta-data/placement/availability-zone".into(), "eu-west-1c".into());
    }
    let facts = gather(&stage.world, &stage.clock.retry(60), &settings(&Flags::default())).await.unwrap();
    assert_eq!((facts.region.as_str(), facts.account_id), ("eu-west-1", None));

    stage.imds.items.borrow_mut().remove("meta-data/instance-id");
    let err = gather(&stage.world, &stage.clock.retry(60), &settings(&Flags::default())).await.unwrap_err();
    assert!(err.cause == Cause::ImdsRefused && err.message.contains(imds::SCHEMA), "{err}");
}

#[tokio::test]
async fn off_ec2_the_absence_of_metadata_is_an_error_within_ten_seconds() {
    let stage = stage(&[], vec![]);
    let late = || Error::new(Cause::ImdsUnreachable, "connection refused").transient();
    stage.imds.fail.borrow_mut().extend(std::iter::repeat_with(late).take(1000));
    let settings = Settings::load(&Flags::default(), Env::default()).unwrap();
    let err = identity(&stage.world, &stage.clock.retry(1800), &settings, false).await.unwrap_err();
    assert!(crate::world::Clock::now(&*stage.clock) <= Duration::from_secs(10));
    assert_eq!(err.cause, Cause::ImdsUnreachable);
    assert!(
        err.to_string().contains("on EC2") && err.to_string().contains("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        "{err}"
    );

    // On EC2 late metadata is waited for.
    let stage = self::stage(&[], vec![]);
    stage.imds.fail.borrow_mut().extend(std::iter::repeat_with(late).take(60));
    assert!(identity(&stage.world, &stage.clock.retry(1800), &settings, true).await.is_ok());
    assert!(crate::world::Clock::now(&*stage.clock) > Duration::from_secs(20));
}

#[tokio::test]
async fn a_key_that_is_listed_but_absent_is_skipped_and_odd_keys_are_encoded() {
    let stage = stage(&[("Bootstrap", "s3://bucket/x"), ("a b/c", "lost")], vec![]);
    stage.imds.items.borrow_mut().insert("meta-data/tags/instance/a%20b%2Fc".into(), "found".into());
    set_tag(&stage.imds, "gone", "");
    stage.imds.items.borrow_mut().remove("meta-data/tags/instance/gone");
    let facts = gather(&stage.world, &stage.clock.retry(60), &settings(&Flags::default())).await.unwrap();
    assert_eq!(facts.tags, tags(&[("Bootstrap", "s3://bucket/x"), ("a b/c", "found")]));
}

#[tokio::test]
async fn where_metadata_has_no_tags_the_api_is_asked() {
    for list in [None, Some("")] {
        let stage = stage(&[], vec![Ok(tags(&[("Bootstrap", "s3://bucket/x")]))]);
        if let Some(list) = list {
            stage.imds.items.borrow_mut().insert("meta-data/tags/instance".into(), list.into());
        }
        let facts = gather(&stage.world, &stage.clock.retry(60), &settings(&Flags::default())).await.unwrap();
        assert_eq!(facts.tags_origin, TagsOrigin::Api);
    }
}

#[tokio::test]
async fn the_source_tag_is_waited_for_and_then_all_tags_are_read_again() {
    let late = tags(&[("Name", "x")]);
    let there = tags(&[("Name", "x"), ("Bootstrap", "s3://bucket/x"), ("Role", "web")]);
    let stage = stage(&[], vec![Ok(late.clone()), Ok(late), Err(throttled()), Ok(there.clone())]);
    let facts = gather(&stage.world, &stage.clock.retry(1800), &settings(&Flags::default())).await.unwrap();
    assert_eq!((facts.tags, stage.ec2.1.get()), (there, 4));
}

#[tokio::test]
async fn nothing_is_waited_for_when_the_source_is_known() {
    let stage = stage(&[("Name", "x")], vec![]);
    let facts = gather(&stage.world, &stage.clock.retry(1800), &source("s3://bucket/x")).await.unwrap();
    assert_eq!(facts.tags, tags(&[("Name", "x")]));
    assert_eq!(crate::world::Clock::now(&*stage.clock), Duration::ZERO);
}

#[tokio::test]
async fn the_four_ways_of_having_no_tag_are_told_apart() {
    let rows: [(&str, Vec<(&str, &str)>, Result<BTreeMap<String, String>>, Cause, &[&str]); 5] = [
        (
            "off and denied",
            vec![],
            Err(denied()),
            Cause::TagsDenied,
            &["ec2:DescribeTags", "role/web-role", "metadata shows no tags", "instance-metadata-tags enabled"],
        ),
        (
            "absent",
            vec![("Name", "x"), ("bootstrap", "y")],
            Ok(BTreeMap::new()),
            Cause::TagMissing,
            &["tag Bootstrap is not set on i-0abc", "Name, bootstrap", "did you mean bootstrap?", "instance metadata"],
        ),
        ("empty", vec![("Bootstrap", " ")], Ok(BTreeMap::new()), Cause::TagMissing, &["tag Bootstrap is empty"]),
        ("none at all", vec![], Ok(BTreeMap::new()), Cause::TagMissing, &["no tags at all", "EC2 API"]),
        ("throttled", vec![], Err(throttled()), Cause::TagsThrottled, &["throttled", "RequestLimitExceeded"]),
    ];
    for (name, listed, answer, cause, parts) in rows {
        let stage = stage(&listed, vec![answer]);
        let err = gather(&stage.world, &stage.clock.retry(120), &settings(&Flags::default())).await.expect_err(name);
        assert_eq!(err.cause, cause, "{name}: {err}");
        for part in parts {
            assert!(err.to_string().contains(part), "{name}: {part}: {err}");
        }
        assert_eq!(err.exit() as u8, 4);
    }
}

#[tokio::test]
async fn a_refused_or_throttled_call_is_never_read_as_no_role() {
    for answer in [denied(), throttled()] {
        let stage = stage(&[], vec![Err(answer.clone())]);
        assert!(gather(&stage.world, &stage.clock.retry(60), &source("s3://bucket/x")).await.is_err());

        let all = Flags {
            source: Some("s3://bucket/x".into()),
            roles: Some("web".into()),
            environment: Some("prod".into()),
            ..Flags::default()
        };
        let facts = gather(&stage.world, &stage.clock.retry(60), &settings(&all)).await.unwrap();
        assert_eq!(facts.tags_origin, TagsOrigin::Unread, "nothing depends on them");
    }
}

#[tokio::test]
async fn errors_of_the_cloud_learn_whose_permission_is_missing_and_what_is_only_late() {
    let stage = stage(&[("Bootstrap", "s3://bucket/x")], vec![]);
    let mut facts = gather(&stage.world, &stage.clock.retry(60), &settings(&Flags::default())).await.unwrap();
    assert!(facts.explain(denied()).message.contains("asked as arn:aws:iam::123456789012:role/web-role"));
    let missing = Error::new(Cause::CredentialsMissing, "no credentials");
    assert_eq!(facts.explain(missing.clone()).class, Class::Transient);
    facts.instance_profile_arn = None;
    let last = facts.explain(missing);
    assert_eq!(last.class, Class::Permanent);
    assert!(last.to_string().contains("attach one"), "{last}");
}
