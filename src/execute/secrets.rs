//! Secrets as files in memory: written by each run before it creates or starts who mounts them, since a reboot takes them,
//! and there for as long as a container mounts them, since the engine may start it again by itself.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use tracing::warn;

use crate::{
    error::{Error, Result},
    host::files,
    plan::containers::SecretFile,
    retry::Retry,
    world::Engine,
};

/// Writes the secrets of a container that runs as `user`. Who mounts what was there before keeps that until its next start.
///
/// # Errors
/// The folder or a file cannot be written.
pub(super) fn write(secrets: &[SecretFile], user: &str) -> Result<()> {
    for secret in secrets {
        if let Some(folder) = secret.path.parent() {
            files::create_private(folder)?;
            private(folder)?;
        }
        files::write_volatile_as(&secret.path, secret.content.reveal(), secret.access(user))?;
    }
    Ok(())
}

fn private(folder: &Path) -> Result<()> {
    let set = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    set.map_err(|err| Error::io("make private", folder, &err))
}

/// Removes what no container mounts any more from the folder of all secrets, within `within`. Its failure is told and no
/// more than that: what is left goes with the next run or stop, or with the machine.
pub async fn sweep(retry: &Retry, engine: &dyn Engine, folder: &Path, within: Duration) {
    let swept = retry.bounded("look which secrets are still mounted", Some(within), remove_unmounted(engine, folder));
    if let Err(err) = swept.await {
        warn!("secrets that nothing mounts any more may stay in memory: {err}");
    }
}

async fn remove_unmounted(engine: &dyn Engine, folder: &Path) -> Result<()> {
    let projects = below(folder);
    let secrets: Vec<_> = projects.iter().flat_map(|project| below(project)).collect();
    if secrets.is_empty() {
        return Ok(());
    }
    let containers = engine.containers(&[]).await?;
    let mounts = containers.iter().flat_map(|container| container["Mounts"].as_array().into_iter().flatten());
    let mounted: BTreeSet<&Path> = mounts.filter_map(|mount| mount["Source"].as_str().map(Path::new)).collect();
    for secret in secrets.iter().filter(|secret| !mounted.contains(secret.as_path())) {
        files::remove(secret)?;
    }
    for project in projects {
        // One that still has files stays.
        let _ = fs::remove_dir(project);
    }
    Ok(())
}

fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}
