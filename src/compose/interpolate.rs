//! Variables and types of a whole tree: texts are replaced first, then read as the type that their place wants.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::compose::error::{Diagnostic, Kind, Position};
use crate::compose::generation::Generation;
use crate::compose::load::FAULTS;
use crate::compose::node::{Node, Value};
use crate::compose::template::{self, Fault, Lookup};
use crate::compose::{cast, path};

/// Replaces the variables of every text in a tree, then casts the texts whose place asks for another type. `left` are
/// the bytes that such texts may still have; `unset` gets the variables that have no value and no default, and where
/// each of them stands first. What comes back are the texts that cannot be interpolated or cast, which stay.
pub(crate) fn interpolate(
    node: &mut Node,
    generation: Generation,
    lookup: Lookup<'_>,
    left: &Cell<usize>,
    unset: &mut BTreeMap<String, Position>,
) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    walk(node, generation, &mut Vec::new(), &mut faults, &mut |text, node, at| {
        let mut note = |name: &str| _ = unset.entry(name.to_owned()).or_insert_with(|| node.position.clone());
        let replaced = template::substitute_noting(text, generation, lookup, &mut note).and_then(|replaced| {
            left.set(left.get().checked_sub(replaced.len()).ok_or(Fault::TooLarge)?);
            Ok(replaced)
        });
        replaced.map_err(|fault| describe(&fault, node, at))
    });
    faults
}

/// Casts only: for a tree whose variables are replaced already.
pub(crate) fn cast_types(node: &mut Node, generation: Generation) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    walk(node, generation, &mut Vec::new(), &mut faults, &mut |text, _, _| Ok(text.to_owned()));
    faults
}

/// One text with its variables replaced.
pub(crate) fn text(node: &Node, at: &[&str], generation: Generation, lookup: Lookup<'_>) -> Result<String, Diagnostic> {
    let text = node.as_str().unwrap_or_default();
    template::substitute_noting(text, generation, lookup, &mut |_| ()).map_err(|fault| describe(&fault, node, at))
}

type Replace<'r> = &'r mut dyn FnMut(&str, &Node, &[&str]) -> Result<String, Diagnostic>;

fn walk<'a>(
    node: &'a mut Node,
    generation: Generation,
    at: &mut Vec<&'a str>,
    faults: &mut Vec<Diagnostic>,
    replace: Replace<'_>,
) {
    if let Value::Text(text) = &node.value {
        let replaced = if text.contains('$') { replace(text, node, at) } else { Ok(text.clone()) };
        let value = replaced
            .and_then(|text| cast::at(at, generation, text).map_err(|message| node.fault(path::show(at), message)));
        match value {
            Ok(value) => node.value = value,
            Err(fault) if faults.len() <= FAULTS => faults.push(fault),
            Err(_) => {}
        }
        return;
    }
    match &mut node.value {
        Value::Map(map) => {
            for (key, value) in map.iter_mut() {
                at.push(&key.name);
                walk(value, generation, at, faults, replace);
                at.pop();
            }
        }
        Value::Seq(items) => {
            for item in items {
                at.push("[]");
                walk(item, generation, at, faults, replace);
                at.pop();
            }
        }
        _ => {}
    }
}

fn describe(fault: &Fault, node: &Node, at: &[&str]) -> Diagnostic {
    match fault {
        Fault::Invalid => node
            .fault(path::show(at), "invalid interpolation")
            .help("write ${NAME}, ${NAME:-default} or ${NAME:?reason}; a dollar sign itself is $$"),
        Fault::TooLarge => node.fault(path::show(at), "too large once its variables are replaced"),
        Fault::Required { name, reason } => {
            let message = if reason.is_empty() {
                format!("required variable {name} is missing a value")
            } else {
                format!("required variable {name} is missing a value: {reason}")
            };
            node.fault(path::show(at), message).kind(Kind::RequiredVariable { name: name.as_str().into() })
        }
    }
}
