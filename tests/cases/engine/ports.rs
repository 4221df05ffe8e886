//! Ports of the host: those of a host network, ranges, and ports that move from one service to another.

use crate::support::{bed::Bed, client::served};

/// A service in the network of the host that listens on a port, as published files have it: with `ports` all the same.
const HOST: &str = r#"
services:
  web:
    image: rolecall-test/web:1
    network_mode: host
    ports: ["8088:8088"]
    command: [sh, -c, "trap 'exit 0' TERM; httpd -f -p 8088 -h /www & wait"]
    restart: unless-stopped
"#;

#[test]
fn ports_of_a_host_network_are_ignored() {
    let bed = Bed::new();
    bed.compose("shop", HOST);
    bed.run().ready().says("services.web.ports[0].published: ignored");
    served(8088, "/");
    bed.rolecall(&["plan"]).ready().prints("services.web.ports[0].published: ignored");
    bed.run().ready().says("nothing to do");
    bed.compose("shop", &HOST.replace("restart:", "environment: { WORD: two }\n    restart:"));
    bed.run().ready().says("replacing shop-web-1");
}

#[test]
fn own_process_of_a_replaced_container_holds_nothing() {
    let bed = Bed::new();
    bed.compose("shop", HOST);
    bed.run().ready();
    let own = r#"services: { web: { image: "rolecall-test/web:1", ports: ["8088:80"] } }"#;
    bed.compose("shop", own);
    bed.run().ready();
    served(8088, "/");
}

#[test]
fn host_network_service_that_stays_is_named_as_holder() {
    let bed = Bed::new();
    bed.compose("shop", HOST);
    bed.run().ready();
    bed.compose("shop", &format!("{HOST}  api: {{ image: \"rolecall-test/web:1\", ports: [\"8088:80\"] }}\n"));
    let failed = bed.fails(1, "port-held").names("port 8088/tcp of service api is held by service web");
    assert!(!failed.line.contains("stop process"), "{}", failed.line);
    served(8088, "/");
}

#[test]
fn ports_of_a_shared_network_are_refused() {
    let bed = Bed::new();
    bed.compose(
        "shop",
        r#"
services:
  a: { image: "rolecall-test/web:1" }
  b: { image: "rolecall-test/web:1", network_mode: "service:a", ports: ["8090:80"] }
"#,
    );
    bed.fails(3, "manifest-invalid").names("service that owns it");
    assert!(bed.engine().names().is_empty());
}

#[test]
fn range_with_fewer_ports_than_containers_is_refused() {
    let bed = Bed::new();
    let replicas = |count: u32| {
        format!(
            "services: {{ web: {{ image: \"rolecall-test/web:1\", ports: [\"18081-18085:80\"], deploy: {{ replicas: \
             {count} }} }} }}"
        )
    };
    bed.compose("shop", &replicas(6));
    let place = "compose.yaml:1:58: services.web.ports[0]: service web needs 6 ports of 18081-18085/tcp";
    bed.fails(3, "port-clash").names(place);
    bed.rolecall(&["plan"]).fails(3, "port-clash").names("these are 5");
    assert!(bed.engine().names().is_empty());
    bed.compose("shop", &replicas(5));
    bed.run().ready();
    assert_eq!(bed.engine().names().len(), 5);
    bed.run().ready().says("nothing to do");
}

#[test]
fn ports_are_exchanged_between_services() {
    let bed = Bed::new();
    let compose = |a: u16, b: u16| {
        format!(
            "x-w: &w {{ image: \"rolecall-test/web:1\", stop_grace_period: 1s }}\nservices:\n  a: {{ <<: *w, ports: \
             [\"{a}:80\"] }}\n  b: {{ <<: *w, ports: [\"{b}:80\"] }}\n"
        )
    };
    bed.compose("shop", &compose(8091, 8092));
    bed.run().ready();
    bed.compose("shop", &compose(8092, 8091));
    bed.run().ready();
    let bound = bed.engine().inspect("shop-a-1")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"].clone();
    assert_eq!(bound, "8092");
    bed.run().ready().says("nothing to do");
}

#[test]
fn container_outside_the_project_is_named_as_holder() {
    let bed = Bed::new();
    let engine = bed.engine();
    let made = engine.post(
        "/containers/create?name=stranger",
        &serde_json::json!({ "Image": "rolecall-test/web:1", "ExposedPorts": { "80/tcp": {} },
            "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "8093" }] } } }),
    );
    engine.post(&format!("/containers/{}/start", made["Id"].as_str().unwrap()), &serde_json::Value::Null);
    bed.compose("shop", r#"services: { web: { image: "rolecall-test/web:1", ports: ["8093:80"] } }"#);
    bed.fails(1, "port-held").names("held by container stranger").names("docker stop stranger");
}
