//! An image of a machine, on a real machine: baked, run once in spite of all advice, sealed, and booted as a new instance
//! that reaches neither a registry nor a package mirror.

use std::{path::PathBuf, process::Command, time::Duration};

use base64::Engine as _;

use crate::machine::{Done, Machine};

const RUN: &str = include_str!("../../userdata/rolecall.service");
const CLOUD: &str = include_str!("cloud.py");
const CLOUD_UNIT: &str =
    "[Service]\nExecStart=/usr/bin/python3 /srv/stage/cloud.py\n[Install]\nWantedBy=multi-user.target\n";

/// What the stage itself needs, which no user-data brings: where the cloud of this machine is.
const AROUND: &str = "AWS_ENDPOINT_URL=http://127.0.0.1:8101\nAWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8100\n\
                      AWS_ACCESS_KEY_ID=stage\nAWS_SECRET_ACCESS_KEY=stage\nROLECALL_TRUST_TAGS=true\n";
const AROUND_UNIT: &str = "[Service]\nEnvironmentFile=/srv/stage/around\n";

const COMPOSE: &str = r#"
services:
  web:
    image: 127.0.0.1:8102/app/web:1
    ports: ["8080:80"]
    environment: { PASSWORD: "${PASSWORD}" }
    volumes: ["data:/data", "./files:/files"]
    stop_grace_period: 0s
  worker: { image: "127.0.0.1:8102/app/worker:1", ports: ["8081:80"], profiles: [worker], stop_grace_period: 0s }
volumes: { data: {} }
x-rolecall:
  variables: { PASSWORD: "ssm:///password" }
  registries: [ { auth: "s3://rolecall/deploy/dockercfg" } ]
  host: { upgrade: full, packages: [jq] }
"#;

/// What must not be in an image: the name of each, and how it is found.
const VALUE: &str = "canary-value-of-a-parameter";
const SETTING: &str = "canary-setting-of-user-data";
const LOGIN: &str = "builder:canary-password-of-the-registry";
const INSTANCE: &str = "i-0cafecafecafecafe";
const KEY: &str = "AAAAcanarykeyofthebuild";
const NOTES: [&str; 6] =
    ["canary-log", "canary-journal", "canary-history", "canary-leftover", "canary-user-data", "canary-row"];

fn canaries() -> Vec<String> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(LOGIN);
    let mut all: Vec<String> = [VALUE, SETTING, INSTANCE, KEY].iter().chain(&NOTES).map(ToString::to_string).collect();
    all.extend([encoded, LOGIN.split_once(':').unwrap().1.to_owned()]);
    all
}

fn instance(id: &str, tags: &str) -> String {
    format!(
        r#"{{"document": {{"instanceId": "{id}", "region": "eu-west-1", "availabilityZone": "eu-west-1b"}}, "tags": {tags},
            "key": "ssh-ed25519 {KEY} packer"}}"#
    )
}

/// A machine that an image is to be made of: an agent, its unit, and a cloud; nothing else is installed.
fn start() -> Machine {
    let auth = base64::engine::general_purpose::STANDARD.encode(LOGIN);
    let dockercfg = format!(r#"{{"auths": {{"127.0.0.1:8102": {{"auth": "{auth}"}}}}}}"#);
    let files = [
        ("/etc/systemd/system/rolecall.service", RUN),
        ("/etc/systemd/system/rolecall.service.d/around.conf", AROUND_UNIT),
        ("/etc/systemd/system/rolecall-containers.service.d/around.conf", AROUND_UNIT),
        ("/etc/systemd/system/cloud.service", CLOUD_UNIT),
        ("/srv/stage/cloud.py", CLOUD),
        ("/srv/stage/around", AROUND),
        ("/srv/stage/closed", ""),
        ("/srv/stage/login", LOGIN),
        ("/srv/stage/instance.json", &instance(INSTANCE, r#"{"Name": "packer"}"#)),
        ("/srv/stage/parameters.json", &format!("{{\"/password\": \"{VALUE}\"}}")),
        ("/srv/stage/bucket/app/compose.yaml", COMPOSE),
        ("/srv/stage/bucket/app/files/x", "a file of the project"),
        ("/srv/stage/bucket/deploy/dockercfg", &dockercfg),
        ("/srv/stage/root/www/index.html", "served"),
        ("/etc/rolecall/env", &format!("ROLECALL_SOURCE=s3://rolecall/app/\nROLECALL_CANARY={SETTING}\n")),
        ("/etc/rolecall/config.toml", "deadline = \"20m\"\n"),
    ];
    let machine = Machine::start_with("bake", &files);
    machine.put(env!("CARGO_BIN_EXE_rolecall").as_ref(), "/usr/local/bin/rolecall");
    machine.put("/bin/busybox".as_ref(), "/srv/stage/root/bin/busybox");
    machine.sh("chmod 755 /usr/local/bin/rolecall /srv/stage/root/bin/busybox
         for name in sh httpd; do ln -s busybox /srv/stage/root/bin/$name; done
         systemctl enable cloud rolecall 2>/dev/null; systemctl start cloud");
    machine.until("curl -so /dev/null -X PUT 127.0.0.1:8100/latest/api/token", Duration::from_secs(20));
    machine
}

/// `rolecall` as a provisioner calls it.
fn rolecall(machine: &Machine, args: &str) -> Done {
    machine.run(&format!("set -a; . /srv/stage/around; . /etc/rolecall/env 2>/dev/null; rolecall {args}"))
}

#[track_caller]
fn ok(machine: &Machine, args: &str) -> String {
    let done = rolecall(machine, args);
    assert_eq!(done.code, 0, "rolecall {args}\n{}", done.text);
    done.text
}

/// Where on the disk of the machine a text stands, as far as it differs from that of the distribution; not on the stage.
/// In contents, names, and where links lead to.
fn found(machine: &Machine, text: &str) -> Vec<PathBuf> {
    let ask = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(machine.folder()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let like = format!("*{text}*");
    let contents = ask("grep", &["-rlaF", "--exclude-dir=stage", "-e", text, "upper", "docker"]);
    let names =
        ["upper", "docker", "-path", "upper/srv/stage", "-prune", "-o", "(", "-name", &like, "-o", "-lname", &like];
    let names = ask("find", &[&names[..], &[")", "-print"]].concat());
    contents.lines().chain(names.lines()).map(PathBuf::from).collect()
}

/// Who was asked, by port.
fn asked(machine: &Machine) -> String {
    machine.sh("sort -u /srv/stage/log | tr '\\n' ' '").trim().to_owned()
}

/// A bake installs Docker and packages, brings the images of both roles, and starts nothing.
fn baked(machine: &Machine) {
    assert_ne!(machine.run("command -v dockerd || command -v jq").code, 0);
    let told = ok(machine, "bake");
    assert!(!told.contains("is not enabled"), "{told}");
    machine.sh("set -e; systemctl is-enabled docker; jq --version; systemctl is-active docker");
    assert_eq!(
        machine.sh("docker images --format '{{.Repository}}:{{.Tag}}' | sort"),
        "127.0.0.1:8102/app/web:1\n127.0.0.1:8102/app/worker:1\n"
    );
    assert_eq!(machine.sh("docker ps -aq; docker volume ls -q; docker network ls -q --filter type=custom"), "");
    assert_eq!(machine.run("systemctl is-active rolecall rolecall-containers").text, "inactive\ninactive\n");
}

/// Somebody tries the project out on the same machine, and leaves what people leave.
fn tried_out(machine: &Machine) {
    let password = LOGIN.split_once(':').unwrap().1;
    machine.sh(&format!(
        "set -ea; . /srv/stage/around; . /etc/rolecall/env; rolecall run --roles worker >/root/out 2>&1; rm /root/out
         docker exec app-web-1 sh -c 'echo canary-row >/data/row'
         echo canary-log >/var/log/build.log; logger canary-journal; journalctl --flush --sync
         mkdir -p /home/admin/.ssh /root/.docker /var/lib/cloud/instances/{INSTANCE}
         echo 'docker login -p {password} # canary-history' >/root/.bash_history
         echo canary-leftover >/tmp/a; echo canary-leftover >/var/tmp/b
         printf 'ssh-ed25519 AAAAteam team\\nssh-ed25519 {KEY} packer\\n' >/home/admin/.ssh/authorized_keys
         cp /srv/stage/bucket/deploy/dockercfg /root/.docker/config.json
         echo canary-user-data >/var/lib/cloud/instances/{INSTANCE}/user-data.txt
         ln -sfn /var/lib/cloud/instances/{INSTANCE} /var/lib/cloud/instance"
    ));
    machine.until("curl -s localhost:8080 && curl -s localhost:8081", Duration::from_secs(20));
    for canary in canaries() {
        assert!(!found(machine, &canary).is_empty(), "{canary}: the search finds what is there");
    }
}

/// What is left of a project, and a run that is under way, are refused. Then it is baked once more.
fn refused(machine: &Machine) {
    for (left, hint) in [("containers", "rolecall down --all"), ("volumes", "docker volume rm app_data")] {
        let done = rolecall(machine, "seal");
        let left = format!("{left} of a project are left");
        assert!(done.code == 1 && done.text.contains("cause=in-use"), "{}", done.text);
        assert!(done.text.contains(&left) && done.text.contains(hint), "{}", done.text);
        ok(machine, "down --all");
    }
    machine.sh("docker volume rm app_data; systemctl start --no-block rolecall");
    machine.until("[ -s /var/lib/rolecall/lock ]", Duration::from_secs(20));
    let done = rolecall(machine, "seal");
    assert_eq!(done.code, 6, "{}", done.text);
    machine.run("rolecall status --wait; systemctl stop rolecall");
    ok(machine, "down --all");
    machine.sh("docker volume rm app_data; test -e /etc/rolecall/env && test -e /var/lib/rolecall/journal.jsonl");
    ok(machine, "bake");
}

#[test]
fn a_sealed_image_is_clean_and_boots_with_neither_registry_nor_packages() {
    let machine = start();
    baked(&machine);
    tried_out(&machine);
    refused(&machine);

    let listed = ok(&machine, "seal --dry-run");
    for line in [
        "remove /etc/rolecall/env: ",
        "remove /var/lib/cloud/instances: ",
        "remove logins from /root/.docker/config.json: ",
        "empty /etc/machine-id: ",
    ] {
        assert_eq!(listed.lines().filter(|l| l.starts_with(line)).count(), 1, "{line}\n{listed}");
    }
    machine.sh("test -e /etc/rolecall/env && test -e /var/lib/rolecall/journal.jsonl");
    let old_id = machine.sh("cat /etc/machine-id").trim().to_owned();
    machine.sh("cp /etc/rolecall/env /run/env");
    let sealed = ok(&machine, "seal");
    assert!(sealed.contains("rolecall: sealed, "), "{sealed}");
    // Once more, although Docker is stopped by now.
    let done = machine.run("set -a; . /srv/stage/around; . /run/env; rolecall seal");
    assert!(done.code == 0 && done.text.contains("rolecall: sealed, "), "{}", done.text);
    let left = "cat /etc/machine-id /home/admin/.ssh/authorized_keys /etc/rolecall/config.toml";
    assert_eq!(machine.sh(left), "ssh-ed25519 AAAAteam team\ndeadline = \"20m\"\n");
    machine.sh("rm -f /etc/apt/sources.list.d/*
         echo 'deb [trusted=yes] http://127.0.0.1:8103 bookworm main' >/etc/apt/sources.list; systemctl poweroff");
    machine.wait_off();
    assert!(!machine.console().contains("FAILED"), "{}", machine.console());
    for canary in canaries().into_iter().chain([old_id.clone()]) {
        let found = found(&machine, &canary);
        assert!(found.is_empty(), "{canary} is in the image: {found:?}");
    }

    // A new instance: its tags decide, and nobody offers packages or images.
    let write = |name: &str, content: &str| {
        std::fs::write(machine.folder().join("upper/srv/stage").join(name), content).unwrap();
    };
    let tags = r#"{"Bootstrap": "s3://rolecall/app/", "Role": "worker"}"#;
    write("instance.json", &instance("i-0beefbeefbeefbeef", tags));
    write("closed", "8102 8103");
    write("log", "");
    machine.boot_offline();
    machine.until("[ -e /run/rolecall/status.json ]", Duration::from_secs(60));
    let done = machine.run("rolecall status --wait");
    assert_eq!(done.code, 0, "{}\n{}", done.text, machine.console());
    assert_eq!(
        machine.sh("docker ps --format '{{.Names}} {{.Label \"io.rolecall.instance\"}}' | sort"),
        "app-web-1 i-0beefbeefbeefbeef\napp-worker-1 i-0beefbeefbeefbeef\n"
    );
    machine.until("curl -s localhost:8080 && curl -s localhost:8081", Duration::from_secs(20));
    assert_eq!(machine.sh("docker exec app-web-1 sh -c 'echo $PASSWORD'").trim(), VALUE);
    assert_eq!(asked(&machine), "8100 8101", "metadata and S3, and nobody else");
    let new_id = machine.sh("cat /etc/machine-id").trim().to_owned();
    assert!(new_id.len() == 32 && new_id != old_id, "{new_id}");
    // The counter counts.
    machine.run("docker pull 127.0.0.1:8102/app/web:2; apt-get update");
    assert_eq!(asked(&machine), "8100 8101 8102 8103");
}
