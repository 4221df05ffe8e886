//! What the agent does to a machine, on real machines: Debian 12 under systemd in namespaces. Needs root; see
//! `tests/support/machine` for the set-up.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test")]

mod bake;
mod bootstrap;
mod cloud;
mod cuts;
mod docker;
mod download;
mod env_file;
mod inside;
mod instance;
mod lifecycle;
mod machine;
mod package;
mod packaged;
mod packer;
mod reboot;
mod surprise;
mod units;
