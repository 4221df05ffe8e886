//! JSON for the engine, written as Go programs write it: what is empty is left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Variables as the engine takes them: `NAME=value`, or `NAME` alone without a value.
pub(crate) fn variables(variables: &BTreeMap<String, Option<String>>) -> impl Iterator<Item = String> {
    variables.iter().map(|(name, value)| value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}")))
}

/// An object of the engine's API while it is put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Body(Map<String, Value>);

impl Body {
    /// Sets a field, unless the value is null, false, zero or empty, which mean the same to the engine.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::Bool(b) => !b,
            Value::Number(n) => n.as_f64() == Some(0.0),
            Value::String(s) => s.is_empty(),
            Value::Array(a) => a.is_empty(),
            Value::Object(o) => o.is_empty(),
        };
        if !empty {
            self.0.insert(key.to_owned(), value);
        }
        self
    }

    /// Sets a field whose empty value means something of its own.
    pub(crate) fn keep(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a field where there is a value.
    pub(crate) fn some(&mut self, key: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.keep(key, value);
        }
        self
    }
}

impl From<Body> for Value {
    fn from(body: Body) -> Self {
        Self::Object(body.0)
    }
}

/// A list of texts.
pub(crate) fn texts(items: &[String]) -> Value {
    Value::from(items.to_vec())
}

/// A mapping of texts.
pub(crate) fn mapping<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
    Value::Object(pairs.into_iter().map(|(k, v)| (k.clone(), Value::from(v.clone()))).collect())
}
