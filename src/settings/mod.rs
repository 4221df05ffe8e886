//! Settings: flag beats environment beats tag beats `config.toml` beats default.
//!
//! [`Settings::load`] reads all that is known before the first request; `Settings::with_tags` (in `facts`)
//! adds the tags and applies the rule that a tag is trusted little.

pub mod carried;
mod config;
mod env;
pub mod hooks;
mod input;
mod nearest;
mod source;
mod values;

use std::{fmt, path::PathBuf, time::Duration};

pub use env::Env;
pub use hooks::Hooks;
pub use input::{Input, Trust};
pub use nearest::{did_you_mean, nearest};
pub use source::Source;
pub use values::{docker_host, duration, roles};

use crate::{
    error::{Cause, Error, Result},
    paths::Paths,
};
use config::ConfigFile;

/// Flags as given on the command line; `None` where a flag was not given.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--source`
    pub source: Option<String>,
    /// `--roles`
    pub roles: Option<String>,
    /// `--environment`
    pub environment: Option<String>,
    /// `--tag-prefix`
    pub tag_prefix: Option<String>,
    /// `--bucket-owners`
    pub bucket_owners: Option<String>,
    /// `--public-key`
    pub public_key: Option<String>,
    /// `--state-dir`
    pub state_dir: Option<String>,
    /// `--deadline`
    pub deadline: Option<String>,
}

/// Who gave a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command.
    Flag,
    /// An environment variable.
    Environment,
    /// A tag of the instance.
    Tag,
    /// `/etc/rolecall/config.toml`.
    ConfigFile,
    /// Nobody: the default holds.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::Tag => "tag",
            Self::ConfigFile => "config.toml",
            Self::Default => "default",
        })
    }
}

/// A value and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Who gave it.
    pub origin: Origin,
}

/// A setting that a tag may give too: what beats the tag, and what the tag beats.
#[derive(Clone, Debug, Default)]
pub struct Layered {
    above: Option<Given<String>>,
    below: Option<Given<String>>,
}

impl Layered {
    /// Whether a flag or variable decides, so that no tag is asked.
    pub fn decided(&self) -> bool {
        self.above.is_some()
    }

    /// Whether there is a value without any tag.
    pub fn known(&self) -> bool {
        self.above.is_some() || self.below.is_some()
    }

    fn pick(&self, tag: Option<&str>) -> Option<Given<String>> {
        let tag = tag.map(str::trim).filter(|value| !value.is_empty());
        let tag = tag.map(|value| Given { value: value.to_owned(), origin: Origin::Tag });
        self.above.clone().or(tag).or_else(|| self.below.clone())
    }
}

/// Names of the three tags, with their prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagNames {
    /// `Bootstrap`
    pub source: String,
    /// `Role`
    pub roles: String,
    /// `Environment`
    pub environment: String,
}

/// All settings, before any tag is known.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the project comes from.
    pub source: Layered,
    /// What this instance should be.
    pub roles: Layered,
    /// Which overlay applies.
    pub environment: Layered,
    /// The tags that are asked for the three above.
    pub tags: TagNames,
    /// Accounts, other than the instance's own, whose buckets are accepted.
    pub owners: Vec<String>,
    /// minisign keys, in base64, by one of which content must be signed.
    pub keys: Vec<String>,
    /// Whether a tag may name a bucket whose owner cannot be checked.
    pub trust_tags: bool,
    /// Longest time of a run.
    pub deadline: Duration,
    /// Folders.
    pub paths: Paths,
    /// Lifecycle hooks that this instance answers.
    pub hooks: Hooks,
    /// The environment that all this was read from.
    pub env: Env,
}

/// Where state is kept unless a setting says otherwise.
pub const STATE_DIR: &str = "/var/lib/rolecall";

/// How long a run may take unless a setting says otherwise.
pub const DEADLINE: &str = "30m";

impl Settings {
    /// Reads flags, environment and config.toml.
    ///
    /// # Errors
    /// `usage` for a value that cannot be used, naming who gave it; `source-refused` for an empty source flag.
    pub fn load(flags: &Flags, env: Env) -> Result<Self> {
        let config_path = Paths::from_env(STATE_DIR.as_ref()).config_file();
        let file = ConfigFile::read(&config_path)?;
        if flags.source.as_deref().is_some_and(|source| source.trim().is_empty()) {
            return Err(Error::new(Cause::SourceRefused, "--source is empty")
                .hint("name a source, or leave the flag out to take it from the environment or the tag"));
        }
        let read = Reader { env: &env, config_path: config_path.display().to_string() };
        let source = read.layered("SOURCE", flags.source.as_ref(), file.source.as_ref());
        let roles = read.layered("ROLES", flags.roles.as_ref(), file.roles.as_ref());
        let environment = read.layered("ENVIRONMENT", flags.environment.as_ref(), file.environment.as_ref());
        let prefix = read.plain("TAG_PREFIX", flags.tag_prefix.as_ref(), file.tag_prefix.as_ref(), "");
        let owners = read.plain("BUCKET_OWNERS", flags.bucket_owners.as_ref(), file.bucket_owners.as_ref(), "");
        let deadline = read.plain("DEADLINE", flags.deadline.as_ref(), file.deadline.as_ref(), DEADLINE);
        let public_key = read.plain("PUBLIC_KEY", flags.public_key.as_ref(), file.public_key.as_ref(), "");
        let trust_tags = read.plain("TRUST_TAGS", None, file.trust_tags.map(|yes| yes.to_string()).as_ref(), "false");
        let state = read.plain("STATE_DIR", flags.state_dir.as_ref(), file.state_dir.as_ref(), STATE_DIR);
        let state_dir = PathBuf::from(&state.value);
        if !state_dir.is_absolute() {
            return Err(read.blame("state-dir", &state, Error::new(Cause::Usage, "the path is not absolute")));
        }
        let settings = Self {
            tags: TagNames {
                source: format!("{}Bootstrap", prefix.value),
                roles: format!("{}Role", prefix.value),
                environment: format!("{}Environment", prefix.value),
            },
            owners: values::owners(&owners.value).map_err(|err| read.blame("bucket-owners", &owners, err))?,
            keys: values::public_keys(&public_key.value).map_err(|err| read.blame("public-key", &public_key, err))?,
            trust_tags: values::yes_or_no(&trust_tags.value)
                .map_err(|err| read.blame("trust-tags", &trust_tags, err))?,
            deadline: values::deadline(&deadline.value).map_err(|err| read.blame("deadline", &deadline, err))?,
            paths: Paths::from_env(&state_dir),
            hooks: Hooks::read(&env)?,
            source,
            roles,
            environment,
            env,
        };
        // A mistake that needs no tag to be seen is reported before the first request.
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        if let Some(source) = self.source.above.as_ref().or(self.source.below.as_ref()) {
            Source::parse(&source.value)?;
        }
        if let Some(roles) = self.roles.above.as_ref().or(self.roles.below.as_ref()) {
            values::roles(&roles.value)?;
        }
        if let Some(environment) = self.environment.above.as_ref().or(self.environment.below.as_ref()) {
            values::environment(&environment.value)?;
        }
        Ok(())
    }

    /// Whether tags can decide anything: false where flags or variables give source, roles and environment.
    pub fn tags_decide(&self) -> bool {
        !(self.source.decided() && self.roles.decided() && self.environment.decided())
    }
}

/// Reads one setting from flag, environment and file; an empty value counts as not given.
struct Reader<'a> {
    env: &'a Env,
    config_path: String,
}

impl Reader<'_> {
    fn layered(&self, name: &str, flag: Option<&String>, file: Option<&String>) -> Layered {
        let given = |value: Option<&str>, origin| {
            let value = value.map(str::trim).filter(|value| !value.is_empty())?;
            Some(Given { value: value.to_owned(), origin })
        };
        let variable = self.env.get(&format!("ROLECALL_{name}"));
        Layered {
            above: given(flag.map(String::as_str), Origin::Flag).or_else(|| given(variable, Origin::Environment)),
            below: given(file.map(String::as_str), Origin::ConfigFile),
        }
    }

    fn plain(&self, name: &str, flag: Option<&String>, file: Option<&String>, default: &str) -> Given<String> {
        let Layered { above, below } = self.layered(name, flag, file);
        above.or(below).unwrap_or_else(|| Given { value: default.to_owned(), origin: Origin::Default })
    }

    /// Says in the error which setting it is about and who gave it.
    fn blame(&self, setting: &str, given: &Given<String>, mut err: Error) -> Error {
        let who = match given.origin {
            Origin::Flag => format!("--{setting}"),
            Origin::Environment => format!("ROLECALL_{}", setting.to_uppercase().replace('-', "_")),
            _ => format!("{setting} in {}", self.config_path),
        };
        err.message = format!("{who}: {}", err.message);
        err
    }
}

#[cfg(test)]
mod tests;
