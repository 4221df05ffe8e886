//! What a host adds to the container that Compose would make.

use std::path::PathBuf;

use crate::{compose::model::ServiceConfig, plan::containers::Options};

/// What a host adds to Compose's container.
#[derive(Default)]
pub(super) struct Added {
    pub(super) bind: Option<String>,
    pub(super) folder: Option<PathBuf>,
    pub(super) log_rotation: bool,
}

impl Added {
    pub(super) fn to(service: &ServiceConfig, options: &Options) -> Self {
        let mut added = Self { log_rotation: options.log_rotation && service.logging.is_none(), ..Self::default() };
        // A service that mounts something at /host itself means that.
        let taken = service.volumes.iter().any(|v| v.target == "/host");
        if let Some(dir) = options.containers_dir.as_ref().filter(|_| !taken) {
            let folder = dir.join(&service.name);
            added.bind = Some(format!("{}:/host:rw", folder.display()));
            added.folder = Some(folder);
        }
        added
    }

    /// As the label says it.
    pub(super) fn told(&self) -> String {
        let folder = self.folder.as_ref().map(|f| format!("containers-dir={}", f.display()));
        let rotation = self.log_rotation.then(|| "log-rotation=10m*5".to_owned());
        folder.into_iter().chain(rotation).collect::<Vec<_>>().join(",")
    }
}
