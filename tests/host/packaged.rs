//! User-data on a machine where a package has brought binary and units.

use crate::{
    bootstrap::{URL, machine, user_data},
    machine::Machine,
};

/// As packages have them: their own binary is what they call.
fn install(machine: &Machine) {
    let units = [
        ("rolecall.service", include_str!("../../userdata/rolecall.service")),
        ("rolecall-containers.service", include_str!("../../userdata/rolecall-containers.service")),
    ];
    for (name, text) in units {
        let text = text.replace("/usr/local/bin/rolecall", "/usr/bin/rolecall");
        machine.write(&format!("/usr/lib/systemd/system/{name}"), &text, "644");
    }
    machine.sh("install -m 755 /srv/www/rolecall-x86_64 /usr/bin/rolecall; systemctl daemon-reload");
}

fn first_stage(machine: &Machine, settings: &str) {
    machine.write("/root/user-data", &user_data(settings), "755");
    machine.sh("rm -f /srv/log /srv/env /run/rolecall/code; cd /; /root/user-data");
}

/// The unit that systemd goes by, and what it runs.
const SHOW: &str =
    "systemctl show -P FragmentPath rolecall; systemctl show -P ExecStart rolecall | grep -o 'exec [a-z/]* run'";

#[test]
fn the_units_of_a_package_are_used_as_they_are() {
    let machine = machine("packaged");
    install(&machine);
    machine.sh("systemd-analyze verify rolecall.service rolecall-containers.service");
    // An image in which the run is enabled: the boot has begun one, which knows nothing of what user-data says.
    machine.sh("mkdir -p /etc/rolecall; echo ROLECALL_TEST_SLEEP=600 >/etc/rolecall/env
         systemctl enable rolecall 2>/dev/null; systemctl start rolecall");
    first_stage(&machine, &format!("{URL}\nROLECALL_SOURCE=s3://b/p/"));
    machine.sh("! test -e /srv/log; ! find /etc/systemd/system /usr/local/bin -name 'rolecall*' -type f | grep .");
    assert!(machine.sh("cat /srv/env").contains("ROLECALL_SOURCE=s3://b/p/\n"));
    assert!(machine.sh(SHOW).ends_with("/lib/systemd/system/rolecall.service\nexec /usr/bin/rolecall run\n"));
    machine.sh("systemctl is-enabled rolecall");

    // A unit of somebody's own is left alone.
    machine.sh("cp /usr/lib/systemd/system/rolecall.service /etc/systemd/system/");
    first_stage(&machine, "ROLECALL_ROLES=web");
    machine.sh("rm /etc/systemd/system/rolecall.service; systemctl daemon-reload");

    // Another binary, named by its checksum, that cannot be had; the unit that would call it is gone with the next settings.
    let absent =
        format!("ROLECALL_URL=http://localhost:8000/absent\nROLECALL_SHA256={}\nROLECALL_WAIT=0", "0".repeat(64));
    machine.write("/root/user-data", &user_data(&absent), "755");
    assert_eq!(machine.run("/root/user-data").code, 4);
    assert_eq!(machine.sh(SHOW), "/etc/systemd/system/rolecall.service\nexec /usr/local/bin/rolecall run\n");
    first_stage(&machine, "ROLECALL_ROLES=web");
    assert!(machine.sh(SHOW).ends_with("/lib/systemd/system/rolecall.service\nexec /usr/bin/rolecall run\n"));
    assert!(machine.sh("cat /srv/env").contains("ROLECALL_ROLES=web\n"));

    // Another binary, named by its checksum, comes beside that of the package, with a unit that calls it.
    machine.sh("cd /srv/www; (cat rolecall-x86_64; echo '# newer') >newer");
    let sum = machine.sh("sha256sum /srv/www/newer | cut -c-64");
    first_stage(&machine, &format!("ROLECALL_URL=http://localhost:8000/newer\nROLECALL_SHA256={sum}"));
    assert_eq!(machine.sh("cat /srv/log"), "/newer\n");
    machine.sh("cmp /srv/www/newer /usr/local/bin/rolecall; cmp /srv/www/rolecall-x86_64 /usr/bin/rolecall");
    assert_eq!(machine.sh(SHOW), "/etc/systemd/system/rolecall.service\nexec /usr/local/bin/rolecall run\n");
}
