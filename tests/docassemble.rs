//! One image, many roles: a container whose published ports follow from the roles of the instance, after the
//! multi-server guide of docassemble.

use std::collections::BTreeSet;

use crate::support::bed::Bed;

/// Roles of an instance, and the ports that its container publishes, as `host:container`.
const PORTS: &[(&str, &[&str])] = &[
    ("web:celery", &["80:80", "443:443", "9001:9001"]),
    ("sql:redis", &["5432:5432", "6379:6379", "9001:9001"]),
    ("sql", &["5432:5432", "9001:9001"]),
    ("celery", &["9001:9001"]),
    ("cron", &["9001:9001"]),
    ("log", &["514:514", "80:8080", "9001:9001"]),
    ("redis", &["6379:6379", "9001:9001"]),
    ("rabbitmq", &["4369:4369", "5671:5671", "5672:5672", "25672:25672", "9001:9001"]),
    ("mail", &["25:25", "9001:9001"]),
    (
        "sql:redis:rabbitmq:log:cron:mail",
        &[
            "80:8080",
            "25:25",
            "5432:5432",
            "514:514",
            "6379:6379",
            "4369:4369",
            "5671:5671",
            "5672:5672",
            "25672:25672",
            "9001:9001",
        ],
    ),
];

#[test]
fn published_ports_follow_from_the_roles() {
    for (roles, ports) in PORTS {
        let bed = Bed::new();
        bed.folder("docassemble", "docassemble");
        bed.imds.tag("Role", roles);
        bed.run().ready();
        let container = bed.engine().inspect("docassemble-docassemble-1");
        let bound: BTreeSet<String> = container["HostConfig"]["PortBindings"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(inside, outside)| {
                format!("{}:{}", outside[0]["HostPort"].as_str().unwrap(), inside.trim_end_matches("/tcp"))
            })
            .collect();
        let wanted: BTreeSet<String> = ports.iter().map(ToString::to_string).collect();
        assert_eq!(bound, wanted, "roles {roles}");
        let env = container["Config"]["Env"].to_string();
        assert!(env.contains(&format!("\"CONTAINERROLE={roles}\"")), "{env}");
        assert_eq!(container["Config"]["StopTimeout"], 600);
    }
}

#[test]
fn values_of_env_list_arrive_byte_for_byte() {
    let bed = Bed::new();
    bed.folder("docassemble", "docassemble");
    bed.imds.tag("Role", "celery");
    bed.run().ready();
    let container = bed.engine().inspect("docassemble-docassemble-1");
    let seen: Vec<&str> = container["Config"]["Env"].as_array().unwrap().iter().filter_map(|v| v.as_str()).collect();
    let list = include_str!("projects/docassemble/env.list");
    let mut checked = 0;
    for line in list.lines().filter(|l| !l.starts_with('#') && !l.is_empty() && !l.starts_with("CONTAINERROLE=")) {
        assert!(seen.contains(&line), "{line:?} in {seen:?}");
        checked += 1;
    }
    assert!(checked >= 8);
    assert!(seen.contains(&"CONTAINERROLE=celery"), "the role beats env.list: {seen:?}");
}

#[test]
fn web_and_log_on_one_host_clash_on_port_80() {
    let bed = Bed::new();
    bed.folder("docassemble", "docassemble");
    bed.imds.tag("Role", "web:log");
    bed.fails(3, "port-clash").says("80").says("docassemble");
    assert!(bed.engine().names().is_empty());
}
