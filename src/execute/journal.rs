//! The journal: what was begun and what came of it, one checksummed line per event.
//!
//! A line is synced to disk before the side effect that it announces starts and after it has ended, so that a kill
//! or a power cut leaves at most one torn line, at the end, which is dropped. A damaged line elsewhere never stops a
//! boot: the file is set aside, said so, and whatever lines are whole are kept. No value of the project is ever
//! written here, only names, hashes and messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    error::{Cause, Error, Result},
    redact::mask,
};

/// Format of the lines; an agent reads its own and older ones.
pub const FORMAT: u32 = 1;

/// Above this size the lines of old runs are dropped when a run begins.
const COMPACT_BYTES: u64 = 256 * 1024;

/// How many runs stay when the journal is compacted.
const KEEP_RUNS: usize = 3;

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
        /// How long it took.
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
        /// How long the run took.
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

/// What earlier runs left behind.
#[derive(Debug, Default, Clone)]
pub struct Past {
    /// Steps that have ended well.
    pub done: BTreeSet<String>,
    /// Names of steps that were begun and have not ended well since.
    pub open: BTreeSet<String>,
    /// How often each step has been begun.
    pub attempts: BTreeMap<String, u32>,
    /// Whether this instance has run before.
    pub ran: bool,
}

/// The open journal of the run under way.
#[derive(Debug)]
pub struct Journal {
    /// None where nothing is written: `plan` only reads.
    file: Option<File>,
    path: PathBuf,
    past: Past,
}

impl Journal {
    /// Opens the journal for `instance`, and says what happened before. State of another instance (an image of a
    /// running box) is set aside, as is a damaged file.
    ///
    /// # Errors
    /// The folder or file cannot be written.
    pub fn open(path: &Path, instance: &str) -> Result<Self> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, &e))?;
        let (file, bytes) = match readable(path) {
            // A full disk is no fault of the journal's, and would not take another one either.
            Err(err) if err.cause != Cause::DiskFull => {
                let aside = aside(path, "unreadable");
                std::fs::rename(path, &aside).map_err(|_| err.clone())?;
                warn!("the journal is kept as {}, and a new one is begun: {err}", aside.display());
                readable(path)?
            }
            other => other?,
        };
        let mut journal = Self { file: Some(file), path: path.to_owned(), past: Past::default() };
        let (mut records, damaged) = decode(&bytes);
        let mut rewrite = false;
        match damaged {
            Damage::None => {}
            Damage::TornTail => {
                warn!("the journal ends in a torn line, as after a power cut; it is dropped");
                rewrite = true;
            }
            Damage::Inside(lines) => {
                let aside = journal.set_aside("damaged")?;
                warn!(
                    "{lines} lines of the journal are damaged; it is kept as {} and the rest is used",
                    aside.display()
                );
                rewrite = true;
            }
        }
        if let Some(other) = instance_of(&records).filter(|other| *other != instance) {
            let aside = journal.set_aside(other)?;
            warn!("the state of instance {other} is set aside as {}", aside.display());
            records.clear();
            rewrite = true;
        }
        if journal.size()? > COMPACT_BYTES {
            records = compact(&records);
            rewrite = true;
        }
        if rewrite {
            journal.rewrite(&records)?;
        }
        journal.past = replay(&records);
        Ok(journal)
    }

    /// A journal that knows what happened before and forgets what is written to it, for `plan`.
    ///
    /// # Errors
    /// The file exists but cannot be read.
    pub fn reading(path: &Path, instance: &str) -> Result<Self> {
        let mut records = records(path)?;
        if instance_of(&records).is_some_and(|other| other != instance) {
            records.clear();
        }
        Ok(Self { file: None, path: path.to_owned(), past: replay(&records) })
    }

    /// What earlier runs of this instance left behind.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Writes an event; `sync` makes sure that it is on the disk.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn write(&mut self, event: Event, sync: bool) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let line = encode(&Record { at: jiff::Timestamp::now(), event: masked(event) });
        let written = file.write_all(line.as_bytes());
        let result = if sync { written.and_then(|()| file.sync_data()) } else { written };
        result.map_err(|e| Error::io("write the journal", &self.path, &e))
    }

    fn size(&self) -> Result<u64> {
        std::fs::metadata(&self.path).map(|m| m.len()).map_err(|e| Error::io("read", &self.path, &e))
    }

    fn set_aside(&self, why: &str) -> Result<PathBuf> {
        let aside = aside(&self.path, why);
        std::fs::copy(&self.path, &aside).map_err(|e| Error::io("set aside", &self.path, &e))?;
        Ok(aside)
    }

    fn rewrite(&mut self, records: &[Record]) -> Result<()> {
        let text: String = records.iter().map(encode).collect();
        crate::host::files::write_atomic(&self.path, text.as_bytes(), 0o600)?;
        self.file = Some(appending(&self.path)?);
        Ok(())
    }
}

/// An event as anybody may read it. What tells steps apart is no text, and stays as it is.
fn masked(mut event: Event) -> Event {
    let texts = match &mut event {
        Event::Run { .. } | Event::End { .. } => Vec::new(),
        Event::Intent { name, .. } => vec![name],
        Event::Done { name, what, .. } => vec![name, what],
        Event::Failed { name, message, .. } => vec![name, message],
    };
    for text in texts {
        *text = mask(text).into_owned();
    }
    event
}

fn readable(path: &Path) -> Result<(File, Vec<u8>)> {
    let file = appending(path)?;
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
    Ok((file, bytes))
}

fn aside(path: &Path, why: &str) -> PathBuf {
    path.with_extension(format!("{why}.{}", jiff::Timestamp::now().as_second()))
}

fn appending(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path).map_err(|e| Error::io("open", path, &e))
}

/// What reading found wrong.
#[derive(Debug, PartialEq, Eq)]
enum Damage {
    None,
    TornTail,
    Inside(usize),
}

/// Reads the records of a journal without opening it for writing; damaged lines are left out.
///
/// # Errors
/// The file exists but cannot be read.
pub fn records(path: &Path) -> Result<Vec<Record>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(decode(&bytes).0),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(err) => Err(Error::io("read", path, &err)),
    }
}

/// What the records of earlier runs say.
pub fn replay(records: &[Record]) -> Past {
    let mut past = Past::default();
    for record in records {
        match &record.event {
            Event::Run { .. } => past.ran = true,
            Event::Intent { step, name, attempt } => {
                past.attempts.insert(step.clone(), *attempt);
                past.open.insert(name.clone());
            }
            Event::Done { step, name, .. } => {
                past.done.insert(step.clone());
                past.open.remove(name);
            }
            Event::Failed { .. } | Event::End { .. } => {}
        }
    }
    past
}

fn instance_of(records: &[Record]) -> Option<&str> {
    records.iter().rev().find_map(|r| match &r.event {
        Event::Run { instance, .. } => Some(instance.as_str()),
        _ => None,
    })
}

/// The last runs whole, and of older ones what a later run must know: which steps are done and how often begun.
fn compact(records: &[Record]) -> Vec<Record> {
    let starts: Vec<usize> =
        records.iter().enumerate().filter(|(_, r)| matches!(r.event, Event::Run { .. })).map(|(i, _)| i).collect();
    let keep_from = starts.iter().rev().nth(KEEP_RUNS - 1).copied().unwrap_or(0);
    let mut seen = BTreeSet::new();
    let mut old: Vec<Record> = records[..keep_from]
        .iter()
        .rev()
        .filter(|r| match &r.event {
            Event::Intent { step, .. } => seen.insert((0, step.clone())),
            Event::Done { step, .. } => seen.insert((1, step.clone())),
            _ => false,
        })
        .cloned()
        .collect();
    old.reverse();
    old.extend_from_slice(&records[keep_from..]);
    old
}

fn encode(record: &Record) -> String {
    // Serialising these plain types cannot fail; an empty line would be dropped by the reader.
    let body = serde_json::to_string(record).unwrap_or_default();
    format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()))
}

fn decode(bytes: &[u8]) -> (Vec<Record>, Damage) {
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
        [last] if *last + 1 == lines.len() => Damage::TornTail,
        several => Damage::Inside(several.len()),
    };
    (records, damage)
}

fn decode_line(line: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, body) = text.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (sum == crc32fast::hash(body.as_bytes())).then(|| serde_json::from_str(body).ok())?
}

#[cfg(test)]
mod tests;
