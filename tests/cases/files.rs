//! Project files, bind mounts, secrets and their owners.

use std::collections::BTreeMap;

use crate::support::bed::Bed;

/// Ids and times of the last start of containers, by service.
fn started(bed: &Bed, services: &[&str]) -> BTreeMap<String, (String, String)> {
    let one = |service: &&str| {
        let container = bed.engine().inspect(&format!("shop-{service}-1"));
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        ((*service).to_owned(), (text(&container["Id"]), text(&container["State"]["StartedAt"])))
    };
    services.iter().map(one).collect()
}

const MOUNTS: &str = r#"
services:
  file:
    image: rolecall-test/web:1
    command: [sh, -c, "cat /etc/site.conf; exec sleep 1000"]
    volumes: ["./conf/site.conf:/etc/site.conf:ro"]
  folder: { image: "rolecall-test/web:1", volumes: ["./conf:/etc/conf"] }
  volume: { image: "rolecall-test/web:1", volumes: ["conf:/etc/conf"] }
  restarted:
    image: rolecall-test/web:1
    command: [sh, -c, "cat /etc/site.conf; exec sleep 1000"]
    volumes: ["./conf/site.conf:/etc/site.conf:ro"]
    x-rolecall: { on-file-change: restart }
  ignoring: { image: "rolecall-test/web:1", volumes: ["./conf:/etc/conf"], x-rolecall: { on-file-change: ignore } }
  other: { image: "rolecall-test/web:1", volumes: ["./other:/other", "./data:/data"] }
volumes:
  conf: { driver: local, driver_opts: { type: none, o: bind, device: ./conf } }
x-rolecall: { ready: { stable: 300ms } }
"#;

#[test]
fn changed_project_file_reaches_the_containers_that_mount_it() {
    const ALL: &[&str] = &["file", "folder", "volume", "restarted", "ignoring", "other"];
    let bed = Bed::new();
    let deploy = |text: &str| {
        bed.project("shop", &[("compose.yaml", MOUNTS), ("conf/site.conf", text), ("other/x.conf", "x")]);
    };
    deploy("version one\n");
    bed.run().ready();
    let before = started(&bed, ALL);
    // What containers write is data.
    std::fs::write(bed.agent.state.join("projects/shop/conf/written"), "data").unwrap();
    bed.run().ready().says("nothing to do");
    deploy("version two\n");
    let plan = bed.rolecall(&["plan"]).ready();
    for line in
        ["replace container shop-file-1", "replace container shop-folder-1", "restart container shop-restarted-1"]
    {
        assert!(plan.stdout.contains(&format!("{line}: conf/site.conf has changed")), "{}", plan.told());
    }
    bed.run().ready().says("conf/site.conf has changed");
    let after = started(&bed, ALL);
    for service in ["file", "folder", "volume"] {
        assert_ne!(after[service].0, before[service].0, "{service} was not replaced");
    }
    assert_eq!(after["restarted"].0, before["restarted"].0);
    assert_ne!(after["restarted"].1, before["restarted"].1, "it was not restarted");
    for service in ["ignoring", "other"] {
        assert_eq!(after[service], before[service], "{service} was touched");
    }
    assert_eq!(bed.engine().logs("shop-file-1"), "version two\n");
    assert_eq!(bed.engine().logs("shop-restarted-1"), "version one\nversion two\n");
    bed.run().ready().says("nothing to do");
    assert_eq!(started(&bed, ALL), after);
}

#[test]
fn unknown_setting_of_a_service_is_refused() {
    let bed = Bed::without_engine();
    bed.compose("shop", &MOUNTS.replace("on-file-change: restart", "on-file-changes: restart"));
    let failed = bed.fails(3, "manifest-invalid");
    failed.names("compose.yaml:13:19: services.restarted.x-rolecall.on-file-changes: unknown key 'on-file-changes', did you mean 'on-file-change'?");
}
