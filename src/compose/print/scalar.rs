//! Texts in YAML: the style of each, and its lines.

use std::fmt::Write;

use super::yaml::Printer;
use crate::compose::generation::Generation;
use crate::compose::yaml::is_text;

/// A style of a scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

impl Style {
    /// The style that Go's encoder selects.
    pub(super) fn of(text: &str, key: bool, generation: Generation) -> Self {
        let found = Analysis::of(text);
        let single = !(found.break_space || found.space_break || found.tabs || found.special);
        let five = generation == Generation::Five;
        if text.contains('\n') {
            let block = !(found.trailing_space || found.space_break || found.special);
            let blank = five && (text.len() < 2 || text.chars().all(char::is_whitespace));
            return if block && !blank && !key { Self::Literal } else { Self::Double };
        }
        if five && (is_old(text) || text == "<<") {
            return Self::Single;
        }
        if !is_text(text) || is_old(text) {
            return Self::Double;
        }
        if !(found.indicators || found.edge_space || found.breaks) && single {
            Self::Plain
        } else if single && !(key && found.breaks) {
            Self::Single
        } else {
            Self::Double
        }
    }
}

/// What a text contains that some styles cannot show.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a finding of its own")]
struct Analysis {
    indicators: bool,
    breaks: bool,
    special: bool,
    tabs: bool,
    edge_space: bool,
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        let mut found = Self { indicators: text.starts_with("---") || text.starts_with("..."), ..Self::default() };
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let blank_next = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            let first = before.is_none();
            found.indicators |= match c {
                '#' => before.is_none_or(|b| matches!(b, ' ' | '\t') || is_break(b)),
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
                ':' => blank_next,
                '?' | '-' => first && blank_next,
                _ => false,
            };
            found.tabs |= c == '\t';
            found.special |= c != '\t' && !printable(c);
            found.breaks |= is_break(c);
            found.edge_space |= (first || chars.peek().is_none()) && (c == ' ' || is_break(c));
            found.trailing_space |= chars.peek().is_none() && c == ' ';
            found.break_space |= c == ' ' && before.is_some_and(is_break);
            found.space_break |= is_break(c) && before == Some(' ');
            before = Some(c);
        }
        found
    }
}

/// The byte order mark. Go's encoder escapes every character of a text that starts with it.
const MARK: char = '\u{feff}';

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What Go's encoder shows as it is; not the planes above the first.
fn printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != MARK
}

/// What older readers take for a boolean or for a number in base 60.
fn is_old(text: &str) -> bool {
    let old = ["y", "yes", "on", "n", "no", "off"];
    let cased = |word: &str| {
        let capital = word[..1].to_uppercase() + &word[1..];
        text == word || text == capital || text == word.to_uppercase()
    };
    old.into_iter().any(cased) || is_sexagesimal(text)
}

fn is_sexagesimal(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = body.split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let leads =
        first.starts_with(|c: char| c.is_ascii_digit()) && first.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let rest: Vec<&str> = parts.collect();
    let minute = |part: &str| digits(part) && (part.len() == 1 || part.len() == 2 && part.as_bytes()[0] < b'6');
    leads
        && rest.split_last().is_some_and(|(last, middle)| {
            let (whole, fraction) = last.split_once('.').unwrap_or((last, ""));
            middle.iter().all(|part| minute(part))
                && minute(whole)
                && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        })
}

/// The column behind which the encoder of Compose 5 breaks a line at a space.
const WIDTH: usize = 80;

impl Printer {
    /// A text; `indent` is that of the collection that it is in.
    pub(super) fn scalar(&mut self, text: &str, indent: usize, key: bool) {
        let indent = indent + 2;
        let fold = self.generation == Generation::Five && !key;
        match Style::of(text, key, self.generation) {
            Style::Plain => self.plain(text, indent, fold),
            Style::Single => self.single(text, indent, fold),
            Style::Double => self.double(text, indent, fold),
            Style::Literal => self.literal(text, indent),
        }
    }

    /// The characters of the current line so far.
    fn column(&self) -> usize {
        let line = self.out.rfind(is_break).map_or(self.out.as_str(), |at| &self.out[at..]);
        line.chars().filter(|c| !is_break(*c)).count()
    }

    fn fold(&mut self, indent: usize) {
        self.out.push('\n');
        self.spaces(indent);
    }

    fn plain(&mut self, text: &str, indent: usize, fold: bool) {
        if !fold {
            self.out.push_str(text);
            return;
        }
        let mut column = self.column();
        let mut chars = text.chars().peekable();
        let mut behind_space = false;
        while let Some(c) = chars.next() {
            if c == ' ' && !behind_space && column > WIDTH && chars.peek() != Some(&' ') {
                self.fold(indent);
                column = indent;
            } else {
                self.out.push(c);
                column += 1;
            }
            behind_space = c == ' ';
        }
    }

    fn single(&mut self, text: &str, indent: usize, fold: bool) {
        self.out.push('\'');
        let mut column = self.column();
        let mut chars = text.chars().peekable();
        let mut behind_space = true;
        let mut broken = false;
        while let Some(c) = chars.next() {
            let ends = chars.peek().is_none_or(|next| *next == ' ');
            if c == ' ' && fold && !behind_space && column > WIDTH && !ends {
                self.fold(indent);
                column = indent;
            } else if is_break(c) {
                self.out.push(c);
                column = 0;
            } else {
                if broken && c != ' ' {
                    self.spaces(indent);
                    column = indent;
                }
                if c == '\'' {
                    self.out.push(c);
                    column += 1;
                }
                self.out.push(c);
                column += 1;
            }
            behind_space = c == ' ';
            broken = is_break(c);
        }
        self.out.push('\'');
    }

    fn double(&mut self, text: &str, indent: usize, fold: bool) {
        let marked = text.starts_with(MARK);
        self.out.push('"');
        let mut column = self.column();
        let mut chars = text.chars().peekable();
        let mut behind_space = true;
        while let Some(c) = chars.next() {
            let next = chars.peek().copied();
            if c == ' ' && fold && !behind_space && column > WIDTH && next.is_some() && !marked {
                self.fold(indent);
                column = indent;
                if next == Some(' ') {
                    self.out.push('\\');
                    column += 1;
                }
            } else {
                let start = self.out.len();
                self.escaped(c, marked);
                column += self.out[start..].chars().count();
            }
            behind_space = c == ' ';
        }
        self.out.push('"');
    }

    /// A character of a text in double quotes; `marked` is a text that starts with a byte order mark.
    fn escaped(&mut self, c: char, marked: bool) {
        let escape = match c {
            '\0' => "\\0",
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\u{b}' => "\\v",
            '\u{c}' => "\\f",
            '\r' => "\\r",
            '\u{1b}' => "\\e",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\N",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => "",
        };
        if !escape.is_empty() {
            self.out.push_str(escape);
        } else if printable(c) && !marked {
            self.out.push(c);
        } else {
            let code = u32::from(c);
            let _ = match code {
                0..=0xff => write!(self.out, "\\x{code:02X}"),
                0x100..=0xffff => write!(self.out, "\\u{code:04X}"),
                _ => write!(self.out, "\\U{code:08X}"),
            };
        }
    }

    /// A block of lines.
    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        let hint = text.starts_with(' ') || self.generation == Generation::Two && text.starts_with(is_break);
        if hint {
            self.out.push('2');
        }
        let mut ends = text.chars().rev().map(is_break);
        match (ends.next(), ends.next()) {
            (Some(true), None | Some(true)) => self.out.push('+'),
            (Some(true), Some(false)) => {}
            _ => self.out.push('-'),
        }
        self.out.push('\n');
        let mut broken = true;
        for c in text.chars() {
            if broken && !is_break(c) {
                self.spaces(indent);
            }
            broken = is_break(c);
            self.out.push(c);
        }
    }
}
