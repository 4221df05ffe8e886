//! A machine that is an instance: metadata, Docker of the distribution, a project, and the real agent as its unit.

use std::{collections::BTreeMap, process::Command, time::Duration};

use crate::machine::{Done, Machine};

const RUN: &str = include_str!("../../userdata/rolecall.service");
const IMDS: &str = include_str!("imds.py");
const IMDS_UNIT: &str = "[Service]\nExecStart=/usr/bin/python3 /srv/imds.py\n[Install]\nWantedBy=multi-user.target\n";
const ENV: &str = "ROLECALL_SOURCE=file:///srv/compose.yaml\nAWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8100\n";

/// What every service of these tests runs: it tells when it begins, when it is asked to end, and when it has.
/// `SECONDS` it takes for that.
const TELLS: &str = "trap 'echo $$NAME term $$(date +%s) >>/log/events; sleep $${TAKES:-0}; \
                     echo $$NAME end $$(date +%s) >>/log/events; exit 0' TERM; \
                     echo $$NAME begin $$(date +%s) >>/log/events; tail -f /dev/null & wait";

/// The running instance.
pub(crate) struct Instance(pub(crate) Machine);

impl std::ops::Deref for Instance {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.0
    }
}

impl Instance {
    /// A fresh instance with Docker and the image `box:1`, on which nothing has run yet.
    pub(crate) fn start(name: &str) -> Self {
        let files = [
            ("/etc/systemd/system/rolecall.service", RUN),
            ("/etc/systemd/system/imds.service", IMDS_UNIT),
            ("/etc/rolecall/env", ENV),
            ("/srv/imds.py", IMDS),
        ];
        let machine = Machine::start_with(name, &files);
        machine.put(env!("CARGO_BIN_EXE_rolecall").as_ref(), "/usr/local/bin/rolecall");
        machine.put("/bin/busybox".as_ref(), "/srv/root/bin/busybox");
        machine.sh("chmod 755 /usr/local/bin/rolecall /srv/root/bin/busybox; mkdir /srv/log
             systemctl enable imds rolecall 2>/dev/null; systemctl start imds
             apt-get update >/dev/null; apt-get install -y --no-install-recommends docker.io iptables >/dev/null 2>&1
             for name in sh sleep tail date echo test false; do ln -s busybox /srv/root/bin/$name; done
             tar -C /srv/root -c . | docker import - box:1 >/dev/null");
        Self(machine)
    }

    /// Writes the project.
    pub(crate) fn compose(&self, services: &[String]) {
        self.write("/srv/compose.yaml", &format!("name: shop\nservices:\n{}", services.concat()), "644");
    }

    /// Runs the unit to its end.
    pub(crate) fn run_unit(&self) -> Done {
        self.run("systemctl reset-failed rolecall; systemctl start rolecall; rolecall status --wait")
    }

    /// Waits for the run that the boot has begun.
    pub(crate) fn booted(&self) {
        self.until("systemctl is-active -q docker", Duration::from_secs(60));
        let done = self.run("rolecall status --wait");
        assert_eq!(done.code, 0, "{}\n{}", done.text, self.console());
    }

    /// What services have told since this was last asked: `web begin`, …
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.sh("cat /srv/log/events; rm /srv/log/events");
        let event = |line: &str| line.rsplit_once(' ').map_or(line, |(event, _)| event).to_owned();
        text.lines().map(event).collect()
    }

    /// Exit codes of containers by name, from the disk of a machine that is off.
    pub(crate) fn exit_codes(&self) -> BTreeMap<String, i64> {
        let find = ["-path", "*/containers/*/config.v2.json", "-exec", "cat", "{}", "+"];
        let found = Command::new("find").arg(self.folder().join("docker")).args(find).output().unwrap();
        let all = serde_json::Deserializer::from_slice(&found.stdout).into_iter::<serde_json::Value>();
        let code = |one: serde_json::Value| {
            (one["Name"].as_str().unwrap().to_owned(), one["State"]["ExitCode"].as_i64().unwrap())
        };
        all.map(|one| code(one.unwrap())).collect()
    }
}

/// A service that tells what happens to it; `more` are further keys, as YAML on one line.
pub(crate) fn service(name: &str, more: &str) -> String {
    format!(
        "  {name}: {{ image: 'box:1', volumes: ['/srv/log:/log'], command: [sh, -c, \"NAME={name}; {TELLS}\"], {more} }}\n"
    )
}

/// How far events of these kinds come in this order: `["web term", "db term"]` holds where web was asked first.
pub(crate) fn in_order(events: &[String], wanted: &[&str]) {
    let places: Vec<_> = wanted.iter().map(|w| events.iter().position(|e| e == w)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{wanted:?} in {events:?}");
}
