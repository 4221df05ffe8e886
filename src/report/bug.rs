//! A panic is told as any other failure is: one line, exit code 1, and the status file says so.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{
    console,
    status::{Failure, State, Status},
};
use crate::error::{Cause, Error};

/// The status file of the run that is under way in this process.
static STATUS: OnceLock<PathBuf> = OnceLock::new();

/// Names the status file of the run that begins.
pub(super) fn running(path: &Path) {
    // A process has one run; a second one in a test may keep the first one's.
    let _ = STATUS.set(path.to_owned());
}

/// From now on a panic ends the process with the console line of a failure.
#[expect(clippy::disallowed_methods, reason = "no way leads from a panic back to main, and a release aborts there")]
pub fn tell() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        // A message that was put together may quote anything, a secret too.
        let why = panic.payload().downcast_ref::<&'static str>().map(|why| format!(": {why}")).unwrap_or_default();
        let message = format!("rolecall {} panicked{place}{why}", env!("CARGO_PKG_VERSION"));
        let err = Error::new(Cause::Bug, message);
        let path = STATUS.get().map(PathBuf::as_path);
        if let Some(path) = path {
            fail(path, &err);
        }
        console::write(&console::failure(&err, path));
        std::process::exit(i32::from(err.exit() as u8));
    }));
}

/// The last words of a run. A file that cannot be read or written leaves a run without a result, which is told as such.
pub(super) fn fail(path: &Path, err: &Error) {
    let Ok(Some(mut status)) = Status::read(path) else { return };
    status.state = State::Failed;
    status.finished = Some(jiff::Timestamp::now());
    status.exit = Some(err.exit() as u8);
    status.failure = Some(Failure { step: status.doing.first().cloned(), ..Failure::from(err) });
    status.doing.clear();
    let _ = status.write(path);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set for the process that panics: the folder of its status.
    const FOLDER: &str = "ROLECALL_TEST_PANIC";

    #[test]
    fn a_panic_is_a_failure_with_one_line_and_a_status() {
        if let Some(folder) = std::env::var_os(FOLDER) {
            let path = PathBuf::from(folder).join("status.json");
            Status::begin(path.with_extension("jsonl")).write(&path).unwrap();
            running(&path);
            tell();
            // Put together at run time, as a message that quotes a value is.
            let value = ["hunter", "2"].concat();
            panic!("with {value}");
        }
        let dir = tempfile::tempdir().unwrap();
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "report::bug::tests::a_panic_is_a_failure_with_one_line_and_a_status", "--nocapture"]);
        let done = again.env(FOLDER, dir.path()).env("RUST_BACKTRACE", "1").output().unwrap();
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{told}");
        let lines: Vec<&str> = told.lines().collect();
        let [line] = lines[..] else { panic!("{told}") };
        assert!(line.starts_with("rolecall: FAILED cause=bug step=start error=\"rolecall "), "{line}");
        assert!(line.contains("src/report/bug.rs:") && line.contains(" hint=") && !line.contains("hunter2"), "{line}");
        let path = dir.path().join("status.json");
        assert!(line.ends_with(&format!(" report={}", path.display())), "{line}");
        let status = Status::read(&path).unwrap().unwrap();
        let failure = status.failure.unwrap();
        assert_eq!((status.state, status.exit, failure.cause.as_str()), (State::Failed, Some(1), "bug"));
        assert_eq!(failure.step.as_deref(), Some("facts"));
    }
}
