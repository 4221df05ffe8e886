//! What is wrong with a project, where, and what was probably meant.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a file. Lines and columns count from 1; zero means that the place inside the file is not known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The file, as it was named when it was read.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// A place in `file`.
    #[must_use]
    pub fn new(file: &Arc<Path>, line: u32, column: u32) -> Self {
        Self { file: Arc::clone(file), line, column }
    }

    /// A file as a whole.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { file: Arc::from(path), line: 0, column: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file.display())?;
        if self.line > 0 {
            write!(out, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The class of a fault: what a caller may do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The input is wrong and stays wrong.
    Invalid,
    /// A file that the project names is not there; a caller that can fetch it may load again.
    NotFound {
        /// The file, absolute.
        path: Box<Path>,
    },
    /// `${NAME:?…}` has no value.
    RequiredVariable {
        /// The variable's name.
        name: Box<str>,
    },
    /// A file exists but cannot be read.
    Unreadable {
        /// The file, absolute.
        path: Box<Path>,
    },
}

/// One fault, made for a line of a terminal. Never holds a value of the project, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The class of the fault.
    pub kind: Kind,
    /// Where it is, if it is anywhere.
    pub position: Option<Position>,
    /// The attribute, such as `services.web.ports[1]`; empty for the document as a whole.
    pub path: String,
    /// What is wrong: lower case, without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault of class [`Kind::Invalid`] at a place.
    pub fn new(position: &Position, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Invalid,
            position: Some(position.clone()),
            path: path.into(),
            message: message.into(),
            help: None,
        }
    }

    /// A fault of class [`Kind::Invalid`] that has no place in a file, such as a wrong option.
    pub fn general(message: impl Into<String>) -> Self {
        Self { kind: Kind::Invalid, position: None, path: String::new(), message: message.into(), help: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Gives it another class.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Gives it a place, unless it has one.
    #[must_use]
    pub fn at(mut self, position: &Position, path: impl Into<String>) -> Self {
        if self.position.is_none() {
            self.position = Some(position.clone());
        }
        if self.path.is_empty() {
            self.path = path.into();
        }
        self
    }

    /// `unknown attribute 'prots', did you mean 'ports'?`
    pub fn unknown<'a>(
        position: &Position,
        path: impl Into<String>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let message = match nearest(name, known.iter().copied()) {
            Some(near) => format!("unknown {what} '{name}', did you mean '{near}'?"),
            None => format!("unknown {what} '{name}'"),
        };
        Self::new(position, path, message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(out, "{position}: ")?;
        }
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        out.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(out, "; {help}")?;
        }
        Ok(())
    }
}

/// Why a project cannot be loaded: at least one [`Diagnostic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    diagnostics: Vec<Diagnostic>,
}

impl Error {
    /// An error of several faults; `None` if there are none.
    #[must_use]
    pub fn from_all(diagnostics: Vec<Diagnostic>) -> Option<Self> {
        if diagnostics.is_empty() { None } else { Some(Self { diagnostics }) }
    }

    /// The faults, in the order in which they were found; never empty.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The faults of two errors, each once; those about a service or another resource that is wrong itself already are
    /// left out of the second, since they may follow from the first.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let later = unblamed(&self.diagnostics, other.diagnostics);
        self.diagnostics.extend(later);
        self
    }

    /// The first missing file, if that is what is wrong.
    #[must_use]
    pub fn not_found(&self) -> Option<&Path> {
        self.diagnostics.iter().find_map(|d| match &d.kind {
            Kind::NotFound { path } => Some(path.as_ref()),
            _ => None,
        })
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic] }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            fmt::Display::fmt(diagnostic, out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// A path in print: `services.web.ports[1]`.
#[must_use]
pub fn dotted(path: &[&str]) -> String {
    let mut shown = String::new();
    for part in path {
        match part.parse::<usize>() {
            Ok(_) if !shown.is_empty() => shown.extend(["[", part, "]"]),
            _ if shown.is_empty() => shown.push_str(part),
            _ => shown.extend([".", part]),
        }
    }
    shown
}

/// Of later faults those that cannot follow from an earlier one: about a service or another resource that has no earlier
/// fault, or about another attribute of it.
#[must_use]
pub fn unblamed(earlier: &[Diagnostic], later: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let object = |fault: &Diagnostic| {
        let mut parts = fault.path.splitn(4, '.');
        let (kind, name) = (parts.next()?.to_owned(), parts.next()?.split('[').next()?.to_owned());
        Some((kind, name, parts.next().and_then(|part| part.split('[').next()).map(str::to_owned)))
    };
    let blamed: Vec<_> = earlier.iter().filter_map(object).collect();
    let follows = |(kind, name, attribute): (String, String, Option<String>)| {
        blamed.iter().any(|earlier| {
            (&earlier.0, &earlier.1) == (&kind, &name)
                && (attribute.is_none() || earlier.2.is_none() || earlier.2 == attribute)
        })
    };
    later.into_iter().filter(|fault| !object(fault).is_some_and(follows)).collect()
}

/// The candidate that a mistyped name probably meant: at most a third of its letters differ.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let limit = wanted.chars().count() / 3;
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(far, _)| *far <= limit)
        .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["ports", "profiles", "image", "env_file"];
        assert_eq!(nearest("prots", known), Some("ports"));
        assert_eq!(nearest("Image", known), Some("image"));
        assert_eq!(nearest("envfile", known), Some("env_file"));
        assert_eq!(nearest("volumes", known), None);
        assert_eq!(nearest("b", ["a"]), None);
    }

    #[test]
    fn a_diagnostic_prints_place_path_message_and_help() {
        let place = Position::new(&Arc::from(Path::new("compose.yaml")), 12, 7);
        let shown = Diagnostic::unknown(&place, "services.web.prots", "attribute", "prots", ["ports"]).to_string();
        assert_eq!(shown, "compose.yaml:12:7: services.web.prots: unknown attribute 'prots', did you mean 'ports'?");
        let shown = Diagnostic::general("no compose file").help("pass -f").to_string();
        assert_eq!(shown, "no compose file; pass -f");
    }
}
