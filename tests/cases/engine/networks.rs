//! Networks, volumes and namespaces that are gone while the containers that name them are still there.

use serde_json::Value;

use crate::support::{bed::Bed, dockerd::Engine};

const PAIR: &str = r#"
x-w: &w { image: "rolecall-test/web:1", networks: [inner], restart: unless-stopped, stop_grace_period: 1s }
services: { web: { <<: *w, depends_on: [db] }, db: *w }
networks: { inner: {} }
"#;

fn started(engine: &Engine, name: &str) -> String {
    engine.inspect(name)["State"]["StartedAt"].as_str().unwrap().to_owned()
}

#[test]
fn containers_of_a_pruned_network_are_made_again() {
    let bed = Bed::new();
    bed.compose("prod", PAIR);
    bed.run().ready();
    bed.rolecall(&["stop", "--all"]).ready();
    bed.engine().post("/networks/prune", &Value::Null);
    assert!(bed.engine().get("/networks/prod_inner").is_null());
    bed.rolecall(&["plan"]).ready().prints("network prod_inner does not exist any more");
    bed.run().ready();
    assert_eq!(bed.engine().inspect("prod-web-1")["State"]["Running"], true);
    bed.run().ready().says("nothing to do");
}

#[test]
fn finished_job_of_a_pruned_network_is_not_run_again() {
    let bed = Bed::new();
    let text = format!("{PAIR}  job: {{}}\n").replace("  job: {}\n", "").replace(
        "db: *w }",
        "db: *w, job: { image: \"rolecall-test/web:1\", networks: [inner], command: \"true\" }, after: { <<: *w, \
         depends_on: { job: { condition: service_completed_successfully } } } }",
    );
    bed.compose("prod", &text);
    bed.run().ready();
    let job = bed.engine().inspect("prod-job-1")["Id"].clone();
    bed.rolecall(&["stop", "--all"]).ready();
    bed.engine().post("/networks/prune", &Value::Null);
    bed.run().ready();
    assert_eq!(bed.engine().inspect("prod-job-1")["Id"], job);
    bed.run().ready().says("nothing to do");
}

#[test]
fn container_whose_volume_is_gone_is_made_again() {
    let bed = Bed::new();
    let text = r#"
services: { web: { image: "rolecall-test/web:1", volumes: ["data:/data", "/own"], stop_grace_period: 1s } }
volumes: { data: {} }
"#;
    bed.compose("prod", text);
    bed.run().ready();
    bed.rolecall(&["stop", "--all"]).ready();
    // Engines refuse to remove a volume that a container names; a store that was lost does not ask.
    let data = bed.engine().data();
    bed.engine().stay_down();
    for entry in std::fs::read_dir(data.join("volumes")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    bed.engine().come_back();
    bed.engine().wait();
    assert!(bed.engine().get("/volumes/prod_data").is_null());
    bed.run().ready();
    let volume = bed.engine().get("/volumes/prod_data");
    assert_eq!(volume["Labels"]["com.docker.compose.volume"], "data", "{volume}");
    bed.run().ready().says("nothing to do");
}

const JOINED: &str = r#"
x-w: &w { image: "rolecall-test/web:1", stop_grace_period: 1s }
services:
  net: { <<: *w, restart: always, ipc: shareable }
  side: { <<: *w, network_mode: "service:net", command: "sleep 1000", init: true }
  watch: { <<: *w, pid: "service:net", command: "sleep 1000", init: true }
  memory: { <<: *w, ipc: "service:net", command: "sleep 1000", init: true }
"#;

#[test]
fn joiners_are_restarted_after_the_owner_of_their_network() {
    let bed = Bed::new();
    bed.compose("prod", JOINED);
    bed.run().ready();
    bed.run().ready().says("nothing to do");
    let before = started(bed.engine(), "prod-side-1");
    bed.engine().post("/containers/prod-net-1/restart?t=1", &Value::Null);
    bed.rolecall(&["plan"]).ready().prints("restart container prod-side-1");
    bed.run().ready().says("whose namespace it shares, was started again");
    for joiner in ["prod-side-1", "prod-watch-1", "prod-memory-1"] {
        assert!(started(bed.engine(), joiner) > started(bed.engine(), "prod-net-1"), "{joiner}");
    }
    assert_ne!(started(bed.engine(), "prod-side-1"), before);
    bed.run().ready().says("nothing to do");
    bed.engine().post("/containers/prod-net-1/stop?t=1", &Value::Null);
    bed.run().ready();
    assert!(started(bed.engine(), "prod-side-1") > started(bed.engine(), "prod-net-1"));
    bed.run().ready().says("nothing to do");
}

const EXTERNAL: &str = r#"
services: { web: { image: "rolecall-test/web:1", networks: [edge], volumes: ["ext:/data"] } }
networks: { edge: { external: true } }
volumes: { ext: { external: true } }
"#;

#[test]
fn external_network_of_a_pending_script_is_unknown_to_plan() {
    let bed = Bed::new();
    bed.compose("prod", EXTERNAL);
    bed.rolecall(&["plan"]).fails(1, "engine-refused").names("network edge is declared as external");
    let create = |kind: &str, name: &str| {
        let socket = bed.engine().socket();
        format!(
            "curl -sf --unix-socket {} -H 'Content-Type: application/json' -d '{{\"Name\":\"{name}\"}}' \
             http://localhost/{kind}/create\n",
            socket.display()
        )
    };
    let script = format!("#!/bin/sh\nset -e\n{}{}", create("networks", "edge"), create("volumes", "ext"));
    bed.project("prod", &[("compose.yaml", EXTERNAL), ("bootstrap/10-edge.sh", &script)]);
    let plan = bed.rolecall(&["plan"]).ready();
    let plan = plan.prints("network edge is declared as external").prints("this plan cannot know");
    plan.prints("volume ext is declared as external");
    bed.run().ready();
    let plan = bed.rolecall(&["plan"]).ready();
    assert!(!plan.stdout.contains("cannot know"), "{}", plan.told());
}

#[test]
fn subnet_of_the_vpc_is_refused() {
    let bed = Bed::new();
    let compose = |subnet: &str| {
        format!(
            "services: {{ web: {{ image: \"rolecall-test/web:1\", networks: [inner] }} }}\nnetworks:\n  inner: {{ ipam: \
             {{ config: [ {{ subnet: {subnet} }} ] }} }}\n"
        )
    };
    bed.compose("prod", &compose("10.20.0.0/16"));
    for command in ["plan", "run"] {
        let failed = bed.rolecall(&[command]).fails(3, "manifest-invalid");
        failed.names("compose.yaml:3:").names("10.20.0.0/16 overlaps the address of this instance");
    }
    assert!(bed.engine().get("/networks/prod_inner").is_null());
    bed.compose("prod", &compose("10.20.99.0/24"));
    bed.fails(3, "manifest-invalid").names("overlaps the VPC of this instance, 10.20.0.0/16");
    let daemon = "x-rolecall:\n  host:\n    docker:\n      daemon: { bip: 10.20.5.1/24 }\n";
    bed.compose("prod", &format!("services: {{ web: {{ image: \"rolecall-test/web:1\" }} }}\n{daemon}"));
    let bridge = "compose.yaml:5:17: x-rolecall.host.docker.daemon.bip: 10.20.5.1/24 overlaps the VPC of this instance";
    bed.fails(3, "manifest-invalid").names(bridge);
    bed.compose("prod", &compose("10.220.0.0/24"));
    bed.run().ready();
}
