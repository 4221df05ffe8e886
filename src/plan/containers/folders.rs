//! Folders of the host that a container mounts and that need not exist yet.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{compose::model::ServiceConfig, plan::containers::Options};

/// The folders that are made for a container if they are missing: its own one below `containers-dir`, and sources of binds
/// that Compose has made. The engine would make these for root, and a container of another user could not write there.
///
/// Only its own folder if users have other numbers in containers, or if the engine is not on this host.
pub(super) fn made(service: &ServiceConfig, own: Option<PathBuf>, options: &Options) -> Vec<PathBuf> {
    let binds = service.volumes.iter().filter(|volume| volume.r#type == "bind" && !volume.read_only);
    let made = binds
        .filter(|volume| volume.bind.as_ref().is_some_and(|bind| bind.create_host_path.enabled(options.generation)));
    let sources = made.map(|volume| PathBuf::from(&volume.source)).filter(|_| options.secrets_dir.is_some());
    own.into_iter().chain(sources).collect::<BTreeSet<_>>().into_iter().collect()
}
