//! What replaced, started and restarted containers mean for those that depend on them.

use std::collections::BTreeSet;

use super::{Action, Step, There, foreign};
use crate::error::Result;

/// Lets changes reach those that depend on them: who names the old container is replaced too, and who asked to be
/// restarted, or is in a namespace that the engine has made anew, is restarted.
///
/// # Errors
/// `container-failed` where that would replace a container that is not ours.
pub(super) fn follow(steps: &mut [Step], there: &There) -> Result<()> {
    replace(steps)?;
    let replaced = services(steps, |action| matches!(action, Action::Replace(_)));
    for step in steps.iter_mut() {
        let asked = step.desired.depends_on.iter().find(|(name, d)| d.restart && replaced.contains(*name));
        if let (Action::Keep, Some((service, _)), true) = (&step.action, asked, runs(step)) {
            step.action = Action::Restart(format!("service '{service}' is replaced"));
        }
    }
    rejoin(steps, there);
    Ok(())
}

fn replace(steps: &mut [Step]) -> Result<()> {
    loop {
        let renewed = services(steps, |action| matches!(action, Action::Replace(_) | Action::Create));
        let mut more = false;
        for step in steps.iter_mut() {
            let stays = matches!(step.action, Action::Keep | Action::Start | Action::Restart(_) | Action::Adopt);
            if let Some(service) = step.desired.shares.iter().find(|name| stays && renewed.contains(*name)) {
                let why = format!("service '{service}', which it refers to, gets a new container");
                if step.existing.as_ref().is_some_and(|there| !there.is_managed()) {
                    return Err(foreign(&step.desired, &format!("it was not made by rolecall, and {why}")));
                }
                step.action = Action::Replace(why);
                more = true;
            }
        }
        if !more {
            return Ok(());
        }
    }
}

/// Restarts who shares a namespace of a container that is started again, or that was since: the engine makes the
/// namespace anew and leaves those that have joined it in the old one, without a network.
fn rejoin(steps: &mut [Step], there: &There) {
    loop {
        let again = services(steps, |action| matches!(action, Action::Start | Action::Restart(_) | Action::Adopt));
        let older = |step: &Step, service: &str| {
            let start = |step: &Step| there.started.get(&step.existing.as_ref()?.id).copied();
            // Of several containers of a service the first is joined.
            let owner = steps.iter().find(|other| other.desired.service == service);
            owner.and_then(start).zip(start(step)).is_some_and(|(owner, own)| owner > own)
        };
        let stale = |step: &Step| {
            let joined = step.desired.joins.iter().find(|name| again.contains(*name) || older(step, name));
            joined.filter(|_| step.action == Action::Keep && runs(step)).cloned()
        };
        let found: Vec<(usize, String)> =
            steps.iter().enumerate().filter_map(|(index, step)| Some((index, stale(step)?))).collect();
        if found.is_empty() {
            return;
        }
        for (index, service) in found {
            let why = format!("service '{service}', whose namespace it shares, was started again");
            steps[index].action = Action::Restart(why);
        }
    }
}

fn runs(step: &Step) -> bool {
    step.existing.as_ref().is_some_and(|there| there.is_up() && there.is_managed())
}

fn services(steps: &[Step], of: impl Fn(&Action) -> bool) -> BTreeSet<String> {
    steps.iter().filter(|step| of(&step.action)).map(|step| step.desired.service.clone()).collect()
}
