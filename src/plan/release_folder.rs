//! A release folder without a name of its own: its project would start beside the one that it is to replace.

use crate::{
    compose::Project,
    error::{Cause, Error, Result},
    fetch::kept::Kept,
    plan::{labels, reconcile::Existing},
};

/// Refuses a project that takes its name from its prefix, while this instance runs one of another name that was ready
/// from another source. One that has containers already runs beside the other for longer, and goes on.
///
/// # Errors
/// `manifest-invalid`, with both ways out.
pub fn check(project: &Project, source: &str, instance: &str, kept: &[Kept], containers: &[Existing]) -> Result<()> {
    let ours = |one: &&Existing| one.is_ours(one.label(labels::PROJECT)) && one.label(labels::INSTANCE) == instance;
    let running = |name: &str| containers.iter().filter(ours).any(|one| one.label(labels::PROJECT) == name);
    if project.named || running(&project.name) {
        return Ok(());
    }
    let other = |kept: &&Kept| {
        kept.project.as_deref().is_some_and(|name| name != project.name && running(name))
            && kept.source.as_deref() != Some(source)
    };
    let Some(other) = kept.iter().find(other) else { return Ok(()) };
    let (new, old) = (&project.name, other.project.as_deref().unwrap_or_default());
    let from = other.source.as_deref().map(|source| format!(" from {source}")).unwrap_or_default();
    let message = format!(
        "{source} would start as project {new} beside project {old}, which runs here{from}: without `name:`, a project is \
         called after the last part of its prefix, and one of another name has containers and volumes of its own"
    );
    Err(Error::new(Cause::ManifestInvalid, message).need("a name for the project").hint(format!(
        "to replace {old}, write `name: {old}` in the compose file, or remove it first: rolecall down --project {old}; to run \
         both, write `name: {new}`"
    )))
}
