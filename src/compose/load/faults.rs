//! Faults that do not end a load: each is noted, what is wrong is taken out of the tree, and the rest is read on, so that
//! all faults of all files are found at once.

use std::cell::{Cell, RefCell};

use crate::compose::error::{Diagnostic, Position};
use crate::compose::node::{Map, Node, Value};

/// Faults that are noted at most: more than anybody reads, and each may cost another look at the whole tree.
pub(crate) const LIMIT: usize = 50;

/// The faults of one load.
#[derive(Default)]
pub(crate) struct Faults {
    found: RefCell<Vec<Diagnostic>>,
    incomplete: Cell<bool>,
}

impl Faults {
    /// Notes a fault.
    ///
    /// # Errors
    /// The fault itself, if it is one too many.
    pub(crate) fn note(&self, fault: Diagnostic) -> Result<(), Diagnostic> {
        self.note_new(fault).map(|_| ())
    }

    /// The same; whether it was not noted yet.
    fn note_new(&self, fault: Diagnostic) -> Result<bool, Diagnostic> {
        let mut found = self.found.borrow_mut();
        if found.len() >= LIMIT {
            return Err(fault);
        }
        let new = !found.contains(&fault);
        if new {
            found.push(fault);
        }
        Ok(new)
    }

    /// Notes a fault that leaves out a part of the project which others may refer to.
    ///
    /// # Errors
    /// The fault itself, if it is one too many.
    pub(crate) fn note_gap(&self, fault: Diagnostic) -> Result<(), Diagnostic> {
        self.incomplete.set(true);
        self.note(fault)
    }

    /// Whether parts of the project are left out: rules between its parts mean nothing then.
    pub(crate) fn incomplete(&self) -> bool {
        self.incomplete.get()
    }

    /// Everything that was noted.
    pub(crate) fn take(&self) -> Vec<Diagnostic> {
        self.found.take()
    }

    /// Repeats a check until it finds nothing: what it finds is noted and taken out of the tree.
    ///
    /// # Errors
    /// A fault that cannot be taken out, or is one too many.
    pub(crate) fn settle(
        &self,
        tree: &mut Node,
        mut check: impl FnMut(&mut Node) -> Vec<Diagnostic>,
    ) -> Result<(), Diagnostic> {
        loop {
            let faults = check(tree);
            let Some(last) = faults.last().cloned() else { return Ok(()) };
            let mut progress = false;
            // Backwards: the indexes of items before one that goes stay.
            for fault in faults.iter().rev() {
                progress |= take_out(tree, fault);
            }
            for fault in faults {
                if !fault.path.contains('.') {
                    self.incomplete.set(true);
                }
                progress |= self.note_new(fault)?;
            }
            if !progress {
                return Err(last);
            }
        }
    }
}

/// Takes out what stands at the path of a fault, such as `services.web.ports[1]`, else the scalars at its place; a service
/// or another resource becomes empty instead, since others may refer to it.
fn take_out(tree: &mut Node, fault: &Diagnostic) -> bool {
    remove(tree, &fault.path, 0) || fault.position.as_ref().is_some_and(|place| remove_at(tree, place))
}

fn remove_at(node: &mut Node, place: &Position) -> bool {
    let mut found = false;
    let mut stays = |node: &mut Node| {
        let here = match node.value {
            Value::Map(_) | Value::Seq(_) => {
                found |= remove_at(node, place);
                false
            }
            _ => node.position == *place,
        };
        found |= here;
        !here
    };
    match &mut node.value {
        Value::Map(map) => map.retain(|_, value| stays(value)),
        Value::Seq(items) => items.retain_mut(|item| stays(item)),
        _ => {}
    }
    found
}

fn remove(node: &mut Node, path: &str, depth: usize) -> bool {
    match &mut node.value {
        Value::Map(map) => {
            let found = map.keys().filter_map(|key| Some((key.name.clone(), rest(path, &key.name)?)));
            let Some((name, rest)) = found.min_by_key(|(_, rest)| rest.len()) else { return false };
            let Some(value) = map.get_mut(name.as_str()) else { return false };
            if !rest.is_empty() {
                return remove(value, rest, depth + 1);
            }
            if depth == 1 && value.as_map().is_none_or(|map| !map.is_empty()) {
                value.value = Value::Map(Map::new());
                return true;
            }
            map.shift_remove(name.as_str()).is_some()
        }
        Value::Seq(items) => {
            let item = path.strip_prefix('[').and_then(|path| path.split_once(']'));
            let Some((index, rest)) = item.and_then(|(index, rest)| Some((index.parse::<usize>().ok()?, rest))) else {
                return false;
            };
            match (items.get_mut(index), rest.trim_start_matches('.')) {
                (None, _) => false,
                (Some(_), "") => {
                    items.remove(index);
                    true
                }
                (Some(item), rest) => remove(item, rest, depth + 1),
            }
        }
        _ => false,
    }
}

/// What of a path stands behind a key.
fn rest<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(key)?;
    match rest.as_bytes().first() {
        None | Some(b'[') => Some(rest),
        Some(b'.') => Some(&rest[1..]),
        _ => None,
    }
}
