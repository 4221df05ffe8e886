//! This machine: time, commands, files, processes.

pub mod clock;
pub mod command;
pub mod files;
pub mod lines;
pub mod lock;
pub mod os_release;
pub mod process;
pub mod proxy;
pub mod systemd;
