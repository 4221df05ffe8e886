//! The command line: what can be asked, with which flags. Parsing only; nothing here acts.

mod iam;
pub mod seal;
pub mod user_data;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
pub use iam::IamArgs;

use crate::{
    error::{Cause, Error},
    settings::Flags,
};

/// Boots this host into its roles: facts, project, Docker, containers.
#[derive(Debug, Parser)]
#[command(name = "rolecall", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "ROLECALL_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// The least important lines that are written.
    #[arg(long, global = true, value_enum, default_value_t = LogLevel::Info, env = "ROLECALL_LOG_LEVEL")]
    pub log_level: LogLevel,
}

impl Cli {
    /// Reads the command line. Help and version are printed here, as is what clap says of a mistake.
    ///
    /// # Errors
    /// `usage`; nothing where help or version was asked for.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, Option<Error>> {
        Self::try_parse_from(args).map_err(|err| {
            // A terminal that has gone away is no failure.
            let _ = err.print();
            err.use_stderr().then(|| misused(&err))
        })
    }
}

fn misused(err: &clap::Error) -> Error {
    let text = err.to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Error::new(Cause::Usage, message).step("command line").hint("see rolecall --help")
}

const EXIT_CODES: &str = "Exit codes: 0 ready or nothing to do, 1 a step failed, 2 usage, 3 manifest invalid, \
4 facts or source unreachable, 5 integrity (checksum, signature, owner), 6 another run holds the lock";

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Importance of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what was tried again or looks wrong.
    Warn,
    /// And what is done.
    Info,
    /// And why.
    Debug,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring this host to what its source and roles say; the second time, nothing is left to do.
    Run {
        /// Settings.
        #[command(flatten)]
        settings: SettingsArgs,
        /// What `plan` and `run` share besides.
        #[command(flatten)]
        wishes: Wishes,
    },
    /// Bring packages, Docker and the images of all roles onto a machine that an image is made of; start nothing.
    Bake {
        /// Settings.
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Take everything off this machine that is an instance's, so that an image can be made of it.
    Seal(seal::SealArgs),
    /// Print what `run` would do, without doing it.
    Plan {
        /// Settings.
        #[command(flatten)]
        settings: SettingsArgs,
        /// What `plan` and `run` share besides.
        #[command(flatten)]
        wishes: Wishes,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check a compose file and its x-rolecall without a network and without an engine.
    Validate {
        /// The compose file, or the folder of a project.
        file: PathBuf,
        /// Roles to select; by default every role is checked.
        #[arg(long)]
        roles: Option<String>,
        /// Environment whose overlay is merged.
        #[arg(long)]
        environment: Option<String>,
    },
    /// Print the least IAM policy that runs of a project need.
    Iam(IamArgs),
    /// Print what is known of this instance.
    Facts {
        /// Settings.
        #[command(flatten)]
        settings: SettingsArgs,
        /// Form.
        #[arg(long, value_enum, default_value_t = FactsFormat::Text)]
        format: FactsFormat,
    },
    /// Tell what the present or last run has come to.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Follow the run until it ends; its exit code is then ours.
        #[arg(long)]
        wait: bool,
        /// State folder.
        #[arg(long)]
        state_dir: Option<String>,
    },
    /// Print a compose project as Docker Compose does.
    Config(ConfigArgs),
    /// Print user-data that brings this binary to an instance and starts it there.
    UserData(user_data::UserDataArgs),
    /// Answer the lifecycle hooks of the Auto Scaling group; rolecall-lifecycle.service does.
    Lifecycle,
    /// Stop the containers in reverse order of their dependencies, each with its own grace.
    Stop(ProjectArgs),
    /// Stop and remove the containers and networks; volumes and data stay.
    Down(ProjectArgs),
}

/// Projects that `stop` and `down` act on. One of the two has to be given: a name that was forgotten must not stop
/// everything.
#[derive(Debug, Default, Args)]
pub struct ProjectArgs {
    /// Project to act on; may be repeated
    #[arg(short, long, value_name = "NAME", conflicts_with = "all")]
    pub project: Vec<String>,
    /// Act on all projects that rolecall has started
    #[arg(long)]
    pub all: bool,
}

/// Form of `rolecall facts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FactsFormat {
    /// For people.
    Text,
    /// One object.
    Json,
    /// Lines that systemd's `EnvironmentFile` and `sh` read the same.
    Env,
}

/// Settings that `run`, `plan` and `facts` share; see the table in README.md.
#[derive(Debug, Default, Args)]
pub struct SettingsArgs {
    /// `s3://bucket/key`, `s3://bucket/prefix/`, `https://…` or `file:///…` [env: `ROLECALL_SOURCE`, tag: Bootstrap]
    #[arg(long)]
    pub source: Option<String>,
    /// Roles, as web:celery or web,celery [env: `ROLECALL_ROLES`, tag: Role]
    #[arg(long)]
    pub roles: Option<String>,
    /// Name of the overlay that is merged last [env: `ROLECALL_ENVIRONMENT`, tag: Environment]
    #[arg(long)]
    pub environment: Option<String>,
    /// Prefix of the names of the three tags [env: `ROLECALL_TAG_PREFIX`]
    #[arg(long)]
    pub tag_prefix: Option<String>,
    /// Accounts, besides our own, whose buckets are trusted [env: `ROLECALL_BUCKET_OWNERS`]
    #[arg(long)]
    pub bucket_owners: Option<String>,
    /// minisign key that content must be signed with [env: `ROLECALL_PUBLIC_KEY`]
    #[arg(long)]
    pub public_key: Option<String>,
    /// State folder [env: `ROLECALL_STATE_DIR`] [default: /var/lib/rolecall]
    #[arg(long)]
    pub state_dir: Option<String>,
    /// When the run must be over [env: `ROLECALL_DEADLINE`] [default: 30m]
    #[arg(long)]
    pub deadline: Option<String>,
}

/// What `run` does only when asked; `plan` shows it.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Wishes {
    /// Remove containers of this project whose service is gone or not of these roles.
    #[arg(long, env = "ROLECALL_REMOVE_ORPHANS", value_parser = clap::builder::FalseyValueParser::new())]
    pub remove_orphans: bool,
}

impl From<SettingsArgs> for Flags {
    fn from(args: SettingsArgs) -> Self {
        Self {
            source: args.source,
            roles: args.roles,
            environment: args.environment,
            tag_prefix: args.tag_prefix,
            bucket_owners: args.bucket_owners,
            public_key: args.public_key,
            state_dir: args.state_dir,
            deadline: args.deadline,
        }
    }
}

/// Flags of `rolecall config`, those of `docker compose`.
#[derive(Debug, Default, Args)]
pub struct ConfigArgs {
    /// Compose files; later ones are merged over earlier ones.
    #[arg(short, long = "file")]
    pub file: Vec<PathBuf>,
    /// Files of variables, in place of .env.
    #[arg(long)]
    pub env_file: Vec<PathBuf>,
    /// Profiles to enable.
    #[arg(long)]
    pub profile: Vec<String>,
    /// Name of the project.
    #[arg(short, long)]
    pub project_name: Option<String>,
    /// Folder that relative paths start from.
    #[arg(long)]
    pub project_directory: Option<PathBuf>,
    /// Form; yaml unless it is given, and a table for --variables
    #[arg(long, value_enum)]
    pub format: Option<ConfigFormat>,
    /// Generation of Docker Compose whose rules are followed
    #[arg(long, value_enum, value_name = "GENERATION", default_value_t = ComposeGeneration::Two)]
    pub compose: ComposeGeneration,
    /// Write the project to a file and not to the standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Steps that are left out.
    #[command(flatten)]
    pub skip: ConfigSkip,
    /// What is printed in place of the project.
    #[command(flatten)]
    pub list: ConfigList,
    /// Services to print, with all that they depend on.
    pub services: Vec<String>,
}

/// Steps that `rolecall config` leaves out.
#[derive(Clone, Copy, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ConfigSkip {
    /// Do not replace variables; print every service as merged
    #[arg(long)]
    pub no_interpolate: bool,
    /// Do not write out what the project implies
    #[arg(long)]
    pub no_normalize: bool,
    /// Do not make paths absolute
    #[arg(long)]
    pub no_path_resolution: bool,
    /// Do not check references between the parts of the project
    #[arg(long)]
    pub no_consistency: bool,
    /// Do not read the environment files of services
    #[arg(long)]
    pub no_env_resolution: bool,
}

/// Parts of a project that `rolecall config` prints, one a line, in place of the whole.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ConfigList {
    /// Print the hash of a service, or of all with '*'.
    #[arg(long)]
    pub hash: Option<String>,
    /// Print the names of the services.
    #[arg(id = "list_services", long = "services")]
    pub services: bool,
    /// Print the images.
    #[arg(long)]
    pub images: bool,
    /// Print the names of the networks.
    #[arg(long)]
    pub networks: bool,
    /// Print the names of the volumes.
    #[arg(long)]
    pub volumes: bool,
    /// Print the models.
    #[arg(long)]
    pub models: bool,
    /// Print the profiles, active or not.
    #[arg(long)]
    pub profiles: bool,
    /// Print the variables that the project names, with their defaults
    #[arg(long)]
    pub variables: bool,
    /// Print the variables that the project is read with.
    #[arg(long)]
    pub environment: bool,
    /// Print nothing; only check.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Generation of Docker Compose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ComposeGeneration {
    /// Docker Compose 2.40.3
    #[default]
    #[value(name = "2")]
    Two,
    /// Docker Compose 5.5
    #[value(name = "5")]
    Five,
}

/// Form of `rolecall config`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ConfigFormat {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_on_the_command_line_is_an_error_as_any_other() {
        let read = |args: &[&str]| super::Cli::read(args.iter().map(Into::into)).map(|_| ());
        let err = read(&["rolecall", "run", "--sorce", "x"]).unwrap_err().unwrap();
        assert_eq!(err.exit() as u8, 2);
        assert_eq!(err.message, "unexpected argument '--sorce' found");
        assert!(read(&["rolecall"]).unwrap_err().is_some());
        assert!(read(&["rolecall", "--version"]).unwrap_err().is_none());
        assert!(read(&["rolecall", "stop", "-p", "shop", "--project", "blog"]).is_ok());
        assert!(read(&["rolecall", "down", "--project", "shop", "--all"]).unwrap_err().is_some());
        assert!(read(&["rolecall", "status", "--wait"]).is_ok());
        assert!(read(&["rolecall", "config", "--services", "web"]).is_ok());
        let err = read(&["rolecall", "config", "--services", "--images"]).unwrap_err().unwrap();
        assert_eq!(err.message, "the argument '--services' cannot be used with '--images'");
    }
}
