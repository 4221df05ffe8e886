//! YAML text to a node tree. This is the only folder that names the YAML parser.

mod builder;
mod scalar;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use crate::compose::error::{Diagnostic, Position};
use crate::compose::node::Node;
use builder::Builder;

/// How much of a file is read, before and after aliases are replaced by what they stand for.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes of a file.
    pub bytes: usize,
    /// Nodes, those that aliases stand for counted each time.
    pub nodes: usize,
    /// Bytes of text, likewise.
    pub text: usize,
    /// Collections inside of each other.
    pub depth: usize,
}

impl Default for Budget {
    /// Far over any real project: 1 MiB, 100 000 nodes, 8 MiB of text, 64 levels.
    fn default() -> Self {
        Self { bytes: 1 << 20, nodes: 100_000, text: 8 << 20, depth: 64 }
    }
}

/// Lines of quoted texts in one file that stand too far to the left, and comments without a space before them, at most.
const REPAIRS: usize = 100;

/// Reads the one document of a file, if there is one.
///
/// # Errors
/// What is wrong with the text, at its line and column: syntax, a duplicate key, a budget, a second document.
pub fn parse(file: &Arc<Path>, bytes: &[u8], budget: Budget) -> Result<Option<Node>, Diagnostic> {
    if bytes.len() > budget.bytes {
        return Err(too_large(file, budget.bytes));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let place = place_of(file, &bytes[..error.valid_up_to()]);
        Diagnostic::new(&place, "", "the file is not UTF-8 text")
    })?;
    if let Some(offset) = text.find('\0') {
        return Err(Diagnostic::new(&place_of(file, &bytes[..offset]), "", "the file holds a NUL byte"));
    }
    let mut text = Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text));
    let first = (1..).zip(text.lines()).find(|(_, line)| !line.trim_start().is_empty());
    if let Some((line, _)) = first.filter(|(_, line)| line.starts_with('\t')) {
        return Err(Diagnostic::new(&Position::new(file, line, 1), "", "not valid YAML: a tab cannot indent"));
    }
    let mut repaired = 0;
    for _ in 0..REPAIRS {
        let mut builder = Builder::new(file, &text, budget);
        let read = builder.document();
        match builder.outdented {
            // Each repair is of a later line: one that did not help is not made again.
            Some(line) if read.is_err() && line > repaired && text.len() <= budget.bytes => {
                repaired = line;
                text = Cow::Owned(indent(&text, line));
            }
            _ => match builder.glued.and_then(|index| separated(&text, index)) {
                Some(apart) if read.is_err() => text = Cow::Owned(apart),
                _ => return read,
            },
        }
    }
    Builder::new(file, &text, budget).document()
}

/// The text with a space before the comment at a character, if a quote or a bracket closes just before it.
fn separated(text: &str, index: usize) -> Option<String> {
    let (start, _) = text.char_indices().nth(index)?;
    let at = start + text[start..].find('#')?;
    let (before, comment) = text.split_at(at);
    before.ends_with(['"', '\'', ']', '}']).then(|| format!("{before} {comment}"))
}

/// Indents a line, counted from 1, deeper than what stands before it.
fn indent(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (before, after) = lines.split_at(line.saturating_sub(1).min(lines.len()));
    let last = before.iter().rev().find(|line| !line.trim().is_empty()).copied().unwrap_or_default();
    let width = last.len() - last.trim_start_matches([' ', '-', '?']).len();
    [before.concat(), " ".repeat(width + 1), after.concat()].concat()
}

/// Whether a plain scalar of this text is that text and not a number, a boolean or a null.
pub(crate) fn is_text(text: &str) -> bool {
    scalar::implicit(text).is_none() && scalar::timestamp(text).is_none()
}

/// `the file is larger than 1 MiB`
pub(crate) fn too_large(file: &Arc<Path>, limit: usize) -> Diagnostic {
    let place = Position { file: Arc::clone(file), line: 0, column: 0 };
    Diagnostic::new(&place, "", format!("the file is larger than {} KiB", limit >> 10))
}

/// The place behind a text.
fn place_of(file: &Arc<Path>, before: &[u8]) -> Position {
    let text = String::from_utf8_lossy(before);
    let line = text.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Position::new(file, number(line), number(column))
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
