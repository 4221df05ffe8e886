//! From nodes to types. Types and unknown keys have been checked before; what is left is what only a type can tell.

use std::collections::BTreeMap;

use crate::compose::emit::{Emit, Form, Tree};
use crate::compose::error::Diagnostic;
use crate::compose::model::Extensions;
use crate::compose::node::{Map, Node, Value};

/// The result of reading one value.
pub(crate) type Decoded<T> = Result<T, Diagnostic>;

/// The attribute that is being read: a path that costs nothing until it is printed.
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    part: Part<'a>,
}

enum Part<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// The top of a path.
    pub(crate) fn top(key: &'a str) -> Self {
        Self { parent: None, part: Part::Key(key) }
    }

    /// An attribute of this one.
    pub(crate) fn key(&'a self, key: &'a str) -> At<'a> {
        At { parent: Some(self), part: Part::Key(key) }
    }

    /// An item of this list.
    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At { parent: Some(self), part: Part::Index(index) }
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
        pairs.map(|(key, node)| (key.name.clone(), to_json(node))).collect()
    }
}

/// Appends `x-` attributes, which only YAML shows.
pub(crate) fn push_extensions(pairs: &mut Vec<(String, Tree)>, extensions: &Extensions, form: Form) {
    if let (Form::Yaml, Tree::Map(extensions)) = (form, extensions.tree(form)) {
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
        Value::Text(text) => Json::String(text.clone()),
        Value::Seq(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.name.clone(), to_json(value))).collect()),
    }
}

impl Decode for String {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        node.scalar_text().ok_or_else(|| expected(node, at, "a string"))
    }
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

/// An integer, however it was written; the fraction of a number is cut off, as Compose does.
fn integer(node: &Node, at: &At<'_>) -> Decoded<i64> {
    match &node.value {
        Value::Int(value) => Ok(*value),
        #[expect(clippy::cast_possible_truncation, reason = "the fraction is dropped on purpose")]
        Value::Float(value) if value.abs() < 9.2e18 => Ok(value.trunc() as i64),
        Value::Text(text) => text.parse().map_err(|_| node.fault(at.to_string(), "expected an integer")),
        _ => Err(expected(node, at, "an integer")),
    }
}

macro_rules! integers {
    ($($type:ty),*) => { $(
        impl Decode for $type {
            fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
                let value = integer(node, at)?;
                <$type>::try_from(value).map_err(|_| node.fault(
                    at.to_string(),
                    format!("expected an integer from {} to {}", <$type>::MIN, <$type>::MAX),
                ))
            }
        }
    )* };
}

integers!(i64, i32, u64, u32, u16);

impl Decode for f32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "single precision, as in Compose")]
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match &node.value {
            Value::Int(value) => Ok(*value as f32),
            Value::Float(value) => Ok(*value as f32),
            Value::Text(text) => text.parse().map_err(|_| node.fault(at.to_string(), "expected a number")),
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
                .map(|(key, value)| Ok((key.name.clone(), Option::<String>::decode(value, &at.key(&key.name))?)))
                .collect(),
            Value::Seq(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let text = String::decode(item, &at.index(index))?;
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
