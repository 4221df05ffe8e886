//! What a run works on, once the tags are known.

use std::{collections::BTreeMap, time::Duration};

use super::{Given, Origin, Settings, Source, values};
use crate::error::{Cause, Error, Result};

/// Everything that was asked for, by whomever.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where the project comes from.
    pub source: Source,
    /// Who chose the source.
    pub origin: Origin,
    /// Roles, in the order given; empty: the services without a profile.
    pub roles: Vec<String>,
    /// Who chose the roles.
    pub roles_origin: Origin,
    /// The roles as `ROLECALL_ROLES` shows them: joined by colons.
    pub roles_text: String,
    /// The environment, usable as a part of a file name.
    pub environment: Option<String>,
    /// Accounts one of which must own a bucket; empty: owners are not checked.
    pub owners: Vec<String>,
    /// Longest time of a run.
    pub deadline: Duration,
}

impl Settings {
    /// Adds the tags of the instance and the account that it belongs to.
    ///
    /// # Errors
    /// `tag-missing` where no source is known at all; `source-refused` where a tag names what a tag may not;
    /// `usage` for roles or an environment that cannot be used, naming who gave them.
    pub fn with(&self, tags: &BTreeMap<String, String>, account: Option<&str>) -> Result<Input> {
        let tag = |name: &str| tags.get(name).map(String::as_str);
        let Some(given) = self.source.pick(tag(&self.tags.source)) else {
            return Err(Error::new(Cause::TagMissing, format!("no source: tag {:?} is not set", self.tags.source))
                .need(format!("tag {}", self.tags.source))
                .hint(format!("set tag {} to s3://bucket/key, or give --source", self.tags.source)));
        };
        let source = Source::parse(&given.value).map_err(|err| blame(&self.tags.source, &given, err))?;
        check_trust(&source, &given, &self.tags.source)?;
        let roles = self.roles.pick(tag(&self.tags.roles));
        let environment = self.environment.pick(tag(&self.tags.environment));
        let names = match &roles {
            Some(given) => values::roles(&given.value).map_err(|err| blame(&self.tags.roles, given, err))?,
            None => Vec::new(),
        };
        let environment = match &environment {
            Some(given) => {
                Some(values::environment(&given.value).map_err(|err| blame(&self.tags.environment, given, err))?)
            }
            None => None,
        };
        Ok(Input {
            source,
            origin: given.origin,
            roles_text: names.join(":"),
            roles: names,
            roles_origin: roles.map_or(Origin::Default, |given| given.origin),
            environment,
            owners: self.allowed_owners(account),
            deadline: self.deadline,
        })
    }

    /// Roles, joined by colons, and environment as tags and settings have them, to be shown; what could not be used is
    /// shown as it is.
    pub fn roles_and_environment(&self, tags: &BTreeMap<String, String>) -> (String, Option<String>) {
        let tag = |name: &str| tags.get(name).map(String::as_str);
        let roles = self.roles.pick(tag(&self.tags.roles)).map(|given| given.value).unwrap_or_default();
        let roles = values::roles(&roles).map_or(roles, |names| names.join(":"));
        (roles, self.environment.pick(tag(&self.tags.environment)).map(|given| given.value))
    }

    /// The instance's own account first. With an endpoint that is not the cloud's, or with no identity document,
    /// the owner is checked only if one is configured.
    fn allowed_owners(&self, account: Option<&str>) -> Vec<String> {
        if self.owners.is_empty() && self.env.s3_endpoint().is_some() {
            return Vec::new();
        }
        let mut owners: Vec<String> = account.map(str::to_owned).into_iter().collect();
        owners.extend(self.owners.iter().filter(|owner| Some(owner.as_str()) != account).cloned());
        owners
    }
}

/// Whoever may set tags may not thereby choose any code on the internet or on the disk: a tag names `s3://` only.
fn check_trust(source: &Source, given: &Given<String>, tag: &str) -> Result<()> {
    match (given.origin, source) {
        (Origin::Tag, Source::Web { .. } | Source::File { .. } | Source::Folder { .. }) => {
            Err(Error::new(Cause::SourceRefused, format!("tag {tag} names {source}; a tag may name s3:// only"))
                .hint("whoever may set tags could run anything as root: give this source by --source, ROLECALL_SOURCE or config.toml"))
        }
        _ => Ok(()),
    }
}

fn blame(tag: &str, given: &Given<String>, mut err: Error) -> Error {
    if given.origin == Origin::Tag {
        err.message = format!("tag {tag}: {}", err.message);
    }
    err
}
