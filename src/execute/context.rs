//! What every step of a run has at hand.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::{
    compose::Project,
    error::{Cause, Error, Result},
    execute::{
        credentials::Credentials,
        docker::{Archive, Docker},
        images::Images,
        journal::{CONTENT, Event, Journal},
        look::LaunchState,
        ready::{Observed, Reached},
    },
    facts::Facts,
    fetch,
    manifest::extension::{DockerSettings, Mirrors},
    paths::Paths,
    plan::{
        Action, Step, labels,
        ports::{HostPort, Occupant},
        reconcile,
    },
    retry::{Policy, Retry},
    settings::Trust,
    world::World,
};

/// What those who watch a run are told.
#[derive(Clone, Debug)]
pub enum Progress {
    /// How many steps there are more.
    Steps(usize),
    /// A step is looked at.
    Begun(String),
    /// A step has ended well, and whether it changed something.
    Ended {
        /// Name of the step.
        name: String,
        /// Whether it changed something.
        changed: bool,
    },
    /// A step has failed.
    Failed(String),
    /// Something that an operator should know, although the run goes on.
    Warning(String),
    /// What a service has come to.
    Service {
        /// Name of the service.
        service: String,
        /// `running`, `healthy`, `completed`, `exited (0)` or `failed`.
        state: String,
    },
}

/// The outside world, and what the run remembers and tells.
pub struct Context {
    /// The outside world.
    pub world: World,
    /// Tries again, within the deadline of the run.
    pub retry: Retry,
    /// Where things are kept.
    pub paths: Paths,
    /// Environment of scripts: the facts of this host.
    pub environment: BTreeMap<String, String>,
    /// Credentials for registries.
    pub credentials: Rc<Credentials>,
    /// Registries that images are pulled from in place of their own.
    pub mirrors: Mirrors,
    /// `DOCKER_HOST`, where it is set.
    pub docker_host: Option<String>,
    /// For whom further things are fetched, and what is accepted.
    origin: (Facts, Trust),
    /// What is launched, once an engine has been looked at.
    launch: OnceCell<Rc<LaunchState>>,
    /// Ids of the containers that steps have made or found.
    ids: RefCell<BTreeMap<String, String>>,
    /// Containers that were ready, by id.
    reached: RefCell<BTreeMap<String, Reached>>,
    /// What happened to containers of the project.
    observed: RefCell<Observed>,
    journal: Rc<RefCell<Journal>>,
    watcher: RefCell<Box<dyn FnMut(Progress)>>,
}

impl Context {
    /// A context whose progress is told to `watcher`.
    pub fn new(
        (world, retry, paths): (World, Retry, Paths),
        environment: BTreeMap<String, String>,
        credentials: Credentials,
        docker_host: Option<&str>,
        origin: (Facts, Trust),
        journal: Rc<RefCell<Journal>>,
        watcher: Box<dyn FnMut(Progress)>,
    ) -> Self {
        Self {
            world,
            retry,
            paths,
            environment,
            credentials: Rc::new(credentials),
            mirrors: Mirrors::default(),
            docker_host: docker_host.map(str::to_owned),
            origin,
            launch: OnceCell::new(),
            ids: RefCell::default(),
            reached: RefCell::default(),
            observed: RefCell::default(),
            journal,
            watcher: RefCell::new(watcher),
        }
    }

    /// Tells those who watch.
    pub fn tell(&self, progress: Progress) {
        (self.watcher.borrow_mut())(progress);
    }

    /// Writes an event; `sync` makes sure that it is on the disk, as far as the disk takes it.
    pub fn journal(&self, event: Event, sync: bool) {
        self.journal.borrow_mut().write(event, sync);
    }

    /// How often a step will have been begun for this instance, since it last ended well, when it is begun now.
    pub fn attempt(&self, step: &str) -> u32 {
        self.journal.borrow().past().attempts.get(step).copied().unwrap_or(0) + 1
    }

    /// Whether the journal says that a step has ended well in an earlier run of this instance.
    pub fn done_before(&self, step: &str) -> bool {
        self.journal.borrow().past().done.contains(step)
    }

    /// Until when version 0.1.0 saw a service ready, in runs of this instance.
    pub fn ready_in_0_1_0(&self, service: &str) -> Option<Timestamp> {
        self.journal.borrow().past().ready_in_0_1_0.get(service).copied()
    }

    /// Whether a script of this content has ended well for this instance: by its step, or under another name. Version 0.1.0
    /// wrote down the step alone.
    pub fn script_done(&self, step: &str, sha256: &str) -> bool {
        let by_content = self.done_before(&format!("{CONTENT}{sha256}"));
        if !by_content && self.done_before(step) {
            self.keep_content(sha256);
            return true;
        }
        by_content
    }

    /// Writes that a script of this content has ended well.
    pub fn keep_content(&self, sha256: &str) {
        let (step, what) = (format!("{CONTENT}{sha256}"), "ran to its end".to_owned());
        self.journal(Event::Done { step, name: format!("script:{sha256}"), what, ms: 0 }, true);
    }

    /// Writes that a step is begun, on the disk before it changes anything; how often it has been begun.
    ///
    /// # Errors
    /// The disk takes no journal, and the end of this step would be known from there alone. All else goes on: containers
    /// are not kept down by a full disk.
    pub fn intend(&self, step: &Step) -> Result<u32> {
        let attempt = self.attempt(&step.id);
        self.journal(Event::Intent { step: step.id.clone(), name: step.name.clone(), attempt }, true);
        match self.journal.borrow().lost() {
            Some(err) if matches!(step.action, Action::Script(_) | Action::Upgrade(_)) => Err(err.clone()),
            _ => Ok(attempt),
        }
    }

    /// The containers whose start was begun and has not ended well since.
    pub fn interrupted(&self) -> BTreeSet<String> {
        let journal = self.journal.borrow();
        journal.past().open.iter().filter_map(|step| step.strip_prefix("start:")).map(str::to_owned).collect()
    }

    /// The engine of this machine, as the manifest wants it.
    ///
    /// # Errors
    /// `manifest-invalid` where it cannot be set up from here.
    pub fn docker(&self, retry: &Retry, settings: &DockerSettings) -> Result<Docker> {
        let named = settings.named.then(|| settings.clone());
        let (world, retrying, origin) = (self.world.clone(), retry.clone(), self.origin.clone());
        let archive: Archive = Box::new(move |address| {
            let (world, retry, (facts, trust)) = (world.clone(), retrying.clone(), origin.clone());
            Box::pin(async move { fetch::archive(&world, &retry, &address, &facts, &trust).await })
        });
        Docker::new(&self.world, retry, &self.paths, named, self.docker_host.as_deref(), archive)
    }

    /// Says what is launched; the first word counts.
    pub fn launching(&self, state: Rc<LaunchState>) {
        // A second call has the same project and engine.
        let _ = self.launch.set(state);
    }

    /// What is launched.
    ///
    /// # Errors
    /// Nothing is: no step that asks stands in the plan then.
    pub fn launch(&self) -> Result<&Rc<LaunchState>> {
        self.launch.get().ok_or_else(|| Error::new(Cause::EngineUnreachable, "no engine has been looked at yet"))
    }

    /// The project that is launched.
    ///
    /// # Errors
    /// As [`Context::launch`].
    pub fn project(&self) -> Result<&Rc<Project>> {
        self.launch().map(|launch| &launch.project)
    }

    /// Brings images.
    ///
    /// # Errors
    /// The engine does not say what it is.
    pub async fn images(&self, retry: &Retry) -> Result<Images> {
        let info = match self.launch.get() {
            Some(launch) => launch.info.clone(),
            None => self.engine(retry, "look at", "the engine", async |_| self.world.engine.info().await).await?,
        };
        let images = Images::new(self.world.clone(), retry.clone(), Rc::clone(&self.credentials), &info);
        Ok(images.through(self.mirrors.clone()))
    }

    /// Remembers which container has a name now.
    pub fn remember(&self, name: &str, id: String) {
        self.ids.borrow_mut().insert(name.to_owned(), id);
    }

    /// The id of a container: of the one that was made, else of the one that was there.
    ///
    /// # Errors
    /// There is none; the step that makes it comes first.
    pub fn container(&self, step: &reconcile::Step) -> Result<String> {
        let name = &step.desired.name;
        let made = self.ids.borrow().get(name).cloned();
        made.or_else(|| step.existing.as_ref().map(|there| there.id.clone()))
            .ok_or_else(|| Error::new(Cause::ContainerFailed, format!("container {name} has not been made")))
    }

    /// Notes containers that are ready.
    pub fn reached(&self, reached: Vec<Reached>) {
        self.reached.borrow_mut().extend(reached.into_iter().map(|one| (one.target.id.clone(), one)));
    }

    /// The containers that were ready since this was last asked.
    pub fn take_reached(&self) -> Vec<Reached> {
        self.reached.take().into_values().collect()
    }

    /// What happened to containers of the project in this run.
    pub fn observed(&self) -> &RefCell<Observed> {
        &self.observed
    }

    /// The containers of the engine with the ports that they publish. Of ours also those whose start was cut off half
    /// way: what the engine lists of them may not show their ports yet, though its proxy holds them already. `None`
    /// where no engine answers.
    pub async fn occupants(&self) -> Option<Vec<Occupant>> {
        let engine = self.world.engine.as_ref();
        let listed = engine.containers(&[]).await.ok()?;
        let project = self.launch.get().map(|launch| launch.project.name.as_str());
        let read = listed.iter().map(async |item| {
            let there = reconcile::Existing::read(item);
            let mut ports = HostPort::of_listed(item);
            // Before the project is compared, whatever is ours may be of it.
            let ours = project.map_or(there.is_managed(), |project| there.is_ours(project));
            if ours {
                let details = engine.inspect_container(&there.id).await.ok().flatten().unwrap_or_default();
                ports.extend(HostPort::of_bindings(&details["HostConfig"]["PortBindings"]));
            }
            let service = ours.then(|| there.label(labels::SERVICE).to_owned());
            Occupant { up: there.is_up(), id: there.id, name: there.name, service, ports }
        });
        Some(join_all(read).await)
    }

    /// Asks the engine for something, again where that can help. It has to answer within the deadline.
    ///
    /// # Errors
    /// The last answer; `engine-unreachable` where none came.
    pub async fn engine<T>(
        &self,
        retry: &Retry,
        verb: &str,
        what: &str,
        op: impl AsyncFnMut(u32) -> Result<T>,
    ) -> Result<T> {
        let answer = self.engine_and_containers(retry, verb, what, op).await;
        answer.map_err(|err| err.instead_of_deadline(Cause::EngineUnreachable))
    }

    /// The same for what takes as long as containers and their hooks take: if they take too long, that is not the
    /// engine's fault.
    ///
    /// # Errors
    /// The last answer; `deadline`.
    pub async fn engine_and_containers<T>(
        &self,
        retry: &Retry,
        verb: &str,
        what: &str,
        op: impl AsyncFnMut(u32) -> Result<T>,
    ) -> Result<T> {
        retry.run(&format!("{verb} {what}"), Policy::SERVICE.attempt_timeout(None), op).await
    }
}
