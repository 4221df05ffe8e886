//! Defaults of one file's model, and rules that need no more than that model.

use std::net::IpAddr;

use crate::compose::error::Diagnostic;
use crate::compose::node::{Key, Map, Node, Value};

type Done = Result<(), Diagnostic>;

/// Fills in what a missing attribute means.
pub(crate) fn set_defaults(project: &mut Node) {
    for service in project.get_mut("services").and_then(Node::as_map_mut).into_iter().flat_map(Map::values_mut) {
        if let Some(build) = service.get_mut("build") {
            default(build, "context", ".");
        }
        for secret in list(service.get_mut("secrets")) {
            let source = secret.get("source").and_then(Node::scalar_text).unwrap_or_default();
            default(secret, "target", &format!("/run/secrets/{source}"));
        }
        for port in list(service.get_mut("ports")) {
            default(port, "protocol", "tcp");
            default(port, "mode", "ingress");
        }
        for request in list(service.get_mut("gpus")) {
            default_count(request);
        }
        let reservations = ["deploy", "resources", "reservations", "devices"];
        let devices = reservations.into_iter().try_fold(service, |node, key| node.get_mut(key));
        for request in list(devices) {
            default_count(request);
        }
    }
}

/// Writes out `create_host_path` of binds, which is `true` in Compose 5. The typed project has the default instead, so
/// that it prints for both generations.
pub(crate) fn set_bind_defaults(project: &mut Node) {
    for service in project.get_mut("services").and_then(Node::as_map_mut).into_iter().flat_map(Map::values_mut) {
        for volume in list(service.get_mut("volumes")) {
            let place = volume.position.clone();
            if let Some(bind) = volume.get_mut("bind").and_then(Node::as_map_mut) {
                bind.entry(Key::new("create_host_path", &place)).or_insert_with(|| Node::bool(true, &place));
            }
        }
    }
}

/// Finds numbers that JSON does not have: Compose 5 checks a project as JSON.
pub(crate) fn finite(project: &Node) -> Vec<Diagnostic> {
    fn walk(node: &Node, path: &str, faults: &mut Vec<Diagnostic>) {
        match &node.value {
            Value::Float(value) if !value.is_finite() => {
                faults.push(node.fault(path, "expected a finite number"));
            }
            Value::Map(map) => {
                for (key, value) in map {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(value, &format!("{path}{dot}{}", key.name), faults);
                }
            }
            Value::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{path}[{index}]"), faults);
                }
            }
            _ => {}
        }
    }
    let mut faults = Vec::new();
    walk(project, "", &mut faults);
    faults
}

fn list(node: Option<&mut Node>) -> impl Iterator<Item = &mut Node> {
    node.and_then(Node::as_seq_mut).into_iter().flatten()
}

fn default(node: &mut Node, key: &str, value: &str) {
    let place = node.position.clone();
    if let Some(map) = node.as_map_mut() {
        map.entry(Key::new(key, &place)).or_insert_with(|| Node::text(value, &place));
    }
}

fn default_count(node: &mut Node) {
    if node.get("count").is_none() && node.get("device_ids").is_none() {
        default(node, "count", "all");
    }
}

/// Checks what the schema cannot say.
///
/// # Errors
/// The first rule that is broken.
pub(crate) fn check(project: &Node) -> Done {
    for (key, volume) in entries(project, "volumes") {
        external_alone(volume, &format!("volumes.{}", key.name))?;
    }
    for (key, config) in entries(project, "configs") {
        one_source(config, &format!("configs.{}", key.name), &["file", "environment", "content"])?;
    }
    for (key, secret) in entries(project, "secrets") {
        one_source(secret, &format!("secrets.{}", key.name), &["file", "environment"])?;
    }
    for (key, service) in entries(project, "services") {
        check_service(service, &format!("services.{}", key.name))?;
    }
    Ok(())
}

fn entries<'a>(project: &'a Node, kind: &str) -> impl Iterator<Item = (&'a Key, &'a Node)> {
    project.get(kind).and_then(Node::as_map).into_iter().flatten()
}

fn check_service(service: &Node, path: &str) -> Done {
    let all = |keys: &[&'static str]| {
        let node = service.at(keys.iter().copied());
        node.and_then(Node::as_seq).unwrap_or_default().iter().enumerate()
    };
    for (index, port) in all(&["ports"]) {
        if let Some(ip) = port.get("host_ip") {
            let valid = ip.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok());
            if !valid {
                return Err(ip.fault(format!("{path}.ports[{index}].host_ip"), "expected an IP address"));
            }
        }
    }
    for (index, trigger) in all(&["develop", "watch"]) {
        if let Some(node) = trigger.get("path").filter(|node| node.as_str() == Some("")) {
            return Err(node.fault(format!("{path}.develop.watch[{index}].path"), "the path cannot be blank"));
        }
    }
    let devices = [("gpus", all(&["gpus"])), ("devices", all(&["deploy", "resources", "reservations", "devices"]))];
    for (name, requests) in devices {
        for (index, request) in requests {
            if request.get("count").is_some() && request.get("device_ids").is_some() {
                let path = format!("{path}.{name}[{index}]");
                return Err(request.fault(path, "'count' and 'device_ids' exclude each other"));
            }
        }
    }
    Ok(())
}

/// An external resource has a name and nothing else.
fn external_alone(node: &Node, path: &str) -> Done {
    let Value::Map(map) = &node.value else {
        return Ok(());
    };
    if map.get("external").and_then(Node::as_bool) != Some(true) {
        return Ok(());
    }
    let other = map.keys().find(|key| key.name != "name" && key.name != "external" && !key.name.starts_with("x-"));
    match other {
        Some(key) => {
            let message = format!("'external' and '{}' exclude each other", key.name);
            Err(Diagnostic::new(&key.position, path, message).help("an external resource is not made by the project"))
        }
        None => Ok(()),
    }
}

fn one_source(node: &Node, path: &str, keys: &[&str]) -> Done {
    let given: Vec<&&str> = keys.iter().filter(|key| node.get(key).is_some()).collect();
    match given.len() {
        0 if node.get("driver").is_none() && node.get("external").is_none() => {
            Err(node.fault(path, format!("one of {} must be given", keys.join(", "))))
        }
        0 | 1 => Ok(()),
        _ => Err(node.fault(path, format!("only one of {} may be given", keys.join(", ")))),
    }
}
