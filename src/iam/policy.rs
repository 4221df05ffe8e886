//! A policy document and its JSON.

use serde_json::{Map, Value, json};

/// What one statement allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its name: letters and digits.
    pub sid: &'static str,
    /// Actions, such as `s3:GetObject`.
    pub actions: Vec<&'static str>,
    /// ARNs, or `*` where the actions know no resources.
    pub resources: Vec<String>,
    /// What must hold besides.
    pub condition: Option<Condition>,
}

/// A key of the request that must have one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Key, such as `s3:prefix`.
    pub key: &'static str,
    /// Values, written as resources are: `*` stands for anything.
    pub values: Vec<String>,
}

/// A policy document. Statements, actions and resources have a fixed order, so that the same project gives the same
/// text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy(pub Vec<Statement>);

impl Policy {
    /// The document as IAM takes it.
    pub fn json(&self) -> Value {
        json!({ "Version": "2012-10-17", "Statement": self.0.iter().map(Statement::json).collect::<Vec<_>>() })
    }

    /// Characters that count against the limits of IAM: all but white space.
    pub fn size(&self) -> usize {
        self.json().to_string().chars().filter(|c| !c.is_whitespace()).count()
    }
}

impl Statement {
    /// A statement without a condition.
    pub(super) fn new(
        sid: &'static str,
        actions: &[&'static str],
        resources: impl IntoIterator<Item = String>,
    ) -> Self {
        Self { sid, actions: actions.to_vec(), resources: resources.into_iter().collect(), condition: None }
    }

    fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("Sid".to_owned(), json!(self.sid));
        all.insert("Effect".to_owned(), json!("Allow"));
        all.insert("Action".to_owned(), json!(self.actions));
        all.insert("Resource".to_owned(), json!(self.resources));
        if let Some(Condition { key, values }) = &self.condition {
            let operator = if values.iter().any(|value| value.contains('*')) { "StringLike" } else { "StringEquals" };
            all.insert("Condition".to_owned(), json!({ operator: { *key: values } }));
        }
        Value::Object(all)
    }
}
