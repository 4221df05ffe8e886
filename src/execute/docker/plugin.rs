//! The Compose plugin of Docker's command line, for whoever looks at the containers of a host. No run needs it: it comes
//! with a newly installed engine if the distribution has it, and nothing fails without it.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::{Docker, Install, Machine};
use crate::{
    error::Result,
    execute::packages::{Packages, Recommends},
};

/// Longest time for it: the containers wait.
const LIMIT: Duration = Duration::from_mins(2);

/// Its packages in the order of preference: Ubuntu; Debian 13, whose predecessor has Compose 1 under that name.
const APT: &[&str] = &["docker-compose-v2", "docker-compose"];

/// Fedora. Amazon Linux has none.
const DNF: &[&str] = &["docker-compose"];

/// In Docker's own repository.
const DOCKER_CE: &[&str] = &["docker-compose-plugin"];

impl Docker {
    /// Installs the plugin, if the distribution has it.
    pub(super) async fn install_plugin(&self) {
        let machine = Machine { retry: self.machine.retry.within(LIMIT), ..self.machine.clone() };
        match offered(&machine, &self.settings.install).await {
            Ok(None) => debug!("no package has the compose plugin of docker here"),
            Ok(Some(name)) => install(&machine, name).await,
            Err(err) => warn!("the compose plugin of docker was not installed: {err}"),
        }
    }
}

async fn install(machine: &Machine, name: &str) {
    let installed = async { Packages::of(machine)?.install(&[name.to_owned()], Recommends::No).await };
    match installed.await {
        Ok(_) => info!(target: "packages", "installed {name}: docker compose"),
        Err(err) => {
            warn!("the compose plugin of docker was not installed: {err}");
            // One that is half installed would keep dpkg from installing anything else.
            let _ = machine.ask(["dpkg", "--purge", "--force-remove-reinstreq", name]).await;
        }
    }
}

/// The package that has the plugin, of those that this installation may take.
async fn offered(machine: &Machine, install: &Install) -> Result<Option<&'static str>> {
    if matches!(install, Install::Static(_)) {
        return Ok(None);
    }
    let packages = Packages::of(machine)?;
    let names = match install {
        Install::DockerCe => DOCKER_CE,
        _ if packages.is_apt() => APT,
        _ => DNF,
    };
    for name in names {
        if packages.candidate(name).await?.is_some_and(|version| is_plugin(&version)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether this version is a plugin: Compose 1 was a program of its own.
fn is_plugin(version: &str) -> bool {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    let major = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    major.parse().is_ok_and(|major: u32| major >= 2)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc};

    use async_trait::async_trait;

    use super::*;
    use crate::{
        error::{Cause, Error},
        execute::testing::StillClock,
        retry::Retry,
        world::{Command, Finished, Host, Listener},
    };

    /// A host whose package manager has these versions; whatever else it is asked for ends with this code.
    struct Offers {
        versions: BTreeMap<&'static str, &'static str>,
        code: i32,
        asked: RefCell<Vec<String>>,
    }

    #[async_trait(?Send)]
    impl Host for Offers {
        async fn run(&self, command: &Command, _: &mut dyn for<'l> FnMut(&'l str)) -> Result<Finished> {
            let line = command.argv.join(" ");
            self.asked.borrow_mut().push(line.clone());
            let name = command.argv.last().map(String::as_str).unwrap_or_default();
            let version = self.versions.get(name).copied();
            let (code, stdout) = match () {
                () if line.starts_with("apt-cache policy") => (
                    0,
                    version.map(|v| format!("{name}:\n  Installed: (none)\n  Candidate: {v}\n")).unwrap_or_default(),
                ),
                () if line.contains(" repoquery ") => (0, version.map(|v| format!("{name} {v}\n")).unwrap_or_default()),
                () => (self.code, String::new()),
            };
            Ok(Finished { code, stdout, tail: vec!["it broke".to_owned()], timed_out: false })
        }

        async fn spawn_detached(&self, _: &Command, _: &Path) -> Result<()> {
            Err(Error::new(Cause::Io, "not played"))
        }

        async fn listeners(&self) -> Result<Vec<Listener>> {
            Err(Error::new(Cause::Io, "not played"))
        }
    }

    fn machine(
        os: &str,
        manager: &str,
        versions: &[(&'static str, &'static str)],
        code: i32,
    ) -> (tempfile::TempDir, Rc<Offers>, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [("etc/os-release", os), (manager, "")] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let host = Rc::new(Offers { versions: versions.iter().copied().collect(), code, asked: RefCell::default() });
        let clock = Rc::new(StillClock::default());
        let retry = Retry::new(clock.clone(), Some(Duration::from_secs(600)));
        let machine = Machine { host: host.clone(), clock, retry, root: root.path().to_owned() };
        (root, host, machine)
    }

    #[tokio::test]
    async fn plugin_is_taken_from_where_the_engine_comes() {
        let (debian, ubuntu) = ("ID=debian\n", "ID=ubuntu\nID_LIKE=debian\n");
        let table: [(&str, Install, &[(&str, &str)], Option<&str>); 10] = [
            (debian, Install::Distro, &[("docker-compose", "1.29.2-3")], None),
            (debian, Install::Distro, &[("docker-compose", "2.26.1-4")], Some("docker-compose")),
            (debian, Install::Distro, &[], None),
            (
                ubuntu,
                Install::Distro,
                &[("docker-compose", "1.29.2-6"), ("docker-compose-v2", "2.37.1+ds1-0ubuntu2~24.04.1")],
                Some("docker-compose-v2"),
            ),
            (
                debian,
                Install::DockerCe,
                &[("docker-compose-plugin", "5.0.0-1~debian.12~bookworm")],
                Some("docker-compose-plugin"),
            ),
            (debian, Install::DockerCe, &[("docker-compose", "2.26.1-4")], None),
            (debian, Install::Static("file:///x".into()), &[("docker-compose", "2.26.1-4")], None),
            ("ID=fedora\n", Install::Distro, &[("docker-compose", "2.39.4")], Some("docker-compose")),
            ("ID=amzn\n", Install::Distro, &[], None),
            ("ID=fedora\n", Install::DockerCe, &[("docker-compose-plugin", "2.40.3")], Some("docker-compose-plugin")),
        ];
        for (os, install, versions, wanted) in table {
            let manager = if os.contains("debian") { "usr/bin/apt-get" } else { "usr/bin/dnf" };
            let (_root, _, machine) = machine(os, manager, versions, 0);
            assert_eq!(offered(&machine, &install).await.unwrap(), wanted, "{os} {install:?} {versions:?}");
        }
    }

    #[tokio::test]
    async fn plugin_that_cannot_be_installed_leaves_nothing_behind() {
        let (_root, host, machine) = machine("ID=debian\n", "usr/bin/apt-get", &[("docker-compose", "2.26.1-4")], 1);
        install(&machine, "docker-compose").await;
        let asked = host.asked.borrow();
        assert_eq!(asked.last().unwrap(), "dpkg --purge --force-remove-reinstreq docker-compose", "{asked:?}");
    }

    #[test]
    fn compose_1_is_no_plugin() {
        for (version, plugin) in
            [("1.29.2-3", false), ("2.26.1-4", true), ("1:5.0.0", true), ("10.1", true), ("x", false), ("", false)]
        {
            assert_eq!(is_plugin(version), plugin, "{version}");
        }
    }
}
