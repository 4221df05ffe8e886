//! State files: JSON with a format version, and what happens to a file that a newer version of rolecall wrote.
//!
//! A file is of the format that its number `format` names. Format 1 is that of version 0.1.0, which wrote no number; its
//! lists and maps, which have no room for one, are still written without it, so that 0.1.0 can read them after a
//! downgrade. A new format is only needed for what an older version would misread: what it may ignore is added without.
//!
//! Each version reads its own format and older ones. A file of a newer format never fails a boot if it only saves work:
//! it is ignored, with a warning, and written anew. What else counts is decided by whoever reads the file.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tracing::warn;

use crate::{
    error::{Cause, Error, Result},
    host::files,
};

/// Format of a file without a number: that of version 0.1.0.
pub const FIRST: u64 = 1;

/// A file above this is not ours.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The content of a state file.
#[derive(Debug, PartialEq)]
pub enum Content<T> {
    /// The file does not exist.
    Missing,
    /// It has a format that this version knows.
    Known(T),
    /// A newer version wrote it.
    Newer {
        /// Its format.
        format: u64,
        /// What is in it.
        value: Value,
    },
    /// It cannot be read, and why.
    Damaged(String),
}

/// Reads a file of which this version knows the formats up to `known`.
pub fn read<T: DeserializeOwned>(path: &Path, known: u64) -> Content<T> {
    match files::read_regular(path, MAX_BYTES) {
        Ok(text) => parse(&text, known),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Content::Missing,
        Err(err) => Content::Damaged(err.to_string()),
    }
}

fn parse<T: DeserializeOwned>(text: &[u8], known: u64) -> Content<T> {
    #[derive(Deserialize)]
    struct Numbered {
        format: u64,
    }
    let format = serde_json::from_slice::<Numbered>(text).map_or(FIRST, |numbered| numbered.format);
    let read = if format > known {
        serde_json::from_slice(text).map(|value| Content::Newer { format, value })
    } else {
        serde_json::from_slice(text).map(Content::Known)
    };
    read.unwrap_or_else(|err| Content::Damaged(err.to_string()))
}

/// Reads a file that only saves work: one that is damaged or newer counts as empty. `loss` is what that costs.
pub fn read_or_rebuild<T: DeserializeOwned + Default>(path: &Path, known: u64, loss: &str) -> T {
    match read(path, known) {
        Content::Missing => {}
        Content::Known(content) => return content,
        Content::Newer { format, .. } => warn_once(path, &format!("{}; {loss}", newer(path, format, known))),
        Content::Damaged(why) => warn_once(path, &format!("could not read {}: {why}; {loss}", path.display())),
    }
    T::default()
}

/// A clause about a file of a newer format.
pub fn newer(path: &Path, format: u64, known: u64) -> String {
    format!("a newer version wrote {} (format {format}, this one knows {known})", path.display())
}

/// Warns of a file, which may be read several times, at its first reading.
pub fn warn_once(path: &Path, message: &str) {
    static WARNED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned()) {
        warn!("{message}");
    }
}

/// The text of a file, with the number of its format.
///
/// # Errors
/// `io`: the content cannot be written as JSON.
pub fn encode<T: Serialize>(path: &Path, format: u64, content: &T) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Numbered<'a, T> {
        format: u64,
        #[serde(flatten)]
        content: &'a T,
    }
    serde_json::to_vec(&Numbered { format, content })
        .map_err(|err| Error::new(Cause::Io, format!("could not write {}: {err}", path.display())))
}

/// Moves a file of a newer format to `NAME.format-N`, before another one takes its place.
///
/// # Errors
/// It cannot be moved.
pub fn set_newer_aside(path: &Path, known: u64) -> Result<()> {
    let Content::Newer { format, .. } = read::<Value>(path, known) else { return Ok(()) };
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".format-{format}"));
    std::fs::rename(path, &aside).map_err(|err| Error::io("set aside", path, &err))?;
    warn!("{}; it is kept as {}", newer(path, format, known), Path::new(&aside).display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Map = BTreeMap<String, Value>;

    #[test]
    fn formats_up_to_the_known_one_are_read() {
        for (text, known, outcome) in [
            (r#"["a"]"#, 1, "known"),
            (r#"{"a":1}"#, 1, "known"),
            (r#"{"format":1,"a":1}"#, 1, "known"),
            (r#"{"format":1}"#, 2, "known"),
            (r#"{"format":3,"a":1}"#, 2, "newer 3"),
            // A name in a map of version 0.1.0 is no number.
            (r#"{"format":{"serial":1}}"#, 1, "known"),
            ("{ torn", 1, "damaged"),
            ("", 1, "damaged"),
        ] {
            let found = match parse::<Value>(text.as_bytes(), known) {
                Content::Known(_) => "known".to_owned(),
                Content::Newer { format, .. } => format!("newer {format}"),
                Content::Damaged(_) => "damaged".to_owned(),
                Content::Missing => "missing".to_owned(),
            };
            assert_eq!(found, outcome, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_counts_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache.json");
        let load = || read_or_rebuild::<Map>(&path, 1, "it is fetched again");
        assert_eq!(load(), Map::new());
        std::fs::write(&path, encode(&path, 1, &Map::from([("a".to_owned(), 1.into())])).unwrap()).unwrap();
        assert_eq!(load()["a"], 1);
        for text in [r#"{"format":2,"a":1}"#, "{ torn"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(load(), Map::new(), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(load(), Map::new());
    }

    #[test]
    fn only_a_newer_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.json");
        set_newer_aside(&path, 1).unwrap();
        std::fs::write(&path, "[]").unwrap();
        set_newer_aside(&path, 1).unwrap();
        assert!(path.exists());
        std::fs::write(&path, r#"{"format":2}"#).unwrap();
        set_newer_aside(&path, 1).unwrap();
        assert!(!path.exists());
        assert_eq!(std::fs::read(dir.path().join("notes.json.format-2")).unwrap(), br#"{"format":2}"#);
    }
}
