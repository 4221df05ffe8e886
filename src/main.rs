//! Parses the command line, sets up logging and the thread that does the work, and hands over to the library.

use std::process::ExitCode;

use rolecall::{
    cli::Cli,
    command,
    error::{Cause, Error},
    host::process,
    redact,
    report::{bug, guard},
    telemetry,
};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

fn main() -> ExitCode {
    bug::tell();
    redact::hide_environment();
    // No core file of ours: it would hold every value in the clear. Programs that we start keep theirs. A kernel that
    // refuses this writes none either.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(None) => return ExitCode::SUCCESS,
        Err(Some(err)) => {
            if std::env::args_os().nth(1).is_some_and(|word| word == "run") {
                command::not_begun(&err);
            }
            return ExitCode::from(command::failed(&err));
        }
    };
    process::allow_open_files();
    telemetry::init(cli.log_format, cli.log_level);
    guard::supervise(move || work(cli)).unwrap_or_else(|err| ExitCode::from(command::failed(&err)))
}

/// Does what the command line asks, on the one thread of its runtime.
fn work(cli: Cli) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command::dispatch(cli));
            // A name server or a mount that does not answer holds a thread, which must not hold the verdict.
            runtime.shutdown_background();
            code
        }
        Err(err) => ExitCode::from(command::failed(&Error::new(Cause::Io, format!("could not start: {err}")))),
    }
}
