//! Amazon Linux 2023, Fedora and their like.

use super::{Signs, exists, failure, locks};
use crate::{
    error::Result,
    execute::machine::{Machine, Outcome},
    retry::Policy,
    world::{Command, Finished},
};

/// The transaction locks of rpm (both places of its database) and of dnf 5, which fails at once where dnf 4 waits.
const LOCKS: [&str; 3] = ["/usr/lib/sysimage/rpm/.rpm.lock", "/var/lib/rpm/.rpm.lock", "/run/dnf/rpmtransaction.lock"];

const SIGNS: Signs = Signs {
    unknown: &["No match for argument: ", "Unable to find a match: "],
    lock: &["transaction lock", "can't create transaction lock", "Waiting for process"],
    mirror: &[
        "Failed to download",
        "Cannot download",
        "Curl error",
        "Librepo error",
        "Could not resolve host",
        "No more mirrors",
        "Status code: 5",
    ],
};

const MIRRORS: Policy = Policy::SERVICE.attempt_timeout(None).ends_itself();

pub(super) async fn missing(machine: &Machine, names: &[String]) -> Result<Vec<String>> {
    let query = Command::new(["rpm", "--query", "--whatprovides"].map(String::from).into_iter().chain(names.to_vec()));
    let all = machine.run(query, &mut |_| ()).await?;
    if all.code == 0 {
        return Ok(Vec::new());
    }
    let mut missing = Vec::new();
    for name in names {
        // Exact versions (`name-1.2-3`) are names to `--query` alone.
        if machine.ask(["rpm", "--query", "--whatprovides", name]).await?.code != 0
            && machine.ask(["rpm", "--query", name]).await?.code != 0
        {
            missing.push(name.clone());
        }
    }
    Ok(missing)
}

pub(super) async fn candidate(machine: &Machine, name: &str) -> Result<Option<String>> {
    let query = dnf(machine, &["repoquery", "--latest-limit=1", "--queryformat", "%{name} %{version}\\n", name]);
    let found = machine.run(query, &mut |_| ()).await?.stdout;
    let version = found.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(' '));
    Ok(version.map(str::to_owned))
}

pub(super) async fn install(machine: &Machine, names: &[String]) -> Result<()> {
    let what = format!("install {}", names.join(" "));
    let mut command = dnf(machine, &["install"]);
    command.argv.extend(names.iter().cloned());
    transaction(machine, &what, command).await.map(drop)
}

pub(super) async fn upgrade(machine: &Machine, security: bool) -> Result<Outcome> {
    let (what, args): (_, &[&str]) = if security {
        ("install security updates", &["upgrade", "--security"])
    } else {
        ("upgrade all packages", &["upgrade"])
    };
    let finished = transaction(machine, what, dnf(machine, args)).await?;
    let nothing = finished.tail.iter().any(|line| line.contains("Nothing to do"));
    Ok(if nothing { Outcome::Unchanged } else { Outcome::Changed("upgraded packages".into()) })
}

async fn transaction(machine: &Machine, what: &str, command: Command) -> Result<Finished> {
    machine
        .retry
        .run(what, MIRRORS, async |_| {
            locks::wait(machine, &LOCKS).await?;
            let finished = machine.packager(command.clone()).await?;
            if finished.code == 0 { Ok(finished) } else { Err(failure(what, &finished, &SIGNS)) }
        })
        .await
}

fn dnf(machine: &Machine, args: &[&str]) -> Command {
    let mut words = vec!["dnf", "--assumeyes"];
    // Trying again is ours; a mirror that does not answer must not hold us long.
    words.extend(["--setopt=retries=1", "--setopt=timeout=30"]);
    if !exists(&machine.path("/usr/bin/dnf5")) {
        words.push("--color=never");
    }
    words.extend(args);
    Command::new(words)
}
