//! Networks as Compose makes them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    compose::{Generation, Project, model::IpamPool},
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
    /// Compose's config hash, in the generation of Compose whose labels new networks get.
    pub hash: String,
    /// The same in each generation of Compose: a network that has one of them is up to date.
    pub hashes: [String; 2],
    /// Body of `POST /networks/create`; none for a network that must be there already.
    pub body: Option<Value>,
}

/// The networks that services of the project are in.
pub fn desired(project: &Project, generation: Generation, instance: Option<&str>) -> Vec<NetworkDesired> {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for service in project.services.values().filter(|s| s.network_mode.is_empty()) {
        used.extend(service.networks.keys().map(String::as_str));
        if service.networks.is_empty() {
            used.insert("default");
        }
    }
    let networks = project.networks.iter().filter(|(key, _)| used.contains(key.as_str()));
    let made = networks.map(|(key, network)| {
        let hash = hash::network(network, generation);
        let hashes = [Generation::Two, Generation::Five].map(|generation| hash::network(network, generation));
        let mut all = network.labels.clone();
        all.extend(labels::of_object((labels::NETWORK, key), &project.name, &hash, instance));
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
        NetworkDesired { key: key.clone(), name: network.name.clone(), hash, hashes, body }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkAction {
    /// It is there and as it has to be.
    Keep,
    /// It is there and not ours to change; it is used, and the plan says so.
    KeepOther(String),
    /// It has to be made.
    Create,
    /// It is there and otherwise: its containers are stopped and disconnected, and it is made anew.
    Replace,
    /// It is there more than once: one stays.
    Unify,
}

/// The networks of a name. The one to stay is first: the one that containers are in, else the oldest.
///
/// The engine does not keep names unique: it looks for a name before it makes a network, so that of two requests at the
/// same time, as when a run was killed in the middle of one, both can be granted.
pub fn named<'a>(name: &str, all: &'a [Value], used: &BTreeSet<String>) -> Vec<&'a Value> {
    let mut named: Vec<&Value> = all.iter().filter(|n| n["Name"] == name).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    named.sort_by_cached_key(|n| (!used.contains(&text(&n["Id"])), text(&n["Created"]), text(&n["Id"])));
    if named.is_empty() {
        named.extend(all.iter().find(|n| n["Id"] == name));
    }
    named
}

/// Whether we made a network, for this project.
pub fn is_ours(network: &Value, project: &str) -> bool {
    label(network, labels::PROJECT) == project && label(network, labels::MANAGED) == "true"
}

fn label<'a>(network: &'a Value, key: &str) -> &'a str {
    network["Labels"][key].as_str().unwrap_or_default()
}

/// Compares a network with what the engine has under its name, see [`named`].
///
/// # Errors
/// `engine-refused` where it must be there and is not, is no project's of that key, or is there twice and not by us.
pub fn compare(desired: &NetworkDesired, project: &str, named: &[&Value]) -> Result<NetworkAction> {
    let name = &desired.name;
    let external = desired.body.is_none();
    let Some(there) = named.first().filter(|n| external || n["Name"] == name.as_str()) else {
        if desired.body.is_some() {
            return Ok(NetworkAction::Create);
        }
        let message = format!("network {name} is declared as external, and the engine does not have it");
        return Err(Error::new(Cause::EngineRefused, message)
            .hint(format!("create it with `docker network create {name}`, or remove `external`")));
    };
    if named.len() > 1 {
        if !external && named.iter().all(|n| is_ours(n, project)) {
            return Ok(NetworkAction::Unify);
        }
        let message = format!("the engine has {} networks of the name {name}", named.len());
        return Err(Error::new(Cause::EngineRefused, message)
            .hint("see `docker network ls` and remove all but one, by their ids"));
    }
    if external {
        return Ok(NetworkAction::Keep);
    }
    let label = |key: &str| label(there, key);
    if label(labels::NETWORK) != desired.key {
        return Err(Error::new(
            Cause::EngineRefused,
            format!("network {name} is there, and is not network '{}' of a compose project", desired.key),
        )
        .hint("declare it as external to use it, or give the network another name"));
    }
    let owner = label(labels::PROJECT);
    if owner != project {
        let why =
            format!("network {name} was made for project '{owner}'; it is used as it is (declare it as external)");
        return Ok(NetworkAction::KeepOther(why));
    }
    let hash = label(labels::CONFIG_HASH);
    if hash.is_empty() || desired.hashes.iter().any(|known| known == hash) {
        return Ok(NetworkAction::Keep);
    }
    if label(labels::MANAGED) == "true" {
        return Ok(NetworkAction::Replace);
    }
    let why = format!("network {name} was made with other options, and not by rolecall; it is used as it is");
    Ok(NetworkAction::KeepOther(why))
}

/// A network of ours whose key has another name in the project now, as Compose 5.4 looks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenamedNetwork {
    /// Its id.
    pub id: String,
    /// Its name in the engine.
    pub name: String,
    /// The name of the network in its place.
    pub now: String,
    /// Whether that one has a subnet of it, and can be made only when it is gone.
    pub in_the_way: bool,
}

/// The networks of ours that were renamed.
pub fn renamed(desired: &[NetworkDesired], project: &str, all: &[Value]) -> Vec<RenamedNetwork> {
    let mut renamed = Vec::new();
    for one in all.iter().filter(|n| is_ours(n, project) && desired.iter().all(|d| n["Name"] != d.name.as_str())) {
        let key = label(one, labels::NETWORK);
        let Some((now, body)) = desired.iter().find(|d| d.key == key).and_then(|d| Some((&d.name, d.body.as_ref()?)))
        else {
            continue;
        };
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let old = subnets(one);
        let in_the_way = subnets(body).iter().any(|subnet| old.contains(subnet));
        renamed.push(RenamedNetwork { id: text("Id"), name: text("Name"), now: now.clone(), in_the_way });
    }
    renamed
}

fn subnets(network: &Value) -> BTreeSet<&str> {
    network["IPAM"]["Config"].as_array().into_iter().flatten().filter_map(|pool| pool["Subnet"].as_str()).collect()
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
        NetworkDesired {
            key: "back".into(),
            name: "demo_back".into(),
            hash: "1".into(),
            hashes: ["1".into(), "5".into()],
            body,
        }
    }

    fn there(hash: &str, project: &str, managed: &str) -> Value {
        json!({ "Name": "demo_back", "Id": "abc", "Labels": {
            labels::PROJECT: project, labels::NETWORK: "back", labels::CONFIG_HASH: hash, labels::MANAGED: managed,
        } })
    }

    #[test]
    fn a_network_is_kept_made_or_made_anew() {
        let network = wanted(false);
        assert_eq!(compare(&network, "demo", &[]).unwrap(), NetworkAction::Create);
        assert_eq!(compare(&network, "demo", &[&there("1", "demo", "true")]).unwrap(), NetworkAction::Keep);
        assert_eq!(compare(&network, "demo", &[&there("5", "demo", "true")]).unwrap(), NetworkAction::Keep);
        assert_eq!(compare(&network, "demo", &[&there("2", "demo", "true")]).unwrap(), NetworkAction::Replace);
        let other = |there: &Value| matches!(compare(&network, "demo", &[there]).unwrap(), NetworkAction::KeepOther(_));
        assert!(other(&there("2", "demo", "false")), "what we did not make is used, never made anew");
        assert!(other(&there("2", "other", "true")), "as is another project's of the same key");
        // Found by its id only.
        assert_eq!(compare(&network, "demo", &[&json!({ "Name": "x" })]).unwrap(), NetworkAction::Create);
    }

    #[test]
    fn of_several_of_one_name_the_one_in_use_stays_else_the_oldest() {
        let one = |id: &str, created: &str, managed: &str| {
            let mut one = there("1", "demo", managed);
            one["Id"] = id.into();
            one["Created"] = created.into();
            one
        };
        let all = [one("a", "2", "true"), one("b", "1", "true"), one("c", "3", "true"), json!({ "Name": "x" })];
        let ids = |used: &[&str]| {
            let used = used.iter().map(|&id| id.to_owned()).collect();
            named("demo_back", &all, &used).iter().map(|n| n["Id"].as_str().unwrap()).collect::<String>()
        };
        assert_eq!(ids(&[]), "bac");
        assert_eq!(ids(&["c", "x"]), "cba");
        assert_eq!(compare(&wanted(false), "demo", &[&all[0], &all[1]]).unwrap(), NetworkAction::Unify);
        let strange = one("d", "4", "false");
        let err = compare(&wanted(false), "demo", &[&all[0], &strange]).unwrap_err();
        assert_eq!(err.message, "the engine has 2 networks of the name demo_back");
    }

    #[test]
    fn a_network_that_is_no_projects_is_not_taken() {
        let stranger = json!({ "Name": "demo_back", "Id": "abc", "Labels": {} });
        let err = compare(&wanted(false), "demo", &[&stranger]).unwrap_err();
        assert!(err.message.contains("demo_back"), "{err}");
    }

    #[test]
    fn hash_of_generation_five_has_ipam_options() {
        let project = crate::execute::testing::project(
            "services: { web: { image: x, networks: [a, b] } }\n\
             networks: { a: { ipam: { options: { mode: l3 } } }, b: {} }",
        );
        let made = |generation| desired(&project, generation, None);
        let (two, five) = (made(Generation::Two), made(Generation::Five));
        assert_eq!([&two[0].hash, &five[0].hash], [&two[0].hashes[0], &two[0].hashes[1]]);
        assert_ne!(two[0].hash, five[0].hash);
        assert_eq!(two[1].hash, five[1].hash);
        assert_eq!(two[0].body.as_ref().unwrap()["Labels"][labels::CONFIG_HASH], two[0].hash.as_str());
        assert_eq!(five[0].body.as_ref().unwrap()["Labels"][labels::CONFIG_HASH], five[0].hash.as_str());
    }

    #[test]
    fn networks_of_ours_with_another_name_renamed() {
        let all = |subnet: &str| {
            let mut old = there("1", "demo", "true");
            old["Name"] = "old".into();
            old["IPAM"] = json!({ "Config": [{ "Subnet": subnet }] });
            let [mut strange, mut other] = [old.clone(), old.clone()];
            strange["Labels"][labels::MANAGED] = json!(null);
            other["Labels"][labels::NETWORK] = "front".into();
            [there("1", "demo", "true"), old, strange, other]
        };
        let mut now = wanted(false);
        now.body = Some(json!({ "IPAM": { "Config": [{ "Subnet": "10.1.0.0/24" }] } }));
        for (subnet, in_the_way) in [("10.1.0.0/24", true), ("10.2.0.0/24", false)] {
            let one = RenamedNetwork { id: "abc".into(), name: "old".into(), now: "demo_back".into(), in_the_way };
            assert_eq!(renamed(&[now.clone()], "demo", &all(subnet)), [one]);
        }
        assert_eq!(renamed(&[wanted(true)], "demo", &all("10.1.0.0/24")), [], "an external one is not ours to move");
    }

    #[test]
    fn an_external_network_must_be_there() {
        assert!(compare(&wanted(true), "demo", &[]).unwrap_err().message.contains("external"));
        assert_eq!(compare(&wanted(true), "demo", &[&there("", "x", "")]).unwrap(), NetworkAction::Keep);
    }
}
