//! Packages of the distribution: what is missing, installing it, upgrades. Locks of the package manager are
//! waited for; only mirrors are tried again.

mod apt;
mod dnf;
mod locks;

use std::path::Path;

use tracing::info;

use super::machine::{Machine, Outcome};
use crate::{
    error::{Cause, Error, Result},
    host::os_release::OsRelease,
    manifest::extension::Upgrade,
    world::Finished,
};

/// Whether packages that the distribution merely recommends come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recommends {
    /// As the machine is set up.
    AsConfigured,
    /// Only what is needed.
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Apt,
    Dnf,
}

/// The package manager of a machine.
pub struct Packages<'a> {
    machine: &'a Machine,
    kind: Kind,
    os: OsRelease,
}

impl<'a> Packages<'a> {
    /// Finds the package manager.
    ///
    /// # Errors
    /// `packages-failed` on a distribution that is neither like Debian nor like Fedora.
    pub fn of(machine: &'a Machine) -> Result<Self> {
        let os = OsRelease::read(machine.root())?;
        let kind = if os.is_like(&["debian", "ubuntu"]) && machine.has("apt-get") {
            Kind::Apt
        } else if os.is_like(&["amzn", "fedora", "rhel", "centos"]) && machine.has("dnf") {
            Kind::Dnf
        } else {
            let message = format!("no package manager that is known here was found on {}", os.name());
            return Err(Error::new(Cause::PackagesFailed, message)
                .hint("supported are apt (Debian, Ubuntu) and dnf (Amazon Linux 2023, Fedora)"));
        };
        Ok(Self { machine, kind, os })
    }

    /// What the machine says of its distribution.
    pub fn os(&self) -> &OsRelease {
        &self.os
    }

    /// Whether this is apt; otherwise it is dnf.
    pub fn is_apt(&self) -> bool {
        self.kind == Kind::Apt
    }

    /// Which of these packages are not installed, in the given order.
    pub async fn missing(&self, names: &[String]) -> Result<Vec<String>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        match self.kind {
            Kind::Apt => apt::missing(self.machine, names).await,
            Kind::Dnf => dnf::missing(self.machine, names).await,
        }
    }

    /// Whether the distribution offers a package, as far as its lists are here.
    pub async fn offers(&self, name: &str) -> Result<bool> {
        Ok(self.candidate(name).await?.is_some())
    }

    /// The version of a package that would be installed, as far as its lists are here.
    pub async fn candidate(&self, name: &str) -> Result<Option<String>> {
        match self.kind {
            Kind::Apt => apt::candidate(self.machine, name).await,
            Kind::Dnf => dnf::candidate(self.machine, name).await,
        }
    }

    /// Fetches the lists of what there is, where they are absent or old.
    pub async fn refresh(&self) -> Result<()> {
        match self.kind {
            Kind::Apt => apt::refresh(self.machine).await,
            // dnf does so by itself.
            Kind::Dnf => Ok(()),
        }
    }

    /// Has the lists fetched again before the next use: a source was added.
    pub fn forget_lists(&self) -> Result<()> {
        match self.kind {
            Kind::Apt => apt::forget_lists(self.machine),
            Kind::Dnf => Ok(()),
        }
    }

    /// Installs packages; those that are there are left as they are.
    ///
    /// # Errors
    /// `packages-failed` with the last lines of the package manager, `disk-full`, `deadline`.
    pub async fn install(&self, names: &[String], recommends: Recommends) -> Result<Outcome> {
        let missing = self.missing(names).await?;
        if missing.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        info!(target: "packages", "installing {}", missing.join(" "));
        let installed = match self.kind {
            Kind::Apt => apt::install(self.machine, &missing, recommends).await,
            Kind::Dnf => dnf::install(self.machine, &missing).await,
        };
        installed.map_err(|err| cut_short(&format!("install {}", missing.join(" ")), err))?;
        Ok(Outcome::Changed(format!("installed {}", missing.join(" "))))
    }

    /// Upgrades what is installed.
    ///
    /// # Errors
    /// As [`Packages::install`].
    pub async fn upgrade(&self, upgrade: Upgrade) -> Result<Outcome> {
        let upgraded = match (upgrade, self.kind) {
            (Upgrade::None, _) => Ok(Outcome::Unchanged),
            (_, Kind::Apt) => apt::upgrade(self.machine, upgrade == Upgrade::Security).await,
            (_, Kind::Dnf) => dnf::upgrade(self.machine, upgrade == Upgrade::Security).await,
        };
        upgraded.map_err(|err| cut_short("upgrade packages", err))
    }
}

/// The error of a package manager that the deadline ended: the mirror that it waited for is in its last lines.
fn cut_short(what: &str, err: Error) -> Error {
    if err.cause != Cause::Deadline {
        return err;
    }
    let message = format!("could not {what}: {}", err.message);
    Error { message, ..err.instead_of_deadline(Cause::PackagesFailed) }
}

/// Whether all these packages are installed.
pub async fn check(machine: &Machine, names: &[String]) -> Result<bool> {
    if names.is_empty() {
        return Ok(true);
    }
    Ok(Packages::of(machine)?.missing(names).await?.is_empty())
}

/// Installs those of these packages that are missing.
pub async fn apply(machine: &Machine, names: &[String]) -> Result<Outcome> {
    if names.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    Packages::of(machine)?.install(names, Recommends::AsConfigured).await
}

/// Words of a package manager that tell what kind of failure it was.
struct Signs {
    /// The name stands behind these words.
    unknown: &'static [&'static str],
    lock: &'static [&'static str],
    mirror: &'static [&'static str],
}

/// The error for a package manager that failed, with its last lines and the class that they tell.
fn failure(what: &str, finished: &Finished, signs: &Signs) -> Error {
    let has = |signs: &[&str]| finished.tail.iter().any(|line| signs.iter().any(|sign| line.contains(sign)));
    let unknown = |line: &String| {
        let (_, rest) = signs.unknown.iter().find_map(|sign| line.split_once(sign))?;
        Some(rest.trim_matches([' ', ':', '\'', '"', '.']).to_owned())
    };
    // What dpkg, or the first complaint about a mirror or a lock, says was wrong; the last line says only that
    // something was.
    let complaint = || {
        let dpkg = finished.tail.windows(2).find(|lines| lines[0].starts_with("dpkg: error processing"));
        let telling = |line: &&String| signs.lock.iter().chain(signs.mirror).any(|sign| line.contains(sign));
        let last = || finished.tail.iter().rev().find(|line| !line.trim().is_empty());
        let found = dpkg.map(|lines| &lines[1]).or_else(|| finished.tail.iter().find(telling)).or_else(last);
        found.map(|line| line.trim().to_owned()).unwrap_or_default()
    };
    let output = finished.tail.clone();
    if has(&["No space left on device", "not have enough free space", "needs more space", "insufficient space"]) {
        return Error::new(Cause::DiskFull, format!("could not {what}: no space left on the disk"))
            .hint("free space or give the instance a larger volume")
            .output(output);
    }
    if let Some(name) = finished.tail.iter().find_map(unknown) {
        return Error::new(Cause::PackagesFailed, format!("could not {what}: there is no package {name}"))
            .hint("check its spelling for this distribution and release, and that its repository is set up")
            .output(output);
    }
    let error = Error::new(Cause::PackagesFailed, format!("could not {what}: exit {}: {}", finished.code, complaint()));
    let error = if has(&["is not valid yet"]) {
        error.hint("the clock of this machine is off: check chrony or systemd-timesyncd")
    } else {
        error
    };
    let error = if has(signs.lock) || has(signs.mirror) { error.transient() } else { error };
    error.output(output)
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests;
