//! The engine and packages on a real Debian 12.

use std::time::Duration;

use crate::machine::Machine;

/// Holds an fcntl lock, as apt and dpkg do, for some seconds, and says so.
fn hold(machine: &Machine, lock: &str, seconds: u32) {
    let script = format!(
        "import fcntl,time\nf=open('{lock}','w')\nfcntl.lockf(f,fcntl.LOCK_EX)\nopen('/run/held','w')\ntime.sleep({seconds})"
    );
    machine.write("/run/hold.py", &script, "600");
    machine.sh("rm -f /run/held; setsid python3 /run/hold.py </dev/null >/dev/null 2>&1 &");
    machine.until("test -e /run/held", Duration::from_secs(10));
}

#[test]
fn docker_is_installed_set_up_and_taken_back_when_it_does_not_start() {
    let machine = Machine::start("docker");

    // Absent: installed, while others hold the locks of dpkg for a while.
    hold(&machine, "/var/lib/dpkg/lock-frontend", 6);
    let done = machine.agent(r#"docker {"labels":["role=web"]}"#);
    assert!(done.text.contains("outcome: false Changed(\"installed docker.io\") true"), "{}", done.text);
    assert!(done.text.contains("waiting for python3 (pid "), "{}", done.text);
    assert!(done.text.contains("which holds /var/lib/dpkg/lock-frontend"), "{}", done.text);
    let daemon = machine.sh("cat /etc/docker/daemon.json");
    assert!(daemon.contains("\"role=web\"") && daemon.contains("\"max-size\": \"10m\""), "{daemon}");
    assert_eq!(
        machine.sh("docker info --format '{{.Labels}} {{.LoggingDriver}}' 2>/dev/null").trim(),
        "[role=web] json-file"
    );
    assert_eq!(machine.sh("systemctl show -P NRestarts docker; systemctl is-enabled docker").trim(), "0\nenabled");
    // Debian 12 has Compose 1 alone, which is no plugin of Docker's command line.
    machine.sh("! command -v docker-compose");
    let started = || machine.sh("systemctl show -P ExecMainStartTimestampMonotonic docker");
    let first = started();

    // The same again: nothing.
    let done = machine.agent(r#"docker {"labels":["role=web"]}"#);
    assert!(done.text.contains("outcome: true Unchanged true"), "{}", done.text);
    assert_eq!(started(), first, "not restarted");

    // The administrator's own keys stay, and one changed key is one restart.
    machine.sh("sed -i '1s/{/{ \"shutdown-timeout\": 21,/' /etc/docker/daemon.json");
    let done = machine.agent(r#"docker {"labels":["role=db"]}"#);
    assert!(
        done.text.contains("outcome: false Changed(\"daemon.json merged, engine restarted\") true"),
        "{}",
        done.text
    );
    assert_ne!(started(), first);
    let daemon = machine.sh("cat /etc/docker/daemon.json");
    assert!(daemon.contains("\"shutdown-timeout\": 21") && daemon.contains("role=db"), "{daemon}");

    // A key that the engine refuses: the old file is back, and the engine too.
    let done = machine.agent(r#"docker {"no-such-key":true}"#);
    assert!(done.text.contains("error: docker-config"), "{}", done.text);
    assert!(done.text.contains("its old file is back and it runs again"), "{}", done.text);
    assert!(done.text.contains("no-such-key"), "the engine's own words are there: {}", done.text);
    assert_eq!(machine.sh("cat /etc/docker/daemon.json"), daemon);
    machine.sh("docker info >/dev/null 2>&1");

    // A file that is not JSON is left alone.
    machine.write("/etc/docker/daemon.json", "{\n \"a\": oops\n}\n", "644");
    let done = machine.agent(r#"docker {"labels":[]}"#);
    assert!(
        done.text.contains("error: docker-config could not merge /etc/docker/daemon.json: line 2 column 7"),
        "{}",
        done.text
    );
    assert_eq!(machine.sh("cat /etc/docker/daemon.json"), "{\n \"a\": oops\n}\n");
}

/// A repository of the machine's own with a package `docker-compose`: a plugin whose preinst ends with this code.
const COMPOSE: &str = r#"set -eu
apt-get update >/dev/null; apt-get install -y --no-install-recommends dpkg-dev >/dev/null 2>&1
rm -rf /srv/p /srv/repo; mkdir -p /srv/p/DEBIAN /srv/p/usr/libexec/docker/cli-plugins /srv/repo
printf 'Package: docker-compose\nVersion: 2.26.1-4\nArchitecture: all\nMaintainer: test <t@t>\nDescription: test\n' >/srv/p/DEBIAN/control
printf '#!/bin/sh\nexit CODE\n' >/srv/p/DEBIAN/preinst
cat >/srv/p/usr/libexec/docker/cli-plugins/docker-compose <<'END'
#!/bin/sh
case $1 in
docker-cli-plugin-metadata) echo '{"SchemaVersion":"0.1.0","Vendor":"test","Version":"v2.26.1"}' ;;
*) echo 'Docker Compose version 2.26.1' ;;
esac
END
chmod 755 /srv/p/DEBIAN/preinst /srv/p/usr/libexec/docker/cli-plugins/docker-compose
dpkg-deb --root-owner-group --build /srv/p /srv/repo/docker-compose.deb >/dev/null
cd /srv/repo; dpkg-scanpackages . 2>/dev/null >Packages
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list.d/test.list; apt-get update >/dev/null"#;

#[test]
fn compose_plugin_comes_with_the_engine() {
    let machine = Machine::start("plugin");
    // One that cannot be installed fails nothing, and leaves a package manager that works.
    machine.sh(&COMPOSE.replace("CODE", "1"));
    let done = machine.agent("docker {}");
    assert!(done.text.contains("outcome: false Changed(\"installed docker.io\") true"), "{}", done.text);
    assert!(done.text.contains("the compose plugin of docker was not installed: could not install"), "{}", done.text);
    machine.sh("test -z \"$(dpkg --audit)\"; ! docker compose version 2>/dev/null");
    // An engine that is there is left as it is.
    machine.sh(&COMPOSE.replace("CODE", "0"));
    let done = machine.agent("docker {}");
    assert!(done.text.contains("outcome: true Unchanged true"), "{}", done.text);
    machine.sh("! docker compose version 2>/dev/null; apt-get purge -y docker.io >/dev/null 2>&1");
    let done = machine.agent("docker {}");
    assert!(done.text.contains("outcome: false Changed(\"installed docker.io\") true"), "{}", done.text);
    assert_eq!(machine.sh("docker compose version").trim(), "Docker Compose version 2.26.1");
}

#[test]
fn without_systemd_the_engine_is_a_plain_process() {
    let machine = Machine::start("plain");
    machine.agent("packages jq"); // brings the test program
    // No service manager and no init script, as in a container.
    let hidden = "mount -t tmpfs tmpfs /run/systemd; printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; \
                  chmod 755 /usr/sbin/policy-rc.d";
    let run = |order: &str| {
        let agent = "/opt/agent --exact inside::agent --ignored --nocapture";
        machine.run(&format!("unshare --mount sh -c \"{hidden}; ROLECALL_TEST_ORDER='{order}' {agent}\"")).text
    };
    let text = run(r#"docker {\"live-restore\":true}"#);
    assert!(text.contains("outcome: false Changed(\"installed docker.io\") true"), "{text}");
    assert_eq!(machine.sh("pgrep -c -x dockerd").trim(), "1");
    let text = run(r#"docker {\"live-restore\":true}"#);
    assert!(text.contains("outcome: true Unchanged true"), "{text}");
    let before = machine.sh("pgrep -x dockerd");
    let text = run(r#"docker {\"live-restore\":false}"#);
    assert!(text.contains("daemon.json merged, engine restarted"), "{text}");
    assert_ne!(machine.sh("pgrep -x dockerd"), before);
    let text = run(r#"docker {\"no-such-key\":false}"#);
    assert!(text.contains("error: docker-config") && text.contains("no-such-key"), "{text}");
    assert!(text.contains("its old file is back and it runs again"), "{text}");
}

#[test]
fn packages_are_installed_once_and_half_done_work_is_finished() {
    let machine = Machine::start("packages");

    // The lock of the lists is not one that apt waits for.
    hold(&machine, "/var/lib/apt/lists/lock", 4);
    let done = machine.agent("packages jq");
    assert!(done.text.contains("outcome: false Changed(\"installed jq\") true"), "{}", done.text);
    assert!(done.text.contains("which holds /var/lib/apt/lists/lock"), "{}", done.text);

    // Nothing is run when all is there, not even with a lock held.
    hold(&machine, "/var/lib/dpkg/lock-frontend", 3);
    let done = machine.agent("packages jq mawk awk");
    assert!(done.text.contains("outcome: true Unchanged true"), "{}", done.text);

    // A power cut leaves lists empty that apt takes for current, since the mirror has no newer ones.
    machine.sh("for list in /var/lib/apt/lists/*_Packages; do : >$list; done");
    let done = machine.agent("packages bc");
    assert!(done.text.contains("outcome: false Changed(\"installed bc\") true"), "{}", done.text);

    let done = machine.agent("packages jqq");
    assert!(
        done.text.contains("error: packages-failed could not install jqq: there is no package jqq"),
        "{}",
        done.text
    );

    // Cut between unpacking and configuring.
    machine.sh("cd /tmp && apt-get download tree >/dev/null 2>&1 && dpkg --unpack tree_*.deb >/dev/null");
    assert!(machine.sh("dpkg --audit").contains("tree"));
    let done = machine.agent("packages less");
    assert!(done.text.contains("finishing an interrupted installation"), "{}", done.text);
    assert!(done.text.contains("outcome: false Changed(\"installed less\") true"), "{}", done.text);
    assert_eq!(machine.sh("dpkg --audit"), "");

    // A lock that is never let go of ends with the deadline, and names its holder.
    hold(&machine, "/var/lib/dpkg/lock", 60);
    machine.put(&std::env::current_exe().unwrap(), "/opt/agent");
    let done = machine.run(
        "ROLECALL_TEST_DEADLINE=10 ROLECALL_TEST_ORDER='packages tmux' /opt/agent --exact inside::agent --ignored --nocapture",
    );
    assert!(
        done.text.contains("error: packages-failed lock /var/lib/dpkg/lock is still held by python3 (pid "),
        "{}",
        done.text
    );
}

#[test]
fn scripts_run_as_told_and_their_end_is_the_verdict() {
    let machine = Machine::start("script");
    let done = machine.agent("script 20 #!/bin/sh\\necho at $PWD $HOME $REGION; echo two >&2");
    assert!(done.text.contains("at / /root eu-west-1") && done.text.contains("outcome: done"), "{}", done.text);
    let done = machine.agent("script 20 #!/bin/sh\\necho last words; exit 3");
    assert!(done.text.contains("error: script-failed script bootstrap/10-test.sh exited with 3"), "{}", done.text);
    assert!(done.text.contains("  | last words"), "{}", done.text);
    let done = machine.agent("script 1 #!/bin/sh\\necho begun; sleep 600");
    assert!(done.text.contains("error: script-timeout") && done.text.contains("  | begun"), "{}", done.text);
    machine.until("! pgrep -x sleep", Duration::from_secs(20));
    // A file system that runs no programs.
    machine.sh("mkdir -p /var/lib/rolecall; mount -t tmpfs -o noexec tmpfs /var/lib/rolecall");
    let done = machine.agent("script 20 #!/usr/bin/env python3\\nprint(6 * 7)");
    assert!(done.text.contains("42") && done.text.contains("outcome: done"), "{}", done.text);
    assert_eq!(machine.sh("ls /var/lib/rolecall/scripts"), "");
}

/// Debian brings dnf and rpm, so that a machine can be told that it is a Fedora.
#[test]
fn dnf_installs_upgrades_and_says_what_there_is_not() {
    let machine = Machine::start("dnf");
    machine.sh(
        "apt-get update >/dev/null && apt-get install -y --no-install-recommends dnf rpm createrepo-c >/dev/null 2>&1",
    );
    let package = |version: u32| {
        format!(
            "printf 'Name: probe\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n\
             %%description\nx\n%%files\n' >/root/probe.spec; rpmbuild -bb --quiet --define '_rpmdir /srv/repo' \
             /root/probe.spec; createrepo_c --quiet /srv/repo"
        )
    };
    machine.sh(&package(1));
    machine.write(
        "/etc/yum.repos.d/t.repo",
        "[t]\nname=t\nbaseurl=file:///srv/repo\ngpgcheck=0\nmetadata_expire=0\n",
        "644",
    );
    machine.write("/etc/os-release", "ID=fedora\nVERSION_ID=40\nPRETTY_NAME=Fedora\n", "644");

    let done = machine.agent("packages probe");
    assert!(done.text.contains("outcome: false Changed(\"installed probe\") true"), "{}", done.text);
    assert!(machine.agent("packages probe").text.contains("outcome: true Unchanged true"));
    let done = machine.agent("packages prboe");
    assert!(
        done.text.contains("error: packages-failed could not install prboe: there is no package prboe"),
        "{}",
        done.text
    );

    hold(&machine, "/var/lib/rpm/.rpm.lock", 3);
    machine.sh(&package(2));
    let done = machine.agent("upgrade full");
    assert!(done.text.contains("outcome: Changed(\"upgraded packages\")"), "{}", done.text);
    assert_eq!(machine.sh("rpm -q probe").trim(), "probe-2-1.noarch");
    assert!(machine.agent("upgrade full").text.contains("outcome: Unchanged"));
}

#[test]
fn a_static_archive_becomes_an_engine_with_a_unit() {
    let machine = Machine::start("static");
    // An archive as Docker publishes it, from the distribution's own programs.
    machine.sh(
        "apt-get update >/dev/null; apt-get install -y --no-install-recommends docker.io >/dev/null 2>&1
         mkdir -p /srv/docker; cd /srv/docker
         cp /usr/bin/docker /usr/sbin/dockerd /usr/bin/containerd* /usr/sbin/runc /usr/bin/ctr /usr/sbin/docker-proxy .
         cp /usr/bin/tini-static docker-init 2>/dev/null || cp /usr/bin/tini docker-init
         tar czf /srv/docker.tgz -C /srv docker; tar czf /srv/other.tgz -C /srv www 2>/dev/null || tar czf /srv/other.tgz -C /etc hosts
         apt-get purge -y docker.io containerd runc >/dev/null 2>&1; rm -rf /etc/docker /lib/systemd/system/docker.service
         systemctl daemon-reload",
    );
    let done = machine.agent("static /srv/other.tgz");
    assert!(done.text.contains("error: docker-install the static archive of docker is not one"), "{}", done.text);
    machine.sh("! ls -d /usr/local/bin/.rolecall* /usr/local/bin/dockerd 2>/dev/null");
    let done = machine.agent("static /srv/docker.tgz");
    assert!(done.text.contains("outcome: Changed(\"installed docker (static)\") true"), "{}", done.text);
    assert_eq!(machine.sh("systemctl show -P ExecStart docker | grep -o '/usr/local/bin/dockerd' | head -n 1; systemctl is-enabled docker").trim(), "/usr/local/bin/dockerd\nenabled");
    machine.sh("docker info >/dev/null 2>&1; ! ls -d /usr/local/bin/.rolecall*");

    // Another engine by DOCKER_HOST is never set up.
    let done = machine.agent("remote tcp://10.0.0.1:2375");
    assert!(
        done.text.contains("error: manifest-invalid x-rolecall.host.docker cannot be applied: DOCKER_HOST names"),
        "{}",
        done.text
    );
    assert!(machine.agent("remote unix:///var/run/docker.sock").text.contains("outcome: true"));
}

#[test]
fn the_holder_of_a_port_is_named_with_its_unit() {
    let machine = Machine::start("ports");
    machine.write(
        "/etc/systemd/system/web.service",
        "[Service]\nExecStart=/usr/bin/python3 -m http.server 80\n",
        "644",
    );
    machine.sh("systemctl daemon-reload; systemctl start web");
    machine.until("curl -so /dev/null localhost", Duration::from_secs(10));
    let done = machine.agent("port 80");
    let line = done.text.lines().find(|l| l.starts_with("error: port-held")).unwrap_or(&done.text);
    assert!(
        line.contains("port 80/tcp of service web is held by python3 (pid ") && line.contains(", web.service)"),
        "{line}"
    );
    assert!(line.contains("systemctl mask --now web.service"), "{line}");
    assert!(machine.agent("port 81").text.contains("outcome: free"));
}

#[test]
fn an_installation_that_lost_power_is_finished_by_the_next_run() {
    let machine = Machine::start("half");
    machine.agent("remote unix:///run/docker.sock"); // brings the test program
    let order = "ROLECALL_TEST_ORDER='docker {}' /opt/agent --exact inside::agent --ignored --nocapture";
    for sign in ["ls /var/lib/dpkg/updates | grep -q .", "test -e /usr/sbin/dockerd"] {
        machine.sh(&format!("{order} </dev/null >/srv/log 2>&1 &"));
        machine.until(sign, Duration::from_secs(120));
        machine.cut();
        machine.boot();
        assert_ne!(machine.run("docker info").code, 0);
    }
    let done = machine.agent("docker {}");
    assert!(done.text.contains("outcome: false Changed(\"installed docker.io\") true"), "{}", done.text);
    assert!(done.text.contains("finishing an interrupted installation"), "{}", done.text);
    assert_eq!(machine.sh("dpkg --audit"), "");
    machine.sh("docker info >/dev/null 2>&1; systemctl is-enabled docker");
}
