//! Flags of `rolecall seal`.

use clap::Args;

/// What is asked of `rolecall seal`.
#[derive(Debug, Default, Args)]
pub struct SealArgs {
    /// Print what would be taken away, one thing a line, and take nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// State folder.
    #[arg(long)]
    pub state_dir: Option<String>,
}
