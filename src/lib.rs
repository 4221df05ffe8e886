//! rolecall boots a host into its roles.
//!
//! One run goes through stages, each a folder, each using only what stands to its left:
//!
//! ```text
//! facts → fetch → manifest → plan → execute → report
//! ```
//!
//! - [`facts`] asks the instance who it is, [`fetch`] brings the project, [`manifest`] makes it one typed value,
//!   [`plan`] turns it into a graph of steps without touching anything, [`execute`] carries the graph out under a
//!   journal, [`report`] tells.
//! - [`settings`] holds what flags, environment, tags and config.toml say, in that order; [`tls`] whom this host trusts.
//! - The outside world is a handful of small traits in [`world`]. Their real implementations are [`facts::imds`],
//!   [`fetch`], [`aws`], [`host`] and [`engine`]; tests and faults play others.
//! - Whatever can fail comes back as one [`error::Error`], which knows its exit code and whether another try can
//!   help; only [`retry`] tries again.

pub mod cli;
pub mod command;
pub mod error;
pub mod image_ref;
pub mod paths;
pub mod printable;
pub mod redact;
pub mod retry;
pub mod settings;
pub mod state_file;
pub mod telemetry;
pub mod tls;
pub mod world;

pub mod aws;
pub mod engine;
pub mod host;

pub mod compose;
pub mod execute;
pub mod facts;
pub mod fetch;
pub mod iam;
pub mod manifest;
pub mod plan;
pub mod report;

#[cfg(test)]
mod testing;
