//! `rolecall validate`: everything about a manifest that can be known without a network and without an engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{offline, print};
use crate::{
    compose::{Diagnostic, Disk, Files, Project, error::unblamed},
    error::{Cause, Error, Result},
    manifest::{
        Script,
        extension::Extension,
        files::{Gathered, Local},
        findings::Findings,
        inspect::{Inspected, Inspection, inspect},
        scripts,
    },
    plan::checks::{self, Subject},
    printable,
    redact::mask,
    report::console,
    settings,
};

/// Checks a compose file or the folder of a project, for the given roles, or for no role and for each
/// entry of `x-rolecall.roles` and each profile on its own. Prints each fault on a line of its own.
///
/// # Errors
/// The faults; a file or folder that does not exist, or roles that cannot be read.
pub fn validate(file: &Path, roles: Option<&str>, environment: Option<String>) -> Result<u8> {
    let roles = roles.map(settings::roles).transpose()?;
    let mut reading = offline::reading(file, environment)?;
    reading.variables = facts();
    let shown = reading.files.first().unwrap_or(&reading.dir).display().to_string();
    let files = Gathered::Local(Local::new(&reading.dir));
    let (is_project, scripts) = match reading.files.first() {
        Some(file) => script(file).map_or((true, Vec::new()), |script| (false, vec![script])),
        None => offline::is_project(&reading).and_then(|project| Ok((project, scripts::of(&files, project)?)))?,
    };
    let place = Place { dir: reading.dir.clone(), files, scripts };
    let (valid, findings) = if is_project {
        let inspection = inspect(&Disk, &reading, roles);
        let services: BTreeSet<&str> =
            inspection.projects.iter().flat_map(|of| of.project.services.keys()).map(String::as_str).collect();
        let name = inspection.projects.first().map(|of| of.project.name.clone()).unwrap_or_default();
        let list = services.into_iter().collect::<Vec<_>>().join(", ");
        (format!("project {name}, services: {list}"), place.all(inspection))
    } else {
        (named(&place.scripts), place.check(None, &Extension::default()))
    };
    for warning in findings.warnings() {
        warn!("{warning}");
    }
    if let Some(err) = findings.into_error() {
        return Err(told(err));
    }
    print(&format!("{shown}: valid, {valid}\n"))?;
    Ok(0)
}

/// A single file that is a script; anything else is read as a compose file.
fn script(file: &Path) -> Option<Script> {
    let body = Disk.read(file).ok().flatten().filter(|body| body.starts_with(b"#!"))?;
    Some(Script::new(file.file_name()?.to_string_lossy(), body))
}

/// Where a project is, with what it has besides its compose files.
struct Place {
    dir: PathBuf,
    files: Gathered,
    scripts: Vec<Script>,
}

impl Place {
    /// The findings of the files and of each set of roles.
    fn all(&self, inspection: Inspection) -> Findings {
        let Inspection { extension, projects, mut findings } = inspection;
        if projects.is_empty() {
            // Scripts can be checked whatever is wrong with the rest.
            findings.extend(self.check(None, &extension));
        }
        for Inspected { roles, mut project, faults } in projects {
            // What an instance has, this place may not.
            project.unset.retain(|variable, _| !variable.starts_with("ROLECALL_"));
            let mut found = self.check(Some(&project), &extension);
            // What is wrong with one role hides nothing of another.
            found.retain_faults(|fault| !unblamed(&faults, vec![fault.clone()]).is_empty());
            found.each_fault(|fault| of_roles(&roles, fault.cause, &mut fault.diagnostic));
            findings.extend(found);
        }
        findings
    }

    fn check(&self, project: Option<&Project>, extension: &Extension) -> Findings {
        let Self { dir, files, scripts } = self;
        checks::check(&Subject { project, extension, scripts, dir, files: Some(files), on_host: false })
    }
}

/// A clash of ports is one of the roles that bring them together.
fn of_roles(roles: &[String], cause: Cause, diagnostic: &mut Diagnostic) {
    if cause == Cause::PortClash && !roles.is_empty() {
        diagnostic.message = format!("with roles {}: {}", roles.join(":"), diagnostic.message);
    }
}

fn named(scripts: &[Script]) -> String {
    let names: Vec<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
    format!("scripts: {}", names.join(", "))
}

/// Prints every fault as `file:line:column: message; hint`, as compilers do; what is left for the last line is how many.
fn told(mut err: Error) -> Error {
    let lines = std::mem::take(&mut err.output);
    for line in if lines.is_empty() { vec![err.message.clone()] } else { lines } {
        console::write(&format!("{}\n", printable::line(&mask(&line))));
    }
    err
}

/// Facts of an instance that could be; offline no instance can be asked. Tags are not known at all.
fn facts() -> BTreeMap<String, String> {
    let facts = [
        ("INSTANCE_ID", "i-00000000000000000"),
        ("REGION", "us-east-1"),
        ("AZ", "us-east-1a"),
        ("LOCAL_IPV4", "10.0.0.1"),
        ("LOCAL_IPV6", "2001:db8::1"),
        ("HOSTNAME", "ip-10-0-0-1"),
        ("ACCOUNT_ID", "000000000000"),
        ("ROLES", ""),
        ("ENVIRONMENT", ""),
    ];
    let facts = facts.into_iter().map(|(name, value)| (format!("ROLECALL_{name}"), value.to_owned()));
    // The unit of a run has the home of root.
    facts.chain([("HOME".to_owned(), "/root".to_owned())]).collect()
}
