//! The packages under a real systemd and by a real rpm, with a stand-in for the agent: what is packed, and by what, is
//! what a release gets.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::machine::Machine;

#[path = "../dist/pages.rs"]
#[allow(dead_code, reason = "its main is that of a program")]
mod pages;

/// Notes how it was called; a run goes on until it is ended.
const STAND_IN: &str = "#!/bin/sh\necho \"$*\" >>/srv/calls\n[ \"$1\" != run ] || exec sleep 1000\n";
const UNITS: &str = "rolecall.service rolecall-containers.service";

/// Makes the package of a version, which is as old as its number.
fn package(folder: &TempDir, form: &str, version: u32) -> PathBuf {
    let binary = folder.path().join("rolecall");
    fs::write(&binary, STAND_IN).unwrap();
    pages::write(folder.path()).unwrap();
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/userdata/package/package"))
        .args([form, "x86_64", &format!("{version}.0.0")])
        .args([&binary, folder.path(), folder.path()])
        .env("SOURCE_DATE_EPOCH", (1_700_000_000 + version).to_string())
        .env("MAINTAINER", "Maintainers <maintainers@example.com>")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

#[test]
fn a_package_is_installed_upgraded_removed_and_purged() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::start("package");
    machine.put(&package(&folder, "deb", 1), "/srv/1.deb");
    machine.put(&package(&folder, "deb", 2), "/srv/2.deb");

    // Nothing is enabled and nothing runs: that is for user-data or the bake.
    machine.sh("dpkg --install /srv/1.deb");
    machine.sh("systemd-analyze verify $(dpkg --listfiles rolecall | grep '[.]service$')");
    let exec = machine
        .sh(&format!("systemctl show -P ExecStart -P ExecStop {UNITS} | grep -o '/[a-z/]*bin/rolecall' | sort -u"));
    assert_eq!(exec, "/usr/bin/rolecall\n");
    machine.sh(&format!("! systemctl is-enabled {UNITS} && ! systemctl is-active {UNITS} && ! [ -e /srv/calls ]"));

    // An upgrade is seen by systemd and felt by nobody.
    machine.sh(&format!("systemctl enable {UNITS} && systemctl start {UNITS}"));
    machine.until("grep -qx run /srv/calls", Duration::from_secs(20));
    let ids = format!("systemctl show -P InvocationID -P MainPID {UNITS}");
    let before = machine.sh(&ids);
    machine.sh("dpkg --install /srv/2.deb");
    assert_eq!(machine.sh(&ids), before);
    let state = format!(
        "systemctl is-active {UNITS} | uniq; systemctl show -P NeedDaemonReload {UNITS} | xargs; cat /srv/calls"
    );
    assert_eq!(machine.sh(&state), "active\nno no\nrun\n");
    assert_eq!(machine.sh("dpkg-query --show rolecall"), "rolecall\t2.0.0\n");
    // Nor by what restarts services whose files were replaced.
    machine.sh(
        "perl -e 'our %nrconf; do \"/etc/needrestart/conf.d/rolecall.conf\"; \
         for $name (@ARGV) { grep { $name =~ $_ and !$nrconf{override_rc}{$_} } keys %{$nrconf{override_rc}} or exit 1 }' \
         rolecall.service rolecall-containers.service",
    );

    // Removed, it takes its units down in order, and says what stays.
    machine.sh("mkdir -p /etc/rolecall /var/lib/rolecall; echo ROLECALL_ROLES=web >/etc/rolecall/env");
    let told = machine.sh("dpkg --remove rolecall");
    assert!(told.contains("rolecall down"), "{told}");
    assert_eq!(machine.sh("cat /srv/calls"), "run\nstop --all\n");
    machine.sh(&format!(
        "! systemctl is-active {UNITS} && ! systemctl list-unit-files 'rolecall*' | grep rolecall && \
         ! find /etc/systemd -name 'rolecall*' | grep ."
    ));
    machine.sh("test -e /etc/rolecall/env");

    let told = machine.sh("dpkg --purge rolecall");
    assert!(told.contains("/var/lib/rolecall stays"), "{told}");
    machine.sh("test -d /var/lib/rolecall && ! [ -e /etc/rolecall ] && ! [ -e /etc/needrestart/conf.d/rolecall.conf ]");
}

/// A root that rpm installs into, with a systemctl that notes how it was called.
fn rpm_root(folder: &TempDir) -> PathBuf {
    let root = folder.path().join("root");
    for dir in ["bin", "dev", "usr/bin", "run/systemd/system", "srv"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/sh")).unwrap();
    fs::write(root.join("dev/null"), "").unwrap();
    let systemctl = root.join("bin/systemctl");
    fs::write(&systemctl, "#!/bin/sh\necho \"$*\" >>/srv/calls\n").unwrap();
    fs::set_permissions(&systemctl, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    root
}

#[test]
fn rpm_restarts_nothing_either() {
    let folder = TempDir::new().unwrap();
    let root = rpm_root(&folder);
    let calls = |rpm: &[&dyn AsRef<std::ffi::OsStr>]| {
        let _ = fs::remove_file(root.join("srv/calls"));
        let output = Command::new("rpm").arg("--root").arg(&root).args(rpm.iter().map(AsRef::as_ref)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(root.join("srv/calls")).unwrap()
    };
    // Dependencies are those of a system that has a shell.
    let (one, two) = (package(&folder, "rpm", 1), package(&folder, "rpm", 2));
    assert_eq!(calls(&[&"--install", &"--nodeps", &one]), "daemon-reload\n");
    let has = |path: &str| Path::exists(&root.join(path));
    assert!(has("usr/bin/rolecall") && has("usr/lib/systemd/system/rolecall.service"));
    let denied = fs::read_to_string(root.join("etc/smart-restart-conf.d/rolecall-denylist")).unwrap();
    assert!(UNITS.split(' ').all(|unit| denied.lines().any(|line| line == unit)), "{denied}");

    assert_eq!(calls(&[&"--upgrade", &"--nodeps", &two]), "daemon-reload\n");
    let last = calls(&[&"--erase", &"rolecall"]);
    let verbs: Vec<&str> =
        last.lines().filter_map(|line| line.split(' ').find(|word| !word.starts_with('-'))).collect();
    assert_eq!(verbs, ["is-active", "stop", "disable", "daemon-reload"], "{last}");
    assert!(UNITS.split(' ').all(|unit| last.matches(unit).count() >= 2), "{last}");
    assert!(!has("usr/bin/rolecall") && !has("usr/lib/systemd/system/rolecall.service"));
}
