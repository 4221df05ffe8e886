//! A typed project as a plain tree, in the two forms that Compose prints, which are not quite the same.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::compose::generation::Generation;
use crate::compose::node::{Node, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// The two printed syntaxes. They differ in what is left out: JSON (and with it the config hash) keeps empty structures
/// that are part of another one and drops `x-` attributes; YAML does the opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `--format json`, and the text that is hashed.
    Json,
    /// `--format yaml`.
    Yaml,
}

/// How a project is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The syntax.
    pub syntax: Syntax,
    /// The Compose that prints likewise.
    pub generation: Generation,
}

impl Form {
    /// JSON of a generation.
    #[must_use]
    pub const fn json(generation: Generation) -> Self {
        Self { syntax: Syntax::Json, generation }
    }

    /// YAML of a generation.
    #[must_use]
    pub const fn yaml(generation: Generation) -> Self {
        Self { syntax: Syntax::Yaml, generation }
    }

    /// Whether this is JSON.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.syntax == Syntax::Json
    }
}

/// A tree that is ready to be printed; the order of its keys is the order of the output.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A single-precision float: it prints with fewer digits.
    Single(f32),
    /// A double-precision float.
    Double(f64),
    /// A moment, as RFC 3339 has it.
    Time(String),
    /// A text.
    Text(String),
    /// A list.
    Seq(Vec<Tree>),
    /// A mapping.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Whether all numbers are finite: JSON has no others.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        match self {
            Self::Single(value) => value.is_finite(),
            Self::Double(value) => value.is_finite(),
            Self::Seq(items) => items.iter().all(Self::is_finite),
            Self::Map(pairs) => pairs.iter().all(|(_, value)| value.is_finite()),
            _ => true,
        }
    }
}

/// A value that can be printed.
pub trait Emit {
    /// The value as a tree.
    fn tree(&self, form: Form) -> Tree;

    /// Whether an attribute with this value is left out.
    fn omit(&self, form: Form) -> bool;
}

macro_rules! scalar {
    ($($type:ty => $variant:ident as $wide:ty),* $(,)?) => { $(
        impl Emit for $type {
            fn tree(&self, _: Form) -> Tree {
                Tree::$variant(<$wide>::from(self.clone()))
            }

            fn omit(&self, _: Form) -> bool {
                *self == <$type>::default()
            }
        }
    )* };
}

scalar!(bool => Bool as bool, i64 => Int as i64, u64 => Uint as u64, u32 => Uint as u64,
        u16 => Uint as u64, String => Text as String);

impl Emit for f32 {
    fn tree(&self, _: Form) -> Tree {
        Tree::Single(*self)
    }

    fn omit(&self, _: Form) -> bool {
        self.abs() <= 0.0
    }
}

impl<T: Emit> Emit for Option<T> {
    fn tree(&self, form: Form) -> Tree {
        self.as_ref().map_or(Tree::Null, |value| value.tree(form))
    }

    fn omit(&self, _: Form) -> bool {
        self.is_none()
    }
}

impl<T: Emit> Emit for Vec<T> {
    fn tree(&self, form: Form) -> Tree {
        Tree::Seq(self.iter().map(|item| item.tree(form)).collect())
    }

    fn omit(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl<T: Emit> Emit for BTreeMap<String, T> {
    fn tree(&self, form: Form) -> Tree {
        ordered(self.iter().map(|(key, value)| (key.clone(), value.tree(form))).collect(), form)
    }

    fn omit(&self, _: Form) -> bool {
        self.is_empty()
    }
}

/// The value of an `x-` attribute. Compose 2 drops its empty lists when it writes JSON.
impl Emit for Tree {
    fn tree(&self, form: Form) -> Tree {
        match self {
            Self::Seq(items) if items.is_empty() && form == Form::json(Generation::Two) => Self::Null,
            Self::Seq(items) => items.tree(form),
            Self::Map(pairs) => {
                ordered(pairs.iter().map(|(key, value)| (key.clone(), value.tree(form))).collect(), form)
            }
            _ => self.clone(),
        }
    }

    fn omit(&self, _: Form) -> bool {
        false
    }
}

impl From<&Node> for Tree {
    fn from(node: &Node) -> Self {
        match &node.value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Large(value) => Self::Uint(*value),
            Value::Float(value) => Self::Double(*value),
            Value::Time(moment) => Self::Time(moment.clone()),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Seq(items) => Self::Seq(items.iter().map(Self::from).collect()),
            Value::Map(map) => Self::Map(map.iter().map(|(key, value)| (key.name.clone(), value.into())).collect()),
        }
    }
}

/// A mapping of free keys: in order of their bytes in JSON, in that of a reader in YAML.
pub(crate) fn ordered(mut pairs: Vec<(String, Tree)>, form: Form) -> Tree {
    match form.syntax {
        Syntax::Json => pairs.sort_by(|a, b| a.0.cmp(&b.0)),
        Syntax::Yaml => pairs.sort_by(|a, b| natural(&a.0, &b.0)),
    }
    Tree::Map(pairs)
}

/// How Go's YAML orders keys: numbers in texts by value, letters behind everything else.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = (0..a.len().min(b.len())).find(|at| a[*at] != b[*at]) else {
        return a.len().cmp(&b.len());
    };
    let digits = at > 0 && a[at - 1].is_numeric();
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at].cmp(&b[at]),
        (false, false) => {}
        (letter, _) => {
            return if letter == digits { Ordering::Less } else { Ordering::Greater };
        }
    }
    // zeros count only behind another digit of the same number
    let leads =
        (a[at] == '0' || b[at] == '0') && a[..at].iter().rev().take_while(|c| c.is_numeric()).any(|c| *c != '0');
    let number = |text: &[char]| {
        let run: Vec<u32> = text[at..].iter().map_while(|c| c.to_digit(10)).collect();
        let value =
            run.iter().fold(u64::from(leads), |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(*digit)));
        (value, run.len())
    };
    number(&a).cmp(&number(&b)).then_with(|| a[at].cmp(&b[at]))
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Uint(value) => serializer.serialize_u64(*value),
            Self::Single(value) => serializer.serialize_f32(*value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Text(text) | Self::Time(text) => serializer.serialize_str(text),
            Self::Seq(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
