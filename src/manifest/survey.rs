//! A project as all of its roles would have it: for an image that instances of any role are to be started from.
//!
//! An image is no instance, and who builds it need not be allowed what instances are: of `x-rolecall.variables` only those
//! are looked up on which the name of a container image depends, or without which the project is not valid at all.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::{
    Manifest, Reading,
    extension::Extension,
    gather::Gathering,
    prepare::{Around, Opened, Prepared, open, placeholders, registry_auths},
    role_sets, variables,
};
use crate::{compose::Project, error::Result, fetch::Fetched, redact::Secret};

/// What stands for a value whose effect is looked for.
const OTHER: &str = "another-placeholder";

/// Facts that hold for every instance of the same source as for the one that builds the image.
const SHARED: [&str; 3] = ["ROLECALL_REGION", "ROLECALL_ACCOUNT_ID", "ROLECALL_ENVIRONMENT"];

type Values = BTreeMap<String, Secret<String>>;

/// What was found.
pub struct Survey {
    /// The manifest without a project; `files` holds what any of the roles needs.
    pub prepared: Prepared,
    /// The project as each of the roles alone has it.
    pub projects: Vec<Project>,
    /// Images that another instance of the same role may call otherwise: its own facts are part of the name.
    pub fickle: BTreeSet<String>,
}

/// Looks at what was fetched: for the roles of the input, each by itself, or for every role that there is.
///
/// # Errors
/// As [`prepare`](super::prepare::prepare), for each of the roles.
pub async fn survey(around: Around<'_>, fetched: Fetched) -> Result<Survey> {
    let (mut gathering, scripts) = match open(around, fetched)? {
        Opened::Scripts(prepared) => {
            return Ok(Survey { prepared: *prepared, projects: Vec::new(), fickle: BTreeSet::new() });
        }
        Opened::Project(gathering, scripts) => (gathering, scripts),
    };
    let extension = gathering.peek().await?;
    let registry_auths = registry_auths(around, &extension).await?;
    let mut roles = Roles { gathering: &mut gathering, extension: &extension, wanted: &around.input.roles };
    let (projects, values) = known(around, &mut roles).await?;
    let fickle = roles.fickle(&projects, &values).await;
    for project in &projects {
        gathering.fetch_bound(project, &extension).await?;
    }
    let (dir, files) = gathering.finish()?;
    let manifest = Manifest { project: None, extension, scripts, values };
    Ok(Survey { prepared: Prepared { manifest, dir, files, registry_auths }, projects, fickle })
}

/// The projects, with the values that matter to them.
async fn known(around: Around<'_>, roles: &mut Roles<'_, '_>) -> Result<(Vec<Project>, Values)> {
    let references = &roles.extension.variables;
    let mut values = placeholders(references);
    let mut open: BTreeSet<String> = references.keys().cloned().collect();
    loop {
        let (needed, projects) = match roles.projects(&values).await {
            Ok(projects) => (roles.deciding(&open, &projects, &values).await, projects),
            Err(err) if open.is_empty() => return Err(err),
            Err(_) => (std::mem::take(&mut open), Vec::new()),
        };
        if needed.is_empty() {
            return Ok((projects, values));
        }
        let wanted: IndexMap<_, _> =
            references.iter().filter(|(name, _)| needed.contains(*name)).map(|(n, r)| (n.clone(), r.clone())).collect();
        let input = around.input;
        values.extend(variables::resolve(around.world, around.retry, around.facts, &input.trust, &wanted).await?);
        open.retain(|name| !needed.contains(name));
    }
}

struct Roles<'r, 'a> {
    gathering: &'r mut Gathering<'a>,
    extension: &'r Extension,
    wanted: &'r [String],
}

impl Roles<'_, '_> {
    async fn projects(&mut self, values: &Values) -> Result<Vec<Project>> {
        let sets = if self.wanted.is_empty() {
            let any = |reading: &Reading| Reading { roles: Vec::new(), ..reading.clone() };
            let extension = self.extension;
            self.gathering.read(|staged, reading| role_sets(staged, &any(reading), extension, values)).await?
        } else {
            self.wanted.iter().map(|role| vec![role.clone()]).collect()
        };
        let mut projects = Vec::new();
        for set in sets {
            self.gathering.reading.variables.insert("ROLECALL_ROLES".to_owned(), set.join(":"));
            self.gathering.reading.roles = set;
            // Facts may stand in the fragments of the roles, too.
            let extension = self.gathering.peek().await?;
            projects.push(self.gathering.load(&extension, values).await?);
        }
        Ok(projects)
    }

    /// Which of `open` decide how an image is called.
    async fn deciding(&mut self, open: &BTreeSet<String>, projects: &[Project], values: &Values) -> BTreeSet<String> {
        let own = self.gathering.reading.clone();
        let mut needed = BTreeSet::new();
        for name in open {
            let mut other = values.clone();
            other.insert(name.clone(), Secret::new(OTHER.to_owned()));
            let same = self.projects(&other).await.is_ok_and(|other| images(&other) == images(projects));
            if !same {
                needed.insert(name.clone());
            }
        }
        self.gathering.reading = own;
        needed
    }

    /// Images that would have another name if the facts of this instance were others. A project that cannot be read with
    /// made-up facts says nothing about names.
    async fn fickle(&mut self, projects: &[Project], values: &Values) -> BTreeSet<String> {
        let own = self.gathering.reading.clone();
        for (name, value) in &mut self.gathering.reading.variables {
            if name.starts_with("ROLECALL_") && !SHARED.contains(&name.as_str()) {
                OTHER.clone_into(value);
            }
        }
        let others = self.projects(values).await.map(|others| images(&others));
        self.gathering.reading = own;
        others.map(|others| images(projects).difference(&others).cloned().collect()).unwrap_or_default()
    }
}

fn images(projects: &[Project]) -> BTreeSet<String> {
    let services = projects.iter().flat_map(|project| project.services.values());
    let names = services.flat_map(|service| {
        let mounted = service.volumes.iter().filter(|volume| volume.r#type == "image").map(|volume| &volume.source);
        std::iter::once(&service.image).chain(mounted)
    });
    names.cloned().collect()
}

#[cfg(test)]
mod tests;
