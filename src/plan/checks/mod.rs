//! Everything that can be known of a project before its first step, with file and line: the same list for `validate`,
//! `plan` and `run`. Pure but for the files of the project.
//!
//! To add a check: write a function of type [`Check`], in a file of this folder or beside what it is about, and name it
//! in [`CHECKS`]. A fault refuses the project, so it must be certain; whatever may be meant is a warning. A check looks
//! at the project of one set of roles; `validate` calls it for each set, and equal findings are told once.

mod binds;
mod containers;
mod host_files;
mod pins;
mod scripts;
pub mod subnets;
mod values;

use std::{path::Path, time::Duration};

use super::{
    ports::{self, Clash},
    unsupported,
};
use crate::{
    compose::{Diagnostic, Project, error::dotted},
    facts::Facts,
    manifest::{
        Script,
        extension::{Extension, Install},
        files::Gathered,
        findings::{Fault, Findings},
        prepare::Prepared,
        service,
    },
    retry::seconds,
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
const CHECKS: &[Check] = &[
    attributes,
    extensions,
    values::check,
    binds::binds,
    host_files::check,
    containers::check,
    variables,
    host_ports,
    listeners,
    scripts::check,
];

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
    spot(project, facts, &mut findings);
    subnets::check(project, &manifest.extension, facts, &mut findings);
    if let Some(warning) = project.filter(|_| signed).and_then(unpinned) {
        findings.warn(warning);
    }
    findings
}

pub use pins::unpinned;
pub use scripts::missing_interpreter;

/// The time between the notice of a Spot instance and its end:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html>.
const SPOT_NOTICE: Duration = Duration::from_secs(120);

/// A grace that a Spot instance cannot give.
fn spot(project: Option<&Project>, facts: &Facts, findings: &mut Findings) {
    let services = project.into_iter().filter(|_| facts.life_cycle.as_deref() == Some("spot"));
    for (project, service) in services.flat_map(|p| p.services.values().map(move |service| (p, service))) {
        let Some(grace) = service.stop_grace_period else { continue };
        let grace = grace.as_std();
        if grace <= SPOT_NOTICE {
            continue;
        }
        let path = ["services", &service.name, "stop_grace_period"];
        let message =
            format!("a Spot instance ends 2 minutes after its notice, before this grace of {}", seconds(grace));
        let warning = Diagnostic::new(project.key_position(&path), dotted(&path), message);
        findings.warn(warning.help("stop within 120 s, or use an on-demand instance"));
    }
}

/// `hosts` beside the `-H fd://` of the unit that packages of Docker bring: dockerd does not start with both.
fn listeners(subject: &Subject<'_>, findings: &mut Findings) {
    let docker = &subject.extension.host.docker;
    let (Some(project), true) = (subject.project, docker.daemon.contains_key("hosts")) else { return };
    if !matches!(docker.install, Install::Static(_)) {
        let path = ["x-rolecall", "host", "docker", "daemon", "hosts"];
        let message = "the unit of Docker's packages has -H fd://: dockerd does not start with both".to_owned();
        let warning = Diagnostic::new(project.key_position(&path), dotted(&path), message);
        findings.warn(warning.help("remove it, and add -H to a drop-in of docker.service"));
    }
}

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
    let Some(project) = subject.project else { return };
    if let Err(Clash { service, item, error }) = ports::check(project) {
        let item = item.to_string();
        let path = ["services", &service, "ports", &item];
        let mut diagnostic = Diagnostic::new(project.position(&path), dotted(&path), error.message);
        diagnostic.help = error.hint;
        findings.add(Fault { cause: error.cause, diagnostic, need: error.need });
    }
}
