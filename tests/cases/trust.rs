//! Input and output from outside: streams that cannot be written, files that block, output that floods or paints.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::bed::Bed;

const INVALID: &str = "services:\n  web: { imag: x }\n";

/// What a shell line with the agent in it exits with; `$AGENT` is its path.
fn shell(bed: &Bed, line: &str) -> Option<i32> {
    let mut command = bed.agent.under(&["/bin/bash", "-c", line]).command(&[]);
    command.env("AGENT", &bed.agent.binary).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().code()
}

fn pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

#[test]
fn unwritable_stderr_changes_no_verdict() {
    let bed = Bed::without_engine();
    bed.compose("shop", INVALID);
    for stderr in ["2>/dev/full", "2>&-", "2> >(true)"] {
        assert_eq!(shell(&bed, &format!("\"$AGENT\" run {stderr}")), Some(3), "{stderr}");
        assert_eq!(bed.agent.status()["failure"]["cause"], "manifest-invalid", "{stderr}");
    }
    fs::write(bed.agent.cwd.join("compose.yaml"), INVALID).unwrap();
    assert_eq!(shell(&bed, "\"$AGENT\" validate compose.yaml 2>/dev/full"), Some(3));
    assert_eq!(shell(&bed, "\"$AGENT\" run --no-such-flag 2>/dev/full"), Some(2));
    assert_eq!(shell(&bed, "\"$AGENT\" status >/dev/full 2>&1"), Some(3));
}

#[test]
fn incomplete_output_is_an_error_and_a_closed_pipe_is_none() {
    let bed = Bed::without_engine();
    fs::write(bed.agent.cwd.join("compose.yaml"), "services: { web: { image: x } }").unwrap();
    assert_eq!(shell(&bed, "\"$AGENT\" config >/dev/full"), Some(1));
    assert_eq!(shell(&bed, "\"$AGENT\" config | true; exit ${PIPESTATUS[0]}"), Some(0));
    assert_eq!(shell(&bed, "\"$AGENT\" config"), Some(0));
}

#[test]
fn files_that_could_block_are_refused() {
    let bed = Bed::without_engine();
    let fifo = bed.path("fifo");
    pipe(&fifo);
    let fifo = fifo.display();
    let compose = |more: &str| format!("services:\n  web: {{ image: \"rolecall-test/web:1\"{more} }}\n");
    let variable = format!("{}x-rolecall: {{ variables: {{ KEY: \"file://{fifo}\" }} }}\n", compose(""));
    for project in [variable, compose(&format!(", env_file: \"{fifo}\"")), compose(", env_file: /dev/zero")] {
        bed.compose("shop", &project);
        let failed = bed.run();
        assert!(failed.took < Duration::from_secs(15), "{project}: {:?}", failed.took);
        assert!(failed.stderr.contains("it is no regular file"), "{project}: {}", failed.stderr);
    }
    let agent = bed.agent.env("ROLECALL_SOURCE", format!("file://{fifo}"));
    agent.run(&["run"]).fails(2, "source-refused").names("it is no regular file");
}

#[test]
fn pipes_among_files_of_the_host_do_not_block() {
    let bed = Bed::new();
    bed.compose("shop", "services:\n  web: { image: \"rolecall-test/web:1\" }\n");
    let docker = bed.path("home/.docker");
    fs::create_dir_all(&docker).unwrap();
    pipe(&docker.join("config.json"));
    bed.run().ready();
    let status = bed.agent.runtime.join("status.json");
    fs::remove_file(&status).unwrap();
    pipe(&status);
    assert!(bed.rolecall(&["status"]).exits(1).stderr.contains("it is no regular file"));
    fs::remove_file(&status).unwrap();
    // Where no file names the project, the variables of the folder are looked at.
    let folder = bed.path("folder");
    fs::create_dir(&folder).unwrap();
    pipe(&folder.join(".env"));
    bed.rolecall(&["validate", folder.to_str().unwrap()]).fails(3, "source-unrecognised");
}

#[test]
fn blocked_read_ends_at_the_signal() {
    let bed = Bed::without_engine();
    let file = bed.path("hangs");
    fs::write(&file, "x").unwrap();
    let mut hang = Hang::on(&file);
    // A value is read under the timer; what Compose reads is read at once, and only the guard can end it.
    bed.compose("shop", &format!("services:\n  web: {{ image: x, env_file: \"{}\" }}\n", file.display()));
    let run = bed.agent.spawn(&["run"]);
    hang.wait_for_reader();
    run.signal(Signal::TERM);
    let start = Instant::now();
    let ended = run.wait().fails(1, "interrupted");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    ended.names("it is blocked");
    assert_eq!(bed.agent.status()["failure"]["cause"], "interrupted");
}

#[test]
fn blocked_value_ends_at_the_deadline() {
    let bed = Bed::without_engine();
    let file = bed.path("hangs");
    fs::write(&file, "x").unwrap();
    let _hang = Hang::on(&file);
    let compose = "services: { web: { image: x } }\nx-rolecall: { variables: { KEY: \"file://FILE\" } }\n";
    bed.compose("shop", &compose.replace("FILE", &file.display().to_string()));
    let run = bed.agent.run(&["run", "--deadline", "3s"]);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    run.fails(4, "source-unreachable");
}

#[test]
fn flooding_script_ends_at_its_deadline() {
    let bed = Bed::new();
    bed.project("shop", &[("bootstrap/10-flood.sh", "#!/bin/sh\necho begin\nexec yes \"$(printf 'x\\033[2Jy')\"\n")]);
    let run = bed.agent.run(&["run", "--deadline", "5s"]);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    assert!(run.stderr.lines().count() < 5000, "{} lines", run.stderr.lines().count());
    run.fails(1, "script-timeout").says("lines of output left out").says("rolecall:   | x\\u001b[2Jy");
}

#[test]
fn terminal_escapes_of_a_container_are_shown_not_obeyed() {
    let bed = Bed::new();
    let paint = r"printf '\033]0;x\007\033[2J\033[1;1H'; printf 'x\rrolecall: ready, all is well\n'; exit 3";
    let compose = "services:\n  web:\n    image: rolecall-test/web:1\n    command: [sh, -c, \"PAINT\"]\n";
    bed.compose("shop", &compose.replace("PAINT", &paint.replace('\\', "\\\\")));
    let failed = bed.run();
    let status = bed.rolecall(&["status"]);
    for text in [&failed.stderr, &status.stdout] {
        assert!(!text.contains(['\u{1b}', '\r', '\u{7}']), "{text:?}");
        assert!(text.contains("\\u001b[2J") && text.contains("x\\rrolecall: ready"), "{text}");
    }
}

/// A file whose readers wait for a permission that nobody gives, as they wait for a server that is gone.
struct Hang(std::process::Child);

impl Hang {
    /// By fanotify(7): `FAN_CLASS_CONTENT`, then a mark for `FAN_OPEN_PERM`.
    fn on(file: &Path) -> Self {
        let program = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.fanotify_init(0x04, os.O_RDONLY)
if fd < 0 or libc.fanotify_mark(fd, 1, ctypes.c_uint64(0x00010000), -100, sys.argv[1].encode()) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("marked", flush=True)
os.read(fd, 4096)
print("asked", flush=True)
sys.stdin.read()
"#;
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", program]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut hang = Self(python.spawn().unwrap());
        hang.expect("marked\n");
        hang
    }

    fn wait_for_reader(&mut self) {
        self.expect("asked\n");
    }

    fn expect(&mut self, line: &str) {
        use std::io::Read;
        let mut read = vec![0; line.len()];
        self.0.stdout.as_mut().unwrap().read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8_lossy(&read), line);
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
