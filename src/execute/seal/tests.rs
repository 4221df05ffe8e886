use std::{
    fs::File,
    io::{Read as _, Seek as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    rc::Rc,
};

use async_trait::async_trait;

use super::*;
use crate::{
    execute::testing::{MemoryEngine, StillClock},
    retry::Retry,
    world::{Finished, Host, Listener},
};

/// A machine whose commands all succeed, and are noted.
#[derive(Default)]
struct Noting(std::cell::RefCell<Vec<String>>);

#[async_trait(?Send)]
impl Host for Noting {
    async fn run(&self, command: &Command, _: &mut dyn for<'l> FnMut(&'l str)) -> Result<Finished> {
        self.0.borrow_mut().push(command.argv.join(" "));
        let stdout = "LoadState=loaded\nActiveState=active\n".to_owned();
        Ok(Finished { code: 0, timed_out: false, tail: Vec::new(), stdout })
    }
    async fn spawn_detached(&self, _: &Command, _: &Path) -> Result<()> {
        unreachable!("nothing is left running")
    }
    async fn listeners(&self) -> Result<Vec<Listener>> {
        unreachable!("nobody asks")
    }
}

struct Stage {
    dir: tempfile::TempDir,
    host: Rc<Noting>,
    seal: Seal,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Rc::new(Noting::default());
        let clock = Rc::new(StillClock::default());
        let retry = Retry::new(clock.clone(), Some(Duration::from_secs(600)));
        let machine = Machine { host: host.clone(), clock, retry, root: dir.path().to_owned() };
        let place = |path: &str| dir.path().join(path);
        let paths = Paths::new(place("srv/state"), place("run/rolecall"), place("etc/rolecall"));
        let given = Given { hostname: "ip-10-0-0-1.example".into(), keys: vec!["AAAAbuild".into()] };
        let info =
            serde_json::json!({ "DockerRootDir": "/srv/docker", "DriverStatus": [["Backing Filesystem", "extfs"]] });
        let seal = Seal::new(machine, &paths, given, &info).with_bare_engine(true);
        Self { dir, host, seal }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn put(&self, path: &str, content: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Paths of all files and links.
    fn left(&self) -> Vec<String> {
        let (mut open, mut left) = (vec![self.dir.path().to_owned()], Vec::new());
        while let Some(folder) = open.pop() {
            for path in entries(&folder) {
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                } else {
                    left.push(path.strip_prefix(self.dir.path()).unwrap().display().to_string());
                }
            }
        }
        left.sort();
        left
    }
}

#[tokio::test]
async fn what_is_an_instances_goes_and_what_is_the_images_stays() {
    let stage = Stage::new();
    let goes = [
        "srv/state/journal.jsonl",
        "srv/state/journal.i-0abc.1",
        "srv/state/good/x/project.json",
        "srv/state/lock",
        "srv/state/projects/app/data/rows",
        "srv/state/files.key",
        "srv/state/whatever-comes-later",
        "run/rolecall/status.json",
        "run/rolecall/secrets/app/x",
        "etc/rolecall/env",
        "etc/rolecall/dockerd.env",
        "root/.ecr/cache.json",
        "root/.aws/credentials",
        "home/admin/.bash_history",
        "home/admin/.python_history",
        "etc/docker/key.json",
        "srv/docker/engine-id",
        "etc/ssh/ssh_host_rsa_key",
        "etc/ssh/ssh_host_rsa_key.pub",
        "tmp/script_1.sh",
        "tmp/.hidden/deep/x",
        "var/tmp/x",
        "var/log/syslog",
        "var/log/apt/history.log",
        "var/log/journal/0123/system.journal",
        "var/lib/dhcp/dhclient.leases",
        "var/lib/systemd/random-seed",
        "var/lib/systemd/coredump/core.x",
        "var/lib/cloud/instances/i-0abc/user-data.txt",
        "var/lib/cloud/data/instance-id",
        "srv/state/cache/y/index.json",
        "srv/docker/containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
    ];
    let stays = [
        "srv/state/baked/x/project.json",
        "srv/state/baked.json",
        "srv/state/serials.json",
        "etc/rolecall/config.toml",
        "etc/docker/daemon.json",
        "srv/docker/image/x",
        "etc/ssh/sshd_config",
        "root/.aws/config",
        "home/admin/.profile",
        "var/lib/cloud/seed/nocloud/user-data",
        "var/lib/cloud/scripts/per-boot/ours",
        "usr/bin/x",
        // With --state-dir, what is at the default place is not ours.
        "var/lib/rolecall/x",
    ];
    for path in goes.iter().chain(&stays) {
        stage.put(path, "content");
    }
    stage.put("etc/machine-id", "0123\n");
    stage.put("etc/hostname", "ip-10-0-0-1\n");
    fs::create_dir_all(stage.path("var/lib/dbus")).unwrap();
    symlink("/etc/machine-id", stage.path("var/lib/dbus/machine-id")).unwrap();
    symlink("/usr/share/doc", stage.path("var/log/README")).unwrap();
    let kept = "# note\nssh-ed25519 AAAAteam team\n";
    let keys = format!("{kept}no-pty,command=\"x\" ssh-rsa AAAAbuild packer_1\n");
    for home in ["root", "home/admin"] {
        stage.put(&format!("{home}/.ssh/authorized_keys"), &keys);
    }
    let docker = stage.put("root/.docker/config.json", r#"{"proxies":{"default":{}},"auths":{"r":{"auth":"eDp5"}}}"#);
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o640)).unwrap();

    let told: Vec<String> = stage.seal.found().await.unwrap().iter().map(ToString::to_string).collect();
    assert!(
        told.contains(&format!("remove {}: leftovers of the build", stage.path("var/tmp/x").display())),
        "{told:#?}"
    );
    assert!(goes.iter().all(|path| stage.path(path).exists()), "looking takes nothing");
    let count = stage.seal.wipe().await.unwrap();
    assert_eq!(count, told.len());

    let mut wanted: Vec<String> = stays.iter().map(ToString::to_string).collect();
    wanted.extend(["etc/machine-id", "etc/hostname", "var/lib/dbus/machine-id", "var/log/README"].map(str::to_owned));
    wanted.extend(
        ["root/.ssh/authorized_keys", "home/admin/.ssh/authorized_keys", "root/.docker/config.json"].map(str::to_owned),
    );
    wanted.sort();
    assert_eq!(stage.left(), wanted);
    assert!(stage.path("var/log/apt").is_dir(), "folders of logs are others' to make");
    for empty in ["etc/machine-id", "etc/hostname"] {
        assert_eq!(fs::read(stage.path(empty)).unwrap(), b"", "{empty}");
    }
    assert_eq!(fs::read_to_string(stage.path("home/admin/.ssh/authorized_keys")).unwrap(), kept);
    let config: Value = serde_json::from_slice(&fs::read(&docker).unwrap()).unwrap();
    assert_eq!(config, serde_json::json!({ "proxies": { "default": {} } }));
    assert_eq!(fs::metadata(&docker).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(stage.host.0.borrow().is_empty(), "no systemd and no cloud-init here: {:?}", stage.host.0);

    assert!(stage.seal.found().await.unwrap().is_empty(), "sealed is sealed");
    assert_eq!(stage.seal.wipe().await.unwrap(), 0);
}

#[tokio::test]
async fn names_and_addresses_of_this_instance_go_and_those_of_others_stay() {
    let stage = Stage::new();
    stage.put("sys/class/net/lo/address", "00:00:00:00:00:00\n");
    stage.put("sys/class/net/eth0/address", "0e:49:61:0f:c3:11\n");
    stage.put("etc/netplan/50-cloud-init.yaml", "match: {macaddress: '0E:49:61:0F:C3:11'}");
    stage.put("etc/netplan/60-ours.yaml", "match: {driver: ena}");
    let hosts =
        "127.0.0.1 localhost ip-10-0-0-1\n# of ip-10-0-0-1\n127.0.1.1 ip-10-0-0-1.example ip-10-0-0-1\n10.0.0.2 db\n";
    stage.put("etc/hosts", hosts);
    stage.seal.wipe().await.unwrap();
    assert!(!stage.path("etc/netplan/50-cloud-init.yaml").exists() && stage.path("etc/netplan/60-ours.yaml").exists());
    assert_eq!(
        fs::read_to_string(stage.path("etc/hosts")).unwrap(),
        "127.0.0.1 localhost\n# of ip-10-0-0-1\n10.0.0.2 db\n"
    );
}

#[tokio::test]
async fn what_writes_is_quiet_before_what_it_writes_is_gone() {
    let stage = Stage::new();
    fs::create_dir_all(stage.path("run/systemd/system")).unwrap();
    let hook = stage.put("etc/cloud/clean.d/20-x.sh", "");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    stage.put("etc/cloud/clean.d/README", "");
    stage.put("var/log/x", "");
    stage.seal.wipe().await.unwrap();
    let asked = stage.host.0.borrow().clone();
    let did: Vec<&str> = asked.iter().map(String::as_str).filter(|line| !line.contains(" show ")).collect();
    assert_eq!(
        did,
        [
            "systemctl stop rsyslog.service",
            "systemctl stop syslog.socket",
            "systemctl stop systemd-random-seed.service",
            "systemctl restart systemd-journald.service",
            "systemctl stop docker.socket",
            "systemctl stop docker.service",
            "systemctl stop containerd.service",
            &hook.display().to_string(),
        ]
    );
    assert_eq!(fs::read_to_string(stage.path(&JOURNALD[1..])).unwrap(), "[Journal]\nStorage=volatile\n");
    // A name that somebody chose is no instance's.
    stage.put("etc/hostname", "build-box\n");
    assert!(!stage.seal.found().await.unwrap().iter().any(|found| found.what.ends_with("hostname")));
}

/// Whoever has the disk has the blocks of removed files, too.
#[test]
fn what_goes_is_overwritten_first_and_what_is_shared_is_not() {
    let stage = Stage::new();
    let canary = "canary".repeat(20_000);
    let read = |mut file: &File| {
        let mut text = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut text).unwrap();
        text
    };
    let path = stage.put("a/file", &canary);
    let open = File::open(&path).unwrap();
    wipe::remove(&stage.path("a")).unwrap();
    assert!(!stage.path("a").exists());
    assert!(read(&open).len() == canary.len() && read(&open).iter().all(|byte| *byte == 0));
    let path = stage.put("config", &canary);
    let open = File::open(&path).unwrap();
    wipe::rewrite(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(read(&open).iter().all(|byte| *byte == 0));
    let path = stage.put("shared", &canary);
    fs::hard_link(&path, stage.path("other")).unwrap();
    wipe::remove(&path).unwrap();
    assert_eq!(fs::read_to_string(stage.path("other")).unwrap(), canary);
    // A log of a terabyte that is nearly all hole.
    let path = stage.put("sparse", "");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"canary", 1 << 39).unwrap();
    let open = File::open(&path).unwrap();
    wipe::remove(&path).unwrap();
    let mut there = [1; 6];
    std::os::unix::fs::FileExt::read_exact_at(&open, &mut there, 1 << 39).unwrap();
    assert_eq!(there, [0; 6]);
}

#[tokio::test]
async fn what_does_not_go_is_told_after_all_else_went() {
    let stage = Stage::new();
    // A folder where a file belongs cannot be emptied.
    fs::create_dir_all(stage.path("etc/machine-id/x")).unwrap();
    stage.put("var/log/x", "x");
    let err = stage.seal.wipe().await.unwrap_err();
    assert!(err.message.starts_with("could not empty ") && err.message.contains("/etc/machine-id: "), "{err}");
    assert!(!stage.path("var/log/x").exists());
}

#[tokio::test]
async fn a_machine_with_something_of_a_project_is_refused() {
    let stage = Stage::new();
    let engine = MemoryEngine::default();
    check(&stage.seal.machine, &engine).await.unwrap();
    let labels = serde_json::json!({ labels::MANAGED: "true", labels::PROJECT: "app", labels::SERVICE: "web" });
    let container = serde_json::json!({ "Id": "1", "Name": "/app-web-1", "Config": { "Labels": labels, "Image": "a" },
        "State": { "Status": "exited" }, "HostConfig": {}, "NetworkSettings": {} });
    engine.containers.borrow_mut().insert("1".into(), container);
    let err = check(&stage.seal.machine, &engine).await.unwrap_err();
    assert_eq!((err.cause, err.remedy()), (Cause::InUse, "rolecall down --all"), "{err}");
    assert!(err.message.contains("app-web-1"), "{err}");
    // The unit is active, says this host.
    fs::create_dir_all(stage.path("run/systemd/system")).unwrap();
    let err = check(&stage.seal.machine, &engine).await.unwrap_err();
    assert_eq!((err.cause, err.remedy()), (Cause::InUse, "systemctl stop rolecall"), "{err}");
}
