//! `x-rolecall` of a service: what its containers need beyond Compose. It is not part of Compose's hash.

use super::decode::{Faults, Section};
use crate::compose::{Diagnostic, Project};

const EXTENSION: &str = "x-rolecall";
const KEYS: &[&str] = &["on-file-change"];

/// What happens to a container if fetched files that it mounts from the project folder have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFileChange {
    /// A new container takes its place.
    #[default]
    Replace,
    /// It is stopped and started again, which mounts the new files.
    Restart,
    /// It is left alone: the service reads its files again by itself.
    Ignore,
}

const CHOICES: &[(&str, OnFileChange)] =
    &[("replace", OnFileChange::Replace), ("restart", OnFileChange::Restart), ("ignore", OnFileChange::Ignore)];

/// `x-rolecall` of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// What happens if files that its containers mount have changed.
    pub on_file_change: OnFileChange,
}

/// Reads `x-rolecall` of a service, with all faults in it.
pub fn settings(project: &Project, service: &str) -> (ServiceSettings, Vec<Diagnostic>) {
    let mut faults = Faults::default();
    let mut settings = ServiceSettings::default();
    let path = format!("services.{service}.{EXTENSION}");
    if let Some(node) = project.node(["services", service, EXTENSION])
        && let Some(section) = Section::new(node, &path, KEYS, &mut faults)
    {
        settings.on_file_change = section.choice("on-file-change", CHOICES, &mut faults).unwrap_or_default();
    }
    (settings, faults.into_inner())
}
