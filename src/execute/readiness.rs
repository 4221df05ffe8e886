//! The services of a run: each is waited for by a step, and all are looked at once more when the steps have ended.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use crate::{
    error::Result,
    execute::{
        Context, Progress,
        ready::{Condition, Reached, Ready, Target},
    },
    plan::{Action, Plan, Until, reconcile},
    retry::Retry,
};

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
            tell(cx, &reached);
            cx.reached(reached);
            Ok(())
        }
        Err(err) => {
            failed(cx, service);
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
    let project = reached.first().map(|reached| reached.target.project.clone()).unwrap_or_default();
    let ready =
        Ready { engine: cx.world.engine.as_ref(), clock: cx.world.clock.as_ref(), retry: &retry, project: &project };
    match ready.confirm(reached, retry.remaining()).await {
        Ok(reached) => {
            tell(cx, &reached);
            Ok(())
        }
        Err(err) => {
            if let Some(service) = err.step.as_deref().and_then(|step| step.strip_prefix("ready:")) {
                failed(cx, service);
            }
            Err(err)
        }
    }
}

/// One word for each service, that of the container which is furthest from its end.
fn tell(cx: &Context, reached: &[Reached]) {
    let mut words: BTreeMap<&str, Condition> = BTreeMap::new();
    for one in reached {
        let word = words.entry(&one.target.service).or_insert(one.condition);
        *word = one.condition.max(*word);
    }
    for (service, condition) in words {
        cx.tell(Progress::Service { service: service.to_owned(), state: condition.word().to_owned() });
    }
}

fn failed(cx: &Context, service: &str) {
    cx.tell(Progress::Service { service: service.to_owned(), state: "failed".to_owned() });
}
