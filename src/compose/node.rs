//! The tree that a project is until it is typed: values that know where they stand in which file.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use indexmap::IndexMap;

use crate::compose::error::{Diagnostic, Position};

/// A key of a mapping and where it stands; equal to another key of the same name wherever that stands.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it was written.
    pub position: Position,
}

impl Key {
    /// A key at a place.
    pub fn new(name: impl Into<String>, position: &Position) -> Self {
        Self { name: name.into(), position: position.clone() }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.name
    }
}

/// A mapping, in the order in which it was written.
pub type Map = IndexMap<Key, Node>;

/// A tag that changes how a value is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `!reset`: what earlier files said is removed, and nothing takes its place.
    Reset,
    /// `!override`: replaces what earlier files said instead of being merged into it.
    Override,
}

/// The value of a node.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer over the range of [`Value::Int`].
    Large(u64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A moment, as RFC 3339 has it: what a date that is not in quotes stands for.
    Time(String),
    /// A text.
    Text(String),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping.
    Map(Map),
}

/// A value, where it stands, and how it wants to be merged.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where its first character stands.
    pub position: Position,
    /// `!reset` or `!override`.
    pub tag: Option<Tag>,
}

impl Node {
    /// A node without a tag.
    #[must_use]
    pub fn new(value: Value, position: &Position) -> Self {
        Self { value, position: position.clone(), tag: None }
    }

    /// A text.
    pub fn text(text: impl Into<String>, position: &Position) -> Self {
        Self::new(Value::Text(text.into()), position)
    }

    /// A boolean.
    #[must_use]
    pub fn bool(value: bool, position: &Position) -> Self {
        Self::new(Value::Bool(value), position)
    }

    /// A null.
    #[must_use]
    pub fn null(position: &Position) -> Self {
        Self::new(Value::Null, position)
    }

    /// A mapping of the given pairs, all at one place.
    #[must_use]
    pub fn mapping(position: &Position, pairs: Vec<(&str, Node)>) -> Self {
        let map = pairs.into_iter().map(|(name, node)| (Key::new(name, position), node)).collect();
        Self::new(Value::Map(map), position)
    }

    /// The mapping, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The mapping, to be changed.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The list, to be changed.
    pub fn as_seq_mut(&mut self) -> Option<&mut Vec<Node>> {
        match &mut self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if it is one (a number is not).
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if it is one that fits.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self.value {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, also of a number whose fraction is zero.
    #[must_use]
    pub fn as_whole(&self) -> Option<i64> {
        match self.value {
            #[expect(clippy::cast_possible_truncation, reason = "in range and whole")]
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(value as i64),
            _ => self.as_int(),
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value under `key`, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// The value under `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut()?.get_mut(key)
    }

    /// The value at a path of keys and list indexes, such as `["services", "web", "ports", "1"]`.
    #[must_use]
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Node> {
        path.into_iter().try_fold(self, |node, part| match &node.value {
            Value::Map(map) => map.get(part),
            Value::Seq(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// A scalar as text, numbers and booleans written as Go's `%v` writes them; `None` for lists, mappings and null.
    #[must_use]
    pub fn scalar_text(&self) -> Option<String> {
        Some(match &self.value {
            Value::Text(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Large(value) => value.to_string(),
            Value::Time(moment) => moment_text(moment),
            Value::Float(value) => crate::compose::number::general(*value),
            Value::Null | Value::Seq(_) | Value::Map(_) => return None,
        })
    }

    /// How many nodes this is, itself counted.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + match &self.value {
            Value::Seq(items) => items.iter().map(Self::count).sum(),
            Value::Map(map) => map.values().map(Self::count).sum::<usize>(),
            _ => 0,
        }
    }

    /// What kind of value this is, for a message; never the value itself.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Large(_) => "an integer",
            Value::Time(_) => "a date",
            Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// A fault at this node.
    pub fn fault(&self, path: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.position, path, message)
    }
}

/// A moment as Go's `%v` writes it: `2024-01-02 03:04:05 +0200 +0200`.
fn moment_text(moment: &str) -> String {
    let text = moment.replace('T', " ");
    if let Some(utc) = text.strip_suffix('Z') {
        return format!("{utc} +0000 UTC");
    }
    let (time, zone) = text.split_at(text.len() - "+02:00".len());
    let zone = zone.replace(':', "");
    format!("{time} {zone} {zone}")
}

/// Equal values are equal wherever they stand; mappings are equal in any order.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Large(a), Value::Large(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Time(a), Value::Time(b)) | (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Seq(a), Value::Seq(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            _ => false,
        }
    }
}
