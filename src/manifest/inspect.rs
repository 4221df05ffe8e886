//! A project read in spite of what is wrong with it: all faults of all its files, for every set of roles.

use super::{
    Reading, extension::Extension, findings::Findings, options, prepare::placeholders, sets_of, whole_options,
};
use crate::{
    compose::{self, Diagnostic, Files, Project, error::unblamed},
    error::{Error, Result},
};

/// What was read, and what was found on the way.
pub struct Inspection {
    /// `x-rolecall`, as much of it as can be read.
    pub extension: Extension,
    /// The project of each set of roles; none for one of which parts are missing.
    pub projects: Vec<Inspected>,
    /// All faults of the files.
    pub findings: Findings,
}

/// The project of one set of roles.
pub struct Inspected {
    /// The roles.
    pub roles: Vec<String>,
    /// The project, without what is wrong with it.
    pub project: Project,
    /// What is wrong with it.
    pub faults: Vec<Diagnostic>,
}

/// Reads the project for the given roles, or for sets that together reach each service that some role selects.
/// `x-rolecall.variables` have some value.
pub fn inspect(files: &dyn Files, reading: &Reading, given: Option<Vec<String>>) -> Inspection {
    let mut findings = Findings::default();
    let extension = extension(files, reading, &mut findings);
    let values = placeholders(&extension.variables);
    let mut projects = Vec::new();
    let sets = if let Some(roles) = given {
        vec![roles]
    } else {
        let (project, faults) = compose::inspect(files, &whole_options(files, reading, &extension, &values));
        findings.invalid(faults);
        project.map(|project| sets_of(&project, &extension)).unwrap_or_default()
    };
    for set in sets {
        let mut reading = Reading { roles: set.clone(), ..reading.clone() };
        reading.variables.insert("ROLECALL_ROLES".to_owned(), set.join(":"));
        let (project, faults) = compose::inspect(files, &whole_options(files, &reading, &extension, &values));
        let selected = project.map(|project| select(&project, &set, &extension));
        findings.invalid(faults.clone());
        match selected {
            Some(Ok((project, later))) => {
                let later = unblamed(&faults, later);
                findings.invalid(later.clone());
                let faults = faults.into_iter().chain(later).collect();
                projects.push(Inspected { roles: set, project, faults });
            }
            Some(Err(err)) => findings.error(err),
            None => {}
        }
    }
    Inspection { extension, projects, findings }
}

fn extension(files: &dyn Files, reading: &Reading, findings: &mut Findings) -> Extension {
    match compose::peek(files, &options(files, reading)) {
        Ok(peeked) => {
            let (extension, faults) = peeked.extension.as_ref().map(Extension::inspect).unwrap_or_default();
            findings.invalid(faults);
            extension
        }
        Err(err) => {
            findings.invalid(err.diagnostics().to_vec());
            Extension::default()
        }
    }
}

fn select(project: &Project, set: &[String], extension: &Extension) -> Result<(Project, Vec<Diagnostic>)> {
    super::selected(project, set, extension).map_err(Error::from)
}
