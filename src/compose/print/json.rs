//! JSON, byte for byte as Go's encoder writes it.

use std::fmt::Write;

use crate::compose::emit::Tree;
use crate::compose::number;

/// On one line.
pub(crate) fn compact(tree: &Tree) -> String {
    let mut out = String::new();
    write(&mut out, tree, None);
    out
}

/// With an indent of two spaces.
pub(super) fn pretty(tree: &Tree) -> String {
    let mut out = String::new();
    write(&mut out, tree, Some(0));
    out
}

fn write(out: &mut String, tree: &Tree, indent: Option<usize>) {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Tree::Int(value) => out.push_str(&value.to_string()),
        Tree::Uint(value) => out.push_str(&value.to_string()),
        // JSON has no number for these.
        Tree::Single(value) if !value.is_finite() => string(out, &number::json_single(*value)),
        Tree::Double(value) if !value.is_finite() => string(out, &number::json(*value)),
        Tree::Single(value) => out.push_str(&number::json_single(*value)),
        Tree::Double(value) => out.push_str(&number::json(*value)),
        Tree::Text(text) | Tree::Time(text) => string(out, text),
        Tree::Seq(items) => {
            list(out, '[', ']', items, indent, |out, item, indent| {
                write(out, item, indent);
            });
        }
        Tree::Map(pairs) => list(out, '{', '}', pairs, indent, |out, (key, value), indent| {
            string(out, key);
            out.push_str(if indent.is_some() { ": " } else { ":" });
            write(out, value, indent);
        }),
    }
}

fn list<T>(
    out: &mut String,
    open: char,
    close: char,
    items: &[T],
    indent: Option<usize>,
    each: impl Fn(&mut String, &T, Option<usize>),
) {
    out.push(open);
    let inner = indent.map(|indent| indent + 2);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        line(out, inner);
        each(out, item, inner);
    }
    if !items.is_empty() {
        line(out, indent);
    }
    out.push(close);
}

fn line(out: &mut String, indent: Option<usize>) {
    if let Some(indent) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// A text; what could be taken for HTML is escaped, as Go does.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
