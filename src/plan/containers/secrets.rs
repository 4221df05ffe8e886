//! Secrets whose content comes from the environment or from `x-rolecall.variables`: files in memory that containers
//! mount, where Compose writes them into the container, and so to disk.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    compose::{Project, model::ServiceConfig},
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
    pub content: Secret<String>,
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
    /// owner alone where that is who the container runs as. Who a name stands for, only the image knows; then, and where
    /// another owner or a group is asked for, all may read it, as with Compose: what cannot be found on the host cannot
    /// be read there either.
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

/// The secrets of a service that are files in memory; none where there is no folder for them.
pub(super) fn files(project: &Project, service: &ServiceConfig, options: &Options) -> Result<Vec<SecretFile>> {
    let Some(folder) = &options.secrets_dir else { return Ok(Vec::new()) };
    let mut files: Vec<SecretFile> = Vec::new();
    for (index, reference) in service.secrets.iter().enumerate() {
        let Some(defined) = project.secrets.get(&reference.source) else { continue };
        set(project, service, "secret", reference, &defined.environment)?;
        let target = target_of(reference, "/run/secrets/");
        if defined.content.is_empty() || service.volumes.iter().any(|volume| volume.target == target) {
            continue;
        }
        let what = format!("secret '{}'", reference.source);
        let number = |text: &str, attribute: &str| {
            Some(text).filter(|text| !text.is_empty()).map(|text| id(service, &what, attribute, text)).transpose()
        };
        // What is named twice at one place is there once, as the last one says.
        files.retain(|file| file.target != target);
        files.push(SecretFile {
            // No name of a service or secret has a tilde.
            path: folder.join(&project.name).join(format!("{}~{index}~{}", service.name, reference.source)),
            target,
            content: Secret::new(defined.content.clone()),
            uid: number(&reference.uid, "uid")?,
            gid: number(&reference.gid, "gid")?,
            mode: reference.mode.and_then(|mode| u32::try_from(mode.0).ok()),
        });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        execute::testing::{options, project},
        plan::containers::{Desired, Peers, desired},
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
        let body = web.body("i", &[], None);
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
    fn a_target_is_mounted_once() {
        let web = one("secrets: [s, { source: s, mode: 0400 }], volumes: ['v:/run/other']").unwrap();
        assert_eq!((web.secrets.len(), web.secrets[0].mode), (1, Some(0o400)));
        assert!(one("secrets: [s], volumes: ['/x:/run/secrets/s']").unwrap().secrets.is_empty());
    }
}
