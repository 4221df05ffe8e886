//! What is fuzzed: the pure parts of the agent, from its own source, without the SDKs that it is linked with.

#[path = "../../../src"]
#[allow(dead_code, unused_imports, reason = "some names are made for the rest of the agent")]
mod agent {
    pub mod compose;
    pub mod error;
    pub mod image_ref;
    pub mod paths;
    pub mod printable;
    pub mod redact;
    pub mod settings;

    pub mod execute {
        pub mod journal;
    }

    pub mod facts {
        mod known;
        mod render;

        pub use known::{Facts, TagsOrigin};
        pub use render::{Format, Variables};

        /// Reads a text as each of the answers of metadata.
        ///
        /// # Panics
        /// If a key leaves its segment of the path.
        pub fn read(text: &str) {
            let _ = known::Document::read(text);
            if let Some(profile) = known::profile(text) {
                let _ = known::role_arn(&profile, "role");
            }
            let _ = known::role_arn(text, text);
            let _ = known::region_of_zone(text);
            for key in known::keys(text) {
                let segment = known::encoded(&key);
                assert!(
                    !segment.is_empty() && segment.is_ascii() && !segment.contains(['/', '?', '#', ' ']),
                    "{segment}"
                );
            }
        }
    }

    pub mod fetch {
        pub mod content;
        mod path;

        /// Takes texts for names of files, in each of the ways in which they come.
        ///
        /// # Panics
        /// If one that is accepted leads out of its folder.
        pub fn names(texts: &[&str]) {
            let inside = |name: &std::path::Path| {
                let mut parts = name.components();
                let normal = parts.all(|part| matches!(part, std::path::Component::Normal(_)));
                assert!(normal && name.components().count() > 0, "{name:?}");
            };
            for text in texts {
                path::relative(text).iter().for_each(|name| inside(name));
                path::beside(text).iter().for_each(|name| inside(name.as_ref()));
            }
            if let Ok(names) = path::names("p/", texts.iter().copied()) {
                names.keys().for_each(|name| inside(name.as_ref()));
            }
        }
    }

    pub mod host {
        pub mod files;
    }
}

pub use agent::{compose, error, execute, facts, fetch, host, image_ref, paths, printable, redact, settings};

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
