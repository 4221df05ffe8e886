//! What may stand where: the Compose Specification as tables, and the check of a tree against them.

mod build;
mod deploy;
mod mounts;
mod service;
mod top;

use std::collections::HashMap;

use crate::compose::emit::{Emit, Form, Tree};
use crate::compose::error::Diagnostic;
use crate::compose::generation::Generation;
use crate::compose::node::{Key, Map, Node, Value};
use crate::compose::print;
use crate::compose::units;

pub use top::{INCLUDE, PROJECT};

/// Kinds of scalars, to be combined.
pub(crate) mod kind {
    pub(crate) const STRING: u8 = 1;
    pub(crate) const INTEGER: u8 = 2;
    pub(crate) const NUMBER: u8 = 4 | INTEGER;
    pub(crate) const BOOLEAN: u8 = 8;
    pub(crate) const NULL: u8 = 16;
}

/// What a value may be.
#[derive(Debug)]
pub enum Shape {
    /// Anything.
    Any,
    /// A scalar of one of the kinds.
    Scalar(u8),
    /// One of some texts.
    Choice(&'static [&'static str]),
    /// A text that a test accepts; and what it should be, in words.
    Text(fn(&str) -> bool, &'static str),
    /// An integer in a range, or a text.
    Range(i64, i64),
    /// A list; its items may have to differ.
    List(&'static Shape, Unique),
    /// A mapping of free keys.
    Dict(&'static Shape, Names),
    /// A mapping of known attributes.
    Object(&'static Object),
    /// One of several shapes, which differ in kind.
    Either(&'static [Shape]),
    /// An attribute that Compose 2 does not have.
    SinceFive(&'static Shape),
}

/// Whether items of a list must differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// They must.
    Yes,
    /// They need not.
    No,
}

/// Which keys a mapping of free keys may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Any.
    Any,
    /// Any that has more than line breaks in it.
    Filled,
    /// Letters, digits, `.`, `_` and `-`; another is a fault.
    Checked,
    /// Any; the value is only checked if the name consists of lower-case letters.
    Lower,
}

/// A mapping of known attributes.
#[derive(Debug)]
pub struct Object {
    /// The attributes.
    pub attributes: &'static [(&'static str, Shape)],
    /// Those that must be there.
    pub required: &'static [&'static str],
    /// Whether `x-` attributes may be added.
    pub extensible: bool,
}

pub(crate) const STRING: Shape = Shape::Scalar(kind::STRING);
pub(crate) const DURATION: Shape =
    Shape::Text(|text| units::duration(text).is_some(), "a duration such as 1m30s or 500ms");
pub(crate) const NUMBER: Shape = Shape::Scalar(kind::NUMBER | kind::STRING);
pub(crate) const INTEGER: Shape = Shape::Scalar(kind::INTEGER | kind::STRING);
pub(crate) const BOOLEAN: Shape = Shape::Scalar(kind::BOOLEAN | kind::STRING);
pub(crate) const NULL: Shape = Shape::Scalar(kind::NULL);
pub(crate) const STRINGS: Shape = Shape::List(&STRING, Unique::No);
pub(crate) const UNIQUE_STRINGS: Shape = Shape::List(&STRING, Unique::Yes);
pub(crate) const STRING_OR_LIST: Shape = Shape::Either(&[STRING, UNIQUE_STRINGS]);
pub(crate) const COMMAND: Shape = Shape::Either(&[Shape::Scalar(kind::STRING | kind::NULL), STRINGS]);
pub(crate) const LIST_OR_DICT: Shape = Shape::Either(&[
    Shape::Dict(&Shape::Scalar(kind::STRING | kind::NUMBER | kind::BOOLEAN | kind::NULL), Names::Filled),
    UNIQUE_STRINGS,
]);
pub(crate) const OPTIONS: Shape = Shape::Dict(&Shape::Scalar(kind::STRING | kind::NUMBER), Names::Any);

pub(crate) const EXTRA_HOSTS: Shape =
    Shape::Either(&[Shape::Dict(&Shape::Either(&[STRING, STRINGS]), Names::Filled), UNIQUE_STRINGS]);

/// Checks a tree against a shape; every fault is found, up to a limit.
#[must_use]
pub fn check(node: &Node, shape: &'static Shape, path: &str, generation: Generation) -> Vec<Diagnostic> {
    let mut checker = Checker { generation, path: path.to_owned(), faults: Vec::new() };
    checker.node(node, shape);
    checker.faults
}

/// The attributes of the object at a dotted path, such as `services.*.build`; `*` stands for free keys and list items.
#[must_use]
pub fn attributes(path: &str) -> Option<Vec<&'static str>> {
    let mut shapes: Vec<&'static Shape> = vec![&PROJECT];
    for part in path.split('.').filter(|part| !part.is_empty()) {
        shapes = shapes.into_iter().flat_map(alternatives).filter_map(|shape| child(shape, part)).collect();
    }
    shapes.into_iter().flat_map(alternatives).find_map(|shape| match shape {
        Shape::Object(object) => Some(object.attributes.iter().map(|(name, _)| *name).collect()),
        _ => None,
    })
}

fn alternatives(shape: &'static Shape) -> Vec<&'static Shape> {
    match shape {
        Shape::Either(all) => all.iter().flat_map(alternatives).collect(),
        Shape::SinceFive(shape) => alternatives(shape),
        _ => vec![shape],
    }
}

fn child(shape: &'static Shape, part: &str) -> Option<&'static Shape> {
    match shape {
        Shape::List(item, _) | Shape::Dict(item, _) if part == "*" => Some(item),
        Shape::Object(object) => object.attributes.iter().find(|(name, _)| *name == part).map(|(_, shape)| shape),
        _ => None,
    }
}

/// More faults than anybody reads.
const LIMIT: usize = 20;

struct Checker {
    generation: Generation,
    path: String,
    faults: Vec<Diagnostic>,
}

impl Checker {
    fn fault(&mut self, node: &Node, message: String) {
        let fault = node.fault(self.path.clone(), message);
        self.push(fault);
    }

    fn push(&mut self, fault: Diagnostic) {
        if self.faults.len() < LIMIT {
            self.faults.push(fault);
        }
    }

    fn below(&mut self, part: &str, node: &Node, shape: &'static Shape) {
        let length = self.path.len();
        if !self.path.is_empty() && !part.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(part);
        self.node(node, shape);
        self.path.truncate(length);
    }

    fn node(&mut self, node: &Node, shape: &'static Shape) {
        match (shape, &node.value) {
            (Shape::Any, _) | (Shape::Range(..), Value::Text(_)) => {}
            (Shape::SinceFive(shape), _) => self.node(node, shape),
            (Shape::Either(all), _) => match all.iter().find(|shape| same_kind(node, shape)) {
                Some(shape) => self.node(node, shape),
                None => self.mismatch(node, shape),
            },
            (Shape::Scalar(_), _) if same_kind(node, shape) => {}
            // Compose 5 checks a date as the text that it is in JSON.
            (Shape::Scalar(kinds), Value::Time(_))
                if kinds & kind::STRING != 0 && self.generation == Generation::Five => {}
            (Shape::Choice(choices), Value::Text(text)) => {
                if !choices.contains(&text.as_str()) {
                    self.choice(node, text, choices);
                }
            }
            (Shape::Text(accepts, wanted), Value::Text(text)) => {
                if !accepts(text) {
                    self.fault(node, format!("expected {wanted}"));
                }
            }
            (Shape::Range(low, high), Value::Int(_) | Value::Float(_)) => {
                if !node.as_whole().is_some_and(|value| (*low..=*high).contains(&value)) {
                    self.fault(node, range(*low, *high));
                }
            }
            (Shape::List(item, unique), Value::Seq(items)) => self.list(items, item, *unique),
            (Shape::Dict(item, names), Value::Map(map)) => self.dict(map, item, *names),
            (Shape::Object(object), Value::Map(map)) => self.object(node, map, object),
            _ => self.mismatch(node, shape),
        }
    }

    fn mismatch(&mut self, node: &Node, shape: &'static Shape) {
        let mut wanted = Vec::new();
        describe(shape, &mut wanted);
        // nothing is the least of the choices
        wanted.sort_by_key(|words| *words == "null");
        wanted.dedup();
        let message = format!("expected {}, found {}", any_of(&wanted), node.kind());
        let mut fault = node.fault(self.path.clone(), message);
        if wanted.contains(&"a string") && node.scalar_text().is_some() {
            fault = fault.help("put it in quotes");
        }
        self.push(fault);
    }

    fn choice(&mut self, node: &Node, text: &str, choices: &[&'static str]) {
        let mut message = format!("expected {}", any_of(choices));
        if let Some(near) = crate::compose::error::nearest(text, choices.iter().copied()) {
            message.extend(["; did you mean '", near, "'?"]);
        }
        self.fault(node, message);
    }

    fn list(&mut self, items: &[Node], shape: &'static Shape, unique: Unique) {
        let mut seen = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            self.below(&format!("[{index}]"), item, shape);
            if unique == Unique::Yes
                && let Some(first) =
                    seen.insert(print::compact(&Tree::from(item).tree(Form::json(Generation::Two))), index)
            {
                let path = format!("{}[{index}]", self.path);
                self.push(item.fault(path, format!("the same stands at [{first}] already")));
            }
        }
    }

    fn dict(&mut self, map: &Map, shape: &'static Shape, names: Names) {
        for (key, value) in map {
            if names == Names::Checked && !name(&key.name) {
                let message = format!("'{}' is not a name: use letters, digits, '.', '_' and '-'", key.name);
                self.push(Diagnostic::new(&key.position, self.join(&key.name), message));
                continue;
            }
            if names == Names::Filled && key.name.bytes().all(|b| b == b'\n') {
                self.push(Diagnostic::new(&key.position, self.path.clone(), "a key cannot be empty"));
                continue;
            }
            if names != Names::Lower || key.name.bytes().all(|b| b.is_ascii_lowercase()) {
                self.below(&key.name, value, shape);
            }
        }
    }

    fn object(&mut self, node: &Node, map: &Map, object: &'static Object) {
        for (key, value) in map {
            match object.attributes.iter().find(|(known, shape)| *known == key.name && self.has(shape)) {
                Some((_, shape)) => self.below(&key.name, value, shape),
                None if object.extensible && key.name.starts_with("x-") => {}
                None => self.unknown(key, value, map, object),
            }
        }
        for name in object.required {
            if !map.contains_key(*name) {
                self.fault(node, format!("the attribute '{name}' is missing"));
            }
        }
    }

    fn unknown(&mut self, key: &Key, value: &Node, map: &Map, object: &'static Object) {
        let known = object.attributes.iter().filter(|(_, shape)| self.has(shape)).map(|(name, _)| *name);
        let path = self.join(&key.name);
        let mut fault = Diagnostic::unknown(&key.position, path, "attribute", &key.name, known);
        if self.path.is_empty() && is_service(value) {
            fault = fault.help(if map.contains_key("services") {
                "a service stands under 'services'"
            } else {
                "this file is of Compose 1: put its services below 'services:'"
            });
        }
        self.push(fault);
    }

    /// Whether the generation has an attribute.
    fn has(&self, shape: &Shape) -> bool {
        self.generation >= Generation::Five || !matches!(shape, Shape::SinceFive(_))
    }

    fn join(&self, part: &str) -> String {
        if self.path.is_empty() { part.to_owned() } else { format!("{}.{part}", self.path) }
    }
}

/// Whether a value at the top looks like a service: every file of Compose 1 holds nothing else there.
fn is_service(value: &Node) -> bool {
    ["image", "build", "extends", "container_name", "command", "ports", "volumes"]
        .into_iter()
        .any(|attribute| value.get(attribute).is_some())
}

/// `a, b or c`
fn any_of(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn range(low: i64, high: i64) -> String {
    match (low, high) {
        (low, i64::MAX) => format!("expected an integer of at least {low}"),
        (low, high) => format!("expected an integer from {low} to {high}"),
    }
}

/// Whether a name of a service, network and so on is one.
fn name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether a value is of the kind that a shape is about, whatever is wrong with it inside.
fn same_kind(node: &Node, shape: &Shape) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Scalar(kinds) => {
            let kind = match node.value {
                Value::Null => kind::NULL,
                Value::Bool(_) => kind::BOOLEAN,
                Value::Int(_) | Value::Large(_) => kind::INTEGER,
                Value::Float(_) if node.as_whole().is_some() => kind::INTEGER,
                Value::Float(_) => kind::NUMBER & !kind::INTEGER,
                Value::Text(_) => kind::STRING,
                Value::Time(_) | Value::Seq(_) | Value::Map(_) => 0,
            };
            kinds & kind != 0
        }
        Shape::Choice(_) | Shape::Text(..) => matches!(node.value, Value::Text(_)),
        Shape::Range(..) => matches!(node.value, Value::Text(_)) || node.as_whole().is_some(),
        Shape::List(..) => matches!(node.value, Value::Seq(_)),
        Shape::Dict(..) | Shape::Object(_) => matches!(node.value, Value::Map(_)),
        Shape::Either(all) => all.iter().any(|shape| same_kind(node, shape)),
        Shape::SinceFive(shape) => same_kind(node, shape),
    }
}

/// The kinds of a shape in words.
fn describe(shape: &Shape, out: &mut Vec<&'static str>) {
    match shape {
        Shape::Any => out.push("anything"),
        Shape::Scalar(kinds) => {
            let number = if kinds & kind::NUMBER == kind::NUMBER { "a number" } else { "an integer" };
            for (bit, text) in
                [(kind::STRING, "a string"), (kind::NUMBER, number), (kind::BOOLEAN, "a boolean"), (kind::NULL, "null")]
            {
                if kinds & bit != 0 {
                    out.push(text);
                }
            }
        }
        Shape::Choice(choices) => out.extend(*choices),
        Shape::Text(_, words) => out.push(words),
        Shape::Range(..) => out.push("an integer"),
        Shape::List(..) => out.push("a list"),
        Shape::Dict(..) | Shape::Object(_) => out.push("a mapping"),
        Shape::Either(all) => all.iter().for_each(|shape| describe(shape, out)),
        Shape::SinceFive(shape) => describe(shape, out),
    }
}

#[cfg(test)]
mod tests;
