//! Configs whose content is in the manifest or its environment: they are copied into the container, since there is no
//! file that could be mounted. So are secrets where the engine cannot mount files of ours; elsewhere those are
//! [`SecretFile`]s. What has a `file` is a mount.

use sha2::{Digest, Sha256};

use crate::{
    compose::{
        Project,
        model::{FileReferenceConfig, ServiceConfig},
    },
    error::Result,
    plan::{
        containers::{Options, SecretFile, mounts::target_of},
        unsupported::refuse,
    },
    redact::Secret,
};

/// A file that is copied into a container before it starts.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Where it goes, absolute.
    pub path: String,
    /// Its content.
    pub content: Secret<String>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Whether an owner is asked for: then the engine is told to mind owners, as Compose tells it.
    pub owned: bool,
}

/// The mode of a file that names none.
pub(super) const READABLE: u32 = 0o444;

/// What is copied into the containers of a service; with `secrets`, those too.
pub(super) fn uploads(project: &Project, service: &ServiceConfig, secrets: bool) -> Result<Vec<Upload>> {
    let mut uploads = Vec::new();
    for reference in service.secrets.iter().filter(|_| secrets) {
        if let Some(defined) = project.secrets.get(&reference.source) {
            set(project, service, "secret", reference, &defined.environment)?;
            uploads.extend(upload(service, "secret", reference, "/run/secrets/", &defined.content)?);
        }
    }
    for reference in &service.configs {
        if let Some(defined) = project.configs.get(&reference.source) {
            set(project, service, "config", reference, &defined.environment)?;
            uploads.extend(upload(service, "config", reference, "/", &defined.content)?);
        }
    }
    Ok(uploads)
}

/// Refuses what takes its content from a variable that is not set; one that is empty makes no file, as with Compose.
pub(super) fn set(
    project: &Project,
    service: &ServiceConfig,
    kind: &str,
    reference: &FileReferenceConfig,
    variable: &str,
) -> Result<()> {
    if variable.is_empty() || project.environment.contains_key(variable) {
        return Ok(());
    }
    Err(refuse(service, &format!("{kind} '{}' is the content of {variable}, which is not set", reference.source)))
}

fn upload(
    service: &ServiceConfig,
    kind: &str,
    reference: &FileReferenceConfig,
    base: &str,
    content: &str,
) -> Result<Option<Upload>> {
    if content.is_empty() {
        return Ok(None);
    }
    let what = format!("{kind} '{}'", reference.source);
    if service.read_only {
        let why = format!("{what} cannot be copied into a read-only container; give it as a file");
        return Err(refuse(service, &why));
    }
    let number = |text: &str, attribute: &str| match text {
        "" => Ok(0),
        _ => id(service, &what, attribute, text).map(u64::from),
    };
    let mode = reference.mode.and_then(|mode| u32::try_from(mode.0).ok()).unwrap_or(READABLE);
    Ok(Some(Upload {
        path: target_of(reference, base),
        content: Secret::new(content.to_owned()),
        mode,
        uid: number(&reference.uid, "uid")?,
        gid: number(&reference.gid, "gid")?,
        owned: !reference.uid.is_empty() || !reference.gid.is_empty(),
    }))
}

/// A number of a user or group.
pub(super) fn id(service: &ServiceConfig, what: &str, attribute: &str, text: &str) -> Result<u32> {
    text.parse().map_err(|_| refuse(service, &format!("{attribute} of {what} is '{text}' and not a number")))
}

/// A keyed checksum over what the configs and secrets of a service hold; empty where it has none. Compose's hash knows
/// only their names, and a file that was put in the place of another is not seen through a mount until the container is
/// started again.
pub(super) fn checksum(
    project: &Project,
    service: &ServiceConfig,
    (kept, uploads): (&[SecretFile], &[Upload]),
    options: &Options,
) -> String {
    let mut sum = Sha256::new();
    let mut some = false;
    let mut add = |parts: &[&[u8]]| {
        some = true;
        for part in parts {
            sum.update((part.len() as u64).to_le_bytes());
            sum.update(part);
        }
    };
    for file in uploads {
        let owner = format!("{}:{}:{:o}", file.uid, file.gid, file.mode);
        add(&[file.path.as_bytes(), owner.as_bytes(), file.content.reveal().as_bytes()]);
    }
    for file in kept {
        let place = format!("{}:{}", file.path.display(), file.target);
        let number = |value: Option<u32>| value.map_or_else(String::new, |value| value.to_string());
        let access = [file.uid, file.gid, file.mode].map(number).join(":");
        add(&[place.as_bytes(), access.as_bytes(), file.content.reveal()]);
    }
    let secrets = service.secrets.iter().map(|r| (&project.secrets, r));
    let configs = service.configs.iter().map(|r| (&project.configs, r));
    for (defined, reference) in secrets.chain(configs) {
        let Some(defined) = defined.get(&reference.source).filter(|defined| !defined.file.is_empty()) else { continue };
        // What cannot be read is told by the engine, which mounts it; a folder is data.
        if let Ok(content) = (options.identify)(defined.file.as_ref()) {
            add(&[defined.file.as_bytes(), &content]);
        }
    }
    if !some {
        return String::new();
    }
    let keyed = Sha256::new().chain_update(options.key.reveal()).chain_update([0]).chain_update(sum.finalize());
    hex::encode(&keyed.finalize()[..16])
}
