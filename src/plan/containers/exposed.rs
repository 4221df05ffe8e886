//! Where values of `x-rolecall.variables` could be read that need not be: in what `docker inspect` shows, and on disk. For
//! the plan and the log to warn about.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Upload;
use crate::redact::{SHORTEST, Secret};

/// A warning for each place of a body of the engine's API that holds a value: of what, which variable, where; never the
/// value.
pub(crate) fn exposed(what: &str, body: &Value, values: &BTreeMap<String, Secret<String>>) -> Vec<String> {
    let values: Vec<(&str, &str)> = told(values).collect();
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

/// The same for configs that are copied into a container.
pub(super) fn copied(what: &str, configs: &[Upload], values: &BTreeMap<String, Secret<String>>) -> Vec<String> {
    let warning = |(config, name)| {
        format!(
            "{what}: the value of {name} is copied to the container's disk in {config}; a secret would be in memory"
        )
    };
    let holds = |config: &Upload, value: &str| config.content.reveal().contains(value);
    let all = configs.iter().flat_map(|config| told(values).map(move |value| (config, value)));
    all.filter(|(config, (_, value))| holds(config, value))
        .map(|(config, (name, _))| warning((&config.path, name)))
        .collect()
}

/// Names and values that are long enough to be told from other text.
fn told(values: &BTreeMap<String, Secret<String>>) -> impl Iterator<Item = (&str, &str)> {
    let all = values.iter().map(|(name, value)| (name.as_str(), value.reveal().as_str()));
    all.filter(|(_, value)| value.len() >= SHORTEST)
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

    #[test]
    fn a_config_that_holds_a_value_is_named() {
        let config = |path: &str, content: &str| Upload {
            path: path.to_owned(),
            content: Secret::new(content.to_owned()),
            mode: 0o444,
            uid: 0,
            gid: 0,
            owned: false,
        };
        let values = BTreeMap::from([("KEY".to_owned(), Secret::new("hunter2".to_owned()))]);
        let told = copied("service 'web'", &[config("/a", "key = hunter2\n"), config("/b", "nothing")], &values);
        let wanted =
            "service 'web': the value of KEY is copied to the container's disk in /a; a secret would be in memory";
        assert_eq!(told, [wanted]);
    }
}
