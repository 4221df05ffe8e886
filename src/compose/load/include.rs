//! `include`: other projects, loaded by themselves and taken in.

use std::path::{Path, PathBuf};

use crate::compose::dotenv::Variables;
use indexmap::map::Entry;

use crate::compose::error::{Diagnostic, Error};
use crate::compose::generation::Generation;
use crate::compose::load::is_remote;
use crate::compose::load::scope::{Paths, Scope, Source};
use crate::compose::merge::{self, Resets};
use crate::compose::node::{Key, Map, Node, Value};
use crate::compose::{path, schema};

/// Files that may include each other in a row.
const DEPTH: usize = 50;

/// What an included project may bring.
const RESOURCES: [&str; 6] = ["services", "volumes", "networks", "secrets", "configs", "models"];

/// Takes everything that a file includes into its tree. `chain` are the files that led here, the file itself last.
///
/// # Errors
/// One fault too many: a missing file, a cycle, or a resource that exists already and differs is noted.
pub(crate) fn apply(scope: &Scope<'_>, node: &mut Node, chain: &[PathBuf], resets: &Resets) -> Result<(), Error> {
    let Some(include) = node.as_map_mut().and_then(|map| map.shift_remove("include")) else {
        return Ok(());
    };
    if include.is_null() {
        return Ok(());
    }
    if let Some(error) = Error::from_all(schema::check(&include, &schema::INCLUDE, "include", scope.reader.generation))
    {
        return Err(error);
    }
    for (index, entry) in include.as_seq().unwrap_or_default().iter().enumerate() {
        let at = format!("include[{index}]");
        let imported = load(scope, entry, chain, &at);
        if let Err(error) = imported.and_then(|imported| Ok(import(scope, node, imported, (entry, &at), resets)?)) {
            for fault in error.diagnostics() {
                scope.reader.faults.note_gap(fault.clone())?;
            }
        }
    }
    Ok(())
}

/// The texts of an attribute that is one or a list of them.
fn texts<'a>(entry: &'a Node, key: &str) -> Vec<&'a Node> {
    match entry.get(key).map(|node| (node, &node.value)) {
        Some((_, Value::Seq(items))) => items.iter().collect(),
        Some((node, Value::Text(_))) => vec![node],
        _ => Vec::new(),
    }
}

fn load(scope: &Scope<'_>, entry: &Node, chain: &[PathBuf], at: &str) -> Result<Node, Error> {
    let named = if entry.as_str().is_some() { vec![entry] } else { texts(entry, "path") };
    let mut paths = Vec::new();
    for node in named {
        let text = node.as_str().unwrap_or_default();
        if is_remote(text) {
            let fault = node.fault(at, "a project of another host cannot be included");
            return Err(fault.help("put it beside the compose file").into());
        }
        paths.push((path::join(scope.folder, text), node));
    }
    let Some((main, main_node)) = paths.first() else {
        return Err(entry.fault(at, "no path is given").into());
    };
    if let Some(start) = chain.iter().position(|file| file == main) {
        let show = |file: &PathBuf| scope.reader.shown(file).display().to_string();
        let mut steps: Vec<String> = chain[start..].iter().map(show).collect();
        steps.push(show(main));
        return Err(main_node.fault(at, format!("files include each other: {}", steps.join(" -> "))).into());
    }
    if chain.len() > DEPTH {
        return Err(main_node.fault(at, format!("more than {DEPTH} files include each other")).into());
    }
    let (folder, project_folder) = folders(scope, entry, main);
    let variables = variables(scope, entry, &project_folder, at)?;
    let kind = if let Paths::Kept = scope.paths { Paths::From(scope.folder) } else { scope.paths };
    let inner = Scope::new(scope.reader, &folder, &variables, kind);
    let sources = paths.into_iter().map(|(path, node)| Source::Named(path, node.clone())).collect();
    inner.load(sources, chain)
}

/// What relative paths of an included project are relative to, and where its `.env` lies.
fn folders(scope: &Scope<'_>, entry: &Node, main: &Path) -> (PathBuf, PathBuf) {
    let parent = |path: &Path| path.parent().map_or_else(|| path.to_owned(), Path::to_owned);
    match entry.get("project_directory").and_then(Node::as_str).filter(|text| !text.is_empty()) {
        None => (parent(main), parent(main)),
        Some(text) => {
            let folder = path::join(scope.folder, text);
            let base = if text.starts_with('/') || scope.reader.files.is_dir(&folder) {
                folder.clone()
            } else {
                parent(&folder)
            };
            (base, folder)
        }
    }
}

fn variables(scope: &Scope<'_>, entry: &Node, folder: &Path, at: &str) -> Result<Variables, Diagnostic> {
    let own = folder.join(".env");
    let named = texts(entry, "env_file");
    let mut files: Vec<(PathBuf, Option<&Node>)> =
        named.iter().map(|node| (path::join(scope.folder, node.as_str().unwrap_or_default()), Some(*node))).collect();
    if files.is_empty() && scope.reader.files.is_file(&own) {
        files.push((own, None));
    }
    let mut read = Variables::new();
    for (file, node) in files {
        let bytes = scope.reader.bytes(&file, node.map(|node| (node, at)))?;
        let lookup = |name: &str| scope.variables.get(name).cloned();
        scope.reader.variables(&file, &bytes, &mut read, &lookup)?;
    }
    let mut all = scope.variables.clone();
    for (name, value) in read {
        all.entry(name).or_insert(value);
    }
    Ok(all)
}

/// Takes over the resources of an included project. One that exists already must be the same in Compose 2; in Compose 5
/// it is merged over the included one.
fn import(
    scope: &Scope<'_>,
    node: &mut Node,
    mut imported: Node,
    (entry, at): (&Node, &str),
    resets: &Resets,
) -> Result<(), Diagnostic> {
    if scope.reader.generation == Generation::Five {
        resets.apply_to_known(node, &mut imported);
    }
    let place = entry.position.clone();
    for kind in RESOURCES {
        let Some(Node { value: Value::Map(from), .. }) = imported.as_map_mut().and_then(|map| map.shift_remove(kind))
        else {
            continue;
        };
        let Some(model) = node.as_map_mut() else {
            continue;
        };
        let into = model.entry(Key::new(kind, &place)).or_insert_with(|| Node::null(&place));
        if into.is_null() {
            into.value = Value::Map(Map::new());
        }
        let Some(into) = into.as_map_mut() else {
            continue;
        };
        for (key, value) in from {
            match into.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(mut entry) if scope.reader.generation == Generation::Five => {
                    let own = std::mem::replace(entry.get_mut(), Node::null(&place));
                    let name = entry.key().name.clone();
                    entry.insert(merge::resource(value, own, kind, &name)?);
                }
                Entry::Occupied(entry) if *entry.get() == value => {}
                Entry::Occupied(entry) => {
                    let known = entry.key();
                    let message = format!("{kind}.{} is also given at {}", known.name, known.position);
                    return Err(value.fault(at, message));
                }
            }
        }
    }
    Ok(())
}
