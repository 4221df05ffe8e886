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
        let owners = self.allowed_owners(account);
        self.check_trust(&source, &given, &owners)?;
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
            trust: Trust { owners, keys: self.keys.clone(), serials: self.paths.serials() },
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

    /// The instance's own account first. A store that is not that of AWS does not know accounts: there the owner is
    /// checked only if one is configured.
    fn allowed_owners(&self, account: Option<&str>) -> Vec<String> {
        if self.owners.is_empty() && !self.env.s3_is_aws() {
            return Vec::new();
        }
        let mut owners: Vec<String> = account.map(str::to_owned).into_iter().collect();
        owners.extend(self.owners.iter().filter(|owner| Some(owner.as_str()) != account).cloned());
        owners
    }

    /// Whoever may set tags may not thereby choose any code on the internet or on the disk: a tag names `s3://`, and
    /// `https://` where what is fetched has to be signed. An `s3://` source needs an owner that can be checked, a key, or
    /// somebody's word that tags are to be trusted.
    fn check_trust(&self, source: &Source, given: &Given<String>, owners: &[String]) -> Result<()> {
        let signed = !self.keys.is_empty();
        let bucket = matches!(source, Source::Object { .. } | Source::Prefix { .. });
        if given.origin == Origin::Tag && bucket && !signed && owners.is_empty() && !self.trust_tags {
            return Err(self.unchecked(source));
        }
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

impl Settings {
    /// A tag names a bucket whose owner nobody can check.
    fn unchecked(&self, source: &Source) -> Error {
        let why = if self.env.s3_is_aws() {
            "the instance has no identity document, which names its account"
        } else {
            "the S3 endpoint that the environment names is none of AWS"
        };
        let message = format!("could not check the owner of {source}, which tag {} names: {why}", self.tags.source);
        Error::new(Cause::SourceRefused, message).need("an owner, a key, or trust in tags").hint(
            "name the accounts that may own it in ROLECALL_BUCKET_OWNERS, sign it and set ROLECALL_PUBLIC_KEY, give the \
             source by --source or ROLECALL_SOURCE, or accept whatever tags name with ROLECALL_TRUST_TAGS=true",
        )
    }
}

fn blame(tag: &str, given: &Given<String>, mut err: Error) -> Error {
    if given.origin == Origin::Tag {
        err.message = format!("tag {tag}: {}", err.message);
    }
    err
}
