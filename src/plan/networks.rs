//! Networks as Compose makes them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    compose::{Project, model::IpamPool},
    error::{Cause, Error, Result},
    plan::{
        hash,
        json::{Body, mapping},
        labels,
    },
};

/// A network as it has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkDesired {
    /// Its key in the project.
    pub key: String,
    /// Its name in the engine.
    pub name: String,
    /// Compose's config hash.
    pub hash: String,
    /// Body of `POST /networks/create`; none for a network that must be there already.
    pub body: Option<Value>,
}

/// The networks that services of the project are in.
pub fn desired(project: &Project, instance: Option<&str>) -> Vec<NetworkDesired> {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for service in project.services.values().filter(|s| s.network_mode.is_empty()) {
        used.extend(service.networks.keys().map(String::as_str));
        if service.networks.is_empty() {
            used.insert("default");
        }
    }
    let networks = project.networks.iter().filter(|(key, _)| used.contains(key.as_str()));
    let made = networks.map(|(key, network)| {
        let hash = hash::network(network);
        let own = [
            (labels::NETWORK, key.as_str()),
            (labels::PROJECT, &project.name),
            (labels::VERSION, labels::COMPOSE_VERSION),
            (labels::CONFIG_HASH, &hash),
            (labels::MANAGED, "true"),
        ];
        let mut all = network.labels.clone();
        all.extend(own.map(|(k, v)| (k.to_owned(), v.to_owned())));
        all.extend(instance.map(|id| (labels::INSTANCE.to_owned(), id.to_owned())));
        let mut body = Body::default();
        body.keep("Name", network.name.clone())
            // Older engines allow two networks of one name otherwise.
            .keep("CheckDuplicate", true)
            .set("Driver", network.driver.clone())
            .set("Options", mapping(&network.driver_opts))
            .set("Internal", network.internal)
            .set("Attachable", network.attachable)
            .some("EnableIPv4", network.enable_ipv4)
            .some("EnableIPv6", network.enable_ipv6)
            .keep("Labels", mapping(&all));
        if !network.ipam.driver.is_empty() || !network.ipam.config.is_empty() {
            let mut ipam = Body::default();
            let pools: Vec<Value> = network.ipam.config.iter().map(pool).collect();
            ipam.set("Driver", network.ipam.driver.clone()).set("Config", pools);
            body.keep("IPAM", ipam);
        }
        let body = (!network.external).then(|| body.into());
        NetworkDesired { key: key.clone(), name: network.name.clone(), hash, body }
    });
    made.collect()
}

fn pool(pool: &IpamPool) -> Value {
    let mut body = Body::default();
    body.set("Subnet", pool.subnet.clone())
        .set("IPRange", pool.ip_range.clone())
        .set("Gateway", pool.gateway.clone())
        .set("AuxiliaryAddresses", mapping(&pool.aux_addresses));
    body.into()
}

/// What has to be done about a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkAction {
    /// It is there and as it has to be.
    Keep,
    /// It has to be made.
    Create,
    /// It is there and otherwise: its containers are stopped and disconnected, and it is made anew.
    Replace,
}

/// Compares a network with what the engine has under its name.
///
/// # Errors
/// `engine-refused` where it must be there and is not, or is another project's.
pub fn compare(desired: &NetworkDesired, project: &str, there: Option<&Value>) -> Result<NetworkAction> {
    let name = &desired.name;
    // The engine also finds networks by the start of their id.
    let there = there.filter(|n| n["Name"] == name.as_str() || (desired.body.is_none() && n["Id"] == name.as_str()));
    let Some(there) = there else {
        if desired.body.is_some() {
            return Ok(NetworkAction::Create);
        }
        let message = format!("network {name} is declared as external, and the engine does not have it");
        return Err(Error::new(Cause::EngineRefused, message)
            .hint(format!("create it with `docker network create {name}`, or remove `external`")));
    };
    if desired.body.is_none() {
        return Ok(NetworkAction::Keep);
    }
    let label = |key: &str| there["Labels"].get(key).and_then(Value::as_str).unwrap_or_default();
    if label(labels::PROJECT) != project || label(labels::NETWORK) != desired.key {
        return Err(Error::new(
            Cause::EngineRefused,
            format!("network {name} is there, and is not network '{}' of project '{project}'", desired.key),
        )
        .hint("declare it as external to use it, or give the network another name"));
    }
    let hash = label(labels::CONFIG_HASH);
    let same = hash.is_empty() || hash == desired.hash;
    // What we did not make is used, never made anew.
    let ours = label(labels::MANAGED) == "true";
    Ok(if same || !ours { NetworkAction::Keep } else { NetworkAction::Replace })
}

/// The filter for one network of a project that we made.
pub fn filter(project: &str, key: &str) -> Vec<String> {
    let mut all = labels::ours(project);
    all.push(format!("{}={key}", labels::NETWORK));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(external: bool) -> NetworkDesired {
        let body = (!external).then(|| json!({}));
        NetworkDesired { key: "back".into(), name: "demo_back".into(), hash: "1".into(), body }
    }

    fn there(hash: &str, project: &str, managed: &str) -> Value {
        json!({ "Name": "demo_back", "Id": "abc", "Labels": {
            labels::PROJECT: project, labels::NETWORK: "back", labels::CONFIG_HASH: hash, labels::MANAGED: managed,
        } })
    }

    #[test]
    fn a_network_is_kept_made_or_made_anew() {
        let network = wanted(false);
        assert_eq!(compare(&network, "demo", None).unwrap(), NetworkAction::Create);
        assert_eq!(compare(&network, "demo", Some(&there("1", "demo", "true"))).unwrap(), NetworkAction::Keep);
        assert_eq!(compare(&network, "demo", Some(&there("2", "demo", "true"))).unwrap(), NetworkAction::Replace);
        assert_eq!(compare(&network, "demo", Some(&there("2", "demo", "false"))).unwrap(), NetworkAction::Keep);
        // Found by the start of an id only.
        assert_eq!(compare(&network, "demo", Some(&json!({ "Name": "x" }))).unwrap(), NetworkAction::Create);
    }

    #[test]
    fn a_network_of_another_project_is_not_taken() {
        let err = compare(&wanted(false), "demo", Some(&there("1", "other", "true"))).unwrap_err();
        assert!(err.message.contains("demo_back"), "{err}");
    }

    #[test]
    fn an_external_network_must_be_there() {
        assert!(compare(&wanted(true), "demo", None).unwrap_err().message.contains("external"));
        assert_eq!(compare(&wanted(true), "demo", Some(&there("", "x", ""))).unwrap(), NetworkAction::Keep);
    }
}
