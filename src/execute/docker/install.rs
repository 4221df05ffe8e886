//! Installing the engine. Its settings are written first, so that the one start is the right one.

use std::{collections::BTreeMap, path::PathBuf};

use futures_util::future::join;
use tracing::info;
use url::Url;

use super::{Docker, Install, daemon_json, key, start::UNIT};
use crate::{
    error::{Cause, Error, Result},
    execute::{
        machine::Outcome,
        packages::{Packages, Recommends},
    },
    host::{files, proxy, systemd},
    retry::Policy,
    world::Command,
};

/// Docker's own repository, and the most that its key may weigh.
const REPOSITORY: &str = "https://download.docker.com/linux";
const KEY_LIMIT: u64 = 64 * 1024;

/// Where the key for dnf is kept.
const RPM_KEY: &str = "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker-ce";

/// A drop-in of ours; it names a file that only root reads, since proxies may have passwords and systemd shows
/// the text of units to everybody.
const PROXY_UNIT: &str = "/etc/systemd/system/docker.service.d/rolecall-proxy.conf";

/// What a static archive brings, and where it goes.
const STATIC_FOLDER: &str = "/usr/local/bin";
const STATIC_UNIT: &str = "/etc/systemd/system/docker.service";

impl Docker {
    pub(super) async fn install(&self) -> Result<Outcome> {
        files::write_atomic(&self.installing(), b"", 0o600)?;
        if let Some(text) = self.merged(true)? {
            files::rewrite(&self.machine.path(daemon_json::PATH), text.as_bytes(), 0o644)?;
        }
        let booted = systemd::running(self.machine.root());
        let proxies = rendered(proxy::from_env());
        if booted && !proxies.is_empty() {
            files::write_atomic(&self.proxy_file(), proxies.as_bytes(), 0o600)?;
            let text = format!("[Service]\nEnvironmentFile=-{}\n", self.proxy_file().display());
            files::write_atomic(&self.machine.path(PROXY_UNIT), text.as_bytes(), 0o644)?;
        }
        let what = match &self.settings.install {
            Install::Static(address) => {
                let archive = (self.archive)(address.clone()).await?;
                self.unpack(&archive).await?
            }
            Install::Distro => self.install_packages(distro_packages).await?,
            Install::DockerCe => {
                self.add_repository().await?;
                self.install_packages(|_| Ok(vec!["docker-ce", "docker-ce-cli", "containerd.io"])).await?
            }
        };
        if booted {
            self.enabled().await?;
        }
        // Beside the start of the engine, which takes as long.
        let (started, ()) = join(self.start(false), self.install_plugin()).await;
        started.map_err(|mut err| {
            err.message = format!("{what} was installed, but {}", err.message);
            err
        })?;
        files::remove(&self.old_file())?;
        files::remove(&self.installing())?;
        Ok(Outcome::Changed(format!("installed {what}")))
    }

    /// Has the engine started at every boot. Its package did so already, and systemd has read its files: what is so is
    /// not asked for.
    async fn enabled(&self) -> Result<()> {
        let manager = self.machine.systemd();
        let mut state = manager.state(UNIT).await?;
        if state.outdated || !state.exists() {
            manager.reload().await?;
            state = manager.state(UNIT).await?;
        }
        if state.enabled != "enabled" {
            manager.enable(UNIT).await?;
        }
        Ok(())
    }

    async fn install_packages(
        &self,
        names: impl FnOnce(&Packages<'_>) -> Result<Vec<&'static str>>,
    ) -> Result<&'static str> {
        let packages = Packages::of(&self.machine).map_err(|mut err| {
            err.cause = Cause::DockerInstall;
            err
        })?;
        packages.refresh().await?;
        let names = names(&packages)?;
        let mut wanted: Vec<String> = Vec::new();
        for name in &names {
            // The command line is a package of its own in some releases and part of the engine's in others.
            if *name != "docker-cli" || packages.offers(name).await? {
                wanted.push((*name).to_owned());
            }
        }
        if packages.is_apt() && self.has_apparmor() {
            // Without its parser an engine on a kernel with AppArmor starts no container.
            wanted.push("apparmor".to_owned());
        }
        packages.install(&wanted, Recommends::No).await?;
        Ok(names.first().copied().unwrap_or_default())
    }

    fn has_apparmor(&self) -> bool {
        let path = self.machine.path("/sys/module/apparmor/parameters/enabled");
        std::fs::read_to_string(path).is_ok_and(|text| text.starts_with('Y'))
    }

    /// Sets up Docker's own repository.
    async fn add_repository(&self) -> Result<()> {
        let packages = Packages::of(&self.machine)?;
        let os = packages.os();
        let ids = [os.id.as_str()].into_iter().chain(os.like.iter().map(String::as_str));
        let known = |id: &&str| matches!(*id, "debian" | "ubuntu" | "fedora" | "rhel" | "centos");
        let Some(folder) = ids.clone().find(known).filter(|_| os.id != "amzn") else {
            return Err(Error::new(Cause::DockerInstall, format!("docker has no repository for {}", os.name()))
                .hint("use `install: distro` in x-rolecall.host.docker"));
        };
        let base = format!("{REPOSITORY}/{folder}");
        let url =
            Url::parse(&format!("{base}/gpg")).map_err(|err| Error::new(Cause::DockerInstall, err.to_string()))?;
        let fetch = async |_| self.web.get(&url, KEY_LIMIT).await;
        let fetched = self.machine.retry.run("fetch the key of docker's repository", Policy::SERVICE, fetch).await?;
        key::verify(&fetched.body, if packages.is_apt() { key::APT } else { key::RPM }, url.as_str())?;
        if !packages.is_apt() {
            files::write_atomic(&self.machine.path(RPM_KEY), &fetched.body, 0o644)?;
            let text = format!(
                "[docker-ce-stable]\nname=Docker CE Stable - $basearch\nbaseurl={base}/$releasever/$basearch/stable\n\
                 enabled=1\ngpgcheck=1\ngpgkey=file://{RPM_KEY}\n"
            );
            return files::write_atomic(&self.machine.path("/etc/yum.repos.d/docker-ce.repo"), text.as_bytes(), 0o644);
        }
        let source = self.machine.path("/etc/apt/sources.list.d/docker.sources");
        let keyring = "/etc/apt/keyrings/docker.asc";
        files::write_atomic(&self.machine.path(keyring), &fetched.body, 0o644)?;
        let arch = self.machine.ask(["dpkg", "--print-architecture"]).await?.stdout;
        let text = format!(
            "Types: deb\nURIs: {base}\nSuites: {}\nComponents: stable\nArchitectures: {}\nSigned-By: {keyring}\n",
            os.codename,
            arch.trim()
        );
        files::write_atomic(&source, text.as_bytes(), 0o644)?;
        // Old lists do not know the new source.
        packages.forget_lists()
    }

    /// Unpacks an archive as Docker publishes it: one folder of programs.
    async fn unpack(&self, archive: &[u8]) -> Result<&'static str> {
        let folder = self.machine.path(STATIC_FOLDER);
        // An archive is large: what an attempt that was cut off has left goes.
        files::sweep(&folder);
        let temp = tempfile::Builder::new()
            .prefix(files::TEMPORARY)
            .tempdir_in(&folder)
            .map_err(|err| Error::io("make a folder in", &folder, &err))?;
        let packed = temp.path().join("docker.tgz");
        std::fs::write(&packed, archive).map_err(|err| Error::io("write", &packed, &err))?;
        let tar = ["tar", "--extract", "--gzip", "--no-same-owner", "--strip-components=1", "--file"];
        let paths = [packed.to_string_lossy(), "--directory".into(), temp.path().to_string_lossy()];
        let argv = tar.iter().map(ToString::to_string).chain(paths.iter().map(ToString::to_string));
        let done = self.machine.run(Command::new(argv), &mut |_| ()).await?;
        let has = |name: &str| temp.path().join(name).is_file();
        if done.code != 0 || !has("dockerd") || !has("containerd") {
            return Err(Error::new(
                Cause::DockerInstall,
                "the static archive of docker is not one: no docker/dockerd in it",
            )
            .hint("name a docker-<version>.tgz as published at download.docker.com/linux/static")
            .output(done.tail));
        }
        files::remove(&packed)?;
        let entries = std::fs::read_dir(temp.path()).map_err(|err| Error::io("read", temp.path(), &err))?;
        let mut programs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        // The engine last: it is what says that docker is there.
        programs.sort_by_key(|path| path.ends_with("dockerd"));
        for program in programs {
            let name = program.file_name().unwrap_or_default();
            std::fs::File::open(&program)
                .and_then(|f| f.sync_all())
                .map_err(|err| Error::io("sync", &program, &err))?;
            std::fs::rename(&program, folder.join(name)).map_err(|err| Error::io("move", &program, &err))?;
        }
        if systemd::running(self.machine.root()) {
            files::write_atomic(&self.machine.path(STATIC_UNIT), include_bytes!("docker.service"), 0o644)?;
        }
        info!(target: "packages", "unpacked docker to {STATIC_FOLDER}");
        Ok("docker (static)")
    }

    /// What the file with the proxies should have, where it is ours and does not have it.
    pub(super) fn proxies_to_write(&self) -> Result<Option<String>> {
        if !self.machine.path(PROXY_UNIT).exists() {
            return Ok(None);
        }
        let wanted = rendered(proxy::from_env());
        let present = files::read(&self.proxy_file())?.unwrap_or_default();
        // Version 0.1.0 did not except metadata, which is no reason to restart an engine that runs.
        let former = rendered(proxy::unexcepted());
        Ok((present != wanted.as_bytes() && present != former.as_bytes()).then_some(wanted))
    }
}

/// The engine of the distribution, with what its package only recommends and containers cannot do without.
fn distro_packages(packages: &Packages<'_>) -> Result<Vec<&'static str>> {
    let os = packages.os();
    if packages.is_apt() {
        return Ok(vec!["docker.io", "docker-cli", "iptables", "ca-certificates"]);
    }
    match os.id.as_str() {
        "amzn" => Ok(vec!["docker"]),
        "fedora" => Ok(vec!["moby-engine", "docker-cli"]),
        _ => Err(Error::new(Cause::DockerInstall, format!("{} has no package of docker", os.name()))
            .hint("use `install: docker-ce` in x-rolecall.host.docker")),
    }
}

/// Proxies, as systemd reads a file of variables.
fn rendered(proxies: BTreeMap<String, String>) -> String {
    let line = |(name, value): (String, String)| {
        let escaped: String =
            value.chars().flat_map(|c| "\"\\`$".contains(c).then_some('\\').into_iter().chain([c])).collect();
        format!("{name}=\"{escaped}\"\n")
    };
    proxies.into_iter().map(line).collect()
}
