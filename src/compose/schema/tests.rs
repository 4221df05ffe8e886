use super::*;
use crate::compose::model::{BuildConfig, DeployConfig, HealthCheckConfig, NetworkConfig, ServiceConfig};
use crate::compose::yaml;
use std::path::Path;
use std::sync::Arc;

fn faults(text: &str) -> Vec<String> {
    let node = yaml::parse(&Arc::from(Path::new("c.yaml")), text.as_bytes(), yaml::Budget::default()).unwrap().unwrap();
    check(&node, &PROJECT, "", Generation::Two).iter().map(ToString::to_string).collect()
}

#[test]
fn an_unknown_attribute_is_named_with_its_place_and_the_nearest_one() {
    let got = faults("services:\n  web:\n    image: x\n    prots: []\n    x-any: 1\n");
    assert_eq!(got, ["c.yaml:4:5: services.web.prots: unknown attribute 'prots', did you mean 'ports'?"]);
}

#[test]
fn a_wrong_kind_says_what_was_expected() {
    let got = faults(
        "services:\n  web:\n    image: 5\n    ports: 80\n    cgroup: hots\n    cpu_percent: 101\n    build: [a]\n\
         \x20   security_opt: [a, a]\n    stop_grace_period: 5\n    gpus: true\n    volumes: [{target: /x}]\n    container_name: x\n  'a b': {}\nvolumes: {v: 1}\nweb: {image: x}\n",
    );
    let messages: Vec<&str> = got.iter().map(|line| line.split_once(": ").unwrap().1).collect();
    assert_eq!(
        messages,
        [
            "services.web.image: expected a string, found an integer; put it in quotes",
            "services.web.ports: expected a list, found an integer",
            "services.web.cgroup: expected host or private; did you mean 'host'?",
            "services.web.cpu_percent: expected an integer from 0 to 100",
            "services.web.build: expected a string or a mapping, found a list",
            "services.web.security_opt[1]: the same stands at [0] already",
            "services.web.stop_grace_period: expected a duration such as 1m30s or 500ms, found an integer",
            "services.web.gpus: expected all or a list, found a boolean",
            "services.web.volumes[0]: the attribute 'type' is missing",
            "services.web.container_name: expected a name of two or more letters, digits, '_', '.' and '-'",
            "services.a b: 'a b' is not a name: use letters, digits, '.', '_' and '-'",
            "volumes.v: expected a mapping or null, found an integer",
            "web: unknown attribute 'web'; a service stands under 'services'",
        ]
    );
}

#[test]
fn every_attribute_of_the_schema_has_a_field_and_the_other_way_round() {
    let obsolete = ["", "dockerfile", "log_driver", "log_opt", "net", "volume_driver"];
    for (path, fields, unread) in [
        ("services.*", ServiceConfig::ATTRIBUTES, &["pull_refresh_after"][..]),
        ("services.*.build", BuildConfig::ATTRIBUTES, &[]),
        ("services.*.deploy", DeployConfig::ATTRIBUTES, &[]),
        ("services.*.healthcheck", HealthCheckConfig::ATTRIBUTES, &[]),
        ("networks.*", NetworkConfig::ATTRIBUTES, &[]),
    ] {
        let mut known = attributes(path).unwrap();
        known.retain(|name| !unread.contains(name));
        let mut fields: Vec<_> = fields.to_vec();
        if path == "services.*" {
            fields.retain(|name| !obsolete.contains(name));
        }
        fields.sort_unstable();
        known.sort_unstable();
        assert_eq!(fields, known, "{path}");
    }
}
