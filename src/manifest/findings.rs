//! What was found in a project before its first step: faults, which refuse it, and warnings.

use crate::{
    compose::Diagnostic,
    error::{Cause, Error, Result},
};

/// Faults and warnings of one project, each with its place in a file if it has one.
#[derive(Debug, Default)]
pub struct Findings {
    faults: Vec<Fault>,
    warnings: Vec<Diagnostic>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its cause, which decides the exit code.
    pub cause: Cause,
    /// Place, message and hint.
    pub diagnostic: Diagnostic,
    /// What is missing, if that is known.
    pub need: Option<String>,
}

impl Findings {
    /// Adds a fault of the manifest.
    pub fn fault(&mut self, diagnostic: Diagnostic) {
        self.add(Fault { cause: Cause::ManifestInvalid, diagnostic, need: None });
    }

    /// Adds several of them.
    pub fn invalid(&mut self, diagnostics: Vec<Diagnostic>) {
        for diagnostic in diagnostics {
            self.fault(diagnostic);
        }
    }

    /// Adds an error that has no place of its own.
    pub fn error(&mut self, err: Error) {
        let Error { cause, message, need, hint, .. } = err;
        let mut diagnostic = Diagnostic::general(message);
        diagnostic.help = hint;
        self.add(Fault { cause, diagnostic, need });
    }

    /// Adds a warning.
    pub fn warn(&mut self, warning: Diagnostic) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Adds everything that was found elsewhere.
    pub fn extend(&mut self, other: Self) {
        for fault in other.faults {
            self.add(fault);
        }
        for warning in other.warnings {
            self.warn(warning);
        }
    }

    /// The places, messages and hints of the faults so far.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.faults.iter().map(|fault| fault.diagnostic.clone()).collect()
    }

    /// Keeps the faults for which `keep` holds.
    pub fn retain_faults(&mut self, keep: impl Fn(&Diagnostic) -> bool) {
        self.faults.retain(|fault| keep(&fault.diagnostic));
    }

    /// Changes each fault.
    pub fn each_fault(&mut self, change: impl FnMut(&mut Fault)) {
        self.faults.iter_mut().for_each(change);
    }

    /// The warnings as lines, in the order of files and lines.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<&Diagnostic> = self.warnings.iter().collect();
        warnings.sort_by_key(|warning| place(warning));
        warnings.into_iter().map(ToString::to_string).collect()
    }

    /// The faults as one error: the first by file and line is its message, all of them are its output. None if there
    /// are no faults.
    pub fn into_error(mut self) -> Option<Error> {
        self.faults.sort_by(|a, b| place(&a.diagnostic).cmp(&place(&b.diagnostic)));
        let first = self.faults.first()?.clone();
        let invalid = self.faults.iter().any(|fault| fault.cause == Cause::ManifestInvalid);
        let cause = if invalid { Cause::ManifestInvalid } else { first.cause };
        if let [_] = self.faults[..] {
            // The hint of a fault with a place is part of its line; that of another is the hint of the error.
            let Fault { mut diagnostic, need, .. } = first;
            let hint = if diagnostic.position.is_none() { diagnostic.help.take() } else { None };
            return Some(Error { need, hint, ..Error::new(cause, diagnostic.to_string()) });
        }
        let lines: Vec<String> = self.faults.iter().map(|fault| fault.diagnostic.to_string()).collect();
        let message = format!("{} (and {} more)", lines[0], lines.len() - 1);
        Some(Error::new(cause, message).output(lines))
    }

    /// The warnings as lines.
    ///
    /// # Errors
    /// The faults.
    pub fn into_result(self) -> Result<Vec<String>> {
        let warnings = self.warnings();
        self.into_error().map_or(Ok(warnings), Err)
    }

    /// Adds a fault.
    pub fn add(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// What faults and warnings are sorted by.
fn place(diagnostic: &Diagnostic) -> Option<(&std::path::Path, u32, u32)> {
    diagnostic.position.as_ref().map(|at| (at.file.as_ref(), at.line, at.column))
}
