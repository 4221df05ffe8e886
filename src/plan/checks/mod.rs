//! Everything that can be known of a project before its first step, with file and line: the same list for `validate`,
//! `plan` and `run`. Pure but for the files of the project.
//!
//! To add a check: write a function of type [`Check`], in a file of this folder or beside what it is about, and name it
//! in [`CHECKS`]. A fault refuses the project, so it must be certain; whatever may be meant is a warning. A check looks
//! at the project of one set of roles; `validate` calls it for each set, and equal findings are told once.

mod binds;
mod containers;
mod pins;
mod scripts;
pub mod subnets;

use std::path::Path;

use super::{ports, unsupported};
use crate::{
    compose::Project,
    facts::Facts,
    manifest::{Script, extension::Extension, files::Gathered, findings::Findings, prepare::Prepared, service},
};

/// What is checked.
pub struct Subject<'a> {
    /// The services of the roles and what they need; none if the source has nothing but scripts.
    pub project: Option<&'a Project>,
    /// `x-rolecall`.
    pub extension: &'a Extension,
    /// Scripts of stage two, in order.
    pub scripts: &'a [Script],
    /// The folder of the project: absolute paths below it are files of the project.
    pub dir: &'a Path,
    /// The files of the project by paths relative to its folder; none for a single script.
    pub files: Option<&'a Gathered>,
    /// Whether this is the host that the project runs on.
    pub on_host: bool,
}

/// One check.
type Check = fn(&Subject<'_>, &mut Findings);

/// All of them. Those further down may rely on nothing that those before have found right.
const CHECKS: &[Check] =
    &[attributes, extensions, binds::binds, containers::check, variables, host_ports, scripts::check];

/// Checks a project.
pub fn check(subject: &Subject<'_>) -> Findings {
    let mut findings = Findings::default();
    for check in CHECKS {
        check(subject, &mut findings);
    }
    findings
}

/// Checks what was prepared for a plan on this instance; `signed`: whether content has to be signed.
pub fn of(prepared: &Prepared, facts: &Facts, signed: bool) -> Findings {
    let manifest = &prepared.manifest;
    let project = manifest.project.as_deref();
    let mut findings = check(&Subject {
        project: manifest.project.as_deref(),
        extension: &manifest.extension,
        scripts: &manifest.scripts,
        dir: &prepared.dir,
        files: prepared.files.clone().map(Gathered::Folder).as_ref(),
        on_host: true,
    });
    subnets::check(project, &manifest.extension, facts, &mut findings);
    if let Some(warning) = project.filter(|_| signed).and_then(unpinned) {
        findings.warn(warning);
    }
    findings
}

pub use pins::unpinned;

/// Attributes that are refused, or that have no effect.
fn attributes(subject: &Subject<'_>, findings: &mut Findings) {
    if let Some(project) = subject.project {
        project.services.values().for_each(|service| unsupported::find(project, service, findings));
    }
}

/// `x-rolecall` of each service.
fn extensions(subject: &Subject<'_>, findings: &mut Findings) {
    for (project, name) in subject.project.iter().flat_map(|p| p.services.keys().map(move |name| (p, name))) {
        findings.invalid(service::settings(project, name).1);
    }
}

/// Variables without a value, values that are cut at a `$`, files that are not read.
fn variables(subject: &Subject<'_>, findings: &mut Findings) {
    for warning in subject.project.iter().flat_map(|project| project.warnings()) {
        findings.warn(warning);
    }
}

/// One port of the host that two containers ask for.
fn host_ports(subject: &Subject<'_>, findings: &mut Findings) {
    if let Some(Err(err)) = subject.project.map(ports::check) {
        findings.error(err);
    }
}
