//! What a run and a bake have in common: the lock, the deadline, the status and the journal around the work.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::{need_root, real, restart_delay::RestartDelay, stages::Session};
use crate::{
    error::{Cause, Error, Result},
    execute::{
        Summary,
        journal::{self, Event, Journal},
    },
    facts::Facts,
    host::{files, lock::RunLock},
    paths::Paths,
    report::{
        console, follow,
        guard::Guard,
        reporter::Reporter,
        status::{State, Status},
    },
    retry::{millis, seconds},
    settings::{Flags, Input, STATE_DIR},
    world::World,
};

/// How long after its deadline a run may take to end.
const OVERDUE: Duration = Duration::from_secs(60);

/// Does `work` as the one command that may be under way, within its deadline, and tells what came of it: the exit code.
/// `done` is what the machine is then.
///
/// # Errors
/// Only what keeps it from beginning: usage, no root, another run. Any later failure is reported and becomes the
/// exit code.
pub(super) async fn alone(
    flags: &Flags,
    (command, done): (&str, &str),
    work: impl AsyncFnOnce(Session, &Rc<RefCell<Reporter>>) -> Result<Summary>,
) -> Result<u8> {
    let ready = || {
        let (world, settings) = real::open(flags)?;
        need_root(command)?;
        let lock = RunLock::take_for(&settings.paths.lock(), command)?;
        Ok((world, settings, lock))
    };
    let (world, settings, mut lock) = ready().inspect_err(not_begun)?;
    let (paths, restart_delay) = (settings.paths.clone(), RestartDelay::of(&settings));
    if let Some((wait, why)) = restart_delay.due(&world).await {
        // Whoever starts a run by hand meanwhile has the lock at once.
        drop(lock);
        held_back(&world, &paths, wait, why).await.inspect_err(not_begun)?;
        lock = RunLock::take_for(&paths.lock(), command).inspect_err(not_begun)?;
    }
    let _lock = lock;
    // Version 0.1.0 let everybody read there. A journal shows that the folder is ours.
    if paths.journal().exists()
        && let Err(err) = files::make_private(&paths.state)
    {
        warn!("{err}");
    }
    // Under the lock nobody else writes there.
    paths.written().iter().for_each(|folder| files::sweep(folder));
    let clock = Rc::clone(&world.clock);
    let start = clock.now();
    let reporter = Rc::new(RefCell::new(Reporter::begin(&paths.status(), paths.journal())));
    let deadline = settings.deadline;
    let _guard = Guard::watch(&paths.status(), deadline + OVERDUE);
    let session = Session::begin(world, settings);
    let result = tokio::select! {
        result = work(session, &reporter) => result,
        err = stopped() => Err(err),
        () = clock.sleep(deadline + OVERDUE) => Err(overdue(deadline, &reporter.borrow().status().doing)),
    };
    restart_delay.note(&result);
    let exit = reporter.borrow_mut().end(&result);
    let took = seconds(clock.now().saturating_sub(start));
    match &result {
        Ok(summary) if summary.changed == 0 => info!("{done}: nothing to do, took {took}"),
        Ok(summary) => info!("{done}: {} steps changed something, took {took}", summary.changed),
        Err(err) => console::write(&console::failure(err, Some(&paths.status()))),
    }
    Ok(exit)
}

/// Whether systemd itself executed this process, as the command of a unit: its children inherit the variable, and are other
/// processes (systemd.exec(5), since version 248).
pub(super) fn is_of_unit() -> bool {
    std::env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == std::process::id().to_string())
}

/// Waits before a run; the status says so, and a signal ends it.
async fn held_back(world: &World, paths: &Paths, wait: Duration, why: String) -> Result<()> {
    info!("{why}; `systemctl restart rolecall` does not wait");
    Reporter::begin(&paths.status(), paths.journal()).update(|status| status.doing = vec![why]);
    tokio::select! {
        () = world.clock.sleep(wait) => Ok(()),
        err = stopped() => Err(err),
    }
}

/// Has those who follow the unit see why its run did not begin. Of one from a shell, or where another is under way, they
/// see nothing.
pub fn not_begun(err: &Error) {
    if is_of_unit() && err.cause != Cause::Locked {
        let paths = Paths::from_env(STATE_DIR.as_ref());
        let runs = |status: &Status| status.pid != std::process::id() && follow::process(status.pid).is_some();
        let other = |status: &Status| status.state == State::Running && runs(status);
        if !Status::read(&paths.status()).is_ok_and(|status| status.is_some_and(|status| other(&status))) {
            Reporter::begin(&paths.status(), paths.journal()).end(&Err(err.clone()));
        }
    }
}

/// Tells what is known from now on.
pub(super) fn known(reporter: &Rc<RefCell<Reporter>>, facts: &Facts, input: &Input) {
    reporter.borrow_mut().update(|status| {
        status.instance = Some(facts.instance_id.clone());
        status.source = Some(input.source.to_string());
        status.roles = Some(input.roles_text.clone());
        status.doing = vec!["fetch".to_owned()];
    });
}

/// Does `work` under the journal of this instance; `key` names the input that time is counted for.
///
/// # Errors
/// Those of the work; once it is done, that the journal could not be written.
pub(super) async fn journaled(
    mut session: Session,
    (facts, input, key): (&Facts, &Input, &str),
    work: impl AsyncFnOnce(&Session, &Rc<RefCell<Journal>>) -> Result<Summary>,
) -> Result<Summary> {
    let path = session.paths.journal();
    let opened = Journal::open(&path, &facts.instance_id);
    let mut journal = opened.unwrap_or_else(|err| Journal::in_memory(&path, &facts.instance_id, err));
    if !journal.past().ran {
        session = session.settling();
    }
    let spent = journal.past().effort.on(key, jiff::Timestamp::now());
    journal.write(begun(facts, input, key, spent), false);
    let journal = Rc::new(RefCell::new(journal));
    session = with_patience(session, spent, &journal);
    let result = work(&session, &journal).await;
    let end = Event::End {
        exit: result.as_ref().err().map_or(0, |err| err.exit() as u8),
        changed: result.as_ref().map_or(0, |summary| summary.changed),
        ms: millis(session.elapsed()),
    };
    // A run that changed nothing leaves nothing that a power cut could take.
    let sync = result.as_ref().map_or(true, |summary| summary.changed > 0);
    journal.borrow_mut().write(end, sync);
    // What is on the host runs; now it is said what is wrong with it. Why the run failed matters more.
    let lost = journal.borrow().lost().cloned();
    result.and_then(|summary| lost.map_or(Ok(summary), |err| Err(err.step("journal"))))
}

/// The session with what earlier runs have left of the time for waiting. Each failure that is waited out is noted, so
/// that the time is known also of a run that is cut.
fn with_patience(session: Session, spent: Duration, journal: &Rc<RefCell<Journal>>) -> Session {
    let deadline = session.settings.deadline;
    let mut patience = deadline.saturating_sub(spent);
    // A run gives up once its next wait would take it past its deadline, so a little is always left.
    if patience < deadline / 10 {
        patience = Duration::ZERO;
        let (spent, deadline) = (seconds(spent), seconds(deadline));
        warn!(
            "runs on this input have tried for {spent} of {deadline} in vain: each request has one try until a run is \
             ready, the project is another one, or an hour has passed without a run"
        );
    }
    let mut session = if spent.is_zero() { session } else { session.patient(Some(patience)) };
    let (noted, timer) = (Rc::clone(journal), session.clone());
    let witness = move |what: &str, err: &Error| {
        let (what, cause) = (what.to_owned(), err.cause.code().to_owned());
        noted.borrow_mut().write(Event::Retry { what, cause, ms: millis(timer.elapsed()) }, false);
    };
    session.retry = session.retry.witnessed(Rc::new(witness));
    session
}

fn begun(facts: &Facts, input: &Input, key: &str, spent: Duration) -> Event {
    Event::Run {
        format: journal::FORMAT,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        boot: std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        instance: facts.instance_id.clone(),
        source: input.source.to_string(),
        roles: input.roles_text.clone(),
        input: key.to_owned(),
        spent_ms: millis(spent),
    }
}

/// Every wait has a limit of its own within the deadline; this one is for whatever should ever be forgotten.
fn overdue(deadline: Duration, doing: &[String]) -> Error {
    let message = format!("the run was not over {} after its deadline of {}", seconds(OVERDUE), seconds(deadline));
    let err = Error::new(Cause::Deadline, message).hint("run it again, with a longer --deadline if it needs more time");
    err.step(doing.first().map_or("start", String::as_str))
}

/// Ends with an error when the run is asked to stop.
async fn stopped() -> Error {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    let name = tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    };
    Error::new(Cause::Interrupted, format!("stopped by {name}")).hint("run it again: it goes on where it was")
}
