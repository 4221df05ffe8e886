//! The stages left of execute, as `run` and `plan` share them.

use std::{cell::RefCell, rc::Rc};

use crate::{
    error::Result,
    execute::{Context, Progress, credentials::Credentials, journal::Journal, perform::script_environment},
    facts::{self, Facts},
    fetch,
    manifest::prepare::{self, Around, Prepared},
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
}

impl Session {
    /// A command that begins now and must be over at its deadline.
    pub fn begin(world: World, settings: Settings) -> Self {
        let paths = settings.paths.clone();
        let now = world.clock.now();
        let retry = Retry::new(Rc::clone(&world.clock), Some(now + settings.deadline));
        // No journal: this machine has never run, and its role may not have spread yet.
        let retry = if paths.journal().exists() { retry } else { retry.settling(now + SETTLE) };
        Self { world, settings, paths, retry }
    }

    /// Who this instance is, and what that makes of the settings.
    ///
    /// # Errors
    /// Facts that cannot be read, a source that is not known or may not be used.
    pub async fn facts(&self) -> Result<(Facts, Input)> {
        let facts = facts::gather(&self.world, &self.retry, &self.settings).await?;
        let input = self.settings.with(&facts.tags, facts.account_id.as_deref())?;
        Ok((facts, input))
    }

    /// The manifest of the source.
    ///
    /// # Errors
    /// A source that cannot be read, a manifest that is not valid.
    pub async fn prepare(&self, facts: &Facts, input: &Input) -> Result<Prepared> {
        let fetched = fetch::fetch(&self.world, &self.retry, input, facts, &self.paths).await?;
        let around = Around { world: &self.world, retry: &self.retry, input, facts, paths: &self.paths };
        prepare::prepare(around, fetched).await
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
        Ok(Context::new(outside, environment, credentials, docker_host, origin, journal, watcher))
    }
}
