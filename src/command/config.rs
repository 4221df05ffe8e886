//! `rolecall config`: a compose project as Docker Compose prints it.

mod model;

use std::{
    cell::RefCell,
    ffi::OsStr,
    fmt::Write,
    io::{self, Read},
    path::{Path, PathBuf},
};

use tracing::warn;

use super::print;
use crate::{
    cli::{ComposeGeneration, ConfigArgs, ConfigFormat, ConfigList, ConfigSkip},
    compose::{
        self, Disk, Files, Generation, LoadOptions, Project, ServiceConfig, Skip,
        emit::{Emit, Form, Tree},
        load::INPUT,
    },
    error::{Cause, Error, Result},
    manifest::invalid,
    plan::containers::image_name,
};

/// Prints the loaded project, or a part of it.
///
/// # Errors
/// A project that is not valid, with its place; a service that does not exist.
pub fn config(args: ConfigArgs) -> Result<u8> {
    let generation = match args.compose {
        ComposeGeneration::Two => Generation::Two,
        ComposeGeneration::Five => Generation::Five,
    };
    let options = LoadOptions {
        generation,
        working_dir: here()?,
        files: args.file,
        env_files: args.env_file,
        profiles: args.profile,
        project_name: args.project_name,
        project_directory: args.project_directory,
        environment: std::env::vars_os().map(|(name, value)| (lossy(&name), lossy(&value))).collect(),
        unresolved: unresolved(&args.list, args.skip, generation),
        skip: Skip {
            interpolation: args.skip.no_interpolate || args.list.variables,
            normalization: args.skip.no_normalize,
            paths: args.skip.no_path_resolution,
            consistency: args.skip.no_consistency,
        },
        ..LoadOptions::default()
    };
    let terminal = Terminal::default();
    let text = if args.list.variables || args.skip.no_interpolate && !args.list.needs_project() {
        let model = compose::model(&terminal, &options).map_err(|err| invalid(&err))?;
        if args.format == Some(ConfigFormat::Json) {
            finite(&Tree::from(&model), "the project")?;
        }
        model::text(&model, &args.list, args.format, generation)
    } else {
        let mut project = compose::load(&terminal, &options).map_err(|err| invalid(&err))?;
        for warning in project.warnings() {
            warn!("{warning}");
        }
        if !args.services.is_empty() {
            project = project.select(&args.services).map_err(|err| invalid(&err))?;
        }
        if let Some(text) = part(&project, &args.list)? {
            print(&text)?;
            return Ok(0);
        }
        match args.format.unwrap_or_default() {
            ConfigFormat::Yaml => compose::config_yaml(&project),
            ConfigFormat::Json => {
                finite(&project.tree(Form::json(generation)), "the project")?;
                compose::config_json(&project)
            }
        }
    };
    match args.output.filter(|_| !args.list.any()) {
        Some(file) => std::fs::write(&file, text).map_err(|err| Error::io("write", &file, &err))?,
        None => print(&text)?,
    }
    Ok(0)
}

/// Refuses numbers that JSON does not have.
fn finite(tree: &Tree, name: &str) -> Result<()> {
    let fault =
        || Error::new(Cause::ManifestInvalid, format!("could not write {name} as JSON: a number is not finite"));
    if tree.is_finite() { Ok(()) } else { Err(fault().hint("replace .inf and .nan, or print YAML")) }
}

/// Whether environment files are not read: lists do not need them, and Compose 2 hashes services as they are before. It
/// knows a flag for this, too, which has no effect there.
fn unresolved(list: &ConfigList, skip: ConfigSkip, generation: Generation) -> bool {
    let named = list.services || list.images || list.volumes || list.networks || list.models || list.profiles;
    named
        || match generation {
            Generation::Two => list.hash.is_some(),
            Generation::Five => skip.no_env_resolution,
        }
}

impl ConfigList {
    /// Whether anything but the project is printed.
    fn any(&self) -> bool {
        self.services || self.variables || self.needs_project()
    }

    /// Whether what is printed needs a project whose variables are replaced.
    fn needs_project(&self) -> bool {
        self.hash.is_some()
            || self.images
            || self.networks
            || self.volumes
            || self.models
            || self.profiles
            || self.environment
            || self.quiet
    }
}

/// The folder that this is started in, by the name that the shell has for it: a symbolic link stays one.
fn here() -> Result<PathBuf> {
    let found = std::env::current_dir().map_err(|e| Error::io("find", Path::new("."), &e))?;
    let named = std::env::var_os("PWD").map(PathBuf::from).filter(|named| named.is_absolute());
    let same = |named: &PathBuf| Some(std::fs::canonicalize(named).ok()? == std::fs::canonicalize(&found).ok()?);
    Ok(named.filter(|named| same(named) == Some(true)).unwrap_or(found))
}

fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// The part of a project that is asked for, in order; none if it is the whole.
fn part(project: &Project, list: &ConfigList) -> Result<Option<String>> {
    let lines = |mut lines: Vec<String>| {
        lines.sort_unstable();
        Ok(Some(lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")))
    };
    if let Some(which) = &list.hash {
        return hashes(project, which).map(Some);
    }
    if list.services {
        return lines(project.services.keys().cloned().collect());
    }
    if list.images {
        return lines(project.services.values().flat_map(|service| images(project, service)).collect());
    }
    if list.networks {
        return lines(project.networks.keys().cloned().collect());
    }
    if list.volumes {
        return lines(project.volumes.keys().cloned().collect());
    }
    if list.models {
        return lines(project.models.values().map(|model| model.model.clone()).collect());
    }
    if list.profiles {
        return lines(project.known_profiles().into_iter().map(str::to_owned).collect());
    }
    if list.environment {
        return lines(project.environment.iter().map(|(name, value)| format!("{name}={value}")).collect());
    }
    Ok(list.quiet.then(String::new))
}

/// The image of a service; in generation 5 also those of its `pre_start` hooks.
fn images(project: &Project, service: &ServiceConfig) -> Vec<String> {
    let own = image_name(project, service);
    let hooks = service.pre_start.iter().filter(|_| project.generation == Generation::Five);
    let hooks = hooks.map(|hook| &hook.image).filter(|image| !image.is_empty() && **image != own).cloned();
    let hooks: Vec<String> = hooks.collect();
    std::iter::once(own).chain(hooks).collect()
}

fn hashes(project: &Project, which: &str) -> Result<String> {
    let mut names: Vec<&str> = match which {
        "*" => project.services.keys().map(String::as_str).collect(),
        list => list.split(',').collect(),
    };
    names.sort_unstable();
    let mut text = String::new();
    for name in names {
        let hash = compose::print::hash(project, name, project.generation).ok_or_else(|| {
            let near = compose::nearest(name, project.services.keys().map(String::as_str));
            let near = near.map(|n| format!(", did you mean '{n}'?")).unwrap_or_default();
            Error::new(Cause::ManifestInvalid, format!("no such service '{name}'{near}"))
        })?;
        if let Some(service) = project.services.get(name) {
            finite(&service.tree(Form::json(project.generation)), &format!("service '{name}'"))?;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} {hash}");
    }
    Ok(text)
}

/// The files of this machine and what comes in on the standard input, read once.
#[derive(Default)]
struct Terminal {
    input: RefCell<Option<Vec<u8>>>,
}

impl Files for Terminal {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        if path != Path::new(INPUT) {
            return Disk.read(path);
        }
        let mut input = self.input.borrow_mut();
        if input.is_none() {
            let mut bytes = Vec::new();
            io::stdin().lock().take(compose::files::LIMIT).read_to_end(&mut bytes)?;
            *input = Some(bytes);
        }
        Ok(input.clone())
    }

    fn is_dir(&self, path: &Path) -> bool {
        Disk.is_dir(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        Disk.is_file(path)
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        Disk.resolved(path)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn parts_are_printed_in_order() {
        let text = "services:\n  b: {image: x, networks: [n], volumes: ['vol:/v'], models: [m], env_file: [{path: e, required: false}]}\n  \
                    a: {build: ., profiles: [p]}\n  c: {image: c, profiles: [p, q]}\n\
                    networks: {n: {}, unused: {}}\nvolumes: {vol: {}}\nmodels: {m: {model: ai/m}}\n";
        let files: std::collections::BTreeMap<PathBuf, Vec<u8>> =
            [(Path::new("/p/compose.yaml").to_owned(), text.into())].into();
        let options =
            LoadOptions { working_dir: "/p".into(), profiles: vec!["p".to_owned()], ..LoadOptions::default() };
        let project = compose::load(&files, &options).unwrap();
        let none = ConfigList::default;
        for (list, want) in [
            (ConfigList { services: true, ..none() }, Some("a\nb\nc\n")),
            (ConfigList { images: true, ..none() }, Some("c\np-a\nx\n")),
            (ConfigList { networks: true, ..none() }, Some("default\nn\n")),
            (ConfigList { volumes: true, ..none() }, Some("vol\n")),
            (ConfigList { models: true, ..none() }, Some("ai/m\n")),
            (ConfigList { profiles: true, ..none() }, Some("p\nq\n")),
            (ConfigList { environment: true, ..none() }, Some("COMPOSE_PROJECT_NAME=p\nPWD=/p\n")),
            (ConfigList { quiet: true, ..none() }, Some("")),
            (none(), None),
        ] {
            assert_eq!(part(&project, &list).unwrap().as_deref(), want, "{list:?}");
        }
        let err = part(&project, &ConfigList { hash: Some("bb".to_owned()), ..none() }).unwrap_err();
        assert!(err.message.contains("no such service 'bb'"), "{}", err.message);
    }

    #[test]
    fn images_of_hooks_listed_by_generation_five() {
        let text = "services: {a: {image: x, pre_start: [{command: [m]}, {image: y, command: [m]}]}}\n";
        let files: std::collections::BTreeMap<PathBuf, Vec<u8>> =
            [(Path::new("/p/compose.yaml").to_owned(), text.into())].into();
        let options = LoadOptions { working_dir: "/p".into(), generation: Generation::Five, ..LoadOptions::default() };
        let project = compose::load(&files, &options).unwrap();
        let list = ConfigList { images: true, ..ConfigList::default() };
        assert_eq!(part(&project, &list).unwrap().as_deref(), Some("x\ny\n"));
    }

    #[test]
    fn lists_do_not_read_environment_files() {
        let none = ConfigList::default;
        for list in [
            ConfigList { services: true, ..none() },
            ConfigList { images: true, ..none() },
            ConfigList { volumes: true, ..none() },
            ConfigList { networks: true, ..none() },
            ConfigList { models: true, ..none() },
            ConfigList { profiles: true, ..none() },
        ] {
            for generation in [Generation::Two, Generation::Five] {
                assert!(unresolved(&list, ConfigSkip::default(), generation), "{list:?}");
            }
        }
        let hash = ConfigList { hash: Some("*".to_owned()), ..none() };
        assert!(unresolved(&hash, ConfigSkip::default(), Generation::Two));
        assert!(!unresolved(&hash, ConfigSkip::default(), Generation::Five));
        let skip = ConfigSkip { no_env_resolution: true, ..ConfigSkip::default() };
        assert!(!unresolved(&none(), skip, Generation::Two));
        assert!(unresolved(&none(), skip, Generation::Five));
    }

    #[test]
    fn numbers_that_json_lacks_refused() {
        let text = "services: {a: {image: x, cpus: .inf}, b: {image: x}}\n";
        let files: std::collections::BTreeMap<PathBuf, Vec<u8>> =
            [(Path::new("/p/compose.yaml").to_owned(), text.into())].into();
        let options = LoadOptions { working_dir: "/p".into(), ..LoadOptions::default() };
        let project = compose::load(&files, &options).unwrap();
        let err = finite(&project.tree(Form::json(Generation::Two)), "the project").unwrap_err();
        assert_eq!(err.message, "could not write the project as JSON: a number is not finite");
        assert!(hashes(&project, "b").is_ok());
        assert!(hashes(&project, "*").unwrap_err().message.contains("service 'a'"));
    }
}
