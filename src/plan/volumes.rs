//! Volumes as Compose makes them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    compose::Project,
    error::{Cause, Error, Result},
    plan::{
        hash,
        json::{Body, mapping},
        labels,
    },
};

/// A volume as it has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeDesired {
    /// Its key in the project.
    pub key: String,
    /// Its name in the engine.
    pub name: String,
    /// Compose's config hash.
    pub hash: String,
    /// Body of `POST /volumes/create`; none for a volume that must be there already.
    pub body: Option<Value>,
}

/// The volumes that services of the project mount.
pub fn desired(project: &Project, instance: Option<&str>) -> Vec<VolumeDesired> {
    let mounts = project.services.values().flat_map(|service| &service.volumes);
    let used: BTreeSet<&str> = mounts.filter(|v| v.r#type == "volume").map(|v| v.source.as_str()).collect();
    let volumes = project.volumes.iter().filter(|(key, _)| used.contains(key.as_str()));
    let made = volumes.map(|(key, volume)| {
        let hash = hash::volume(volume);
        let mut all = volume.labels.clone();
        all.extend(labels::of_object((labels::VOLUME, key), &project.name, &hash, instance));
        let mut body = Body::default();
        body.keep("Name", volume.name.clone())
            .set("Driver", volume.driver.clone())
            .set("DriverOpts", mapping(&volume.driver_opts))
            .keep("Labels", mapping(&all));
        let body = (!volume.external).then(|| body.into());
        VolumeDesired { key: key.clone(), name: volume.name.clone(), hash, body }
    });
    made.collect()
}

/// What has to be done about a volume. A volume is never made anew: it holds data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeAction {
    /// It is there.
    Keep,
    /// It is there and not as the manifest says; it is used, and the log says so.
    KeepOther(String),
    /// It has to be made.
    Create,
}

/// Compares a volume with what the engine has under its name.
///
/// # Errors
/// `engine-refused` where it must be there and is not.
pub fn compare(desired: &VolumeDesired, project: &str, there: Option<&Value>) -> Result<VolumeAction> {
    let name = &desired.name;
    let Some(there) = there else {
        if desired.body.is_some() {
            return Ok(VolumeAction::Create);
        }
        let message = format!("volume {name} is declared as external, and the engine does not have it");
        return Err(Error::new(Cause::EngineRefused, message)
            .hint(format!("create it with `docker volume create {name}`, or remove `external`")));
    };
    if desired.body.is_none() {
        return Ok(VolumeAction::Keep);
    }
    let label = |key: &str| there["Labels"].get(key).and_then(Value::as_str).unwrap_or_default();
    if label(labels::PROJECT) != project {
        let why = format!("volume {name} was there before and is not of project '{project}'; it is used all the same");
        return Ok(VolumeAction::KeepOther(why));
    }
    let hash = label(labels::CONFIG_HASH);
    if hash.is_empty() || hash == desired.hash {
        return Ok(VolumeAction::Keep);
    }
    let why = format!("volume {name} was made with other options; it is left alone, since it holds data");
    Ok(VolumeAction::KeepOther(why))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_is_never_thrown_away() {
        let volume =
            VolumeDesired { key: "data".into(), name: "demo_data".into(), hash: "1".into(), body: Some(json!({})) };
        let there = |project: &str, hash: &str| json!({ "Name": "demo_data", "Labels": { labels::PROJECT: project, labels::CONFIG_HASH: hash } });
        let action = |there: Option<&Value>| compare(&volume, "demo", there).unwrap();
        assert_eq!(action(None), VolumeAction::Create);
        assert_eq!(action(Some(&there("demo", "1"))), VolumeAction::Keep);
        assert!(matches!(action(Some(&there("demo", "2"))), VolumeAction::KeepOther(_)));
        assert!(matches!(action(Some(&json!({ "Labels": null }))), VolumeAction::KeepOther(_)));
        let external = VolumeDesired { body: None, ..volume };
        assert!(compare(&external, "demo", None).is_err());
    }
}
