//! What this instance can prove its identity with: the identity document and the cloud's signatures over it, kept as
//! they are for scripts and for whoever else on this host is asked who it is.

use std::path::Path;

use futures_util::future::join_all;
use tracing::debug;

use crate::{error::Result, host::files, world::World};

/// Items below `dynamic/instance-identity/`: the document, its signature as PKCS#7, and as a plain one in base64.
const ITEMS: [&str; 3] = ["document", "rsa2048", "signature"];

/// Writes what metadata has of them to a folder, byte for byte, each under its own name, for root alone: whoever shows them
/// first is the instance for some who ask, the AWS login of Vault for one. Nothing hangs on it: what is
/// not there is left out, and what cannot be read or written is no failure.
pub async fn keep(world: &World, folder: &Path) {
    let kept = join_all(ITEMS.map(async |item| keep_one(world, folder, item).await)).await;
    for err in kept.into_iter().filter_map(Result::err) {
        debug!("the identity document is not kept: {err}");
    }
}

async fn keep_one(world: &World, folder: &Path, item: &str) -> Result<()> {
    match world.imds.get(&format!("dynamic/instance-identity/{item}")).await? {
        Some(text) => files::write_volatile(&folder.join(item), text.as_bytes(), 0o600),
        None => Ok(()),
    }
}
