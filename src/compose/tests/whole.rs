//! A project as a whole: what is printed of it loads as the same project.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{any_text, cases};
use crate::compose::{Error, Generation, LoadOptions, Project, config_json, config_yaml, hash, load};

fn loaded(text: &str) -> Result<Project, Error> {
    let files = BTreeMap::from([(PathBuf::from("/p/compose.yaml"), text.as_bytes().to_vec())]);
    load(&files, &LoadOptions { working_dir: PathBuf::from("/p"), ..LoadOptions::default() })
}

/// Any text, escaped as a compose file wants it.
fn text() -> impl Strategy<Value = Value> {
    any_text().prop_map(|text| text.replace('$', "$$").into())
}

fn mapping(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[A-Za-z_][a-z0-9._-]{0,5}", value, 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn list(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec(value, 0..4).prop_map(Value::from)
}

fn words(pattern: &'static str) -> impl Strategy<Value = Value> {
    pattern.prop_map(Value::from)
}

fn health() -> impl Strategy<Value = Value> {
    ("([1-9]h)?([1-9]m)?[1-9]s", 0_u8..9, list(text())).prop_map(|(time, retries, words)| {
        let mut test = vec![Value::from("CMD")];
        test.extend(words.as_array().cloned().unwrap_or_default());
        json!({ "test": test, "interval": time, "timeout": "1d", "retries": retries, "start_period": "1500ms" })
    })
}

fn deploy() -> impl Strategy<Value = Value> {
    (1_u8..5, "0\\.[1-9]{1,3}", "[1-9]{1,3}[kMg]b?", mapping(text())).prop_map(|(replicas, cpus, memory, labels)| {
        let limits = json!({ "cpus": cpus, "memory": memory });
        json!({ "replicas": replicas, "labels": labels, "resources": { "limits": limits } })
    })
}

/// Attributes of all shapes, in short and in long notation.
fn service() -> impl Strategy<Value = Value> {
    let limits = (1_i32..9, 1_i32..9)
        .prop_map(|(soft, hard)| json!({ "nofile": { "soft": soft, "hard": hard }, "nproc": hard }));
    let tmpfs =
        "[1-9]{1,3}[kmg]".prop_map(|size| json!([{ "type": "tmpfs", "target": "/t", "tmpfs": { "size": size } }]));
    let attributes = (
        (words("[a-z]{1,5}(:[0-9]{1,3})?"), list(text()), text(), mapping(text()), mapping(text())),
        (
            list(words("((127\\.0\\.0\\.1|\\[::1\\]):)?8[0-9]{3}:8[0-9]{1,2}(/udp)?")),
            prop_oneof![list(words("((\\./[a-c]|/[a-c]|vol):)?/[x-z]{2}(:ro)?")), tmpfs],
            prop_oneof![list(words("(front|back)")), Just(json!({ "front": { "aliases": ["x"] }, "back": null }))],
            list(words("[a-z]{1,4}:10\\.0\\.0\\.[1-9]")),
        ),
        (health(), deploy(), limits, words("[1-9]{1,3}[kmg]?b?"), words("([1-9]m)?[1-9]s")),
    );
    (attributes, any::<u16>()).prop_map(|((first, second, third), kept)| {
        let all: [(&str, Value); 14] = [
            ("image", first.0),
            ("command", first.1),
            ("user", first.2),
            ("environment", first.3),
            ("labels", first.4),
            ("ports", second.0),
            ("volumes", second.1),
            ("networks", second.2),
            ("extra_hosts", second.3),
            ("healthcheck", third.0),
            ("deploy", third.1),
            ("ulimits", third.2),
            ("mem_limit", third.3),
            ("stop_grace_period", third.4),
        ];
        let kept = all.into_iter().enumerate().filter(|(index, _)| *index == 0 || kept & (1 << index) != 0);
        Value::Object(kept.map(|(_, (name, value))| (name.to_owned(), value)).collect())
    })
}

fn project() -> impl Strategy<Value = Map<String, Value>> {
    (prop::collection::btree_map("[a-z]{1,3}", service(), 1..4), mapping(text())).prop_map(|(services, extension)| {
        let services: Map<String, Value> = services.into_iter().collect();
        let all = json!({
            "name": "n",
            "services": services,
            "networks": { "front": null, "back": { "internal": true } },
            "volumes": { "vol": { "driver_opts": { "o": "x" } } },
            "x-more": extension,
        });
        all.as_object().cloned().unwrap_or_default()
    })
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn what_is_printed_loads_as_the_same_project(project in project()) {
        // not every project is one: two mounts may want one target
        let Ok(first) = loaded(&Value::Object(project).to_string()) else { return Ok(()) };
        let yaml = config_yaml(&first);
        for printed in [&yaml, &config_json(&first)] {
            let again = loaded(printed).map_err(|error| TestCaseError::fail(format!("{error}\n{printed}")))?;
            prop_assert_eq!(&config_yaml(&again), &yaml);
            for name in first.services.keys() {
                prop_assert_eq!(hash(&again, name, Generation::Two), hash(&first, name, Generation::Two));
            }
        }
    }

    #[test]
    fn the_order_of_keys_does_not_matter(project in project()) {
        fn reversed(value: Value) -> Value {
            match value {
                Value::Object(map) => Value::Object(map.into_iter().rev().map(|(key, value)| (key, reversed(value))).collect()),
                Value::Array(items) => Value::Array(items.into_iter().map(reversed).collect()),
                value => value,
            }
        }
        let project = Value::Object(project);
        let (first, second) = (loaded(&project.to_string()), loaded(&reversed(project).to_string()));
        prop_assert_eq!(first.is_ok(), second.is_ok());
        if let (Ok(first), Ok(second)) = (first, second) {
            prop_assert_eq!(config_yaml(&first), config_yaml(&second));
        }
    }
}
