//! A whole project from short notations to long ones.

use crate::compose::error::{Diagnostic, Position};
use crate::compose::merge;
use crate::compose::node::{Key, Map, Node, Value};
use crate::compose::short::{ports, volume};

/// The result of changing a node in place.
type Done = Result<(), Diagnostic>;

/// Ports that a project may publish. The whole dynamic range, 49152-65535, fits: media servers ask for it.
const PORTS: usize = 24_000;

/// Gives every attribute of a project its long form. In a `strict` project every short form must be readable; else one
/// that is not stays, since its variables are not replaced.
///
/// # Errors
/// A short form that cannot be read.
pub(crate) fn canonical(project: &mut Node, strict: bool) -> Done {
    let mut ports = PORTS;
    for (name, service) in entries(project, "services") {
        let path = format!("services.{name}");
        if let Some(map) = service.as_map_mut() {
            service_attributes(map, &path, &mut ports, strict)?;
        }
    }
    for kind in ["volumes", "networks", "secrets", "configs"] {
        for (name, resource) in entries(project, kind) {
            external(resource, &format!("{kind}.{name}"))?;
        }
    }
    Ok(())
}

fn entries<'a>(project: &'a mut Node, kind: &str) -> impl Iterator<Item = (String, &'a mut Node)> {
    let map = project.get_mut(kind).and_then(Node::as_map_mut);
    map.into_iter().flatten().map(|(key, value)| (key.name.clone(), value))
}

fn service_attributes(service: &mut Map, path: &str, ports: &mut usize, strict: bool) -> Done {
    let forgive = |done: Done| if strict { done } else { Ok(()) };
    for (key, node) in service.iter_mut() {
        let path = format!("{path}.{}", key.name);
        match key.name.as_str() {
            "build" => build(node, &path)?,
            "depends_on" => depends_on(node, &path)?,
            "env_file" => env_file(node),
            "label_file" | "dns" => string_to_list(node),
            "extends" => wrap(node, "service"),
            "gpus" => gpus(node),
            "networks" | "models" => names_to_map(node, &path)?,
            "volumes" if strict => each(node, &path, volume_mount)?,
            "volumes" => items(node).for_each(|item| _ = volume_mount(item, &path)),
            "devices" if strict => each(node, &path, device)?,
            "devices" => items(node).for_each(|item| _ = device(item, &path)),
            "secrets" | "configs" => items(node).for_each(|item| wrap(item, "source")),
            "ports" => forgive(port_list(node, &path, ports))?,
            "ulimits" => ulimits(node, &path)?,
            "develop" => {
                for trigger in node.get_mut("watch").into_iter().flat_map(items) {
                    for key in ["ignore", "include"] {
                        trigger.get_mut(key).into_iter().for_each(string_to_list);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn items(node: &mut Node) -> impl Iterator<Item = &mut Node> {
    node.as_seq_mut().into_iter().flatten()
}

fn each(node: &mut Node, path: &str, change: fn(&mut Node, &str) -> Done) -> Done {
    items(node).enumerate().try_for_each(|(index, item)| change(item, &format!("{path}[{index}]")))
}

/// A text becomes a mapping with the text under `key`.
fn wrap(node: &mut Node, key: &str) {
    if node.as_str().is_some() {
        let place = node.position.clone();
        let text = std::mem::replace(node, Node::null(&place));
        *node = Node::mapping(&place, vec![(key, text)]);
    }
}

fn string_to_list(node: &mut Node) {
    if node.as_str().is_some() {
        let place = node.position.clone();
        let text = std::mem::replace(node, Node::null(&place));
        *node = Node::new(Value::Seq(vec![text]), &place);
    }
}

/// A list of names becomes a mapping of nulls.
fn names_to_map(node: &mut Node, path: &str) -> Done {
    let Value::Seq(names) = &node.value else {
        return Ok(());
    };
    let mut map = Map::new();
    for (index, name) in names.iter().enumerate() {
        let text = name.as_str().ok_or_else(|| name.fault(format!("{path}[{index}]"), "expected a name"))?;
        map.insert(Key::new(text, &name.position), Node::null(&name.position));
    }
    node.value = Value::Map(map);
    Ok(())
}

fn build(node: &mut Node, path: &str) -> Done {
    wrap(node, "context");
    let Some(map) = node.as_map_mut() else {
        return Ok(());
    };
    for (key, value) in map.iter_mut() {
        let path = format!("{path}.{}", key.name);
        match key.name.as_str() {
            "secrets" => items(value).for_each(|item| wrap(item, "source")),
            "provenance" | "sbom" => {
                if let Some(text) = value.scalar_text() {
                    value.value = Value::Text(text);
                }
            }
            "additional_contexts" => pairs(value, &path, |_| false)?,
            "ssh" => pairs(value, &path, |name| name == "default")?,
            "ulimits" => ulimits(value, &path)?,
            _ => {}
        }
    }
    Ok(())
}

/// A list of `KEY=value` becomes a mapping; only some keys may stand alone.
fn pairs(node: &mut Node, path: &str, alone: fn(&str) -> bool) -> Done {
    let Value::Seq(list) = &node.value else {
        return Ok(());
    };
    let mut map = Map::new();
    for (index, item) in list.iter().enumerate() {
        let fault = || item.fault(format!("{path}[{index}]"), "expected KEY=value");
        let text = item.as_str().ok_or_else(fault)?;
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Node::text(value, &item.position)),
            None if alone(text) => (text, Node::null(&item.position)),
            None => return Err(fault()),
        };
        map.insert(Key::new(key, &item.position), value);
    }
    node.value = Value::Map(map);
    Ok(())
}

fn depends_on(node: &mut Node, path: &str) -> Done {
    match &mut node.value {
        Value::Map(map) => {
            for (key, value) in map.iter_mut() {
                let place = value.position.clone();
                let fault = value.fault(format!("{path}.{}", key.name), "expected a mapping");
                let entry = value.as_map_mut().ok_or(fault)?;
                entry.entry(Key::new("condition", &place)).or_insert_with(|| Node::text("service_started", &place));
                entry.entry(Key::new("required", &place)).or_insert_with(|| Node::bool(true, &place));
            }
        }
        Value::Seq(names) => {
            let mut map = Map::new();
            for (index, name) in names.iter().enumerate() {
                let text = name.as_str().ok_or_else(|| name.fault(format!("{path}[{index}]"), "expected a name"))?;
                map.insert(Key::new(text, &name.position), merge::dependency(&name.position));
            }
            node.value = Value::Map(map);
        }
        _ => {}
    }
    Ok(())
}

fn env_file(node: &mut Node) {
    string_to_list(node);
    for item in items(node) {
        wrap(item, "path");
        let place = item.position.clone();
        if let Some(map) = item.as_map_mut() {
            map.entry(Key::new("required", &place)).or_insert_with(|| Node::bool(true, &place));
        }
    }
}

fn gpus(node: &mut Node) {
    if node.as_str().is_some() {
        let place = node.position.clone();
        let all = Node::mapping(&place, vec![("count", Node::text("all", &place))]);
        node.value = Value::Seq(vec![all]);
    }
}

fn volume_mount(node: &mut Node, path: &str) -> Done {
    if let Some(text) = node.as_str() {
        let volume = volume::parse(text).map_err(|message| node.fault(path, message))?;
        *node = volume.node(&node.position);
    }
    Ok(())
}

fn device(node: &mut Node, path: &str) -> Done {
    let Some(text) = node.as_str() else {
        return Ok(());
    };
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return Err(node.fault(path, "a device has too many colons").help("use the long form"));
    }
    let place = &node.position;
    let source = parts[0];
    let target = parts.get(1).copied().filter(|target| !target.is_empty()).unwrap_or(source);
    let permissions = parts.get(2).copied().unwrap_or("rwm");
    let pairs = [("source", source), ("target", target), ("permissions", permissions)];
    *node = Node::mapping(place, pairs.into_iter().map(|(key, text)| (key, Node::text(text, place))).collect());
    Ok(())
}

fn port_list(node: &mut Node, path: &str, left: &mut usize) -> Done {
    let Value::Seq(list) = &mut node.value else {
        return Ok(());
    };
    let mut all = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        if item.as_map().is_some() {
            all.push(item.clone());
            continue;
        }
        let text = match &item.value {
            Value::Int(_) | Value::Text(_) => item.scalar_text().unwrap_or_default(),
            _ => {
                return Err(item.fault(format!("{path}[{index}]"), format!("expected a port, found {}", item.kind())));
            }
        };
        let ports = ports::parse(&text).map_err(|message| item.fault(format!("{path}[{index}]"), message))?;
        *left = left.checked_sub(ports.len()).ok_or_else(|| {
            let message = format!("the project publishes more than {PORTS} ports");
            item.fault(format!("{path}[{index}]"), message)
        })?;
        all.extend(ports.iter().map(|port| port_node(port, &item.position)));
    }
    *list = all;
    Ok(())
}

fn port_node(port: &ports::Port, place: &Position) -> Node {
    let text = |text: &str| Node::text(text, place);
    let mut pairs = vec![("mode", text("ingress"))];
    if !port.host_ip.is_empty() {
        pairs.push(("host_ip", text(&port.host_ip)));
    }
    if port.target > 0 {
        pairs.push(("target", Node::new(Value::Int(i64::from(port.target)), place)));
    }
    if !port.published.is_empty() {
        pairs.push(("published", text(&port.published)));
    }
    pairs.push(("protocol", text(&port.protocol)));
    Node::mapping(place, pairs)
}

fn ulimits(node: &Node, path: &str) -> Done {
    for (key, value) in node.as_map().into_iter().flatten() {
        let path = format!("{path}.{}", key.name);
        if value.as_map().is_none() && value.as_int().is_none() {
            return Err(value.fault(path, format!("expected an integer or a mapping, found {}", value.kind())));
        }
        for limit in ["soft", "hard"] {
            if let Some(limit_value) = value.get(limit).filter(|limit_value| limit_value.as_int().is_none()) {
                let message = format!("expected an integer, found {}", limit_value.kind());
                return Err(limit_value.fault(format!("{path}.{limit}"), message));
            }
        }
    }
    Ok(())
}

/// `external: {name: x}` is the old form of `external: true` and `name: x`.
fn external(node: &mut Node, path: &str) -> Done {
    let Some(map) = node.as_map_mut() else {
        return Ok(());
    };
    let Some(external) = map.get_mut("external") else {
        return Ok(());
    };
    if external.as_map().is_none() {
        return Ok(());
    }
    let place = external.position.clone();
    let old = std::mem::replace(external, Node::bool(true, &place));
    if let Some(old_name) = old.get("name") {
        match map.get("name") {
            Some(name) if name != old_name => {
                return Err(old_name.fault(path, "'name' and 'external.name' differ").help("use 'name' alone"));
            }
            Some(_) => {}
            None => {
                map.insert(Key::new("name", &old_name.position), old_name.clone());
            }
        }
    }
    Ok(())
}
