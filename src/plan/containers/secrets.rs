//! Secrets that are files in memory, which containers mount: those whose content comes from the environment or from
//! `x-rolecall.variables`, which Compose writes into the container and so to disk, and secrets and configs with a `file`
//! for which the service asks for an owner or a mode, which Compose ignores.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    compose::{
        Project,
        model::{FileReferenceConfig, ServiceConfig},
    },
    error::Result,
    plan::containers::{
        Options,
        files::{READABLE, id, set},
        mounts::target_of,
    },
    redact::Secret,
};

/// A file that a container mounts, and that only root may look for on the host.
#[derive(Clone, Debug)]
pub struct SecretFile {
    /// Where it is on the host.
    pub path: PathBuf,
    /// Where the container has it, absolute.
    pub target: String,
    /// Its content.
    pub content: Secret<Vec<u8>>,
    /// Owner, where the service names one.
    pub uid: Option<u32>,
    /// Group, where the service names one.
    pub gid: Option<u32>,
    /// Permission bits, where the service names them.
    pub mode: Option<u32>,
}

/// Permission bits of a file that belongs to who runs in the container.
const PRIVATE: u32 = 0o600;

impl SecretFile {
    /// Owner, group and permission bits, in a container that runs as `user`. Without a mode of its own a file is for its
    /// owner alone where that is who the container runs as. If nothing is known of a name, or if another owner or a group is
    /// asked for, all may read it, as with Compose: what cannot be found on the host cannot be read there either.
    pub fn access(&self, user: &str) -> (u32, u32, u32) {
        let runs = match user.split(':').next() {
            None | Some("" | "root") => Some(0),
            Some(name) => name.parse().ok(),
        };
        let uid = self.uid.or(runs).unwrap_or(0);
        let own = runs == Some(uid) && self.gid.is_none();
        (uid, self.gid.unwrap_or(0), self.mode.unwrap_or(if own { PRIVATE } else { READABLE }))
    }

    /// As the engine is asked to mount it. In the shorter form it would put a folder in the place of a missing file.
    pub(super) fn mount(&self) -> Value {
        json!({ "Type": "bind", "Source": self.path, "Target": self.target, "ReadOnly": true })
    }
}

/// The secrets and configs of a service that are files in memory; none if there is no folder for them.
pub(super) fn files(project: &Project, service: &ServiceConfig, options: &Options) -> Result<Vec<SecretFile>> {
    let Some(folder) = &options.secrets_dir else { return Ok(Vec::new()) };
    let folder = folder.join(&project.name);
    let mut files: Vec<SecretFile> = Vec::new();
    for (index, reference) in service.secrets.iter().enumerate() {
        let Some(defined) = project.secrets.get(&reference.source) else { continue };
        set(project, service, "secret", reference, &defined.environment)?;
        let target = target_of(reference, "/run/secrets/");
        let what = format!("secret '{}'", reference.source);
        let found = if defined.content.is_empty() {
            with_access(reference, &defined.file, options)
        } else {
            Some((defined.content.clone().into_bytes(), Access::of(service, &what, reference)?))
        };
        let Some((content, access)) = found else { continue };
        if mounts_at(service, &target) {
            continue;
        }
        // What is named twice at one place is there once, as the last one says.
        files.retain(|file| file.target != target);
        // No name of a service or secret has a tilde.
        let path = folder.join(format!("{}~{index}~{}", service.name, reference.source));
        files.push(access.file(path, target, content));
    }
    for (index, reference) in service.configs.iter().enumerate() {
        let Some(defined) = project.configs.get(&reference.source) else { continue };
        let target = target_of(reference, "/");
        // A secret goes before a config, and the first config before others.
        if mounts_at(service, &target) || files.iter().any(|file| file.target == target) {
            continue;
        }
        if let Some((content, access)) = with_access(reference, &defined.file, options) {
            let path = folder.join(format!("{}~config{index}~{}", service.name, reference.source));
            files.push(access.file(path, target, content));
        }
    }
    Ok(files)
}

fn mounts_at(service: &ServiceConfig, target: &str) -> bool {
    service.volumes.iter().any(|volume| volume.target == target)
}

/// Who may read a file, as far as a service says so.
struct Access {
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
}

impl Access {
    fn of(service: &ServiceConfig, what: &str, reference: &FileReferenceConfig) -> Result<Self> {
        let number = |text: &str, attribute: &str| {
            Some(text).filter(|text| !text.is_empty()).map(|text| id(service, what, attribute, text)).transpose()
        };
        let (uid, gid) = (number(&reference.uid, "uid")?, number(&reference.gid, "gid")?);
        Ok(Self { uid, gid, mode: mode(reference) })
    }

    fn file(self, path: PathBuf, target: String, content: Vec<u8>) -> SecretFile {
        let Self { uid, gid, mode } = self;
        SecretFile { path, target, content: Secret::new(content), uid, gid, mode }
    }
}

fn mode(reference: &FileReferenceConfig) -> Option<u32> {
    reference.mode.and_then(|mode| u32::try_from(mode.0).ok())
}

/// The content of a file for which a service asks for an owner or a mode. `None` without such a wish, and for what stays
/// a mount as with Compose: a folder, a file that cannot be read, and an owner that is not a number.
fn with_access(reference: &FileReferenceConfig, file: &str, options: &Options) -> Option<(Vec<u8>, Access)> {
    if file.is_empty() || !asks_for_access(reference) {
        return None;
    }
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
    let access = Access { uid: number(&reference.uid)?, gid: number(&reference.gid)?, mode: mode(reference) };
    Some(((options.read)(file.as_ref()).ok()?, access))
}

/// Whether a service asks for an owner or a mode of a secret or config.
fn asks_for_access(reference: &FileReferenceConfig) -> bool {
    !reference.uid.is_empty() || !reference.gid.is_empty() || reference.mode.is_some()
}

/// Warnings for owners and modes of files that are mounted as they are on the host.
pub(super) fn ignored(project: &Project, service: &ServiceConfig, kept: &[SecretFile]) -> Vec<String> {
    let secrets = service.secrets.iter().map(|r| ("secret", &project.secrets, r, "/run/secrets/"));
    let configs = service.configs.iter().map(|r| ("config", &project.configs, r, "/"));
    let mut warnings = Vec::new();
    for (kind, defined, reference, base) in secrets.chain(configs) {
        let is_file = defined.get(&reference.source).is_some_and(|defined| !defined.file.is_empty());
        let target = target_of(reference, base);
        if is_file && asks_for_access(reference) && !kept.iter().any(|file| file.target == target) {
            warnings.push(format!(
                "service '{}': uid, gid and mode of {kind} '{}' are ignored: {target} is mounted with the owner and mode that its file has on the host",
                service.name, reference.source
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        execute::testing::{options, project},
        plan::{
            containers::{Desired, Peers, desired},
            image_identity::ImageIdentity,
        },
    };

    fn one(service: &str) -> Result<Desired> {
        let text = format!(
            "services: {{ web: {{ image: x, {service} }} }}\nsecrets: {{ s: {{ environment: TOKEN }}, f: {{ file: ./f }} }}"
        );
        let options = Options { secrets_dir: Some("/run/rolecall/secrets".into()), ..options((1, 41)) };
        Ok(desired(&project(&text), &Peers::new(), &options)?.remove(0))
    }

    #[test]
    fn a_secret_is_a_file_in_memory_that_is_mounted() {
        let web =
            one("secrets: [s, { source: s, target: /etc/token, uid: '7', mode: 0440 }, f], read_only: true").unwrap();
        assert!(web.uploads.is_empty());
        let path = |index| format!("/run/rolecall/secrets/demo/web~{index}~s");
        let files: Vec<_> =
            web.secrets.iter().map(|f| (f.path.to_str().unwrap(), f.target.as_str(), f.uid, f.mode)).collect();
        assert_eq!(
            files,
            [(path(0).as_str(), "/run/secrets/s", None, None), (path(1).as_str(), "/etc/token", Some(7), Some(0o440)),]
        );
        let body = web.body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None);
        let mounts = body["HostConfig"]["Mounts"].as_array().unwrap();
        for (source, target, _, _) in &files {
            let wanted = json!({ "Type": "bind", "Source": source, "Target": target, "ReadOnly": true });
            assert!(mounts.contains(&wanted), "{mounts:?}");
        }
        assert!(!body.to_string().contains("s3cret"), "{body}");
    }

    #[test]
    fn the_owner_is_who_the_container_runs_as() {
        let table = [
            ("s", "", (0, 0, 0o600)),
            ("s", "root", (0, 0, 0o600)),
            ("s", "root:wheel", (0, 0, 0o600)),
            ("s", "1000", (1000, 0, 0o600)),
            ("s", "1000:50", (1000, 0, 0o600)),
            ("s", "app", (0, 0, 0o444)),
            ("{ source: s, uid: '1000' }", "1000", (1000, 0, 0o600)),
            ("{ source: s, uid: '1000' }", "", (1000, 0, 0o444)),
            ("{ source: s, gid: '50' }", "", (0, 50, 0o444)),
            ("{ source: s, uid: '1', gid: '2', mode: 0400 }", "app", (1, 2, 0o400)),
        ];
        for (reference, user, wanted) in table {
            let web = one(&format!("secrets: [{reference}]")).unwrap();
            assert_eq!(web.secrets[0].access(user), wanted, "{reference} as {user:?}");
        }
        assert!(one("secrets: [{ source: s, uid: me }]").unwrap_err().message.contains("uid of secret 's' is 'me'"));
    }

    #[test]
    fn a_file_with_an_owner_or_a_mode_is_a_copy_in_memory() {
        let web = one("secrets: [f, { source: f, target: key, uid: '70', mode: 0400 }], user: '70'").unwrap();
        let kept: Vec<_> = web.secrets.iter().map(|f| (f.target.as_str(), f.access("70"))).collect();
        assert_eq!(kept, [("/run/secrets/key", (70, 0, 0o400))]);
        assert_eq!(web.secrets[0].content.reveal(), b"{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }");
        let body = web.body(&ImageIdentity::read(&json!({ "Id": "i" })), &[], None);
        let mounts = body["HostConfig"]["Mounts"].as_array().unwrap();
        let sources: Vec<_> = mounts.iter().map(|m| (m["Target"].as_str().unwrap(), &m["Source"])).collect();
        assert_eq!(sources.len(), 2, "{mounts:?}");
        assert!(sources.contains(&("/run/secrets/f", &json!("/project/f"))), "{mounts:?}");
        assert!(web.warnings.is_empty(), "{:?}", web.warnings);
        // As Compose: what it would ignore is no reason to refuse.
        let web = one("secrets: [{ source: f, uid: app }]").unwrap();
        assert!(web.secrets.is_empty());
        assert!(web.warnings[0].contains("uid, gid and mode of secret 'f' are ignored"), "{:?}", web.warnings);
    }

    #[test]
    fn a_target_is_mounted_once() {
        let web = one("secrets: [s, { source: s, mode: 0400 }], volumes: ['v:/run/other']").unwrap();
        assert_eq!((web.secrets.len(), web.secrets[0].mode), (1, Some(0o400)));
        assert!(one("secrets: [s], volumes: ['/x:/run/secrets/s']").unwrap().secrets.is_empty());
    }
}
