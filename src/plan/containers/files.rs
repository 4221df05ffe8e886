//! Configs and secrets whose content is in the manifest or its environment: they are copied into the container, since
//! there is no file that could be mounted. Those with a `file` are mounts.

use crate::{
    compose::{
        Project,
        model::{FileReferenceConfig, ServiceConfig},
    },
    error::Result,
    plan::{containers::mounts::target_of, unsupported::refuse},
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
}

/// The mode of a file that names none.
const READABLE: u32 = 0o444;

pub(super) fn uploads(project: &Project, service: &ServiceConfig) -> Result<Vec<Upload>> {
    let mut uploads = Vec::new();
    for reference in &service.secrets {
        if let Some(defined) = project.secrets.get(&reference.source) {
            uploads.extend(upload(service, "secret", reference, "/run/secrets/", &defined.content)?);
        }
    }
    for reference in &service.configs {
        if let Some(defined) = project.configs.get(&reference.source) {
            uploads.extend(upload(service, "config", reference, "/", &defined.content)?);
        }
    }
    Ok(uploads)
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
        _ => text.parse().map_err(|_| refuse(service, &format!("{attribute} of {what} is '{text}' and not a number"))),
    };
    let mode = reference.mode.and_then(|mode| u32::try_from(mode.0).ok()).unwrap_or(READABLE);
    Ok(Some(Upload {
        path: target_of(reference, base),
        content: Secret::new(content.to_owned()),
        mode,
        uid: number(&reference.uid, "uid")?,
        gid: number(&reference.gid, "gid")?,
    }))
}
