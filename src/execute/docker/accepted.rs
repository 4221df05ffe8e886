//! Whether the engine would start with a new daemon.json, asked before that replaces the present one: a restart takes all
//! containers down, also one that fails.

use serde_json::{Map, Value};

use super::Docker;
use crate::{
    error::{Cause, Error, Result},
    host::{files, systemd},
};

/// Options of `dockerd` by the keys of daemon.json: dockerd refuses to start if one setting has both. An option may be
/// given several times where its key is a plural.
const OPTIONS: &[(&str, &[&str])] = &[
    ("hosts", &["-H", "--host"]),
    ("data-root", &["--data-root", "-g", "--graph"]),
    ("debug", &["-D", "--debug"]),
    ("group", &["-G", "--group"]),
    ("pidfile", &["-p", "--pidfile"]),
    ("bridge", &["-b", "--bridge"]),
    ("log-level", &["-l", "--log-level"]),
    ("storage-driver", &["-s", "--storage-driver"]),
    ("log-opts", &["--log-opt"]),
    ("storage-opts", &["--storage-opt"]),
    ("exec-opts", &["--exec-opt"]),
    ("dns-opts", &["--dns-opt"]),
    ("labels", &["--label"]),
    ("default-ulimits", &["--default-ulimit"]),
    ("default-address-pools", &["--default-address-pool"]),
    ("runtimes", &["--add-runtime"]),
    ("registry-mirrors", &["--registry-mirror"]),
    ("insecure-registries", &["--insecure-registry"]),
    ("authorization-plugins", &["--authorization-plugin"]),
    ("node-generic-resources", &["--node-generic-resource"]),
];

/// Files from which the units of distributions take further options, in variables.
const DEFAULTS: &[&str] = &["/etc/sysconfig/docker", "/etc/default/docker"];

impl Docker {
    /// Refuses a daemon.json that the engine does not start with.
    ///
    /// # Errors
    /// `docker-config`: an option of the unit has the same setting, or `dockerd --validate` refuses the file.
    pub(super) async fn accepts(&self, text: &str) -> Result<()> {
        let keys: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let both = conflicts(&self.options().await, &keys);
        if let Some((key, option)) = both.first() {
            let message =
                format!("docker.service starts the engine with {option}, and daemon.json would have '{key}' too");
            let hint =
                format!("remove '{key}' from x-rolecall.host.docker.daemon, or {option} from the unit by a drop-in");
            return Err(Error::new(Cause::DockerConfig, message).hint(hint));
        }
        self.validates(text).await
    }

    /// `dockerd --validate`, which engines have since 23.0; an older one is not asked.
    async fn validates(&self, text: &str) -> Result<()> {
        if !self.machine.has("dockerd") {
            return Ok(());
        }
        let file = self.state.join("daemon.json.new");
        files::write_atomic(&file, text.as_bytes(), 0o600)?;
        let path = file.to_string_lossy();
        let asked = self.machine.ask(["dockerd", "--validate", "--config-file", path.as_ref()]).await;
        files::remove(&file)?;
        let Ok(answer) = asked else { return Ok(()) };
        let refused = answer.code != 0 && answer.tail.iter().any(|line| line.contains(path.as_ref()));
        if !refused {
            return Ok(());
        }
        let lines = answer.tail.iter().map(|line| line.replace(path.as_ref(), "daemon.json")).collect();
        Err(Error::new(Cause::DockerConfig, "the engine refuses the merged daemon.json; the old one stays")
            .hint("correct x-rolecall.host.docker; the lines below are the engine's own")
            .output(lines))
    }

    /// The words with which the unit starts the engine, and those of the files that it takes variables from.
    async fn options(&self) -> String {
        if !systemd::running(self.machine.root()) {
            return String::new();
        }
        let unit = self.machine.ask(["systemctl", "show", "--property=ExecStart", "docker.service"]).await;
        let mut words = unit.map(|answer| answer.tail.join(" ")).unwrap_or_default();
        for name in DEFAULTS {
            let text = files::read(&self.machine.path(name)).ok().flatten().unwrap_or_default();
            for line in String::from_utf8_lossy(&text).lines().map(str::trim).filter(|line| !line.starts_with('#')) {
                if let Some((name, value)) = line.split_once('=')
                    && words.contains(&format!("${}", name.trim()))
                {
                    words.push(' ');
                    words.push_str(value.trim_matches(['"', '\'']));
                }
            }
        }
        words
    }
}

/// Keys of daemon.json that an option sets, too, each with the option.
fn conflicts(words: &str, keys: &Map<String, Value>) -> Vec<(String, String)> {
    let words: Vec<&str> = words.split([' ', ';', '"', '\'']).filter(|word| word.starts_with('-')).collect();
    let own = |key: &str| format!("--{key}");
    let mut found = Vec::new();
    for key in keys.keys() {
        let listed = OPTIONS.iter().find(|(name, _)| name == key).map_or(&[][..], |(_, options)| options);
        let option = words.iter().map(|word| word.split('=').next().unwrap_or_default());
        let option = option.into_iter().find(|word| listed.contains(word) || *word == own(key));
        found.extend(option.map(|option| (key.clone(), option.to_owned())));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn option_of_the_unit_and_key_of_the_file_exclude_each_other() {
        let start = "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock \
                     --default-ulimit nofile=32768:65536 ; ignore_errors=no }";
        let found = |keys: Value| {
            let found = conflicts(start, keys.as_object().unwrap());
            found.into_iter().map(|(key, option)| format!("{key} {option}")).collect::<Vec<_>>()
        };
        assert_eq!(found(json!({ "hosts": ["tcp://127.0.0.1:2375"], "debug": true })), ["hosts -H"]);
        assert_eq!(found(json!({ "containerd": "/x" })), ["containerd --containerd"]);
        assert_eq!(found(json!({ "default-ulimits": {} })), ["default-ulimits --default-ulimit"]);
        assert!(found(json!({ "log-driver": "local", "data-root": "/srv" })).is_empty());
    }
}
