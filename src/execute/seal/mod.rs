//! Carrying out what `rolecall seal` is for: of a machine that an image is made of, nothing stays that is an instance's.

mod wipe;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tracing::{error, info};

use super::{machine::Machine, stop};
use crate::{
    error::{Cause, Error, Result},
    facts::given::Given,
    host::{files, systemd},
    paths::Paths,
    plan::{
        labels,
        reconcile::Existing,
        seal::{Entry, TABLE, Take, matches},
    },
    world::{Command, Engine},
};

/// Longest time for a unit to stop, or for cloud-init to clean up.
const COMMAND: Duration = Duration::from_secs(120);

/// The unit of the run.
const RUN_UNIT: &str = "rolecall.service";

/// Where journald is told to keep its logs in memory; it is in memory itself.
const JOURNALD: &str = "/run/systemd/journald.conf.d/rolecall-seal.conf";

/// The default place of Docker's data.
const DATA_ROOT: &str = "/var/lib/docker";

/// What Docker calls the driver of its images where they are containerd's (`driver-type` of `docker info`).
const SNAPSHOTTER: &str = "io.containerd.snapshotter.v1";

/// A machine that is to become an image.
pub struct Seal {
    machine: Machine,
    paths: Paths,
    given: Given,
    data_root: PathBuf,
    /// Whether the engine keeps images in a store of its own, and not in containerd's.
    own_images: bool,
    bare: bool,
}

/// Something that is there and has to go.
#[derive(Debug)]
pub struct Found {
    /// The row that it stands in.
    pub entry: &'static Entry,
    /// The path or unit.
    pub what: String,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.entry.take.told(), self.what, self.entry.why)
    }
}

impl Seal {
    /// This machine. `info` is the engine's answer to `GET /info`, null where there is no engine.
    pub fn new(machine: Machine, paths: &Paths, given: Given, info: &Value) -> Self {
        let data_root = machine.path(info["DockerRootDir"].as_str().unwrap_or(DATA_ROOT));
        let status = info["DriverStatus"].as_array();
        let own_images = status.is_some_and(|pairs| pairs.iter().all(|pair| pair[1] != SNAPSHOTTER));
        Self { machine, paths: paths.clone(), given, data_root, own_images, bare: false }
    }

    /// The same, where the engine may be [`bare`].
    #[must_use]
    pub fn with_bare_engine(self, bare: bool) -> Self {
        Self { bare, ..self }
    }

    /// Everything that is there now, in the order in which it is taken away.
    ///
    /// # Errors
    /// The service manager does not answer.
    pub async fn found(&self) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        for entry in TABLE {
            all.extend(self.find(entry).await?);
        }
        Ok(all)
    }

    /// Takes it all away; how much it was.
    ///
    /// # Errors
    /// The first that did not go, after all others did.
    pub async fn wipe(&self) -> Result<usize> {
        let (mut count, mut failures) = (0, Vec::new());
        for entry in TABLE {
            // Looked for only now: what went before may have brought or taken it.
            for found in self.find(entry).await? {
                info!("{found}");
                count += 1;
                if let Err(err) = self.take(&found).await {
                    error!("could not {} {}: {err}", entry.take.told(), found.what);
                    failures.push(err);
                }
            }
        }
        rustix::fs::sync();
        let others = failures.len().saturating_sub(1);
        match failures.into_iter().next() {
            None => Ok(count),
            Some(err) if others == 0 => Err(err),
            Some(err) => Err(Error { message: format!("{} (and {others} more did not go)", err.message), ..err }),
        }
    }

    async fn find(&self, entry: &'static Entry) -> Result<Vec<Found>> {
        let found = |what: String| vec![Found { entry, what }];
        let name = || entry.what.to_owned();
        Ok(match entry.take {
            Take::Stop | Take::Memory => {
                let there = systemd::running(self.machine.root())
                    && self.machine.systemd().state(entry.what).await?.active == "active";
                if there { found(name()) } else { Vec::new() }
            }
            _ => {
                let paths = self.expanded(entry).into_iter().filter(|path| self.concerns(entry.take, path));
                paths.map(|path| Found { entry, what: path.display().to_string() }).collect()
            }
        })
    }

    /// Whether there is something to take away at a path.
    fn concerns(&self, take: Take, path: &Path) -> bool {
        let text = || fs::read_to_string(path).unwrap_or_default();
        match take {
            Take::Files => wipe::has_files(path),
            Take::Empty => fs::metadata(path).is_ok_and(|meta| meta.len() > 0),
            Take::Name => self.is_named(text().trim()),
            Take::Hosts => self.without_name(&text()).is_some(),
            Take::Card => {
                let text = text().to_lowercase();
                cards(&self.machine.path("/sys/class/net")).iter().any(|address| text.contains(address))
            }
            Take::Keys => text().lines().any(|line| self.is_given(line)),
            Take::Logins => logged_in(&text()).is_some(),
            Take::Unshared => self.own_images,
            Take::Unused => self.bare,
            Take::Run => fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0),
            Take::Stop | Take::Memory | Take::Remove => true,
        }
    }

    async fn take(&self, found: &Found) -> Result<()> {
        let path = Path::new(&found.what);
        match found.entry.take {
            Take::Stop => self.machine.systemd().stop(&found.what, COMMAND).await,
            Take::Memory => {
                files::write_volatile(&self.machine.path(JOURNALD), b"[Journal]\nStorage=volatile\n", 0o644)?;
                self.command(&["systemctl", "restart", &found.what]).await
            }
            Take::Run => self.command(&[&found.what]).await,
            Take::Remove | Take::Unshared | Take::Unused | Take::Card => wipe::remove(path),
            Take::Files => wipe::remove_files(path),
            Take::Empty | Take::Name => wipe::empty(path),
            Take::Keys => {
                let text = fs::read_to_string(path).map_err(|err| Error::io("read", path, &err))?;
                let kept: String = text.split_inclusive('\n').filter(|line| !self.is_given(line)).collect();
                wipe::rewrite(path, kept.as_bytes())
            }
            Take::Hosts => {
                let text = fs::read_to_string(path).map_err(|err| Error::io("read", path, &err))?;
                self.without_name(&text).map_or(Ok(()), |text| wipe::rewrite(path, text.as_bytes()))
            }
            Take::Logins => {
                let text = fs::read_to_string(path).map_err(|err| Error::io("read", path, &err))?;
                let Some(mut config) = logged_in(&text) else { return Ok(()) };
                config.remove("auths");
                wipe::rewrite(path, format!("{:#}\n", Value::from(config)).as_bytes())
            }
        }
    }

    async fn command(&self, argv: &[&str]) -> Result<()> {
        let command = Command::new(argv.iter().copied()).timeout(COMMAND);
        let done = self.machine.run(command, &mut |_| ()).await?;
        if done.code == 0 {
            return Ok(());
        }
        let message = format!("{} ended with {}", argv.join(" "), done.code);
        Err(Error::new(Cause::Io, message).output(done.tail))
    }

    /// Whether this is the name that metadata gave, whole or its first part.
    fn is_named(&self, name: &str) -> bool {
        let given = self.given.hostname.as_str();
        !name.is_empty() && [given, given.split('.').next().unwrap_or_default()].contains(&name)
    }

    /// The text of `/etc/hosts` without the names of this instance; none where it has none of them.
    fn without_name(&self, text: &str) -> Option<String> {
        let named =
            |line: &str| !line.starts_with('#') && line.split_whitespace().skip(1).any(|word| self.is_named(word));
        let other = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().filter(|word| !self.is_named(word)).collect();
            if words.len() > 1 { words.join(" ") + "\n" } else { String::new() }
        };
        let lines = || text.split_inclusive('\n');
        lines().any(named).then(|| lines().map(|l| if named(l) { other(l) } else { l.to_owned() }).collect())
    }

    /// Whether a line of `authorized_keys` holds a key that metadata gave.
    fn is_given(&self, line: &str) -> bool {
        line.split_whitespace().any(|word| self.given.keys.iter().any(|key| key == word))
    }

    /// The paths that an entry stands for here, of those that are there. A link that is named itself is left alone: what
    /// it leads to has a row of its own.
    fn expanded(&self, entry: &Entry) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for place in self.places(entry.what) {
            let (Some(folder), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str())) else {
                continue;
            };
            if !name.contains('*') {
                paths.extend(fs::symlink_metadata(&place).is_ok_and(|meta| !meta.is_symlink()).then_some(place));
                continue;
            }
            let wanted = |found: &str| matches(name, found) && !entry.but.contains(&found);
            let mut names: Vec<PathBuf> = entries(folder).filter(|path| last(path).is_none_or(wanted)).collect();
            names.sort();
            paths.extend(names);
        }
        paths
    }

    /// Where a path of the table is on this machine: in each home, and where settings have moved it.
    fn places(&self, what: &str) -> Vec<PathBuf> {
        if let Some(rest) = what.strip_prefix("~/") {
            let others = self.machine.path("/home");
            let homes = entries(&others).chain([self.machine.path("/root")]);
            return homes.map(|home| home.join(rest)).collect();
        }
        let moved = [
            ("/var/lib/rolecall/", &self.paths.state),
            ("/run/rolecall/", &self.paths.runtime),
            ("/etc/rolecall/", &self.paths.config),
            ("/var/lib/docker/", &self.data_root),
        ];
        let own = moved.iter().find_map(|(default, place)| Some(place.join(what.strip_prefix(default)?)));
        vec![own.unwrap_or_else(|| self.machine.path(what))]
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The last part of a path; none where it is not UTF-8, as no name that is to be kept is.
fn last(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// The addresses of the network cards of this machine, as the kernel writes them.
fn cards(net: &Path) -> Vec<String> {
    let read = |card: PathBuf| fs::read_to_string(card.join("address")).ok();
    let known = |address: &String| !address.is_empty() && address.bytes().any(|byte| !matches!(byte, b'0' | b':'));
    entries(net).filter_map(read).map(|text| text.trim().to_owned()).filter(known).collect()
}

/// Docker's config.json, where it holds logins.
fn logged_in(text: &str) -> Option<serde_json::Map<String, Value>> {
    let config: serde_json::Map<String, Value> = serde_json::from_str(text).ok()?;
    config.get("auths").and_then(Value::as_object).is_some_and(|auths| !auths.is_empty()).then_some(config)
}

/// Whether the engine has no network but its own, and no volume: whoever made it. One that does not answer may have some.
pub async fn bare(engine: &dyn Engine) -> bool {
    const OWN: [&str; 4] = ["bridge", "host", "none", "docker_gwbridge"];
    let (networks, volumes) = (engine.networks(&[]).await, engine.volumes(&[]).await);
    let own = |network: &Value| network["Name"].as_str().is_some_and(|name| OWN.contains(&name));
    networks.is_ok_and(|all| all.iter().all(own)) && volumes.is_ok_and(|all| all.is_empty())
}

/// Refuses a machine on which a project runs, or has left something: an image of it would start that on each of its
/// instances.
///
/// # Errors
/// `in-use`, naming what is left; the engine or the service manager does not answer.
pub async fn check(machine: &Machine, engine: &dyn Engine) -> Result<()> {
    if systemd::running(machine.root()) {
        let state = machine.systemd().state(RUN_UNIT).await?;
        if !matches!(state.active.as_str(), "inactive" | "failed" | "") || state.queued {
            let message = format!("{RUN_UNIT} is {}: it would begin a run on the sealed machine", state.active);
            return Err(Error::new(Cause::InUse, message).hint("systemctl stop rolecall"));
        }
    }
    let ours = [format!("{}=true", labels::MANAGED)];
    let look = async {
        let containers = engine.containers(&ours).await?;
        Ok::<_, Error>((containers, engine.networks(&ours).await?, engine.volumes(&ours).await?))
    };
    let (containers, networks, volumes) =
        match machine.retry.bounded("look for containers", Some(stop::LOOK), look).await {
            Ok(found) => found,
            // Nobody can have left anything with an engine that is not there.
            Err(err) if err.cause == Cause::EngineUnreachable && !machine.has("dockerd") => return Ok(()),
            // An earlier seal of this boot has looked, and stopped it.
            Err(err) if err.cause == Cause::EngineUnreachable && machine.path(JOURNALD).exists() => return Ok(()),
            Err(err) => return Err(err.hint("start the engine: only it knows whether containers are left")),
        };
    let named =
        |all: &[Value]| all.iter().filter_map(|one| one["Name"].as_str().map(str::to_owned)).collect::<Vec<_>>();
    let containers = containers.iter().map(|one| Existing::read(one).name).collect::<Vec<_>>();
    let (networks, volumes) = (named(&networks), named(&volumes));
    for (kind, names, hint) in [
        ("containers", containers, "rolecall down --all".to_owned()),
        ("networks", networks, "rolecall down --all".to_owned()),
        ("volumes", volumes.clone(), format!("docker volume rm {}", volumes.join(" "))),
    ] {
        if !names.is_empty() {
            let message = format!("{kind} of a project are left: {}", names.join(", "));
            return Err(Error::new(Cause::InUse, message).hint(hint));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
