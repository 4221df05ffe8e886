//! `rolecall config`: a compose project as Docker Compose prints it.

use std::{fmt::Write, path::PathBuf};

use super::print;
use crate::{
    cli::{ConfigArgs, ConfigFormat},
    compose::{self, Disk, LoadOptions, Project},
    error::{Cause, Error, Result},
    manifest::invalid,
};

/// Prints the loaded project, or hashes of its services.
///
/// # Errors
/// A project that is not valid, with its place; a service that does not exist.
pub fn config(args: ConfigArgs) -> Result<u8> {
    let here = std::env::current_dir().map_err(|e| Error::io("find", &PathBuf::from("."), &e))?;
    let options = LoadOptions {
        working_dir: here,
        files: args.file,
        env_files: args.env_file,
        profiles: args.profile,
        project_name: args.project_name,
        project_directory: args.project_directory,
        environment: std::env::vars().collect(),
        // Compose hashes a service here as it is before its environment files are read.
        unresolved: args.hash.is_some(),
        ..LoadOptions::default()
    };
    let project = compose::load(&Disk, &options).map_err(|err| invalid(&err))?;
    match args.hash.as_deref() {
        Some(which) => print(&hashes(&project, which)?),
        None => print(&match args.format {
            ConfigFormat::Yaml => compose::print::config_yaml(&project),
            ConfigFormat::Json => compose::print::config_json(&project),
        }),
    }
    Ok(0)
}

fn hashes(project: &Project, which: &str) -> Result<String> {
    let names: Vec<&str> = match which {
        "*" => project.services.keys().map(String::as_str).collect(),
        list => list.split(',').collect(),
    };
    let mut text = String::new();
    for name in names {
        let hash = compose::print::hash(project, name).ok_or_else(|| {
            let near = compose::nearest(name, project.services.keys().map(String::as_str));
            let near = near.map(|n| format!(", did you mean '{n}'?")).unwrap_or_default();
            Error::new(Cause::ManifestInvalid, format!("no such service '{name}'{near}"))
        })?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} {hash}");
    }
    Ok(text)
}
