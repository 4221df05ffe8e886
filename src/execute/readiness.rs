//! The services of a run: each is waited for by a step, and all are looked at once more when the steps have ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{Either, select},
};

use crate::{
    error::Result,
    execute::{
        Context, Progress, evidence,
        ready::{Condition, Reached, Ready, Target},
    },
    plan::{Action, Plan, Until, labels, reconcile},
    retry::Retry,
};

/// How long after the events of the engine broke off they are subscribed to again.
const AGAIN: Duration = Duration::from_secs(1);

/// A service that is waited for.
pub struct Awaited<'a> {
    /// Its name.
    pub service: &'a str,
    /// Its containers.
    pub containers: &'a [Rc<reconcile::Step>],
    /// What is waited for; none: what the service is for.
    pub until: Option<Until>,
    /// How long one without a health check has to be up.
    pub stable: Duration,
}

/// Waits for all containers of a service.
///
/// # Errors
/// Those of [`Ready::wait`]; the journal cannot be written.
pub async fn wait(cx: &Context, retry: &Retry, awaited: Awaited<'_>) -> Result<()> {
    let Awaited { service, containers, until, stable } = awaited;
    let mut targets = Vec::new();
    for container in containers {
        let mut target = Target::goal(container, &cx.container(container)?, stable);
        target.until = until.unwrap_or(target.until);
        targets.push(target);
    }
    let Some(project) = containers.first().map(|first| first.desired.project.as_str()) else { return Ok(()) };
    let ready = Ready { engine: cx.world.engine.as_ref(), clock: cx.world.clock.as_ref(), retry, project };
    match ready.wait(targets, retry.remaining()).await {
        Ok(reached) => {
            for one in completed(&reached) {
                evidence::keep(cx, &one.target);
            }
            tell(cx, &reached);
            cx.reached(reached);
            Ok(())
        }
        Err(err) => {
            failed(cx, project, service);
            Err(err)
        }
    }
}

/// Looks once more at every service that was ready: while others were waited for, it may have ended.
///
/// # Errors
/// Those of [`Ready::confirm`]; the journal cannot be written.
pub async fn confirm(cx: &Context, plan: &Plan) -> Result<()> {
    let timeout =
        plan.steps.iter().filter(|step| matches!(step.action, Action::Ready { .. })).map(|step| step.deadline);
    let retry = cx.retry.within(timeout.max().unwrap_or_default());
    let reached = cx.take_reached();
    let known: BTreeSet<String> = completed(&reached).map(|one| one.target.id.clone()).collect();
    let project = reached.first().map(|reached| reached.target.project.clone()).unwrap_or_default();
    let ready =
        Ready { engine: cx.world.engine.as_ref(), clock: cx.world.clock.as_ref(), retry: &retry, project: &project };
    match ready.confirm(reached, cx.observed(), retry.remaining()).await {
        Ok(reached) => {
            for one in completed(&reached).filter(|one| !known.contains(&one.target.id)) {
                evidence::keep(cx, &one.target);
            }
            tell(cx, &reached);
            Ok(())
        }
        Err(err) => {
            if let Some(service) = err.step.as_deref().and_then(|step| step.strip_prefix("ready:")) {
                failed(cx, &project, service);
            }
            Err(err)
        }
    }
}

/// Does `work` while it is observed what happens to the containers of a project.
pub async fn observed<T>(cx: &Context, project: &str, work: impl Future<Output = T>) -> T {
    let observe = async {
        let filter = vec![format!("{}={project}", labels::PROJECT)];
        loop {
            if let Ok(mut events) = cx.world.engine.events(&filter).await {
                while let Some(Ok(event)) = events.next().await {
                    cx.observed().borrow_mut().note(&event);
                }
            }
            cx.observed().borrow_mut().gap();
            cx.world.clock.sleep(AGAIN).await;
        }
    };
    match select(pin!(work), Box::pin(observe)).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => never,
    }
}

fn completed(reached: &[Reached]) -> impl Iterator<Item = &Reached> {
    reached.iter().filter(|one| one.condition == Condition::Completed)
}

/// One word for each service, that of the container which is furthest from its end.
fn tell(cx: &Context, reached: &[Reached]) {
    let mut words: BTreeMap<String, Condition> = BTreeMap::new();
    for one in reached {
        let word = words.entry(shown(cx, &one.target.project, &one.target.service)).or_insert(one.condition);
        *word = one.condition.max(*word);
    }
    for (service, condition) in words {
        cx.tell(Progress::Service { service, state: condition.word().to_owned() });
    }
}

fn failed(cx: &Context, project: &str, service: &str) {
    let service = shown(cx, project, service);
    cx.tell(Progress::Service { service, state: "failed".to_owned() });
}

/// The name of a service; that of another project than the run's own is added.
fn shown(cx: &Context, project: &str, service: &str) -> String {
    let own = cx.project().is_ok_and(|own| own.name == project);
    if own { service.to_owned() } else { format!("{project}/{service}") }
}
