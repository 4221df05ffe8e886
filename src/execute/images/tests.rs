use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    error::Class,
    execute::testing::{MemoryEngine, StillClock, engine},
    redact::Secret,
    testing::{self, Bucket, Metadata, Played},
    world::{CloudApi, LifecycleCall},
};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A cloud that knows who asks.
struct Cloud;

#[async_trait::async_trait(?Send)]
impl CloudApi for Cloud {
    async fn tags(&self, _: &str, _: &str) -> Result<BTreeMap<String, String>> {
        unreachable!()
    }

    async fn parameter(&self, _: &str, _: &str) -> Result<Secret<String>> {
        unreachable!()
    }

    async fn secret(&self, _: &str, _: &str, _: Option<&str>) -> Result<Secret<String>> {
        unreachable!()
    }

    async fn registry_login(&self, region: &str, account: &str) -> Result<RegistryLogin> {
        Ok(RegistryLogin { user: format!("AWS-{account}-{region}"), password: Secret::new("token".into()) })
    }

    async fn lifecycle(&self, _: &str, _: &LifecycleCall) -> Result<bool> {
        unreachable!()
    }
}

fn images(engine: &Rc<MemoryEngine>) -> Images {
    let clock = Rc::new(StillClock::default());
    let rest = testing::world(&Played::new(), Metadata::new(&[]), Rc::new(Cloud), &Bucket::new(&[]));
    let world = World { clock: clock.clone(), engine: engine.clone(), ..rest };
    let mut credentials = Credentials::default();
    credentials.add(r#"{"auths":{"r.io":{"username":"me","password":"pw"}}}"#, "test").unwrap();
    let retry = Retry::new(clock, Some(Duration::from_secs(600)));
    Images::new(world, retry, Rc::new(credentials), &json!({ "Architecture": "x86_64" }))
}

fn need(image: &str, policy: PullPolicy) -> ImageNeed {
    ImageNeed { image: image.to_owned(), platform: None, policy, services: vec!["web".to_owned()] }
}

fn image(architecture: &str) -> Value {
    json!({ "Id": "sha256:1", "Os": "linux", "Architecture": architecture, "Size": 5_000_000, "RepoDigests": [format!("r.io/a@{DIGEST}")] })
}

#[allow(clippy::unnecessary_wraps)] // as items of a stream come
fn status(text: &str) -> Result<PullProgress> {
    Ok(PullProgress { status: text.to_owned(), ..PullProgress::default() })
}

fn whole(name: &str) -> (Vec<Result<PullProgress>>, Option<(String, Value)>) {
    (vec![status("Pulling"), status("Status: Downloaded newer image")], Some((name.to_owned(), image("amd64"))))
}

fn pulls(engine: &MemoryEngine) -> Vec<String> {
    engine.log.borrow().clone()
}

#[tokio::test]
async fn the_policy_decides_whether_the_registry_is_asked() {
    let ago = |hours: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours)).to_string();
    let day = PullPolicy::Every(Duration::from_secs(24 * 3600));
    let table = [
        ("r.io/a:1", None, PullPolicy::Missing, Some(true)),
        ("r.io/a:1", None, PullPolicy::Never, None),
        ("r.io/a:1", Some(ago(1)), PullPolicy::Missing, Some(false)),
        ("r.io/a:1", Some(ago(1)), PullPolicy::Never, Some(false)),
        ("r.io/a:1", Some(ago(1)), PullPolicy::Always, Some(true)),
        ("r.io/a:1", Some(ago(1)), day, Some(false)),
        ("r.io/a:1", Some(ago(25)), day, Some(true)),
        ("r.io/a:1", Some("0001-01-01T00:00:00Z".to_owned()), day, Some(true)),
    ];
    for (name, tagged, policy, wanted) in table {
        let engine = engine();
        if let Some(tagged) = &tagged {
            let mut there = image("amd64");
            there["Metadata"] = json!({ "LastTagTime": tagged });
            engine.images.borrow_mut().insert(name.to_owned(), there);
        }
        let asked = images(&engine).must_pull(&need(name, policy)).await;
        assert_eq!(asked.ok(), wanted, "{name} {tagged:?} {policy:?}");
    }
}

#[tokio::test]
async fn a_digest_that_is_present_costs_no_call() {
    let engine = engine();
    let name = format!("r.io/a:1@{DIGEST}");
    engine.images.borrow_mut().insert(name.clone(), image("amd64"));
    images(&engine).ensure(&need(&name, PullPolicy::Always)).await.unwrap();
    assert!(pulls(&engine).is_empty());
}

#[tokio::test]
async fn credentials_are_those_of_the_registry() {
    for (name, user) in [
        ("r.io/a:1", "me"),
        ("ghcr.io/a:1", "nobody"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:1", "AWS-123456789012-eu-west-1"),
    ] {
        let engine = engine();
        engine.pulls.borrow_mut().push(whole(name));
        images(&engine).ensure(&need(name, PullPolicy::Missing)).await.unwrap();
        assert_eq!(pulls(&engine), [format!("pull {name} as {user}")]);
    }
}

#[tokio::test]
async fn a_pull_that_stalls_or_breaks_off_is_tried_again() {
    let engine = engine();
    let name = "r.io/a:1";
    let cut = (vec![status("Pulling"), Err(Error::new(Cause::ImagePull, "reset").transient())], None);
    let limited = (vec![Err(Error::new(Cause::ImagePull, "429").class(Class::Throttled))], None);
    let silent = (vec![status("Pulling")], None);
    // Ends without the engine's last word, although the image of before is there.
    let short = (vec![status("Downloading")], Some((name.to_owned(), image("amd64"))));
    *engine.pulls.borrow_mut() = vec![cut, limited, silent, short, whole(name)];
    let image = images(&engine).ensure(&need(name, PullPolicy::Missing)).await.unwrap();
    assert_eq!(image.identity.id, "sha256:1");
    assert_eq!(pulls(&engine).len(), 5);
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    let engine = engine();
    let refused = (vec![Err(Error::new(Cause::ImageDenied, "no"))], None);
    *engine.pulls.borrow_mut() = vec![refused];
    let err = images(&engine).ensure(&need("r.io/a:1", PullPolicy::Missing)).await.unwrap_err();
    assert_eq!(err.cause, Cause::ImageDenied);
    assert_eq!(pulls(&engine).len(), 1);
}

#[tokio::test]
async fn what_came_is_looked_at() {
    let engine = engine();
    let wrong = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    let name = format!("r.io/a@{wrong}");
    engine.pulls.borrow_mut().push(whole(&name));
    let err = images(&engine).ensure(&need(&name, PullPolicy::Missing)).await.unwrap_err();
    assert_eq!(err.cause, Cause::ChecksumMismatch);

    let (messages, _) = whole("");
    engine.pulls.borrow_mut().push((messages, Some(("r.io/b:1".to_owned(), image("arm64")))));
    let err = images(&engine).ensure(&need("r.io/b:1", PullPolicy::Missing)).await.unwrap_err();
    assert!(err.message.contains("linux/arm64") && err.message.contains("amd64"), "{err}");
}

#[tokio::test]
async fn a_platform_that_is_asked_for_decides() {
    let engine = engine();
    engine.images.borrow_mut().insert("r.io/a:1".to_owned(), image("arm64"));
    let images = images(&engine);
    let asked =
        |platform: &str| ImageNeed { platform: Some(platform.to_owned()), ..need("r.io/a:1", PullPolicy::Missing) };
    for (platform, pull) in
        [("linux/arm64", false), ("linux/arm64/v8", false), ("arm64", false), ("linux/amd64", true), ("linux", false)]
    {
        assert_eq!(images.must_pull(&asked(platform)).await.unwrap(), pull, "{platform}");
    }
}

#[tokio::test]
async fn several_images_are_brought_and_each_once() {
    let engine = engine();
    *engine.pulls.borrow_mut() = vec![whole("r.io/a:1"), whole("r.io/b:1")];
    let text = "services: { a: { image: 'r.io/a:1' }, b: { image: 'r.io/b:1', pull_policy: always }, c: { image: 'r.io/a:1', pull_policy: daily } }";
    let project = crate::execute::testing::project(text);
    let desired =
        crate::plan::containers::desired(&project, &BTreeMap::new(), &crate::execute::testing::options((1, 41)));
    let needs = crate::plan::images::needs(&desired.unwrap());
    let policies: Vec<_> = needs.iter().map(|n| (n.policy, n.services.join(","))).collect();
    assert_eq!(policies[0], (PullPolicy::Every(Duration::from_secs(24 * 3600)), "a,c".to_owned()));
    assert_eq!(policies[1], (PullPolicy::Always, "b".to_owned()));
    for need in &needs {
        images(&engine).ensure(need).await.unwrap();
    }
    assert!(engine.pulls.borrow().is_empty());
}

#[tokio::test]
async fn image_for_other_platforms_only_is_not_pulled() {
    let list = |all: &[(&str, &str)]| {
        let all: Vec<Value> = all.iter().map(|(os, of)| json!({ "os": os, "architecture": of })).collect();
        json!({ "Descriptor": {}, "Platforms": all })
    };
    let arm = [("linux", "arm64"), ("linux", "arm"), ("unknown", "unknown")];
    for (platforms, asked, refused) in [
        (&arm[..], None, Some("linux/amd64, only for linux/arm64, linux/arm")),
        (&arm[..], Some("linux/arm64"), None),
        (&arm[..], Some("linux/s390x"), Some("linux/s390x, only for linux/arm64, linux/arm")),
        (&[("windows", "amd64")][..], None, Some("linux/amd64, only for windows/amd64")),
        (&[("linux", "arm64"), ("linux", "amd64")][..], None, None),
        (&[("unknown", "unknown")][..], None, None),
        (&[][..], None, None),
    ] {
        let engine = engine();
        engine.platforms.borrow_mut().insert("r.io/a:1".to_owned(), list(platforms));
        let need = ImageNeed { platform: asked.map(str::to_owned), ..need("r.io/a:1", PullPolicy::Missing) };
        let found = images(&engine).offered(&need).await.err();
        let wanted = refused.map(|list| format!("image r.io/a:1 does not exist for {list}"));
        assert_eq!(found.as_ref().map(|err| err.message.clone()), wanted, "{platforms:?} {asked:?}");
        if let Some(err) = found {
            assert_eq!((err.cause, err.class), (Cause::ImageNotFound, Class::Permanent));
            assert!(images(&engine).ensure(&need).await.is_err() && pulls(&engine).is_empty());
        }
    }
}

#[tokio::test]
async fn docker_hub_is_not_asked_for_platforms_without_login() {
    let engine = engine();
    let arm = json!({ "Platforms": [{ "os": "linux", "architecture": "arm64" }] });
    engine.platforms.borrow_mut().insert("nginx:1".to_owned(), arm);
    engine.pulls.borrow_mut().push(whole("nginx:1"));
    let need = need("nginx:1", PullPolicy::Missing);
    images(&engine).ensure(&need).await.unwrap();
    assert!(images(&engine).offered(&need).await.is_err(), "plan asks");
}
