//! Flags of `rolecall user-data`.

use clap::{Args, ValueEnum};

/// What the user-data of an instance is to say.
#[derive(Debug, Default, Args)]
pub struct UserDataArgs {
    /// Where the binary is, over http or https; {arch} in it becomes `x86_64` or aarch64. Without it, the image has it
    #[arg(long)]
    pub url: Option<String>,
    /// Checksum that the binary must have; without it, the one that <url>.sha256 holds
    #[arg(long)]
    pub sha256: Option<String>,
    /// `s3://bucket/key`, `s3://bucket/prefix/`, `https://…` or `file:///…`; without it, the tag decides
    #[arg(long)]
    pub source: Option<String>,
    /// Roles, as web:celery or web,celery; without it, the tag decides
    #[arg(long)]
    pub roles: Option<String>,
    /// Name of the overlay that is merged last; without it, the tag decides
    #[arg(long)]
    pub environment: Option<String>,
    /// How long user-data follows the run, as 15m; 0 returns at once [default: 15m]
    #[arg(long)]
    pub wait: Option<String>,
    /// A further setting of the run, such as `ROLECALL_DEADLINE=1h` or `HTTPS_PROXY=http://proxy:3128`
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Form
    #[arg(long, value_enum, default_value_t = UserDataFormat::Sh)]
    pub format: UserDataFormat,
}

/// Form of user-data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum UserDataFormat {
    /// A script.
    #[default]
    Sh,
    /// A cloud-config that writes the script and runs it.
    CloudConfig,
    /// Parts: a cloud-config to add to, and the script.
    Mime,
}
