//! `rolecall run`: the whole way.

use std::{cell::RefCell, rc::Rc};

use tracing::warn;

use super::{bring_up::BringUp, stages::Session, under_way};
use crate::{
    cli::Wishes,
    error::Result,
    execute::{Summary, lifecycle::unit, machine::Machine, perform},
    facts,
    fetch::kept::Good,
    report::reporter::Reporter,
    settings::Flags,
};

/// Brings this host to what its source and roles say; the exit code.
///
/// # Errors
/// Only what keeps a run from beginning: usage, no root, another run. Any later failure is reported and becomes the
/// exit code.
pub async fn run(flags: &Flags, wishes: Wishes) -> Result<u8> {
    under_way::alone(flags, ("run", "ready"), async |session, reporter| whole(session, reporter, wishes).await).await
}

async fn whole(session: Session, reporter: &Rc<RefCell<Reporter>>, wishes: Wishes) -> Result<Summary> {
    answered(&session).await;
    let (facts, input) = session.facts().await.map_err(|err| err.step("facts"))?;
    facts::identity::keep(&session.world, &session.paths.identity()).await;
    under_way::known(reporter, &facts, &input);
    let good = Good::of(&session.paths, &input, &facts.instance_id);
    under_way::journaled(session, (&facts, &input, good.key()), async |session, journal| {
        let (facts, input, good) = (&facts, &input, &good);
        BringUp { session, reporter, facts, input, journal, wishes, good }.run().await
    })
    .await
}

/// Has the hooks of the group answered, before anything takes its time. A hook that is not answered times out.
async fn answered(session: &Session) {
    let machine = Machine::new(&session.world, &session.retry);
    let applied = async { unit::apply(&machine, &session.settings.hooks, &perform::binary()?).await };
    if let Err(err) = applied.await {
        warn!(cause = err.cause.code(), "the lifecycle hooks of the group may not be answered: {err}");
    }
}
