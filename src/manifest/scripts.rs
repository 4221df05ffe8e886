//! Which files of a source are scripts of stage two, and in which order they run.

use super::files::Gathered;
use crate::{error::Result, fetch::sha256};

/// The folder whose scripts prepare a host for a compose project.
const FOLDER: &str = "bootstrap";

/// One script of stage two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Name for the log, such as `bootstrap/10-users.sh`.
    pub name: String,
    /// Content.
    pub body: Vec<u8>,
    /// sha256 of the content, hexadecimal: a script runs once per instance and content.
    pub sha256: String,
}

impl Script {
    /// A script of this content.
    pub fn new(name: impl Into<String>, body: Vec<u8>) -> Self {
        let sha256 = sha256(&body);
        Self { name: name.into(), body, sha256 }
    }
}

/// The scripts of a mirrored prefix, sorted by name: those of `bootstrap/` where there is a compose file, else those
/// of the prefix itself. A prefix that is itself called `bootstrap/` is the older form, and so is one whose only
/// scripts stand in that folder.
///
/// # Errors
/// The mirror is damaged or cannot be read.
pub fn of(files: &Gathered, with_compose: bool) -> Result<Vec<Script>> {
    let own = if with_compose { Vec::new() } else { names(files, "") };
    let names = if own.is_empty() { names(files, FOLDER) } else { own };
    let mut scripts = Vec::new();
    for name in names {
        if let Some(body) = files.read(&name)? {
            scripts.push(Script::new(name, body));
        }
    }
    Ok(scripts)
}

fn names(files: &Gathered, folder: &str) -> Vec<String> {
    let here = |path: &&str| {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        parent == folder && name.ends_with(".sh")
    };
    files.paths().filter(here).map(str::to_owned).collect()
}
