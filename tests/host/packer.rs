//! The provisioners of packer/, run by a real Packer over SSH on a machine under systemd, as a user with sudo. Its Amazon
//! source is left out; a stand-in plays the agent, and Docker is Docker.

use std::{path::Path, process::Command, time::Duration};

use crate::machine::{Done, Machine};

/// Notes how it is called. `bake` brings Docker, an image without a registry, and a record of it; `seal` seals. What goes
/// wrong is said by a setting.
const AGENT: &str = r#"#!/bin/sh
set -eu
echo "$*" >>/srv/calls
state=/var/lib/rolecall
case $1 in
--version) echo rolecall 0 ;;
bake)
	env | grep ^ROLECALL_ | sort >/srv/env
	export DEBIAN_FRONTEND=noninteractive
	command -v dockerd >/dev/null || apt-get -qq -y --no-install-recommends install docker.io >/dev/null
	docker image inspect app:1 >/dev/null 2>&1 ||
		tar -c /etc/hostname 2>/dev/null | docker import --change 'CMD ["x"]' - app:1
	mkdir -p $state
	id=$(docker image inspect --format '{{.Id}}' app:1)
	[ "${ROLECALL_TEST-}" != image ] || id=sha256:0
	[ "${ROLECALL_TEST-}" != container ] || docker create --name left app:1
	echo "[{\"images\": {\"app:1\": \"$id\"}}]" >$state/baked.json
	touch $state/journal.jsonl
	;;
seal)
	rm -rf /etc/rolecall/env $state/journal.jsonl /etc/ssh/ssh_host_* /var/lib/cloud/instance
	[ "${ROLECALL_TEST-}" = id ] || : >/etc/machine-id
	[ "${ROLECALL_TEST-}" != env ] || touch /etc/rolecall/env
	;;
esac
"#;

/// In place of plugins.pkr.hcl: this machine.
const SOURCE: &str = r#"
source "null" "host" {
  communicator         = "ssh"
  ssh_host             = "127.0.0.1"
  ssh_private_key_file = "/srv/key"
}
"#;

/// A user as an image of Ubuntu has it, a web server with a certificate that the machine trusts, and the templates.
const SET_UP: &str = r#"
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install openssh-server sudo >/dev/null
useradd --create-home --shell /bin/sh ubuntu
echo 'ubuntu ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/ubuntu
ssh-keygen -q -t rsa -m PEM -N '' -f /srv/key
install -D -o ubuntu -m 600 /srv/key.pub /home/ubuntu/.ssh/authorized_keys
cd /srv/www
cp rolecall "rolecall-$(uname -m)"
sha256sum "rolecall-$(uname -m)" | tee "rolecall-$(uname -m).sha256" | cut -c-64 >/srv/sum
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout /srv/tls.key -out /usr/local/share/ca-certificates/test.crt 2>/dev/null
update-ca-certificates >/dev/null 2>&1
systemctl enable --now server
mv /srv/plugins.pkr.hcl /srv/build/packer/
sed -i -e 's/"amazon-ebs.host"/"null.host"/' -e '/^      ami_name/,/^      run_volume_tags/{/ssh_username/!d}' \
    /srv/build/packer/rolecall.pkr.hcl
"#;

/// A package as small as can be.
const PACKAGE: &str = r"
cd /srv && install -D www/rolecall deb/usr/bin/rolecall
for unit in build/userdata/rolecall*.service; do
    mkdir -p deb/usr/lib/systemd/system
    sed 's|/usr/local/bin/|/usr/bin/|g' $unit >deb/usr/lib/systemd/system/${unit##*/}
done
mkdir deb/DEBIAN
printf '%s\n' 'Package: rolecall' 'Version: 1' 'Architecture: all' 'Maintainer: m <m@example.com>' 'Description: x' \
    >deb/DEBIAN/control
dpkg-deb --root-owner-group --build deb x.deb >/dev/null
";

const SERVER: &str = "
import http.server, os, ssl
os.chdir('/srv/www')
server = http.server.ThreadingHTTPServer(('127.0.0.1', 443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/usr/local/share/ca-certificates/test.crt', '/srv/tls.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";
const SERVER_UNIT: &str =
    "[Service]\nExecStart=/usr/bin/python3 /srv/server.py\n[Install]\nWantedBy=multi-user.target\n";

/// The program, if it is the one that packer/ is checked with.
fn packer() -> Option<String> {
    let version = Command::new("packer").arg("version").output().ok()?;
    let found = Command::new("sh").args(["-c", "command -v packer"]).output().unwrap();
    let path = String::from_utf8(found.stdout).unwrap().trim().to_owned();
    String::from_utf8_lossy(&version.stdout).contains("v1.6.6").then_some(path)
}

fn machine(packer: &str) -> Machine {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let machine = Machine::start_with(
        "packer",
        &[
            ("/srv/www/rolecall", AGENT),
            ("/srv/plugins.pkr.hcl", SOURCE),
            ("/srv/server.py", SERVER),
            ("/etc/systemd/system/server.service", SERVER_UNIT),
        ],
    );
    for folder in ["packer", "userdata"] {
        let files = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|path| path.is_file()) {
            machine.put(&file, &format!("/srv/build/{folder}/{}", file.file_name().unwrap().to_string_lossy()));
        }
    }
    machine.put(Path::new(packer), "/usr/bin/packer");
    machine.sh(SET_UP);
    machine.until("curl -so /dev/null https://localhost", Duration::from_secs(10));
    machine
}

/// `packer build` of the one image that this machine can be, after the machine has been made new for it.
fn build(machine: &Machine, arguments: &str) -> Done {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let done = machine.run(&format!(
        "rm -rf /srv/calls /var/lib/rolecall /usr/local/bin/rolecall /etc/rolecall
         rm -f /etc/systemd/system/rolecall* /etc/systemd/system/*.wants/rolecall*
         mkdir /etc/rolecall; touch /etc/rolecall/env
         docker rm -f left >/dev/null 2>&1; dpkg -P rolecall >/dev/null 2>&1
         [ -s /etc/machine-id ] || systemd-machine-id-setup >/dev/null
         ssh-keygen -A >/dev/null; systemctl restart ssh
         cd /srv && CHECKPOINT_DISABLE=1 HOME=/root packer build -color=false -only='rolecall.null.ubuntu-{arch}' \
            -var region=r {arguments} build/packer"
    ));
    println!("{}", done.text);
    done
}

const SOURCED: &str = "-var source=s3://acme-deploy/shop/";
const LOCAL: &str = "-var source=s3://acme-deploy/shop/ -var 'binary=www/rolecall-{arch}'";

#[test]
fn a_build_installs_bakes_tests_and_seals() {
    let Some(packer) = packer() else {
        eprintln!("skipped: there is no Packer 1.6.6");
        return;
    };
    let machine = machine(&packer);

    // Everything, with a file of this machine whose checksum is beside it.
    let done = build(
        &machine,
        r#"-var 'binary=www/rolecall-{arch}' -var "source=s3://acme-deploy/it's \$HOME" -var 'roles=["web", "worker"]' \
           -var environment=prod -var 'settings={ROLECALL_DEADLINE="1h"}'"#,
    );
    assert_eq!(done.code, 0, "{}", done.text);
    assert_eq!(machine.sh("cat /srv/calls"), "--version\nbake\n--version\nseal\n");
    assert_eq!(
        machine.sh("cat /srv/env"),
        "ROLECALL_DEADLINE=1h\nROLECALL_ENVIRONMENT=prod\nROLECALL_ROLES=web:worker\n\
         ROLECALL_SOURCE=s3://acme-deploy/it's $HOME\n"
    );
    assert!(done.text.contains("app:1 is sha256:"), "{}", done.text);
    machine.sh("systemctl is-enabled rolecall.service rolecall-containers.service");
    machine.sh("cmp /etc/systemd/system/rolecall.service /srv/build/userdata/rolecall.service");
    assert_eq!(machine.sh("stat -c %a /usr/local/bin/rolecall"), "755\n");
    assert_eq!(machine.sh("ls /tmp | grep -v ^systemd || true"), "", "nothing of the build stays");

    // By HTTPS, with the checksum beside it there, or given.
    let done = build(&machine, &format!("{SOURCED} -var 'binary=https://localhost/rolecall-{{arch}}'"));
    assert_eq!(done.code, 0, "{}", done.text);
    assert_eq!(machine.sh("cat /srv/env"), "ROLECALL_SOURCE=s3://acme-deploy/shop/\n");
    let sums = r#"-var "sha256={x86_64=\"$(cat sum)\", arm64=\"$(cat sum)\"}""#;
    let done = build(&machine, &format!("{SOURCED} -var 'binary=https://localhost/rolecall?X-Amz-Signature=0' {sums}"));
    assert_eq!(done.code, 0, "{}", done.text);

    // As a package, whose units call its own binary.
    machine.sh(PACKAGE);
    machine.sh("sha256sum </srv/x.deb | cut -c-64 >/srv/sum");
    let done = build(&machine, &format!("{SOURCED} -var binary=x.deb {sums}"));
    assert_eq!(done.code, 0, "{}", done.text);
    machine.sh("systemctl is-enabled rolecall.service && ! [ -e /usr/local/bin/rolecall ] && rolecall --version");
    let unit = machine.sh("systemctl show -P FragmentPath rolecall");
    assert!(unit.ends_with("/lib/systemd/system/rolecall.service\n"), "{unit}");

    // What has to end a build, and what is said of it.
    let zeros = format!("-var 'sha256={{x86_64=\"{0}\", arm64=\"{0}\"}}'", "0".repeat(64));
    let test = |what: &str| format!("{LOCAL} -var 'settings={{ROLECALL_TEST=\"{what}\"}}'");
    for (arguments, told, installed) in [
        (format!("{LOCAL} {zeros}"), "step=install error=\"rolecall-{arch} has the checksum ", false),
        (format!("{SOURCED} -var binary=www/rolecall"), "step=install error=\"www/rolecall has no checksum\"", false),
        (
            format!("{SOURCED} -var binary=https://localhost/none"),
            "step=install error=\"could not download https://localhost/none",
            false,
        ),
        (test("image"), "step=smoke error=\"an image is not there as it was baked", true),
        (test("container"), "step=smoke error=\"there are containers: left", true),
        (test("id"), "step=seal error=\"/etc/machine-id has an id", true),
        (test("env"), "step=seal error=\"/etc/rolecall/env is still there", true),
    ] {
        let done = build(&machine, &arguments);
        let told = format!("rolecall: FAILED {}", told.replace("{arch}", std::env::consts::ARCH));
        assert!(done.code != 0 && done.text.contains(&told), "{told}\n{}", done.text);
        assert_eq!(machine.run("test -e /usr/local/bin/rolecall").code == 0, installed, "{told}");
    }

    // A binary that this machine cannot run.
    machine.sh("cd /srv/www && printf '\\177ELF' >rolecall-$(uname -m) && sha256sum rolecall-* >/srv/sums && \
                grep -- -$(uname -m)$ /srv/sums >rolecall-$(uname -m).sha256");
    let done = build(&machine, LOCAL);
    assert!(done.code != 0 && done.text.contains("does not run on"), "{}", done.text);
}
