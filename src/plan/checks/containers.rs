//! What cannot become a container: the bodies of all containers are made for the newest engine, and thrown away.

use std::{collections::BTreeMap, io, path::Path};

use super::Subject;
use crate::{
    compose::{Diagnostic, Files, Generation, Project, ServiceConfig, error::dotted},
    error::Error,
    manifest::{extension::Mirrors, files::Staged, findings::Findings},
    plan::{
        containers::{self, Fetched, Options, Peers},
        unsupported,
    },
    redact::Secret,
    world::ApiVersion,
};

/// A file of the host that is not at hand here counts as one that fits: a JSON document without anything in it.
const ELSEWHERE: &[u8] = b"{}";

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(project) = subject.project else { return };
    let staged = subject.files.map(|files| Staged::new(subject.dir, files));
    let read = |path: &Path| match &staged {
        Some(staged) if path.starts_with(subject.dir) => {
            staged.read(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        }
        _ => Ok(ELSEWHERE.to_vec()),
    };
    let options = Options {
        api: ApiVersion::NEWEST,
        generation: Generation::NEWEST,
        instance: None,
        environment_files: Vec::new(),
        containers_dir: None,
        log_rotation: false,
        platform: None,
        proxies: BTreeMap::new(),
        key: Secret::new(String::new()),
        secrets_dir: Some("/run".into()),
        values: const { &BTreeMap::new() },
        fetched: &Fetched::default(),
        read: &read,
        identify: &read,
        mirrors: Mirrors::default(),
    };
    // What is refused by its attribute alone has been found with its place.
    for service in project.services.values().filter(|service| unsupported::check(project, service).is_ok()) {
        match containers::container(project, service, 1, &Peers::new(), &options) {
            Err(err) if !about_tag(&err) => findings.fault(placed(project, service, &err)),
            _ => {}
        }
    }
}

/// The tags of an instance are known to the instance alone.
fn about_tag(err: &Error) -> bool {
    err.message.contains("ROLECALL_TAG_")
}

/// The refusal at the attribute that it names, else at the service.
fn placed(project: &Project, service: &ServiceConfig, err: &Error) -> Diagnostic {
    let prefix = format!("service '{}': ", service.name);
    let why = err.message.strip_prefix(&prefix).unwrap_or(&err.message);
    let known = project.node(["services", &service.name]).and_then(|node| node.as_map());
    let words = why.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let attribute = words.flat_map(|word| [word.to_owned(), format!("{word}s"), format!("{word}_opt")]);
    let attribute = attribute.into_iter().find(|word| known.is_some_and(|map| map.contains_key(word.as_str())));
    let path: Vec<&str> = ["services", &service.name].into_iter().chain(attribute.as_deref()).collect();
    let fault = Diagnostic::new(project.key_position(&path), dotted(&path), why);
    match &err.hint {
        Some(hint) => fault.help(hint),
        None => fault,
    }
}
