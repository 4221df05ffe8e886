//! Owners of files of the project, as `x-rolecall.host.files` specifies them. Their modes are those of the fetched files,
//! which the project step sets.

use std::path::Path;

use super::machine::{Machine, Outcome};
use crate::{
    error::{Cause, Error, Result},
    fetch::project::{self, Owner},
    manifest::extension::HostFile,
    world::Command,
};

/// Whether every file has its owner.
///
/// # Errors
/// The project cannot be read, or the host has no such user or group.
pub async fn check(machine: &Machine, dir: &Path, files: &[HostFile]) -> Result<bool> {
    for file in files {
        let owner = owner(machine, file).await?;
        if !project::is_owned(dir, &file.path, owner)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives each file to its owner.
///
/// # Errors
/// As [`check`]; a file cannot be given away.
pub async fn apply(machine: &Machine, dir: &Path, files: &[HostFile]) -> Result<Outcome> {
    let mut count = 0;
    for file in files {
        let owner = owner(machine, file).await?;
        if !project::is_owned(dir, &file.path, owner)? {
            project::give(dir, &file.path, owner)?;
            count += 1;
        }
    }
    Ok(if count == 0 { Outcome::Unchanged } else { Outcome::Changed(format!("owners of {count} files set")) })
}

async fn owner(machine: &Machine, file: &HostFile) -> Result<Owner> {
    let of = async |name: &Option<String>, database| match name {
        Some(name) => id(machine, database, name, &file.path).await.map(Some),
        None => Ok(None),
    };
    Ok(Owner { user: of(&file.owner, "passwd").await?, group: of(&file.group, "group").await? })
}

/// The number of a user or group. Names may come from a directory service, which `getent` asks and a static binary cannot.
async fn id(machine: &Machine, database: &str, name: &str, path: &str) -> Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let found = machine.run(Command::new(["getent", database, name]), &mut |_| ()).await?;
    // name:password:number:…
    let number = found.stdout.lines().next().and_then(|line| line.split(':').nth(2)?.parse().ok());
    match number {
        Some(number) if found.code == 0 => Ok(number),
        _ => {
            let what = if database == "passwd" { "user" } else { "group" };
            let message = format!("could not set the {what} of {path}: this host has no {what} '{name}'");
            Err(Error::new(Cause::Io, message).need(format!("{what} {name}")).hint(format!(
                "write its number at x-rolecall.host.files, or add a package that creates the {what} to \
                 x-rolecall.host.packages"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::{host::command::SystemHost, testing::Played};

    #[tokio::test]
    async fn owners_are_set_once_and_names_are_looked_up() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give files away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "a").unwrap();
        let clock = Played::new();
        let machine = Machine {
            host: std::rc::Rc::new(SystemHost),
            clock: clock.clone(),
            retry: clock.retry(60),
            root: "/".into(),
        };
        let file = |owner: Option<&str>, group: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            [HostFile { path: "a".into(), mode: None, owner: text(owner), group: text(group) }]
        };
        let owners = || std::fs::metadata(dir.path().join("a")).map(|meta| (meta.uid(), meta.gid())).unwrap();
        for (owner, group, expected) in [
            (Some("1234"), None, (1234, 0)),
            (None, Some("4321"), (1234, 4321)),
            (Some("nobody"), Some("root"), (65534, 0)),
        ] {
            let files = file(owner, group);
            assert!(!check(&machine, dir.path(), &files).await.unwrap());
            let done = apply(&machine, dir.path(), &files).await.unwrap();
            assert_eq!(done, Outcome::Changed("owners of 1 files set".into()));
            assert_eq!(owners(), expected);
            assert!(check(&machine, dir.path(), &files).await.unwrap());
            assert_eq!(apply(&machine, dir.path(), &files).await.unwrap(), Outcome::Unchanged);
        }
        let err = apply(&machine, dir.path(), &file(None, Some("no-such-group"))).await.unwrap_err();
        assert_eq!(err.message, "could not set the group of a: this host has no group 'no-such-group'");
        std::fs::remove_file(dir.path().join("a")).unwrap();
        assert!(apply(&machine, dir.path(), &file(Some("1"), None)).await.is_err());
    }
}
