//! Registries that fail while the images that a host needs are on its disk, logins of the host, and mirrors.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    bed::{BUCKET, Bed},
    http::{Fault, Kind},
    image::Image,
    registry::{Registry, error},
};

fn one(image: &str, more: &str) -> String {
    format!("services: {{ web: {{ image: \"{image}\", stop_grace_period: 1s{more} }} }}\n")
}

fn running(bed: &Bed, name: &str) -> Value {
    bed.engine().inspect(name)["State"]["Running"].clone()
}

#[test]
fn present_image_is_used_if_it_cannot_be_refreshed() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = registry.push("app/web", "1", &Image::web());
    let busy = error(429, "TOOMANYREQUESTS", "too many requests").with("retry-after", 100);
    let faults = [
        ("unauthorised", registry.unauthorised()),
        ("throttled", busy),
        ("missing", error(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        ("down", error(503, "UNAVAILABLE", "try later")),
    ];
    for policy in ["always", "every_1s"] {
        bed.compose("shop", &one(&image, &format!(", pull_policy: {policy}")));
        bed.run().ready();
        for (name, answer) in &faults {
            if policy != "always" && *name != "down" {
                continue;
            }
            bed.rolecall(&["stop", "--all"]).ready();
            registry.server.fault(Fault::on("/v2/", Kind::Answer(answer.clone())));
            let told = format!("image {image} could not be refreshed, and is used as it is");
            bed.run().ready().says(&told);
            assert_eq!(running(&bed, "shop-web-1"), true, "{name}");
            let status = bed.agent.status();
            assert!(status["warnings"].to_string().contains(&told), "{name}: {status}");
            registry.server.heal();
        }
    }
    bed.run().ready();
    assert!(!bed.agent.status()["warnings"].to_string().contains("could not be refreshed"));
}

#[test]
fn old_container_is_started_again_if_its_successor_has_no_image() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = registry.push("app/web", "1", &Image::web());
    let pulled = |tag: &str| {
        format!(
            "services: {{ web: {{ image: \"{}\" }}, db: {{ image: \"rolecall-test/web:1\" }} }}\n",
            image.replace("/web:1", &format!("/web:{tag}"))
        )
    };
    bed.compose("shop", &pulled("1"));
    bed.run().ready();
    let old = bed.engine().inspect("shop-web-1")["Id"].clone();
    bed.compose("shop", &pulled("2"));
    let up = |when: &str| {
        assert_eq!(bed.engine().inspect("shop-web-1")["Id"], old, "{when}");
        for name in ["shop-web-1", "shop-db-1"] {
            assert_eq!(running(&bed, name), true, "{name} {when}");
        }
    };
    bed.rolecall(&["stop", "--all"]).ready();
    bed.fails(1, "image-not-found").names("/web:2").says("containers again that ran before");
    up("after a stop of ours");
    bed.engine().restart(Signal::TERM);
    assert_eq!(running(&bed, "shop-web-1"), false);
    bed.fails(1, "image-not-found");
    up("after a restart of the engine");
    // What the source has by now is launched, with nothing left over.
    registry.push("app/web", "2", &Image::web());
    bed.run().ready();
    assert_ne!(bed.engine().inspect("shop-web-1")["Id"], old);
    bed.run().ready().says("nothing to do");
}

#[test]
fn old_container_serves_while_a_new_image_is_slow() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = registry.push("app/web", "1", &Image::web());
    bed.compose("shop", &one(&image, ""));
    bed.run().ready();
    let newer = registry.push("app/web", "2", &Image::web());
    // The first is the question for platforms, which is given up.
    registry.server.fault(Fault::on("/web/manifests/2", Kind::Delay(Duration::from_secs(27))).times(2));
    bed.compose("shop", &one(&newer, ", environment: { WORD: two }"));
    bed.rolecall(&["stop", "--all"]).ready();
    bed.run().ready().says("containers again that ran before").says("replacing shop-web-1");
    bed.run().ready().says("nothing to do");
}

#[test]
fn login_of_root_on_the_host_is_used() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = registry.push("app/web", "1", &Image::web());
    registry.require("user", "right-password");
    bed.compose("shop", &one(&image, ""));
    drop(bed.fails(1, "image-denied"));
    let home = bed.path("home/.docker");
    std::fs::create_dir_all(&home).unwrap();
    let store = home.join("config.json");
    std::fs::write(&store, registry.docker_config("user", "right-password")).unwrap();
    let run = bed.run().ready();
    assert!(!run.stderr.contains("right-password"), "{}", run.told());
    // As with a credential helper, which a folder in PATH has.
    bed.rolecall(&["down", "--all"]).ready();
    let image = registry.push("app/other", "1", &Image::web());
    bed.compose("shop", &one(&image, ""));
    let entries = format!(r#"{{ "auths": {{ "{0}": {{}} }}, "credsStore": "test" }}"#, registry.server.addr);
    std::fs::write(&store, entries).unwrap();
    bed.fails(1, "image-denied").says("docker-credential-test").says("it is not installed");
    let helper = bed.path("bin/docker-credential-test");
    std::fs::create_dir_all(helper.parent().unwrap()).unwrap();
    let script =
        "#!/bin/sh\nread -r r; echo '{\"ServerURL\":\"\",\"Username\":\"user\",\"Secret\":\"right-password\"}'\n";
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", helper.parent().unwrap().display());
    let run = bed.agent.env("PATH", path).run(&["run"]).ready();
    assert!(!run.stderr.contains("right-password"), "{}", run.told());
}

#[test]
fn images_are_pulled_through_a_mirror_under_their_own_names() {
    let bed = Bed::new();
    let (registry, content) = (Registry::start(), Image::web());
    registry.push("docker-hub/library/web", "1", &content);
    registry.require("user", "right");
    let pinned = format!("pinned@{}", content.digest);
    registry.push("docker-hub/library/pinned", "1", &content);
    bed.aws.put(BUCKET, "deploy/dockercfg", registry.docker_config("user", "right"));
    let (mirror, grace) = (format!("{}/docker-hub", registry.server.addr), "stop_grace_period: 1s");
    let compose = format!(
        "services:\n  web: {{ image: 'web:1', {grace} }}\n  pinned: {{ image: '{pinned}', {grace} }}\nx-rolecall:\n  registries:\n    - {{ \
         auth: 's3://{BUCKET}/deploy/dockercfg' }}\n    - {{ from: docker.io, to: '{mirror}' }}\n"
    );
    bed.compose("shop", &compose);
    bed.run().ready().says(&format!("pulling {mirror}/library/web:1"));
    assert_eq!(bed.engine().inspect("shop-web-1")["Config"]["Image"], "web:1");
    assert_eq!(running(&bed, "shop-pinned-1"), true);
    bed.run().ready().says("nothing to do");
}
