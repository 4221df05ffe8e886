//! What the records of earlier runs say. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::event::{Event, Record};

/// How many runs stay when the journal is compacted.
pub(super) const KEEP_RUNS: usize = 3;

/// A run that begins this long after the last sign of the one before it is nobody's loop: somebody came back to it.
const PAUSE: Duration = Duration::from_hours(1);

/// Begin of the name of a record that a container was seen to end with 0. The step is the container's id.
pub const ENDED: &str = "ended:";

/// Begin of the step of a record that a script of this content has ended well, whatever its name: the checksum follows.
pub const CONTENT: &str = "content:";

/// What version 0.1.0 wrote when a wait for a service had come to its end.
const REACHED: &str = "reached";

/// The service of a record of version 0.1.0 that it was ready.
fn ready_in_0_1_0<'a>(name: &'a str, what: &str) -> Option<&'a str> {
    let (kind, service) = name.split_once(':').filter(|_| what == REACHED)?;
    matches!(kind, "ready" | "healthy" | "completed").then_some(service)
}

/// What earlier runs left behind.
#[derive(Debug, Default, Clone)]
pub struct Past {
    /// Steps that have ended well.
    pub done: BTreeSet<String>,
    /// Names of steps that were begun and have not ended well since.
    pub open: BTreeSet<String>,
    /// How often each step has been begun since it last ended well.
    pub attempts: BTreeMap<String, u32>,
    /// Until when version 0.1.0 saw each service ready: the end of its last run that did.
    pub ready_in_0_1_0: BTreeMap<String, Timestamp>,
    /// Whether this instance has run before.
    pub ran: bool,
    /// What was spent in vain.
    pub effort: Effort,
}

/// The time that runs on one input have spent without getting ready. It survives restarts, so that a loop of reboots or
/// restarts does not begin its patience anew each time.
#[derive(Debug, Default, Clone)]
pub struct Effort {
    input: String,
    content: Option<String>,
    /// Of the runs before the last one.
    before: Duration,
    /// When, in the last run, its time began to count.
    since: Duration,
    spent: Duration,
    last: Option<Timestamp>,
}

impl Effort {
    /// What earlier runs have spent on `input`, for a run that begins now. Nothing where the last of them was ready,
    /// worked on something else, or ended an hour ago.
    pub fn on(&self, input: &str, now: Timestamp) -> Duration {
        let pause = self.last.map(|last| Duration::try_from(now.duration_since(last)).unwrap_or_default());
        let same = self.input == input && pause.is_some_and(|pause| pause < PAUSE);
        if same { self.spent } else { Duration::ZERO }
    }

    /// Whether runs on the same input have fetched another content than this.
    pub fn differs(&self, input: &str, digest: &str) -> bool {
        self.input == input && self.content.as_deref().is_some_and(|known| known != digest)
    }

    fn note(&mut self, record: &Record) {
        self.last = Some(record.at);
        match &record.event {
            Event::Run { input, spent_ms, .. } => {
                if *input != self.input {
                    self.content = None;
                }
                self.input.clone_from(input);
                self.before = Duration::from_millis(*spent_ms);
                self.since = Duration::ZERO;
                self.spent = self.before;
            }
            Event::Content { digest, ms } => {
                if self.content.as_ref().is_some_and(|known| known != digest) {
                    (self.before, self.spent) = (Duration::ZERO, Duration::ZERO);
                    self.since = Duration::from_millis(*ms);
                }
                self.content = Some(digest.clone());
            }
            Event::End { exit: 0, .. } => self.spent = Duration::ZERO,
            // A run that was killed has spent at least the time until its last failure.
            Event::Retry { ms, .. } | Event::End { ms, .. } => {
                self.spent = self.before + Duration::from_millis(*ms).saturating_sub(self.since);
            }
            Event::Intent { .. } | Event::Done { .. } | Event::Failed { .. } => {}
        }
    }
}

/// What the records of earlier runs say.
pub fn replay(records: &[Record]) -> Past {
    let mut past = Past::default();
    // Of the run that the records are of.
    let mut ready: Vec<&str> = Vec::new();
    for record in records {
        past.effort.note(record);
        match &record.event {
            Event::Run { .. } => {
                past.ran = true;
                ready.clear();
            }
            Event::Intent { step, name, attempt } => {
                past.attempts.insert(step.clone(), *attempt);
                past.open.insert(name.clone());
            }
            Event::Done { step, name, what, .. } => {
                if let Some(service) = ready_in_0_1_0(name, what) {
                    past.ready_in_0_1_0.insert(service.to_owned(), record.at);
                    ready.push(service);
                }
                past.done.insert(step.clone());
                past.attempts.remove(step);
                past.open.remove(name);
            }
            Event::End { exit: 0, .. } => {
                past.ready_in_0_1_0.extend(ready.drain(..).map(|service| (service.to_owned(), record.at)));
            }
            Event::Content { .. } | Event::Retry { .. } | Event::Failed { .. } | Event::End { .. } => {}
        }
    }
    past
}

/// The instance whose records these are.
pub(super) fn instance_of(records: &[Record]) -> Option<&str> {
    records.iter().rev().find_map(|r| match &r.event {
        Event::Run { instance, .. } => Some(instance.as_str()),
        _ => None,
    })
}

/// The last runs whole, and of older ones only what a later run asks for, so that a host that is deployed to for years has a
/// small journal.
pub(super) fn compact(records: &[Record]) -> Vec<Record> {
    let starts = records.iter().enumerate().filter(|(_, record)| matches!(record.event, Event::Run { .. }));
    let starts: Vec<usize> = starts.map(|(index, _)| index).collect();
    let keep_from = starts.iter().rev().nth(KEEP_RUNS - 1).copied().unwrap_or(0);
    let mut kept = lasting(&records[..keep_from]);
    kept.extend_from_slice(&records[keep_from..]);
    kept
}

/// The same without any run but for the begin of the last one: for runs that are larger than any of ours.
pub(super) fn without_runs(records: &[Record]) -> Vec<Record> {
    let mut kept = lasting(records);
    kept.extend(records.iter().rfind(|record| matches!(record.event, Event::Run { .. })).cloned());
    kept
}

/// What has no other witness than the journal, the last record of each: scripts and upgrades that ended or were begun, and
/// one-shots that were seen to end. Of containers, those whose start was begun and did not end. All else is seen from the
/// host.
fn lasting(records: &[Record]) -> Vec<Record> {
    let mut seen = BTreeSet::new();
    let mut kept: Vec<Record> = records
        .iter()
        .rev()
        .filter(|record| match &record.event {
            Event::Intent { step, name, .. } if by_journal_alone(name) => seen.insert((0, step.clone())),
            Event::Done { step, name, .. } if by_journal_alone(name) => seen.insert((1, step.clone())),
            Event::Done { name, what, .. } if name.starts_with(ENDED) || ready_in_0_1_0(name, what).is_some() => {
                seen.insert((2, name.clone()))
            }
            Event::Intent { name, .. } if name.starts_with("start:") => seen.insert((3, name.clone())),
            Event::Done { name, .. } if name.starts_with("start:") => {
                seen.insert((3, name.clone()));
                false
            }
            _ => false,
        })
        .cloned()
        .collect();
    kept.reverse();
    kept
}

/// Whether only the journal knows that a step has ended.
fn by_journal_alone(name: &str) -> bool {
    name == "upgrade" || name.starts_with("script:")
}
