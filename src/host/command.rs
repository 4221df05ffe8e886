//! Commands of this machine: arguments one by one, no shell, each in a process group of its own.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Child,
    time::{Instant, sleep_until},
};

use super::{
    lines::{Limiter, Splitter, Tail},
    process,
};
use crate::{
    error::{Cause, Error, Result},
    world::{Command, Finished, Host, Listener},
};

/// How long a process group has between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long output is still read after the program itself has ended: a child that it left behind may keep the
/// pipe open for ever.
const DRAIN: Duration = Duration::from_millis(500);

/// How much is read at once.
const CHUNK: usize = 8 * 1024;

/// How much of standard output is kept.
const STDOUT_LIMIT: usize = 1024 * 1024;

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

#[async_trait(?Send)]
impl Host for SystemHost {
    async fn run(&self, command: &Command, line: &mut dyn for<'l> FnMut(&'l str)) -> Result<Finished> {
        let mut child = prepared(command)?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|err| not_started(command, &err))?;
        let mut group = Group::of(&child);
        let mut output = Output::new(&mut child, line);
        let mut limit = command.timeout.map(|t| Instant::now() + t);
        let mut timed_out = false;
        let status = loop {
            // Looked at by the clock too: while output is always ready, a timer may not be polled for seconds.
            if limit.is_some_and(|limit| Instant::now() >= limit) {
                group.signal(if timed_out { Signal::KILL } else { Signal::TERM });
                // After KILL there is nothing left to do but wait.
                limit = (!timed_out).then(|| Instant::now() + GRACE);
                timed_out = true;
            }
            tokio::select! {
                biased;
                status = child.wait() => break status.map_err(|err| not_started(command, &err))?,
                () = until(limit) => {}
                () = output.read(), if output.open() => {}
            }
        };
        if timed_out {
            // The leader may have gone at TERM while one of its children stayed.
            group.signal(Signal::KILL);
        }
        group.forget();
        output.drain().await;
        let (tail, stdout) = output.finish();
        Ok(Finished { code: code(status), timed_out, tail, stdout })
    }

    async fn spawn_detached(&self, command: &Command, log: &Path) -> Result<()> {
        let program = command.argv.first().map(String::as_str).unwrap_or_default();
        let path = which(program).ok_or_else(|| not_found(program))?;
        let log_file =
            OpenOptions::new().create(true).append(true).open(log).map_err(|err| Error::io("open log", log, &err))?;
        let again = log_file.try_clone().map_err(|err| Error::io("open log", log, &err))?;
        // `setsid --fork` ends at once and leaves the program to init, so that it is nobody's child and no
        // terminal's foreground. Starting a session ourselves would need code between fork and exec.
        let mut whole = command.clone();
        whole.argv[0] = path.to_string_lossy().into_owned();
        whole.argv.splice(..0, ["setsid", "--fork"].map(String::from));
        let mut child = prepared(&whole)?
            .stdout(log_file)
            .stderr(again)
            .process_group(0)
            .spawn()
            .map_err(|err| not_started(&whole, &err))?;
        let status = child.wait().await.map_err(|err| not_started(&whole, &err))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::new(Cause::Io, format!("could not start {program} in the background: setsid: {status}")))
    }

    async fn apart(&self, work: Box<dyn FnOnce() + Send>) {
        // One that panics has told it, and leaves no result.
        let _ = tokio::task::spawn_blocking(work).await;
    }

    async fn listeners(&self) -> Result<Vec<Listener>> {
        process::listeners(Path::new("/proc"))
    }
}

fn prepared(command: &Command) -> Result<tokio::process::Command> {
    let Some((program, args)) = command.argv.split_first() else {
        return Err(Error::new(Cause::Io, "could not start a command: it is empty"));
    };
    let mut prepared = tokio::process::Command::new(program);
    prepared.args(args).envs(&command.env).stdin(Stdio::null());
    if let Some(dir) = &command.dir {
        prepared.current_dir(dir);
    }
    Ok(prepared)
}

fn not_started(command: &Command, err: &std::io::Error) -> Error {
    let program = command.argv.first().map(String::as_str).unwrap_or_default();
    match err.kind() {
        ErrorKind::NotFound if which(program).is_none() => not_found(program),
        _ => Error::new(Cause::Io, format!("could not start {program}: {err}")),
    }
}

fn not_found(program: &str) -> Error {
    Error::new(Cause::Io, format!("could not start {program}: no such program in PATH"))
}

/// Where a program is, as a shell would find it.
pub fn which(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |path: &Path| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|p| executable(p));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| executable(p))
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(-1)
}

async fn until(limit: Option<Instant>) {
    match limit {
        Some(limit) => sleep_until(limit).await,
        None => std::future::pending().await,
    }
}

/// The process group of a running command. Dropped before its end (the run was cancelled), it gets TERM.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(pid) = self.0 {
            // It may be gone already, which is what we want.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// The leader is gone: its number may be given to somebody else.
    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

/// Both outputs of a command, told line by line as they come.
struct Output<'a> {
    out: Option<tokio::process::ChildStdout>,
    err: Option<tokio::process::ChildStderr>,
    split_out: Splitter,
    split_err: Splitter,
    line: &'a mut (dyn for<'l> FnMut(&'l str) + 'a),
    limiter: Limiter,
    tail: Tail,
    stdout: Vec<u8>,
    from_out: Vec<u8>,
    from_err: Vec<u8>,
}

impl<'a> Output<'a> {
    fn new(child: &mut Child, line: &'a mut (dyn for<'l> FnMut(&'l str) + 'a)) -> Self {
        Self {
            out: child.stdout.take(),
            err: child.stderr.take(),
            split_out: Splitter::default(),
            split_err: Splitter::default(),
            line,
            limiter: Limiter::default(),
            tail: Tail::default(),
            stdout: Vec::new(),
            from_out: vec![0; CHUNK],
            from_err: vec![0; CHUNK],
        }
    }

    fn open(&self) -> bool {
        self.out.is_some() || self.err.is_some()
    }

    async fn read(&mut self) {
        let Self { out, err, split_out, split_err, line, limiter, tail, stdout, from_out, from_err } = self;
        let mut told = |l: &str| {
            tail.push(l);
            limiter.pass(l, line);
        };
        tokio::select! {
            read = some(out, from_out), if out.is_some() => match read {
                0 => *out = None,
                n => {
                    let room = STDOUT_LIMIT.saturating_sub(stdout.len()).min(n);
                    stdout.extend_from_slice(&from_out[..room]);
                    split_out.push(&from_out[..n], &mut told);
                }
            },
            read = some(err, from_err), if err.is_some() => match read {
                0 => *err = None,
                n => split_err.push(&from_err[..n], &mut told),
            },
        }
    }

    /// Reads what is still in the pipes, for no longer than [`DRAIN`].
    async fn drain(&mut self) {
        let end = Instant::now() + DRAIN;
        while self.open() && Instant::now() < end {
            let _ = tokio::time::timeout_at(end, self.read()).await;
        }
    }

    fn finish(mut self) -> (Vec<String>, String) {
        let (tail, line, limiter) = (&mut self.tail, &mut self.line, &mut self.limiter);
        let mut told = |l: &str| {
            tail.push(l);
            limiter.pass(l, line);
        };
        self.split_out.finish(&mut told);
        self.split_err.finish(&mut told);
        limiter.finish(line);
        (self.tail.into_lines(), String::from_utf8_lossy(&self.stdout).into_owned())
    }
}

/// Reads some bytes; an error is an end.
async fn some(from: &mut Option<impl AsyncRead + Unpin>, into: &mut [u8]) -> usize {
    match from {
        Some(pipe) => pipe.read(into).await.unwrap_or(0),
        None => 0,
    }
}

#[cfg(test)]
mod tests;
