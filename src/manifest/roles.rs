//! Roles are sets. What each of them means, and which services their union selects.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::{
    compose::{Project, error::nearest, node::Node},
    error::{Cause, Error, Result},
};

/// The role that selects everything.
pub const ALL: &str = "all";

/// The roles of `wanted` that are entries of `x-rolecall.roles`: their fragments are merged over the project, in the
/// order of the entries, whatever the order of the tag.
pub fn fragments<'a>(wanted: &[String], entries: &'a IndexMap<String, Node>) -> Vec<(&'a str, &'a Node)> {
    let all = wanted.iter().any(|role| role == ALL);
    entries
        .iter()
        .filter(|(name, node)| !node.is_null() && (all || wanted.contains(name)))
        .map(|(name, node)| (name.as_str(), node))
        .collect()
}

/// The services that the roles name themselves, without dependencies. No role: those without a profile.
///
/// # Errors
/// A role that is neither an entry of `x-rolecall.roles`, nor a profile, nor a service: with the nearest name. Roles
/// that select nothing of what there is.
pub fn services(wanted: &[String], entries: &IndexMap<String, Node>, project: &Project) -> Result<BTreeSet<String>> {
    let all = project.all_services();
    let plain = || {
        let plain = all.iter().filter(|(_, service)| service.profiles.is_empty());
        plain.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
    };
    let profiles = project.known_profiles();
    let mut selected = if wanted.is_empty() { plain() } else { BTreeSet::new() };
    for role in wanted {
        if role == ALL {
            selected.extend(all.keys().cloned());
        } else if let Some(fragment) = entries.get(role) {
            let named = fragment.get("services").and_then(Node::as_map);
            match named.filter(|services| !services.is_empty()) {
                Some(services) => selected.extend(services.keys().map(|key| key.name.clone())),
                None => selected.extend(plain()),
            }
        } else if profiles.contains(role.as_str()) {
            selected.extend(plain());
            let enabled = all.iter().filter(|(_, service)| service.profiles.contains(role));
            selected.extend(enabled.map(|(name, _)| name.clone()));
        } else if all.contains_key(role) {
            selected.insert(role.clone());
        } else {
            let known = known(entries, project);
            let meant = nearest(role, known.iter().copied()).map(|name| format!(", did you mean '{name}'?"));
            return Err(refused(format!("unknown role '{role}'{}", meant.unwrap_or_default()), &known));
        }
    }
    if selected.is_empty() && !all.is_empty() {
        let message = match wanted {
            [] => "no role is given, and each service has a profile".to_owned(),
            some => format!("roles {} select no service: each service has a profile", some.join(":")),
        };
        return Err(refused(message, &known(entries, project)));
    }
    Ok(selected)
}

/// The profiles that the roles enable, if all of them are profiles or stand for the services without one: what a service
/// of an inactive profile is to them, it is to `docker compose --profile P up`. None if some role names services.
pub fn profiles(wanted: &[String], entries: &IndexMap<String, Node>, project: &Project) -> Option<Vec<String>> {
    let known = project.known_profiles();
    let mut profiles = Vec::new();
    for role in wanted {
        match entries.get(role).map(|fragment| fragment.get("services").and_then(Node::as_map)) {
            Some(Some(services)) if !services.is_empty() => return None,
            Some(_) => {}
            None if role != ALL && known.contains(role.as_str()) => profiles.push(role.clone()),
            None => return None,
        }
    }
    Some(profiles)
}

/// All that can be a role.
fn known<'a>(entries: &'a IndexMap<String, Node>, project: &'a Project) -> BTreeSet<&'a str> {
    let entries = entries.keys().map(String::as_str);
    let services = project.all_services().keys().map(String::as_str);
    entries.chain(project.known_profiles()).chain(services).chain([ALL]).collect()
}

fn refused(message: String, known: &BTreeSet<&str>) -> Error {
    let list = known.iter().copied().collect::<Vec<_>>().join(", ");
    Error::new(Cause::RoleUnknown, message)
        .need(format!("one of: {list}"))
        .hint("set the tag Role, --roles or ROLECALL_ROLES to some of them, joined by ':'")
}

#[cfg(test)]
mod tests;
