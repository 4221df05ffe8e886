//! Which files of a source are scripts of stage two, and in which order they run.

use super::files::Gathered;
use crate::{error, fetch::sha256};

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
pub fn of(files: &Gathered, with_compose: bool) -> error::Result<Vec<Script>> {
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

/// Why a script cannot be run anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrunnable {
    /// A byte order mark stands before `#!`.
    ByteOrderMark,
    /// The first line ends in CR LF, which makes the CR a part of the interpreter's name.
    WindowsLine,
}

impl Unrunnable {
    /// What is wrong.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "a byte order mark stands before #!",
            Self::WindowsLine => "its first line ends as in Windows, so that #! names no program",
        }
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "save it as UTF-8 without a byte order mark",
            Self::WindowsLine => "convert its line ends from CRLF to LF, for instance with `sed -i 's/\\r$//'`",
        }
    }
}

/// The words of the first line after `#!`, as the kernel splits them: the program, and all the rest as one argument.
/// None without such a line.
///
/// # Errors
/// Why no kernel can run it.
pub fn interpreter(content: &[u8]) -> Result<Option<Vec<String>>, Unrunnable> {
    if content.starts_with(b"\xef\xbb\xbf#!") {
        return Err(Unrunnable::ByteOrderMark);
    }
    let Some(rest) = content.strip_prefix(b"#!") else { return Ok(None) };
    let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    if line.ends_with('\r') {
        return Err(Unrunnable::WindowsLine);
    }
    let line = line.trim();
    let (program, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
    Ok(Some([Some(program), argument].into_iter().flatten().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_is_split_as_the_kernel_does() {
        assert_eq!(interpreter(b"#! /bin/sh\n").unwrap().unwrap(), ["/bin/sh"]);
        assert_eq!(interpreter(b"#!/bin/sh -e -u\n").unwrap().unwrap(), ["/bin/sh", "-e -u"]);
        assert_eq!(interpreter(b"echo\n").unwrap(), None);
        assert_eq!(interpreter(b"#!/bin/sh\r\necho\r\n"), Err(Unrunnable::WindowsLine));
        assert_eq!(interpreter(b"\xef\xbb\xbf#!/bin/sh\n"), Err(Unrunnable::ByteOrderMark));
    }
}
