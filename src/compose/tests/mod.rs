//! Properties of the parts and of the whole, on input that nobody wrote by hand.

mod files;
mod interpolation;
mod merging;
mod units;
mod whole;

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use crate::compose::error::{Diagnostic, Position};
use crate::compose::node::Node;
use crate::compose::yaml;

/// Fewer cases than proptest's 256, for what is slow in a build without optimisation.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: count, ..ProptestConfig::default() }
}

fn parsed(text: &str) -> Result<Node, Diagnostic> {
    let place = Position::new(&Arc::from(Path::new("f.yaml")), 1, 1);
    let read = yaml::parse(&place.file, text.as_bytes(), yaml::Budget::default());
    read.map(|node| node.unwrap_or_else(|| Node::null(&place)))
}

/// The tree of JSON, which YAML reads as it is.
fn tree(json: &serde_json::Value) -> Node {
    parsed(&json.to_string()).unwrap()
}

/// Any text that a file may hold, with much of what means something to somebody.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,20}",
        "[ -~]{0,20}",
        "[-$#'\"\\\\{}:,& *!|>%@`?=\n\t\\[\\]~a0]{0,12}",
        "(yes|no|on|null|~|true|1|0x1F|1e3|1:30|2024-01-01|0|\\.5|\\.inf|=|<<|)",
    ]
}

/// Whether a place is one of a text, or just behind it.
fn is_inside(position: &Position, text: &str) -> bool {
    let lines: Vec<&str> = text.split('\n').collect();
    let Some(line) = (position.line as usize).checked_sub(1) else { return false };
    let within = |line: &str| (position.column as usize) <= line.chars().count() + 1;
    position.column > 0
        && if line == lines.len() { position.column == 1 } else { lines.get(line).is_some_and(|l| within(l)) }
}
