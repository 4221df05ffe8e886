//! Modes and owners of files of a project, which a bucket does not keep.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use crate::support::bed::{BUCKET, Bed};

impl Bed {
    fn shop(&self, path: &str) -> PathBuf {
        self.agent.state.join("projects/shop").join(path)
    }

    /// Permission bits, user and group of a file.
    fn stat(&self, path: &str) -> (u32, u32, u32) {
        let meta = fs::metadata(self.shop(path)).unwrap();
        (meta.mode() & 0o7777, meta.uid(), meta.gid())
    }

    /// Stores a file of the project with metadata.
    fn tagged(&self, path: &str, body: &[u8], metadata: &[(&str, &str)]) {
        self.aws.store(|store| store.put_with(BUCKET, &format!("shop/{path}"), body, metadata));
    }

    /// How often a file of the project was fetched.
    fn fetched(&self, path: &str) -> usize {
        let line = format!("GET /{BUCKET}/shop/{path}");
        self.aws.server.told().lines().filter(|told| told.contains(&line)).count()
    }
}

const TOOLS: &str = r#"
services:
  script:
    image: rolecall-test/web:1
    entrypoint: [/tool]
    volumes: ["./bin/start.sh:/tool:ro"]
  binary:
    image: rolecall-test/web:1
    entrypoint: [/busybox, sleep, "1000"]
    volumes: ["./bin/tool:/busybox:ro"]
x-rolecall: { ready: { stable: 300ms } }
"#;

#[test]
fn script_and_binary_from_bucket_are_executable() {
    let bed = Bed::new();
    bed.project("shop", &[("compose.yaml", TOOLS), ("bin/start.sh", "#!/bin/sh\nexec sleep 1000\n")]);
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find_map(|path| fs::read(path).ok()).unwrap();
    bed.tagged("bin/tool", &busybox, &[]);
    bed.run().ready();
    assert_eq!((bed.stat("bin/start.sh").0, bed.stat("bin/tool").0), (0o755, 0o755));
    bed.run().ready().says("nothing to do");
}

const MOUNTED: &str = r#"
services:
  web:
    image: rolecall-test/web:1
    command: [sh, -c, "stat -c %a /tool; exec sleep 1000"]
    volumes: ["./bin/tool:/tool:ro"]
"#;

#[test]
fn mode_of_metadata_is_set_and_put_back() {
    let bed = Bed::new();
    bed.compose("shop", MOUNTED);
    bed.tagged("bin/tool", b"data", &[]);
    bed.run().ready();
    assert_eq!(bed.stat("bin/tool").0, 0o644);
    assert_eq!(bed.engine().logs("shop-web-1"), "644\n");

    // A release that changes metadata alone, as s3fs writes it, with setuid.
    bed.tagged("bin/tool", b"data", &[("mode", "35309")]);
    let plan = bed.rolecall(&["plan"]).ready();
    assert!(plan.stdout.contains("replace container shop-web-1: bin/tool has changed"), "{}", plan.told());
    bed.run().ready();
    assert_eq!(bed.stat("bin/tool").0, 0o755);
    assert_eq!(bed.engine().logs("shop-web-1"), "755\n");
    let fetched = bed.fetched("bin/tool");
    bed.run().ready().says("nothing to do");
    assert_eq!(bed.fetched("bin/tool"), fetched, "it was fetched again");

    fs::set_permissions(bed.shop("bin/tool"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    bed.run().ready().says("1 modes set");
    assert_eq!(bed.stat("bin/tool").0, 0o755);
    assert_eq!(bed.fetched("bin/tool"), fetched, "it was fetched again");

    bed.tagged("bin/tool", b"data", &[]);
    bed.run().ready();
    assert_eq!(bed.stat("bin/tool").0, 0o644);
}

#[test]
fn mode_and_owner_of_the_manifest_precede_scripts() {
    let bed = Bed::new();
    let compose =
        |files: &str| format!("{MOUNTED}x-rolecall:\n  ready: {{ stable: 300ms }}\n  host:\n    files:\n{files}");
    let check =
        format!("#!/bin/sh\ntest \"$(stat -c '%a %u:%g' {})\" = '750 1234:0'\n", bed.shop("bin/tool").display());
    let deploy = |files: &str| {
        let files = compose(files);
        bed.project("shop", &[("compose.yaml", &files), ("bin/tool", "data"), ("bootstrap/10.sh", &check)]);
    };
    deploy("      - { path: bin/tool, mode: 0750, owner: 1234, group: root }\n");
    let plan = bed.rolecall(&["plan"]).ready();
    assert!(plan.stdout.contains("set the owners of bin/tool"), "{}", plan.told());
    bed.run().ready();
    assert_eq!(bed.stat("bin/tool"), (0o750, 1234, 0));
    assert_eq!(bed.engine().logs("shop-web-1"), "750\n");
    bed.run().ready().says("nothing to do");

    std::os::unix::fs::chown(bed.shop("bin/tool"), Some(0), Some(7)).unwrap();
    fs::set_permissions(bed.shop("bin/tool"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    bed.run().ready().says("owners of 1 files set");
    assert_eq!(bed.stat("bin/tool"), (0o750, 1234, 0));

    // Metadata says something else: the manifest decides. New content keeps the owner.
    bed.tagged("bin/tool", b"new data", &[("mode", "0777")]);
    bed.run().ready();
    assert_eq!(bed.stat("bin/tool"), (0o750, 1234, 0));
    bed.run().ready().says("nothing to do");

    deploy("      - { path: bin/tool, owner: no-such-user }\n");
    let failed = bed.fails(1, "io");
    failed.names("could not set the user of bin/tool: this host has no user 'no-such-user'");
}

#[test]
fn missing_file_of_the_manifest_is_refused_with_its_place() {
    let bed = Bed::new();
    for (path, message) in [
        ("bin/tol", "'bin/tol' does not exist in the project, did you mean 'bin/tool'?"),
        ("bin", "'bin' is a folder of the project; name each of its files"),
    ] {
        let compose = format!("{MOUNTED}x-rolecall:\n  host:\n    files:\n      - {{ path: {path}, mode: 0755 }}\n");
        bed.project("shop", &[("compose.yaml", &compose), ("bin/tool", "data")]);
        let wanted = format!("compose.yaml:10:17: x-rolecall.host.files[0].path: {message}");
        bed.fails(3, "manifest-invalid").names(&wanted);
        bed.rolecall(&["plan"]).fails(3, "manifest-invalid").names(&wanted);
        assert!(bed.engine().names().is_empty());
        let folder = bed.path("laptop/shop");
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(folder.join("compose.yaml"), &compose).unwrap();
        fs::write(folder.join("bin/tool"), "data").unwrap();
        let validated = bed.rolecall(&["validate", folder.to_str().unwrap()]).exits(3);
        assert!(validated.stderr.contains(&wanted), "{}", validated.told());
    }
}

#[test]
fn single_compose_file_gets_modes_of_what_it_mounts() {
    let bed = Bed::new();
    let compose = format!(
        "name: shop\n{MOUNTED}x-rolecall: {{ ready: {{ stable: 300ms }}, host: {{ files: [{{ path: other, mode: '0600' }}] }} }}\n"
    );
    bed.project("shop", &[("compose.yaml", &compose), ("other", "x")]);
    bed.tagged("bin/tool", b"data", &[("file-permissions", "0751")]);
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/shop/compose.yaml"));
    bed.run().ready();
    assert_eq!((bed.stat("bin/tool").0, bed.stat("other").0), (0o751, 0o600));
    assert_eq!(bed.engine().logs("shop-web-1"), "751\n");
    bed.run().ready().says("nothing to do");
}
