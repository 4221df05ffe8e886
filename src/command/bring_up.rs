//! From a known input to services that are ready: with the project of the source, or where that cannot be reached or
//! used, with the one that was ready here before.
//!
//! What stands in is what there is: nothing is pulled for it that is there, and where not even its values can be had,
//! the containers that exist are started by what their labels say. Once something of the source has been launched,
//! nothing stands in for it any more: that would be a rollback, for which nobody asked.

use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc, time::Duration};

use futures_util::future::join;
use tracing::{info, warn};

use super::{release_folder, stages::Session};
use crate::{
    cli::Wishes,
    error::{Cause, Class, Error, Exit, Result},
    execute::{
        self, Context, Summary, baked, docker, foreign,
        journal::{Event, Journal},
        launch,
        look::{self, Look},
        readiness, remembered, secrets, stop,
    },
    facts::Facts,
    fetch::{
        kept::{self, Good, Kept, Shape},
        project::Changes,
    },
    host::systemd,
    manifest::{Manifest, extension::Extension, prepare::Prepared},
    plan::{Plan, checks, host_steps, labels, reconcile::Existing},
    report::{console, reporter::Reporter},
    retry::millis,
    settings::Input,
};

/// Longest time for fetching a project, with the values that it names, and for mirrors of packages that do not answer,
/// if an older project could stand in.
const FETCH: Duration = Duration::from_secs(60);

/// Longest time for the values of a project that stands in.
const VALUES: Duration = Duration::from_secs(20);

/// One run, from where its input is known.
pub(super) struct BringUp<'a> {
    pub(super) session: &'a Session,
    pub(super) reporter: &'a Rc<RefCell<Reporter>>,
    pub(super) facts: &'a Facts,
    pub(super) input: &'a Input,
    pub(super) journal: &'a Rc<RefCell<Journal>>,
    pub(super) wishes: Wishes,
    pub(super) good: &'a Good,
}

/// Where it ended.
enum Halt {
    /// Nothing of the source has been launched: another project may stand in.
    Early(Error),
    /// It failed at what the host has to do, and another try would end in the same way.
    Late(Error),
}

impl From<Error> for Halt {
    fn from(err: Error) -> Self {
        // A disk that takes nothing more is no verdict on what is on it.
        let disk = matches!(err.cause, Cause::DiskFull | Cause::Io);
        if err.exit() == Exit::Step && !disk { Self::Late(err) } else { Self::Early(err) }
    }
}

impl BringUp<'_> {
    /// Brings the host to what its source and roles say.
    ///
    /// # Errors
    /// Why it is not ready; also where a project stood in for one that failed its integrity.
    pub(super) async fn run(&self) -> Result<Summary> {
        let kept = self.good.read().or_else(|| Good::baked(&self.session.paths, self.input).read());
        // Boxed: what a run awaits is large, and stands on the stack otherwise.
        let err = match Box::pin(self.source(kept.is_some())).await {
            Ok(summary) => return Ok(summary),
            Err(Halt::Late(err)) => {
                Box::pin(self.put_back()).await;
                return Err(err);
            }
            Err(Halt::Early(err)) => err,
        };
        match kept {
            Some(kept) => self.stand_in(&kept, err).await,
            None => Err(err),
        }
    }

    async fn source(&self, limited: bool) -> Result<Summary, Halt> {
        let session = if limited { self.session.within(FETCH) } else { self.session.clone() };
        let early = |err: Error| Halt::Early(err.step("fetch"));
        // Fetching changes nothing, and an engine that is about to start may take a moment to answer.
        let foreign = foreign::stop_at_once(&self.session.retry, &*session.world.engine, &self.facts.instance_id);
        let (fetched, ()) = join(session.fetch(self.facts, self.input), foreign).await;
        let fetched = fetched.map_err(early)?;
        let shape = Shape::of(&fetched);
        let prepared = session.prepare(self.facts, self.input, fetched).await.map_err(early)?;
        let session = self.content(&prepared);
        let preparing = if limited { session.patient_within(FETCH) } else { session.clone() };
        let summary = self.launch((&preparing, &session), &prepared, true).await?;
        if let Err(err) = self.keep(shape, &prepared) {
            warn!("the project is ready, and cannot be kept for a boot without its source: {err}");
        }
        Ok(summary)
    }

    /// Notes what was fetched. Runs that failed on another content say nothing about the patience that this one needs.
    fn content(&self, prepared: &Prepared) -> Session {
        let digest = match &prepared.files {
            Some(files) => files.digest(),
            None => prepared.manifest.scripts.iter().map(|script| script.sha256.as_str()).collect(),
        };
        let mut journal = self.journal.borrow_mut();
        let renewed = journal.past().effort.differs(self.good.key(), &digest);
        journal.write(Event::Content { digest, ms: millis(self.session.elapsed()) }, false);
        if renewed { self.session.patient(None) } else { self.session.clone() }
    }

    fn keep(&self, shape: Shape, prepared: &Prepared) -> Result<()> {
        let project = prepared.manifest.project.as_deref();
        let services = project.map(|project| project.services.keys().cloned().collect()).unwrap_or_default();
        let about = (shape, project.map(|project| project.name.as_str()), services);
        match (&prepared.files, prepared.manifest.scripts.first()) {
            (Some(files), _) => self.good.keep(&self.input.source, about, files)?,
            (None, Some(script)) => {
                self.good.keep(
                    &self.input.source,
                    about,
                    &kept::of_script(&self.session.paths, self.input, &script.body)?,
                )?;
            }
            (None, None) => {}
        }
        kept::forget_baked(&self.session.paths)
    }

    /// The two graphs of a run, each with its session: what the host needs, and the containers. `refresh`: whether images
    /// that are there are asked for again, where they say so.
    async fn launch(
        &self,
        (preparing, session): (&Session, &Session),
        prepared: &Prepared,
        refresh: bool,
    ) -> Result<Summary, Halt> {
        let plan_step = |err: Error| err.step("plan");
        self.check(prepared, refresh).map_err(plan_step)?;
        let changes = prepared.changes();
        // An engine that does not answer yet, as at boot, is asked again once it does.
        let of = (self.input, self.facts);
        let alone = match release_folder::check(session, of, prepared, refresh).await {
            Ok(known) => known,
            Err(err) => return Err(Box::pin(self.refused(session, prepared, err)).await),
        };
        let mut summary = execute::run(&self.host_steps(prepared), &self.context(preparing, prepared)?).await?;
        let cx = self.context(session, prepared)?;
        let Some(project) = &prepared.manifest.project else { return Ok(summary) };
        self.reporter.borrow_mut().update(|status| status.project = Some(project.name.clone()));
        let Wishes { remove_orphans } = self.wishes;
        let instance = &self.facts.instance_id;
        let look = Look { project, prepared, instance, changes, idle: false, remove_orphans, scripts_pending: false };
        look::look(&cx, look).await.map_err(plan_step)?;
        if !alone && let Err(err) = release_folder::check(session, of, prepared, refresh).await {
            return Err(Box::pin(self.refused(session, prepared, err)).await);
        }
        let done = self.project(&cx, prepared, refresh).await;
        self.others(&cx, &project.name, done.is_ok()).await;
        summary += done?;
        Ok(summary)
    }

    /// A project that is not launched beside another one: the other one, which a shutdown may have stopped, is started.
    async fn refused(&self, session: &Session, prepared: &Prepared, err: Error) -> Halt {
        if let (Some(project), Ok(cx)) = (&prepared.manifest.project, self.context(session, prepared)) {
            let (instance, changes) = (&self.facts.instance_id, prepared.changes());
            let (idle, remove_orphans, scripts_pending) = (false, false, false);
            let look = Look { project, prepared, instance, changes, idle, remove_orphans, scripts_pending };
            if look::look(&cx, look).await.is_ok() {
                self.others(&cx, &project.name, false).await;
            }
        }
        Halt::Early(err.step("plan"))
    }

    async fn project(&self, cx: &Context, prepared: &Prepared, refresh: bool) -> Result<Summary, Halt> {
        let mut summary = Summary::default();
        if refresh {
            summary += execute::run(&launch::refresh(cx)?, cx).await?;
        }
        let extension = &prepared.manifest.extension;
        let observe = async || launch::plan(cx, extension, unit(cx)).await.map_err(|err| err.step("plan"));
        let mut plan = observe().await?;
        if refresh {
            let (pulled, started) = self.pull_for_those_down(cx, &plan).await.map_err(Halt::Late)?;
            summary += pulled;
            if started {
                plan = observe().await?;
            }
        }
        summary += self.carry_out(&plan, cx).await.map_err(Halt::Late)?;
        Ok(summary)
    }

    /// Refuses what is wrong before anything is done, and tells what is odd. A project that stands in was ready here
    /// once: it is started in spite of what a newer version finds wrong with it.
    fn check(&self, prepared: &Prepared, strict: bool) -> Result<()> {
        let findings = checks::of(prepared, self.facts, !self.input.trust.keys.is_empty());
        let mut warnings = findings.warnings();
        match findings.into_error() {
            Some(err) if strict => return Err(err),
            Some(err) => warnings.push(err.message),
            None => {}
        }
        self.warn(warnings);
        Ok(())
    }

    fn warn(&self, warnings: Vec<String>) {
        for warning in &warnings {
            warn!("{warning}");
        }
        self.reporter.borrow_mut().update(|status| status.warnings.extend(warnings));
    }

    fn host_steps(&self, prepared: &Prepared) -> Plan {
        host_steps(prepared, &self.facts.instance_id, baked::upgraded(&self.session.paths))
    }

    async fn carry_out(&self, plan: &Plan, cx: &Context) -> Result<Summary> {
        self.warn(plan.warnings.clone());
        launch::announce(cx, plan)?;
        // Boxed: a future inside others stands in each of them.
        let work = Box::pin(async {
            let summary = execute::run(plan, cx).await?;
            readiness::confirm(cx, plan).await.map(|()| summary)
        });
        let summary = readiness::observed(cx, &cx.project()?.name, work).await?;
        secrets::sweep(&cx.retry, cx.world.engine.as_ref(), &cx.paths.secrets(), stop::LOOK).await;
        Ok(summary)
    }

    pub(super) fn context(&self, session: &Session, prepared: &Prepared) -> Result<Context> {
        let watching = Rc::clone(self.reporter);
        let watcher = Box::new(move |progress| watching.borrow_mut().progress(progress));
        session.context(prepared, self.facts, self.input, Rc::clone(self.journal), watcher)
    }

    /// Starts what there is, since `err` keeps the source from being used. Only if the source is out of reach or makes no
    /// valid project is that an end that systemd and an operator may take for good: after any other failure, a mirror of
    /// packages that does not answer for one, the source is known and still to be launched.
    async fn stand_in(&self, kept: &Kept, err: Error) -> Result<Summary> {
        let what = kept.told();
        warn!(cause = err.cause.code(), "{err}; going on with {what}");
        let launched = match self.kept(kept).await {
            Ok(prepared) => Box::pin(self.launch((self.session, self.session), &prepared, false)).await,
            Err(why) => Err(Halt::Early(why)),
        };
        let done = match launched {
            Ok(summary) => Ok(summary),
            Err(Halt::Late(why)) => Err(why),
            Err(Halt::Early(why)) => {
                warn!(cause = why.cause.code(), "starting the containers that are there, by their labels: {why}");
                self.remembered(kept, why).await
            }
        };
        match done {
            Ok(summary) if matches!(err.cause.exit(Class::Permanent), Exit::Unreachable | Exit::Manifest) => {
                let told = format!("started {what}");
                self.reporter.borrow_mut().update(|status| status.warnings.push(format!("{told}: {err}")));
                console::write(&console::warning(&err, &told));
                Ok(summary)
            }
            Ok(_) => Err(Error { message: format!("{}; started {what}", err.message), ..err }),
            Err(second) => {
                let message = format!("{}; {what} does not start either: {}", err.message, second.message);
                Err(Error { message, output: second.output, ..err })
            }
        }
    }

    async fn kept(&self, kept: &Kept) -> Result<Prepared> {
        let session = self.session.within(VALUES);
        let fetched = kept.fetched((&session.world, &session.retry), self.input, self.facts)?;
        session.prepare_kept(self.facts, self.input, fetched).await
    }

    /// Starts the containers that are there: without their values nothing else can be made of the project.
    async fn remembered(&self, kept: &Kept, why: Error) -> Result<Summary> {
        let Some(name) = &kept.project else { return Err(why) };
        let manifest =
            Manifest { project: None, extension: Extension::default(), scripts: Vec::new(), values: BTreeMap::new() };
        let dir = self.session.paths.project(name);
        let mut prepared = Prepared { manifest, dir, files: None, registry_auths: Vec::new() };
        let cx = self.context(self.session, &prepared)?;
        let mut summary = execute::run(&self.host_steps(&prepared), &cx).await?;
        let meant = |one: &Existing| kept.services.contains(one.label(labels::SERVICE));
        let there = remembered::there(&cx, name, &self.facts.instance_id, meant).await?;
        let project = Rc::new(there.project(name, &prepared.dir)?);
        prepared.manifest.project = Some(Rc::clone(&project));
        self.reporter.borrow_mut().update(|status| status.project = Some(name.clone()));
        let instance = &self.facts.instance_id;
        let look = Look {
            project: &project,
            prepared: &prepared,
            instance,
            changes: Changes::default(),
            idle: false,
            remove_orphans: false,
            scripts_pending: false,
        };
        look::look(&cx, look).await?;
        let plan = there.plan(&cx, &project, unit(&cx))?;
        info!("{} containers of project {name} are there", there.containers.len());
        let done = self.carry_out(&plan, &cx).await;
        self.others(&cx, name, done.is_ok()).await;
        summary += done?;
        Ok(summary)
    }
}

/// Whether the unit that holds the grace is this run's to start.
pub(super) fn unit(cx: &Context) -> bool {
    systemd::running(Path::new("/")) && !docker::is_remote(cx.docker_host.as_deref())
}
