//! What `rolecall seal` takes away, and why. Pure; the table of docs/bake.md is written from here.
//!
//! Paths are those of a host as it comes: where a setting moves state, configuration or Docker's data, what is below them
//! moves along. `~` is each home below /home, and that of root; `*` is any part of one name.

/// What is done about a path, or a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The unit is stopped, so that it writes nothing more.
    Stop,
    /// The unit, which is journald, goes on in memory.
    Memory,
    /// The program is run.
    Run,
    /// The file goes, or the folder with all that is in it.
    Remove,
    /// The same, where the engine keeps its images itself: else they are in there, too.
    Unshared,
    /// The same, where the engine has no network and no volume of anybody: else these are in there, too.
    Unused,
    /// The files in the folder go, at any depth; folders stay, for programs that expect theirs.
    Files,
    /// The content goes; the file stays, empty.
    Empty,
    /// The same, where it holds the name that metadata gave this instance.
    Name,
    /// The lines go that hold a key which metadata gave this instance.
    Keys,
    /// The names go that metadata gave this instance, and the lines that then name nothing.
    Hosts,
    /// The file goes, where it holds the address of a network card of this machine.
    Card,
    /// The logins go that it holds; what else is set up there stays.
    Logins,
}

impl Take {
    /// What is done, in a word or two, before the path.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Memory => "keep in memory",
            Self::Run => "run",
            Self::Remove | Self::Unshared | Self::Unused | Self::Card => "remove",
            Self::Files => "remove all files in",
            Self::Empty | Self::Name => "empty",
            Self::Keys => "remove this instance's keys from",
            Self::Hosts => "remove this instance's name from",
            Self::Logins => "remove logins from",
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What is done.
    pub take: Take,
    /// A pattern of paths, or a unit.
    pub what: &'static str,
    /// Names that a `*` at the end does not stand for.
    pub but: &'static [&'static str],
    /// Why it does not belong into an image.
    pub why: &'static str,
}

const fn entry(take: Take, what: &'static str, why: &'static str) -> Entry {
    Entry { take, what, but: &[], why }
}

/// Of the state folder, what an image is made for, and what protects its instances.
const KEPT: &[&str] = &["baked", "baked.json", "docker", "serials.json"];

/// Of cloud-init's folder, what was there before it ran, and what its owner has put there for each boot.
const CLOUD_INIT: &[&str] = &["seed", "scripts"];

/// Why a file of `Take::Card` goes, and which.
const CARD: &str = "where it holds the address of a network card of this machine; cloud-init writes it anew";

/// All of it, in the order in which it is done: first, whatever would write again.
pub const TABLE: &[Entry] = &[
    entry(Take::Stop, "rsyslog.service", "it would write logs until the machine is off"),
    entry(Take::Stop, "syslog.socket", "it would start rsyslog again"),
    entry(Take::Stop, "systemd-random-seed.service", "it would save a new seed when the machine goes down"),
    entry(Take::Memory, "systemd-journald.service", "it would write logs until the machine is off"),
    entry(Take::Stop, "docker.socket", "it would start Docker again"),
    entry(Take::Stop, "docker.service", "it would write its own state until the machine is off"),
    entry(Take::Stop, "containerd.service", "it would write its own state until the machine is off"),
    entry(Take::Run, "/etc/cloud/clean.d/*", "what others want done where cloud-init begins anew"),
    Entry {
        take: Take::Remove,
        what: "/var/lib/cloud/*",
        but: CLOUD_INIT,
        why: "metadata and user-data of this instance; cloud-init takes a new one for this one otherwise",
    },
    Entry {
        take: Take::Remove,
        what: "/var/lib/rolecall/*",
        but: KEPT,
        why: "journal, last known good, lock and key of this instance, the data of its projects, and what else it fetched",
    },
    entry(Take::Remove, "/run/rolecall/*", "status, identity and secrets of this instance"),
    entry(
        Take::Remove,
        "/etc/rolecall/env",
        "settings of this instance's user-data: a new instance's tags shall decide",
    ),
    entry(Take::Remove, "/etc/rolecall/env.new", "the same, half written"),
    entry(Take::Remove, "/etc/rolecall/dockerd.env", "proxies of this instance; a run writes its own"),
    entry(Take::Logins, "~/.docker/config.json", "logins at registries"),
    entry(Take::Remove, "~/.docker/.token_seed*", "what tokens of registries are derived from"),
    entry(Take::Remove, "~/.ecr", "tokens of the credential helper for ECR"),
    entry(Take::Remove, "~/.aws/credentials", "keys of an account"),
    entry(Take::Remove, "~/.aws/cli/cache", "keys of roles"),
    entry(Take::Remove, "~/.aws/sso/cache", "tokens of the sign-in"),
    entry(Take::Remove, "/etc/docker/key.json", "Docker's name for this machine, up to 23"),
    entry(Take::Remove, "/var/lib/docker/engine-id", "Docker's name for this machine"),
    entry(
        Take::Remove,
        "/var/lib/containerd/io.containerd.grpc.v1.introspection/uuid",
        "containerd's name for this machine",
    ),
    entry(
        Take::Remove,
        "/var/lib/docker/containerd/daemon/io.containerd.grpc.v1.introspection/uuid",
        "the same, of the containerd that Docker starts itself",
    ),
    entry(
        Take::Unused,
        "/var/lib/docker/network/files/local-kv.db",
        "networks that are gone, with this instance's labels",
    ),
    entry(Take::Unused, "/var/lib/docker/volumes/metadata.db", "volumes that are gone, with this instance's labels"),
    entry(
        Take::Unshared,
        "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
        "what containers that are gone were made of, with their environments",
    ),
    entry(
        Take::Unshared,
        "/var/lib/docker/containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
        "the same, of the containerd that Docker starts itself",
    ),
    entry(Take::Empty, "/etc/machine-id", "systemd's name for this machine; an empty one is made anew at boot"),
    entry(Take::Remove, "/var/lib/dbus/machine-id", "a copy of it"),
    entry(Take::Name, "/etc/hostname", "the name of this instance"),
    entry(Take::Remove, "/etc/udev/rules.d/70-persistent-net.rules", "addresses of this machine's network cards"),
    entry(Take::Hosts, "/etc/hosts", "the name of this instance"),
    entry(Take::Card, "/etc/systemd/network/*", CARD),
    entry(Take::Card, "/etc/netplan/*", CARD),
    entry(Take::Card, "/etc/network/interfaces.d/*", CARD),
    entry(Take::Card, "/etc/sysconfig/network-scripts/*", CARD),
    entry(Take::Remove, "/etc/ssh/ssh_host_*", "keys by which this machine is known; cloud-init makes new ones"),
    entry(Take::Keys, "~/.ssh/authorized_keys", "who may log in to this instance is not who may log in to others"),
    entry(Take::Remove, "/var/lib/systemd/random-seed", "two machines of one seed"),
    entry(Take::Remove, "/var/lib/urandom/random-seed", "two machines of one seed"),
    entry(Take::Remove, "/boot/efi/loader/random-seed", "two machines of one seed"),
    entry(Take::Remove, "/boot/loader/random-seed", "two machines of one seed"),
    entry(Take::Remove, "/efi/loader/random-seed", "two machines of one seed"),
    entry(Take::Remove, "/var/lib/systemd/credential.secret", "the key of systemd-creds"),
    entry(Take::Remove, "/var/lib/dhcp/*", "leases of this machine"),
    entry(Take::Remove, "/var/lib/dhclient/*", "leases of this machine"),
    entry(Take::Remove, "/var/lib/dhcpcd/*", "leases of this machine"),
    entry(Take::Remove, "/var/lib/NetworkManager/*.lease", "leases of this machine"),
    entry(Take::Remove, "/var/lib/NetworkManager/secret_key", "what addresses of this machine are derived from"),
    entry(Take::Remove, "/var/lib/systemd/coredump/*", "memory of programs, with what secrets they had"),
    entry(Take::Remove, "/var/crash/*", "memory of programs, with what secrets they had"),
    entry(Take::Remove, "/var/mail/*", "what programs of the build had to say"),
    entry(Take::Remove, "~/.*_history", "what was typed"),
    entry(Take::Remove, "~/.local/share/fish/fish_history", "what was typed"),
    entry(Take::Remove, "~/.lesshst", "what was searched for"),
    entry(Take::Remove, "~/.viminfo", "what was edited"),
    entry(Take::Remove, "/tmp/*", "leftovers of the build"),
    entry(Take::Remove, "/var/tmp/*", "leftovers of the build"),
    entry(Take::Remove, "/var/log/journal/*", "logs of the build, under its machine-id"),
    entry(Take::Files, "/var/log", "logs of the build"),
];

/// Whether a name is one that a pattern with at most one `*` stands for.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        // As for a shell, a leading star does not stand for hidden names alone: here nothing is to stay hidden.
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names() {
        for (pattern, name, wanted) in [
            ("*", "x", true),
            ("*", ".hidden", true),
            (".*_history", ".bash_history", true),
            (".*_history", "bash_history", false),
            ("ssh_host_*", "ssh_host_rsa_key.pub", true),
            ("*.lease", ".lease", true),
            ("ab*ba", "aba", false),
            ("env", "env.new", false),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }

    /// What writes is quiet before what it writes is removed, and no row takes away what another one needs.
    #[test]
    fn the_table_is_in_order_and_keeps_what_an_image_is_made_for() {
        let first_path = TABLE.iter().position(|entry| entry.what.starts_with(['/', '~'])).unwrap();
        for (at, entry) in TABLE.iter().enumerate() {
            assert!(!entry.why.is_empty() && !entry.why.ends_with('.'), "{}", entry.what);
            let quiet = matches!(entry.take, Take::Stop | Take::Memory);
            assert!(!quiet || at < first_path, "{}", entry.what);
            assert_eq!(entry.what.starts_with(['/', '~']), !quiet, "{}", entry.what);
            assert!(entry.what.matches('*').count() <= 1 && entry.what.len() > 4, "{}", entry.what);
            assert!(entry.but.is_empty() || entry.what.ends_with("/*"), "{}", entry.what);
        }
        for kept in ["/etc/rolecall/config.toml", "/etc/docker/daemon.json", "/var/lib/docker/image"] {
            let (folder, name) = kept.rsplit_once('/').unwrap();
            for entry in TABLE.iter().filter(|entry| entry.take == Take::Remove) {
                let (own, pattern) = entry.what.rsplit_once('/').unwrap();
                assert!(own != folder || !matches(pattern, name), "{} takes {kept}", entry.what);
            }
        }
        let mut all: Vec<&str> = TABLE.iter().map(|entry| entry.what).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), TABLE.len());
    }
}
