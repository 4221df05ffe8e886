//! Reading a section of `x-rolecall`: known keys and their types, every fault with its line and column.

use crate::compose::{
    error::{Diagnostic, nearest},
    node::{Key, Node},
};

/// Collects the faults of a whole document, so that they are told at once.
#[derive(Default)]
pub(super) struct Faults(Vec<Diagnostic>);

impl Faults {
    /// Adds a fault.
    pub(super) fn push(&mut self, fault: Diagnostic) {
        self.0.push(fault);
    }

    /// All of them, in the order in which they were found.
    pub(super) fn into_inner(self) -> Vec<Diagnostic> {
        self.0
    }
}

/// A mapping whose keys are known.
pub(super) struct Section<'a> {
    node: &'a Node,
    path: String,
}

impl<'a> Section<'a> {
    /// A mapping at `path` that may only have the keys in `known`; null counts as an empty one. Unknown keys and a
    /// value of another type are faults.
    pub(super) fn new(node: &'a Node, path: &str, known: &[&str], faults: &mut Faults) -> Option<Self> {
        if node.is_null() {
            return None;
        }
        let Some(map) = node.as_map() else {
            faults.push(expected(node, path, "a mapping"));
            return None;
        };
        for key in map.keys().filter(|key| !known.contains(&key.name.as_str())) {
            faults.push(unknown(key, path, known));
        }
        Some(Self { node, path: path.to_owned() })
    }

    /// The path of a key below this section.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// The value under a key; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key).filter(|node| !node.is_null())
    }

    /// A text; a number is none, but is read as one where `x-rolecall` wants a text.
    pub(super) fn text(&self, key: &str, faults: &mut Faults) -> Option<String> {
        let node = self.get(key)?;
        let text = node.scalar_text();
        if text.is_none() {
            faults.push(expected(node, &self.path(key), "a string"));
        }
        text
    }

    /// A boolean.
    pub(super) fn flag(&self, key: &str, faults: &mut Faults) -> Option<bool> {
        let node = self.get(key)?;
        let value = node.as_bool();
        if value.is_none() {
            faults.push(expected(node, &self.path(key), "true or false"));
        }
        value
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str, faults: &mut Faults) -> Vec<String> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Some(items) = node.as_seq() else {
            faults.push(expected(node, &self.path(key), "a list of strings"));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.scalar_text() {
                Some(text) => texts.push(text),
                None => faults.push(expected(item, &format!("{}[{index}]", self.path(key)), "a string")),
            }
        }
        texts
    }

    /// The pairs of a mapping under a key.
    pub(super) fn pairs(&self, key: &str, faults: &mut Faults) -> Vec<(&'a Key, &'a Node)> {
        let Some(node) = self.get(key) else { return Vec::new() };
        if let Some(map) = node.as_map() {
            map.iter().collect()
        } else {
            faults.push(expected(node, &self.path(key), "a mapping"));
            Vec::new()
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], faults: &mut Faults) -> Option<T> {
        let node = self.get(key)?;
        let text = self.text(key, faults)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let meant = nearest(&text, words.iter().copied()).map(|w| format!(", did you mean '{w}'?")).unwrap_or_default();
        faults.push(node.fault(self.path(key), format!("'{text}' is not one of {}{meant}", words.join(", "))));
        None
    }
}

fn unknown(key: &Key, path: &str, known: &[&str]) -> Diagnostic {
    let at = format!("{path}.{}", key.name);
    let fault = Diagnostic::unknown(&key.position, at, "key", &key.name, known.iter().copied());
    fault.help(format!("known here: {}", known.join(", ")))
}

/// A value of the wrong kind.
pub(super) fn expected(node: &Node, path: &str, what: &str) -> Diagnostic {
    node.fault(path, format!("expected {what}, found {}", node.kind()))
}
