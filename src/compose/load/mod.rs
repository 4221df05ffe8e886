//! From options to a project: which files, which variables, which name.

mod extends;
mod faults;
mod include;
pub(crate) mod scope;
pub(crate) mod setup;

pub(crate) use faults::LIMIT as FAULTS;
pub(crate) use setup::FILES as DEFAULT_FILES;
pub use setup::INPUT;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::compose::error::{Diagnostic, Error, Position, unblamed};
use crate::compose::files::Files;
use crate::compose::generation::Generation;
use crate::compose::node::{Key, Map, Node};
use crate::compose::project::Project;
use crate::compose::{interpolate, merge, normalize, resolve, rules};

use scope::{Paths, Reader, Scope, Source};
use setup::Setup;

/// Which services of a project are enabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// Those without a profile and those of an active profile.
    #[default]
    Active,
    /// None yet: [`Project::select`] enables, whatever its profile, what it names. What nobody selects is not checked.
    Later,
}

/// A piece of a project that is merged over its files, such as a role; its variables are replaced already.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// A mapping like that of a compose file.
    pub node: Node,
}

/// Steps of a load that are left out.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a step of its own")]
pub struct Skip {
    /// Variables are not replaced, and texts are not cast.
    pub interpolation: bool,
    /// What the project implies is not written out.
    pub normalization: bool,
    /// Relative paths stay relative, except in included projects.
    pub paths: bool,
    /// References between the parts of the project are not checked.
    pub consistency: bool,
}

/// What to load, and how.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The folder that relative options are relative to, absolute.
    pub working_dir: PathBuf,
    /// Compose files; without any, those of `COMPOSE_FILE`, else the default one and its override.
    pub files: Vec<PathBuf>,
    /// Files that are merged last, in place of the default override file.
    pub overlay: Vec<PathBuf>,
    /// Files of variables; without any, `.env` of the project folder.
    pub env_files: Vec<PathBuf>,
    /// Active profiles; without any, those of `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// The project's name; else `COMPOSE_PROJECT_NAME`, `name:` or the folder's name.
    pub project_name: Option<String>,
    /// The folder that relative paths of the files are relative to; else that of the first file.
    pub project_directory: Option<PathBuf>,
    /// Variables that beat those of files, as those of a shell do.
    pub environment: BTreeMap<String, String>,
    /// Which services are enabled.
    pub select: Select,
    /// Pieces that are merged over all files, in order.
    pub fragments: Vec<Fragment>,
    /// Leaves `env_file` and variables without a value as they are written, which is what `config --hash` hashes.
    pub unresolved: bool,
    /// The Compose whose rules are followed.
    pub generation: Generation,
    /// Steps that are left out.
    pub skip: Skip,
    /// A folder that no compose file may be outside of; none allows any.
    pub root: Option<PathBuf>,
}

/// What can be said of a project before its variables are known.
#[derive(Clone, Debug)]
pub struct Peek {
    /// `name:` as it is written.
    pub name: Option<Node>,
    /// `x-rolecall`, with variables replaced where they have a value; one that is required and has none is empty.
    pub extension: Option<Node>,
    /// The compose files, absolute.
    pub compose_files: Vec<PathBuf>,
}

/// Loads a project.
///
/// # Errors
/// Everything that is wrong with it, each fault at its file, line and column; [`Error::not_found`] names a file that
/// is missing.
pub fn load(files: &dyn Files, options: &LoadOptions) -> Result<Project, Error> {
    let reader = Reader::new(files, options);
    let project = read(&reader, options);
    match (Error::from_all(reader.faults.take()), project) {
        (None, Ok(Some(project))) => Ok(project),
        (None, Ok(None)) => Err(empty(&reader, &[])),
        (None, Err(error)) | (Some(error), Ok(_)) => Err(error),
        (Some(error), Err(last)) => Err(error.and(last)),
    }
}

/// Loads a project as far as that can be done in spite of what is wrong with it, with everything that is wrong; none if
/// parts of it are missing, so that rules between its parts mean nothing.
pub fn inspect(files: &dyn Files, options: &LoadOptions) -> (Option<Project>, Vec<Diagnostic>) {
    let reader = Reader::new(files, options);
    let project = read(&reader, options);
    let mut faults = reader.faults.take();
    match project {
        Ok(project) => (project.filter(|_| !reader.faults.incomplete()), faults),
        Err(error) => {
            let more = unblamed(&faults, error.diagnostics().to_vec());
            faults.extend(more);
            (None, faults)
        }
    }
}

/// Loads the merged tree of a project, with every service and without types: for one whose variables are not replaced.
///
/// # Errors
/// As [`load`].
pub fn model(files: &dyn Files, options: &LoadOptions) -> Result<Node, Error> {
    let reader = Reader::new(files, options);
    let read = tree(&reader, options);
    let faults = Error::from_all(reader.faults.take());
    let (setup, name, model) = match (faults, read) {
        (None, Ok(read)) => read,
        (None, Err(error)) | (Some(error), Ok(_)) => return Err(error),
        (Some(error), Err(last)) => return Err(error.and(last)),
    };
    let mut model = model.ok_or_else(|| empty(&reader, &setup.files))?;
    resolve::remove_marks(&mut model);
    if options.generation == Generation::Five {
        rules::set_bind_defaults(&mut model);
    }
    if !options.skip.normalization {
        let place = Position::file(reader.shown(&setup.folder));
        if let Some(map) = model.as_map_mut() {
            map.insert(Key::new("name", &place), Node::text(name, &place));
        }
    }
    Ok(model)
}

/// The project; none if what is left of it after its faults is nothing.
fn read(reader: &Reader<'_>, options: &LoadOptions) -> Result<Option<Project>, Error> {
    let (setup, name, model) = tree(reader, options)?;
    let Some(model) = model else {
        return if reader.faults.incomplete() { Ok(None) } else { Err(empty(reader, &setup.files)) };
    };
    let (profiles, active) = match options.select {
        Select::Later => (vec!["*".to_owned()], None),
        Select::Active => (Vec::new(), Some(setup.profiles(options))),
    };
    let mut project = Project::new(reader, name, setup, model, profiles, options)?;
    project.unset = reader.unset.take();
    match active {
        Some(profiles) if !reader.faults.incomplete() => project.with_profiles(&profiles).map(Some),
        _ => Ok(Some(project)),
    }
}

/// The start of a load, the name of the project and its merged tree, if anything is left of it.
fn tree(reader: &Reader<'_>, options: &LoadOptions) -> Result<(Setup, String, Option<Node>), Error> {
    let mut setup = Setup::find(reader, options)?;
    let trees = setup.trees(reader)?;
    let name = setup.name(options, &trees)?;
    let mut sources: Vec<Source> = trees.into_iter().map(|(path, node)| Source::Tree(path, node)).collect();
    sources.extend(options.fragments.iter().map(|fragment| Source::Fragment(fragment.node.clone())));

    let paths = if options.skip.paths { Paths::Kept } else { Paths::Absolute };
    let scope = Scope::new(reader, &setup.folder, &setup.variables, paths);
    let mut model = scope.load(sources, &[])?;
    if model.as_map().is_some_and(Map::is_empty) {
        return Ok((setup, name, None));
    }
    if !options.skip.normalization {
        normalize::normalize(&mut model, &name, options.generation, &setup.variables);
    }
    Ok((setup, name, Some(model)))
}

fn empty(reader: &Reader<'_>, files: &[PathBuf]) -> Error {
    let file = files.first().map_or(Path::new(""), |file| reader.shown(file));
    Diagnostic::new(&Position::file(file), "", "the compose file is empty").into()
}

/// Reads `x-rolecall` and `name:` of a project whose other variables may not be known yet.
///
/// # Errors
/// Files that are missing or are not YAML.
pub fn peek(files: &dyn Files, options: &LoadOptions) -> Result<Peek, Error> {
    let reader = Reader::new(files, options);
    let setup = Setup::find(&reader, options)?;
    let mut merged: Option<Node> = None;
    let mut name = None;
    let trees = setup.trees(&reader)?;
    if let Some(error) = Error::from_all(reader.faults.take()) {
        return Err(error);
    }
    for (_, mut node) in trees {
        let resets = merge::Resets::take(&mut node);
        name = node.get("name").cloned().or(name);
        let Some(map) = node.as_map_mut() else {
            continue;
        };
        map.retain(|key, _| key.name == crate::compose::EXTENSION);
        let lookup = |name: &str| Some(setup.variables.get(name).cloned().unwrap_or_default());
        // a text that cannot be interpolated stays: loading says what is wrong with it
        interpolate::interpolate(&mut node, options.generation, &lookup, &reader.text, &mut BTreeMap::new());
        merged = Some(match merged {
            Some(mut earlier) => {
                resets.apply(&mut earlier);
                merge::project(earlier, node)?
            }
            None => node,
        });
    }
    let extension =
        merged.as_mut().and_then(Node::as_map_mut).and_then(|map| map.shift_remove(crate::compose::EXTENSION));
    Ok(Peek { name, extension, compose_files: setup.files })
}

/// Whether a path is that of another host, which nothing here fetches.
pub(crate) fn is_remote(path: &str) -> bool {
    let scheme = path.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '.']));
    scheme || ["git@", "github.com/", "oci:"].iter().any(|prefix| path.starts_with(prefix))
}

/// A project's name as Compose makes it of any text: lower case letters, digits, `-` and `_`, a letter or digit first.
#[must_use]
pub fn normalize_project_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String =
        lower.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_')).collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

/// A fault of an option that is not a project's name.
fn invalid_name(name: &str, origin: &str) -> Diagnostic {
    let wanted = normalize_project_name(name);
    let fault = Diagnostic::general(format!(
        "invalid project name '{name}' of {origin}: use lower case letters, digits, '-' and '_', a letter or digit first"
    ));
    if wanted.is_empty() { fault } else { fault.help(format!("such as '{wanted}'")) }
}

#[cfg(test)]
mod tests;
