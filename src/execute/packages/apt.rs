//! Debian and Ubuntu.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use tracing::{info, warn};

use super::{Recommends, Signs, failure, locks};
use crate::{
    error::{Class, Error, Result},
    execute::machine::{Machine, Outcome},
    host::files,
    retry::Policy,
    world::{Command, Finished},
};

/// apt waits for the locks of dpkg by itself when told so (`DPkg::Lock::Timeout`, since 1.9.11), but not for
/// those of its lists and its archives; and it names no holder. So all four are waited for here first.
const LOCKS: [&str; 4] =
    ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];

/// Lists older than this name packages that mirrors may have dropped.
const LISTS_AGE: Duration = Duration::from_secs(24 * 3600);

/// After so many failed updates, lists that know the packages will do: one repository of many may be broken.
const UPDATE_TRIES: u32 = 3;

const SIGNS: Signs = Signs {
    unknown: &["Unable to locate package ", "Couldn't find any package by glob ", "has no installation candidate"],
    lock: &["Could not get lock", "Unable to lock directory", "is locked by another process", "Unable to acquire"],
    mirror: &[
        "Failed to fetch",
        "Unable to fetch",
        "Hash Sum mismatch",
        "Temporary failure resolving",
        "Could not resolve",
        "Could not connect",
        "Connection failed",
        "is not valid yet",
        "dpkg was interrupted",
    ],
};

/// Mirrors are asked under a policy of their own: a try may take minutes.
const MIRRORS: Policy = Policy::SERVICE.attempt_timeout(None).ends_itself();

pub(super) async fn missing(machine: &Machine, names: &[String]) -> Result<Vec<String>> {
    let plain = |name: &str| name.split(['=', ':']).next().unwrap_or_default().to_owned();
    let installed = installed(machine, &names.iter().map(|n| plain(n)).collect::<Vec<_>>()).await?;
    let has = |name: &String| match name.split_once('=') {
        Some((name, version)) => installed.contains(&(plain(name), Some(version.to_owned()))),
        None => installed.contains(&(plain(name), None)),
    };
    Ok(names.iter().filter(|name| !has(name)).cloned().collect())
}

/// What is installed, by name alone and by name and version. Names that other packages provide are looked for
/// only if a name is not found otherwise.
async fn installed(machine: &Machine, names: &[String]) -> Result<BTreeSet<(String, Option<String>)>> {
    let format = "--showformat=${db:Status-Status}\\t${Package}\\t${Version}\\t${Provides}\\n";
    let query = |names: &[String]| {
        let words = ["dpkg-query", "--show", format].map(String::from);
        Command::new(words.into_iter().chain(names.iter().cloned()))
    };
    let mut found = parse_installed(&machine.run(query(names), &mut |_| ()).await?.stdout, false);
    if names.iter().any(|name| !found.contains(&(name.clone(), None))) {
        found.extend(parse_installed(&machine.run(query(&[]), &mut |_| ()).await?.stdout, true));
    }
    Ok(found)
}

fn parse_installed(text: &str, provided: bool) -> BTreeSet<(String, Option<String>)> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (Some("installed"), Some(name), Some(version)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        found.insert((name.to_owned(), None));
        found.insert((name.to_owned(), Some(version.to_owned())));
        if provided {
            let virtuals = fields.next().unwrap_or_default().split(',');
            found.extend(virtuals.filter_map(|v| Some((v.split_whitespace().next()?.to_owned(), None))));
        }
    }
    found
}

pub(super) async fn candidate(machine: &Machine, name: &str) -> Result<Option<String>> {
    let policy = machine.ask(["apt-cache", "policy", name]).await?.stdout;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    Ok(version.filter(|version| *version != "(none)").map(str::to_owned))
}

pub(super) async fn refresh(machine: &Machine) -> Result<()> {
    if !lists_are_old(machine) {
        return Ok(());
    }
    machine
        .retry
        .run("fetch package lists", MIRRORS, async |attempt| {
            let result = update(machine).await;
            if attempt >= UPDATE_TRIES && result.is_err() && !lists_are_old(machine) {
                return Ok(());
            }
            result
        })
        .await
}

pub(super) async fn install(machine: &Machine, names: &[String], recommends: Recommends) -> Result<()> {
    let what = format!("install {}", names.join(" "));
    let args = |first: &[&str]| {
        let mut command = apt_get(machine, first);
        command.argv.extend((recommends == Recommends::No).then(|| "--no-install-recommends".to_owned()));
        command.argv.push("--".to_owned());
        command.argv.extend(names.iter().cloned());
        command
    };
    let known = async || Ok::<_, Error>(machine.run(args(&["install", "--simulate"]), &mut |_| ()).await?.code == 0);
    let mut anew = false;
    machine
        .retry
        .run(&what, MIRRORS, async |attempt| {
            repair(machine).await?;
            let known_here = attempt == 1 && !lists_are_old(machine) && known().await?;
            if !known_here && let Err(err) = update(machine).await {
                if attempt < UPDATE_TRIES || !known().await? {
                    return Err(err);
                }
                warn!(target: "packages", "going on with the lists that are there: {err}");
            }
            locks::wait(machine, &LOCKS).await?;
            let result = done(&what, &machine.packager(args(&["install"])).await?);
            match result {
                Err(err) if err.class == Class::Permanent && !std::mem::replace(&mut anew, true) => {
                    warn!(target: "packages", "fetching all package lists anew: {err}");
                    remove_lists(machine)?;
                    update(machine).await?;
                    locks::wait(machine, &LOCKS).await?;
                    done(&what, &machine.packager(args(&["install"])).await?)
                }
                other => other,
            }
        })
        .await
}

pub(super) async fn upgrade(machine: &Machine, security: bool) -> Result<Outcome> {
    let what = if security { "install security updates" } else { "upgrade all packages" };
    machine
        .retry
        .run(what, MIRRORS, async |attempt| {
            repair(machine).await?;
            if let Err(err) = update(machine).await {
                if attempt < UPDATE_TRIES {
                    return Err(err);
                }
                warn!(target: "packages", "going on with the lists that are there: {err}");
            }
            let plan = machine.run(apt_get(machine, &["dist-upgrade", "--simulate"]), &mut |_| ()).await?;
            done(what, &plan)?;
            let names = upgrades(&plan.stdout, security);
            if names.is_empty() {
                return Ok(Outcome::Unchanged);
            }
            let command = if security {
                let mut command = apt_get(machine, &["install", "--only-upgrade", "--"]);
                command.argv.extend(names.iter().cloned());
                command
            } else {
                apt_get(machine, &["dist-upgrade"])
            };
            locks::wait(machine, &LOCKS).await?;
            done(what, &machine.packager(command).await?)?;
            Ok(Outcome::Changed(format!("upgraded {}", names.join(" "))))
        })
        .await
}

/// The packages that a simulated upgrade would bring; of these, those that come from a security archive:
/// `Inst libssl3 [3.0.14-1] (3.0.15-1 Debian-Security:12/stable-security [amd64])`.
fn upgrades(simulated: &str, security: bool) -> Vec<String> {
    let name = |line: &str| {
        let mut words = line.strip_prefix("Inst ")?.split_whitespace();
        let name = words.next()?.to_owned();
        let origin = line.split_once('(')?.1.to_lowercase();
        (!security || origin.contains("-security")).then_some(name)
    };
    simulated.lines().filter_map(name).collect()
}

/// Finishes what a power cut or a kill has left half done.
async fn repair(machine: &Machine) -> Result<()> {
    let updates = machine.path("/var/lib/dpkg/updates");
    let journal = std::fs::read_dir(updates).is_ok_and(|mut entries| entries.next().is_some());
    if !journal && machine.ask(["dpkg", "--audit"]).await?.stdout.trim().is_empty() {
        return Ok(());
    }
    locks::wait(machine, &LOCKS).await?;
    info!(target: "packages", "finishing an interrupted installation");
    let what = "finish an interrupted installation";
    let configure =
        unattended(Command::new(["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]));
    let configured = machine.packager(configure).await?;
    // Packages that were unpacked without what they need are completed by apt, with the network.
    locks::wait(machine, &LOCKS).await?;
    let fixed = machine.packager(apt_get(machine, &["install", "--fix-broken"])).await?;
    // What was cut while being unpacked has to be unpacked again, and dpkg knows it by its audit. Until then apt may fail
    // to fix what it finds: "package is in a very bad inconsistent state".
    let broken = half_installed(&machine.ask(["dpkg", "--audit"]).await?.stdout);
    if !broken.is_empty() {
        locks::wait(machine, &LOCKS).await?;
        let mut command = apt_get(machine, &["install", "--reinstall", "--"]);
        command.argv.extend(broken);
        let again = machine.packager(command).await?;
        if again.code == 0 || fixed.code == 0 {
            return done(what, &again);
        }
    } else if fixed.code == 0 {
        return Ok(());
    }
    done(what, &configured)?;
    done(what, &fixed)
}

/// Names in the text of `dpkg --audit`: paragraphs of prose, then one package on each line that starts with one
/// blank: ` docker.io            Linux container runtime`.
fn half_installed(audit: &str) -> Vec<String> {
    let name = |line: &str| line.strip_prefix(' ')?.split_whitespace().next().map(str::to_owned);
    audit.lines().filter(|line| !line.starts_with("  ")).filter_map(name).collect()
}

async fn update(machine: &Machine) -> Result<()> {
    locks::wait(machine, &LOCKS).await?;
    // Else apt calls it a success when a mirror cannot be reached and old lists are there.
    let command = apt_get(machine, &["update", "--option", "APT::Update::Error-Mode=any"]);
    let finished = machine.packager(command).await?;
    // Nothing is wrong with the request: whatever fails here is the mirror, the network or a lock.
    done("fetch package lists", &finished).map_err(Error::transient)
}

/// Removes the lists. apt takes those that a power cut has torn or emptied for current, as long as the mirror has no
/// newer ones.
fn remove_lists(machine: &Machine) -> Result<()> {
    let lists = machine.path("/var/lib/apt/lists");
    for entry in std::fs::read_dir(&lists).into_iter().flatten().flatten() {
        let file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if file && entry.file_name() != "lock" {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Makes the lists count as old.
pub(super) fn forget_lists(machine: &Machine) -> Result<()> {
    let lists = machine.path("/var/lib/apt/lists");
    for folder in [lists.join("partial"), lists] {
        match std::fs::File::open(&folder).and_then(|dir| dir.set_modified(SystemTime::UNIX_EPOCH)) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("set the time of", &folder, &err));
            }
            _ => {}
        }
    }
    Ok(())
}

fn lists_are_old(machine: &Machine) -> bool {
    let lists = machine.path("/var/lib/apt/lists");
    let is_list = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().contains("_Packages");
    let has_lists = std::fs::read_dir(&lists).is_ok_and(|mut dir| dir.any(|entry| entry.is_ok_and(is_list)));
    // apt gives the lists the time of the mirror's files, so that only the folders tell when it last asked.
    let asked = [lists.join("partial"), lists].iter().filter_map(|d| d.metadata().ok()?.modified().ok()).max();
    let age = asked.and_then(|at| SystemTime::now().duration_since(at).ok());
    !has_lists || age.is_some_and(|age| age > LISTS_AGE)
}

fn done(what: &str, finished: &Finished) -> Result<()> {
    if finished.code == 0 { Ok(()) } else { Err(failure(what, finished, &SIGNS)) }
}

fn apt_get(machine: &Machine, args: &[&str]) -> Command {
    let wait = machine.retry.remaining().map_or(-1, |left| i64::try_from(left.as_secs()).unwrap_or(-1));
    let lock = format!("DPkg::Lock::Timeout={wait}");
    let options = [
        &lock,
        "Dpkg::Options::=--force-confdef",
        "Dpkg::Options::=--force-confold",
        // Trying again is ours; a mirror that does not answer must not hold us long.
        "Acquire::Retries=0",
        "Acquire::http::Timeout=30",
        "Acquire::https::Timeout=30",
        // Progress bars are for terminals.
        "Dpkg::Use-Pty=0",
    ];
    let mut words = vec!["apt-get", "--yes", "--quiet"];
    for option in options {
        words.extend(["--option", option]);
    }
    words.extend(args);
    unattended(Command::new(words))
}

/// Nobody is there to be asked, and services that run are left running.
fn unattended(command: Command) -> Command {
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("NEEDRESTART_MODE", "l")
        .env("NEEDRESTART_SUSPEND", "1")
        .env("UCF_FORCE_CONFFOLD", "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_counts_as_installed() {
        let text = "installed\tjq\t1.6-2.1\t\nconfig-files\tnano\t7.2-1\t\ninstalled\tmawk\t1.3.4\tawk, other (= 2)\nunpacked\tgit\t2\t\n";
        let found = parse_installed(text, true);
        let has = |name: &str| found.contains(&(name.to_owned(), None));
        assert!(has("jq") && has("mawk") && has("awk") && has("other"));
        assert!(!has("nano") && !has("git"));
        assert!(found.contains(&("jq".into(), Some("1.6-2.1".into()))));
        assert!(!parse_installed(text, false).contains(&("awk".into(), None)));
    }

    #[test]
    fn security_updates_are_told_from_others() {
        let text = "NOTE: simulation\nInst libssl3 [3.0.14-1] (3.0.15-1 Debian-Security:12/stable-security [amd64])\n\
                    Inst tzdata [2024a] (2024b Debian:12/stable-updates [all])\nConf libssl3 (3.0.15-1)\n\
                    Inst curl [1] (2 Ubuntu:22.04/jammy-security [amd64]) []\n";
        assert_eq!(upgrades(text, true), ["libssl3", "curl"]);
        assert_eq!(upgrades(text, false), ["libssl3", "tzdata", "curl"]);
    }

    #[test]
    fn broken_packages_are_read_from_the_audit() {
        let text = "The following packages are in a mess due to serious problems during\ninstallation.  They must be \
                    reinstalled for them (and any packages\nthat depend on them) to function properly:\n \
                    docker.io            Linux container runtime\n   more\n";
        assert_eq!(half_installed(text), ["docker.io"]);
        assert!(half_installed("").is_empty());
    }
}
