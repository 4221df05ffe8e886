//! The subcommands: each wires the stages together and turns what came of them into output and an exit code.

pub mod bake;
mod bring_up;
pub mod config;
pub mod facts;
pub mod iam;
pub mod lifecycle;
mod offline;
pub mod plan;
mod put_back;
pub mod real;
mod release_folder;
mod restart_delay;
pub mod run;
pub mod seal;
pub mod stages;
pub mod status;
pub mod stop;
mod under_way;
pub mod user_data;
pub mod validate;

use std::process::ExitCode;

pub use under_way::not_begun;

use crate::{
    cli::{Cli, Command},
    error::{Cause, Error, Result},
    report::console,
};

/// Does what the command line asks.
pub async fn dispatch(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Run { settings, wishes } => run::run(&settings.into(), wishes).await,
        Command::Bake { settings } => bake::bake(&settings.into()).await,
        Command::Seal(args) => seal::seal(args).await,
        Command::Plan { settings, wishes, json } => plan::plan(&settings.into(), wishes, json).await,
        Command::Validate { file, roles, environment } => validate::validate(&file, roles.as_deref(), environment),
        Command::Iam(args) => iam::iam(&args),
        Command::Facts { settings, format } => facts::facts(&settings.into(), format).await,
        Command::Status { json, wait, state_dir } => status::status(json, wait, state_dir).await,
        Command::Lifecycle => lifecycle::lifecycle().await,
        Command::Config(args) => config::config(args),
        Command::UserData(args) => user_data::user_data(args),
        Command::Stop(projects) => stop::by_hand(&projects, false).await,
        Command::Down(projects) => stop::by_hand(&projects, true).await,
    };
    ExitCode::from(done.unwrap_or_else(|err| failed(&err)))
}

/// Prints the failure as the one line that a console shows; its exit code.
pub fn failed(err: &Error) -> u8 {
    console::write(&console::failure(err, None));
    err.exit() as u8
}

/// Only root can do what `command` does.
///
/// # Errors
/// `not-root`.
pub fn need_root(command: &str) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::new(Cause::NotRoot, format!("rolecall {command} needs root"))
        .need("root")
        .hint(format!("run it with sudo: sudo rolecall {command}")))
}

/// Writes to standard output. A reader that has gone away has read what it wanted.
///
/// # Errors
/// It cannot be written, such as to a full disk: what was asked for is not complete.
pub fn print(text: &str) -> Result<()> {
    use std::io::{ErrorKind, Write};
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(err) if err.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output".as_ref(), &err)),
        _ => Ok(()),
    }
}
