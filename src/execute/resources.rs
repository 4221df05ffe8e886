//! Networks and volumes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tracing::{info, warn};

use crate::{
    error::Result,
    execute::stop,
    plan::{
        labels,
        networks::{self, NetworkAction, NetworkDesired},
        reconcile::Existing,
        volumes::{self, VolumeAction, VolumeDesired},
    },
    world::Engine,
};

/// Makes a network, where it is not there as it has to be; whether something was done.
///
/// # Errors
/// Those of [`networks::compare`] and of the engine.
pub async fn ensure_network(engine: &dyn Engine, project: &str, network: &NetworkDesired) -> Result<bool> {
    let unified = unify(engine, project, &network.name).await?;
    let all = engine.networks(&[]).await?;
    let named = networks::named(&network.name, &all, &used(engine, project).await?);
    let action = networks::compare(network, project, &named)?;
    let kept = matches!(action, NetworkAction::Keep | NetworkAction::KeepOther(_));
    let Some(body) = network.body.as_ref().filter(|_| !kept) else { return Ok(unified) };
    if action == NetworkAction::Replace {
        info!(
            network = network.name,
            "network {} was changed: its containers are stopped, and it is made anew", network.name
        );
        for container in attached(engine, project, &network.name).await? {
            stop::container(engine, &container).await?;
            engine.disconnect_network(&network.name, &container.id).await?;
        }
        engine.remove_network(&network.name).await?;
    }
    for old in networks::renamed(std::slice::from_ref(network), project, &all).iter().filter(|old| old.in_the_way) {
        let (was, now) = (&old.name, &network.name);
        info!(
            network = now,
            "network {was} is {now} now: its containers are stopped, and it is removed for its subnet"
        );
        for container in attached(engine, project, was).await? {
            stop::container(engine, &container).await?;
            engine.disconnect_network(&old.id, &container.id).await?;
        }
        engine.remove_network(&old.id).await?;
    }
    engine.create_network(body).await?;
    info!(network = network.name, "network {} created", network.name);
    // A run that was killed while it asked for this network may just have got it, too.
    unify(engine, project, &network.name).await?;
    Ok(true)
}

/// Removes all but one of our networks of a name; whether there were more.
///
/// # Errors
/// Those of the engine.
pub async fn unify(engine: &dyn Engine, project: &str, name: &str) -> Result<bool> {
    let all = engine.networks(&labels::ours(project)).await?;
    let count = all.iter().filter(|n| n["Name"] == name).count();
    if count < 2 {
        return Ok(false);
    }
    for surplus in networks::named(name, &all, &used(engine, project).await?).into_iter().skip(1) {
        let id = surplus["Id"].as_str().unwrap_or_default();
        warn!(network = name, "network {name} is there {count} times, {id} is removed");
        engine.remove_network(id).await?;
    }
    Ok(true)
}

/// Ids of the networks that containers of ours are in.
async fn used(engine: &dyn Engine, project: &str) -> Result<BTreeSet<String>> {
    let all = engine.containers(&labels::ours(project)).await?;
    Ok(all.iter().flat_map(|item| Existing::read(item).networks.into_values()).collect())
}

/// Our containers that are in a network.
async fn attached(engine: &dyn Engine, project: &str, network: &str) -> Result<Vec<Existing>> {
    let all = engine.containers(&labels::ours(project)).await?;
    let ours = all.iter().map(Existing::read).filter(|c| c.is_ours(project) && c.networks.contains_key(network));
    Ok(ours.collect())
}

/// Makes a volume, where it is not there; whether something was done.
///
/// # Errors
/// Those of [`volumes::compare`] and of the engine.
pub async fn ensure_volume(engine: &dyn Engine, project: &str, volume: &VolumeDesired) -> Result<bool> {
    let there = engine.inspect_volume(&volume.name).await?;
    match (volumes::compare(volume, project, there.as_ref())?, &volume.body) {
        (VolumeAction::Create, Some(body)) => {
            engine.create_volume(body).await?;
            info!(volume = volume.name, "volume {} created", volume.name);
            Ok(true)
        }
        (VolumeAction::KeepOther(why), _) => {
            warn!(volume = volume.name, "{why}");
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Labels of an object of the engine.
pub(super) fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let pairs = object["Labels"].as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}
