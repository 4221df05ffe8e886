//! The main thread watches over the one that does the work: a run ends at a signal and after its deadline even if it is
//! blocked, such as by a mount whose server does not answer.
//!
//! The work is on the other thread since the kernel hands a signal to the main one, and wakes no other if that one
//! sleeps where only KILL is heard.

use std::{
    future::pending,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::OnceLock,
    thread,
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep_until},
};

use super::{bug, console};
use crate::error::{Cause, Error, Result};

/// How long the run has to end by itself after a signal.
const GRACE: Duration = Duration::from_secs(5);

/// Stack of the working thread, in bytes: as much as Linux gives a main thread.
const STACK: usize = 8 * 1024 * 1024;

/// To the watching thread; empty if nobody watches, as in a test.
static WATCHER: OnceLock<UnboundedSender<Event>> = OnceLock::new();

enum Event {
    /// A run begins: where its status is, and when it must be over.
    Run(PathBuf, Instant),
    /// It is over.
    Over,
    /// The process may end.
    Exit(ExitCode),
}

/// Does `work` on a thread of its own and watches over it; its exit code.
///
/// # Errors
/// No thread can be had.
pub fn supervise(work: impl FnOnce() -> ExitCode + Send + 'static) -> Result<ExitCode> {
    let failed = |err: std::io::Error| Error::new(Cause::Io, format!("could not start a thread: {err}"));
    let (sender, events) = unbounded_channel();
    let report = sender.clone();
    // A process supervises once.
    let _ = WATCHER.set(sender);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    thread::Builder::new()
        .name("rolecall".to_owned())
        .stack_size(STACK)
        .spawn(move || report.send(Event::Exit(work())))
        .map_err(failed)?;
    Ok(runtime.block_on(watch(events)))
}

/// A run that is watched for as long as this is held.
pub struct Guard(());

impl Guard {
    /// Ends the process, with its status at `path`, if the run is not over within `limit`, or within five seconds after
    /// SIGTERM or SIGINT.
    pub fn watch(path: &Path, limit: Duration) -> Self {
        send(Event::Run(path.to_owned(), Instant::now() + limit));
        Self(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        send(Event::Over);
    }
}

fn send(event: Event) {
    if let Some(watcher) = WATCHER.get() {
        // It ends after the work does.
        let _ = watcher.send(event);
    }
}

/// A run, as it is watched.
struct Watched {
    path: PathBuf,
    /// When it must be over, and why.
    end: Instant,
    why: Error,
    signals: Option<(Signal, Signal)>,
}

async fn watch(mut events: UnboundedReceiver<Event>) -> ExitCode {
    let mut watched: Option<Watched> = None;
    loop {
        let end = watched.as_ref().map(|run| run.end);
        let asked = watched.as_mut().and_then(|run| run.signals.as_mut());
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Run(path, end)) => {
                    let why = Error::new(Cause::Deadline, "could not end the run at its deadline: it is blocked");
                    let signals = signal(SignalKind::terminate()).ok().zip(signal(SignalKind::interrupt()).ok());
                    watched = Some(Watched { path, end, why, signals });
                }
                Some(Event::Over) => watched = None,
                Some(Event::Exit(code)) => return code,
                // The working thread has panicked, and its hook has told it.
                None => return ExitCode::FAILURE,
            },
            name = received(asked) => if let Some(run) = &mut watched {
                let message = format!("could not end the run within {} s of {name}: it is blocked", GRACE.as_secs());
                (run.why, run.end, run.signals) = (Error::new(Cause::Interrupted, message), Instant::now() + GRACE, None);
            },
            () = reached(end) => if let Some(run) = watched.take() {
                let hint = "look for a mount whose server does not answer (findmnt, dmesg); then run it again";
                return give_up(&run.path, &run.why.hint(hint));
            },
        }
    }
}

async fn received(signals: Option<&mut (Signal, Signal)>) -> &'static str {
    match signals {
        Some((term, int)) => tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        },
        None => pending().await,
    }
}

async fn reached(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => pending().await,
    }
}

/// The verdict over a run that cannot speak for itself. The process ends with the main thread.
fn give_up(path: &Path, err: &Error) -> ExitCode {
    bug::fail(path, err);
    console::write(&console::failure(err, Some(path)));
    ExitCode::from(err.exit() as u8)
}
