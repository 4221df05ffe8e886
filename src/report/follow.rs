//! `rolecall status --wait`: follows a run to its end, woken by the files that it writes and by its death.

use std::{
    io::Write,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::inotify,
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::{
    console,
    status::{State, Status},
};
use crate::{
    error::{Cause, Error, Result},
    execute::journal::{self, Event, Record},
    retry::seconds,
};

/// Waits until there is a run and it has ended; each step that ends is a line on `out`. `stale` says of a run that has
/// ended that another one is to come, which is then waited for.
///
/// # Errors
/// The status cannot be read, or the run died without saying how it ended.
pub fn until_end(path: &Path, out: &mut dyn Write, stale: impl Fn(&Status) -> bool) -> Result<Status> {
    let watch = Watch::new().map_err(|e| Error::io("watch", path, &e.into()))?;
    let mut told = 0;
    loop {
        watch.add(path);
        let status = Status::read(path)?;
        let mut run = None;
        let over = |status: &Status| status.state != State::Running && told == 0 && stale(status);
        if let Some(status) = status.as_ref().filter(|status| !over(status)) {
            // Watched before it is read, so that no line falls in between.
            watch.add(&status.journal);
            // Root's alone: whoever else follows a run has its status, without the steps.
            let records = journal::records(&status.journal).unwrap_or_default();
            told = tell(&records, status, told, out);
            if status.state != State::Running {
                return Ok(status.clone());
            }
            run = process(status.pid);
            if run.is_none() {
                // It may have ended between the two looks.
                return match Status::read(path)? {
                    Some(status) if status.state != State::Running => Ok(status),
                    _ => Err(died(status)),
                };
            }
        }
        watch.wait(run.as_ref()).map_err(|e| Error::io("watch", path, &e.into()))?;
    }
}

/// A run that is not there any more and did not say how it ended.
pub fn died(status: &Status) -> Error {
    Error::new(Cause::Interrupted, format!("the run (pid {}) ended without a result, killed or cut", status.pid))
        .step(status.doing.first().cloned().unwrap_or_else(|| "start".to_owned()))
        .hint("run it again: it goes on where it was (systemctl start rolecall.service)")
}

/// Whether the process of a run is still there.
pub fn process(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Tells the steps that have ended since the last look; the number of lines told in all.
fn tell(records: &[Record], status: &Status, told: usize, out: &mut dyn Write) -> usize {
    let lines: Vec<String> = records.iter().filter(|r| r.at >= status.started).filter_map(line).collect();
    for line in lines.iter().skip(told) {
        // Whoever reads may have gone away; the run goes on all the same.
        let _ = writeln!(out, "rolecall: {line}");
    }
    lines.len().max(told)
}

fn line(record: &Record) -> Option<String> {
    match &record.event {
        Event::Intent { name, attempt, .. } if *attempt > 1 => Some(format!("{name}: begun, attempt {attempt}")),
        Event::Intent { name, .. } => Some(format!("{name}: begun")),
        Event::Done { name, step, .. } if name.starts_with(journal::ENDED) || step.starts_with(journal::CONTENT) => {
            None
        }
        Event::Done { name, what, ms, .. } => {
            Some(format!("{name}: {what} in {}", seconds(std::time::Duration::from_millis(*ms))))
        }
        Event::Failed { name, message, .. } => Some(format!("{name}: failed: {message}")),
        Event::Run { source, roles, .. } => Some(format!("run of {source} with roles [{roles}]")),
        Event::Retry { what, cause, .. } => Some(format!("{what}: {cause}, trying again")),
        Event::Content { .. } | Event::End { .. } => None,
    }
}

/// Prints the status that is kept at `path`, and says which exit code it means.
pub fn print(status: &Status, path: &Path, json: bool, out: &mut dyn Write) -> u8 {
    let text = if json {
        serde_json::to_string_pretty(status).unwrap_or_default() + "\n"
    } else {
        console::status(status, path)
    };
    // A closed pipe is no failure of the run.
    let _ = out.write_all(text.as_bytes());
    status.exit.unwrap_or(0)
}

struct Watch(OwnedFd);

impl Watch {
    fn new() -> rustix::io::Result<Self> {
        inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).map(Self)
    }

    /// Watches the folder of `path`, or the nearest one above that is there.
    fn add(&self, path: &Path) {
        let flags = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::DELETE;
        for folder in path.ancestors().skip(1) {
            if inotify::add_watch(&self.0, folder, flags).is_ok() {
                break;
            }
        }
    }

    /// Sleeps until a watched file changes or the process ends.
    fn wait(&self, run: Option<&OwnedFd>) -> rustix::io::Result<()> {
        let mut fds = vec![PollFd::new(&self.0, PollFlags::IN)];
        if let Some(run) = run {
            fds.push(PollFd::from_borrowed_fd(run.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(err) => return Err(err),
        }
        // What happened is read from the files themselves; here it is only drained.
        let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        while reader.next().is_ok() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests;
