//! Pulling: in parallel, with credentials, verified, and every way in which a registry fails.

use std::time::Duration;

use crate::support::{
    api::REGISTRY_PASSWORD,
    bed::{BUCKET, Bed, binary},
    dockerd::Engine,
    http::Fault,
    image::Image,
    registry::Registry,
    registry_debian::DebianRegistry,
};
use serde_json::json;

fn one(image: &str) -> String {
    format!("services:\n  web: {{ image: \"{image}\" }}\n")
}

#[test]
fn images_are_pulled_from_a_real_registry_and_not_again() {
    let bed = Bed::new();
    let registry = DebianRegistry::start();
    let web = registry.push("app/web", "1", &Image::web());
    let other =
        registry.push("app/other", "1", &Image::new(&json!({ "Cmd": ["sleep", "1000"], "Env": ["PATH=/bin"] })));
    bed.compose(
        "shop",
        &format!("services:\n  web: {{ image: \"{web}\" }}\n  other: {{ image: \"{other}\", init: true }}\n"),
    );
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["shop-other-1", "shop-web-1"]);
    bed.run().ready().says("nothing to do");
}

#[test]
fn a_digest_that_is_present_costs_no_call() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = Image::web();
    let tagged = registry.push("app/web", "1", &image);
    let pinned = format!("{}@{}", tagged.rsplit_once(':').unwrap().0, image.digest);
    bed.compose("shop", &one(&pinned));
    bed.run().ready();
    registry.server.forget();
    bed.run().ready();
    assert_eq!(registry.server.log().len(), 0, "{}", registry.server.told());
}

#[test]
fn an_image_that_does_not_exist_is_named() {
    let bed = Bed::new();
    let registry = Registry::start();
    let missing = format!("{}/app/missing:1", registry.server.addr);
    bed.compose("shop", &one(&missing));
    bed.fails(1, "image-not-found").says(&missing).within(Duration::from_secs(15));
    assert!(bed.engine().names().is_empty());
}

#[test]
fn a_registry_that_refuses_the_credentials_is_named() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = registry.push("app/web", "1", &Image::web());
    registry.require("user", "right");
    bed.compose("shop", &one(&image));
    let failed = bed.fails(1, "image-denied").says(&registry.server.addr.to_string());
    drop(failed.within(Duration::from_secs(15)));
    bed.aws.put(BUCKET, "deploy/dockercfg", registry.docker_config("user", "wrong-password"));
    let auth = format!("x-rolecall:\n  registries: [ {{ auth: \"s3://{BUCKET}/deploy/dockercfg\" }} ]\n");
    bed.compose("shop", &format!("{}{auth}", one(&image)));
    let failed = bed.fails(1, "image-denied");
    let all = format!("{}{}", failed.outcome.stdout, failed.outcome.stderr);
    assert!(!all.contains("wrong-password"), "{all}");
    bed.aws.put(BUCKET, "deploy/dockercfg", registry.docker_config("user", "right"));
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["shop-web-1"]);
}

#[test]
fn a_private_registry_of_the_account_needs_no_configuration() {
    let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let start = || Some(Engine::with_hosts(&["--insecure-registry", host], &[host]));
    let bed = Bed::with_engine(binary(), start);
    let registry = Registry::start_on("127.0.0.1:80");
    let image = Image::web();
    registry.push("app/web", "1", &image);
    registry.require("AWS", REGISTRY_PASSWORD);
    bed.compose("shop", &one(&format!("{host}/app/web:1")));
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["shop-web-1"]);
    let files = bed.agent.files();
    assert!(!files.values().any(|f| String::from_utf8_lossy(f).contains(REGISTRY_PASSWORD)), "the token was stored");
    bed.engine().post("/containers/shop-web-1/stop?t=0", &json!(null));
    bed.aws.api(|api| _ = api.denied.insert("ecr:GetAuthorizationToken"));
    bed.compose("shop", &one(&format!("{host}/app/web:2")));
    bed.agent.env("ROLECALL_DEADLINE", "8s").run(&["run"]).fails(4, "cloud-denied").needs("ecr:GetAuthorizationToken");
}

#[test]
fn image_of_another_architecture_is_found_before_its_pull() {
    let bed = Bed::new();
    let (registry, other) = (Registry::start(), Image::for_architecture("s390x"));
    let image = registry.push("app/web", "1", &other);
    let list = Image::list(&[("linux", "s390x", &other), ("linux", "ppc64le", &Image::for_architecture("ppc64le"))]);
    let listed = registry.push("app/listed", "1", &list);
    let own = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };
    for (image, exists) in [(&image, "linux/s390x"), (&listed, "linux/s390x, linux/ppc64le")] {
        bed.compose("shop", &one(image));
        let why = format!("image {image} does not exist for {own}, only for {exists}");
        bed.rolecall(&["plan"]).ready().prints(&format!("would fail: {why}"));
        bed.fails(1, "image-not-found").says(&why);
    }
    assert_eq!(registry.server.asked(other.layer()), 0, "{}", registry.server.told());
    assert!(bed.engine().names().is_empty());
}

#[test]
fn registry_that_does_not_tell_platforms_is_asked_for_the_image() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = registry.push("app/web", "1", &Image::web());
    registry.server.fault(Fault::status("/manifests/", 503).times(2));
    bed.compose("shop", &one(&image));
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["shop-web-1"]);
}
