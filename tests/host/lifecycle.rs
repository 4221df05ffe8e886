//! The unit that answers lifecycle hooks, under a real systemd, brought and taken away by real runs.

use std::time::Duration;

use crate::machine::Machine;

const RUN: &str = include_str!("../../userdata/rolecall.service");
const UNIT: &str = include_str!("../../userdata/rolecall-lifecycle.service");
const IMDS: &str = include_str!("imds.py");
const IMDS_UNIT: &str = "[Service]\nExecStart=/usr/bin/python3 /srv/imds.py\n[Install]\nWantedBy=multi-user.target\n";
const GROUP: &str = "TREE = {\n    \"meta-data/autoscaling/target-lifecycle-state\": \"InService\",\n    \
                     \"meta-data/tags/instance/aws:autoscaling:groupName\": \"shop\",";
const ENV: &str = "ROLECALL_SOURCE=file:///srv/up.sh\nROLECALL_LAUNCH_HOOK=shop-up\n\
                   AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8100\n";

/// A run that takes its time.
const SCRIPT: &str = "#!/bin/sh\nuntil [ -e /srv/go ]; do sleep 0.1; done\n";

#[test]
fn the_unit_of_the_hooks_comes_and_goes_with_their_names() {
    let limit = Duration::from_secs(30);
    let imds = IMDS.replace("TREE = {", GROUP);
    let machine = Machine::start_with(
        "lifecycle",
        &[
            ("/etc/systemd/system/rolecall.service", RUN),
            ("/etc/systemd/system/imds.service", IMDS_UNIT),
            ("/etc/rolecall/env", ENV),
            ("/srv/imds.py", &imds),
            ("/srv/up.sh", SCRIPT),
        ],
    );
    machine.put(env!("CARGO_BIN_EXE_rolecall").as_ref(), "/usr/local/bin/rolecall");
    machine.sh("chmod 755 /usr/local/bin/rolecall; systemctl enable imds rolecall 2>/dev/null; systemctl start imds");

    // It is there while the run is under way, and nothing that a boot may wait for stands before it.
    machine.sh("systemctl start --no-block rolecall");
    machine.until("journalctl --unit rolecall-lifecycle | grep -q 'taking this instance to InService'", limit);
    assert_eq!(
        machine.sh("rolecall status | head -c 17; systemctl is-enabled rolecall-lifecycle"),
        "rolecall: running".to_owned() + "enabled\n"
    );
    machine.sh("systemd-analyze verify rolecall-lifecycle.service");
    let after = machine.sh("systemctl show -P After rolecall-lifecycle");
    for late in ["cloud-final", "cloud-init.target", "multi-user.target", "docker", "rolecall.service"] {
        assert!(!after.contains(late), "{late} in {after}");
    }

    // It outlives the run, is left alone by the next one, and by one from a shell without the settings of the unit.
    let pid = machine.sh("systemctl show -P MainPID rolecall-lifecycle");
    machine.sh("systemctl stop rolecall; touch /srv/go; systemctl start rolecall; rolecall status --wait");
    machine.sh(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8100 rolecall run --source file:///srv/up.sh 2>/dev/null",
    );
    assert_eq!(machine.sh("systemctl show -P MainPID rolecall-lifecycle"), pid);

    // A boot starts it by itself.
    machine.sh("systemctl disable rolecall 2>/dev/null; systemctl reboot");
    machine.wait_off();
    machine.boot();
    machine.until("systemctl is-active -q rolecall-lifecycle", limit);

    // Without a hook it goes; one that a package brings stays where it is, and is only not started any more.
    let gone =
        "! systemctl is-active -q rolecall-lifecycle && ! find /etc/systemd -name 'rolecall-lifecycle*' | grep .";
    machine.sh("sed -i /HOOK/d /etc/rolecall/env; systemctl start rolecall");
    machine.until(gone, limit);
    machine.sh("rolecall status --wait; ! systemctl cat rolecall-lifecycle");
    machine.write("/usr/lib/systemd/system/rolecall-lifecycle.service", UNIT, "644");
    machine.sh("echo ROLECALL_TERMINATE_HOOK=shop/down >>/etc/rolecall/env");
    machine.sh("systemctl daemon-reload; systemctl restart rolecall; rolecall status --wait");
    machine.until("systemctl is-active -q rolecall-lifecycle && systemctl is-enabled -q rolecall-lifecycle", limit);
    machine.sh("! [ -e /etc/systemd/system/rolecall-lifecycle.service ]");
    machine.sh("sed -i /HOOK/d /etc/rolecall/env; systemctl restart rolecall; rolecall status --wait");
    machine.until(gone, limit);
    machine.sh("systemctl cat rolecall-lifecycle");
}
