//! Facts as variables and as text.

use std::{collections::BTreeMap, fmt::Write as _};

use super::Facts;
use crate::error::{Cause, Error, Result};

/// `rolecall facts --format`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For `EnvironmentFile=` and `sh`.
    Env,
}

/// The `ROLECALL_*` variables that a manifest and a script see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
    collisions: BTreeMap<String, Vec<String>>,
}

impl Variables {
    /// The value of a variable.
    ///
    /// # Errors
    /// `manifest-invalid` where two tags would have this name, so that using it would be a guess.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        match self.collisions.get(name) {
            None => Ok(self.values.get(name).map(String::as_str)),
            Some(keys) => Err(Error::new(
                Cause::ManifestInvalid,
                format!("{name} is ambiguous: tags {} share that name", keys.join(" and ")),
            )
            .hint("rename or remove one of the tags")),
        }
    }

    /// All variables that have one meaning.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Names that two tags share, with the keys of those tags.
    pub fn collisions(&self) -> &BTreeMap<String, Vec<String>> {
        &self.collisions
    }
}

impl Facts {
    /// The facts as variables; a fact that is not known is not set. `roles` are joined by colons.
    pub fn variables(&self, roles: &str, environment: Option<&str>) -> Variables {
        let mut found = Variables::default();
        let known = [
            ("INSTANCE_ID", Some(self.instance_id.as_str())),
            ("REGION", Some(&self.region)),
            ("AZ", self.availability_zone.as_deref()),
            ("LOCAL_IPV4", self.local_ipv4.as_deref()),
            ("LOCAL_IPV6", self.local_ipv6.as_deref()),
            ("HOSTNAME", Some(&self.hostname)),
            ("ACCOUNT_ID", self.account_id.as_deref()),
            ("ROLES", Some(roles)),
            ("ENVIRONMENT", environment),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                found.values.insert(format!("ROLECALL_{name}"), value.to_owned());
            }
        }
        let mut by_name: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for key in self.tags.keys() {
            let safe: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            by_name.entry(format!("ROLECALL_TAG_{safe}")).or_default().push(key);
        }
        for (name, keys) in by_name {
            match keys[..] {
                [key] => _ = found.values.insert(name, self.tags[key].clone()),
                _ => _ = found.collisions.insert(name, keys.into_iter().cloned().collect()),
            }
        }
        found
    }

    /// The facts as `rolecall facts` prints them, with a newline at the end.
    pub fn render(&self, format: Format, roles: &str, environment: Option<&str>) -> String {
        match format {
            Format::Text => self.text(roles, environment),
            Format::Json => self.json(roles, environment),
            Format::Env => env_file(&self.variables(roles, environment)),
        }
    }

    fn text(&self, roles: &str, environment: Option<&str>) -> String {
        let rows = [
            ("instance-id", Some(self.instance_id.as_str())),
            ("region", Some(&self.region)),
            ("availability-zone", self.availability_zone.as_deref()),
            ("account-id", self.account_id.as_deref()),
            ("hostname", Some(&self.hostname)),
            ("local-ipv4", self.local_ipv4.as_deref()),
            ("local-ipv6", self.local_ipv6.as_deref()),
            ("instance-type", self.instance_type.as_deref()),
            ("life-cycle", self.life_cycle.as_deref()),
            ("image-id", self.image_id.as_deref()),
            ("architecture", self.architecture.as_deref()),
            ("role-arn", self.role_arn.as_deref()),
            ("roles", Some(roles)),
            ("environment", environment),
        ];
        let mut out = String::new();
        for (name, value) in rows {
            let value = value.filter(|value| !value.is_empty()).map_or_else(|| "-".to_owned(), shown);
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{name:<18} {value}");
        }
        let _ = writeln!(out, "{:<18} {} from {}", "tags", self.tags.len(), self.tags_origin);
        for (key, value) in &self.tags {
            let _ = writeln!(out, "  {:<16} {}", shown(key), shown(value));
        }
        out
    }

    fn json(&self, roles: &str, environment: Option<&str>) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            let roles: Vec<&str> = roles.split(':').filter(|role| !role.is_empty()).collect();
            object.insert("roles".to_owned(), roles.into());
            object.insert("environment".to_owned(), environment.into());
        }
        format!("{value:#}\n")
    }
}

/// A value on one line of a terminal.
fn shown(text: &str) -> String {
    if text.chars().any(char::is_control) { format!("{text:?}") } else { text.to_owned() }
}

/// `NAME="value"` lines that systemd and a POSIX shell read as the same bytes: both take every character between
/// double quotes as it is, newlines too, but for `"`, `\`, `` ` `` and `$`, which both unescape. systemd drops an
/// assignment that contains any other control character than tab and newline, so such a value is left out and a
/// comment says so, as for a name that two tags share.
fn env_file(variables: &Variables) -> String {
    let mut out = String::new();
    for (name, value) in variables.all() {
        if value.chars().any(|c| c.is_control() && c != '\t' && c != '\n') {
            let _ = writeln!(out, "# {name} is left out: control characters cannot be written for systemd");
            continue;
        }
        let mut quoted = String::with_capacity(value.len());
        for c in value.chars() {
            if matches!(c, '"' | '\\' | '`' | '$') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        let _ = writeln!(out, "{name}=\"{quoted}\"");
    }
    for name in variables.collisions().keys() {
        let _ = writeln!(out, "# {name} is left out: several tags share that name");
    }
    out
}

#[cfg(test)]
mod tests;
