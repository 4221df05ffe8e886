//! What a project implies, written out: the default network, dependencies, names.

use crate::compose::dotenv::Variables;
use crate::compose::error::Position;
use crate::compose::generation::Generation;
use crate::compose::node::{Key, Map, Node, Value};
use crate::compose::path;

/// Writes out what the project implies.
pub(crate) fn normalize(project: &mut Node, name: &str, generation: Generation, variables: &Variables) {
    networks(project);
    for service in services(project) {
        let place = service.position.clone();
        if let Some(map) = service.as_map_mut() {
            normalize_service(map, &place, variables);
            if generation == Generation::Five {
                images_of_hooks(map);
            }
        }
    }
    resource_names(project, name);
}

fn services(project: &mut Node) -> impl Iterator<Item = &mut Node> {
    project.get_mut("services").and_then(Node::as_map_mut).into_iter().flat_map(Map::values_mut)
}

/// A service without networks is on the default one, which is there if it is used.
fn networks(project: &mut Node) {
    let mut used = None;
    for service in services(project) {
        let place = service.position.clone();
        let Some(map) = service.as_map_mut() else {
            continue;
        };
        if map.contains_key("provider") || map.contains_key("network_mode") {
            continue;
        }
        let declared = map.get("networks").and_then(Node::as_map).filter(|networks| !networks.is_empty());
        match declared {
            Some(networks) if networks.contains_key("default") => used = Some(place),
            Some(_) => {}
            None => {
                let networks = Node::mapping(&place, vec![("default", Node::null(&place))]);
                map.insert(Key::new("networks", &place), networks);
                used = Some(place);
            }
        }
    }
    let (Some(place), Some(map)) = (used, project.as_map_mut()) else {
        return;
    };
    let networks = map.entry(Key::new("networks", &place)).or_insert_with(|| Node::null(&place));
    if networks.is_null() {
        networks.value = Value::Map(Map::new());
    }
    if let Some(networks) = networks.as_map_mut() {
        networks.entry(Key::new("default", &place)).or_insert_with(|| Node::null(&place));
    }
}

fn normalize_service(service: &mut Map, place: &Position, variables: &Variables) {
    if let Some(policy) = service.get_mut("pull_policy").filter(|node| node.as_str() == Some("if_not_present")) {
        policy.value = Value::Text("missing".to_owned());
    }
    if let Some(build) = service.get_mut("build").and_then(Node::as_map_mut) {
        let missing = |build: &Map, key: &str| build.get(key).is_none_or(Node::is_null);
        if missing(build, "context") {
            build.insert(Key::new("context", place), Node::text(".", place));
        }
        if missing(build, "dockerfile") && missing(build, "dockerfile_inline") {
            build.insert(Key::new("dockerfile", place), Node::text("Dockerfile", place));
        }
        if let Some(args) = build.get_mut("args") {
            values_of_variables(args, variables, false);
        }
    }
    if let Some(environment) = service.get_mut("environment") {
        values_of_variables(environment, variables, true);
    }
    for volume in service.get_mut("volumes").and_then(Node::as_seq_mut).into_iter().flatten() {
        if let Some(Node { value: Value::Text(target), .. }) = volume.get_mut("target") {
            *target = path::clean(target.as_ref()).to_string_lossy().into_owned();
        }
    }
    let implied = implied_dependencies(service);
    if implied.is_empty() {
        return;
    }
    let all = service.entry(Key::new("depends_on", place)).or_insert_with(|| Node::new(Value::Map(Map::new()), place));
    if let Some(map) = all.as_map_mut() {
        for (name, restart, place) in implied {
            map.entry(Key::new(name, &place)).or_insert_with(|| {
                Node::mapping(
                    &place,
                    vec![
                        ("condition", Node::text("service_started", &place)),
                        ("restart", Node::bool(restart, &place)),
                        ("required", Node::bool(true, &place)),
                    ],
                )
            });
        }
    }
}

/// A `pre_start` hook without an image uses that of its service.
fn images_of_hooks(service: &mut Map) {
    let Some(image) = service.get("image").filter(|image| image.as_str().is_some_and(|text| !text.is_empty())).cloned()
    else {
        return;
    };
    for hook in service.get_mut("pre_start").and_then(Node::as_seq_mut).into_iter().flatten() {
        if let Some(hook) = hook.as_map_mut() {
            hook.entry(Key::new("image", &image.position)).or_insert_with(|| image.clone());
        }
    }
}

/// Services that a service needs because it uses something of theirs, and whether it restarts with them.
fn implied_dependencies(service: &Map) -> Vec<(String, bool, Position)> {
    let mut all = Vec::new();
    let list = |key: &str| service.get(key).and_then(Node::as_seq).unwrap_or_default().iter();
    for link in list("links") {
        let text = link.as_str().unwrap_or_default();
        let name = match text.split(':').collect::<Vec<_>>().as_slice() {
            [name, _] => (*name).to_owned(),
            _ => text.to_owned(),
        };
        all.push((name, true, link.position.clone()));
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        if let Some(node) = service.get(key)
            && let Some(name) = node.as_str().and_then(|text| text.strip_prefix("service:"))
        {
            all.push((name.to_owned(), true, node.position.clone()));
        }
    }
    for source in list("volumes_from") {
        let text = source.as_str().unwrap_or_default();
        if !text.starts_with("container:") {
            let name = text.split(':').next().unwrap_or_default();
            all.push((name.to_owned(), false, source.position.clone()));
        }
    }
    all
}

/// Gives keys without a value that of the variable; without one they stay or go.
fn values_of_variables(node: &mut Node, variables: &Variables, keep: bool) {
    match &mut node.value {
        Value::Map(map) => map.retain(|key, value| {
            if !value.is_null() {
                return true;
            }
            match variables.get(&key.name) {
                Some(found) => value.value = Value::Text(found.clone()),
                None => return keep,
            }
            true
        }),
        Value::Seq(items) => items.retain_mut(|item| {
            let Some(name) = item.as_str().filter(|text| !text.contains('=')) else {
                return true;
            };
            match variables.get(name) {
                Some(found) => item.value = Value::Text(format!("{name}={found}")),
                None => return keep,
            }
            true
        }),
        _ => {}
    }
}

/// A resource without a name is called after the project and its key; an external one after its key.
fn resource_names(project: &mut Node, name: &str) {
    for kind in ["networks", "volumes", "configs", "secrets"] {
        let Some(map) = project.get_mut(kind).and_then(Node::as_map_mut) else {
            continue;
        };
        for (key, resource) in map.iter_mut() {
            if resource.is_null() {
                resource.value = Value::Map(Map::new());
            }
            let Some(map) = resource.as_map_mut() else {
                continue;
            };
            if map.get("name").is_some_and(|name| !name.is_null()) {
                continue;
            }
            let external = map.get("external").and_then(Node::scalar_text);
            let external =
                external.is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "TRUE" | "true" | "True"));
            let full = if external { key.name.clone() } else { format!("{name}_{}", key.name) };
            map.insert(Key::new("name", &key.position), Node::text(full, &key.position));
        }
    }
}
