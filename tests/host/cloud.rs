//! User-data in all its forms under the real cloud-init, and what stands on the console where it fails.

use std::{process::Command, time::Duration};

use crate::{
    bootstrap::{AGENT, URL, user_data},
    machine::Machine,
};

/// Files, metadata, a bucket that is not there, and a proxy.
const OUTSIDE: &str = include_str!("outside.py");
const OUTSIDE_UNIT: &str =
    "[Service]\nExecStart=/usr/bin/python3 /srv/outside.py\n[Install]\nWantedBy=multi-user.target\n";

/// What cloud-init does with user-data on a new instance, on one that has done so before. `SET_UP` is done in between.
const NEW_INSTANCE: &str = "systemctl disable --now rolecall 2>/dev/null
    rm -rf /srv/log /srv/env /usr/local/bin/rolecall* /etc/rolecall /var/lib/rolecall /run/rolecall
    rm -f /etc/systemd/system/rolecall.service; systemctl daemon-reload; systemctl reset-failed; cloud-init clean --logs
    SET_UP
    for unit in cloud-init-local cloud-init cloud-config cloud-final; do systemctl restart $unit; done
    true";

/// A machine whose cloud-init reads a seed folder.
fn machine(name: &str, more: &[(&str, &str)]) -> Machine {
    let agent = AGENT.replace("${ROLECALL_TEST_CODE:-0}", "$(cat /srv/code 2>/dev/null || echo 0)");
    let files = [
        ("/srv/outside.py", OUTSIDE),
        ("/srv/www/rolecall-x86_64", &agent),
        ("/etc/systemd/system/outside.service", OUTSIDE_UNIT),
        ("/var/lib/cloud/seed/nocloud/user-data", "#!/bin/sh\n"),
        ("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-test\n"),
        ("/etc/cloud/cloud.cfg.d/90_test.cfg", "datasource_list: [NoCloud]\nlocale: false\nssh_genkeytypes: []\n"),
    ];
    let machine = Machine::start_with(name, &[&files, more].concat());
    machine.sh("cd /srv/www; sha256sum rolecall-x86_64 >rolecall-x86_64.sha256; systemctl enable --now outside 2>&1");
    machine.until("cloud-init status | grep -q done", Duration::from_secs(60));
    machine
}

/// What has become of user-data.
#[derive(Debug)]
struct Booted {
    /// `done` or `error`, as `cloud-init status` says.
    status: String,
    /// What follows `rolecall: FAILED ` on the console, line by line.
    failed: Vec<String>,
    /// What was asked for outside.
    asked: String,
    /// The environment of the run, if there was one.
    env: String,
}

fn boot(machine: &Machine, data: &str, set_up: &str) -> Booted {
    let before = machine.console().len();
    machine.write("/var/lib/cloud/seed/nocloud/user-data", data, "600");
    machine.sh(&NEW_INSTANCE.replace("SET_UP", set_up));
    // Behind all that the journal has to hand on to the console.
    let seen = format!("seen-{before}");
    machine.sh(&format!("systemd-run --quiet --wait --property=StandardOutput=journal+console echo {seen}"));
    machine.until(&format!("journalctl --output=cat | grep -qx {seen}"), Duration::from_secs(20));
    let start = std::time::Instant::now();
    let console = || machine.console().get(before..).unwrap_or_default().to_owned();
    while !console().contains(&seen) {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", machine.console());
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = machine.run("cloud-init status").text;
    let line = |line: &str| line.split_once("rolecall: FAILED ").map(|(_, rest)| rest.trim_end().to_owned());
    Booted {
        status: status.trim().strip_prefix("status: ").unwrap_or(&status).to_owned(),
        failed: console().lines().filter_map(line).collect(),
        asked: machine.run("cat /srv/log 2>/dev/null").text,
        env: machine.run("cat /srv/env 2>/dev/null").text,
    }
}

/// What `rolecall user-data` prints.
fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_rolecall")).arg("user-data").args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A command that hides one of the two programs that can fetch, and one that brings it back.
fn without(tool: &str) -> (String, String) {
    (format!("mv /usr/bin/{tool} /usr/bin/not-{tool}"), format!("mv /usr/bin/not-{tool} /usr/bin/{tool}"))
}

const ADDRESS: &str = "http://localhost:8000/rolecall-{arch}";
const BOTH: &str = "/rolecall-x86_64.sha256\n/rolecall-x86_64\n";

#[test]
fn each_form_brings_the_binary_and_its_verdict_is_what_cloud_init_reports() {
    let machine = machine("forms", &[]);
    let odd = r#"s3://bucket/it's "a" key; $(id) `id` $HOME \ \n grüße ✓/"#;
    for (format, hidden) in [("sh", "wget"), ("cloud-config", "curl"), ("mime", "wget")] {
        let data = printed(&["--url", ADDRESS, "--source", odd, "--format", format]);
        let (hide, back) = without(hidden);
        let booted = boot(&machine, &data, &hide);
        machine.sh(&back);
        assert_eq!((booted.status.as_str(), booted.failed.len()), ("done", 0), "{format}: {booted:?}");
        assert_eq!(booted.asked, BOTH, "{format}");
        assert!(booted.env.contains(&format!("ROLECALL_SOURCE={odd}\n")), "{format}: {}", booted.env);
        machine.sh("grep -qx 'step by step' /var/log/cloud-init-output.log; systemctl is-enabled rolecall");
        assert_eq!(machine.sh("stat -c %a /usr/local/bin/rolecall /etc/rolecall/env"), "755\n600\n");
        if format == "cloud-config" {
            machine.sh("cloud-init schema --config-file /var/lib/cloud/seed/nocloud/user-data");
        }

        // A run that fails, and a first stage that does.
        let booted = boot(&machine, &data, "echo 3 >/srv/code");
        assert!(booted.status == "error" && !booted.env.is_empty(), "{format}: {booted:?}");
        machine.sh("rm /srv/code");
        let booted = boot(&machine, &printed(&["--format", format]), "");
        assert!(booted.status == "error" && booted.env.is_empty(), "{format}: {booted:?}");
        assert_eq!(booted.failed.len(), 1, "{format}: {booted:?}");
        assert!(booted.failed[0].starts_with("cause=usage step=bootstrap need=\"ROLECALL_URL\""), "{booted:?}");
    }
}

#[test]
fn what_is_added_runs_after_success_and_hides_no_failure() {
    let machine = machine("added", &[]);
    let there = |path: &str| machine.run(&format!("rm {path}")).code == 0;
    let config = |args: &[&str]| printed(&[args, &["--format", "cloud-config"]].concat()) + "  - touch /srv/added\n";
    let good = ["--url", ADDRESS];

    let booted = boot(&machine, &config(&good), "");
    assert!(booted.status == "done" && there("/srv/added"), "{booted:?}");
    let booted = boot(&machine, &config(&[]), "");
    assert!(booted.status == "error" && !there("/srv/added"), "{booted:?}");
    // It is the `exit` that tells cloud-init.
    let booted = boot(&machine, &config(&[]).replace(" || exit\n", "\n"), "");
    assert!(booted.status == "done" && booted.failed.len() == 1 && there("/srv/added"), "{booted:?}");

    let parts = |args: &[&str]| {
        let data = printed(&[args, &["--format", "mime"]].concat());
        let (before, end) = data.rsplit_once("--==rolecall==--").unwrap();
        let part = "Content-Type: text/cloud-config\n\n#cloud-config\nruncmd:\n  - touch /srv/added\n";
        format!("{before}--==rolecall==\n{part}\n--==rolecall==--{end}")
    };
    let booted = boot(&machine, &parts(&good), "");
    assert!(booted.status == "done" && booted.asked == BOTH && there("/srv/added"), "{booted:?}");
    let booted = boot(&machine, &parts(&[]), "");
    assert!(booted.status == "error" && booted.failed.len() == 1 && there("/srv/added"), "{booted:?}");
}

#[test]
fn a_proxy_is_the_way_where_there_is_no_other() {
    let mut params = rcgen::CertificateParams::new(vec!["files.example.test".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let pair = format!("{certificate}\n{}", key.serialize_pem());
    let machine = machine("proxied", &[("/srv/tls.pem", &pair), ("/srv/ca.pem", &certificate)]);
    machine.sh("! curl -sS https://files.example.test/");
    let tunnelled: String = BOTH.lines().map(|line| format!("CONNECT files.example.test:443\n{line}\n")).collect();
    let address = "https://files.example.test/rolecall-{arch}";
    for (hidden, proxy) in [("wget", "HTTPS_PROXY"), ("curl", "HTTPS_PROXY"), ("curl", "https_proxy")] {
        let proxy = format!("{proxy}=http://localhost:8000");
        let data = printed(&["--url", address, "--set", "AWS_CA_BUNDLE=/srv/ca.pem", "--set", &proxy]);
        let (hide, back) = without(hidden);
        let booted = boot(&machine, &data, &hide);
        machine.sh(&back);
        assert_eq!((booted.status.as_str(), &booted.asked), ("done", &tunnelled), "{hidden} {proxy}: {booted:?}");
        assert!(booted.env.lines().any(|line| line == proxy), "the run has it too: {}", booted.env);
    }
}

#[test]
fn what_is_baked_in_is_used_and_nothing_is_downloaded() {
    let machine = machine("baked", &[]);
    for binary in ["/usr/local/bin/rolecall", "/usr/bin/rolecall"] {
        let bake = format!("install -m 755 /srv/www/rolecall-x86_64 {binary}");
        let sum = machine.sh("cut -c-64 /srv/www/rolecall-x86_64.sha256");
        for more in [&[][..], &["--url", ADDRESS], &["--url", ADDRESS, "--sha256", sum.trim()]] {
            let booted = boot(&machine, &printed(&[&["--roles", "web"], more].concat()), &bake);
            assert_eq!((booted.status.as_str(), booted.asked.as_str()), ("done", ""), "{binary} {more:?}: {booted:?}");
            assert!(booted.env.contains("ROLECALL_ROLES=web\n"), "{}", booted.env);
            assert!(machine.sh("systemctl show -P ExecStart rolecall").contains(&format!("exec {binary} run")));
        }
        // Another one than the checksum names is not run.
        let other = "0".repeat(64);
        let booted = boot(&machine, &printed(&["--url", ADDRESS, "--sha256", &other]), &bake);
        assert_eq!((booted.status.as_str(), booted.asked.as_str()), ("error", "/rolecall-x86_64\n"), "{booted:?}");
        assert!(booted.failed[0].starts_with("cause=checksum-mismatch") && booted.env.is_empty(), "{booted:?}");
    }
}

#[test]
fn each_bad_input_is_one_clear_line_and_an_error_of_cloud_init() {
    let machine = machine("bad", &[]);
    // Patience is not what is looked at.
    machine.write("/usr/local/sbin/sleep", "#!/bin/sh\nexec /bin/sleep 0.05\n", "755");
    // A program of another architecture: the head of an ELF file for aarch64.
    machine.sh(r"cd /srv/www; printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267\0' >arm; head -c 4000 /dev/zero >>arm
         head -c 200000 /dev/zero >big; for file in arm big; do sha256sum $file >$file.sha256; done");
    let (no_curl, curl) = without("curl");
    let (no_wget, wget) = without("wget");
    let full = |path: &str| {
        let set_up =
            format!("mkdir -p {path}; mount -t tmpfs -o size=4k tmpfs {path}; head -c 4096 /dev/zero >{path}/full");
        (set_up, format!("umount {path}"))
    };
    let of = |file: &str| format!("ROLECALL_URL=http://localhost:8000/{file}");
    let bin = "umount /usr/local/bin";
    let whole = URL.to_owned();
    let nothing = || (String::new(), String::new());
    let rows: [(String, (String, String), &str); 12] = [
        (
            format!("{URL}\nROLECALL_SHA256=0000"),
            nothing(),
            "cause=checksum-mismatch step=bootstrap need=\"sha256 0000\"",
        ),
        (of("arm"), nothing(), "cause=exec step=bootstrap need=\"a binary for x86_64\""),
        (of("absent"), nothing(), "cause=source-not-found step=bootstrap need=\"http://localhost:8000/absent.sha256\""),
        (
            of("cut/rolecall-{arch}"),
            nothing(),
            "cause=source-unreachable step=bootstrap need=\"http://localhost:8000/cut/rolecall-x86_64\" hint=\"check route and proxy; curl: (18) ",
        ),
        (
            of("cut/rolecall-{arch}"),
            (no_curl.clone(), curl.clone()),
            "cause=source-unreachable step=bootstrap need=\"http://localhost:8000/cut/rolecall-x86_64\" hint=\"check route and proxy; cut off\"",
        ),
        (
            of("chunked/rolecall-{arch}"),
            nothing(),
            "cause=source-unreachable step=bootstrap need=\"http://localhost:8000/chunked/rolecall-x86_64\" hint=\"check route and proxy; curl: (18) ",
        ),
        (of("short/rolecall-{arch}"), nothing(), "cause=checksum-mismatch step=bootstrap need=\"sha256 "),
        (
            whole.clone(),
            (format!("{no_curl}; {no_wget}"), format!("{curl}; {wget}")),
            "cause=tool-missing step=bootstrap need=\"curl\" hint=\"bake in curl or wget\"",
        ),
        (
            of("big"),
            ("mount -t tmpfs -o size=16k tmpfs /usr/local/bin".into(), bin.into()),
            "cause=disk-full step=bootstrap need=\"space in /usr/local/bin\"",
        ),
        (whole.clone(), full("/var/lib/rolecall"), "cause=io step=bootstrap need=\"space in /etc and /var\""),
        (whole.clone(), full("/etc/rolecall"), "cause=io step=bootstrap need=\"space in /etc and /var\""),
        (
            whole,
            ("mount -t tmpfs -o ro tmpfs /usr/local/bin".into(), bin.into()),
            "cause=io step=bootstrap need=\"a writable /usr/local/bin\"",
        ),
    ];
    for (settings, (set_up, undo), starts) in rows {
        let booted = boot(&machine, &user_data(&settings), &set_up);
        machine.sh(&format!("systemctl stop rolecall 2>/dev/null\n{undo}\ntrue"));
        assert_eq!(booted.status, "error", "{settings} {set_up}: {booted:?}");
        assert!(booted.failed.iter().all(|line| line.starts_with(starts)), "{settings} {set_up}: {booted:?}");
        // What may come back is tried again by the unit, and told again.
        let tried_again = starts.starts_with("cause=source-");
        assert!(booted.failed.len() == 1 || tried_again && !booted.failed.is_empty(), "{settings}: {booted:?}");
        assert!(booted.env.is_empty(), "nothing was run: {booted:?}");
        machine.sh("test ! -e /usr/local/bin/rolecall");
        assert!(tried_again || machine.run("test -e /usr/local/bin/rolecall.new").code != 0, "{settings}");
    }
}

#[test]
fn a_bucket_that_is_not_there_is_told_by_the_run_and_reported_by_cloud_init() {
    let machine = machine("bucket", &[]);
    machine.put(env!("CARGO_BIN_EXE_rolecall").as_ref(), "/srv/rolecall");
    let here = "http://127.0.0.1:8000";
    let endpoints = [format!("AWS_ENDPOINT_URL={here}"), format!("AWS_EC2_METADATA_SERVICE_ENDPOINT={here}")];
    let data = printed(&["--source", "s3://acme-deplyo/prod/", "--set", &endpoints[0], "--set", &endpoints[1]]);
    let booted = boot(&machine, &data, "install -m 755 /srv/rolecall /usr/local/bin/rolecall");
    assert_eq!(booted.status, "error", "{booted:?}");
    // From the unit, and from user-data that follows it.
    let first = &booted.failed[0];
    assert!(
        first.starts_with("cause=source-not-found step=fetch error=\"could not list s3://acme-deplyo/prod/: "),
        "{first}"
    );
    assert!(first.contains("NoSuchBucket") && booted.failed.iter().all(|line| line == first), "{booted:?}");
    // It is tried again: somebody may be about to make the bucket.
    assert_eq!(machine.sh("systemctl show -P ActiveState rolecall").trim(), "activating");
}
