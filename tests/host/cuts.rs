//! The power goes away in the first boot, again and again, each time a little later. cloud-init runs user-data only once,
//! so that nobody does in the boots that follow.

#[path = "../support/image.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod image;

use std::time::Duration;

use crate::{bootstrap::user_data, machine::Machine};
use image::{Image, digest};

/// Serves metadata, the binary, and a registry; `/srv/hold-binary` and `/srv/hold-layers` make those wait half way. On the machine itself,
/// from its first boot on.
const SERVER: &str = r#"
import http.server, os, time
IDENTITY = '{"instanceId": "i-0abcdef1234567890", "region": "eu-west-1", "accountId": "123456789012"}'
class H(http.server.SimpleHTTPRequestHandler):
    def reply(self, text, kind='text/plain'):
        self.send_response(200)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        half = len(text) // 2
        self.wfile.write(text[:half])
        what = 'layers' if '/blobs/' in self.path else 'binary' if self.path == '/rolecall' else 'no'
        while os.path.exists('/srv/hold-' + what):
            open('/srv/half-' + what, 'w').close()
            time.sleep(0.1)
        self.wfile.write(text[half:])
    def do_PUT(self):
        self.reply(b'token')
    do_HEAD = lambda self: self.do_GET()
    def do_GET(self):
        if self.path.endswith('/instance-identity/document'): self.reply(IDENTITY.encode())
        elif self.path.endswith('/tags/instance'): self.reply(b'Name')
        elif self.path.endswith('/tags/instance/Name'): self.reply(b'web')
        elif self.path == '/v2/': self.reply(b'{}', 'application/json')
        elif self.path.startswith('/v2/') and os.path.exists('/srv/www' + self.path):
            kind = 'application/vnd.docker.distribution.manifest.v2+json' if '/manifests/' in self.path else 'application/octet-stream'
            self.reply(open('/srv/www' + self.path, 'rb').read(), kind)
        elif self.path.startswith('/rolecall'): self.reply(open('/srv/www' + self.path, 'rb').read())
        else: self.send_error(404)
os.chdir('/srv/www')
http.server.ThreadingHTTPServer(('127.0.0.1', 8000), H).serve_forever()
"#;

const SERVER_UNIT: &str =
    "[Service]\nExecStart=/usr/bin/python3 /srv/server.py\n[Install]\nWantedBy=multi-user.target\n";

const COMPOSE: &str = "services:\n  web: { image: \"127.0.0.1:8000/app/web:1\", network_mode: host }\n\
    x-rolecall: { host: { packages: [jq] } }\n";

const SCRIPT: &str = "#!/bin/sh\necho $ROLECALL_ATTEMPT >>/srv/effects\n";

#[test]
fn a_boot_that_loses_power_at_any_point_is_healed_by_the_next() {
    let machine = Machine::start_with(
        "cuts",
        &[
            ("/srv/server.py", SERVER),
            ("/etc/systemd/system/server.service", SERVER_UNIT),
            ("/srv/project/compose.yaml", COMPOSE),
            ("/srv/project/bootstrap/10.sh", SCRIPT),
        ],
    );
    machine.put(env!("CARGO_BIN_EXE_rolecall").as_ref(), "/srv/www/rolecall");
    let image = Image::web();
    let registry = |path: &str, content: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        machine.put(file.path(), &format!("/srv/www/v2/app/web/{path}"));
    };
    registry("manifests/1", &image.manifest);
    registry(&format!("manifests/{}", digest(&image.manifest)), &image.manifest);
    image.blobs.iter().for_each(|(name, blob)| registry(&format!("blobs/{name}"), blob));
    machine.sh("cd /srv/www; sha256sum rolecall >rolecall.sha256; systemctl enable --now server 2>/dev/null; \
         touch /srv/hold-binary /srv/hold-layers");
    machine.until("curl -so /dev/null localhost:8000/v2/", Duration::from_secs(20));

    let settings = "ROLECALL_URL=http://localhost:8000/rolecall\nROLECALL_SOURCE=file:///srv/project/\n\
        ROLECALL_ROLES=web\nROLECALL_ENVIRONMENT=test\nAWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8000";
    machine.write("/root/user-data", &user_data(settings), "755");
    machine.sh("setsid /root/user-data </dev/null >/srv/out 2>&1 &");
    for (sign, then) in [
        ("test -L /etc/systemd/system/multi-user.target.wants/rolecall.service", "rm -f /srv/half-binary"),
        ("test -e /srv/half-binary", "rm /srv/hold-binary"),
        ("ls /var/lib/dpkg/updates | grep -q .", ""),
        ("test -e /usr/sbin/dockerd", ""),
        ("test -e /srv/half-layers", "rm /srv/hold-layers"),
    ] {
        machine.until(sign, Duration::from_secs(300));
        machine.cut();
        machine.boot();
        machine.sh(&format!("{then}\ntrue"));
    }
    machine.until("grep -q '\"state\": \"ready\"' /run/rolecall/status.json", Duration::from_secs(300));
    machine.sh("curl -s localhost | grep -q hello");
    machine.until("! systemctl is-active rolecall", Duration::from_secs(20));
    assert_eq!(machine.sh("dpkg --audit; command -v jq"), "/usr/bin/jq\n");
    assert_eq!(machine.sh("docker ps --format '{{.Names}} {{.Image}}'"), "project-web-1 127.0.0.1:8000/app/web:1\n");
    // It ran to its end before the pull that was cut off.
    assert_eq!(machine.sh("wc -l </srv/effects").trim(), "1");
    machine.sh("! ls /usr/local/bin/rolecall.new /etc/systemd/system/*.new /etc/rolecall/*.new 2>/dev/null");
    let again = machine.sh("set -a; . /etc/rolecall/env; rolecall run");
    assert!(again.contains("nothing to do"), "{again}");
}

/// Ends user-data, then the fetcher, after each of their commands, as `sh -x` tells of them; and says what is left.
const CUTS: &str = r#"
import os, signal, subprocess
UNIT = '/etc/systemd/system/rolecall.service'
def sh(text): return subprocess.run(['sh', '-c', text], capture_output=True, text=True)
def cut(argv, line):
    # The last command that was begun, or None where it came to its end.
    run = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True, cwd='/')
    last = None
    for count, text in enumerate(run.stderr):
        last = text.strip()
        if count == line:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            return last
    run.wait()
    return None
def clear():
    sh('systemctl disable --now rolecall; rm -rf /usr/local/bin/rolecall* /etc/rolecall /var/lib/rolecall /srv/env %s*; systemctl daemon-reload' % UNIT)
def whole():
    # What a boot goes by: nothing of it is torn.
    run = sh('. /etc/rolecall/env && [ "$ROLECALL_SOURCE" = "s3://b/p/" ] && sh -n /var/lib/rolecall/fetch && grep -q WantedBy %s' % UNIT)
    return run.returncode == 0
line, enabled = 0, None
while True:
    clear()
    last = cut(['sh', '-x', '/root/user-data'], line)
    link = os.path.islink('/etc/systemd/system/multi-user.target.wants/rolecall.service')
    assert whole() or not link, (line, last)
    # Once on disk it stays, whatever follows. What is cut may be a few commands ahead of what it has told.
    assert link or enabled is None or line < enabled + 8, (line, last)
    if link and enabled is None: enabled = line
    if last is None or '+ sh /var/lib/rolecall/fetch' in last: break
    line += 1
assert link and line > 20, line
print('user-data cut', line, 'times')
clear()
# The unit fetches too, where the binary is missing.
sh('/root/user-data; systemctl stop rolecall')
line = 0
while True:
    sh('rm -f /usr/local/bin/rolecall')
    last = cut(['sh', '-x', '/var/lib/rolecall/fetch'], line)
    there = os.path.exists('/usr/local/bin/rolecall')
    assert not there or sh('rolecall --version').stdout == 'rolecall 0\n', (line, last)
    if last is None: break
    done = sh('sh /var/lib/rolecall/fetch')
    assert done.returncode == 0 and sh('rolecall --version; ls /usr/local/bin').stdout == 'rolecall 0\nrolecall\n', (line, last, done)
    line += 1
assert there and line > 20, line
print('fetch cut', line, 'times')
"#;

#[test]
fn what_is_cut_between_any_two_commands_is_whole_or_not_there() {
    let machine = crate::bootstrap::machine("commands");
    let settings = format!("{}\nROLECALL_SOURCE=s3://b/p/\nROLECALL_WAIT=0", crate::bootstrap::URL);
    machine.write("/root/user-data", &user_data(&settings), "755");
    machine.write("/root/cuts.py", CUTS, "600");
    let told = machine.sh("python3 /root/cuts.py");
    assert!(told.contains("fetch cut"), "{told}");
    eprintln!("{told}");
}
