//! Lists whose items have an identity: a later item takes the place of the earlier one that it redefines.

use std::collections::HashMap;

use crate::compose::error::Diagnostic;
use crate::compose::node::{Node, Value};
use crate::compose::path;
use crate::compose::short::volume;

/// What identifies an item.
#[derive(Clone, Copy)]
enum Identity {
    /// The text before `=`.
    Key,
    /// The mount's target.
    Volume,
    /// The device's target.
    Device,
    /// The target of a config or secret, in the given folder by default.
    File(&'static str),
    /// The file's path.
    EnvFile,
    /// The number.
    Expose,
    /// Address, ports and protocol.
    Port,
}

const LISTS: &[(&str, Identity)] = &[
    ("networks.*.labels", Identity::Key),
    ("networks.*.ipam.options", Identity::Key),
    ("services.*.annotations", Identity::Key),
    ("services.*.build.args", Identity::Key),
    ("services.*.build.additional_contexts", Identity::Key),
    ("services.*.build.platform", Identity::Key),
    ("services.*.build.tags", Identity::Key),
    ("services.*.build.labels", Identity::Key),
    ("services.*.cap_add", Identity::Key),
    ("services.*.cap_drop", Identity::Key),
    ("services.*.configs", Identity::File("")),
    ("services.*.deploy.labels", Identity::Key),
    ("services.*.devices", Identity::Device),
    ("services.*.dns", Identity::Key),
    ("services.*.dns_opt", Identity::Key),
    ("services.*.dns_search", Identity::Key),
    ("services.*.environment", Identity::Key),
    ("services.*.env_file", Identity::EnvFile),
    ("services.*.expose", Identity::Expose),
    ("services.*.labels", Identity::Key),
    ("services.*.links", Identity::Key),
    ("services.*.networks.*.aliases", Identity::Key),
    ("services.*.networks.*.link_local_ips", Identity::Key),
    ("services.*.ports", Identity::Port),
    ("services.*.profiles", Identity::Key),
    ("services.*.secrets", Identity::File("/run/secrets")),
    ("services.*.sysctls", Identity::Key),
    ("services.*.tmpfs", Identity::Key),
    ("services.*.volumes", Identity::Volume),
];

/// Removes what is redefined from every list of a tree that has identities.
///
/// # Errors
/// An item that has none.
pub(crate) fn enforce(node: &mut Node) -> Result<(), Diagnostic> {
    walk(node, &mut Vec::new())
}

/// Whether the items of a list have identities.
pub(crate) fn has_identities(list: &[&str]) -> bool {
    LISTS.iter().any(|(pattern, _)| path::matches(list, pattern))
}

fn walk(node: &mut Node, at: &mut Vec<String>) -> Result<(), Diagnostic> {
    match &mut node.value {
        Value::Map(map) => {
            for (key, value) in map.iter_mut() {
                at.push(key.name.clone());
                walk(value, at)?;
                at.pop();
            }
            Ok(())
        }
        Value::Seq(items) => {
            let parts: Vec<&str> = at.iter().map(String::as_str).collect();
            match LISTS.iter().find(|(pattern, _)| path::matches(&parts, pattern)) {
                Some((_, identity)) => unique(items, *identity, &parts),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn unique(items: &mut Vec<Node>, identity: Identity, at: &[&str]) -> Result<(), Diagnostic> {
    let mut kept: Vec<Node> = Vec::with_capacity(items.len());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, item) in items.drain(..).enumerate() {
        let id = name(&item, identity).map_err(|message| item.fault(format!("{}[{index}]", at.join(".")), message))?;
        if let Some(earlier) = seen.get(&id) {
            kept[*earlier] = item;
        } else {
            seen.insert(id, kept.len());
            kept.push(item);
        }
    }
    *items = kept;
    Ok(())
}

fn name(item: &Node, identity: Identity) -> Result<String, String> {
    let field = |key: &str| item.get(key).and_then(Node::scalar_text);
    let missing = |what: &str| format!("{what} is missing");
    match (identity, &item.value) {
        (Identity::Key, Value::Text(text)) => Ok(text.split('=').next().unwrap_or_default().to_owned()),
        (Identity::Expose | Identity::Port, Value::Text(_) | Value::Int(_)) => {
            Ok(item.scalar_text().unwrap_or_default())
        }
        (Identity::Volume, Value::Text(text)) => volume::parse(text).map(|volume| volume.target),
        (Identity::Device, Value::Text(text)) => {
            let mut parts = text.split(':');
            let source = parts.next().unwrap_or_default();
            Ok(parts.next().unwrap_or(source).to_owned())
        }
        (Identity::Volume, Value::Map(_)) => field("target").ok_or_else(|| missing("the target of the mount")),
        (Identity::Device, Value::Map(_)) => field("target").ok_or_else(|| missing("the target of the device")),
        (Identity::File(folder), Value::Text(text)) => Ok(format!("{folder}/{text}")),
        (Identity::File(folder), Value::Map(_)) => {
            Ok(field("target").unwrap_or_else(|| format!("{folder}/{}", field("source").unwrap_or_default())))
        }
        (Identity::EnvFile, Value::Text(text)) => Ok(text.clone()),
        (Identity::EnvFile, Value::Map(_)) => field("path").ok_or_else(|| missing("the path")),
        (Identity::Port, Value::Map(_)) => {
            let target = field("target").ok_or_else(|| missing("the target port"))?;
            let host = field("host_ip").unwrap_or_else(|| "0.0.0.0".to_owned());
            let protocol = field("protocol").unwrap_or_else(|| "tcp".to_owned());
            // Compose tells a number from a text here
            let published = item
                .get("published")
                .map_or_else(String::new, |node| format!("{}{}", node.kind(), node.scalar_text().unwrap_or_default()));
            Ok(format!("{host}:{published}:{target}/{protocol}"))
        }
        (Identity::Key | Identity::Expose | Identity::File(_), _) => {
            Err(format!("expected a string, found {}", item.kind()))
        }
        _ => Ok(String::new()),
    }
}
