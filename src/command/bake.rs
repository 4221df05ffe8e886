//! `rolecall bake`: makes of this machine what an image of instances is made of.

use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc};

use tracing::warn;

use super::{stages::Session, under_way};
use crate::{
    error::{Error, Result},
    execute::{self, Summary, baked, journal::Journal},
    facts::{self, Facts},
    fetch::kept::{self, Good, Shape},
    host::systemd,
    manifest::survey::Survey,
    plan::{bake_steps, images, ports},
    report::reporter::Reporter,
    settings::{Flags, Input},
};

/// The unit that starts a run at boot.
const UNIT: &str = "rolecall.service";

/// Brings upgrades, packages, the engine and the images of all roles, keeps the project, and starts nothing; the exit
/// code.
///
/// # Errors
/// As [`run`](super::run::run).
pub async fn bake(flags: &Flags) -> Result<u8> {
    under_way::alone(flags, ("bake", "baked"), async |session, reporter| whole(session, reporter).await).await
}

async fn whole(session: Session, reporter: &Rc<RefCell<Reporter>>) -> Result<Summary> {
    let (facts, input) = known(&session).await.map_err(|err| err.step("facts"))?;
    under_way::known(reporter, &facts, &input);
    let good = Good::baked(&session.paths, &input);
    under_way::journaled(session, (&facts, &input, good.key()), async |session, journal| {
        Bake { session, reporter, facts: &facts, input: &input, journal, good: &good }.run().await
    })
    .await
}

/// Who builds the image. It is no instance of the project: where a source is given, its tags decide nothing and need not
/// be there; where none is, they name it as those of an instance do.
async fn known(session: &Session) -> Result<(Facts, Input)> {
    if !session.settings.source.known() {
        return session.facts().await;
    }
    let facts = facts::look(&session.world, &session.retry, &session.settings).await?;
    let input = session.settings.with(&BTreeMap::new(), facts.account_id.as_deref())?;
    Ok((facts, input))
}

struct Bake<'a> {
    session: &'a Session,
    reporter: &'a Rc<RefCell<Reporter>>,
    facts: &'a Facts,
    input: &'a Input,
    journal: &'a Rc<RefCell<Journal>>,
    good: &'a Good,
}

impl Bake<'_> {
    async fn run(&self) -> Result<Summary> {
        let (session, facts, input) = (self.session, self.facts, self.input);
        let fetch = |err: Error| err.step("fetch");
        let fetched = session.fetch(facts, input).await.map_err(fetch)?;
        let shape = Shape::of(&fetched);
        let survey = session.survey(facts, input, fetched).await.map_err(fetch)?;
        let plan = |err: Error| err.step("plan");
        survey.projects.iter().try_for_each(ports::check).map_err(|clash| plan(clash.error))?;
        let platform = std::env::var("DOCKER_DEFAULT_PLATFORM").ok().filter(|platform| !platform.is_empty());
        let needs =
            images::of_projects(&survey.projects, platform.as_deref(), &survey.prepared.manifest.extension.mirrors)
                .map_err(plan)?;
        let steps = bake_steps(&survey.prepared, &facts.instance_id, &needs);
        let watching = Rc::clone(self.reporter);
        let watcher = Box::new(move |progress| watching.borrow_mut().progress(progress));
        let cx = session.context(&survey.prepared, facts, input, Rc::clone(self.journal), watcher)?;
        let summary = execute::run(&steps, &cx).await?;
        self.keep(shape, &survey)?;
        let baked = baked::record(&cx, input, survey.prepared.manifest.extension.host.upgrade, &needs).await?;
        let absent = needs.iter().filter(|need| !baked.images.contains_key(&need.image)).map(|need| {
            format!("image {} has pull_policy: never and is not there: an instance has to load it", need.image)
        });
        let fickle = survey.fickle.iter().map(|image| {
            format!("image {image} is named by facts of this machine: an instance with other facts pulls its own")
        });
        self.warn(steps.warnings.iter().cloned().chain(absent).chain(fickle).chain(self.unit().await));
        Ok(summary)
    }

    /// Keeps what was fetched and verified, for the first boot of an instance that cannot fetch it.
    fn keep(&self, shape: Shape, survey: &Survey) -> Result<()> {
        let name = survey.projects.first().map(|project| project.name.as_str());
        let services = survey.projects.iter().flat_map(|project| project.services.keys().cloned()).collect();
        let prepared = &survey.prepared;
        let script = prepared.manifest.scripts.first();
        let script = || script.map(|script| kept::of_script(&self.session.paths, self.input, &script.body)).transpose();
        match &prepared.files {
            Some(files) => self.good.keep(&self.input.source, (shape, name, services), files),
            None => {
                script()?.map_or(Ok(()), |files| self.good.keep(&self.input.source, (shape, name, services), &files))
            }
        }
    }

    /// Says so where nothing would start a run on an instance.
    async fn unit(&self) -> Option<String> {
        if !systemd::running(Path::new("/")) {
            return None;
        }
        let state =
            systemd::Systemd { host: &*self.session.world.host, retry: &self.session.retry }.state(UNIT).await.ok()?;
        (state.enabled != "enabled")
            .then(|| format!("{UNIT} is not enabled: an instance of this image needs user-data to begin a run"))
    }

    fn warn(&self, warnings: impl Iterator<Item = String>) {
        let warnings: Vec<String> = warnings.collect();
        for warning in &warnings {
            warn!("{warning}");
        }
        self.reporter.borrow_mut().update(|status| status.warnings.extend(warnings));
    }
}
