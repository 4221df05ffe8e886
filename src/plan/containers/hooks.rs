//! Hooks in a label: a stop has no manifest.

use serde_json::{Value, json};

use crate::compose::model::ServiceHook;

/// As the label holds them; empty where there are none.
pub(super) fn write(hooks: &[ServiceHook]) -> String {
    let all = hooks.iter().map(|hook| {
        json!({
            "command": hook.command, "user": hook.user, "privileged": hook.privileged,
            "working_dir": hook.working_dir, "environment": hook.environment,
        })
    });
    if hooks.is_empty() { String::new() } else { all.collect::<Value>().to_string() }
}

/// The hooks in a label; what cannot be read is no hook.
pub(crate) fn read(label: &str) -> Vec<ServiceHook> {
    let all: Value = serde_json::from_str(label).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |hook: &Value| ServiceHook {
        command: hook["command"].as_array().map(|words| words.iter().map(text).collect()),
        user: text(&hook["user"]),
        privileged: hook["privileged"] == true,
        working_dir: text(&hook["working_dir"]),
        environment: hook["environment"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned)))
            .collect(),
        ..ServiceHook::default()
    };
    all.as_array().into_iter().flatten().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_survive_a_label() {
        let hook = ServiceHook {
            command: Some(vec!["sh".into(), "-c".into(), "echo \"bye\"".into()]),
            user: "app".into(),
            environment: [("A".to_owned(), Some("1".to_owned())), ("B".to_owned(), None)].into(),
            ..ServiceHook::default()
        };
        assert_eq!(read(&write(std::slice::from_ref(&hook))), [hook]);
        assert_eq!(write(&[]), "");
        assert!(read("").is_empty() && read("no json").is_empty());
    }
}
