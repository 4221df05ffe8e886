//! Warnings about volumes that no container mounts any more, as far as only the engine knows them.

use std::path::Path;

use serde_json::Value;

use crate::{
    execute::{Context, images::Image},
    plan::dropped_volumes::{self, DroppedVolume},
    plan::reconcile::{Reconciled, There},
};

/// Warnings about the volumes that a plan leaves without a container: those with a name, and others that have data.
pub(super) async fn warnings(cx: &Context, reconciled: &Reconciled, there: &There) -> Vec<String> {
    let mut warnings = Vec::new();
    for dropped in dropped_volumes::find(reconciled, there) {
        if !dropped.is_anonymous() || (!is_declared(cx, &dropped).await && has_data(cx, &dropped.volume).await) {
            warnings.push(dropped.warning());
        }
    }
    warnings
}

/// Whether the container in its place keeps the volume since its image declares the path. An image that is still to be
/// pulled is taken to declare what the one before does.
async fn is_declared(cx: &Context, dropped: &DroppedVolume) -> bool {
    let Some((new, old)) = &dropped.images else { return false };
    for image in [new, old] {
        if let Ok(Some(image)) = cx.world.engine.inspect_image(image).await {
            return Image::read(&image).volumes.contains(&dropped.target);
        }
    }
    true
}

/// Whether there is anything in a volume. One whose folder cannot be read from here may have data.
async fn has_data(cx: &Context, volume: &str) -> bool {
    let found = cx.world.engine.inspect_volume(volume).await.ok().flatten().unwrap_or_default();
    let folder =
        found["Mountpoint"].as_str().filter(|_| cx.docker_host.as_ref().is_none_or(|h| h.starts_with("unix:")));
    let read = folder.map(|folder| Path::new(folder).read_dir());
    match read {
        Some(Ok(mut entries)) => entries.next().is_some(),
        _ => found != Value::Null,
    }
}
