//! YAML, byte for byte as Go's encoder writes it.

use crate::compose::emit::Tree;
use crate::compose::generation::Generation;
use crate::compose::number;

use super::scalar::{Style, is_break};

/// A mapping as a document.
pub(super) fn print(tree: &Tree, generation: Generation) -> String {
    let mut printer = Printer { out: String::new(), generation };
    match tree {
        Tree::Map(pairs) if !pairs.is_empty() => printer.mapping(pairs, 0, false),
        _ => {
            printer.value(tree, 0);
            printer.out.push('\n');
        }
    }
    printer.out
}

/// A document while it is written.
pub(super) struct Printer {
    pub(super) out: String,
    pub(super) generation: Generation,
}

impl Printer {
    /// Writes the pairs of a mapping, each on its own lines. After a dash, the first pair is on the line of the dash.
    fn mapping(&mut self, pairs: &[(String, Tree)], indent: usize, behind_dash: bool) {
        for (index, (key, tree)) in pairs.iter().enumerate() {
            if index > 0 || !behind_dash {
                self.spaces(indent);
            }
            if simple_key(key) {
                self.scalar(key, indent, true);
                self.out.push(':');
                self.entry(tree, indent);
            } else {
                self.out.push_str("? ");
                self.scalar(key, indent, false);
                self.end(key);
                self.spaces(indent);
                self.out.push_str(": ");
                self.item(tree, indent);
            }
        }
    }

    /// Writes the value of a key.
    fn entry(&mut self, tree: &Tree, indent: usize) {
        match tree {
            Tree::Map(pairs) if !pairs.is_empty() => {
                self.out.push('\n');
                self.mapping(pairs, indent + 2, false);
            }
            Tree::Seq(items) if !items.is_empty() => {
                self.out.push('\n');
                self.sequence(items, indent + 2, false);
            }
            _ => {
                self.out.push(' ');
                self.line(tree, indent);
            }
        }
    }

    fn sequence(&mut self, items: &[Tree], indent: usize, behind_dash: bool) {
        for (index, tree) in items.iter().enumerate() {
            if index > 0 || !behind_dash {
                self.spaces(indent);
            }
            self.out.push_str("- ");
            self.item(tree, indent);
        }
    }

    /// Writes an item after its dash, or a value after the colon of a key that has its own lines.
    fn item(&mut self, tree: &Tree, indent: usize) {
        match tree {
            Tree::Map(pairs) if !pairs.is_empty() => self.mapping(pairs, indent + 2, true),
            Tree::Seq(items) if !items.is_empty() => self.sequence(items, indent + 2, true),
            _ => self.line(tree, indent),
        }
    }

    /// A value and the end of its line.
    fn line(&mut self, tree: &Tree, indent: usize) {
        self.value(tree, indent);
        match tree {
            Tree::Text(text) => self.end(text),
            _ => self.out.push('\n'),
        }
    }

    /// The end of a text's line; a block of lines has ended it already.
    fn end(&mut self, text: &str) {
        if !(text.ends_with(is_break) && Style::of(text, false, self.generation) == Style::Literal) {
            self.out.push('\n');
        }
    }

    pub(super) fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }

    /// A value that is not a collection with something in it.
    fn value(&mut self, tree: &Tree, indent: usize) {
        match tree {
            Tree::Null => self.out.push_str("null"),
            Tree::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Tree::Int(value) => self.out.push_str(&value.to_string()),
            Tree::Uint(value) => self.out.push_str(&value.to_string()),
            Tree::Single(value) => self.out.push_str(&float(&number::general_single(*value))),
            Tree::Double(value) => self.out.push_str(&float(&number::general(*value))),
            Tree::Text(text) => self.scalar(text, indent, false),
            Tree::Time(moment) => self.out.push_str(moment),
            Tree::Seq(_) => self.out.push_str("[]"),
            Tree::Map(_) => self.out.push_str("{}"),
        }
    }
}

/// Whether a key may stand on the line of its value.
fn simple_key(key: &str) -> bool {
    !key.contains(is_break) && key.len() <= 128
}

fn float(text: &str) -> String {
    match text {
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        "NaN" => ".nan".to_owned(),
        _ => text.to_owned(),
    }
}
