//! What Docker's own clients, Compose among them, take from the administrator's `config.json`: the proxy variables that
//! every new container gets.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;
use tracing::warn;

use crate::host::files;

/// The key of a proxy in config.json, and the variable that it becomes; lower case is set as well.
const VARIABLES: [(&str, &str); 5] = [
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("allProxy", "ALL_PROXY"),
];

/// A longer file is none of a client.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Where clients look for the engine unless `DOCKER_HOST` says otherwise.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// The proxy variables for containers on an engine. A file that cannot be read has none, as for Docker's own clients.
pub(super) fn proxies(docker_host: Option<&str>) -> BTreeMap<String, String> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = folder("DOCKER_CONFIG").or_else(|| Some(folder("HOME")?.join(".docker")));
    let Some(path) = dir.map(|dir| dir.join("config.json")) else { return BTreeMap::new() };
    let Ok(text) = files::read_regular(&path, MAX_BYTES) else { return BTreeMap::new() };
    match serde_json::from_slice(&text) {
        Ok(config) => of(&config, docker_host.unwrap_or(DEFAULT_HOST)),
        Err(err) => {
            warn!("{} is not JSON, so that containers get no proxy variables: {err}", path.display());
            BTreeMap::new()
        }
    }
}

fn of(config: &Value, docker_host: &str) -> BTreeMap<String, String> {
    let proxies = &config["proxies"];
    let proxy = if proxies[docker_host].is_null() { &proxies["default"] } else { &proxies[docker_host] };
    let mut all = BTreeMap::new();
    for (key, variable) in VARIABLES {
        if let Some(value) = proxy[key].as_str().filter(|value| !value.is_empty()) {
            all.insert(variable.to_owned(), value.to_owned());
            all.insert(variable.to_lowercase(), value.to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_engine_has_its_own_proxies_or_the_default() {
        let config = json!({ "proxies": {
            "default": { "httpProxy": "http://p:1", "noProxy": "localhost" },
            "tcp://far:1": { "allProxy": "http://q:2", "httpProxy": "" },
        } });
        let read = |host| of(&config, host).into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
        let wanted = "HTTP_PROXY=http://p:1 NO_PROXY=localhost http_proxy=http://p:1 no_proxy=localhost";
        assert_eq!(read(DEFAULT_HOST), wanted);
        assert_eq!(read("tcp://far:1"), "ALL_PROXY=http://q:2 all_proxy=http://q:2");
        assert!(of(&json!({}), DEFAULT_HOST).is_empty());
    }
}
