//! The lines of the journal: events, when they were written, and a checksum over both.

use serde::{Deserialize, Serialize};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run began.
    Run {
        /// Format of the lines that follow.
        format: u32,
        /// Version of the agent.
        agent: String,
        /// Boot of the kernel, to tell a reboot from a restart.
        boot: String,
        /// Instance whose state this is.
        instance: String,
        /// Source, as it may be printed.
        source: String,
        /// Roles as given.
        roles: String,
        /// Hash over instance, source, roles and environment.
        #[serde(default)]
        input: String,
        /// What earlier runs have spent on that input without getting ready, in milliseconds.
        #[serde(default)]
        spent_ms: u64,
    },
    /// The project was fetched.
    Content {
        /// Checksum over all that was fetched.
        digest: String,
        /// Time since the run began, in milliseconds.
        ms: u64,
    },
    /// Something outside did not answer, and is asked again.
    Retry {
        /// What is attempted.
        what: String,
        /// Stable cause.
        cause: String,
        /// Time since the run began, in milliseconds.
        ms: u64,
    },
    /// A step is about to change something.
    Intent {
        /// Hash of the step's rendered input.
        step: String,
        /// Its name.
        name: String,
        /// How often it has been begun for this instance, this time included.
        attempt: u32,
    },
    /// A step has ended well.
    Done {
        /// Hash of the step's rendered input.
        step: String,
        /// Its name.
        name: String,
        /// What it changed.
        what: String,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// A step has failed.
    Failed {
        /// Hash of the step's rendered input.
        step: String,
        /// Its name.
        name: String,
        /// Stable cause.
        cause: String,
        /// For a human.
        message: String,
    },
    /// A run has ended.
    End {
        /// Exit code.
        exit: u8,
        /// How many steps changed something.
        changed: usize,
        /// How long the run took, in milliseconds.
        ms: u64,
    },
}

/// An event and when it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// UTC.
    pub at: jiff::Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What reading found wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Damage {
    None,
    TornTail,
    Inside(usize),
}

/// A record as a line.
pub(super) fn encode(record: &Record) -> String {
    // Serialising these plain types cannot fail; an empty line would be dropped by the reader.
    let body = serde_json::to_string(record).unwrap_or_default();
    format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()))
}

/// The records of a journal, and what is wrong with it; damaged lines are left out.
pub(super) fn decode(bytes: &[u8]) -> (Vec<Record>, Damage) {
    let mut records = Vec::new();
    let mut bad = Vec::new();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    for (number, line) in lines.iter().enumerate() {
        match decode_line(line) {
            Some(record) => records.push(record),
            None => bad.push(number),
        }
    }
    let damage = match bad.as_slice() {
        [] => Damage::None,
        // What was never a line of text was not torn.
        [last] if *last + 1 == lines.len() && (*last > 0 || std::str::from_utf8(bytes).is_ok()) => Damage::TornTail,
        several => Damage::Inside(several.len()),
    };
    (records, damage)
}

/// The record of one line, unless it is damaged.
pub(super) fn decode_line(line: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, body) = text.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (sum == crc32fast::hash(body.as_bytes())).then(|| serde_json::from_str(body).ok())?
}
