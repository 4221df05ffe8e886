//! `x-rolecall.host.docker.daemon`: the keys of daemon.json. Those that dockerd documents are checked for their type,
//! since dockerd does not start with another; unknown ones are handed on.

use serde_json::{Map, Value};

use super::decode::{Faults, expected};
use crate::compose::{self, model::to_json, node::Node};

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flag,
    Whole,
    Text,
    Texts,
    /// Texts by name. Numbers and booleans are written as texts, as in the `logging.options` of a service.
    Options,
    /// Booleans by name.
    Flags,
    /// A mapping whose content is dockerd's own matter.
    Mapping,
    /// A list of mappings.
    Mappings,
}

/// The keys of <https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file> with their types.
const KEYS: &[(Kind, &[&str])] = &[
    (
        Kind::Flag,
        &[
            "allow-direct-routing",
            "debug",
            "experimental",
            "icc",
            "init",
            "ip-forward",
            "ip-forward-no-drop",
            "ip-masq",
            "ipv6",
            "live-restore",
            "no-new-privileges",
            "raw-logs",
            "selinux-enabled",
            "tls",
            "tlsverify",
            "userland-proxy",
        ],
    ),
    (
        Kind::Whole,
        &[
            "cpu-rt-period",
            "cpu-rt-runtime",
            "max-concurrent-downloads",
            "max-concurrent-uploads",
            "max-download-attempts",
            "mtu",
            "network-control-plane-mtu",
            "oom-score-adjust",
            "shutdown-timeout",
        ],
    ),
    (
        Kind::Text,
        &[
            "bip",
            "bip6",
            "bridge",
            "cgroup-parent",
            "containerd",
            "containerd-namespace",
            "containerd-plugins-namespace",
            "data-root",
            "default-cgroupns-mode",
            "default-gateway",
            "default-gateway-v6",
            "default-ipc-mode",
            "default-runtime",
            "default-shm-size",
            "exec-root",
            "firewall-backend",
            "fixed-cidr",
            "fixed-cidr-v6",
            "group",
            "host-gateway-ip",
            "http-proxy",
            "https-proxy",
            "init-path",
            "ip",
            "log-driver",
            "log-format",
            "log-level",
            "metrics-addr",
            "min-api-version",
            "no-proxy",
            "pidfile",
            "seccomp-profile",
            "storage-driver",
            "swarm-default-advertise-addr",
            "tlscacert",
            "tlscert",
            "tlskey",
            "userland-proxy-path",
            "userns-remap",
        ],
    ),
    (
        Kind::Texts,
        &[
            "authorization-plugins",
            "cdi-spec-dirs",
            "dns",
            "dns-opts",
            "dns-search",
            "exec-opts",
            "hosts",
            "insecure-registries",
            "labels",
            "node-generic-resources",
            "registry-mirrors",
            "storage-opts",
        ],
    ),
    (Kind::Options, &["log-opts"]),
    (Kind::Flags, &["features"]),
    (Kind::Mapping, &["builder", "default-network-opts", "default-ulimits", "proxies", "runtimes"]),
    (Kind::Mappings, &["default-address-pools"]),
];

/// Keys that newer engines read otherwise, or that older ones called so.
const RENAMED: &[(&str, &str)] = &[("graph", "data-root"), ("max-file", "log-opts"), ("max-size", "log-opts")];

/// Reads the keys; a value of the wrong type is a fault.
pub(super) fn read(node: &Node, path: &str, faults: &mut Faults) -> Map<String, Value> {
    let mut settings = Map::new();
    for (key, value) in node.as_map().into_iter().flatten() {
        let at = format!("{path}.{}", key.name);
        let kind = KEYS.iter().find(|(_, names)| names.contains(&key.name.as_str())).map(|(kind, _)| *kind);
        if let Some((_, now)) = RENAMED.iter().find(|(old, _)| *old == key.name) {
            let message = format!("dockerd has no such key: it stands under '{now}'");
            faults.push(compose::Diagnostic::new(&key.position, at, message));
            continue;
        }
        // Null removes a key from the file.
        if let Some(kind) = kind.filter(|_| !value.is_null()) {
            check(kind, value, &at, faults);
            if key.name == "registry-mirrors" {
                mirrors(value, &at, faults);
            }
        }
        let value = if kind == Some(Kind::Options) { options(value) } else { to_json(value) };
        settings.insert(key.name.clone(), value);
    }
    settings
}

fn check(kind: Kind, node: &Node, at: &str, faults: &mut Faults) {
    let mut texts = |items: &[Node], what: &str, fits: fn(&Node) -> bool| {
        for (index, item) in items.iter().enumerate().filter(|(_, item)| !fits(item)) {
            faults.push(expected(item, &format!("{at}[{index}]"), what));
        }
    };
    let (fits, what) = match kind {
        Kind::Flag => (node.as_bool().is_some(), "true or false"),
        Kind::Whole => (node.as_int().is_some(), "an integer"),
        Kind::Text => (node.as_str().is_some(), "a string"),
        Kind::Texts | Kind::Mappings => (node.as_seq().is_some(), "a list"),
        Kind::Options | Kind::Flags | Kind::Mapping => (node.as_map().is_some(), "a mapping"),
    };
    if !fits {
        return faults.push(expected(node, at, what));
    }
    match kind {
        Kind::Texts => texts(node.as_seq().unwrap_or_default(), "a string", |item| item.as_str().is_some()),
        Kind::Mappings => texts(node.as_seq().unwrap_or_default(), "a mapping", |item| item.as_map().is_some()),
        Kind::Options => each(node, at, "a string", |value| value.scalar_text().is_some(), faults),
        Kind::Flags => each(node, at, "true or false", |value| value.as_bool().is_some(), faults),
        _ => {}
    }
}

fn each(node: &Node, at: &str, what: &str, fits: fn(&Node) -> bool, faults: &mut Faults) {
    for (key, value) in node.as_map().into_iter().flatten().filter(|(_, value)| !fits(value)) {
        faults.push(expected(value, &format!("{at}.{}", key.name), what));
    }
}

fn options(node: &Node) -> Value {
    let Some(map) = node.as_map() else { return to_json(node) };
    map.iter().map(|(key, value)| (key.name.clone(), value.scalar_text().map_or(Value::Null, Value::String))).collect()
}

/// Refuses mirrors that dockerd refuses: a mirror is `http://` or `https://`, a host and a port.
pub(super) fn mirrors(node: &Node, at: &str, faults: &mut Faults) {
    for (index, item) in node.as_seq().unwrap_or_default().iter().enumerate() {
        let Some(text) = item.as_str() else { continue };
        let why = match url::Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
                "is no http:// or https:// address"
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => "has a user: dockerd takes none",
            Ok(url) if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() => {
                "has more than a host and a port: dockerd takes no path"
            }
            Ok(_) => continue,
            Err(_) => "is no http:// or https:// address",
        };
        // A user may come with a password, which is not shown.
        let fault = item.fault(format!("{at}[{index}]"), format!("the mirror {why}"));
        faults.push(fault.help("write it as https://mirror.example.com:5000"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::extension::Extension;
    use crate::compose::yaml;

    fn faults(daemon: &str) -> Vec<String> {
        let text = format!("host: {{ docker: {{ daemon: {{ {daemon} }} }} }}\n");
        let file = std::sync::Arc::from(std::path::Path::new("c.yaml"));
        let node = yaml::parse(&file, text.as_bytes(), yaml::Budget::default()).unwrap().unwrap();
        Extension::inspect(&node).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn value_that_dockerd_refuses_is_a_fault() {
        for (daemon, says) in [
            (
                "live-restore: 'true'",
                "x-rolecall.host.docker.daemon.live-restore: expected true or false, found a string",
            ),
            ("max-concurrent-downloads: '3'", "expected an integer, found a string"),
            ("bip: 172", "expected a string, found an integer"),
            ("dns: 10.0.0.2", "expected a list, found a string"),
            ("dns: [10]", "daemon.dns[0]: expected a string, found an integer"),
            ("log-opts: [max-file]", "expected a mapping, found a list"),
            ("log-opts: { labels: [a] }", "daemon.log-opts.labels: expected a string, found a list"),
            ("features: { buildkit: 'yes' }", "daemon.features.buildkit: expected true or false, found a string"),
            ("default-address-pools: { base: 10.0.0.0/8 }", "expected a list, found a mapping"),
            ("graph: /srv", "it stands under 'data-root'"),
            ("registry-mirrors: [mirror.example.com]", "is no http:// or https:// address"),
            ("registry-mirrors: ['https://mirror/docker-hub/']", "dockerd takes no path"),
            ("registry-mirrors: ['https://u:p@mirror']", "has a user"),
        ] {
            let found = faults(daemon);
            assert!(found.len() == 1 && found[0].contains(says), "{daemon}: {found:?}");
        }
    }

    #[test]
    fn other_keys_and_null_are_handed_on() {
        let daemon = "some-new-key: [1], live-restore: null, log-opts: { max-file: 3, compress: true }, \
                      default-ulimits: { nofile: { Name: nofile, Hard: 64000, Soft: 64000 } }, registry-mirrors: ['http://m:5000/']";
        assert_eq!(faults(daemon), Vec::<String>::new());
    }
}
