//! The disk: the folders of the agent, and that of the engine.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{
    Must::{Converge, Fail},
    machines::{Done, Machine},
    rows,
};
use crate::support::{
    bed::{BUCKET, Bed, binary},
    dockerd::Engine,
};

/// A machine on which a folder is a small file system of its own, or one that cannot be written.
fn mounted(folder: &str, options: &str) -> Machine {
    let mut machine = Machine::script();
    let path = machine.bed.path(folder).display().to_string();
    let script = format!("mkdir -p {path} && mount -t tmpfs -o {options} none {path} && exec \"$@\"");
    machine.bed.agent = machine.bed.agent.under(&["unshare", "--mount", "sh", "-c", &script, "sh"]);
    machine
}

fn large(machine: Machine) -> Machine {
    machine.bed.aws.put(BUCKET, "app/large.bin", vec![7_u8; 2 << 20]);
    machine
}

/// A machine whose engine keeps its data on a file system with this room.
fn small_engine(room: &str) -> Done {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("dockerd");
    let mount = "for last; do :; done; data=$(dirname \"${2#unix://}\")/data; mkdir -p \"$data\"";
    let text = format!(
        "#!/bin/sh\n{mount}\nmount -t tmpfs -o size={room} none \"$data\"\nexec {} \"$@\"\n",
        Engine::program()
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let bed = Bed::with_engine(binary(), || Some(Engine::bare_of(&program)));
    Machine::service_on(bed).deadline(20).run()
}

rows! { Disk:
    disk_full, Full, "the state folder has no room for the project", Fail(1, "rolecall: FAILED cause=disk-full step=fetch \
        error=\"could not write *: No space left on device (os error 28)\" *hint=\"free space on that file system, then run \
        again\""), || large(mounted("state", "size=1m")).run();

    disk_full_project, Full, "the state folder has room for what is fetched, and not for the project beside it", Fail(1,
        "rolecall: FAILED cause=disk-full step=project error=\"could not *: No space left on device (os error 28)\" *hint=\"free \
        space on that file system, then run again\""), || large(mounted("state", "size=3m")).run();

    disk_full_from_the_start, Full, "the state folder has no room at all", Fail(1, "rolecall: FAILED cause=disk-full \
        step=* error=\"could not *: No space left on device (os error 28)\" *hint=\"free space on that file system, then run \
        again\""), || mounted("state", "nr_inodes=1").run();

    disk_full_runtime, Full, "the folder of the status has no room", Converge, || mounted("run", "nr_inodes=1").run();

    disk_full_engine, Full, "the engine has no room for the image", Fail(1, "rolecall: FAILED cause=disk-full \
        step=image:127.0.0.1:*/app/web:1 error=\"could not pull image 127.0.0.1:*/app/web:1: *no space left on device\" *hint=\"free \
        space below docker's data-root, then run again\""), || small_engine("3m");

    disk_read_only, ReadOnly, "the state folder cannot be written", Fail(1, "rolecall: FAILED cause=io step=* \
        error=\"could not *: Read-only file system (os error 30)\"*"), || mounted("state", "ro").run();

    disk_read_only_runtime, ReadOnly, "the folder of the status cannot be written", Converge,
        || mounted("run", "ro").run();

    disk_lock, Locked, "another run is under way", Fail(6, "rolecall: FAILED cause=locked step=start error=\"another run holds \
        *lock (pid *, since *)\" *hint=\"follow it with `rolecall status --wait`\""), || {
        let machine = Machine::script();
        let begun = machine.bed.path("begun");
        let text = format!("#!/bin/sh\ntouch {}\nsleep 60\n", begun.display());
        machine.bed.project("app", &[("10.sh", &text)]);
        let first = machine.spawn();
        while !begun.exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let outcome = machine.spawn().wait();
        first.signal(rustix::process::Signal::TERM);
        first.wait();
        Done { outcome, machine }
    };
}
