//! The package manager: the real apt and dpkg in folders of their own, and a mirror that plays faults.

use std::{fmt::Write as _, process::Command, sync::OnceLock, time::Duration};

use rolecall::fetch::sha256;

use super::{
    Must::{Converge, Fail},
    machines::{Machine, nobody},
    rows,
};
use crate::support::{
    bed::Bed,
    http::{Fault, Kind, Reply, Server},
};

const DEB: &str = "rolecall-hello_1.0_all.deb";

const BUILD: &str = r"set -eu
dir=$(mktemp -d); trap 'rm -rf $dir' EXIT
mkdir -p $dir/p/DEBIAN $dir/p/opt/rolecall-hello
printf 'Package: rolecall-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: test <test@localhost>\nDescription: test\n' > $dir/p/DEBIAN/control
head -c 400000 /dev/urandom > $dir/p/opt/rolecall-hello/data
echo hello > $dir/p/opt/rolecall-hello/hello
dpkg-deb --root-owner-group -Zgzip --build $dir/p $dir/out.deb > /dev/null
cat $dir/out.deb
";

/// What apt and dpkg keep and read is laid over; `$1` is the mirror, `$2` is done before the command is run.
const OVERLAY: &str = r#"set -eu
for dir in /etc/apt /var/lib/apt /var/lib/dpkg /var/cache/apt /var/log /opt; do mount -t tmpfs none $dir; done
mkdir -p /etc/apt/apt.conf.d /etc/apt/preferences.d /var/lib/apt/lists/partial /var/cache/apt/archives/partial \
    /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers
: > /var/lib/dpkg/status; : > /var/lib/dpkg/available
echo "deb [trusted=yes] $1 ./" > /etc/apt/sources.list
eval "$2"
shift 2
exec "$@"
"#;

/// Holds the lock of dpkg as its own programs do, for some seconds.
const HOLD: &str = r#"/usr/bin/python3 -c '
import fcntl, time
f = open("/var/lib/dpkg/lock-frontend", "w"); fcntl.lockf(f, fcntl.LOCK_EX)
open("/opt/held", "w").write("held"); time.sleep(SECONDS)' > /dev/null 2>&1 &
until test -s /opt/held; do sleep 0.05; done"#;

const SCRIPT: &str = "#!/bin/sh\ncat /opt/rolecall-hello/hello >> \"$MARK\"\n";

const COMPOSE: &str = "services: {}\nx-rolecall: { host: { packages: [rolecall-hello] } }\n";

fn deb() -> Vec<u8> {
    static DEB: OnceLock<Vec<u8>> = OnceLock::new();
    DEB.get_or_init(|| {
        let built = Command::new("sh").args(["-c", BUILD]).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        built.stdout
    })
    .clone()
}

/// A mirror whose clock is ahead.
fn mirror(ahead: Duration) -> Server {
    let deb = deb();
    let packages = format!(
        "Package: rolecall-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: test <test@localhost>\nDescription: test\n\
         Filename: ./{DEB}\nSize: {}\nSHA256: {}\n\n",
        deb.len(),
        sha256(&deb)
    );
    let date = jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S UTC", jiff::Timestamp::now() + ahead).unwrap();
    let mut release = format!("Date: {date}\nSHA256:\n");
    let _ = writeln!(release, " {} {} Packages", sha256(packages.as_bytes()), packages.len());
    Server::start("mirror", move |request| match request.path.rsplit('/').next().unwrap_or_default() {
        "Release" => Reply::new(200, release.clone()),
        "Packages" => Reply::new(200, packages.clone()),
        DEB => Reply::new(200, deb.clone()),
        _ => Reply::new(404, "no such file"),
    })
}

/// A machine whose role needs a package, and whose script reads a file of it.
pub(crate) fn machine() -> Machine {
    prepared(":")
}

/// The same, on which this is done before the run.
fn prepared(before: &str) -> Machine {
    with(Server::url, Duration::ZERO, before)
}

fn with(url: impl FnOnce(&Server) -> String, ahead: Duration, before: &str) -> Machine {
    let mut bed = Bed::without_engine();
    let mirror = mirror(ahead);
    bed.project("app", &[("compose.yaml", COMPOSE), ("bootstrap/10.sh", SCRIPT)]);
    let url = url(&mirror);
    bed.agent = bed.agent.under(&["unshare", "--mount", "sh", "-c", OVERLAY, "sh", &url, before]);
    let mark = bed.path("mark").display().to_string();
    Machine::of(bed, Some(mirror), |machine| {
        let mark = std::fs::read_to_string(machine.bed.path("mark")).unwrap_or_default();
        assert_eq!(mark, "hello\n", "the package is there before the script runs, which runs once");
    })
    .with_played_engine()
    .env("MARK", |_| mark)
    .deadline(60)
}

fn faulty(path: &str, kind: Kind, times: usize) -> Machine {
    let machine = machine();
    machine.web().fault(Fault::on(path, kind).times(times));
    machine
}

fn status(status: u16) -> Kind {
    Kind::Answer(Reply::new(status, "busy"))
}

fn held(seconds: u32) -> Machine {
    prepared(&HOLD.replace("SECONDS", &seconds.to_string()))
}

rows! { Packages:
    packages_late, Late, "each answer of the mirror takes a second", Converge,
        || faulty("/", Kind::Delay(Duration::from_secs(1)), usize::MAX).run();

    packages_closed, Refused, "four connections are closed unanswered", Converge, || faulty("/", Kind::Drop, 4).run();

    packages_refused, Refused, "the mirror never listens", Fail(4, "rolecall: FAILED cause=packages-failed step=packages \
        error=\"could not fetch package lists: exit 100: *onnection refused* (* tries in *)\"*"), || {
        with(|_| format!("http://{}", nobody()), Duration::ZERO, ":").deadline(15).run()
    };

    packages_reset, Reset, "two packages are cut by a reset", Converge, || faulty(DEB, Kind::Reset(50_000), 2).run();

    packages_truncated, Truncated, "two packages end in the middle", Converge,
        || faulty(DEB, Kind::Cut(50_000), 2).run();

    packages_hang_for_ever, Hangs, "every package stops after its headers", Fail(4, "rolecall: FAILED \
        cause=packages-failed step=packages error=\"could not install rolecall-hello: apt-get did not end within *\"*"), || faulty(DEB, Kind::Hang(0), usize::MAX).deadline(15).run();

    packages_burst, Burst, "two packages and two lists are HTTP 503", Converge, || {
        let machine = faulty("Packages", status(503), 2);
        machine.web().fault(Fault::on(DEB, status(503)).times(2));
        machine.run()
    };

    packages_ask_for_patience, RetryAfter, "two packages are HTTP 429 with Retry-After: 1", Converge, || {
        faulty(DEB, Kind::Answer(Reply::new(429, "").with("retry-after", 1)), 2).run()
    };

    packages_throttled, Throttled, "every package is HTTP 429", Fail(4, "rolecall: FAILED cause=packages-failed step=packages \
        error=\"could not install rolecall-hello: exit 100: *\"*"),
        || faulty(DEB, status(429), usize::MAX).deadline(15).run();

    packages_corrupt, Checksum, "one package has a byte changed", Converge, || faulty(DEB, Kind::Corrupt, 1).run();

    packages_corrupt_for_ever, Checksum, "every package has a byte changed", Fail(4, "rolecall: FAILED \
        cause=packages-failed step=packages error=\"could not install rolecall-hello: *\"*"),
        || faulty(DEB, Kind::Corrupt, usize::MAX).deadline(15).run();

    packages_clock, Skewed, "the lists of the mirror are of a time that is 20 minutes ahead", Fail(4, "rolecall: FAILED \
        cause=packages-failed step=packages error=\"could not fetch package lists: exit 100: E: Release file for * is not valid \
        yet (invalid for another *). Updates for this repository will not be applied. (* tries in *)\" *hint=\"the clock of this machine is off: check chrony or \
        systemd-timesyncd\""), || with(Server::url, Duration::from_secs(20 * 60), ":").deadline(15).run();

    packages_disk_full, Full, "there is no room for what a package brings", Fail(1, "rolecall: FAILED cause=disk-full \
        step=packages error=\"could not install rolecall-hello: no space left on the disk\" *hint=\"free space or give the instance \
        a larger volume\""), || prepared("mount -o remount,size=64k /opt").deadline(20).run();

    packages_read_only, ReadOnly, "what a package brings goes to a file system that is read-only", Fail(1, "rolecall: FAILED \
        cause=packages-failed step=packages error=\"could not install rolecall-hello: *ead-only file system*\"*"),
        || prepared("mount -o remount,ro /opt").deadline(20).run();

    packages_lock, Locked, "another process holds the lock of dpkg for three seconds", Converge, || held(3).run();

    packages_lock_for_ever, Locked, "another process never lets go of the lock of dpkg", Fail(4, "rolecall: FAILED \
        cause=packages-failed step=packages error=\"lock /var/lib/dpkg/lock-frontend is still held by python3 (pid *) after *\" *hint=\"see what that process waits for; `rolecall run` can be started again at any time\""),
        || held(20).deadline(6).run();
}

#[test]
fn name_that_apt_would_remove_is_refused() {
    let (machine, nothing) = (machine(), "would remove the package; write 'rolecall-hello' to install it");
    let compose = "services: {}\nx-rolecall:\n  host: { packages: [rolecall-hello-, \"rolecall*\"] }\n";
    machine.bed.project("app", &[("compose.yaml", compose)]);
    for command in ["run", "plan"] {
        let failed = machine.bed.rolecall(&[command]).fails(3, "manifest-invalid");
        failed.says("compose.yaml:3:").says(nothing).says("'rolecall*' is a pattern");
    }
    let file = machine.bed.path("compose.yaml");
    std::fs::write(&file, compose).unwrap();
    machine.bed.rolecall(&["validate", file.to_str().unwrap()]).exits(3).says(":3:22").says(nothing);
    assert_eq!(machine.web().log().len(), 0, "apt was not run");
}
