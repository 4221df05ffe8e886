//! What a run changes on a machine that somebody else keeps, and what it leaves alone.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::instance::{Instance, service};

const MANIFEST: &str = include_str!("manifest.py");

/// How an administrator may have set up Docker: a link, a mode, a note, a spelling of their own.
const ADMINISTRATOR: &str = r#"
mkdir -p /srv/conf /etc/systemd/system/docker.service.d
printf '{ "labels":["theirs=1"],\n\t"shutdown-timeout" : 21 }' >/srv/conf/daemon.json
chown root:docker /srv/conf/daemon.json; chmod 640 /srv/conf/daemon.json
python3 -c 'import os; os.setxattr("/srv/conf/daemon.json", "user.note", b"mine")'
ln -s /srv/conf/daemon.json /etc/docker/daemon.json
printf '[Service]\nEnvironment=THEIRS=1\n' >/etc/systemd/system/docker.service.d/10-theirs.conf
chmod 600 /etc/systemd/system/docker.service.d/10-theirs.conf
iptables -A INPUT -p tcp --dport 2222 -j DROP; iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j ACCEPT
systemctl daemon-reload; systemctl restart docker
of='--label com.docker.compose.project=shop --label com.docker.compose.service=web'
docker run -d --name composes --label com.docker.compose.oneoff=False $of box:1 sleep 10000
docker run -d --name marked --label io.rolecall.managed=true box:1 sleep 10000
docker run -d --name shop-web-2 box:1 sleep 10000
docker network create --label io.rolecall.managed=true marked
"#;

/// Path → what is there.
type Listing = BTreeMap<String, Value>;

fn listing(instance: &Instance) -> Listing {
    serde_json::from_str(&instance.sh("python3 /srv/manifest.py")).unwrap()
}

/// Paths that are new, gone or otherwise.
fn changed(before: &Listing, after: &Listing) -> Vec<String> {
    let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
    paths.filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}

/// What is left of some paths without those that are, or are below, one of these.
fn besides(paths: &[String], known: &[&str]) -> Vec<String> {
    let below =
        |path: &str, one: &str| path.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    paths.iter().filter(|path| !known.iter().any(|one| below(path, one))).cloned().collect()
}

/// The rules of the firewall, without counters and without what differs from network to network: id and address.
fn firewall(instance: &Instance) -> String {
    instance.sh(
        "for save in iptables-save ip6tables-save; do $save; done | grep -v '^#' | sed -E 's/br-[0-9a-f]{12}/br/g; s/172\\.[0-9]+/172.x/g; s/\\[[0-9:]+\\]//'",
    )
}

/// Where rolecall writes: as docs/boot.md has it.
const OURS: &[&str] = &[
    "/var/lib/rolecall",
    "/run/rolecall",
    "/etc/rolecall",
    "/etc/systemd/system/rolecall-containers.service",
    "/etc/systemd/system/rolecall-containers.service.d",
    "/etc/systemd/system/docker.service.wants",
    "/etc/systemd/system/docker.service.d/rolecall-grace.conf",
];

#[test]
fn nothing_changes_but_what_the_manifest_names() {
    let instance = Instance::start("surprise");
    instance.write("/srv/manifest.py", MANIFEST, "644");
    instance.sh(ADMINISTRATOR);
    let project = |more: &str| {
        let db = service("db", "restart: unless-stopped, stop_grace_period: 600s");
        let web =
            service("web", "restart: unless-stopped, depends_on: [db], ports: ['8080:80'], volumes: ['data:/data']");
        instance.compose(&[
            web.replace("volumes: ['/srv/log:/log'], ", ""),
            db,
            format!("volumes: {{ data: {{}} }}\n{more}"),
        ]);
    };

    // What Docker alone does to the firewall for the same network and port.
    let unused = firewall(&instance);
    instance.sh("docker network create shop_default; docker run -d --name db --network shop_default box:1 sleep 1000
         docker run -d --name web --network shop_default -p 8080:80 box:1 sleep 1000");
    let docker_alone = firewall(&instance);
    assert!(docker_alone.contains("--dport 8080") && docker_alone.contains("--dport 2222"), "{docker_alone}");
    instance.sh("docker rm -f web db; docker network rm shop_default");
    assert_eq!(firewall(&instance), unused);

    project("");
    let before = listing(&instance);
    let done = instance.run_unit();
    assert_eq!(done.code, 0, "{}", done.text);
    let during = listing(&instance);
    assert_eq!(besides(&changed(&before, &during), OURS), ["/srv/log/events"]);
    assert_eq!(firewall(&instance), docker_alone);
    for path in OURS {
        assert!(during.contains_key(*path), "{path} is not there");
    }

    // Down: containers and networks of ours go, and nothing else, however much it looks like them.
    instance.sh("set -a; . /etc/rolecall/env; rolecall down --all");
    assert_eq!(firewall(&instance), unused);
    assert_eq!(instance.sh("docker ps --format '{{.Names}}' | sort"), "composes\nmarked\nshop-web-2\n");
    assert_eq!(instance.sh("docker volume ls -q; docker network ls -q --filter name=marked | wc -l"), "shop_data\n1\n");
    let after = listing(&instance);
    assert_eq!(besides(&changed(&before, &after), OURS), ["/srv/log/events"]);

    // With packages, and with keys of daemon.json.
    project("x-rolecall: { host: { packages: [jq], docker: { daemon: { labels: [ours=1] } } } }\n");
    let done = instance.run_unit();
    assert_eq!(done.code, 0, "{}", done.text);
    let packages = instance.sh("for p in jq libjq1 libonig5; do dpkg -L $p; done");
    let mut named: Vec<&str> = packages.lines().filter(|path| !before.contains_key(*path)).collect();
    named.extend([
        "/var/lib/dpkg",
        "/var/lib/apt",
        "/var/cache/apt",
        "/var/log/apt",
        "/var/log/dpkg.log",
        "/etc/ld.so.cache",
    ]);
    named.extend([
        "/var/cache/ldconfig",
        "/var/cache/debconf",
        "/srv/conf/daemon.json",
        "/srv/compose.yaml",
        "/srv/log/events",
    ]);
    let with_packages = listing(&instance);
    let none: [String; 0] = [];
    assert_eq!(besides(&changed(&after, &with_packages), &[OURS, &named].concat()), none);
    let (old, new) = (&after["/srv/conf/daemon.json"], &with_packages["/srv/conf/daemon.json"]);
    for kept in ["mode", "owner", "attributes"] {
        assert_eq!(old[kept], new[kept], "{kept} of daemon.json");
    }
    assert_eq!(
        instance.sh("jq -c . /etc/docker/daemon.json; docker info -f '{{.Labels}}'"),
        "{\"labels\":[\"ours=1\"],\"shutdown-timeout\":21}\n[ours=1]\n"
    );
    assert!(firewall(&instance).contains("--dport 2222"));
}
