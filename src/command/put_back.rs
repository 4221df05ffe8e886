//! What ran before a release that cannot be launched.
//!
//! On a host that stays up, a container is replaced only once everything for the new one is there. After a reboot the
//! old one is down: it is started again if the new image takes its time, or if the run fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use futures_util::future::{Either, select};
use tracing::{info, warn};

use super::bring_up::{BringUp, unit};
use crate::{
    error::Result,
    execute::{
        self, Context, Summary, launch,
        look::{self, Look},
        others, remembered, stopped,
    },
    fetch::project::Changes,
    manifest::{Manifest, extension::Extension, prepare::Prepared},
    plan::{Action, Plan, labels, reconcile::Existing},
};

/// How long new images are waited for while the containers that they replace are down.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long starting the old containers may take: a run that is over its deadline has a minute left.
const LIMIT: Duration = Duration::from_secs(45);

impl BringUp<'_> {
    /// Starts what was stopped of other projects, also if this one is not ready.
    pub(super) async fn others(&self, cx: &Context, own: &str, ready: bool) {
        let warnings = others::start(cx, own, &self.facts.instance_id, ready).await;
        self.reporter.borrow_mut().update(|status| status.warnings.extend(warnings));
    }

    /// Pulls the images of containers that take the place of others which are down, and starts those meanwhile if it
    /// takes long. Whether they were: the plan has to be made again then.
    ///
    /// # Errors
    /// Those of the pulls.
    pub(super) async fn pull_for_those_down(&self, cx: &Context, plan: &Plan) -> Result<(Summary, bool)> {
        let pulls = launch::pulls_for_those_down(plan);
        if pulls.steps.is_empty() {
            return Ok((Summary::default(), false));
        }
        let pulling = pin!(execute::run(&pulls, cx));
        match select(pulling, cx.world.clock.sleep(PATIENCE)).await {
            Either::Left((result, _)) => Ok((result?, false)),
            Either::Right(((), pulling)) => {
                let (result, ()) = futures_util::future::join(pulling, self.put_back()).await;
                Ok((result?, true))
            }
        }
    }

    /// Starts the containers of the project that was ready which this run has not touched. What cannot be started is
    /// only logged: the run has another failure to report.
    pub(super) async fn put_back(&self) {
        if let Err(err) = self.start_untouched().await {
            warn!(cause = err.cause.code(), "not everything that ran before could be started again: {err}");
        }
    }

    async fn start_untouched(&self) -> Result<()> {
        let Some(kept) = self.good.read() else { return Ok(()) };
        let Some(name) = &kept.project else { return Ok(()) };
        let session = self.session.afresh(LIMIT);
        let manifest =
            Manifest { project: None, extension: Extension::default(), scripts: Vec::new(), values: BTreeMap::new() };
        let dir = session.paths.project(name);
        let prepared = Prepared { manifest, dir, files: None, registry_auths: Vec::new() };
        let cx = self.context(&session, &prepared)?;
        let instance = &self.facts.instance_id;
        let meant = |one: &Existing| kept.services.contains(one.label(labels::SERVICE));
        let mut there = remembered::there(&cx, name, instance, meant).await?;
        let project = Rc::new(there.project(name, &prepared.dir)?);
        there.untouched(session.began());
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
        let started = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Start(step) => step.existing.as_ref().map(|existing| existing.id.clone()),
            _ => None,
        });
        let started: BTreeSet<String> = started.collect();
        if started.is_empty() {
            return Ok(());
        }
        info!("starting {} containers again that ran before", started.len());
        execute::run(&plan, &cx).await?;
        stopped::forget(&session.paths, |id| started.contains(id))
    }
}
