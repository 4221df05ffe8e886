//! What a human at a serial console reads: one line per failure, and the last lines of what failed.

use std::{fmt::Write as _, io::Write as _, path::Path};

use crate::{error::Error, printable, redact::mask};

use super::status::{Failure, State, Status};
use crate::retry::seconds;

/// Longest value of one field and longest line of output, in characters: a console line must stay one. The status file
/// has the whole of it.
const FIELD_LIMIT: usize = 400;

/// Writes to standard error, where a console or a journal reads it. One that cannot be written changes no verdict.
pub fn write(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The line `rolecall: FAILED cause=… step=… error=… need=… hint=…`, after the last lines of the output of what failed;
/// `report` is the file that holds the whole of it.
pub fn failure(err: &Error, report: Option<&Path>) -> String {
    rendered(&Failure::from(err), report)
}

/// The same from a status file.
pub fn rendered(failure: &Failure, report: Option<&Path>) -> String {
    let mut text = String::new();
    for line in &failure.output {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "rolecall:   | {}", shown(line));
    }
    let Failure { cause, step, message, need, hint, .. } = failure;
    let step = step.as_deref().unwrap_or("start");
    let _ = write!(text, "rolecall: FAILED cause={cause}");
    let fields = [("step", step), ("error", message), ("need", need), ("hint", hint)];
    let report = report.map(|path| ("report", path.to_string_lossy()));
    let report = report.as_ref().map(|(name, path)| (*name, path.as_ref()));
    for (name, value) in fields.into_iter().chain(report) {
        let _ = write!(text, " {name}={}", field(value));
    }
    text.push('\n');
    text
}

/// The line `rolecall: WARNING cause=… step=… error=… did=… hint=…`: `did` says what was done in spite of the error.
pub fn warning(err: &Error, did: &str) -> String {
    let step = err.step.as_deref().unwrap_or("start");
    let (cause, error) = (err.cause.code(), field(&mask(&err.message)));
    let mut text =
        format!("rolecall: WARNING cause={cause} step={} error={error} did={}", field(step), field(&mask(did)));
    if let Some(hint) = &err.hint {
        let _ = write!(text, " hint={}", field(&mask(hint)));
    }
    text.push('\n');
    text
}

/// A text as a console may show it: on one line, without control characters, without its middle if it is very long.
fn shown(text: &str) -> String {
    printable::cut(&printable::line(text), FIELD_LIMIT).into_owned()
}

/// One field: quoted if it has spaces.
fn field(value: &str) -> String {
    let line = shown(value);
    if line.contains([' ', '"', '=']) { format!("\"{}\"", line.replace('"', "'")) } else { line }
}

/// The whole status for `rolecall status`, which is kept at `path`.
pub fn status(status: &Status, path: &Path) -> String {
    let mut text = String::from("rolecall: ");
    let took = seconds(status.elapsed());
    let _ = match status.state {
        State::Running => {
            write!(text, "running for {took}, {} of {} steps done", status.done, status.steps).and_then(|()| {
                if status.doing.is_empty() { Ok(()) } else { write!(text, ": {}", status.doing.join(", ")) }
            })
        }
        State::Ready if status.changed == 0 => write!(text, "ready, nothing to do (took {took})"),
        State::Ready => write!(text, "ready in {took}, {} of {} steps changed something", status.changed, status.steps),
        State::Failed => write!(text, "failed after {took} with exit code {}", status.exit.unwrap_or(1)),
    };
    text.push('\n');
    let about = [
        ("instance", &status.instance),
        ("source", &status.source),
        ("roles", &status.roles),
        ("project", &status.project),
    ];
    for (name, value) in about {
        if let Some(value) = value.as_deref().filter(|v| !v.is_empty()) {
            let _ = writeln!(text, "  {name:<9}{value}");
        }
    }
    for service in &status.services {
        let _ = writeln!(text, "  service  {:<24} {}", service.service, service.state);
    }
    for warning in &status.warnings {
        let _ = writeln!(text, "  warning: {warning}");
    }
    if let Some(failure) = &status.failure {
        text.push_str(&rendered(failure, Some(path)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    #[test]
    fn a_failure_is_one_line_whatever_its_text() {
        let err = Error::new(Cause::ScriptFailed, "script 10-a.sh ended\nwith \"3\"")
            .need("exit code 0")
            .hint("read the lines above")
            .step("script:10-a.sh");
        let line = failure(&err, Some(Path::new("/run/rolecall/status.json")));
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with(
            "rolecall: FAILED cause=script-failed step=script:10-a.sh error=\"script 10-a.sh ended with '3'\""
        ));
        let rest = "need=\"exit code 0\" hint=\"read the lines above\" report=/run/rolecall/status.json\n";
        assert!(line.ends_with(rest), "{line}");
    }

    #[test]
    fn reason_at_the_end_of_a_long_error_survives() {
        let long = "could not start container shop-web-1: failed to create task: ".repeat(9);
        let err = Error::new(Cause::ContainerFailed, format!("{long}\nnot a directory"))
            .output(vec!["\u{1b}[2Jx\rrolecall: ready".into(), format!("{}the end", "x".repeat(9000))]);
        let text = failure(&err, None);
        assert!(text.contains(": not a directory\" need="), "{text}");
        assert!(text.starts_with("rolecall:   | \\u001b[2Jx\\rrolecall: ready\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 1000) && text.contains("xxthe end\n"), "{text}");
    }

    #[test]
    fn need_and_hint_are_always_there() {
        for cause in Cause::ALL {
            let line = failure(&Error::new(*cause, "it failed"), None);
            let wanted = format!(" need={} hint={}\n", field(cause.need()), field(cause.remedy()));
            assert!(line.ends_with(&wanted), "{line}");
            assert!(!cause.need().is_empty() && cause.remedy().len() < FIELD_LIMIT, "{line}");
        }
    }
}
