//! Networks and volumes.

use std::collections::BTreeMap;

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
    let there = engine.inspect_network(&network.name).await?;
    let action = networks::compare(network, project, there.as_ref())?;
    let Some(body) = network.body.as_ref().filter(|_| action != NetworkAction::Keep) else { return Ok(false) };
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
    engine.create_network(body).await?;
    info!(network = network.name, "network {} created", network.name);
    Ok(true)
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
