//! `extends`: a service that starts from another one.

use std::path::{Path, PathBuf};

use crate::compose::error::{Diagnostic, nearest};
use crate::compose::load::{is_remote, scope::Scope};
use crate::compose::merge::{self, Resets};
use crate::compose::node::{Map, Node, Value};
use crate::compose::path;

/// The services of one file, as they were written.
pub(crate) struct Services {
    pub(crate) file: PathBuf,
    pub(crate) map: Map,
    pub(crate) resets: Resets,
}

/// Services that may extend each other in a row.
const DEPTH: usize = 50;

/// Services that are being resolved, each with its file.
type Chain = Vec<(PathBuf, String)>;

/// Merges every service of a file into what it extends.
///
/// # Errors
/// One fault too many: a missing file or service, a cycle, or values that do not merge are noted.
pub(crate) fn apply(scope: &Scope<'_>, file: &Path, node: &mut Node, resets: &Resets) -> Result<(), Diagnostic> {
    let Some(services) = node.get_mut("services") else {
        return Ok(());
    };
    let Value::Map(services) = &mut services.value else {
        return Err(services.fault("services", format!("expected a mapping, found {}", services.kind())));
    };
    if !services.values().any(|service| service.get("extends").is_some()) {
        return Ok(());
    }
    let written = Services { file: file.to_owned(), map: services.clone(), resets: Resets::clone(resets) };
    for (key, service) in services.iter_mut() {
        if service.get("extends").is_some() {
            match resolve(scope, &written, &key.name, &mut Chain::new()) {
                Ok(whole) => *service = whole,
                Err(fault) => {
                    scope.reader.faults.note(fault)?;
                    service.as_map_mut().and_then(|map| map.shift_remove("extends"));
                }
            }
        }
    }
    Ok(())
}

fn resolve(scope: &Scope<'_>, source: &Services, name: &str, chain: &mut Chain) -> Result<Node, Diagnostic> {
    let service = source.map.get(name).cloned();
    let service = service.ok_or_else(|| Diagnostic::general(format!("service '{name}' not found")))?;
    let Some(extends) = service.get("extends") else {
        return Ok(service);
    };
    let at = format!("services.{name}.extends");
    enter(scope, chain, source, name, extends, &at)?;

    let (wanted, file) = match &extends.value {
        Value::Map(map) => (map.get("service").and_then(Node::as_str), map.get("file").filter(|file| !file.is_null())),
        _ => (extends.as_str(), None),
    };
    let wanted = wanted.ok_or_else(|| extends.fault(&at, "the service to extend is not named"))?;
    let loaded = match file {
        None => None,
        Some(node) => {
            let text = node.as_str().ok_or_else(|| node.fault(format!("{at}.file"), "expected a path"))?;
            if is_remote(text) {
                return Err(node
                    .fault(format!("{at}.file"), "a file of another host cannot be extended")
                    .help("put it beside the compose file"));
            }
            Some(scope.extended(&path::join(scope.folder, text), node, &format!("{at}.file"))?)
        }
    };
    let base_source = loaded.as_deref().unwrap_or(source);
    if !base_source.map.contains_key(wanted) {
        return Err(unknown(scope, base_source, wanted, extends, &at));
    }
    let mut base = resolve(scope, base_source, wanted, chain)?;
    chain.pop();
    if base.is_null() {
        return Ok(service);
    }
    if !scope.reader.allows(base.count()) {
        return Err(extends.fault(&at, "the services are too large once they are extended"));
    }
    source.resets.apply_to_service(name, &mut base);
    let mut merged = merge::service(base, service, name)?;
    if let Some(map) = merged.as_map_mut() {
        map.shift_remove("extends");
    }
    Ok(merged)
}

fn enter(
    scope: &Scope<'_>,
    chain: &mut Chain,
    source: &Services,
    name: &str,
    extends: &Node,
    at: &str,
) -> Result<(), Diagnostic> {
    let step = (source.file.clone(), name.to_owned());
    let Some(start) = chain.iter().position(|known| *known == step) else {
        chain.push(step);
        return if chain.len() > DEPTH {
            Err(extends.fault(at, format!("more than {DEPTH} services extend each other")))
        } else {
            Ok(())
        };
    };
    let show = |(file, name): &(PathBuf, String)| format!("{name} ({})", scope.reader.shown(file).display());
    let mut steps: Vec<String> = chain[start..].iter().map(show).collect();
    steps.push(show(&step));
    Err(extends.fault(at, format!("services extend each other: {}", steps.join(" -> "))))
}

fn unknown(scope: &Scope<'_>, source: &Services, wanted: &str, extends: &Node, at: &str) -> Diagnostic {
    let names = source.map.keys().map(|key| key.name.as_str());
    let near = nearest(wanted, names).map_or_else(String::new, |near| format!(", did you mean '{near}'?"));
    let file = scope.reader.shown(&source.file);
    extends.fault(at, format!("service '{wanted}' not found in {}{near}", file.display()))
}
