//! The laws of merging, for the attributes whose rules give them.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::tree;
use crate::compose::merge::{Resets, enforce_unique, project};
use crate::compose::node::{Node, Tag};

/// One file merged over another, as the loader does it.
fn merged(base: &Node, over: &Node) -> Node {
    let (mut base, mut over) = (base.clone(), over.clone());
    Resets::take(&mut over).apply(&mut base);
    let mut node = project(base, over).unwrap();
    enforce_unique(&mut node).unwrap();
    node
}

fn alone(node: &Node) -> Node {
    let mut node = node.clone();
    enforce_unique(&mut node).unwrap();
    node
}

/// Items with an identity each, of which there are few.
fn items(one: impl Strategy<Value = String>) -> impl Strategy<Value = Value> {
    prop::collection::vec(one.prop_map(Value::from), 0..4).prop_map(Value::from)
}

/// Scalars, mappings and lists whose items have an identity; every one may be missing.
fn service() -> impl Strategy<Value = Value> {
    let scalar = || prop_oneof![Just(Value::Null), "[ab]{1,2}".prop_map(Value::from)];
    let mapping = || prop::collection::btree_map("[a-c]", scalar(), 0..3);
    let command = || prop_oneof![items("[ab]"), "[ab]{1,2}".prop_map(Value::from)];
    let attributes = (
        (scalar(), scalar(), command(), command()),
        (items("[A-C]=[12]"), items("[a-c]=[12]"), items("[ab]"), items("[ab]=[12]")),
        (items("(800[0-3]:80|443)"), items("(/[ab]|vol):/[xyz](:ro)?"), items("/dev/[ab]:/dev/[xy]"), items("[1-3]")),
        (mapping(), mapping(), mapping()),
    );
    (attributes, any::<u16>()).prop_map(|((scalars, keyed, unique, maps), kept)| {
        let maps = [maps.0, maps.1, maps.2].map(|map| Value::Object(map.into_iter().collect()));
        let [deploy, networks, limits] = maps;
        let all: [(&str, Value); 15] = [
            ("image", scalars.0),
            ("user", scalars.1),
            ("command", scalars.2),
            ("entrypoint", scalars.3),
            ("environment", keyed.0),
            ("labels", keyed.1),
            ("cap_add", keyed.2),
            ("sysctls", keyed.3),
            ("ports", unique.0),
            ("volumes", unique.1),
            ("devices", unique.2),
            ("expose", unique.3),
            ("deploy", deploy),
            ("networks", networks),
            ("ulimits", limits),
        ];
        let kept = all.into_iter().enumerate().filter(|(index, _)| kept & (1 << index) != 0);
        Value::Object(kept.map(|(_, (name, value))| (name.to_owned(), value)).collect())
    })
}

fn file() -> impl Strategy<Value = Node> {
    let part = |inner| prop::option::of(prop::collection::btree_map("[a-c]", inner, 0..3));
    let volume = prop_oneof![Just(Value::Null), "[ab]".prop_map(|driver| json!({ "driver": driver }))];
    (part(service().boxed()), part(volume.boxed())).prop_map(|(services, volumes)| {
        let section = |map: std::collections::BTreeMap<String, Value>| Value::Object(map.into_iter().collect());
        let mut all = Map::new();
        all.extend(services.map(|map| ("services".to_owned(), section(map))));
        all.extend(volumes.map(|map| ("volumes".to_owned(), section(map))));
        tree(&Value::Object(all))
    })
}

proptest! {
    #[test]
    fn an_empty_file_changes_nothing_before_or_behind(file in file()) {
        let empty = tree(&json!({}));
        prop_assert_eq!(merged(&file, &empty), alone(&file));
        prop_assert_eq!(merged(&empty, &file), alone(&file));
    }

    #[test]
    fn a_file_merged_over_itself_is_itself(file in file()) {
        prop_assert_eq!(merged(&file, &file), alone(&file));
    }

    #[test]
    fn how_three_files_are_grouped_does_not_matter(a in file(), b in file(), c in file()) {
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }

    #[test]
    fn the_later_file_has_the_last_word(base in service(), over in service()) {
        let file = |service: &Value| tree(&json!({ "services": { "a": service } }));
        let result = merged(&file(&base), &file(&over));
        let service = result.at(["services", "a"]).unwrap();
        for (name, value) in over.as_object().unwrap() {
            let got = service.get(name).unwrap();
            match value {
                Value::String(text) => prop_assert_eq!(got.as_str(), Some(text.as_str())),
                Value::Array(_) if matches!(name.as_str(), "command" | "entrypoint") => {
                    prop_assert_eq!(got, &tree(value));
                }
                // what an item of the later file redefines, it redefines for good
                Value::Array(items) => {
                    let alone = alone(&file(&json!({ name.as_str(): items })));
                    let alone = alone.at(["services", "a", name]).unwrap().as_seq().unwrap();
                    prop_assert!(alone.iter().all(|item| got.as_seq().unwrap().contains(item)), "{name}: {got:?}");
                }
                _ => {}
            }
        }
        for name in base.as_object().unwrap().keys() {
            prop_assert!(service.get(name).is_some(), "{name} got lost");
        }
    }

    #[test]
    fn a_tag_resets_or_replaces(base in service(), over in service(), which in any::<prop::sample::Index>(), reset in any::<bool>()) {
        let names: Vec<&String> = over.as_object().unwrap().keys().collect();
        prop_assume!(!names.is_empty());
        let name = names[which.index(names.len())].as_str();
        let file = |service: &Value| tree(&json!({ "services": { "a": service } }));
        let (base, mut over) = (file(&base), file(&over));
        let tagged = over.get_mut("services").unwrap().get_mut("a").unwrap().get_mut(name).unwrap();
        tagged.tag = Some(if reset { Tag::Reset } else { Tag::Override });
        let plain = alone(&over);
        let result = merged(&base, &over);
        let got = result.at(["services", "a", name]);
        prop_assert_eq!(got, plain.at(["services", "a", name]).filter(|_| !reset));
    }
}
