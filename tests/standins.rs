//! The stand-ins themselves: a stand-in that is kinder than the real thing proves nothing.

use std::time::Duration;

use crate::support::{
    client::{To, request, served},
    dockerd::{Engine, WEB},
    http::{Fault, Kind},
    image::Image,
    imds::{Imds, Mode},
    moto::Moto,
    net::{Net, free_port},
    registry::Registry,
    registry_debian::DebianRegistry,
};
use serde_json::json;

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";

fn imds(imds: &Imds, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = request(&To::Tcp(imds.server.addr.to_string()), method, path, headers, "").unwrap();
    (answer.status, answer.text())
}

#[test]
fn metadata_is_only_told_to_who_has_a_token() {
    let service = Imds::start();
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| imds(&service, method, path, headers);
    assert_eq!(ask("GET", "/latest/meta-data/instance-id", &[]).0, 401);
    assert_eq!(ask("GET", "/latest/meta-data/instance-id", &[(TOKEN, "guessed")]).0, 401);
    assert_eq!(ask("GET", "/latest/api/token", &[]).0, 405);
    assert_eq!(ask("PUT", "/2021-07-15/api/token", &[(TTL, "60")]).0, 405);
    for ttl in ["0", "21601", "-1", "soon"] {
        assert_eq!(ask("PUT", "/latest/api/token", &[(TTL, ttl)]).0, 400, "{ttl}");
    }
    assert_eq!(ask("PUT", "/latest/api/token", &[]).0, 400);
    assert_eq!(ask("PUT", "/latest/api/token", &[(TTL, "60"), ("X-Forwarded-For", "10.0.0.1")]).0, 403);
    let (status, token) = ask("PUT", "/latest/api/token", &[(TTL, "60")]);
    assert_eq!(status, 200);
    assert_eq!(ask("GET", "/latest/meta-data/instance-id", &[(TOKEN, &token)]), (200, "i-0abcdef1234567890".into()));
    assert_eq!(ask("GET", "/2021-07-15/meta-data/placement/region", &[(TOKEN, &token)]).1, "eu-west-1");
    assert_eq!(ask("GET", "/2033-01-01/meta-data/placement/region", &[(TOKEN, &token)]).0, 404);
    assert_eq!(ask("GET", "/latest/meta-data/spot/instance-action", &[(TOKEN, &token)]).0, 404);
    service.set(|i| i.revoke_tokens = true);
    assert_eq!(ask("GET", "/latest/meta-data/instance-id", &[(TOKEN, &token)]).0, 401);
}

#[test]
fn tags_are_told_from_a_schema_that_has_them_and_only_when_switched_on() {
    let service = Imds::start();
    service.tag("Role", "web");
    let (_, token) = imds(&service, "PUT", "/latest/api/token", &[(TTL, "60")]);
    let ask = |path: &str| imds(&service, "GET", path, &[(TOKEN, &token)]);
    assert_eq!(ask("/2021-07-15/meta-data/tags/instance/Role"), (200, "web".into()));
    assert_eq!(ask("/2021-07-15/meta-data/tags/instance/"), (200, "Role".into()));
    assert_eq!(ask("/2021-01-03/meta-data/tags/instance/Role").0, 404);
    service.set(|i| i.tags_in_metadata = false);
    assert_eq!(ask("/2021-07-15/meta-data/tags/instance/").0, 404);
    service.set(|i| i.mode = Mode::Disabled);
    assert_eq!(ask("/2021-07-15/meta-data/instance-id").0, 403);
}

#[test]
fn faults_hit_what_they_name_as_often_as_they_say() {
    let service = Imds::start();
    let (_, token) = imds(&service, "PUT", "/latest/api/token", &[(TTL, "60")]);
    let ask =
        || request(&To::Tcp(service.server.addr.to_string()), "GET", "/latest/meta-data/mac", &[(TOKEN, &token)], "");
    service.server.fault(Fault::status("meta-data/mac", 503).after(1).times(2));
    let seen: Vec<u16> = (0..4).map(|_| ask().unwrap().status).collect();
    assert_eq!(seen, [200, 503, 503, 200]);
    service.server.fault(Fault::on("mac", Kind::Drop).times(1));
    assert!(ask().is_err());
    service.server.fault(Fault::on("mac", Kind::Cut(5)).times(1));
    assert!(ask().is_err());
    assert_eq!(ask().unwrap().text(), "02:29:96:8f:6a:2d");
    assert_eq!(service.server.asked("GET /latest/meta-data/mac"), 7);
}

#[test]
fn the_engine_is_real_and_gone_afterwards() {
    let _net = Net::enter();
    let engine = Engine::start();
    let port = free_port();
    let body = json!({ "Image": WEB, "StopTimeout": 1, "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": port.to_string() }] } },
        "ExposedPorts": { "80/tcp": {} } });
    engine.post("/containers/create?name=web", &body);
    engine.post("/containers/web/start", &json!(null));
    assert_eq!(served(port, "/").text(), "hello\n");
    assert_eq!(engine.names(), ["web"]);
    let dir = engine.dir.clone();
    engine.crash();
    assert_eq!(engine.inspect("web")["State"]["Running"], false);
    drop(engine);
    assert!(!dir.exists());
}

#[test]
fn the_engine_pulls_from_both_registries() {
    let _net = Net::enter();
    let engine = Engine::bare(&[]);
    let ours = Registry::start();
    let debian = DebianRegistry::start();
    let image = Image::web();
    for reference in [ours.push("app/web", "1", &image), debian.push("app/web", "1", &image)] {
        let (repo, tag) = reference.rsplit_once(':').unwrap();
        let pulled = engine.ask("POST", &format!("/images/create?fromImage={repo}&tag={tag}"), "").unwrap();
        assert!(!pulled.text().contains("error"), "{}", pulled.text());
        let found = engine.get(&format!("/images/{reference}/json"));
        let digests = found["RepoDigests"].as_array().unwrap();
        assert!(digests.contains(&json!(format!("{repo}@{}", image.digest))), "{found}");
    }
    ours.require("user", "secret");
    ours.server.fault(Fault::on("/v2/other", Kind::Delay(Duration::ZERO)));
    let reference = ours.push("app/other", "1", &image);
    let (repo, tag) = reference.rsplit_once(':').unwrap();
    let refused = engine.ask("POST", &format!("/images/create?fromImage={repo}&tag={tag}"), "").unwrap();
    assert_eq!(refused.status, 500, "{}", refused.text());
}

#[test]
fn moto_knows_what_it_was_told() {
    let _net = Net::enter();
    let moto = Moto::start();
    moto.put("bucket", "a/b.txt", "hello");
    let id = moto.instance(&[("Role", "web")]);
    assert!(id.starts_with("i-"), "{id}");
    moto.parameter("/prod/db", "secret");
    moto.secret("name", "value");
    let read = moto.ask("s3", "GET", "/bucket/a/b.txt", &[], "");
    assert_eq!(read.text(), "hello");
}
