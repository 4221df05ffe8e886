//! Binds whose source is missing or leads out of the project. The engine makes a folder in the place of a missing source,
//! and a service that needs a file there starts without it.

use std::path::Path;

use super::Subject;
use crate::{
    compose::{Diagnostic, Generation, Project, ServiceConfig, model::ServiceVolumeConfig, nearest},
    manifest::findings::Findings,
};

/// Endings of names that look like those of files, and are usual for folders: `conf.d`, and sites that are named after
/// their domains.
const FOLDER_ENDINGS: &[&str] = &["d", "com", "org", "net", "io", "dev", "local", "lan"];

/// The sources of all binds.
pub(super) fn binds(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(project) = subject.project else { return };
    for service in project.services.values() {
        let binds = service.volumes.iter().enumerate().filter(|(_, volume)| volume.r#type == "bind");
        for (index, volume) in binds {
            let at = Bind { project, service, index, volume };
            match Path::new(&volume.source).strip_prefix(subject.dir).ok().and_then(Path::to_str) {
                Some(path) => at.inside(path, subject, findings),
                None if volume.relative => findings.fault(at.climbs(subject.dir)),
                None if subject.on_host => at.absolute().into_iter().for_each(|warning| findings.warn(warning)),
                None => {}
            }
        }
    }
}

/// One bind.
struct Bind<'a> {
    project: &'a Project,
    service: &'a ServiceConfig,
    index: usize,
    volume: &'a ServiceVolumeConfig,
}

impl Bind<'_> {
    fn diagnostic(&self, message: String) -> Diagnostic {
        let index = self.index.to_string();
        let path = ["services", self.service.name.as_str(), "volumes", index.as_str(), "source"];
        let shown = format!("services.{}.volumes[{index}].source", self.service.name);
        Diagnostic::new(self.project.position(&path), shown, message)
    }

    fn creates(&self) -> bool {
        self.volume.bind.as_ref().is_none_or(|bind| bind.create_host_path.enabled(Generation::Two))
    }

    /// A source below the folder of the project.
    fn inside(&self, path: &str, subject: &Subject<'_>, findings: &mut Findings) {
        let file = looks_like_file(path) || looks_like_file(&self.volume.target);
        let wanted = file || !self.creates();
        let fetched = subject.files.is_some_and(|files| files.has(path) && !path.is_empty());
        if path.is_empty() || !wanted || fetched || exists(Path::new(&self.volume.source), file) {
            return;
        }
        let near = subject.files.and_then(|files| nearest(path, files.paths()).map(str::to_owned));
        let near = near.map(|near| format!(", did you mean '{near}'?")).unwrap_or_default();
        let fault = self.diagnostic(format!("'{path}' does not exist in the project{near}"));
        let made_elsewhere = !subject.scripts.is_empty() || self.others_mount_around(subject.dir);
        if made_elsewhere {
            findings.warn(fault.help("unless a script or another service creates it, the engine makes a folder there"));
        } else {
            findings.fault(fault.help("add it to the project; the engine would make an empty folder in its place"));
        }
    }

    /// Whether another service mounts a folder that holds the source, and may write it.
    fn others_mount_around(&self, dir: &Path) -> bool {
        let source = Path::new(&self.volume.source);
        let others = self.project.services.values().filter(|other| other.name != self.service.name);
        let mut folders = others.flat_map(|other| &other.volumes).filter(|other| !other.read_only);
        folders.any(|other| {
            let other = Path::new(&other.source);
            other.starts_with(dir) && source != other && source.starts_with(other)
        })
    }

    fn climbs(&self, dir: &Path) -> Diagnostic {
        let source = &self.volume.source;
        let message = format!("the path leads out of the folder of the project, {}, to {source}", dir.display());
        self.diagnostic(message).help("move what it mounts into the project, or mount an absolute path of the host")
    }

    /// A source elsewhere on the host that the engine would make.
    fn absolute(&self) -> Option<Diagnostic> {
        let source = &self.volume.source;
        let missing = source.starts_with('/') && self.creates() && !source.ends_with(".sock");
        (missing && !Path::new(source).exists()).then(|| {
            let message = format!("{source} does not exist on this host and would be created on its root disk");
            self.diagnostic(message)
                .help("with `bind: { create_host_path: false }` a disk that is mounted later is awaited")
        })
    }
}

/// Whether a source exists; an empty folder in place of a file was made by the engine.
fn exists(source: &Path, file: bool) -> bool {
    let Ok(found) = source.symlink_metadata() else { return false };
    let empty = || std::fs::read_dir(source).is_ok_and(|mut entries| entries.next().is_none());
    !(file && found.is_dir() && empty())
}

/// Whether a path is one of a file by its name: it has an extension, or is called `.env`, `Caddyfile` or the like.
fn looks_like_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    if matches!(name, ".env" | ".htpasswd") || (name.ends_with("file") && name.starts_with(char::is_uppercase)) {
        return true;
    }
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    // A version has no letters after its last dot, and a hidden folder no stem.
    !stem.is_empty() && ending.contains(|c: char| c.is_ascii_alphabetic()) && !FOLDER_ENDINGS.contains(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        for name in ["a.yml", "conf/site.conf", "/etc/caddy/Caddyfile", ".env", "x/.htpasswd", "a.b.so", "run/a.sock"] {
            assert!(looks_like_file(name), "{name}");
        }
        for name in ["data", "/data", "conf.d", ".cache", "v1.2", "redis-7.0", "www.example.com", "", "profile"] {
            assert!(!looks_like_file(name), "{name}");
        }
    }
}
