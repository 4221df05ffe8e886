//! Environment and labels of a service, with those of its files.

use std::collections::BTreeMap;
use std::path::Path;

use crate::compose::dotenv::{self, Variables};
use crate::compose::error::Diagnostic;
use crate::compose::load::scope::Reader;
use crate::compose::model::ServiceConfig;
use crate::compose::node::Node;

/// Reads the files of a service; what the service says itself beats them.
pub(super) fn resolve(
    reader: &Reader<'_>,
    service: &mut ServiceConfig,
    variables: &Variables,
    root: &Node,
) -> Result<(), Diagnostic> {
    for (name, value) in &mut service.environment {
        if value.is_none() {
            *value = variables.get(name).cloned();
        }
    }
    let own = &service.environment;
    let mut all: Variables = own.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
    for (index, file) in service.env_file.iter().enumerate() {
        let named = root.at(["services", &service.name, "env_file", &index.to_string()]);
        let at = format!("services.{}.env_file[{index}]", service.name);
        let path = Path::new(&file.path);
        if !file.required && !reader.files.is_file(path) && !reader.files.is_dir(path) {
            continue;
        }
        let bytes = reader.bytes(path, named.map(|node| (node, at.as_str())))?;
        let lookup = |name: &str| variables.get(name).or_else(|| own.get(name).and_then(Option::as_ref)).cloned();
        match file.format.as_str() {
            "" => reader.variables(path, &bytes, &mut all, &lookup)?,
            "raw" => dotenv::parse_raw(reader.shown(path), &bytes, &mut all, &lookup)?,
            _ => {
                let fault = Diagnostic::general("unknown format of an environment file");
                let fault = named.map_or(fault.clone(), |node| fault.at(&node.position, at));
                return Err(fault.help("leave it out, or use 'raw'"));
            }
        }
        reader.allows_values(path, &all)?;
    }
    let mut environment: BTreeMap<String, Option<String>> =
        all.into_iter().map(|(name, value)| (name, Some(value))).collect();
    environment.append(&mut service.environment);
    service.environment = environment;
    service.env_file.clear();
    Ok(())
}

/// Likewise for labels.
pub(super) fn labels(reader: &Reader<'_>, service: &mut ServiceConfig, root: &Node) -> Result<(), Diagnostic> {
    let mut all = Variables::new();
    for (index, file) in service.label_file.iter().enumerate() {
        let named = root.at(["services", &service.name, "label_file", &index.to_string()]);
        let at = format!("services.{}.label_file[{index}]", service.name);
        let path = Path::new(file);
        let bytes = reader.bytes(path, named.map(|node| (node, at.as_str())))?;
        let known = all.clone();
        reader.variables(path, &bytes, &mut all, &|name| known.get(name).cloned())?;
        reader.allows_values(path, &all)?;
    }
    all.append(&mut service.labels);
    service.labels = all;
    Ok(())
}
