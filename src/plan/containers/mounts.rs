//! Binds and mounts. The engine has two ways to ask for the same thing; which one is chosen shows in `docker inspect`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    compose::{
        Generation, Project,
        model::{FileReferenceConfig, ServiceConfig, ServiceVolumeConfig},
    },
    error::{Cause, Error, Result},
    plan::{
        containers::SecretFile,
        json::{Body, mapping},
    },
};

/// What a replaced container leaves to the one in its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inherited {
    /// `Mounts` of the old container, as the engine lists them.
    pub mounts: Vec<Value>,
}

/// What a service mounts.
#[derive(Default)]
pub(super) struct Mounted {
    /// `source:target:options`.
    pub(super) binds: Vec<String>,
    /// The longer form.
    pub(super) mounts: Vec<Value>,
    /// Named volumes of the project, by their names in the engine.
    pub(super) volumes: BTreeSet<String>,
    /// Images that are mounted, by target.
    pub(super) images: BTreeMap<String, String>,
    /// Targets of volumes without a name.
    pub(super) anonymous: BTreeSet<String>,
}

/// The mounts of a service, by target; the order has no meaning to the engine. `kept` are its files in memory.
pub(super) fn mounts(
    project: &Project,
    service: &ServiceConfig,
    kept: &[SecretFile],
    generation: Generation,
) -> Result<Mounted> {
    // A target that is named twice is mounted once, as the last one says; volumes go before secrets before configs.
    let mut by_target: BTreeMap<&str, &ServiceVolumeConfig> = BTreeMap::new();
    let mut mounted = Mounted::default();
    for volume in &service.volumes {
        by_target.insert(&volume.target, volume);
    }
    for volume in by_target.values() {
        add_volume(project, volume, generation, &mut mounted);
    }
    for reference in &service.secrets {
        let target = target_of(reference, "/run/secrets/");
        let defined = project.secrets.get(&reference.source).ok_or_else(|| missing(service, "secret", reference))?;
        let elsewhere = by_target.contains_key(target.as_str()) || kept.iter().any(|file| file.target == target);
        if defined.environment.is_empty() && defined.content.is_empty() && !elsewhere {
            mounted.mounts.push(json!({
                "Type": "bind", "Source": defined.file, "Target": target, "ReadOnly": true, "BindOptions": {},
            }));
        }
    }
    for reference in &service.configs {
        let target = target_of(reference, "/");
        let defined = project.configs.get(&reference.source).ok_or_else(|| missing(service, "config", reference))?;
        let taken = mounted.mounts.iter().any(|m| m["Target"] == target.as_str())
            || kept.iter().any(|file| file.target == target)
            || by_target.contains_key(target.as_str());
        if defined.environment.is_empty() && defined.content.is_empty() && !taken {
            mounted.mounts.push(json!({ "Type": "bind", "Source": defined.file, "Target": target, "ReadOnly": true }));
        }
    }
    Ok(mounted)
}

fn missing(service: &ServiceConfig, kind: &str, reference: &FileReferenceConfig) -> Error {
    let message =
        format!("service '{}' uses {kind} '{}', which the project does not have", service.name, reference.source);
    Error::new(Cause::ManifestInvalid, message)
}

/// Where a config or secret is in the container; a relative path is below `base`.
pub(super) fn target_of(reference: &FileReferenceConfig, base: &str) -> String {
    let target = if reference.target.is_empty() { &reference.source } else { &reference.target };
    if target.starts_with('/') { target.clone() } else { format!("{base}{target}") }
}

fn add_volume(project: &Project, volume: &ServiceVolumeConfig, generation: Generation, mounted: &mut Mounted) {
    let named = project.volumes.get(&volume.source).filter(|_| volume.r#type == "volume");
    let source = named.map_or(&volume.source, |named| &named.name);
    if volume.r#type == "volume" {
        if volume.source.is_empty() {
            mounted.anonymous.insert(volume.target.clone());
        } else {
            mounted.volumes.insert(source.clone());
        }
    }
    if volume.r#type == "image" {
        mounted.images.insert(volume.target.clone(), volume.source.clone());
    }
    let short = match volume.r#type.as_str() {
        "bind" => !bind_needs_mount(volume, generation),
        "volume" => named.is_some() && !volume_needs_mount(volume),
        _ => false,
    };
    if short {
        mounted.binds.push(bind_string(source, volume));
    } else {
        mounted.mounts.push(mount(source, volume, generation));
    }
}

/// The short form makes a missing folder of the host; what asks for anything else needs the long one.
fn bind_needs_mount(volume: &ServiceVolumeConfig, generation: Generation) -> bool {
    volume.bind.as_ref().is_some_and(|bind| {
        !bind.create_host_path.enabled(generation) || !bind.propagation.is_empty() || !bind.recursive.is_empty()
    })
}

fn volume_needs_mount(volume: &ServiceVolumeConfig) -> bool {
    volume.volume.as_ref().is_some_and(|v| !v.labels.is_empty() || !v.subpath.is_empty() || v.nocopy)
}

fn bind_string(source: &str, volume: &ServiceVolumeConfig) -> String {
    let mut options = vec![if volume.read_only { "ro" } else { "rw" }];
    if let Some(bind) = &volume.bind {
        options.extend([bind.selinux.as_str(), bind.propagation.as_str()].into_iter().filter(|o| !o.is_empty()));
    }
    if volume.volume.as_ref().is_some_and(|v| v.nocopy) {
        options.push("nocopy");
    }
    format!("{source}:{}:{}", volume.target, options.join(","))
}

fn mount(source: &str, volume: &ServiceVolumeConfig, generation: Generation) -> Value {
    let mut body = Body::default();
    body.set("Type", volume.r#type.clone())
        .set("Source", source)
        .set("Target", volume.target.clone())
        .set("ReadOnly", volume.read_only)
        .set("Consistency", volume.consistency.clone());
    match volume.r#type.as_str() {
        "bind" => {
            body.some(
                "BindOptions",
                volume.bind.as_ref().map(|bind| {
                    let mut options = Body::default();
                    options
                        .set("Propagation", bind.propagation.clone())
                        .set("NonRecursive", bind.recursive == "disabled")
                        .set("CreateMountpoint", bind.create_host_path.enabled(generation))
                        .set("ReadOnlyNonRecursive", bind.recursive == "writable")
                        .set("ReadOnlyForceRecursive", bind.recursive == "readonly");
                    options
                }),
            );
        }
        "volume" => {
            body.some(
                "VolumeOptions",
                volume.volume.as_ref().map(|v| {
                    let mut options = Body::default();
                    options.set("NoCopy", v.nocopy).set("Labels", mapping(&v.labels)).set("Subpath", v.subpath.clone());
                    options
                }),
            );
        }
        "tmpfs" => {
            body.some(
                "TmpfsOptions",
                volume.tmpfs.as_ref().map(|t| {
                    let mut options = Body::default();
                    options.set("SizeBytes", t.size.0).set("Mode", t.mode);
                    options
                }),
            );
        }
        "image" => {
            body.some(
                "ImageOptions",
                volume.image.as_ref().map(|i| {
                    let mut options = Body::default();
                    options.set("Subpath", i.subpath.clone());
                    options
                }),
            );
        }
        _ => {}
    }
    body.into()
}

/// Puts the anonymous volumes of the old container into the body of the new one: those that the service has no name
/// for, and those that its image declares.
pub(super) fn inherit(body: &mut Value, old: &Inherited, image_volumes: &[String], anonymous: &BTreeSet<String>) {
    let Some(host) = body.get_mut("HostConfig").and_then(Value::as_object_mut) else { return };
    let text = |mount: &Value, key: &str| mount.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let bound: BTreeSet<String> = host
        .get("Binds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|bind| bind.as_str()?.rsplit(':').nth(1).map(str::to_owned))
        .collect();
    let mut mounts: Vec<Value> = host.get("Mounts").and_then(Value::as_array).cloned().unwrap_or_default();
    for mount in &old.mounts {
        let (kind, target) = (text(mount, "Type"), text(mount, "Destination"));
        let own = anonymous.contains(&target);
        let declared = image_volumes.contains(&target);
        let named_now = bound.contains(&target) || (!own && mounts.iter().any(|m| text(m, "Target") == target));
        if kind == "tmpfs" || !(own || declared) || named_now {
            continue;
        }
        let source = text(mount, if kind == "volume" { "Name" } else { "Source" });
        let writable = mount.get("RW").and_then(Value::as_bool).unwrap_or(true);
        let mut kept = Body::default();
        kept.set("Type", kind).set("Source", source).set("Target", target.clone()).set("ReadOnly", !writable);
        mounts.retain(|m| text(m, "Target") != target);
        mounts.push(kept.into());
    }
    if !mounts.is_empty() {
        host.insert("Mounts".to_owned(), Value::from(mounts));
    }
}
