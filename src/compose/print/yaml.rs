//! YAML, byte for byte as Go's encoder writes it.

use std::fmt::Write;

use crate::compose::emit::Tree;
use crate::compose::number;
use crate::compose::yaml::is_text;

/// A mapping as a document.
pub(super) fn print(tree: &Tree) -> String {
    let mut out = String::new();
    match tree {
        Tree::Map(pairs) if !pairs.is_empty() => mapping(&mut out, pairs, 0, false),
        _ => {
            value(&mut out, tree, 0);
            out.push('\n');
        }
    }
    out
}

/// The pairs of a mapping, each on lines of its own; the first where the text stands, if it stands behind a dash.
fn mapping(out: &mut String, pairs: &[(String, Tree)], indent: usize, behind_dash: bool) {
    for (index, (key, tree)) in pairs.iter().enumerate() {
        if index > 0 || !behind_dash {
            spaces(out, indent);
        }
        if simple_key(key) {
            scalar(out, key, indent, true);
            out.push(':');
            entry(out, tree, indent);
        } else {
            out.push_str("? ");
            scalar(out, key, indent, false);
            end(out, key);
            spaces(out, indent);
            out.push_str(": ");
            item(out, tree, indent);
        }
    }
}

/// Whether a key may stand on the line of its value.
fn simple_key(key: &str) -> bool {
    !key.contains(is_break) && key.len() <= 128
}

/// What stands behind a key's colon.
fn entry(out: &mut String, tree: &Tree, indent: usize) {
    match tree {
        Tree::Map(pairs) if !pairs.is_empty() => {
            out.push('\n');
            mapping(out, pairs, indent + 2, false);
        }
        Tree::Seq(items) if !items.is_empty() => {
            out.push('\n');
            sequence(out, items, indent + 2, false);
        }
        _ => {
            out.push(' ');
            line(out, tree, indent);
        }
    }
}

fn sequence(out: &mut String, items: &[Tree], indent: usize, behind_dash: bool) {
    for (index, tree) in items.iter().enumerate() {
        if index > 0 || !behind_dash {
            spaces(out, indent);
        }
        out.push_str("- ");
        item(out, tree, indent);
    }
}

/// What stands behind a dash, or behind the colon of a key with lines of its own.
fn item(out: &mut String, tree: &Tree, indent: usize) {
    match tree {
        Tree::Map(pairs) if !pairs.is_empty() => mapping(out, pairs, indent + 2, true),
        Tree::Seq(items) if !items.is_empty() => sequence(out, items, indent + 2, true),
        _ => line(out, tree, indent),
    }
}

/// A value and the end of its line.
fn line(out: &mut String, tree: &Tree, indent: usize) {
    value(out, tree, indent);
    match tree {
        Tree::Text(text) => end(out, text),
        _ => out.push('\n'),
    }
}

/// The end of a text's line; a block of lines has ended it already.
fn end(out: &mut String, text: &str) {
    if !(text.ends_with(is_break) && style(text, false) == Style::Literal) {
        out.push('\n');
    }
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// A value that is not a collection with something in it.
fn value(out: &mut String, tree: &Tree, indent: usize) {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Tree::Int(value) => out.push_str(&value.to_string()),
        Tree::Uint(value) => out.push_str(&value.to_string()),
        Tree::Single(value) => out.push_str(&float(&number::general_single(*value))),
        Tree::Double(value) => out.push_str(&float(&number::general(*value))),
        Tree::Text(text) => scalar(out, text, indent, false),
        Tree::Time(moment) => out.push_str(moment),
        Tree::Seq(_) => out.push_str("[]"),
        Tree::Map(_) => out.push_str("{}"),
    }
}

fn float(text: &str) -> String {
    match text {
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        "NaN" => ".nan".to_owned(),
        _ => text.to_owned(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

fn scalar(out: &mut String, text: &str, indent: usize, key: bool) {
    match style(text, key) {
        Style::Plain => out.push_str(text),
        Style::Single => {
            out.push('\'');
            lines(out, &text.replace('\'', "''"), indent + 2, false);
            out.push('\'');
        }
        Style::Double => double(out, text),
        Style::Literal => literal(out, text, indent + 2),
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

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What Go's encoder shows as it is; not the planes above the first.
fn printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != MARK
}

fn style(text: &str, key: bool) -> Style {
    let found = Analysis::of(text);
    let single = !(found.break_space || found.space_break || found.tabs || found.special);
    if text.contains('\n') {
        let block = !(found.trailing_space || found.space_break || found.special);
        return if block && !key { Style::Literal } else { Style::Double };
    }
    if !is_text(text) || is_old(text) {
        return Style::Double;
    }
    if !(found.indicators || found.edge_space || found.breaks) && single {
        Style::Plain
    } else if single && !(key && found.breaks) {
        Style::Single
    } else {
        Style::Double
    }
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

fn double(out: &mut String, text: &str) {
    let marked = text.starts_with(MARK);
    out.push('"');
    for c in text.chars() {
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
            out.push_str(escape);
        } else if printable(c) && !marked {
            out.push(c);
        } else {
            let code = u32::from(c);
            let _ = match code {
                0..=0xff => write!(out, "\\x{code:02X}"),
                0x100..=0xffff => write!(out, "\\u{code:04X}"),
                _ => write!(out, "\\U{code:08X}"),
            };
        }
    }
    out.push('"');
}

/// A block of lines.
fn literal(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    if text.starts_with(' ') || text.starts_with(is_break) {
        out.push('2');
    }
    let mut ends = text.chars().rev().map(is_break);
    match (ends.next(), ends.next()) {
        (Some(true), None | Some(true)) => out.push('+'),
        (Some(true), Some(false)) => {}
        _ => out.push('-'),
    }
    out.push('\n');
    lines(out, text, indent, true);
}

/// A text whose lines are indented, the first only if it stands on a line of its own.
fn lines(out: &mut String, text: &str, indent: usize, mut broken: bool) {
    for c in text.chars() {
        if broken && !is_break(c) {
            spaces(out, indent);
        }
        broken = is_break(c);
        out.push(c);
    }
}
