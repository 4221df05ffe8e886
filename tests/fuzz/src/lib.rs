//! What is fuzzed: the pure parts of the agent, from its own source, without the SDKs that it is linked with.

#[path = "../../../src"]
mod agent {
    #[allow(unused_imports, reason = "some names are made for the rest of the agent")]
    pub mod compose;
    pub mod error;
    pub mod image_ref;
}

pub use agent::{compose, error, image_ref};

use compose::{Diagnostic, Position};

/// Variables that targets may use: one with a value, one that is empty, one with every character that means something.
pub fn variable(name: &str) -> Option<String> {
    let values = [("A", "a"), ("EMPTY", ""), ("ODD", "$A ${B} # ' \" \\ { } : - \n")];
    values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// A fault has a message and, where it has a place, one inside of the text (or just behind it).
///
/// # Panics
/// If not.
pub fn well_placed(fault: &Diagnostic, text: &[u8]) {
    assert!(!fault.message.is_empty());
    if let Some(position) = &fault.position {
        inside(position, text);
    }
}

/// A position is inside of a text or just behind it.
///
/// # Panics
/// If not.
pub fn inside(position: &Position, text: &[u8]) {
    // a file as a whole
    if position.line == 0 {
        return;
    }
    // a carriage return alone is a break for YAML, too
    let lines = text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    assert!(position.line as usize <= lines + 1, "{position} of {lines} lines");
    assert!(position.column >= 1 && position.column as usize <= text.len() + 1, "{position}");
}
