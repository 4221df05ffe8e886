//! Scripts that no host can run, or that hardly any host can.

use std::{path::Path, sync::Arc};

use super::Subject;
use crate::{
    compose::{
        Diagnostic,
        error::{Position, nearest},
    },
    manifest::{Script, findings::Findings, scripts},
};

/// Interpreters that scripts of hosts are written for.
const USUAL: &[&str] = &[
    "sh", "bash", "dash", "ash", "ksh", "zsh", "env", "python3", "python", "perl", "ruby", "node", "awk", "gawk",
    "sed", "make", "php", "tclsh", "lua", "fish", "expect", "jq",
];

/// Folders in which a distribution or an administrator puts them.
const FOLDERS: &[&str] = &["/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    subject.scripts.iter().for_each(|script| one(script, findings));
}

fn one(script: &Script, findings: &mut Findings) {
    let file: Arc<Path> = Arc::from(Path::new(&script.name));
    let at = |line: usize, message: String| {
        Diagnostic::new(&Position::new(&file, u32::try_from(line).unwrap_or(u32::MAX), 1), "", message)
    };
    let words = match scripts::interpreter(&script.body) {
        Ok(words) => words,
        Err(why) => {
            let message = format!("the script cannot be run: {}", why.reason());
            return findings.fault(at(1, message).help(why.hint()));
        }
    };
    let Some(words) = words else {
        let message = "no interpreter is named: the script is run by /bin/sh".to_owned();
        findings.warn(at(1, message).help("write #!/bin/sh or #!/bin/bash as its first line"));
        return windows_lines(script, at, findings);
    };
    let program = words.first().map_or("", String::as_str);
    let argument = words.get(1).map_or("", String::as_str);
    let (folder, name) = program.rsplit_once('/').unwrap_or(("", program));
    if !program.starts_with('/') {
        let message = format!("the script cannot be run: #!{program} is not an absolute path");
        return findings.fault(at(1, message).help(format!("write #!/usr/bin/env {name}")));
    }
    if name == "env" && !argument.starts_with('-') && argument.contains([' ', '\t']) {
        let message = format!("the script cannot be run: env looks for one program called '{argument}'");
        return findings.fault(at(1, message).help(format!("write #!/usr/bin/env -S {argument}")));
    }
    let called =
        if name == "env" { argument.trim_start_matches("-S ").split(' ').next().unwrap_or_default() } else { name };
    if !USUAL.contains(&called) || !FOLDERS.contains(&folder) {
        let meant = nearest(called, USUAL.iter().copied()).filter(|near| *near != called);
        let meant = meant.map(|near| format!(", did you mean '{near}'?")).unwrap_or_default();
        let message = format!("#!{} is an unusual interpreter{meant}", words.join(" "));
        findings.warn(at(1, message).help("a run fails if the host does not have it when the script runs"));
    }
    windows_lines(script, at, findings);
}

/// What keeps a script from running on this host as it is now, if its interpreter is missing. `present` tells of a path, or
/// of a name that `env` looks up; `before` is what may still install the interpreter, if anything is.
pub fn missing_interpreter(script: &Script, before: Option<&str>, present: &dyn Fn(&str) -> bool) -> Option<String> {
    let words = scripts::interpreter(&script.body).ok()??;
    let program = words.first()?;
    let called = match words.get(1) {
        Some(argument) if program.ends_with("/env") && present(program) => {
            argument.trim_start_matches("-S ").split_whitespace().find(|word| !word.contains('='))?
        }
        _ => program,
    };
    if called.starts_with('-') || present(called) {
        return None;
    }
    let found = format!("{}:1:1: this host has no {called}, the interpreter of the script", script.name);
    Some(match before {
        Some(before) => format!("{found}; the script fails unless {before} installs it"),
        None => format!("{found}; the script fails: add its package to x-rolecall.host.packages"),
    })
}

/// Lines that end in CR LF further down: the shell takes the CR for a part of the last word.
fn windows_lines(script: &Script, at: impl Fn(usize, String) -> Diagnostic, findings: &mut Findings) {
    if let Some(line) = script.body.split(|byte| *byte == b'\n').position(|line| line.ends_with(b"\r")) {
        let message = "the line ends as in Windows: a shell takes the CR for a part of its last word".to_owned();
        findings.warn(at(line + 1, message).help("convert its line ends from CRLF to LF"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> (Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        one(&Script::new("bootstrap/10-a.sh", body.into()), &mut findings);
        (findings.diagnostics().iter().map(ToString::to_string).collect(), findings.warnings())
    }

    #[test]
    fn script_that_no_host_can_run_is_a_fault() {
        for (body, says) in [
            (
                "#!/bin/sh\r\necho\r\n",
                "bootstrap/10-a.sh:1:1: the script cannot be run: its first line ends as in Windows",
            ),
            ("\u{feff}#!/bin/sh\n", "a byte order mark stands before #!"),
            ("#!bash\n", "#!bash is not an absolute path; write #!/usr/bin/env bash"),
            ("#!/usr/bin/env bash -e\n", "env looks for one program called 'bash -e'; write #!/usr/bin/env -S bash -e"),
        ] {
            let (faults, _) = found(body);
            assert!(faults.len() == 1 && faults[0].contains(says), "{body:?}: {faults:?}");
        }
    }

    #[test]
    fn missing_interpreter_is_named() {
        let present = |program: &str| ["/bin/sh", "/usr/bin/env", "bash"].contains(&program);
        for (body, missing) in [
            ("#!/bin/sh -eu\n", None),
            ("#!/usr/bin/env bash\n", None),
            ("#!/usr/bin/env -S LANG=C bash -eu\n", None),
            ("#!/usr/bin/env -i bash\n", None),
            ("echo\n", None),
            ("#!/usr/bin/python3 -u\n", Some("/usr/bin/python3")),
            ("#!/usr/bin/env python3\n", Some("python3")),
            ("#!/usr/bin/env -S python3 -u\n", Some("python3")),
            ("#!/opt/bin/env bash\n", Some("/opt/bin/env")),
        ] {
            let script = Script::new("bootstrap/10-a.sh", body.into());
            let found = missing_interpreter(&script, Some("an earlier script"), &present);
            let wanted = missing.map(|program| {
                format!(
                    "bootstrap/10-a.sh:1:1: this host has no {program}, the interpreter of the script; the script fails \
                     unless an earlier script installs it"
                )
            });
            assert_eq!(found, wanted, "{body:?}");
        }
        let script = Script::new("10.sh", b"#!/usr/bin/python3\n".to_vec());
        assert!(
            missing_interpreter(&script, None, &present)
                .unwrap()
                .ends_with("add its package to x-rolecall.host.packages")
        );
    }

    #[test]
    fn unusual_interpreter_is_a_warning() {
        for (body, says) in [
            ("#!/usr/bin/evn bash\n", "#!/usr/bin/evn bash is an unusual interpreter, did you mean 'env'?"),
            ("#!/bin/bahs\n", "did you mean 'bash'?"),
            ("#!/usr/bin/env pyhton3\n", "did you mean 'python3'?"),
            ("#!/opt/x/bin/bash\n", "#!/opt/x/bin/bash is an unusual interpreter;"),
            ("echo\n", "no interpreter is named: the script is run by /bin/sh"),
            ("#!/bin/sh\necho\r\n", "bootstrap/10-a.sh:2:1: the line ends as in Windows"),
        ] {
            let (faults, warnings) = found(body);
            assert!(faults.is_empty() && warnings.len() == 1 && warnings[0].contains(says), "{body:?}: {warnings:?}");
        }
        for body in ["#!/bin/sh\n", "#!/usr/bin/env bash\n", "#!/usr/bin/env -S python3 -u\n", "#! /bin/bash -eu\n"] {
            assert_eq!(found(body), (Vec::new(), Vec::new()), "{body:?}");
        }
    }
}
