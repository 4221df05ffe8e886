//! The stages left of execute, as `run` and `plan` share them.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tracing::warn;

use crate::{
    error::{Cause, Error, Result},
    execute::{Context, Progress, credentials::Credentials, journal::Journal, perform::script_environment},
    facts::{self, Facts},
    fetch::{self, Fetched},
    manifest::{
        prepare::{self, Around, Prepared},
        survey::{self, Survey},
    },
    paths::Paths,
    retry::{Retry, SETTLE},
    settings::{Input, Settings},
    world::World,
};

/// A command under way: settings, paths, the outside world and the deadline.
#[derive(Clone)]
pub struct Session {
    /// The outside world.
    pub world: World,
    /// Settings without tags.
    pub settings: Settings,
    /// Where things are kept.
    pub paths: Paths,
    /// Tries again until the deadline.
    pub retry: Retry,
    start: Duration,
}

impl Session {
    /// A command that begins now and must be over at its deadline.
    pub fn begin(world: World, settings: Settings) -> Self {
        let paths = settings.paths.clone();
        let now = world.clock.now();
        let retry = Retry::new(Rc::clone(&world.clock), Some(now + settings.deadline));
        // No journal: this machine has never run.
        let known = paths.journal().exists();
        let session = Self { world, settings, paths, retry, start: now };
        if known { session } else { session.settling() }
    }

    /// The same on an instance's first run: its role may not have spread yet.
    #[must_use]
    pub fn settling(self) -> Self {
        Self { retry: self.retry.settling(self.start + SETTLE), ..self }
    }

    /// The same with less time: `most`, and never more than half of what is left, since something is to follow.
    #[must_use]
    pub fn within(&self, most: Duration) -> Self {
        let half = self.retry.remaining().map_or(most, |left| left / 2);
        Self { retry: self.retry.within(most.min(half)), ..self.clone() }
    }

    /// The same with time of its own, for what is still to be done when the time of the command may be up.
    #[must_use]
    pub fn afresh(&self, within: Duration) -> Self {
        let retry = Retry::new(Rc::clone(&self.world.clock), Some(self.world.clock.now() + within));
        Self { retry, ..self.clone() }
    }

    /// When the command began, by the clock of this machine.
    pub fn began(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() - self.elapsed()
    }

    /// The same, where nobody outside is waited for once this command has taken `patience`.
    #[must_use]
    pub fn patient(&self, patience: Option<Duration>) -> Self {
        Self { retry: self.retry.clone().patient(patience.map(|patience| self.start + patience)), ..self.clone() }
    }

    /// The same, where nobody outside is waited for longer than `most` from now, and never for more than half of what is
    /// left: something is to follow. What is under way may still take its time.
    #[must_use]
    pub fn patient_within(&self, most: Duration) -> Self {
        let half = self.retry.remaining().map_or(most, |left| left / 2);
        Self { retry: self.retry.clone().sooner(self.world.clock.now() + most.min(half)), ..self.clone() }
    }

    /// Time since the command began.
    pub fn elapsed(&self) -> Duration {
        self.world.clock.now().saturating_sub(self.start)
    }

    /// Who this instance is, and what that makes of the settings.
    ///
    /// # Errors
    /// Facts that cannot be read, a source that is not known or may not be used.
    pub async fn facts(&self) -> Result<(Facts, Input)> {
        let facts = facts::gather(&self.world, &self.retry, &self.settings).await?;
        let input = self.settings.with(&facts.tags, facts.account_id.as_deref())?;
        let plain = self.settings.env.plain_endpoints();
        if !plain.is_empty() && input.trust.keys.is_empty() {
            let names = plain.join(", ");
            warn!(
                "{names}: requests over http can be changed by anyone on the way; use https, or set ROLECALL_PUBLIC_KEY"
            );
        }
        Ok((facts, input))
    }

    /// The source.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub async fn fetch(&self, facts: &Facts, input: &Input) -> Result<Fetched> {
        fetch::fetch(&self.world, &self.retry, input, facts, &self.paths).await
    }

    /// The manifest of what was fetched.
    ///
    /// # Errors
    /// A manifest that is not valid, a value or a file beside it that cannot be read.
    pub async fn prepare(&self, facts: &Facts, input: &Input, fetched: Fetched) -> Result<Prepared> {
        prepare::prepare(self.around(facts, input), fetched).await.map_err(outside)
    }

    /// The manifest of what was kept, which stands in for what cannot be fetched.
    ///
    /// # Errors
    /// As [`Session::prepare`].
    pub async fn prepare_kept(&self, facts: &Facts, input: &Input, fetched: Fetched) -> Result<Prepared> {
        let around = Around { standing_in: true, ..self.around(facts, input) };
        prepare::prepare(around, fetched).await.map_err(outside)
    }

    /// The project as any of its roles would have it.
    ///
    /// # Errors
    /// As [`Session::prepare`].
    pub async fn survey(&self, facts: &Facts, input: &Input, fetched: Fetched) -> Result<Survey> {
        survey::survey(self.around(facts, input), fetched).await.map_err(outside)
    }

    fn around<'a>(&'a self, facts: &'a Facts, input: &'a Input) -> Around<'a> {
        Around { world: &self.world, retry: &self.retry, input, facts, paths: &self.paths, standing_in: false }
    }

    /// What the steps of a run have at hand.
    ///
    /// # Errors
    /// Registry credentials that cannot be read.
    pub fn context(
        &self,
        prepared: &Prepared,
        facts: &Facts,
        input: &Input,
        journal: Rc<RefCell<Journal>>,
        watcher: Box<dyn FnMut(Progress)>,
    ) -> Result<Context> {
        let mut credentials = Credentials::default();
        for (origin, text) in &prepared.registry_auths {
            credentials.add(text.reveal(), origin)?;
        }
        let variables = facts.variables(&input.roles_text, input.environment.as_deref());
        let environment = script_environment(variables.all(), &facts.region, input.source.bucket_url());
        let outside = (self.world.clone(), self.retry.clone(), self.paths.clone());
        let docker_host = self.settings.env.get("DOCKER_HOST");
        let origin = (facts.clone(), input.trust.clone());
        let mut cx = Context::new(outside, environment, credentials, docker_host, origin, journal, watcher);
        cx.mirrors = prepared.manifest.extension.mirrors.clone();
        Ok(cx)
    }
}

/// Whatever a manifest asks for is outside.
fn outside(err: Error) -> Error {
    err.instead_of_deadline(Cause::CloudUnreachable)
}
