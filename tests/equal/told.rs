//! What an engine tells of a project: containers, networks and volumes, without what differs from one run to the next.

use std::{collections::BTreeMap, io::Read as _};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::dockerd::Engine;

/// What there is of the project, by kind and name, without what differs from one run to the next.
pub(super) fn told(engine: &Engine) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let inspected: Vec<Value> = engine.names().iter().map(|name| engine.inspect(name)).collect();
    let text = Value::from(inspected).to_string();
    let named: Value = serde_json::from_str(&names_for_ids(engine, text)).unwrap();
    for mut container in named.as_array().unwrap().iter().cloned() {
        settle(&mut container);
        all.insert(format!("container {}", container["Name"]), container);
    }
    let of = |label: &Value| label["com.docker.compose.project"] == "equal";
    for (name, listed) in engine.containers() {
        if listed["State"] == "running" {
            all.insert(format!("files {name}"), files(engine, &name));
        }
    }
    for network in engine.get("/networks").as_array().unwrap().iter().filter(|n| of(&n["Labels"])) {
        let mut network = network.clone();
        drop_keys(&mut network, &["Id", "Created", "Containers"]);
        own_labels(&mut network["Labels"]);
        // Pools that the engine chose are others each time.
        for pool in network["IPAM"]["Config"].as_array_mut().into_iter().flatten() {
            if !pool["Subnet"].as_str().unwrap_or_default().starts_with("10.213.") {
                *pool = json!({});
            }
        }
        all.insert(format!("network {}", network["Name"]), network);
    }
    for volume in engine.get("/volumes")["Volumes"].as_array().into_iter().flatten().filter(|v| of(&v["Labels"])) {
        let mut volume = volume.clone();
        drop_keys(&mut volume, &["CreatedAt", "Mountpoint"]);
        own_labels(&mut volume["Labels"]);
        all.insert(format!("volume {}", volume["Name"]), volume);
    }
    all
}

/// What was put into a container besides its image: kind and mode of everything, and owner and content of each file.
fn files(engine: &Engine, name: &str) -> Value {
    let changes = engine.get(&format!("/containers/{name}/changes"));
    let paths = changes.as_array().into_iter().flatten().filter_map(|change| change["Path"].as_str());
    paths.map(|path| (path.to_owned(), file(engine, &format!("/containers/{name}/archive?path={path}")))).collect()
}

fn file(engine: &Engine, archive: &str) -> Value {
    /// How Go marks anything but a regular file.
    const OTHER: u64 = 0x8f28_0000;
    let looked = engine.ask("HEAD", archive, "").unwrap();
    let stat = looked.headers.get("x-docker-container-path-stat").map(|stat| stat.as_bytes().to_vec());
    let stat = base64::engine::general_purpose::STANDARD.decode(stat.unwrap_or_default()).unwrap();
    let stat: Value = serde_json::from_slice(&stat).unwrap_or_default();
    let mode = stat["mode"].as_u64().unwrap_or(OTHER);
    if mode & OTHER != 0 {
        return json!(format!("{mode:x}"));
    }
    let answer = engine.ask("GET", archive, "").unwrap();
    let mut archive = tar::Archive::new(&answer.body[..]);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    let header = entry.header();
    let owner = format!("{}:{} {:o}", header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap());
    let mut content = String::new();
    entry.read_to_string(&mut content).unwrap();
    json!([owner, content])
}

/// Ids, long and short, as the names of their containers.
fn names_for_ids(engine: &Engine, mut text: String) -> String {
    for (name, container) in engine.containers() {
        let id = container["Id"].as_str().unwrap();
        text = text.replace(id, &format!("<{name}>")).replace(&id[..12], &format!("<{name}>"));
    }
    text
}

fn drop_keys(value: &mut Value, keys: &[&str]) {
    if let Some(map) = value.as_object_mut() {
        for key in keys {
            map.remove(*key);
        }
    }
}

fn own_labels(labels: &mut Value) {
    if let Some(map) = labels.as_object_mut() {
        map.retain(|key, _| !key.starts_with("io.rolecall."));
    }
}

/// Takes away what differs from one run to the next, and orders what has no order.
fn settle(container: &mut Value) {
    const FILES: [&str; 8] =
        ["Id", "Created", "LogPath", "ResolvConfPath", "HostnamePath", "HostsPath", "ExecIDs", "GraphDriver"];
    const ADDRESSES: [&str; 9] = [
        "EndpointID",
        "Gateway",
        "GlobalIPv6Address",
        "IPAddress",
        "IPv6Gateway",
        "MacAddress",
        "NetworkID",
        "SandboxID",
        "SandboxKey",
    ];
    drop_keys(container, &FILES);
    container["State"] = container["State"]["Status"].clone();
    own_labels(&mut container["Config"]["Labels"]);
    let labels = &mut container["Config"]["Labels"];
    if let Some(list) = labels["com.docker.compose.depends_on"].as_str() {
        let mut all: Vec<_> = list.split(',').collect();
        all.sort_unstable();
        labels["com.docker.compose.depends_on"] = all.join(",").into();
    }
    // The rotation that we add where neither daemon.json nor the service says anything.
    if container["HostConfig"]["LogConfig"]["Config"] == json!({ "max-size": "10m", "max-file": "5" }) {
        container["HostConfig"]["LogConfig"]["Config"] = json!({});
    }
    // Compose hashes a service that shares a namespace with the id of the container that it shares it with.
    let shares = ["NetworkMode", "PidMode", "IpcMode"];
    if shares.iter().any(|key| container["HostConfig"][*key].as_str().unwrap_or_default().starts_with("container:"))
        || !container["HostConfig"]["VolumesFrom"].is_null()
    {
        drop_keys(&mut container["Config"]["Labels"], &["com.docker.compose.config-hash"]);
    }
    for mount in container["Mounts"].as_array_mut().into_iter().flatten() {
        if mount["Name"].as_str().is_some_and(|name| name.len() == 64) {
            drop_keys(mount, &["Name", "Source"]);
        }
    }
    secrets_in_memory(container);
    sort(&mut container["Config"]["Env"]);
    sort(&mut container["Mounts"]);
    for key in ["Binds", "Mounts", "Ulimits", "Links", "ExtraHosts"] {
        sort(&mut container["HostConfig"][key]);
    }
    drop_keys(&mut container["NetworkSettings"], &ADDRESSES);
    // Ports that the engine chose; those of a range, too.
    for binding in container["NetworkSettings"]["Ports"]
        .as_object_mut()
        .into_iter()
        .flatten()
        .filter_map(|(_, l)| l.as_array_mut())
        .flatten()
    {
        drop_keys(binding, &["HostPort"]);
    }
    for network in container["NetworkSettings"]["Networks"].as_object_mut().into_iter().flatten().map(|(_, n)| n) {
        drop_keys(network, &ADDRESSES);
        for key in ["Aliases", "DNSNames", "Links"] {
            sort(&mut network[key]);
        }
    }
}

/// Leaves out the mounts of secrets that we keep in memory, and Compose in the container.
fn secrets_in_memory(container: &mut Value) {
    let kept = |mount: &Value| mount["Source"].as_str().is_some_and(|source| source.contains("/run/secrets/equal/"));
    for place in ["/Mounts", "/HostConfig/Mounts"] {
        if let Some(mounts) = container.pointer_mut(place).and_then(Value::as_array_mut) {
            mounts.retain(|mount| !kept(mount));
        }
    }
    if container["HostConfig"]["Mounts"].as_array().is_none_or(Vec::is_empty) {
        drop_keys(&mut container["HostConfig"], &["Mounts"]);
    }
}

fn sort(list: &mut Value) {
    if let Some(items) = list.as_array_mut() {
        items.sort_by_key(ToString::to_string);
    }
}

/// The places where two values differ.
pub(super) fn differ(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<_> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
            keys.sort();
            for key in keys {
                differ(&format!("{path}.{key}"), &theirs[key.as_str()], &ours[key.as_str()], found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{path}[{index}]"), a, b, found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push(format!("{path}: {theirs} and {ours}")),
    }
}
