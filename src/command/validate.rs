//! `rolecall validate`: everything about a manifest that can be known without a network and without an engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use tracing::warn;

use super::{offline, print};
use crate::{
    compose::{Disk, Project},
    error::{Cause, Error, Result},
    manifest::{self, LoadError, Reading, extension::Extension, prepare::placeholders},
    plan,
};

/// Checks a compose file or the folder of a project, for the given roles, or for no role and for each
/// entry of `x-rolecall.roles` and each profile on its own.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn validate(file: &Path, roles: Option<&str>, environment: Option<String>) -> Result<u8> {
    let mut reading = offline::reading(file, environment)?;
    reading.variables = facts();
    let extension = manifest::peek(&Disk, &reading).map_err(Error::from)?;
    let shown = reading.files.first().unwrap_or(&reading.dir).display().to_string();
    let mut name = String::new();
    let values = placeholders(&extension.variables);
    let sets = offline::role_sets(&Disk, &reading, &extension, &values, roles)?;
    let (mut services, mut warnings) = (BTreeSet::new(), BTreeSet::new());
    for set in &sets {
        reading.roles.clone_from(set);
        let mut project = check(&reading, &extension)?;
        // What an instance has, this place may not.
        project.unset.retain(|variable, _| !variable.starts_with("ROLECALL_"));
        warnings.extend(project.warnings());
        name = project.name;
        services.extend(project.services.into_keys());
    }
    for warning in warnings {
        warn!("{warning}");
    }
    let list = services.into_iter().collect::<Vec<_>>().join(", ");
    print(&format!("{shown}: valid, project {name}, services: {list}\n"));
    Ok(0)
}

fn check(reading: &Reading, extension: &Extension) -> Result<Project> {
    let values = placeholders(&extension.variables);
    let project = manifest::load(&Disk, reading, extension, &values).map_err(|err| role(reading, err))?;
    plan::ports::check(&project).map_err(|err| of_roles(reading, err))?;
    Ok(project)
}

fn role(reading: &Reading, err: LoadError) -> Error {
    of_roles(reading, err.into())
}

fn of_roles(reading: &Reading, mut err: Error) -> Error {
    if !reading.roles.is_empty() && err.cause == Cause::PortClash {
        err.message = format!("with roles {}: {}", reading.roles.join(":"), err.message);
    }
    err
}

/// Facts of an instance that could be; offline there is none to ask. Tags are not known at all.
fn facts() -> BTreeMap<String, String> {
    let facts = [
        ("INSTANCE_ID", "i-00000000000000000"),
        ("REGION", "us-east-1"),
        ("AZ", "us-east-1a"),
        ("LOCAL_IPV4", "10.0.0.1"),
        ("HOSTNAME", "ip-10-0-0-1"),
        ("ACCOUNT_ID", "000000000000"),
        ("ROLES", ""),
        ("ENVIRONMENT", ""),
    ];
    facts.into_iter().map(|(name, value)| (format!("ROLECALL_{name}"), value.to_owned())).collect()
}
