//! `baked.json`: what was done to the image that a machine was started from. It tells an operator which image a tag meant
//! then, and a run which upgrade it need not make again. Nothing in it is of the machine that it was made on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::{Cause, Error, Result},
    execute::Context,
    host::files,
    image_ref::ImageRef,
    manifest::extension::Upgrade,
    paths::Paths,
    plan::images::ImageNeed,
    settings::Input,
    state_file,
};

/// The format of the file: a list of [`Baked`], as version 0.1.0 wrote it. A later one is a map that has `format`.
const FORMAT: u64 = state_file::FIRST;

/// One project that was baked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baked {
    /// Its source, as it may be printed.
    pub source: String,
    /// The environment whose overlay was merged.
    pub environment: Option<String>,
    /// When, UTC.
    pub at: jiff::Timestamp,
    /// Version of the agent.
    pub agent: String,
    /// What was upgraded.
    pub upgrade: Upgrade,
    /// Image references of all roles, and the digest that each was resolved to; for one that no registry knows, its id.
    pub images: BTreeMap<String, String>,
}

/// The strongest upgrade that the image of this machine has had; a record that cannot be read costs one upgrade more.
pub fn upgraded(paths: &Paths) -> Upgrade {
    read(paths).into_iter().map(|one| one.upgrade).max().unwrap_or_default()
}

/// Writes down what was baked, in place of what was for the same source and environment.
///
/// # Errors
/// The engine does not answer; the state folder cannot be written.
pub async fn record(cx: &Context, input: &Input, upgrade: Upgrade, needs: &[ImageNeed]) -> Result<Baked> {
    let mut images = BTreeMap::new();
    for need in needs {
        let inspect = async |_| cx.world.engine.inspect_image(&need.image).await;
        let image = cx.engine(&cx.retry, "look for", &need.image, inspect).await?;
        images.extend(image.map(|image| (need.image.clone(), resolved(&need.image, &image))));
    }
    let baked = Baked {
        source: input.source.to_string(),
        environment: input.environment.clone(),
        at: jiff::Timestamp::now(),
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        upgrade,
        images,
    };
    let mut all = read(&cx.paths);
    all.retain(|old| (&old.source, &old.environment) != (&baked.source, &baked.environment));
    all.push(baked.clone());
    let path = cx.paths.baked_record();
    let text = serde_json::to_vec_pretty(&all)
        .map_err(|err| Error::new(Cause::Io, format!("could not write {}: {err}", path.display())))?;
    // The only record of which images a tag meant.
    state_file::set_newer_aside(&path, FORMAT)?;
    files::write_atomic(&path, &text, 0o600)?;
    Ok(baked)
}

fn read(paths: &Paths) -> Vec<Baked> {
    state_file::read_or_rebuild(&paths.baked_record(), FORMAT, "packages may be upgraded once more")
}

/// The digest under which the registry of a reference has the image.
fn resolved(reference: &str, image: &Value) -> String {
    let wanted = ImageRef::parse(reference).map(|reference| reference.repository()).unwrap_or_default();
    let known = image["RepoDigests"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let digest = known.filter_map(|known| ImageRef::parse(known).ok()).find(|known| known.repository() == wanted);
    let id = || image["Id"].as_str().unwrap_or_default().to_owned();
    digest.and_then(|known| known.digest).unwrap_or_else(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_is_resolved_in_its_own_registry() {
        let digest = |c: &str| format!("sha256:{}", c.repeat(64));
        let image = json!({ "Id": digest("0"), "RepoDigests": [
            format!("redis@{}", digest("1")), format!("r.example:5000/redis@{}", digest("2")),
        ] });
        for (reference, wanted) in
            [("redis:7", "1"), ("docker.io/library/redis", "1"), ("r.example:5000/redis:7", "2"), ("other:1", "0")]
        {
            assert_eq!(resolved(reference, &image), digest(wanted), "{reference}");
        }
        assert_eq!(resolved("redis:7", &json!({ "Id": "sha256:1", "RepoDigests": null })), "sha256:1");
    }

    #[test]
    fn the_strongest_upgrade_counts_and_damage_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), "/x", "/x");
        assert_eq!(upgraded(&paths), Upgrade::None);
        let one = |source: &str, upgrade: Upgrade| Baked {
            source: source.to_owned(),
            environment: None,
            at: jiff::Timestamp::now(),
            agent: "1".to_owned(),
            upgrade,
            images: BTreeMap::new(),
        };
        let all = [one("s3://a", Upgrade::Security), one("s3://b", Upgrade::None)];
        std::fs::write(paths.baked_record(), serde_json::to_vec(&all).unwrap()).unwrap();
        assert_eq!(upgraded(&paths), Upgrade::Security);
        for text in ["{ torn", r#"{"format":2,"baked":[]}"#] {
            std::fs::write(paths.baked_record(), text).unwrap();
            assert_eq!(upgraded(&paths), Upgrade::None, "{text}");
        }
    }
}
