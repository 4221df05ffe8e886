//! A manifest on this machine, read as a run would read it, but for what only an instance knows.

use std::{collections::BTreeMap, path::Path};

use crate::{
    compose::Files,
    error::{Cause, Error, Result},
    fetch::{Kind, recognise},
    host::files,
    manifest::{self, Reading, extension::Extension, prepare},
    redact::Secret,
    settings,
};

/// Larger than any file of a project that is read whole.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// How the compose file, or the folder of a project, is read.
///
/// # Errors
/// It is not there.
pub(super) fn reading(file: &Path, environment: Option<String>) -> Result<Reading> {
    let file = std::path::absolute(file).map_err(|e| Error::io("find", file, &e))?;
    if !file.exists() {
        return Err(Error::new(Cause::ManifestInvalid, format!("{} does not exist", file.display()))
            .hint("name a compose file, or the folder of a project"));
    }
    let mut reading = Reading { environment, ..Reading::default() };
    if file.is_dir() {
        reading.dir = file;
    } else {
        reading.dir = file.parent().map_or_else(|| "/".into(), Path::to_owned);
        reading.files = vec![file];
    }
    Ok(reading)
}

/// Whether it is a compose project, or scripts alone.
///
/// # Errors
/// It is neither, or cannot be read.
pub(super) fn is_project(reading: &Reading) -> Result<bool> {
    let read = |path: &Path| files::read_regular(path, MAX_BYTES).map_err(|err| Error::io("read", path, &err));
    if let Some(file) = reading.files.first() {
        return Ok(recognise(&file.display().to_string(), &read(file)?)? == Kind::Compose);
    }
    let dir = &reading.dir;
    if prepare::has_compose(|name| dir.join(name).is_file(), || read(&dir.join(".env")).ok()) {
        return Ok(true);
    }
    let scripts = [dir.clone(), dir.join("bootstrap")].into_iter().any(|folder| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().as_encoded_bytes().ends_with(b".sh"))
    });
    if scripts {
        return Ok(false);
    }
    let message = format!("{} has neither a compose file nor scripts", dir.display());
    Err(Error::new(Cause::SourceUnrecognised, message).need("compose.yaml, or *.sh"))
}

/// The roles that are meant: those given, else sets that reach each service on some way.
///
/// # Errors
/// Roles that cannot be read, or a project that cannot.
pub(super) fn role_sets(
    files: &dyn Files,
    reading: &Reading,
    extension: &Extension,
    values: &BTreeMap<String, Secret<String>>,
    given: Option<&str>,
) -> Result<Vec<Vec<String>>> {
    match given {
        Some(text) => Ok(vec![settings::roles(text)?]),
        None => Ok(manifest::role_sets(files, reading, extension, values)?),
    }
}
