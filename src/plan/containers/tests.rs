use serde_json::json;

use super::*;
use crate::error::Cause;
use crate::execute::testing::{options, project};
use crate::manifest::findings::Findings;
use crate::plan::image_identity::ImageIdentity;

fn all(text: &str, api: (u32, u32)) -> Vec<Desired> {
    desired(&project(text), &Peers::new(), &options(api)).unwrap()
}

fn body(text: &str, api: (u32, u32)) -> Value {
    all(text, api).remove(0).body(&ImageIdentity::read(&json!({ "Id": "sha256:1" })), &[], None)
}

fn refused(text: &str, api: (u32, u32)) -> String {
    let err = desired(&project(text), &Peers::new(), &options(api)).unwrap_err();
    assert_eq!(err.cause, Cause::ManifestInvalid);
    err.message
}

/// A service of the one line, as the only one of its project.
fn service(line: &str) -> String {
    format!("services: {{ web: {{ image: x, {line} }} }}")
}

#[test]
fn a_plain_service_is_the_container_that_compose_makes() {
    let got = body("services: { web: { image: nginx, ports: ['8080:80'] } }", (1, 41));
    let hash = got["Labels"][labels::CONFIG_HASH].clone();
    assert_eq!(hash.as_str().unwrap().len(), 64);
    let wanted = json!({
        "ExposedPorts": { "80/tcp": {} },
        "AttachStdout": true,
        "AttachStderr": true,
        "Image": "nginx",
        "Labels": {
            "com.docker.compose.config-hash": hash,
            "com.docker.compose.container-number": "1",
            "com.docker.compose.depends_on": "",
            "com.docker.compose.image": "sha256:1",
            "com.docker.compose.oneoff": "False",
            "com.docker.compose.project": "demo",
            "com.docker.compose.project.config_files": "/project/compose.yaml",
            "com.docker.compose.project.working_dir": "/project",
            "com.docker.compose.service": "web",
            "com.docker.compose.version": "2.40.3",
            "io.rolecall.instance": "i-1",
            "io.rolecall.managed": "true",
        },
        "HostConfig": {
            "ExtraHosts": [],
            "NetworkMode": "demo_default",
            "OomKillDisable": false,
            "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] },
        },
        "NetworkingConfig": { "EndpointsConfig": { "demo_default": { "Aliases": ["demo-web-1", "web"] } } },
    });
    assert_eq!(got, wanted);
}

#[test]
fn an_older_engine_is_connected_to_further_networks_afterwards() {
    let text = "services: { web: { image: x, networks: { a: {}, b: { priority: 7, mac_address: '02:42:ac:11:65:43' } } } }\nnetworks: { a: {}, b: {} }";
    let old = all(text, (1, 43)).remove(0);
    let old_body = old.body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None);
    assert_eq!(old_body["HostConfig"]["NetworkMode"], "demo_b");
    assert_eq!(old_body["MacAddress"], "02:42:ac:11:65:43");
    assert_eq!(old.connect.iter().map(|a| a.network.as_str()).collect::<Vec<_>>(), ["demo_a"]);
    let new = all(text, (1, 44)).remove(0);
    let new_body = new.body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None);
    assert!(new.connect.is_empty() && new_body["MacAddress"].is_null());
    let endpoints = new_body["NetworkingConfig"]["EndpointsConfig"].as_object().unwrap();
    assert_eq!(endpoints.keys().collect::<Vec<_>>(), ["demo_b", "demo_a"]);
}

#[test]
fn what_the_engine_is_too_old_for_is_refused_and_not_left_out() {
    let table = [
        ("healthcheck: { test: 'true', start_period: 1s, start_interval: 1s }", (1, 44)),
        ("annotations: { a: b }", (1, 43)),
        ("volumes: [{ type: image, source: y, target: /y }]", (1, 48)),
        ("volumes: [{ type: bind, source: /y, target: /y, bind: { recursive: readonly } }]", (1, 44)),
        ("networks: { default: { interface_name: eth7 } }", (1, 49)),
        ("networks: { default: { gw_priority: 1 } }", (1, 48)),
    ];
    for (line, least) in table {
        let before = (least.0, least.1 - 1);
        let why = refused(&service(line), before);
        assert!(why.contains(&format!("API {}.{}", least.0, least.1)) && why.contains("web"), "{why}");
        body(&service(line), least);
    }
}

#[test]
fn what_cannot_be_had_is_refused_with_a_reason() {
    let table = [
        ("pull_policy: build", "pull_policy: refused: there is no source"),
        ("isolation: hyperv", "isolation"),
        ("use_api_socket: true", "use_api_socket"),
        (
            "mac_address: '02:42:ac:11:65:43', networks: { default: { mac_address: '02:42:ac:11:65:44' } }",
            "mac_address",
        ),
        ("healthcheck: { test: 'true', start_interval: 1s }", "start_period"),
        ("security_opt: [nonsense]", "security_opt"),
    ];
    for (line, attribute) in table {
        let why = refused(&service(line), (1, 50));
        assert!(why.contains(attribute) && why.contains("web"), "{why}");
    }
    let build = refused("services: { web: { build: . } }", (1, 50));
    assert!(build.contains("no source"), "{build}");
}

#[test]
fn what_is_ignored_is_told() {
    let text = service("deploy: { placement: { constraints: [a] }, update_config: { parallelism: 1 } }");
    let project = project(&text);
    let mut findings = Findings::default();
    unsupported::find(&project, &project.services["web"], &mut findings);
    let warnings = findings.warnings().join("\n");
    assert!(warnings.contains("services.web.deploy.placement: ignored"), "{warnings}");
    assert!(warnings.contains("services.web.deploy.update_config: ignored"), "{warnings}");
}

#[test]
fn secrets_are_copied_in_and_show_in_no_body() {
    let text = "services: { web: { image: x, secrets: [s, f], configs: [{ source: c, target: etc/c, mode: 0400, uid: '7' }] } }\nsecrets: { s: { environment: TOKEN }, f: { file: ./f } }\nconfigs: { c: { content: text } }";
    let one = all(text, (1, 41)).remove(0);
    let body = one.body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None);
    assert!(!body.to_string().contains("s3cret") && !format!("{one:?}").contains("s3cret"));
    let files: Vec<_> = one.uploads.iter().map(|u| (u.path.as_str(), u.mode, u.uid)).collect();
    assert_eq!(files, [("/run/secrets/s", 0o444, 0), ("/etc/c", 0o400, 7)]);
    assert_eq!(one.uploads[0].content.reveal(), "s3cret");
    let mounts = json!([{ "Type": "bind", "Source": "/project/f", "Target": "/run/secrets/f", "ReadOnly": true, "BindOptions": {} }]);
    assert_eq!(body["HostConfig"]["Mounts"], mounts);
    let read_only = text.replace("image: x", "image: x, read_only: true");
    assert!(refused(&read_only, (1, 41)).contains("read-only"));
}

#[test]
fn anonymous_volumes_go_to_the_container_in_the_same_place() {
    let text = "services: { web: { image: x, volumes: [/own, 'data:/data', '/host:/image2'] } }\nvolumes: { data: {} }";
    let one = all(text, (1, 41)).remove(0);
    let mount = |kind: &str, name: &str, target: &str| json!({ "Type": kind, "Name": name, "Source": format!("/var/{name}"), "Destination": target, "RW": true });
    let old = Inherited {
        mounts: vec![
            mount("volume", "anon1", "/own"),
            mount("volume", "anon2", "/image"),
            mount("volume", "anon3", "/image2"),
            mount("volume", "demo_data", "/data"),
            mount("volume", "gone", "/gone"),
            mount("tmpfs", "", "/image3"),
        ],
    };
    let volumes = ["/image".to_owned(), "/image2".to_owned(), "/image3".to_owned()];
    let body = one.body(&ImageIdentity::read(&json!({ "Id": "i" })), &volumes, Some(&old));
    let kept = |name: &str, target: &str| json!({ "Type": "volume", "Source": name, "Target": target });
    assert_eq!(body["HostConfig"]["Mounts"], json!([kept("anon1", "/own"), kept("anon2", "/image")]));
    assert_eq!(body["HostConfig"]["Binds"], json!(["demo_data:/data:rw", "/host:/image2:rw"]));
    assert_eq!(body["Labels"][labels::REPLACE], "web-1");
}

#[test]
fn what_a_host_adds_is_in_the_container_and_not_in_the_hash() {
    let text =
        "services: { web: { image: x }, own: { image: x, logging: { driver: local }, volumes: ['/mine:/host'] } }";
    let plain = desired(&project(text), &Peers::new(), &options((1, 41))).unwrap();
    let more = Options { containers_dir: Some("/containers".into()), log_rotation: true, ..options((1, 41)) };
    let added = desired(&project(text), &Peers::new(), &more).unwrap();
    let web = added[1].body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None);
    assert_eq!(web["HostConfig"]["Binds"], json!(["/containers/web:/host:rw"]));
    assert_eq!(web["HostConfig"]["LogConfig"]["Config"], json!({ "max-size": "10m", "max-file": "5" }));
    assert_eq!(web["Labels"][labels::ADDED], "containers-dir=/containers/web,log-rotation=10m*5");
    assert_eq!(added[1].folders, [PathBuf::from("/containers/web")]);
    let own = added[0].body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None);
    assert_eq!(own["HostConfig"]["LogConfig"]["Type"], "local");
    assert!(own["Labels"][labels::ADDED].is_null());
    for (plain, added) in plain.iter().zip(&added) {
        assert_eq!(plain.hash, added.hash);
    }
}

#[test]
fn references_mean_the_container_that_is_there() {
    let text = "services: { a: { image: x }, b: { image: x, network_mode: 'service:a', pid: 'service:a', volumes_from: ['a:ro', 'container:other'] }, c: { image: x, links: ['a:alias'], external_links: ['far:near'] } }";
    let project = project(text);
    let peer = Peer { name: "demo-a-1".into(), id: "f00".into() };
    let peers = Peers::from([("a".to_owned(), BTreeSet::from([peer]))]);
    let all = desired(&project, &peers, &options((1, 41))).unwrap();
    let host =
        |index: usize| all[index].body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None)["HostConfig"].clone();
    assert_eq!(host(1)["NetworkMode"], "container:f00");
    assert_eq!(host(1)["PidMode"], "container:f00");
    assert_eq!(host(1)["VolumesFrom"], json!(["f00", "other"]));
    assert_eq!(host(2)["Links"], json!(["demo-a-1:alias", "demo-a-1:a-1", "demo-a-1:demo-a-1", "far:near"]));
    assert_eq!((all[1].references.len(), all[2].references.len(), all[0].references.len()), (1, 1, 0));
    // The hash follows the container, as with Compose.
    let before = desired(&project, &Peers::new(), &options((1, 41))).unwrap();
    assert_ne!(before[1].hash, all[1].hash);
    assert_eq!(before[2].hash, all[2].hash);
}

#[test]
fn limits_of_deploy_are_the_containers() {
    let text = service(
        "mem_swappiness: 3, deploy: { resources: { limits: { memory: 64m, cpus: '0.5', pids: 5 }, reservations: { memory: 32m, devices: [{ capabilities: [gpu], count: all, driver: nvidia }] } } }",
    );
    let host = body(&text, (1, 41))["HostConfig"].clone();
    assert_eq!(
        (&host["Memory"], &host["NanoCpus"], &host["PidsLimit"]),
        (&json!(67_108_864), &json!(500_000_000), &json!(5))
    );
    assert_eq!(host["MemoryReservation"], 33_554_432);
    assert_eq!(host["DeviceRequests"], json!([{ "Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]] }]));
}

#[test]
fn devices_of_the_container_device_interface_are_known_by_their_names() {
    let text = service("gpus: all, devices: ['vendor.com/gpu=0', '/dev/kvm']");
    let host = body(&text, (1, 41))["HostConfig"].clone();
    let devices = json!([{ "PathOnHost": "/dev/kvm", "PathInContainer": "/dev/kvm", "CgroupPermissions": "rwm" }]);
    assert_eq!(host["Devices"], devices);
    assert_eq!(host["DeviceRequests"][0], json!({ "Driver": "cdi", "DeviceIDs": ["vendor.com/gpu=0"] }));
    assert_eq!(host["DeviceRequests"][1], json!({ "Count": -1, "Capabilities": [["gpu"]] }));
}

#[test]
fn security_options_are_read_and_opened() {
    let text = service(
        "security_opt: ['no-new-privileges:true', 'systempaths=unconfined', 'seccomp=./p.json', 'label=disable']",
    );
    let host = body(&text, (1, 41))["HostConfig"].clone();
    let wanted = json!(["no-new-privileges:true", "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}", "label=disable"]);
    assert_eq!(host["SecurityOpt"], wanted);
    assert_eq!((&host["MaskedPaths"], &host["ReadonlyPaths"]), (&json!([]), &json!([])));
}

#[test]
fn restart_policies_are_the_engines() {
    let table = [
        ("restart: 'on-failure:3'", json!({ "Name": "on-failure", "MaximumRetryCount": 3 })),
        ("restart: 'no'", json!({ "Name": "no", "MaximumRetryCount": 0 })),
        (
            "restart: always, deploy: { restart_policy: { condition: any } }",
            json!({ "Name": "always", "MaximumRetryCount": 0 }),
        ),
        ("deploy: { restart_policy: { condition: none } }", json!({ "Name": "no", "MaximumRetryCount": 0 })),
        ("tty: true", Value::Null),
    ];
    for (line, wanted) in table {
        assert_eq!(body(&service(line), (1, 41))["HostConfig"]["RestartPolicy"], wanted, "{line}");
    }
}

#[test]
fn the_goal_of_a_service_is_what_others_wait_for() {
    let text = "services: { web: { image: x, depends_on: { job: { condition: service_completed_successfully }, db: { condition: service_started } } }, job: { image: x }, db: { image: x } }";
    let goals: Vec<_> = all(text, (1, 41)).iter().map(|d| (d.goal, d.job)).collect();
    assert_eq!(goals, [(Goal::Serving, false), (Goal::Completed, true), (Goal::Serving, true)]);
}

#[test]
fn the_checksum_over_files_follows_their_content_and_the_key() {
    let text = "services: { web: { image: x, configs: [c], secrets: [s] }, none: { image: x } }\nconfigs: { c: { file: ./c } \
                }\nsecrets: { s: { environment: TOKEN } }";
    let sum = |content: &'static str, key: &str, text: &str| {
        let read = |path: &Path| {
            let found = path.ends_with("c").then(|| content.as_bytes().to_vec());
            found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let options = Options { key: Secret::new(key.to_owned()), identify: &read, ..options((1, 41)) };
        let all = desired(&project(text), &Peers::new(), &options).unwrap();
        (all[0].files.clone(), all[1].files.clone(), all[1].hash.clone())
    };
    let (none, one, hash) = sum("one", "key", text);
    assert_eq!((none.as_str(), one.len()), ("", 32));
    assert_eq!(sum("one", "key", text).1, one);
    assert_eq!(sum("two", "key", text).2, hash, "Compose's hash knows nothing of it");
    assert_ne!(sum("two", "key", text).1, one);
    assert_ne!(sum("one", "another", text).1, one);
    assert_ne!(sum("one", "key", &text.replace("environment: TOKEN", "file: ./c")).1, one);
}

#[test]
fn a_variable_that_is_not_set_is_no_content() {
    let text = "services: { web: { image: x, secrets: [s] } }\nsecrets: { s: { environment: NONE } }";
    assert!(refused(text, (1, 41)).contains("secret 's' is the content of NONE, which is not set"));
}

#[test]
fn proxies_are_for_who_does_not_set_them() {
    let proxies = [("HTTP_PROXY", "http://p"), ("no_proxy", "localhost")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let options = Options { proxies: proxies.into(), ..options((1, 41)) };
    let text = service("environment: { no_proxy: , A: '1' }");
    let all = desired(&project(&text), &Peers::new(), &options).unwrap();
    assert_eq!(
        all[0].body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None)["Env"],
        json!(["A=1", "no_proxy", "HTTP_PROXY=http://p"])
    );
}
