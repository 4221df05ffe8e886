//! Which files a project is made of, and the variables and the folder that it starts with.

use std::path::{Path, PathBuf};

use crate::compose::dotenv::Variables;
use crate::compose::error::{Diagnostic, Error, Position};
use crate::compose::interpolate;
use crate::compose::load::scope::Reader;
use crate::compose::load::{LoadOptions, invalid_name, is_remote, normalize_project_name};
use crate::compose::node::Node;
use crate::compose::path;

/// Default names of a compose file, the preferred first.
pub(crate) const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// Default names of the file that is merged over it, the preferred first.
pub(crate) const OVERRIDES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// The path that stands for the standard input where a compose file is asked for.
pub const INPUT: &str = "-";

/// The start of a load.
pub(crate) struct Setup {
    /// Compose files, absolute.
    pub(crate) files: Vec<PathBuf>,
    /// The project folder, absolute.
    pub(crate) folder: PathBuf,
    /// Variables of the shell and of the files of variables.
    pub(crate) variables: Variables,
    /// Whether the project is named by an option, a variable or `name:`, and not by its folder.
    pub(crate) named: bool,
}

impl Setup {
    pub(crate) fn find(reader: &Reader<'_>, options: &LoadOptions) -> Result<Self, Error> {
        let absolute = |file: &PathBuf| absolute(options, &file.to_string_lossy());
        let mut files: Vec<PathBuf> = options.files.iter().map(absolute).collect();
        if let Some(file) = options.files.iter().find(|file| is_remote(&file.to_string_lossy())) {
            let message = format!("{} is not a file of this machine", file.display());
            return Err(Diagnostic::general(message).into());
        }
        let fixed = options.project_directory.as_ref().filter(|folder| !folder.as_os_str().is_empty()).map(absolute);
        let folder = |files: &[PathBuf]| {
            let first = files.iter().find(|file| *file != Path::new(INPUT)).and_then(|file| file.parent());
            fixed.clone().unwrap_or_else(|| first.unwrap_or(&options.working_dir).to_owned())
        };
        let mut shell = options.environment.clone();
        shell.entry("PWD".to_owned()).or_insert_with(|| options.working_dir.to_string_lossy().into_owned());
        // what the first files of variables say to Compose itself counts as if the shell had said it
        for (name, value) in read_variables(reader, options, &shell, &shell, &folder(&files))? {
            if name.starts_with("COMPOSE_") {
                shell.entry(name).or_insert(value);
            }
        }
        let mut variables = shell.clone();
        let first = read_variables(reader, options, &shell, &variables, &folder(&files))?;
        add(&mut variables, first);
        if files.is_empty() {
            files = named_by_variable(options, &variables);
        }
        if files.is_empty() {
            files = default_files(reader, &folder(&files), options.overlay.is_empty());
        }
        files.extend(options.overlay.iter().map(absolute));
        if files.is_empty() {
            let message = format!("no compose file in {} or above", folder(&files).display());
            return Err(Diagnostic::general(message).help(format!("looked for {}", FILES.join(", "))).into());
        }
        let folder = folder(&files);
        let own = read_variables(reader, options, &shell, &variables, &folder)?;
        add(&mut variables, own);
        Ok(Self { files, folder, variables, named: true })
    }

    /// The trees of the compose files that hold anything.
    pub(crate) fn trees(&self, reader: &Reader<'_>) -> Result<Vec<(PathBuf, Node)>, Diagnostic> {
        let mut trees = Vec::new();
        for file in &self.files {
            match reader.tree(file, None) {
                Ok(node) => trees.extend(node.map(|node| (file.clone(), node))),
                Err(fault) => reader.faults.note_gap(fault)?,
            }
        }
        Ok(trees)
    }

    /// The project's name; it becomes a variable, too.
    pub(crate) fn name(&mut self, options: &LoadOptions, trees: &[(PathBuf, Node)]) -> Result<String, Error> {
        let given = self.given_name(options, trees)?;
        self.named = given.is_some();
        let name = given
            .unwrap_or_else(|| normalize_project_name(&self.folder.file_name().unwrap_or_default().to_string_lossy()));
        if name.is_empty() {
            return Err(Diagnostic::general("the project has no name")
                .help("set 'name:' or COMPOSE_PROJECT_NAME")
                .into());
        }
        self.variables.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
        Ok(name)
    }

    fn given_name(&self, options: &LoadOptions, trees: &[(PathBuf, Node)]) -> Result<Option<String>, Diagnostic> {
        let variable = self.variables.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty());
        let given = options.project_name.as_ref().filter(|name| !name.is_empty());
        if let Some((name, origin)) =
            given.map(|name| (name, "the options")).or(variable.map(|name| (name, "COMPOSE_PROJECT_NAME")))
        {
            let fits = *name == normalize_project_name(name);
            return if fits { Ok(Some(name.clone())) } else { Err(invalid_name(name, origin)) };
        }
        let says = |name: &&Node| !name.is_null() && name.as_str() != Some("");
        let named = trees.iter().rev().find_map(|(_, tree)| tree.get("name").filter(says));
        if let Some(node) = named.filter(|node| node.as_str().is_some()) {
            let lookup = |name: &str| self.variables.get(name).cloned();
            let mut name = node.as_str().unwrap_or_default().to_owned();
            if !options.skip.interpolation {
                name = interpolate::text(node, &["name"], options.generation, &lookup)?;
            }
            return Ok(Some(if options.skip.normalization { name } else { normalize_project_name(&name) }));
        }
        Ok(None)
    }

    /// The active profiles.
    pub(crate) fn profiles(&self, options: &LoadOptions) -> Vec<String> {
        if !options.profiles.is_empty() {
            return options.profiles.clone();
        }
        let named = self.variables.get("COMPOSE_PROFILES").map_or("", String::as_str);
        named.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

/// A path of an option, absolute; that of the standard input stays.
fn absolute(options: &LoadOptions, path: &str) -> PathBuf {
    if path == INPUT { PathBuf::from(path) } else { path::clean(&options.working_dir.join(path)) }
}

/// Adds variables; those that are known stay.
fn add(variables: &mut Variables, more: Variables) {
    for (name, value) in more {
        variables.entry(name).or_insert(value);
    }
}

/// The variables of the files that are asked for, or of `.env`; a value may use those that are `known`.
fn read_variables(
    reader: &Reader<'_>,
    options: &LoadOptions,
    shell: &Variables,
    known: &Variables,
    folder: &Path,
) -> Result<Variables, Diagnostic> {
    let named = options.environment.get("COMPOSE_ENV_FILES").filter(|_| options.env_files.is_empty());
    let named = named.into_iter().flat_map(|list| list.split(',')).filter(|name| !name.is_empty()).map(PathBuf::from);
    let files: Vec<PathBuf> = options.env_files.iter().cloned().chain(named).collect();
    let mut files: Vec<PathBuf> = files.iter().map(|file| path::clean(&options.working_dir.join(file))).collect();
    let own = folder.join(".env");
    if files.is_empty() && !disabled(shell)? && reader.files.is_file(&own) {
        files.push(own);
    }
    let mut read = Variables::new();
    for file in files {
        let bytes = reader.bytes(&file, None)?;
        let parsed = reader.variables(&file, &bytes, &mut read, &|name| known.get(name).cloned());
        parsed.or_else(|fault| reader.faults.note_gap(fault))?;
    }
    Ok(read)
}

/// Whether `.env` is to be left alone.
fn disabled(shell: &Variables) -> Result<bool, Diagnostic> {
    const NAME: &str = "COMPOSE_DISABLE_ENV_FILE";
    let Some(text) = shell.get(NAME) else { return Ok(false) };
    match text.as_str() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(Diagnostic::general(format!("{NAME} must be true or false"))),
    }
}

/// The files of `COMPOSE_FILE`.
fn named_by_variable(options: &LoadOptions, variables: &Variables) -> Vec<PathBuf> {
    let separator = variables.get("COMPOSE_PATH_SEPARATOR").filter(|text| !text.is_empty());
    let list = variables.get("COMPOSE_FILE").into_iter();
    let names = list.flat_map(|list| list.split(separator.map_or(":", String::as_str)));
    names.map(|name| absolute(options, name)).collect()
}

/// Notes default files that are not read, since another one comes before them.
fn note_others(reader: &Reader<'_>, folder: &Path, names: &[&str], used: &Path) {
    for other in names.iter().map(|name| folder.join(name)).filter(|file| file != used && reader.files.is_file(file)) {
        let message = format!("not read, since {} comes before it", reader.shown(used).display());
        let note = Diagnostic::new(&Position::file(reader.shown(&other)), "", message);
        reader.notes.borrow_mut().push(note.help("remove one of the two, or name both in COMPOSE_FILE"));
    }
}

/// The default file of a folder or of the nearest one above it, and its override.
fn default_files(reader: &Reader<'_>, folder: &Path, with_override: bool) -> Vec<PathBuf> {
    let there = |path: &Path| reader.files.is_file(path) || reader.files.is_dir(path);
    for folder in folder.ancestors() {
        let find = |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|file| there(file));
        if let Some(file) = find(&FILES) {
            let more = if with_override { find(&OVERRIDES) } else { None };
            note_others(reader, folder, &FILES, &file);
            if let Some(more) = &more {
                note_others(reader, folder, &OVERRIDES, more);
            }
            return std::iter::once(file).chain(more).collect();
        }
    }
    Vec::new()
}
