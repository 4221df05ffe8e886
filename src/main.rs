//! Parses the command line, sets up logging and the one thread, and hands over to the library.

use std::process::ExitCode;

use rolecall::{cli::Cli, command, telemetry};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(None) => return ExitCode::SUCCESS,
        Err(Some(err)) => return ExitCode::from(command::failed(&err)),
    };
    telemetry::init(cli.log_format, cli.log_level);
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command::dispatch(cli));
            // A name server that does not answer holds a thread, which must not hold the verdict.
            runtime.shutdown_background();
            code
        }
        Err(err) => {
            eprintln!("rolecall: FAILED cause=io step=start error=\"could not start: {err}\"");
            ExitCode::FAILURE
        }
    }
}
