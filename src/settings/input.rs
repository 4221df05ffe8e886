//! What a run works on, once the tags are known.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

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
    /// What is accepted from outside.
    pub trust: Trust,
    /// Longest time of a run.
    pub deadline: Duration,
}

/// What is accepted of all that comes from outside.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Accounts one of which must own a bucket; empty: owners are not checked.
    pub owners: Vec<String>,
    /// minisign keys, in base64, by one of which content must be signed; empty: it need not be.
    pub keys: Vec<String>,
    /// Where this instance remembers how new the signatures were that it accepted.
    pub serials: PathBuf,
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
        self.check_trust(&source, &given)?;
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
            trust: Trust {
                owners: self.allowed_owners(account),
                keys: self.keys.clone(),
                serials: self.paths.serials(),
            },
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

    /// The instance's own account first. With an endpoint that is not the cloud's, with no identity document, or where
    /// a signature says whose content it is, the owner is checked only if one is configured.
    fn allowed_owners(&self, account: Option<&str>) -> Vec<String> {
        if self.owners.is_empty() && (self.env.s3_endpoint().is_some() || !self.keys.is_empty()) {
            return Vec::new();
        }
        let mut owners: Vec<String> = account.map(str::to_owned).into_iter().collect();
        owners.extend(self.owners.iter().filter(|owner| Some(owner.as_str()) != account).cloned());
        owners
    }

    /// Whoever may set tags may not thereby choose any code on the internet or on the disk: a tag names `s3://`, and
    /// `https://` where what is fetched has to be signed.
    fn check_trust(&self, source: &Source, given: &Given<String>) -> Result<()> {
        let signed = !self.keys.is_empty();
        let (may, hint) = match (given.origin, source) {
            (Origin::Tag, Source::File { .. } | Source::Folder { .. }) if signed => ("s3:// and https://", ""),
            (Origin::Tag, Source::File { .. } | Source::Folder { .. }) => ("s3://", ""),
            (Origin::Tag, Source::Web { .. }) if !signed => ("s3://", ", or sign it and give --public-key"),
            _ => return Ok(()),
        };
        let tag = &self.tags.source;
        let hint = format!(
            "whoever may set tags could run anything as root: give this source by --source, ROLECALL_SOURCE or \
             config.toml{hint}"
        );
        Err(Error::new(Cause::SourceRefused, format!("tag {tag} names {source}; a tag may name {may} only")).hint(hint))
    }
}

fn blame(tag: &str, given: &Given<String>, mut err: Error) -> Error {
    if given.origin == Origin::Tag {
        err.message = format!("tag {tag}: {}", err.message);
    }
    err
}
