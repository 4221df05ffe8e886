//! A container that is there, as the engine lists it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::plan::{labels, ports::HostPort};

/// A container as `GET /containers/json` lists it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Existing {
    /// Its id.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub state: String,
    /// The code that it exited with.
    pub exit_code: Option<i64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Ids of its networks, by their names.
    pub networks: BTreeMap<String, String>,
    /// Its volumes: their names, each with the path that it is mounted at.
    pub volumes: BTreeMap<String, String>,
    /// Id of its image.
    pub image_id: String,
    /// Ports of the host that it publishes.
    pub ports: Vec<HostPort>,
}

impl Existing {
    /// Reads one item of the listing.
    pub fn read(item: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names = item["Names"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // A linked container has further names, with a slash inside.
        let name = names.map(|n| n.trim_start_matches('/')).find(|n| !n.contains('/')).unwrap_or_default();
        let pairs = |value: &Value, of: &dyn Fn(&Value) -> String| {
            value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), of(v))).collect()
        };
        let mounts = item["Mounts"].as_array().into_iter().flatten();
        let status = item["Status"].as_str().unwrap_or_default();
        let code = status.strip_prefix("Exited (").and_then(|rest| rest.split_once(')')).map(|(code, _)| code);
        Self {
            id: text(&item["Id"]),
            name: name.to_owned(),
            state: text(&item["State"]),
            exit_code: code.and_then(|code| code.parse().ok()),
            labels: pairs(&item["Labels"], &text),
            networks: pairs(&item["NetworkSettings"]["Networks"], &|n| text(&n["NetworkID"])),
            volumes: mounts
                .filter(|m| m["Type"] == "volume")
                .map(|m| (text(&m["Name"]), text(&m["Destination"])))
                .collect(),
            image_id: text(&item["ImageID"]),
            ports: HostPort::of_listed(item),
        }
    }

    /// A label; empty where it has none.
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// Whether it is a container of this project's services, whoever made it.
    pub fn is_of(&self, project: &str) -> bool {
        self.label(labels::PROJECT) == project
            && !self.label(labels::SERVICE).is_empty()
            && self.label(labels::ONEOFF) != "True"
            && self.label(labels::HOOK).is_empty()
    }

    /// Whether it is the container of a hook that we made.
    pub fn is_our_hook(&self) -> bool {
        !self.label(labels::HOOK).is_empty() && self.is_managed()
    }

    /// Whether we may act on it: it is of this project, of a service, and made by us.
    pub fn is_ours(&self, project: &str) -> bool {
        self.is_of(project) && self.is_managed()
    }

    /// Whether it was made by us, and not by Docker Compose or anybody else.
    pub fn is_managed(&self) -> bool {
        self.label(labels::MANAGED) == "true"
    }

    /// Whether its name is the temporary one of a container that is to replace another: `<short id>_<name>`.
    pub fn is_temporary(&self) -> bool {
        self.place() != self.name
    }

    /// Its name, or the one that it will get.
    pub(super) fn place(&self) -> &str {
        let hex = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match self.name.split_once('_') {
            Some((id, name)) if hex(id) && !self.label(labels::REPLACE).is_empty() => name,
            _ => &self.name,
        }
    }

    /// Whether it runs, or the engine is about to start it again.
    pub fn is_up(&self) -> bool {
        matches!(self.state.as_str(), "running" | "restarting" | "paused")
    }
}
