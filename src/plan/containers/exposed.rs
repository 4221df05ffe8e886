//! What `docker inspect` would show of the values of `x-rolecall.variables`, for the plan and the log to warn about.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::redact::{SHORTEST, Secret};

/// A warning for each place of a body of the engine's API that holds a value: of what, which variable, where; never the
/// value.
pub(crate) fn exposed(what: &str, body: &Value, values: &BTreeMap<String, Secret<String>>) -> Vec<String> {
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (name.as_str(), value.reveal().as_str()))
        .filter(|(_, value)| value.len() >= SHORTEST)
        .collect();
    let mut warnings = Vec::new();
    if values.is_empty() {
        return warnings;
    }
    walk(body, "", &mut |place, text| {
        for (name, _) in values.iter().filter(|(_, value)| text.contains(value)) {
            let place = match (place, text.split_once('=')) {
                ("Env", Some((variable, _))) => format!("its environment variable {variable}"),
                _ => place.to_owned(),
            };
            let warning =
                format!("{what}: docker inspect shows the value of {name} in {place}; a secret would not be shown");
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    });
    warnings
}

/// Shows each text of a document, keys too, with the keys that lead to it.
fn walk(value: &Value, place: &str, see: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => see(place, text),
        Value::Array(items) => items.iter().for_each(|item| walk(item, place, see)),
        Value::Object(fields) => {
            for (key, value) in fields {
                see(place, key);
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                walk(value, &place, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_place_is_named_and_no_value() {
        let values = [("KEY", "hunter2"), ("PIN", "123")].map(|(k, v)| (k.to_owned(), Secret::new(v.to_owned())));
        let body = json!({
            "Env": ["URL=db://u:hunter2@db", "PIN=123", "A=b"], "Cmd": ["--key", "hunter2"],
            "Labels": { "a": "is hunter2", "hunter2": "" }, "HostConfig": { "ExtraHosts": ["hunter2:1.2.3.4"] },
        });
        let told = exposed("service 'web'", &body, &values.into());
        let places: Vec<&str> = told.iter().filter_map(|w| w.split(" of KEY in ").nth(1)?.split(';').next()).collect();
        assert_eq!(places, ["its environment variable URL", "Cmd", "Labels.a", "Labels", "HostConfig.ExtraHosts"]);
        assert!(!told.concat().contains("hunter2") && told.len() == places.len(), "{told:?}");
    }
}
