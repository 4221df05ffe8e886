//! How a later file changes an earlier one: by attribute, as Compose does.

mod reset;
mod unique;

pub(crate) use reset::Resets;
pub(crate) use unique::{enforce as enforce_unique, has_identities};

use indexmap::map::Entry;

use crate::compose::error::{Diagnostic, Position};
use crate::compose::node::{Key, Map, Node, Value};
use crate::compose::path;

/// How two values of one attribute become one.
#[derive(Clone, Copy)]
enum Rule {
    /// The later replaces the earlier.
    Replace,
    /// Both as lists of `KEY=value`, one behind the other.
    Sequence,
    /// Likewise, without what is there already.
    Hosts,
    /// Both as mappings; a name alone stands for the null value.
    Names,
    /// Both as mappings; a name alone stands for a plain dependency.
    Dependencies,
    /// Both as mappings; a text stands for the context.
    Build,
    /// Merged for one driver, replaced for another.
    Logging,
    /// Pools by subnet.
    Pools,
}

/// The attributes that are not merged by the kind of their value alone.
const RULES: &[(&str, Rule)] = &[
    ("networks.*.ipam.config", Rule::Pools),
    ("networks.*.labels", Rule::Sequence),
    ("volumes.*.labels", Rule::Sequence),
    ("services.*.annotations", Rule::Sequence),
    ("services.*.build", Rule::Build),
    ("services.*.build.args", Rule::Sequence),
    ("services.*.build.additional_contexts", Rule::Sequence),
    ("services.*.build.extra_hosts", Rule::Hosts),
    ("services.*.build.labels", Rule::Sequence),
    ("services.*.command", Rule::Replace),
    ("services.*.depends_on", Rule::Dependencies),
    ("services.*.deploy.labels", Rule::Sequence),
    ("services.*.dns", Rule::Sequence),
    ("services.*.dns_opt", Rule::Sequence),
    ("services.*.dns_search", Rule::Sequence),
    ("services.*.entrypoint", Rule::Replace),
    ("services.*.env_file", Rule::Sequence),
    ("services.*.label_file", Rule::Sequence),
    ("services.*.environment", Rule::Sequence),
    ("services.*.extra_hosts", Rule::Hosts),
    ("services.*.healthcheck.test", Rule::Replace),
    ("services.*.labels", Rule::Sequence),
    ("services.*.volumes.*.volume.labels", Rule::Sequence),
    ("services.*.logging", Rule::Logging),
    ("services.*.models", Rule::Names),
    ("services.*.networks", Rule::Names),
    ("services.*.sysctls", Rule::Sequence),
    ("services.*.tmpfs", Rule::Sequence),
    ("services.*.ulimits.*", Rule::Replace),
];

/// Merges a project into another one; `over` is the later.
///
/// # Errors
/// Where the later value is of another kind than the earlier.
pub(crate) fn project(base: Node, over: Node) -> Result<Node, Diagnostic> {
    merge(base, over, &mut Vec::new())
}

/// Merges a service into the one that it extends.
///
/// # Errors
/// As for [`project`].
pub(crate) fn service(base: Node, over: Node, name: &str) -> Result<Node, Diagnostic> {
    resource(base, over, "services", name)
}

/// Merges an entry of a section into another one of the same name.
///
/// # Errors
/// As for [`project`].
pub(crate) fn resource(base: Node, over: Node, section: &str, name: &str) -> Result<Node, Diagnostic> {
    merge(base, over, &mut vec![section.to_owned(), name.to_owned()])
}

fn merge(base: Node, over: Node, at: &mut Vec<String>) -> Result<Node, Diagnostic> {
    let parts: Vec<&str> = at.iter().map(String::as_str).collect();
    if let Some((_, rule)) = RULES.iter().find(|(pattern, _)| path::matches(&parts, pattern)) {
        return apply(*rule, base, over, at);
    }
    if over.is_null() {
        return Ok(base);
    }
    match (base.value, over.value) {
        (Value::Map(map), Value::Map(other)) => {
            Ok(Node { value: Value::Map(mappings(map, other, at)?), position: base.position, tag: None })
        }
        (Value::Seq(mut items), Value::Seq(others)) => {
            items.extend(others);
            Ok(Node { value: Value::Seq(items), position: base.position, tag: None })
        }
        (earlier @ (Value::Map(_) | Value::Seq(_)), _) => {
            let kind = Node::new(earlier, &base.position).kind();
            let message = format!("cannot override {kind} of {}", base.position);
            Err(Diagnostic::new(&over.position, at.join("."), message)
                .help("give a value of the same kind, or tag it '!override'"))
        }
        (_, value) => Ok(Node { value, ..over }),
    }
}

fn mappings(mut base: Map, over: Map, at: &mut Vec<String>) -> Result<Map, Diagnostic> {
    for (key, value) in over {
        at.push(key.name.clone());
        match base.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => {
                let place = value.position.clone();
                let earlier = std::mem::replace(entry.get_mut(), Node::null(&place));
                *entry.get_mut() = merge(earlier, value, at)?;
            }
        }
        at.pop();
    }
    Ok(base)
}

fn apply(rule: Rule, base: Node, over: Node, at: &mut Vec<String>) -> Result<Node, Diagnostic> {
    let place = if base.is_null() { over.position.clone() } else { base.position.clone() };
    let value = match rule {
        Rule::Replace => return Ok(over),
        Rule::Sequence => {
            let mut items = sequence(base);
            items.extend(sequence(over));
            Value::Seq(items)
        }
        Rule::Hosts => {
            let mut items = sequence(base);
            let added: Vec<Node> = sequence(over).into_iter().filter(|item| !items.contains(item)).collect();
            items.extend(added);
            Value::Seq(items)
        }
        Rule::Names | Rule::Dependencies => {
            let plain = matches!(rule, Rule::Dependencies);
            let (base, over) = (mapping(base, plain, at)?, mapping(over, plain, at)?);
            Value::Map(mappings(base, over, at)?)
        }
        Rule::Build => Value::Map(mappings(build(base), build(over), at)?),
        Rule::Logging => return logging(base, over, at),
        Rule::Pools => pools(&base, &over, at)?,
    };
    Ok(Node::new(value, &place))
}

/// A value as a list of `KEY=value`; a mapping's keys in order.
fn sequence(node: Node) -> Vec<Node> {
    match node.value {
        Value::Seq(items) => items,
        Value::Text(_) => vec![node],
        Value::Map(map) => {
            let mut items = Vec::new();
            for (key, value) in map {
                let pair = |text: &str| Node::text(format!("{}={text}", key.name), &key.position);
                match &value.value {
                    Value::Null => items.push(Node::text(key.name.clone(), &key.position)),
                    Value::Seq(all) => {
                        items.extend(all.iter().map(|one| pair(&one.scalar_text().unwrap_or_default())));
                    }
                    _ => items.push(pair(&value.scalar_text().unwrap_or_default())),
                }
            }
            items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            items
        }
        _ => Vec::new(),
    }
}

/// A value as a mapping of names.
fn mapping(node: Node, dependencies: bool, at: &[String]) -> Result<Map, Diagnostic> {
    match node.value {
        Value::Map(map) => Ok(map),
        Value::Seq(items) => items
            .into_iter()
            .map(|item| {
                let name = item.as_str().ok_or_else(|| item.fault(at.join("."), "expected a name"))?;
                let value = if dependencies { dependency(&item.position) } else { Node::null(&item.position) };
                Ok((Key::new(name, &item.position), value))
            })
            .collect(),
        _ => Ok(Map::new()),
    }
}

/// What a name alone means under `depends_on`.
pub(crate) fn dependency(place: &Position) -> Node {
    Node::mapping(
        place,
        vec![("condition", Node::text("service_started", place)), ("required", Node::bool(true, place))],
    )
}

fn build(node: Node) -> Map {
    match node.value {
        Value::Map(map) => map,
        Value::Text(_) => {
            let place = node.position.clone();
            Map::from_iter([(Key::new("context", &place), node)])
        }
        _ => Map::new(),
    }
}

fn logging(base: Node, over: Node, at: &mut Vec<String>) -> Result<Node, Diagnostic> {
    match (base.value, over.value) {
        (Value::Map(map), Value::Map(other)) => {
            let same = match (map.get("driver"), other.get("driver")) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            };
            let merged = if same { mappings(map, other, at)? } else { other };
            Ok(Node::new(Value::Map(merged), &over.position))
        }
        (value, Value::Null) => Ok(Node::new(value, &base.position)),
        (_, value) => Ok(Node::new(value, &over.position)),
    }
}

/// Pools of addresses: one of a later file is merged into the earlier one of the same subnet. What Compose does with
/// several pools is odd (an earlier one that no later one matches gets lost), and is kept.
fn pools(base: &Node, over: &Node, at: &mut Vec<String>) -> Result<Value, Diagnostic> {
    let fault = |node: &Node| node.fault(at.join("."), format!("expected a list, found {}", node.kind()));
    let earlier = base.as_seq().ok_or_else(|| fault(base))?.to_vec();
    let later = over.as_seq().ok_or_else(|| fault(over))?.to_vec();
    let subnet = |map: &Map| map.get("subnet").cloned();
    let mut all: Vec<Node> = Vec::new();
    for pool in earlier {
        let mut right = pool.as_map().cloned().unwrap_or_default();
        for other in &later {
            let left = other.as_map().cloned().unwrap_or_default();
            let found = |all: &[Node], map: &Map| {
                all.iter().position(|known| known.as_map().is_some_and(|known| subnet(known) == subnet(map)))
            };
            if subnet(&left) != subnet(&right) && found(&all, &left).is_none() {
                all.push(Node::new(Value::Map(left), &other.position));
                continue;
            }
            right = mappings(right, left, at)?;
            let merged = Node::new(Value::Map(right.clone()), &pool.position);
            match found(&all, &right) {
                Some(index) => all[index] = merged,
                None => all.push(merged),
            }
        }
    }
    Ok(Value::Seq(all))
}

#[cfg(test)]
mod tests;
