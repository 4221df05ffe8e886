//! Values with a unit or a notation of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::time;

use crate::compose::emit::{Emit, Form, Tree};
use crate::compose::generation::Generation;
use crate::compose::model::decode::{At, Decode, Decoded, expected};
use crate::compose::node::{Node, Value};

/// A span of time in nanoseconds, written `1m30s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

impl Duration {
    /// As the standard library's type; what is negative becomes zero.
    #[must_use]
    pub fn as_std(self) -> time::Duration {
        time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

/// As Go prints a duration: `1h0m0s`, `1.5s`, `10ms`, `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            out.write_str("-")?;
        }
        let (unit, name) = match nanos {
            0 => return out.write_str("0s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => {
                let minutes = nanos / 60_000_000_000;
                if minutes >= 60 {
                    write!(out, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(out, "{}m", minutes % 60)?;
                }
                return write!(out, "{}s", fraction(nanos % 60_000_000_000, 1_000_000_000));
            }
        };
        write!(out, "{}{name}", fraction(nanos, unit))
    }
}

/// `nanos / unit` with the digits that it needs.
fn fraction(nanos: u64, unit: u64) -> String {
    if nanos.is_multiple_of(unit) {
        return (nanos / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    let rest = format!("{:0width$}", nanos % unit);
    format!("{}.{}", nanos / unit, rest.trim_end_matches('0'))
}

impl Decode for Duration {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        let text = node.scalar_text().ok_or_else(|| expected(node, at, "a duration"))?;
        crate::compose::units::duration(&text)
            .map(Self)
            .ok_or_else(|| node.fault(at.to_string(), "expected a duration such as 1m30s or 500ms"))
    }
}

impl Emit for Duration {
    fn tree(&self, _: Form) -> Tree {
        Tree::Text(self.to_string())
    }

    fn omit(&self, _: Form) -> bool {
        self.0 == 0
    }
}

/// A number of bytes, written `64m` or `1gb` (powers of 1024).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub i64);

impl Decode for Bytes {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match &node.value {
            Value::Int(value) => Ok(Self(*value)),
            // Compose 5 takes a whole number as it is, also a negative one.
            Value::Text(text) => Some(text)
                .filter(|_| at.generation == Generation::Five)
                .and_then(|text| text.parse().ok())
                .or_else(|| crate::compose::units::bytes(text))
                .map(Self)
                .ok_or_else(|| node.fault(at.to_string(), "expected a size in bytes such as 512m or 2gb")),
            Value::Float(_) => Ok(Self(0)),
            _ => Err(expected(node, at, "a size in bytes")),
        }
    }
}

impl Emit for Bytes {
    fn tree(&self, _: Form) -> Tree {
        Tree::Text(self.0.to_string())
    }

    fn omit(&self, _: Form) -> bool {
        self.0 == 0
    }
}

/// `create_host_path` of a bind, if it is given. The short form of a bind gives `true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreateHostPath(pub Option<bool>);

impl CreateHostPath {
    /// Whether a missing source is created. Without a value Compose 2 does not create it, and Compose 5 does.
    #[must_use]
    pub fn enabled(self, generation: Generation) -> bool {
        self.0.unwrap_or(generation == Generation::Five)
    }
}

impl Decode for CreateHostPath {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        bool::decode(node, at).map(|value| Self(Some(value)))
    }
}

impl Emit for CreateHostPath {
    fn tree(&self, form: Form) -> Tree {
        Tree::Bool(self.enabled(form.generation))
    }

    /// Each generation leaves out its default.
    fn omit(&self, form: Form) -> bool {
        self.enabled(form.generation) == Self(None).enabled(form.generation)
    }
}

/// Permission bits of a mounted file, written in octal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileMode(pub i64);

impl Decode for FileMode {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match &node.value {
            Value::Int(value) => Ok(Self(*value)),
            Value::Text(text) => i64::from_str_radix(text, 8)
                .map(Self)
                .map_err(|_| node.fault(at.to_string(), "expected a file mode in octal, such as \"0440\"")),
            _ => Err(expected(node, at, "a file mode")),
        }
    }
}

impl Emit for FileMode {
    fn tree(&self, _: Form) -> Tree {
        let sign = if self.0 < 0 { "-" } else { "" };
        Tree::Text(format!("0{sign}{:o}", self.0.unsigned_abs()))
    }

    fn omit(&self, _: Form) -> bool {
        false
    }
}

/// How many devices are asked for; -1 is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceCount(pub i64);

impl Decode for DeviceCount {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        match &node.value {
            Value::Int(value) => Ok(Self(*value)),
            Value::Text(text) if text.eq_ignore_ascii_case("all") => Ok(Self(-1)),
            Value::Text(text) => {
                text.parse().map(Self).map_err(|_| node.fault(at.to_string(), "expected 'all' or a number"))
            }
            _ => Err(expected(node, at, "'all' or a number")),
        }
    }
}

impl Emit for DeviceCount {
    fn tree(&self, _: Form) -> Tree {
        Tree::Int(self.0)
    }

    fn omit(&self, _: Form) -> bool {
        self.0 == 0
    }
}

/// Host names and their addresses, `name=address` in print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(pub BTreeMap<String, Vec<String>>);

impl Hosts {
    /// The pairs in order, joined by `separator` (the engine wants `:`).
    #[must_use]
    pub fn pairs(&self, separator: char) -> Vec<String> {
        let pairs = self.0.iter().flat_map(|(name, all)| all.iter().map(move |ip| format!("{name}{separator}{ip}")));
        let mut pairs: Vec<String> = pairs.collect();
        pairs.sort();
        pairs
    }
}

impl Decode for Hosts {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        match &node.value {
            Value::Map(map) => {
                for (key, value) in map {
                    let all =
                        if value.is_null() { vec![String::new()] } else { Vec::decode(value, &at.key(&key.name))? };
                    hosts.insert(key.name.clone(), all);
                }
            }
            Value::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    let text = String::decode(item, &at.index(index))?;
                    let (name, all) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(|| {
                        item.fault(at.index(index).to_string(), "expected HOST=ADDRESS, found no address")
                    })?;
                    hosts.entry(name.to_owned()).or_default().extend(all.split(',').map(str::to_owned));
                }
            }
            _ => return Err(expected(node, at, "a mapping or a list of HOST=ADDRESS")),
        }
        for (name, all) in &mut hosts {
            if name.is_empty() || name.contains([':', '=']) {
                return Err(node.fault(at.to_string(), "a host name is empty or holds ':' or '='"));
            }
            for address in all {
                if let Some(bare) = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
                    && !bare.is_empty()
                {
                    *address = bare.to_owned();
                }
            }
        }
        Ok(Self(hosts))
    }
}

impl Emit for Hosts {
    fn tree(&self, form: Form) -> Tree {
        self.pairs('=').tree(form)
    }

    fn omit(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

/// A limit of a process resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ulimit {
    /// Soft and hard limit in one; zero if they are given apart.
    pub single: i64,
    /// Soft limit.
    pub soft: i64,
    /// Hard limit.
    pub hard: i64,
}

impl crate::compose::model::decode::Structure for Ulimit {}

impl Decode for Ulimit {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        let Some(map) = node.as_map() else {
            return Ok(Self { single: i64::decode(node, at)?, soft: 0, hard: 0 });
        };
        let read = |key: &str| map.get(key).map_or(Ok(0), |value| i64::decode(value, &at.key(key)));
        Ok(Self { single: 0, soft: read("soft")?, hard: read("hard")? })
    }
}

impl Emit for Ulimit {
    fn tree(&self, form: Form) -> Tree {
        if self.single != 0 {
            return Tree::Int(self.single);
        }
        let pairs = [("soft", self.soft), ("hard", self.hard)].into_iter();
        let shown = pairs.filter(|(_, value)| !form.is_json() || *value != 0);
        Tree::Map(shown.map(|(key, value)| (key.to_owned(), Tree::Int(value))).collect())
    }

    fn omit(&self, _: Form) -> bool {
        false
    }
}
