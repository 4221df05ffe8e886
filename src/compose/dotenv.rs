//! Files of `KEY=value` lines: `.env`, `env_file` and `label_file`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::compose::error::{Diagnostic, Kind, Position};
use crate::compose::generation::Generation;
use crate::compose::template::{self, Fault, Lookup};
use crate::compose::yaml::too_large;

/// Bytes of an environment file at most.
const LIMIT: usize = 1 << 20;

/// Bytes of a line of a raw environment file, which Compose reads up to a limit.
const RAW_LINE: usize = 64 << 10;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Reads a file as Compose reads `.env`: quotes, escapes, values over several lines, `export`, comments, variables.
/// What is read is added to `variables`; a value may use `lookup`, then the variables that are there already.
///
/// # Errors
/// What is wrong with the text, at its line and column, without any value.
pub fn parse(file: &Path, bytes: &[u8], variables: &mut Variables, lookup: Lookup<'_>) -> Result<(), Diagnostic> {
    parse_noting(file, bytes, Generation::Two, variables, lookup, &mut Vec::new())
}

/// The same, by the rules of a generation of Compose; `notes` gets each value in which a variable without a value counts as empty: a password with a `$` in it is
/// cut there. Of the value nothing is shown, since what looks like the name of a variable is a part of it.
///
/// # Errors
/// As [`parse`].
pub fn parse_noting(
    file: &Path,
    bytes: &[u8],
    generation: Generation,
    variables: &mut Variables,
    lookup: Lookup<'_>,
    notes: &mut Vec<Diagnostic>,
) -> Result<(), Diagnostic> {
    let file = Arc::from(file);
    let (text, fault) = decoded(&file, bytes)?;
    let mut reader = Reader { file: &file, text: &text, rest: &text, cut: false, generation };
    let mut left = LIMIT;
    while reader.next_statement() {
        let Some(key) = reader.key()? else { continue };
        if let Key::Inherited(name) = key {
            if let Some(value) = lookup(name) {
                variables.insert(name.to_owned(), value);
            }
            continue;
        }
        let Key::Assigned(name) = key else { continue };
        let start = reader.rest;
        let value = reader.value(variables, lookup)?;
        if std::mem::take(&mut reader.cut) {
            notes.push(reader.cut_at(start, name));
        }
        if let Some(fault) = fault.as_ref().filter(|_| value.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(fault.clone());
        }
        let Some(rest) = left.checked_sub(value.len()) else {
            return Err(reader.fault(start, "too large once its variables are replaced"));
        };
        left = rest;
        variables.insert(name.to_owned(), value);
    }
    Ok(())
}

/// Reads a file as the engine's client does for `--env-file`: every line is `KEY=value`, byte for byte.
///
/// # Errors
/// What is wrong with the text, at its line.
pub fn parse_raw(file: &Path, bytes: &[u8], variables: &mut Variables, lookup: Lookup<'_>) -> Result<(), Diagnostic> {
    let file = Arc::from(file);
    let (text, fault) = decoded(&file, bytes)?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    for (number, line) in (1..).zip(text.split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = Position::new(&file, number, 1);
        if line.len() >= RAW_LINE {
            return Err(Diagnostic::new(&place, "", "the line is longer than 64 KiB"));
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value)));
        if key.is_empty() {
            return Err(Diagnostic::new(&place, "", "no variable name before '='"));
        }
        if key.contains([' ', '\t']) {
            return Err(Diagnostic::new(&place, "", "a variable name contains white space"));
        }
        if let Some(value) = value.map(str::to_owned).or_else(|| lookup(key)) {
            variables.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

/// The text of a file that is small and without NUL bytes. What is not UTF-8 is replaced, and the fault of it given,
/// because nobody minds in which encoding a comment is.
fn decoded<'a>(file: &Arc<Path>, bytes: &'a [u8]) -> Result<(Cow<'a, str>, Option<Diagnostic>), Diagnostic> {
    if bytes.len() > LIMIT {
        return Err(too_large(file, LIMIT));
    }
    let fault = |offset: usize, message: &str| {
        let before = String::from_utf8_lossy(&bytes[..offset]);
        Diagnostic::new(&position(file, &before), "", message)
    };
    if let Some(offset) = bytes.iter().position(|byte| *byte == 0) {
        return Err(fault(offset, "the file holds a NUL byte"));
    }
    let wrong = std::str::from_utf8(bytes).err().map(|error| fault(error.valid_up_to(), "the file is not UTF-8 text"));
    Ok((String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)), wrong))
}

/// The place behind a text.
fn position(file: &Arc<Path>, before: &str) -> Position {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Position::new(file, number(line), number(column))
}

enum Key<'a> {
    /// `KEY=`: a value follows.
    Assigned(&'a str),
    /// `KEY` alone: its value is that of the environment.
    Inherited(&'a str),
}

struct Reader<'a> {
    file: &'a Arc<Path>,
    text: &'a str,
    rest: &'a str,
    /// Whether a variable of the present value has no value.
    cut: bool,
    /// The rules by which variables are replaced.
    generation: Generation,
}

impl<'a> Reader<'a> {
    fn fault(&self, at: &str, message: impl Into<String>) -> Diagnostic {
        let before = &self.text[..self.text.len() - at.len()];
        Diagnostic::new(&position(self.file, before), "", message)
    }

    fn cut_at(&self, value: &str, name: &str) -> Diagnostic {
        let message = format!("the value of {name} is cut at a `$`: what follows names a variable that is not set");
        self.fault(value, message).help("write $$ for a dollar sign, or put the value in single quotes")
    }

    /// Goes to the next statement, over white space and comments.
    fn next_statement(&mut self) -> bool {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
        }
    }

    fn key(&mut self) -> Result<Option<Key<'a>>, Diagnostic> {
        if let Some(after) = self.rest.strip_prefix("export").filter(|after| after.starts_with(char::is_whitespace)) {
            self.rest = after.trim_start_matches(is_blank);
        }
        let start = self.rest;
        if start.is_empty() {
            return Err(self.fault(start, "'export' without a variable name"));
        }
        let allowed = |c: char| is_blank(c) || c.is_alphanumeric() || "_.-[]".contains(c);
        let Some(end) = start.find(|c: char| !allowed(c)) else {
            // without a line break behind it, Compose takes the last line for the value of a variable without a name
            return Ok(Some(Key::Assigned("")));
        };
        let key = start[..end].trim_end();
        let after = start[end..].chars().next();
        if !matches!(after, Some('=' | ':' | '\n')) {
            return Err(self.fault(&start[end..], "unexpected character in a variable name"));
        }
        if key.contains(' ') {
            return Err(self.fault(start, "a variable name cannot contain a space"));
        }
        self.rest = start[end + 1..].trim_start_matches(is_blank);
        Ok(match after {
            Some('\n') if key.is_empty() => None,
            Some('\n') => Some(Key::Inherited(key)),
            _ => Some(Key::Assigned(key)),
        })
    }

    fn value(&mut self, variables: &Variables, lookup: Lookup<'_>) -> Result<String, Diagnostic> {
        let start = self.rest;
        let quote = start.chars().next().filter(|c| matches!(c, '"' | '\''));
        let Some(quote) = quote else {
            let (line, rest) = start.split_once('\n').unwrap_or((start, ""));
            self.rest = rest;
            let value = line.split(" #").next().unwrap_or_default().trim_end();
            return self.expand(start, value, variables, lookup);
        };
        let mut value = String::new();
        let mut escape = false;
        for (index, c) in start.char_indices().skip(1) {
            if c == quote && !escape {
                self.rest = &start[index + 1..];
                return if quote == '"' { self.expand(start, &unescape(&value), variables, lookup) } else { Ok(value) };
            }
            if c == '\\' && !escape {
                escape = true;
                continue;
            }
            if escape && c != quote {
                value.push('\\');
            }
            escape = false;
            value.push(c);
        }
        Err(self.fault(start, "a quoted value is not closed"))
    }

    fn expand(
        &mut self,
        at: &str,
        value: &str,
        variables: &Variables,
        lookup: Lookup<'_>,
    ) -> Result<String, Diagnostic> {
        let find = |name: &str| lookup(name).or_else(|| variables.get(name).cloned());
        let mut cut = false;
        let expanded = template::substitute_noting(value, self.generation, &find, &mut |_| cut = true);
        self.cut |= cut;
        expanded.map_err(|fault| match fault {
            Fault::Invalid => self.fault(at, "invalid interpolation").help("a dollar sign itself is $$"),
            Fault::TooLarge => self.fault(at, "too large once its variables are replaced"),
            Fault::Required { name, reason } => {
                let message = format!("required variable {name} is missing a value: {reason}");
                self.fault(at, message).kind(Kind::RequiredVariable { name: name.into() })
            }
        })
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

/// The escapes of a value in double quotes; `\$` becomes `$$`, which the interpolation turns into `$`.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let simple = match after.chars().next() {
            Some('a') => "\u{7}",
            Some('b') => "\u{8}",
            Some('f') => "\u{c}",
            Some('n') => "\n",
            Some('r') => "\r",
            Some('t') => "\t",
            Some('v') => "\u{b}",
            Some('"') => "\"",
            Some('\\') => "\\",
            Some('$') => "$$",
            Some('0') => {
                let end = after[1..].find(|c: char| !c.is_ascii_digit()).map_or(after.len(), |end| end + 1).min(4);
                out.push_str(&octal(&after[1..end]));
                rest = &after[end..];
                continue;
            }
            _ => {
                out.push('\\');
                rest = after;
                continue;
            }
        };
        out.push_str(simple);
        rest = &after[1..];
    }
    out.push_str(rest);
    out
}

/// What `\0` and up to three digits mean: the character of that octal number. Of another number only the zero goes.
fn octal(digits: &str) -> String {
    let code = if digits.len() == 3 { u8::from_str_radix(digits, 8).ok() } else { None };
    code.map_or_else(|| format!("\\{digits}"), |code| char::from(code).to_string())
}

#[cfg(test)]
mod tests;
