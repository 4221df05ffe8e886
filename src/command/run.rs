//! `rolecall run`: the whole way, under the lock, the journal and the deadline.

use std::{cell::RefCell, path::Path, rc::Rc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::{need_root, real, stages::Session};
use crate::{
    cli::Wishes,
    error::{Cause, Error, Result},
    execute::{
        self, Summary,
        journal::{self, Event, Journal},
        launch,
        look::{self, Look},
    },
    facts::{self, Facts},
    host::{lock::RunLock, systemd},
    plan::{host_steps, ports},
    report::{console, reporter::Reporter},
    retry::{SETTLE, seconds},
    settings::{Flags, Input},
};

/// How long after its deadline a run may take to end.
const OVERDUE: Duration = Duration::from_secs(60);

/// Brings this host to what its source and roles say; the exit code.
///
/// # Errors
/// Only what keeps a run from beginning: usage, no root, another run. Any later failure is reported and becomes the
/// exit code.
pub async fn run(flags: &Flags, wishes: Wishes) -> Result<u8> {
    let (world, settings) = real::open(flags)?;
    need_root("run")?;
    let paths = settings.paths.clone();
    let _lock = RunLock::take(&paths.lock())?;
    let clock = Rc::clone(&world.clock);
    let start = clock.now();
    let reporter = Rc::new(RefCell::new(Reporter::begin(&paths.status(), paths.journal())));
    let deadline = settings.deadline;
    let session = Session::begin(world, settings);
    let result = tokio::select! {
        result = whole(session, start, &reporter, wishes) => result,
        err = stopped() => Err(err),
        err = overdue(deadline) => Err(err),
    };
    let exit = reporter.borrow_mut().end(&result);
    let took = seconds(clock.now().saturating_sub(start));
    match &result {
        Ok(summary) if summary.changed == 0 => info!("ready: nothing to do, took {took}"),
        Ok(summary) => info!("ready: {} steps changed something, took {took}", summary.changed),
        Err(err) => eprint!("{}", console::failure(err)),
    }
    Ok(exit)
}

async fn whole(
    mut session: Session,
    start: Duration,
    reporter: &Rc<RefCell<Reporter>>,
    wishes: Wishes,
) -> Result<Summary> {
    let (facts, input) = session.facts().await.map_err(|err| err.step("facts"))?;
    facts::identity::keep(&session.world, &session.paths.identity()).await;
    reporter.borrow_mut().update(|status| {
        status.instance = Some(facts.instance_id.clone());
        status.source = Some(input.source.to_string());
        status.roles = Some(input.roles_text.clone());
        status.doing = vec!["fetch".to_owned()];
    });
    let mut journal = Journal::open(&session.paths.journal(), &facts.instance_id)?;
    if !journal.past().ran {
        session.retry = session.retry.settling(start + SETTLE);
    }
    journal.write(begun(&facts, &input), false)?;
    let journal = Rc::new(RefCell::new(journal));
    let result = fetched(&session, reporter, (&facts, &input), &journal, wishes).await;
    let took = session.world.clock.now().saturating_sub(start);
    let end = Event::End {
        exit: result.as_ref().err().map_or(0, |err| err.exit() as u8),
        changed: result.as_ref().map_or(0, |summary| summary.changed),
        ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    // A run that changed nothing leaves nothing that a power cut could take.
    let sync = result.as_ref().map_or(true, |summary| summary.changed > 0);
    let written = journal.borrow_mut().write(end, sync);
    // Why the run failed matters more than a journal that cannot be written either.
    result.and_then(|summary| written.map(|()| summary))
}

async fn fetched(
    session: &Session,
    reporter: &Rc<RefCell<Reporter>>,
    (facts, input): (&Facts, &Input),
    journal: &Rc<RefCell<Journal>>,
    wishes: Wishes,
) -> Result<Summary> {
    let prepared = session.prepare(facts, input).await.map_err(|err| err.step("fetch"))?;
    prepared.manifest.project.as_deref().map_or(Ok(()), ports::check).map_err(|err| err.step("plan"))?;
    let watching = Rc::clone(reporter);
    let watcher = Box::new(move |progress| watching.borrow_mut().progress(progress));
    let cx = session.context(&prepared, facts, input, Rc::clone(journal), watcher)?;
    let mut summary = execute::run(&host_steps(&prepared, &facts.instance_id), &cx).await?;
    let Some(project) = &prepared.manifest.project else { return Ok(summary) };
    reporter.borrow_mut().update(|status| status.project = Some(project.name.clone()));
    let extension = &prepared.manifest.extension;
    let Wishes { remove_orphans } = wishes;
    let look = Look { project, prepared: &prepared, instance: &facts.instance_id, idle: false, remove_orphans };
    look::look(&cx, look).await.map_err(|err| err.step("plan"))?;
    summary += execute::run(&launch::refresh(&cx)?, &cx).await?;
    let unit = systemd::running(Path::new("/")) && cx.docker_host.is_none();
    let plan = launch::plan(&cx, extension, unit).await.map_err(|err| err.step("plan"))?;
    for warning in &plan.warnings {
        warn!("{warning}");
    }
    reporter.borrow_mut().update(|status| status.warnings.clone_from(&plan.warnings));
    summary += execute::run(&plan, &cx).await?;
    launch::forget_stopped(&session.paths)?;
    Ok(summary)
}

fn begun(facts: &Facts, input: &Input) -> Event {
    Event::Run {
        format: journal::FORMAT,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        boot: std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        instance: facts.instance_id.clone(),
        source: input.source.to_string(),
        roles: input.roles_text.clone(),
    }
}

/// Every wait has a bound of its own; should one of them not hold, the run ends all the same.
async fn overdue(deadline: Duration) -> Error {
    tokio::time::sleep(deadline + OVERDUE).await;
    let message = format!("the run did not end by itself within {} and {}", seconds(deadline), seconds(OVERDUE));
    Error::new(Cause::Deadline, message).hint("run it again: it goes on where it was; and report what it waited for")
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
