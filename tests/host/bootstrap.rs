//! The first stage, run as user-data is: settings, then the script, in one file.

use std::time::Duration;

use crate::machine::Machine;

const SCRIPT: &str = include_str!("../../userdata/bootstrap.sh");

/// A stand-in for the agent. `run` notes its environment; `status --wait` waits for the run and ends as it did.
pub(crate) const AGENT: &str = r#"#!/bin/sh
case $1 in
--version) echo rolecall 0 ;;
run) sleep "${ROLECALL_TEST_SLEEP:-1}"; env | sort >/srv/env; echo "${ROLECALL_TEST_CODE:-0}" >/run/rolecall/code; exit "${ROLECALL_TEST_CODE:-0}" ;;
status) until [ -s /run/rolecall/code ]; do sleep 0.1; done; echo "step by step"; exit $(cat /run/rolecall/code) ;;
esac
"#;

/// A file server on the machine itself, from its first boot on; while /srv/hang is there it accepts and says nothing.
const SERVER: &str = r"
import http.server, os, ssl, threading, time
class H(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        open('/srv/log', 'a').write(self.path + '\n')
        while os.path.exists('/srv/hang'): time.sleep(0.2)
        # /to/ADDRESS redirects there, /up/NAME to the same name in the folder above, /ask/NAME to itself with a query.
        kind = self.path.split('/')[1]
        if kind in ('to', 'up') or kind == 'ask' and '?' not in self.path:
            rest = self.path[len(kind) + 2:]
            self.send_response(302)
            self.send_header('Location', {'to': rest, 'up': '../' + rest, 'ask': '?' + rest}[kind])
            self.end_headers()
            return
        self.path = self.path.removeprefix('/ask')
        super().do_GET()
os.chdir('/srv/www')
if os.path.exists('/srv/tls.pem'):
    secure = http.server.ThreadingHTTPServer(('127.0.0.1', 8443), H)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain('/srv/tls.pem')
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(('127.0.0.1', 8000), H).serve_forever()
";

const SERVER_UNIT: &str =
    "[Service]\nExecStart=/usr/bin/python3 /srv/server.py\n[Install]\nWantedBy=multi-user.target\n";

pub(crate) fn machine(name: &str) -> Machine {
    let machine = Machine::start_with(
        name,
        &[
            ("/srv/server.py", SERVER),
            ("/srv/www/rolecall-x86_64", AGENT),
            ("/etc/systemd/system/server.service", SERVER_UNIT),
        ],
    );
    machine.sh(
        "cd /srv/www; sha256sum rolecall-x86_64 >rolecall-x86_64.sha256; systemctl enable --now server 2>/dev/null",
    );
    machine.until("curl -so /dev/null localhost:8000", Duration::from_secs(10));
    machine.sh("rm -f /srv/log");
    machine
}

/// The user-data that a person writes.
pub(crate) fn user_data(settings: &str) -> String {
    format!("#!/bin/sh\n{settings}\n{SCRIPT}")
}

pub(crate) fn boot_strap(machine: &Machine, settings: &str) -> crate::machine::Done {
    machine.write("/root/user-data", &user_data(settings), "755");
    machine.run("cd /; /root/user-data")
}

pub(crate) const URL: &str = "ROLECALL_URL=http://localhost:8000/rolecall-{arch}";

#[test]
fn user_data_installs_starts_and_follows() {
    let machine = machine("bootstrap");
    let settings = format!(
        "{URL}\nROLECALL_SOURCE='s3://b/a b/'\nROLECALL_TEST_CODE=3\nAWS_ENDPOINT_URL_S3='http://x/\"q\"$HOME`id`\\n'\n\
         export NO_PROXY=localhost"
    );
    let done = boot_strap(&machine, &settings);
    assert_eq!(done.code, 3, "the verdict of the run: {}", done.text);
    assert!(done.text.contains("step by step"), "{}", done.text);
    assert_eq!(machine.sh("cat /srv/log"), "/rolecall-x86_64.sha256\n/rolecall-x86_64\n");
    let env = machine.sh("cat /srv/env");
    for line in ["ROLECALL_SOURCE=s3://b/a b/", "AWS_ENDPOINT_URL_S3=http://x/\"q\"$HOME`id`\\n", "NO_PROXY=localhost"]
    {
        assert!(env.lines().any(|l| l == line), "{line} in {env}");
    }
    // A shell reads what systemd reads.
    assert_eq!(
        machine.sh(". /etc/rolecall/env; printf %s \"$AWS_ENDPOINT_URL_S3|$ROLECALL_SOURCE\"").trim(),
        "http://x/\"q\"$HOME`id`\\n|s3://b/a b/"
    );
    assert_eq!(machine.sh("stat -c %a /etc/rolecall/env /usr/local/bin/rolecall").trim(), "600\n755");
    machine.sh("systemctl is-enabled rolecall; ! ls /usr/local/bin/rolecall.new");

    // Again, with other settings: nothing of the old ones is left, and what is there is not fetched again.
    machine.sh("rm -f /srv/log /run/rolecall/code; systemctl reset-failed rolecall");
    let sum = machine.sh("cut -c-64 /srv/www/rolecall-x86_64.sha256");
    let done = boot_strap(&machine, &format!("{URL}\nROLECALL_SHA256={}", sum.to_uppercase()));
    assert_eq!(done.code, 0, "{}", done.text);
    machine.sh("! test -e /srv/log; ! grep SOURCE /etc/rolecall/env");

    // A checksum in another form, as other systems write it.
    machine.sh("rm /usr/local/bin/rolecall /run/rolecall/code; cd /srv/www");
    machine.write("/srv/www/rolecall-x86_64.sha256", &format!("# us\nSHA256 (x) = {}", sum.to_uppercase()), "644");
    let done = boot_strap(&machine, URL);
    assert_eq!(done.code, 0, "{}", done.text);

    // Baked in, without a URL.
    machine.sh("rm -f /run/rolecall/code");
    assert_eq!(boot_strap(&machine, "ROLECALL_ROLES=web").code, 0);
}

#[test]
fn wget_serves_as_well_and_the_wait_is_bounded() {
    let machine = machine("wget");
    machine.sh("mv /usr/bin/curl /usr/bin/not-curl");
    let start = std::time::Instant::now();
    let done = boot_strap(&machine, &format!("{URL}\nROLECALL_TEST_SLEEP=60\nROLECALL_WAIT=2s"));
    assert_eq!(done.code, 0, "{}", done.text);
    assert!(done.text.contains("rolecall: not done after 2s"), "{}", done.text);
    assert!(start.elapsed() < Duration::from_secs(15));
    machine.sh("systemctl is-active rolecall; systemctl stop rolecall; rm /usr/local/bin/rolecall");
    let done = boot_strap(&machine, "ROLECALL_URL=http://localhost:8000/absent\nROLECALL_WAIT=0");
    assert_eq!(done.code, 4, "{}", done.text);
    assert!(
        failed(&done.text)
            .starts_with("cause=source-not-found step=bootstrap need=\"http://localhost:8000/absent.sha256\"")
    );
    let done = boot_strap(&machine, &format!("{URL}\nROLECALL_WAIT=0"));
    assert_eq!((done.code, done.text.contains("step by step")), (0, false), "{}", done.text);

    // The same again leaves alone what is under way; other settings do not.
    let run = |settings: &str| {
        boot_strap(&machine, &format!("{URL}\nROLECALL_TEST_SLEEP=60\nROLECALL_WAIT=0\n{settings}"));
        machine.until("[ $(systemctl show -P MainPID rolecall) != 0 ]", Duration::from_secs(10));
        machine.sh("systemctl show -P MainPID rolecall")
    };
    let first = run("");
    assert_eq!(run(""), first);
    assert_ne!(run("ROLECALL_ROLES=web"), first);

    // But a unit that still fetches is stopped: two would write one file.
    machine.sh("systemctl stop rolecall; rm /usr/local/bin/rolecall; mv /srv/www/rolecall-x86_64 /srv/www/late");
    let late =
        format!("{URL}\nROLECALL_SHA256={}\nROLECALL_WAIT=0", machine.sh("sha256sum </srv/www/late | cut -c-64"));
    assert_eq!(boot_strap(&machine, &late).code, 4);
    machine.sh("touch /srv/hang; mv /srv/www/late /srv/www/rolecall-x86_64");
    machine.until("pgrep wget", Duration::from_secs(30));
    machine.sh("rm /srv/hang");
    assert_eq!(boot_strap(&machine, &late).code, 0);
    machine.sh("cmp /srv/www/rolecall-x86_64 /usr/local/bin/rolecall");
}

/// What the one line of a failure says.
pub(crate) fn failed(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("rolecall: FAILED ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

#[test]
fn each_failure_is_one_clear_line() {
    let machine = machine("failures");
    for (set_up, settings, code, starts, undo) in [
        ("", "X=", 2, "cause=usage step=bootstrap need=\"ROLECALL_URL\" hint=", ""),
        (
            "",
            "ROLECALL_URL='http://localhost:8000/gone?X-Amz-Signature=hush'\nROLECALL_SHA256=1",
            4,
            "cause=source-not-found step=bootstrap need=\"http://localhost:8000/gone\" hint=",
            "",
        ),
        (
            "",
            "ROLECALL_URL=http://localhost:8000/rolecall-{arch}\nROLECALL_SHA256=0000",
            5,
            "cause=checksum-mismatch step=bootstrap need=\"sha256 0000\" hint=\"http://localhost:8000/rolecall-x86_64 has ",
            "",
        ),
        (
            "printf '\\177ELF\\1\\2' >/srv/www/arm; cd /srv/www; sha256sum arm >arm.sha256",
            "ROLECALL_URL=http://localhost:8000/arm",
            1,
            "cause=exec step=bootstrap need=\"a binary for x86_64\" hint=",
            "",
        ),
        (
            "printf '\\177ELF\\1\\2' >/usr/local/bin/rolecall; chmod 755 /usr/local/bin/rolecall",
            "X=",
            1,
            "cause=exec step=bootstrap need=\"a binary for x86_64\" hint=\"/usr/local/bin/rolecall does not run",
            "rm /usr/local/bin/rolecall",
        ),
        (
            "printf '<html>\\nsign in\\n' | tee /srv/www/page >/srv/www/page.sha256",
            "ROLECALL_URL=http://localhost:8000/page",
            5,
            "cause=checksum-mismatch step=bootstrap need=\"sha256 in http://localhost:8000/page.sha256\" hint=",
            "",
        ),
        (
            "mv /usr/bin/curl /usr/bin/c; mv /usr/bin/wget /usr/bin/w",
            URL,
            2,
            "cause=tool-missing step=bootstrap need=\"curl\" hint=",
            "mv /usr/bin/c /usr/bin/curl; mv /usr/bin/w /usr/bin/wget",
        ),
        (
            "mount -t tmpfs -o size=16k tmpfs /usr/local/bin; dd if=/dev/zero of=/srv/www/big bs=1k count=200 2>/dev/null",
            "ROLECALL_URL=http://localhost:8000/big\nROLECALL_SHA256=1",
            1,
            "cause=disk-full step=bootstrap need=\"space in /usr/local/bin\" hint=",
            "umount /usr/local/bin",
        ),
        (
            "mount -t tmpfs -o size=16k tmpfs /usr/local/bin; mv /usr/bin/curl /usr/bin/c",
            "ROLECALL_URL=http://localhost:8000/big\nROLECALL_SHA256=1",
            1,
            "cause=disk-full step=bootstrap need=\"space in /usr/local/bin\" hint=",
            "umount /usr/local/bin; mv /usr/bin/c /usr/bin/curl",
        ),
        (
            "mount -t tmpfs -o ro tmpfs /usr/local/bin",
            URL,
            1,
            "cause=io step=bootstrap need=\"a writable /usr/local/bin\" hint=",
            "umount /usr/local/bin",
        ),
    ] {
        machine.sh(&format!("{set_up}\ntrue"));
        let done = boot_strap(&machine, &format!("{settings}\nROLECALL_WAIT=0"));
        machine.sh(&format!("systemctl stop rolecall 2>/dev/null; {undo}\ntrue"));
        assert_eq!(done.code, code, "{settings}: {}", done.text);
        let line = failed(&done.text);
        assert!(line.starts_with(starts), "{settings}: {line}");
        assert!(!done.text.contains("hush"), "a signature is a secret: {}", done.text);
        machine.sh("test ! -e /usr/local/bin/rolecall");
        // With 4 the unit goes on trying, until it is stopped above.
        assert!(code == 4 || machine.run("ls /usr/local/bin/rolecall.new").code != 0, "{settings}");
    }
}

#[test]
fn a_run_that_cannot_begin_is_the_verdict_of_user_data() {
    let machine = machine("not-begun");
    machine.put(env!("CARGO_BIN_EXE_rolecall").as_ref(), "/usr/local/bin/rolecall");
    machine.sh("chmod 755 /usr/local/bin/rolecall; mkdir -p /run/rolecall /etc/rolecall");
    let start = std::time::Instant::now();
    for (set_up, settings, code, says) in [
        ("", "ROLECALL_DEADLINE='1 hour'", 2, "cause=usage step=start error=\"ROLECALL_DEADLINE: "),
        ("", "ROLECALL_LOG_LEVEL=loud", 2, "cause=usage step=\"command line\" error=\"invalid value 'loud'"),
        ("", "DOCKER_HOST=ssh://host", 2, "cause=usage step=start error=\"DOCKER_HOST: "),
        (
            "echo deadlin=5 >/etc/rolecall/config.toml",
            "X=",
            2,
            "cause=usage step=start error=\"/etc/rolecall/config.toml",
        ),
        ("rm /etc/rolecall/config.toml", "ROLECALL_STATE_DIR=/etc/hostname", 1, "cause=io step=start error="),
    ] {
        // What an earlier run came to is no verdict on this one.
        let old = r#"{"state":"ready","pid":1,"exit":0,"started":"2026-01-01T00:00:00Z","steps":0,"done":0,"changed":0,"journal":"/x"}"#;
        machine.write("/run/rolecall/status.json", old, "644");
        machine.sh(&format!("{set_up}\ntrue"));
        let done = boot_strap(&machine, settings);
        assert_eq!(done.code, code, "{settings}: {}", done.text);
        assert!(failed(&done.text).starts_with(says), "{settings}: {}", done.text);
    }
    assert!(start.elapsed() < Duration::from_secs(60));

    // One from a shell is its caller's business.
    machine.sh("! rolecall run --deadline 'an hour'; grep -q /etc/hostname /run/rolecall/status.json");
}

#[test]
fn a_power_cut_in_the_download_is_mended_by_the_next_boot() {
    let machine = machine("cut");
    machine.sh("touch /srv/hang");
    machine.write("/root/user-data", &user_data(&format!("{URL}\nROLECALL_SOURCE=s3://b/p/")), "755");
    machine.sh("setsid /root/user-data </dev/null >/srv/out 2>&1 &");
    machine.until("test -s /srv/log", Duration::from_secs(20));
    machine.cut();
    machine.boot();
    machine.sh("test ! -e /usr/local/bin/rolecall; test -e /srv/hang");
    // Nobody runs user-data again: the unit waits for its own download, then runs.
    machine.sh("rm /srv/hang");
    machine.until("grep -q ROLECALL_SOURCE=s3://b/p/ /srv/env", Duration::from_secs(40));
    machine.sh("! ls /usr/local/bin/rolecall.new 2>/dev/null");
}

/// cloud-init of the distribution, with user-data from its seed folder.
fn cloud_init(name: &str, settings: &str, more: &[(&str, &str)]) -> Machine {
    let data = user_data(settings);
    let files = [
        ("/var/lib/cloud/seed/nocloud/user-data", data.as_str()),
        ("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-test\n"),
        ("/etc/cloud/cloud.cfg.d/90_test.cfg", "datasource_list: [NoCloud]\nlocale: false\nssh_genkeytypes: []\n"),
    ];
    Machine::start_with(name, &[&files, more].concat())
}

#[test]
fn cloud_init_runs_it_and_its_log_shows_the_boot() {
    let more = [("/usr/local/bin/rolecall", AGENT)];
    let machine = cloud_init("cloud", "chmod 755 /usr/local/bin/rolecall\nROLECALL_SOURCE=s3://b/p/", &more);
    machine.until("cloud-init status | grep -q done", Duration::from_secs(60));
    let log = machine.sh("cat /var/log/cloud-init-output.log");
    assert!(log.contains("step by step"), "{log}");
    assert!(machine.sh("cat /srv/env").contains("ROLECALL_SOURCE=s3://b/p/"));

    let machine = cloud_init("cloud-fails", "ROLECALL_SOURCE=s3://b/p/", &[]);
    machine.until("cloud-init status | grep -q error", Duration::from_secs(60));
    let log = machine.sh("cat /var/log/cloud-init-output.log");
    assert!(failed(&log).starts_with("cause=usage step=bootstrap need=\"ROLECALL_URL\""), "{log}");
    assert!(machine.console().contains("rolecall: FAILED cause=usage"), "{}", machine.console());
}

#[test]
fn user_data_ends_where_docker_is_queued_behind_it() {
    // An engine whose unit waits for the end of user-data, and a run that waits for the engine.
    let agent = AGENT.replace("run) sleep \"${ROLECALL_TEST_SLEEP:-1}\"", "run) systemctl start docker");
    // As some distributions order it: the boot's own target waits for user-data.
    let early = "[Unit]\nAfter=network-online.target cloud-config.service\nBefore=multi-user.target\n\
                 [Service]\nType=oneshot\nExecStart=/usr/bin/cloud-init modules --mode=final\nRemainAfterExit=yes\n\
                 TimeoutSec=0\nKillMode=process\nStandardOutput=journal+console\n";
    let behind = "[Unit]\nAfter=cloud-final.service\n[Service]\nExecStart=/bin/sleep 1000\n";
    let cases: [(&str, &[(&str, &str)]); 4] = [
        ("cloud-final.service", &[]),
        ("cloud-init.target", &[]),
        ("multi-user.target", &[("/etc/systemd/system/cloud-final.service", early)]),
        // Not itself, but what it needs.
        ("containerd.service", &[("/etc/systemd/system/containerd.service", behind)]),
    ];
    let boot = |after: &str, more: &[(&str, &str)], loops: bool| {
        let docker = format!("[Unit]\nWants=containerd.service\nAfter={after}\n[Service]\nExecStart=/bin/sleep 1000\n");
        let settings = "chmod 755 /usr/local/bin/rolecall\nROLECALL_WAIT=300";
        let mut data = user_data(settings);
        if !loops {
            let (before, rest) = data.split_once("while kill -0 $!").unwrap();
            data = format!("{before}{}", rest.split_once("\ndone\n").unwrap().1);
        }
        let files = [
            ("/usr/local/bin/rolecall", agent.as_str()),
            ("/etc/systemd/system/docker.service", &docker),
            ("/var/lib/cloud/seed/nocloud/user-data", &data),
        ];
        cloud_init("queued", settings, &[more, &files].concat())
    };
    for (after, more) in cases {
        let machine = boot(after, more, true);
        machine.until("cloud-init status | grep -q done", Duration::from_secs(60));
        let log = machine.sh("cat /var/log/cloud-init-output.log");
        assert!(log.contains("rolecall: docker.service waits for cloud-final"), "{log}");
        machine.until("test -s /srv/env", Duration::from_secs(20));
        machine.sh("systemctl is-active docker");
    }

    // Without the look at the queue, each waits for the other, and so they would go on.
    let machine = boot("cloud-final.service", &[], false);
    machine.until("systemctl list-jobs docker.service | grep -q waiting", Duration::from_secs(60));
    std::thread::sleep(Duration::from_secs(15));
    machine.sh(
        "cloud-init status | grep -q running; systemctl list-jobs docker.service | grep -q waiting; ! test -e /srv/env",
    );
    machine.sh("kill $(pidof timeout)");
    machine.until("systemctl is-active docker && test -s /srv/env", Duration::from_secs(20));
}
