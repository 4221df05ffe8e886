//! From nodes to types. Types and unknown keys have been checked before; what is left is what only a type can tell.

use std::collections::BTreeMap;

use crate::compose::emit::{Emit, Form, Syntax, Tree};
use crate::compose::error::Diagnostic;
use crate::compose::generation::Generation;
use crate::compose::model::Extensions;
use crate::compose::node::{Map, Node, Value};

/// The result of reading one value.
pub(crate) type Decoded<T> = Result<T, Diagnostic>;

/// The attribute that is being read: a path that costs nothing until it is printed.
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    part: Part<'a>,
    /// The Compose whose rules are followed.
    pub(crate) generation: Generation,
}

enum Part<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// The top of a path.
    pub(crate) fn top(key: &'a str, generation: Generation) -> Self {
        Self { parent: None, part: Part::Key(key), generation }
    }

    /// An attribute of this one.
    pub(crate) fn key(&'a self, key: &'a str) -> At<'a> {
        At { parent: Some(self), part: Part::Key(key), generation: self.generation }
    }

    /// An item of this list.
    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At { parent: Some(self), part: Part::Index(index), generation: self.generation }
    }
}

impl std::fmt::Display for At<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(parent) = self.parent {
            std::fmt::Display::fmt(parent, out)?;
        }
        match self.part {
            Part::Index(index) => write!(out, "[{index}]"),
            Part::Key(key) if self.parent.is_some() => write!(out, ".{key}"),
            Part::Key(key) => out.write_str(key),
        }
    }
}

/// A type that can be read from a node.
pub(crate) trait Decode: Sized {
    /// Reads the value of the attribute `at`; a null is only given to types that have a meaning for it.
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self>;
}

/// The attributes of a structure while it is read.
pub(crate) struct Fields<'a> {
    map: Option<&'a Map>,
    at: &'a At<'a>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(node: &'a Node, at: &'a At<'a>) -> Decoded<Self> {
        match &node.value {
            Value::Map(map) => Ok(Self { map: Some(map), at }),
            Value::Null => Ok(Self { map: None, at }),
            _ => Err(expected(node, at, "a mapping")),
        }
    }

    pub(crate) fn read<T: Decode + Default>(&self, key: &str) -> Decoded<T> {
        self.read_via(key, T::decode)
    }

    pub(crate) fn read_via<T: Default>(&self, key: &str, read: fn(&Node, &At<'_>) -> Decoded<T>) -> Decoded<T> {
        match self.map.and_then(|map| map.get(key)) {
            Some(node) if !node.is_null() => read(node, &self.at.key(key)),
            _ => Ok(T::default()),
        }
    }

    pub(crate) fn extensions(&self) -> Extensions {
        let pairs = self.map.into_iter().flatten().filter(|(key, _)| key.name.starts_with("x-"));
        pairs.map(|(key, node)| (key.name.clone(), node.into())).collect()
    }
}

/// Appends `x-` attributes, which only YAML shows.
pub(crate) fn push_extensions(pairs: &mut Vec<(String, Tree)>, extensions: &Extensions, form: Form) {
    if let (Syntax::Yaml, Tree::Map(extensions)) = (form.syntax, extensions.tree(form)) {
        pairs.extend(extensions);
    }
}

/// `expected a mapping, found a string`
pub(crate) fn expected(node: &Node, at: &At<'_>, what: &str) -> Diagnostic {
    node.fault(at.to_string(), format!("expected {what}, found {}", node.kind()))
}

/// A node as a JSON value.
#[must_use]
pub fn to_json(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Large(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Text(text) | Value::Time(text) => Json::String(text.clone()),
        Value::Seq(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.name.clone(), to_json(value))).collect()),
    }
}

/// A text; an integer is taken as it is spelled, any other number is not.
impl Decode for String {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match &node.value {
            Value::Text(_) | Value::Int(_) => spelled(node, at),
            _ => Err(expected(node, at, "a string")),
        }
    }
}

/// Any scalar as it is spelled: the value of a label, variable or option.
fn spelled(node: &Node, at: &At<'_>) -> Decoded<String> {
    node.scalar_text().ok_or_else(|| expected(node, at, "a string"))
}

/// A list of scalars as they are spelled; a single one stands for a list of one.
pub(crate) fn spelled_list(node: &Node, at: &At<'_>) -> Decoded<Vec<String>> {
    match node.as_seq() {
        Some(items) => items.iter().enumerate().map(|(i, item)| spelled(item, &at.index(i))).collect(),
        None => Ok(vec![spelled(node, at)?]),
    }
}

/// A mapping of texts.
pub(crate) fn texts(node: &Node, at: &At<'_>) -> Decoded<BTreeMap<String, String>> {
    let map = node.as_map().ok_or_else(|| expected(node, at, "a mapping"))?;
    let text = |node: &Node, at: &At<'_>| Option::decode(node, at).map(Option::unwrap_or_default);
    map.iter().map(|(key, value)| Ok((key.name.clone(), text(value, &at.key(&key.name))?))).collect()
}

impl Decode for bool {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match &node.value {
            Value::Bool(value) => Ok(*value),
            Value::Text(text) => crate::compose::cast::boolean(text)
                .ok_or_else(|| node.fault(at.to_string(), "expected a boolean: true or false")),
            _ => Err(expected(node, at, "a boolean")),
        }
    }
}

/// An integer; the fraction of a number is cut off, as Compose does.
fn integer(node: &Node, at: &At<'_>) -> Decoded<i128> {
    match &node.value {
        Value::Int(value) => Ok(i128::from(*value)),
        Value::Large(value) => Ok(i128::from(*value)),
        #[expect(clippy::cast_possible_truncation, reason = "the fraction is dropped on purpose")]
        Value::Float(value) if value.is_finite() => Ok(value.trunc() as i128),
        _ => Err(expected(node, at, "an integer")),
    }
}

fn fits<T: TryFrom<i128> + std::fmt::Display>(value: i128, node: &Node, at: &At<'_>, range: (T, T)) -> Decoded<T> {
    T::try_from(value)
        .map_err(|_| node.fault(at.to_string(), format!("expected an integer from {} to {}", range.0, range.1)))
}

/// A text is an integer, too: Compose reads it as one where a sign is possible.
impl Decode for i64 {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match node.as_str() {
            Some(text) => text.parse().map_err(|_| node.fault(at.to_string(), "expected an integer")),
            None => fits(integer(node, at)?, node, at, (Self::MIN, Self::MAX)),
        }
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => { $(
        impl Decode for $type {
            fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
                // -0.5 is no zero
                let value = if matches!(node.value, Value::Float(value) if value < 0.0) { -1 } else { integer(node, at)? };
                fits(value, node, at, (Self::MIN, Self::MAX))
            }
        }
    )* };
}

unsigned!(u64, u32, u16);

impl Decode for f32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "single precision, as in Compose")]
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match &node.value {
            Value::Int(value) => Ok(*value as f32),
            Value::Float(value) => Ok(*value as f32),
            Value::Text(text) => crate::compose::number::float(text)
                .map(|value| value as f32)
                .ok_or_else(|| node.fault(at.to_string(), "expected a number")),
            _ => Err(expected(node, at, "a number")),
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        if node.is_null() { Ok(None) } else { T::decode(node, at).map(Some) }
    }
}

/// A list; a single value stands for a list of one.
impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match node.as_seq() {
            Some(items) => items.iter().enumerate().map(|(i, item)| T::decode(item, &at.index(i))).collect(),
            None => Ok(vec![T::decode(node, at)?]),
        }
    }
}

/// A mapping of structures; a mapping of texts has its own rule.
impl<T: Decode + Structure> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        let map = node.as_map().ok_or_else(|| expected(node, at, "a mapping"))?;
        map.iter().map(|(key, value)| Ok((key.name.clone(), T::decode(value, &at.key(&key.name))?))).collect()
    }
}

/// What may be a value of a mapping of structures.
pub(crate) trait Structure {}
impl<T: Structure> Structure for Option<T> {}

impl Decode for BTreeMap<String, String> {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        let pairs = BTreeMap::<String, Option<String>>::decode(node, at)?;
        Ok(pairs.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
    }
}

/// `KEY: value` or `KEY=value`; without a value, none.
impl Decode for BTreeMap<String, Option<String>> {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match &node.value {
            Value::Map(map) => map
                .iter()
                .map(|(key, value)| {
                    let text = if value.is_null() { None } else { Some(spelled(value, &at.key(&key.name))?) };
                    Ok((key.name.clone(), text))
                })
                .collect(),
            Value::Seq(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let text = spelled(item, &at.index(index))?;
                    Ok(match text.split_once('=') {
                        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                        None => (text, None),
                    })
                })
                .collect(),
            _ => Err(expected(node, at, "a mapping or a list of KEY=value")),
        }
    }
}

/// Variables: in a list, their names may not end in a space.
pub(crate) fn variables(node: &Node, at: &At<'_>) -> Decoded<BTreeMap<String, Option<String>>> {
    for (index, item) in node.as_seq().unwrap_or_default().iter().enumerate() {
        let name = item.as_str().and_then(|text| text.split('=').next()).unwrap_or_default();
        if name.ends_with(|c: char| c.is_ascii_whitespace()) {
            let message = "the name of a variable ends in a space";
            return Err(item.fault(at.index(index).to_string(), message).help("write NAME=value"));
        }
    }
    Decode::decode(node, at)
}
