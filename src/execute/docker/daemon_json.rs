//! daemon.json: the administrator's keys stay, those that the manifest names are merged.

use serde_json::{Map, Value, json};

use super::DockerSettings;
use crate::error::{Cause, Error, Result};

/// Where the engine reads its settings.
pub(super) const PATH: &str = "/etc/docker/daemon.json";

/// Size and number of a container's log files where nobody says otherwise: without a limit they fill the disk.
const MAX_SIZE: &str = "10m";
const MAX_FILE: &str = "5";

/// The text that the file should have, or `None` where it means that already.
///
/// A key of the manifest replaces a key of the file; `log-opts` are merged one by one as long as the log driver
/// stays the same, since each driver refuses the options of others; `null` removes a key. On a `fresh` install
/// logs are rotated, unless file or manifest say how to log.
///
/// # Errors
/// `docker-config` where the file is not a JSON object, with the place. The file is for the administrator to mend.
pub(super) fn merge(file: Option<&str>, settings: &DockerSettings, fresh: bool) -> Result<Option<String>> {
    let before = parse(file.unwrap_or_default())?;
    let mut after = before.clone();
    for (key, value) in wanted(settings) {
        match (key.as_str(), value) {
            (_, Value::Null) => {
                after.shift_remove(&key);
            }
            ("log-opts", Value::Object(options)) if !driver_changes(&before, settings) => {
                let slot = after.entry(key).or_insert_with(|| json!({}));
                match slot {
                    Value::Object(old) => old.extend(options),
                    other => *other = Value::Object(options),
                }
            }
            (_, value) => {
                after.insert(key, value);
            }
        }
    }
    if driver_changes(&before, settings) && !settings.daemon.contains_key("log-opts") {
        after.shift_remove("log-opts");
    }
    let plain = after.get("log-driver").is_none_or(|driver| driver == "json-file");
    if fresh && plain && !after.contains_key("log-opts") {
        after.insert("log-driver".into(), json!("json-file"));
        after.insert("log-opts".into(), json!({ "max-size": MAX_SIZE, "max-file": MAX_FILE }));
    }
    if after == before {
        return Ok(None);
    }
    let text = serde_json::to_string_pretty(&after).map_err(|err| Error::new(Cause::DockerConfig, err.to_string()))?;
    Ok(Some(text + "\n"))
}

/// All keys that the manifest names: those with a setting of their own win over the same under `daemon`.
fn wanted(settings: &DockerSettings) -> Map<String, Value> {
    let mut wanted = settings.daemon.clone();
    if let Some(root) = &settings.data_root {
        wanted.insert("data-root".into(), json!(root));
    }
    if !settings.registry_mirrors.is_empty() {
        wanted.insert("registry-mirrors".into(), json!(settings.registry_mirrors));
    }
    wanted
}

fn driver_changes(before: &Map<String, Value>, settings: &DockerSettings) -> bool {
    let driver = |map: &Map<String, Value>| map.get("log-driver").cloned().unwrap_or_else(|| json!("json-file"));
    settings.daemon.contains_key("log-driver") && driver(before) != driver(&settings.daemon)
}

fn parse(text: &str) -> Result<Map<String, Value>> {
    let broken = |what: String| {
        Error::new(Cause::DockerConfig, format!("could not merge {PATH}: {what}"))
            .hint("mend the file, or remove it; it was left as it is")
    };
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(broken("line 1 column 1: not a JSON object".into())),
        Err(err) => {
            let (line, column) = (err.line(), err.column());
            let what = err.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            Err(broken(format!("line {line} column {column}: {what}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(daemon: &Value) -> DockerSettings {
        DockerSettings { daemon: daemon.as_object().unwrap().clone(), ..DockerSettings::default() }
    }

    fn merged(file: &str, settings: &DockerSettings, fresh: bool) -> Option<Value> {
        merge(Some(file), settings, fresh).unwrap().map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_fresh_install_rotates_logs_unless_told_how_to_log() {
        let rotated = json!({ "log-driver": "json-file", "log-opts": { "max-size": "10m", "max-file": "5" } });
        let none = DockerSettings::default();
        assert_eq!(merged("", &none, true), Some(rotated));
        assert_eq!(merged("", &none, false), None);
        assert_eq!(merged(r#"{"log-driver":"journald"}"#, &none, true), None);
        assert_eq!(merged(r#"{"log-opts":{"max-size":"1g"}}"#, &none, true), None);
        let local = settings(&json!({ "log-driver": "local" }));
        assert_eq!(merged("", &local, true), Some(json!({ "log-driver": "local" })));
    }

    #[test]
    fn keys_of_the_administrator_stay_in_their_order() {
        let settings = DockerSettings {
            data_root: Some("/srv/docker".into()),
            registry_mirrors: vec!["https://mirror".into()],
            ..settings(&json!({ "live-restore": true, "data-root": "/loses" }))
        };
        let text = merge(Some(r#"{"zeta": 1, "live-restore": false, "alpha": {"x": [1]}}"#), &settings, false).unwrap();
        assert_eq!(
            text.unwrap(),
            "{\n  \"zeta\": 1,\n  \"live-restore\": true,\n  \"alpha\": {\n    \"x\": [\n      1\n    ]\n  },\n  \
             \"data-root\": \"/srv/docker\",\n  \"registry-mirrors\": [\n    \"https://mirror\"\n  ]\n}\n"
        );
    }

    #[test]
    fn what_the_file_says_already_is_no_change() {
        let settings = settings(&json!({ "a": { "y": 2, "x": 1 } }));
        assert_eq!(merge(Some(r#"{"a": {"x": 1, "y": 2}, "b": 1}"#), &settings, false).unwrap(), None);
    }

    #[test]
    fn log_options_are_merged_unless_the_driver_changes() {
        let file = r#"{"log-driver":"json-file","log-opts":{"max-size":"1g","tag":"x"}}"#;
        let size = settings(&json!({ "log-opts": { "max-size": "5m" } }));
        assert_eq!(merged(file, &size, false).unwrap()["log-opts"], json!({ "max-size": "5m", "tag": "x" }));
        let journald = settings(&json!({ "log-driver": "journald" }));
        assert_eq!(merged(file, &journald, false), Some(json!({ "log-driver": "journald" })));
    }

    #[test]
    fn null_removes_a_key() {
        assert_eq!(
            merged(r#"{"a":1,"b":2}"#, &settings(&json!({ "a": null, "c": null })), false),
            Some(json!({"b": 2}))
        );
    }

    #[test]
    fn a_file_that_is_not_json_is_refused_with_the_place() {
        let err = merge(Some("{\n  \"a\": 1,\n}"), &DockerSettings::default(), false).unwrap_err();
        assert_eq!(err.cause, Cause::DockerConfig);
        assert_eq!(err.message, "could not merge /etc/docker/daemon.json: line 3 column 1: trailing comma");
        assert!(merge(Some("[]"), &DockerSettings::default(), false).is_err());
    }
}
