//! The journal: what was begun and what came of it, one checksummed line per event.
//!
//! A line is synced to disk before the side effect that it announces starts and after it has ended, so that a kill
//! or a power cut leaves at most one torn line, at the end, which is dropped. A damaged line elsewhere never stops a
//! boot: the file is set aside, said so, and whatever lines are whole are kept. No value of the project is ever
//! written here, only names, hashes and messages.

mod event;
mod past;

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tracing::warn;

use crate::{
    error::{Cause, Error, Result},
    host::files,
    redact::mask,
};
use event::{Damage, decode, decode_line, encode};
pub use event::{Event, Record};
pub use past::{CONTENT, ENDED, Effort, Past, replay};
use past::{compact, instance_of, without_runs};

/// Format of the lines; an agent reads its own and older ones.
pub const FORMAT: u32 = 1;

/// Above this size the lines of old runs are dropped when a run begins.
const COMPACT_BYTES: u64 = 256 * 1024;

/// A file above this is read line by line, and old runs are left out on the way.
const WHOLE_BYTES: u64 = 8 * 1024 * 1024;

/// A file above this is no journal of ours.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// No line of ours is longer.
const LINE_BYTES: u64 = 1024 * 1024;

/// So many records are kept in memory before old runs are left out.
const MOST_RECORDS: usize = 50_000;

/// The open journal of the run under way.
#[derive(Debug)]
pub struct Journal {
    /// None where nothing is written: `plan` only reads, and a disk may take nothing any more.
    file: Option<File>,
    /// Why events are not on the disk.
    lost: Option<Error>,
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
        files::create_private(parent)?;
        let (file, (mut records, damaged)) = match readable(path) {
            // A full disk is no fault of the journal's, and would not take another one either.
            Err(err) if err.cause != Cause::DiskFull => {
                let aside = aside(path, "unreadable");
                std::fs::rename(path, &aside).map_err(|_| err.clone())?;
                warn!("the journal is kept as {}, and a new one is begun: {err}", aside.display());
                readable(path)?
            }
            other => other?,
        };
        let mut journal = Self { file: Some(file), lost: None, path: path.to_owned(), past: Past::default() };
        let mut rewrite = true;
        if let Some(newer) = newer(&mut records) {
            let aside = journal.set_aside("newer")?;
            warn!(
                "the journal is of a newer version (format {newer}, this one knows {FORMAT}); it is kept as {}, and what \
                 is understood of it is used",
                aside.display()
            );
        } else {
            match damaged {
                Damage::None => rewrite = false,
                Damage::TornTail => warn!("the journal ends in a torn line, as after a power cut; it is dropped"),
                Damage::Inside(lines) => {
                    let aside = journal.set_aside("damaged")?;
                    let kept = aside.display();
                    warn!("{lines} lines of the journal are damaged; it is kept as {kept} and the rest is used");
                }
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

    /// A journal that knows what happened before and forgets what is written to it, for `plan`. One that cannot be read
    /// counts as empty, as a run would have it.
    pub fn reading(path: &Path, instance: &str) -> Self {
        let mut records = records(path).unwrap_or_else(|err| {
            warn!("a run would set the journal aside: {err}");
            Vec::new()
        });
        if instance_of(&records).is_some_and(|other| other != instance) {
            records.clear();
        }
        Self { file: None, lost: None, path: path.to_owned(), past: replay(&records) }
    }

    /// The same for a run whose state folder takes no journal, for the given reason: what is on the host is started all
    /// the same.
    pub fn in_memory(path: &Path, instance: &str, why: Error) -> Self {
        warn!("the journal is kept in memory: {why}");
        Self { lost: Some(why), ..Self::reading(path, instance) }
    }

    /// Why events are not on the disk, if they are not.
    pub fn lost(&self) -> Option<&Error> {
        self.lost.as_ref()
    }

    /// What earlier runs of this instance left behind.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Writes an event; `sync` makes sure that it is on the disk. One that the disk does not take is lost, and so are
    /// those after it ([`Journal::lost`]): a torn line in between would hide them.
    pub fn write(&mut self, event: Event, sync: bool) {
        let Some(file) = &mut self.file else { return };
        let line = encode(&Record { at: jiff::Timestamp::now(), event: masked(event) });
        let written = file.write_all(line.as_bytes());
        let result = if sync { written.and_then(|()| file.sync_data()) } else { written };
        if let Err(err) = result {
            let err = Error::io("write the journal", &self.path, &err);
            warn!("the journal goes on in memory: {err}");
            self.file = None;
            self.lost = Some(err);
        }
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
        files::write_atomic(&self.path, text.as_bytes(), 0o600)?;
        self.file = Some(appending(&self.path)?);
        Ok(())
    }
}

/// An event as anybody may read it. What tells steps apart is no text, and stays as it is.
fn masked(mut event: Event) -> Event {
    let texts = match &mut event {
        Event::Run { .. } | Event::Content { .. } | Event::End { .. } => Vec::new(),
        Event::Retry { what, .. } => vec![what],
        Event::Intent { name, .. } => vec![name],
        Event::Done { name, what, .. } => vec![name, what],
        Event::Failed { name, message, .. } => vec![name, message],
    };
    for text in texts {
        *text = mask(text).into_owned();
    }
    event
}

fn readable(path: &Path) -> Result<(File, (Vec<Record>, Damage))> {
    // Looked at first: a pipe in its place would be waited for when it is opened.
    let loaded = load(path)?;
    Ok((appending(path)?, loaded))
}

fn appending(path: &Path) -> Result<File> {
    let open = || {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        // Version 0.1.0 made one that everybody could read.
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(file)
    };
    open().map_err(|err| Error::io("open", path, &err))
}

/// The records of a journal, and what is wrong with it. Of one that old runs have made large, what counts is read.
fn load(path: &Path) -> Result<(Vec<Record>, Damage)> {
    let refused = |what: &str| Err(Error::new(Cause::Io, format!("could not read {}: {what}", path.display())));
    match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() => refused("it is not a file"),
        Ok(meta) if meta.len() > MOST_BYTES => refused("it is far too large for a journal"),
        Ok(meta) if meta.len() > WHOLE_BYTES => by_line(path).map_err(|err| Error::io("read", path, &err)),
        _ => Ok(decode(&files::read(path)?.unwrap_or_default())),
    }
}

fn by_line(path: &Path) -> std::io::Result<(Vec<Record>, Damage)> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut records, mut bad, mut line) = (Vec::new(), 0, Vec::new());
    while reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)? > 0 {
        match decode_line(&line) {
            Some(record) => records.push(record),
            None => bad += 1,
        }
        line.clear();
        if records.len() > MOST_RECORDS {
            records = compact(&records);
        }
        if records.len() > MOST_RECORDS {
            records = without_runs(&records);
        }
    }
    Ok((records, if bad == 0 { Damage::None } else { Damage::Inside(bad) }))
}

/// A free name beside the journal. `why` may come from the journal itself, so it is made fit for a name.
fn aside(path: &Path, why: &str) -> PathBuf {
    let fit = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let why: String = why.chars().map(fit).take(64).collect();
    let now = jiff::Timestamp::now().as_second();
    let names = (0..).map(|n| if n == 0 { format!("{why}.{now}") } else { format!("{why}.{now}.{n}") });
    let free = names.map(|name| path.with_extension(name)).find(|aside| aside.symlink_metadata().is_err());
    free.unwrap_or_else(|| path.with_extension(&why))
}

/// The format of a newer agent's records, which count as ours from now on.
fn newer(records: &mut [Record]) -> Option<u32> {
    let formats = records.iter_mut().filter_map(|record| match &mut record.event {
        Event::Run { format, .. } if *format > FORMAT => Some(std::mem::replace(format, FORMAT)),
        _ => None,
    });
    formats.max()
}

/// Reads the records of a journal without opening it for writing; damaged lines are left out.
///
/// # Errors
/// The file exists but cannot be read.
pub fn records(path: &Path) -> Result<Vec<Record>> {
    load(path).map(|(records, _)| records)
}

#[cfg(test)]
mod tests;
