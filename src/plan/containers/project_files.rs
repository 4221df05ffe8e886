//! The fetched files that a container mounts from the folder of its project.
//!
//! Compose's hash covers the paths of binds only. A file is replaced by a rename, and a container that mounts it keeps the
//! old one until it starts again; a service that mounts a folder sees the new files, but nothing tells it to read them.
//! So each container carries a checksum per mounted path over the files that were fetched there. What containers wrote
//! is data and does not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    compose::{
        Project,
        model::{ServiceConfig, ServiceVolumeConfig},
    },
    fetch::{File, project::Changes},
    manifest::service::{self, OnFileChange},
    redact::Secret,
};

/// The fetched files of a project.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The folder of the project.
    pub dir: PathBuf,
    /// Its files by paths relative to the folder.
    pub files: BTreeMap<String, File>,
    /// Those that this run writes or deletes.
    pub changes: Changes,
}

/// What a container mounts from the folder of its project.
#[derive(Clone, Debug, Default)]
pub struct ProjectFiles {
    /// Keyed checksums by mounted path, relative to the folder; the folder itself is the empty path.
    sums: BTreeMap<String, String>,
    /// A file below each mounted path that this run changes, if there is one.
    changing: BTreeMap<String, String>,
    /// What happens if they have changed.
    pub on_change: OnFileChange,
}

impl ProjectFiles {
    /// What a service mounts.
    pub(super) fn of(project: &Project, service: &ServiceConfig, fetched: &Fetched, key: &Secret<String>) -> Self {
        let (settings, _) = service::settings(project, &service.name);
        let mut mounted = Self { on_change: settings.on_file_change, ..Self::default() };
        let volumes = service.volumes.iter().filter_map(|volume| host_path(project, volume));
        // Of configs and secrets, only folders: another checksum covers the files.
        let folders = files(project, service).filter_map(|path| below(path, &fetched.dir));
        let folders = folders.filter(|path| !fetched.files.contains_key(*path));
        let sources: BTreeSet<&str> = volumes.filter_map(|path| below(path, &fetched.dir)).chain(folders).collect();
        for source in sources {
            let mut sum = Sha256::new().chain_update(key.reveal()).chain_update([0]);
            for (path, file) in fetched.files.iter().filter(|(path, _)| is_within(path, source)) {
                sum.update(format!("{path}\0{}\0{:o}\n", file.sha256, file.mode));
            }
            let written = fetched.changes.written.iter().chain(&fetched.changes.deleted);
            let changing = written.into_iter().find(|path| is_within(path, source));
            mounted.changing.extend(changing.map(|path| (source.to_owned(), path.clone())));
            mounted.sums.insert(source.to_owned(), hex::encode(&sum.finalize()[..8]));
        }
        mounted
    }

    /// The label of a container with these files; empty if it mounts nothing from the folder.
    pub fn label(&self) -> String {
        if self.sums.is_empty() { String::new() } else { serde_json::to_string(&self.sums).unwrap_or_default() }
    }

    /// What differs from the files of a container that has this label. For a path of which the label has no checksum, as
    /// with containers of version 0.1.0, only a change by this very run counts.
    pub fn changed(&self, label: &str) -> Option<String> {
        let known: BTreeMap<String, String> = serde_json::from_str(label).unwrap_or_default();
        let differs = |source: &str, sum: &String| match known.get(source) {
            Some(known) => known != sum,
            None => self.changing.contains_key(source),
        };
        let (source, _) = self.sums.iter().find(|(source, sum)| differs(source, sum))?;
        Some(match self.changing.get(source) {
            Some(file) => format!("{file} has changed"),
            None if source.is_empty() => "files of the project have changed".to_owned(),
            None => format!("{source} has changed"),
        })
    }
}

/// Paths of the configs and secrets of a service.
fn files<'a>(project: &'a Project, service: &'a ServiceConfig) -> impl Iterator<Item = &'a str> {
    let secrets = service.secrets.iter().filter_map(|used| project.secrets.get(&used.source));
    let configs = service.configs.iter().filter_map(|used| project.configs.get(&used.source));
    secrets.chain(configs).map(|defined| defined.file.as_str()).filter(|file| !file.is_empty())
}

/// The path of the host that a volume of a service mounts, if it is one.
pub(crate) fn host_path<'a>(project: &'a Project, volume: &'a ServiceVolumeConfig) -> Option<&'a str> {
    match volume.r#type.as_str() {
        "bind" => Some(&volume.source),
        "volume" => {
            let options = &project.volumes.get(&volume.source)?.driver_opts;
            let bound = options.get("o")?.split(',').any(|option| matches!(option, "bind" | "rbind"));
            options.get("device").filter(|_| bound).map(String::as_str)
        }
        _ => None,
    }
}

/// A path relative to the folder, if it is below it.
fn below<'a>(path: &'a str, dir: &Path) -> Option<&'a str> {
    if dir.as_os_str().is_empty() { None } else { Path::new(path).strip_prefix(dir).ok()?.to_str() }
}

/// Whether a file is at a mounted path or below it.
fn is_within(path: &str, source: &str) -> bool {
    source.is_empty() || path.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        execute::testing::{options, project},
        plan::containers::{Options, Peers, desired},
    };

    fn files(all: &[(&str, &str)]) -> BTreeMap<String, File> {
        let file = |sum: &str| File { sha256: sum.to_owned(), size: 1, mode: 0o644, declared: false };
        all.iter().map(|(path, sum)| ((*path).to_owned(), file(sum))).collect()
    }

    /// What the service mounts whose volumes are these, of a project with these files, of which one is changing.
    fn mounted(volumes: &str, all: &[(&str, &str)], changing: &[&str]) -> ProjectFiles {
        let written = changing.iter().map(|path| (*path).to_owned()).collect();
        let changes = Changes { written, ..Changes::default() };
        let fetched = Fetched { dir: "/project".into(), files: files(all), changes };
        let options = Options { fetched: &fetched, ..options((1, 41)) };
        let text = format!("services: {{ web: {{ image: x, volumes: [{volumes}] }} }}");
        desired(&project(&text), &Peers::new(), &options).unwrap().remove(0).project_files
    }

    #[test]
    fn mounted_files_change_with_their_content() {
        let old = [("conf/a", "1"), ("conf/b", "1"), ("configure", "1")];
        let table: [(&str, &[(&str, &str)], &[&str], Option<&str>); 8] = [
            ("./conf:/c", &old, &[], None),
            (
                "./conf:/c",
                &[("conf/a", "1"), ("conf/b", "2"), ("configure", "1")],
                &["conf/b"],
                Some("conf/b has changed"),
            ),
            ("./conf:/c", &[("conf/a", "1"), ("conf/b", "2"), ("configure", "1")], &[], Some("conf has changed")),
            ("./conf:/c", &[("conf/a", "1"), ("configure", "1")], &[], Some("conf has changed")),
            ("./conf:/c", &[("conf/a", "1"), ("conf/b", "1"), ("configure", "2")], &["configure"], None),
            ("./conf/a:/a", &[("conf/a", "1"), ("conf/b", "2")], &["conf/b"], None),
            (".:/app", &[("conf/a", "1")], &[], Some("files of the project have changed")),
            ("./data:/d, '/srv:/srv'", &[], &[], None),
        ];
        for (volumes, new, changing, wanted) in table {
            let label = mounted(volumes, &old, &[]).label();
            assert_eq!(mounted(volumes, new, changing).changed(&label).as_deref(), wanted, "{volumes} {new:?}");
        }
        assert_eq!(mounted("'/srv:/srv'", &old, &[]).label(), "");
    }

    #[test]
    fn without_a_label_only_changes_of_this_run_count() {
        let new = [("conf/a", "2")];
        assert_eq!(mounted("./conf:/c", &new, &[]).changed(""), None);
        assert_eq!(mounted("./conf:/c", &new, &["conf/a"]).changed("").as_deref(), Some("conf/a has changed"));
        assert_eq!(mounted("./data:/c", &new, &["conf/a"]).changed(""), None);
    }
}
