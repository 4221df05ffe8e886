//! What there is on a host, without what differs between two runs that did the same: ids, times, addresses.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _, path::Path};

use serde_json::{Value, json};

use crate::support::{agent::walk, bed::Bed};

/// Ids, times, addresses, and paths that hold an id.
const VOLATILE: [&str; 25] = [
    "Id",
    "Created",
    "CreatedAt",
    "StartedAt",
    "FinishedAt",
    "Pid",
    "Log",
    "ExecIDs",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "GraphDriver",
    "SandboxID",
    "SandboxKey",
    "EndpointID",
    "NetworkID",
    "IPAddress",
    "IPPrefixLen",
    "Gateway",
    "MacAddress",
    "Hostname",
    "DNSNames",
    "IPAM",
    "Containers",
];

/// Checksums of configs, secrets and files of the project have a key that each state folder draws anew.
const KEYED: [&str; 2] = ["io.rolecall.files", "io.rolecall.project-files"];

/// Containers, networks, volumes with what is in them, images, and the files of the agent.
pub(super) fn picture(bed: &Bed) -> Value {
    let engine = bed.engine();
    let containers: BTreeMap<String, Value> =
        engine.names().into_iter().map(|name| (name.clone(), container(engine.inspect(&name)))).collect();
    let listed = |all: Value| sorted(all.as_array().into_iter().flatten().cloned().map(steady).collect(), "Name");
    let images = engine.get("/images/json").as_array().unwrap().iter().map(|i| i["RepoTags"].clone()).collect();
    let data: BTreeMap<String, String> = walk(&engine.data().join("volumes/app_data/_data"))
        .into_iter()
        .map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned()))
        .collect();
    let started = |name: &str| -> jiff::Timestamp {
        engine.inspect(name)["State"]["StartedAt"].as_str().unwrap().parse().unwrap()
    };
    json!({
        "restarted": started("app-same-1") > started("app-cache-1"), "containers": containers, "networks": listed(engine.get("/networks")), "data": data,
        "volumes": listed(engine.get("/volumes")["Volumes"].clone()), "images": sorted(images, ""),
        "files": files(&bed.agent.state), "services": files(&bed.path("containers")),
    })
}

fn container(found: Value) -> Value {
    let short = found["Id"].as_str().unwrap()[..12].to_owned();
    let mut found = steady(found);
    for network in found["NetworkSettings"]["Networks"].as_object_mut().unwrap().values_mut() {
        if let Some(aliases) = network["Aliases"].as_array_mut() {
            aliases.retain(|alias| *alias != short.as_str());
        }
    }
    let mounts = found["Mounts"].as_array().unwrap().clone();
    found["Mounts"] = sorted(mounts, "Destination");
    let labels = found["Config"]["Labels"].as_object_mut().unwrap();
    for key in KEYED.into_iter().filter(|key| labels.contains_key(*key)).collect::<Vec<_>>() {
        labels.insert(key.into(), "keyed".into());
    }
    found
}

fn steady(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            map.values_mut().for_each(|inner| *inner = steady(inner.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| *inner = steady(inner.take())),
        _ => {}
    }
    value
}

fn sorted(mut all: Vec<Value>, key: &str) -> Value {
    all.sort_by_key(|item| item.get(key).unwrap_or(item).to_string());
    all.into()
}

/// Everything below a folder: kind, mode, owner; of a project the content, too.
fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let content = if meta.is_file() && name.starts_with("projects/app/") {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            } else {
                String::new()
            };
            found.insert(name, format!("{:o} {}:{} {content}", meta.mode(), meta.uid(), meta.gid()));
            if meta.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

/// Where two pictures differ, one line each: place, what was wanted, what there is.
pub(super) fn differences(wanted: &Value, found: &Value) -> Vec<String> {
    let mut all = Vec::new();
    compare("", wanted, found, &mut all);
    all
}

fn compare(place: &str, wanted: &Value, found: &Value, into: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                compare(&format!("{place}/{key}"), &wanted[key], &found[key], into);
            }
        }
        _ if wanted != found => into.push(format!("{place}: wanted {wanted}, found {found}")),
        _ => {}
    }
}
