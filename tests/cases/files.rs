//! Project files, bind mounts, secrets and their owners.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _};

use crate::support::bed::Bed;

/// Ids and times of the last start of containers, by service.
fn started(bed: &Bed, services: &[&str]) -> BTreeMap<String, (String, String)> {
    let one = |service: &&str| {
        let container = bed.engine().inspect(&format!("shop-{service}-1"));
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        ((*service).to_owned(), (text(&container["Id"]), text(&container["State"]["StartedAt"])))
    };
    services.iter().map(one).collect()
}

const MOUNTS: &str = r#"
services:
  file:
    image: rolecall-test/web:1
    command: [sh, -c, "cat /etc/site.conf; exec sleep 1000"]
    volumes: ["./conf/site.conf:/etc/site.conf:ro"]
  folder: { image: "rolecall-test/web:1", volumes: ["./conf:/etc/conf"] }
  volume: { image: "rolecall-test/web:1", volumes: ["conf:/etc/conf"] }
  restarted:
    image: rolecall-test/web:1
    command: [sh, -c, "cat /etc/site.conf; exec sleep 1000"]
    volumes: ["./conf/site.conf:/etc/site.conf:ro"]
    x-rolecall: { on-file-change: restart }
  ignoring: { image: "rolecall-test/web:1", volumes: ["./conf:/etc/conf"], x-rolecall: { on-file-change: ignore } }
  other: { image: "rolecall-test/web:1", volumes: ["./other:/other", "./data:/data"] }
volumes:
  conf: { driver: local, driver_opts: { type: none, o: bind, device: ./conf } }
x-rolecall: { ready: { stable: 300ms } }
"#;

#[test]
fn changed_project_file_reaches_the_containers_that_mount_it() {
    const ALL: &[&str] = &["file", "folder", "volume", "restarted", "ignoring", "other"];
    let bed = Bed::new();
    let deploy = |text: &str| {
        bed.project("shop", &[("compose.yaml", MOUNTS), ("conf/site.conf", text), ("other/x.conf", "x")]);
    };
    deploy("version one\n");
    bed.run().ready();
    let before = started(&bed, ALL);
    // What containers write is data.
    std::fs::write(bed.agent.state.join("projects/shop/conf/written"), "data").unwrap();
    bed.run().ready().says("nothing to do");
    deploy("version two\n");
    let plan = bed.rolecall(&["plan"]).ready();
    for line in
        ["replace container shop-file-1", "replace container shop-folder-1", "restart container shop-restarted-1"]
    {
        assert!(plan.stdout.contains(&format!("{line}: conf/site.conf has changed")), "{}", plan.told());
    }
    bed.run().ready().says("conf/site.conf has changed");
    let after = started(&bed, ALL);
    for service in ["file", "folder", "volume"] {
        assert_ne!(after[service].0, before[service].0, "{service} was not replaced");
    }
    assert_eq!(after["restarted"].0, before["restarted"].0);
    assert_ne!(after["restarted"].1, before["restarted"].1, "it was not restarted");
    for service in ["ignoring", "other"] {
        assert_eq!(after[service], before[service], "{service} was touched");
    }
    assert_eq!(bed.engine().logs("shop-file-1"), "version two\n");
    assert_eq!(bed.engine().logs("shop-restarted-1"), "version one\nversion two\n");
    bed.run().ready().says("nothing to do");
    assert_eq!(started(&bed, ALL), after);
}

#[test]
fn unknown_setting_of_a_service_is_refused() {
    let bed = Bed::without_engine();
    bed.compose("shop", &MOUNTS.replace("on-file-change: restart", "on-file-changes: restart"));
    let failed = bed.fails(3, "manifest-invalid");
    failed.names("compose.yaml:13:19: services.restarted.x-rolecall.on-file-changes: unknown key 'on-file-changes', did you mean 'on-file-change'?");
}

/// A project whose one service has these volumes.
fn mounting(volumes: &str) -> String {
    format!("services:\n  web:\n    image: rolecall-test/web:1\n    volumes:\n{volumes}")
}

#[test]
fn missing_file_of_a_bind_is_refused_before_anything_is_created() {
    let bed = Bed::new();
    let table = [
        (
            "      - ./conf/site.conf:/etc/site.conf\n",
            "5:9",
            "'conf/site.conf' does not exist in the project, did you mean 'conf/sites.conf'?",
        ),
        ("      - ./app:/etc/app.yml\n", "5:9", "'app' does not exist in the project"),
        (
            "      - { type: bind, source: ./keys, target: /keys, bind: { create_host_path: false } }\n",
            "5:31",
            "'keys' does not exist in the project",
        ),
        ("      - ../:/all\n", "5:9", "the path leads out of the folder of the project"),
        ("      - ../other/conf:/conf\n", "5:9", "the path leads out of the folder of the project"),
    ];
    for (volumes, at, message) in table {
        let compose = mounting(volumes);
        bed.project("shop", &[("compose.yaml", compose.as_str()), ("conf/sites.conf", "x")]);
        let wanted = format!("compose.yaml:{at}: services.web.volumes[0].source: {message}");
        bed.fails(3, "manifest-invalid").names(&wanted);
        bed.rolecall(&["plan"]).fails(3, "manifest-invalid").names(&wanted);
        assert!(bed.engine().names().is_empty());
        let folder = bed.path("laptop/shop");
        std::fs::create_dir_all(folder.join("conf")).unwrap();
        std::fs::write(folder.join("compose.yaml"), &compose).unwrap();
        std::fs::write(folder.join("conf/sites.conf"), "x").unwrap();
        let validated = bed.rolecall(&["validate", folder.to_str().unwrap()]).exits(3);
        assert!(validated.stderr.contains(&wanted), "{}", validated.told());
    }
}

#[test]
fn folders_that_may_be_missing_are_accepted() {
    let bed = Bed::new();
    let compose = mounting("      - ./data:/data\n      - ./conf.d:/etc/conf.d\n      - ./sub/../more:/more\n");
    let sub = "services: { sub: { image: 'rolecall-test/web:1', volumes: ['../shared:/shared'] } }\n";
    let compose = format!("include: [sub/compose.yaml]\n{compose}");
    bed.project("shop", &[("compose.yaml", compose.as_str()), ("sub/compose.yaml", sub), ("shared/x.conf", "x")]);
    bed.run().ready();
    bed.run().ready().says("nothing to do");
}

#[test]
fn folder_in_place_of_a_missing_file_is_replaced_by_the_file() {
    let bed = Bed::new();
    // A script could write the file, so that its absence is no fault.
    let compose = mounting("      - ./app.yml:/etc/app.yml\n");
    let script = ("bootstrap/10.sh", "#!/bin/sh\n");
    bed.project("shop", &[("compose.yaml", compose.as_str()), script]);
    bed.run().ready().says("'app.yml' does not exist in the project");
    assert!(bed.agent.state.join("projects/shop/app.yml").is_dir());
    let before = started(&bed, &["web"]);
    bed.project("shop", &[("compose.yaml", compose.as_str()), script, ("app.yml", "a: 1\n")]);
    bed.run().ready().says("app.yml has changed");
    assert_ne!(started(&bed, &["web"]), before);
    assert_eq!(std::fs::read(bed.agent.state.join("projects/shop/app.yml")).unwrap(), b"a: 1\n");
}

#[test]
fn mount_that_comes_later_is_awaited() {
    let bed = Bed::new();
    let disk = bed.path("mnt/data");
    let source = disk.display();
    bed.compose(
        "shop",
        &mounting(&format!(
            "      - {{ type: bind, source: {source}, target: /data, bind: {{ create_host_path: false }} }}\n"
        )),
    );
    let failed = bed.agent.env("ROLECALL_DEADLINE", "8s").run(&["run"]).fails(4, "container-failed");
    failed.says("attempt=1").names("bind source path does not exist");
    std::fs::create_dir_all(&disk).unwrap();
    bed.run().ready();
    let short = bed.path("mnt/other");
    bed.compose("shop", &mounting(&format!("      - {}:/data\n", short.display())));
    let plan = bed.rolecall(&["plan"]).ready();
    assert!(
        plan.stdout.contains("does not exist on this host and would be created on its root disk"),
        "{}",
        plan.told()
    );
}

#[test]
fn what_a_container_puts_in_the_way_is_moved_aside() {
    let bed = Bed::new();
    let compose = r#"
services:
  web:
    image: rolecall-test/web:1
    volumes: ["./:/app"]
    command:
      - sh
      - -c
      - |
        [ -e /app/done ] || { rm -r /app/conf; ln -s /etc /app/conf; rm /app/compose.yaml; mkdir -p /app/compose.yaml/data; }
        touch /app/done
        exec sleep 1000
"#;
    bed.project("shop", &[("compose.yaml", compose), ("conf/site.conf", "one")]);
    bed.run().ready();
    let project = bed.agent.state.join("projects/shop");
    assert!(project.join("done").exists() && project.join("conf").is_symlink());
    bed.project("shop", &[("conf/site.conf", "two")]);
    let aside = "moved what was in the way of ";
    bed.run().ready().says(aside).says("aside: conf.rolecall-aside-").says("aside: compose.yaml.rolecall-aside-");
    assert_eq!(std::fs::read_to_string(project.join("conf/site.conf")).unwrap(), "two");
    assert!(!std::path::Path::new("/etc/site.conf").exists());
    bed.run().ready().says("nothing to do");
}

/// A container that writes to each of its folders, and ends with an error if it may not.
const WRITES: &str = "command: [sh, -c, \"touch /data/x /host/x && exec sleep 1000\"]";

#[test]
fn missing_folder_is_made_for_the_user_of_its_container() {
    let bed = Bed::new();
    bed.engine().import("rolecall-test/app:1", &["USER app"]);
    let (containers, outside) = (bed.path("containers"), bed.path("outside/data"));
    let compose = format!(
        "services:\n  number: {{ image: \"rolecall-test/web:1\", user: \"1001:50\", {WRITES}, volumes: [\"./deep/data:/data\"] }}\n  \
         name: {{ image: \"rolecall-test/app:1\", {WRITES}, volumes: [\"{}:/data\"] }}\n  \
         long: {{ image: \"rolecall-test/app:1\", {WRITES}, user: \"1002\", volumes: [{{ type: bind, source: ./long, target: /data, bind: \
         {{ create_host_path: true, recursive: enabled }} }}] }}\n  \
         root: {{ image: \"rolecall-test/web:1\", {WRITES}, volumes: [\"./root:/data\"] }}\n\
         x-rolecall: {{ ready: {{ stable: 300ms }}, host: {{ containers-dir: {} }} }}\n",
        outside.display(),
        containers.display()
    );
    bed.compose("shop", &compose);
    bed.run().ready();
    let project = bed.agent.state.join("projects/shop");
    let owner = |path: &std::path::Path| {
        let found = std::fs::metadata(path).unwrap();
        (found.uid(), found.gid(), found.mode() & 0o7777)
    };
    for (path, wanted) in [
        (project.join("deep/data"), (1001, 50)),
        (project.join("deep"), (0, 0)),
        (outside.clone(), (1000, 1000)),
        (project.join("long"), (1002, 0)),
        (project.join("root"), (0, 0)),
        (containers.join("number"), (1001, 50)),
        (containers.join("name"), (1000, 1000)),
    ] {
        assert_eq!(owner(&path), (wanted.0, wanted.1, 0o755), "{}", path.display());
    }
    // A folder that is there is its owner's business.
    std::os::unix::fs::chown(&outside, Some(7), Some(7)).unwrap();
    bed.run().ready().says("nothing to do");
    bed.engine().ask("DELETE", "/containers/shop-name-1?force=1", "").unwrap();
    bed.run().ready();
    assert_eq!(owner(&outside).0, 7);
}

#[test]
fn file_of_a_secret_has_the_owner_and_mode_that_the_service_asks_for() {
    const LOOK: &str = "command: [sh, -c, \"stat -c '%u:%g %a' $$AT && cat $$AT && exec sleep 1000\"], restart: always";
    let bed = Bed::new();
    bed.engine().import("rolecall-test/app:1", &["USER app"]);
    let compose = format!(
        "services:\n  \
         named: {{ image: \"rolecall-test/app:1\", {LOOK}, environment: {{ AT: /run/secrets/key }}, secrets: [{{ source: key, mode: 0400 }}] }}\n  \
         numbers: {{ image: \"rolecall-test/web:1\", {LOOK}, environment: {{ AT: /etc/key }}, user: \"70\", configs: [{{ source: key, \
         target: /etc/key, uid: \"70\", gid: \"50\", mode: 0600 }}] }}\n  \
         plain: {{ image: \"rolecall-test/web:1\", {LOOK}, environment: {{ AT: /run/secrets/key }}, secrets: [key] }}\n\
         secrets: {{ key: {{ file: ./key.pem }} }}\nconfigs: {{ key: {{ file: ./key.pem }} }}\nx-rolecall: {{ ready: {{ stable: 300ms }} }}\n"
    );
    let deploy = |key: &str| bed.project("shop", &[("compose.yaml", compose.as_str()), ("key.pem", key)]);
    let shows = |service: &str, access: &str, key: &str| {
        let told = bed.engine().logs(&format!("shop-{service}-1"));
        assert!(told.ends_with(&format!("{access}\n{key}\n")), "{service}: {told}");
    };
    deploy("key one\n");
    let run = bed.run().ready();
    assert!(!run.stderr.contains("ignored"), "{}", run.told());
    shows("named", "1000:0 400", "key one");
    shows("numbers", "70:50 600", "key one");
    shows("plain", "0:0 644", "key one");
    bed.run().ready().says("nothing to do");
    deploy("key two\n");
    bed.run().ready().says("its configs or secrets were changed");
    for (service, access) in [("named", "1000:0 400"), ("numbers", "70:50 600"), ("plain", "0:0 644")] {
        shows(service, access, "key two");
    }
    // A reboot takes the files, and the bucket is out of reach.
    for name in ["named", "numbers"] {
        bed.engine().post(&format!("/containers/shop-{name}-1/kill"), &serde_json::Value::Null);
    }
    std::fs::remove_dir_all(bed.agent.runtime.join("secrets")).unwrap();
    bed.aws.store(|store| store.buckets.remove(crate::support::bed::BUCKET));
    bed.run().ready();
    shows("named", "1000:0 400", "key two");
    shows("numbers", "70:50 600", "key two");
}
