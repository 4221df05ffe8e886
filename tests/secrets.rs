//! Compose secrets that come from variables: files in memory that a container mounts, for who runs in it, as long as
//! there is a container that mounts them.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use serde_json::Value;

use crate::support::{agent::walk, bed::Bed, dockerd::Engine};

const VALUE: &str = "tmpfs-canary-4711-alpha";

/// A project whose secret `db` comes from a parameter.
fn project(services: &str) -> String {
    format!(
        "services:\n{services}secrets: {{ db: {{ environment: DB_PASSWORD }} }}\nx-rolecall: {{ variables: {{ DB_PASSWORD: \
         \"ssm:///prod/db\" }} }}\n"
    )
}

fn bed() -> Bed {
    let bed = Bed::new();
    bed.aws.api(|api| _ = api.parameters.insert("/prod/db".into(), VALUE.into()));
    bed
}

/// The secrets of the project that are kept, by name.
fn kept(bed: &Bed) -> Vec<String> {
    walk(&bed.agent.runtime.join("secrets/shop")).into_keys().collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Files below the engine's data that hold a text, which may be in the middle of a file system layer.
fn in_data(engine: &Engine, text: &str) -> Vec<String> {
    let holds = |content: &[u8]| content.windows(text.len()).any(|part| part == text.as_bytes());
    walk(&engine.data()).into_iter().filter(|(_, content)| holds(content)).map(|(path, _)| path).collect()
}

#[test]
fn a_secret_belongs_to_who_runs_in_the_container_and_is_nowhere_on_disk() {
    let bed = bed();
    bed.engine().import("rolecall-test/app:1", &["USER app"]);
    let look = "[sh, -c, \"stat -c '%u:%g %a' $$AT && wc -c < $$AT && ! touch $$AT 2> /dev/null\"]";
    let one = |name: &str, line: &str| format!("  {name}: {{ command: {look}, {line} }}\n");
    let here = "environment: { AT: /run/secrets/db }";
    let mut services = [
        one("root", &format!("image: \"rolecall-test/web:1\", secrets: [db], read_only: true, {here}")),
        one("user", &format!("image: \"rolecall-test/web:1\", secrets: [db], user: \"1000:50\", {here}")),
        one("named", &format!("image: \"rolecall-test/app:1\", secrets: [db], {here}")),
        one(
            "long",
            "image: \"rolecall-test/app:1\", secrets: [{ source: db, target: /etc/db, uid: \"1000\", gid: \"7\", mode: 0440 }], \
             environment: { AT: /etc/db }",
        ),
    ]
    .concat();
    let all = ["root", "user", "named", "long"];
    let done = all.map(|name| format!("{name}: {{ condition: service_completed_successfully }}")).join(", ");
    services.push_str(&format!("  last: {{ image: \"rolecall-test/web:1\", depends_on: {{ {done} }} }}\n"));
    bed.compose("shop", &project(&services));
    bed.run().ready();
    for (name, wanted) in all.iter().zip(["0:0 600", "1000:0 600", "1000:0 600", "1000:7 440"]) {
        let told = bed.engine().logs(&format!("shop-{name}-1"));
        assert!(told.contains(&format!("{wanted}\n{}\n", VALUE.len())), "{name}: {told}");
    }
    let folder = bed.agent.runtime.join("secrets/shop");
    assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o700, 0o700));
    assert_eq!(fs::metadata(&folder).unwrap().uid(), 0);
    assert_eq!(kept(&bed), ["long~0~db", "named~0~db", "root~0~db", "user~0~db"]);
    assert_eq!(in_data(bed.engine(), VALUE), [""; 0], "the value of a secret is on disk");
    let shown = all.map(|name| bed.engine().inspect(&format!("shop-{name}-1")).to_string()).concat();
    assert!(!shown.contains(VALUE), "{shown}");
    bed.run().ready().says("nothing to do");
    // What stands in the environment is found in the same places, so that finding nothing means something.
    bed.compose(
        "shop",
        &project("  web: { image: \"rolecall-test/web:1\", environment: { URL: \"db:${DB_PASSWORD}@db\" } }\n"),
    );
    let run = bed.run().ready().says("the value of DB_PASSWORD in its environment variable URL");
    assert!(!run.stderr.contains(VALUE), "{}", run.told());
    assert!(bed.agent.status()["warnings"].to_string().contains("DB_PASSWORD"), "{}", run.told());
    assert!(!in_data(bed.engine(), VALUE).is_empty(), "the search finds nothing at all");
}

#[test]
fn a_changed_value_reaches_the_container_and_what_nobody_mounts_goes() {
    let bed = bed();
    let web = "  web: { image: \"rolecall-test/web:1\", secrets: [db], stop_grace_period: 0s }\n";
    bed.compose("shop", &project(&format!("{web}{}", web.replace("web:", "old:").replace("test/old", "test/web"))));
    bed.run().ready();
    assert_eq!(kept(&bed), ["old~0~db", "web~0~db"]);
    let id = bed.engine().inspect("shop-web-1")["Id"].clone();
    bed.aws.api(|api| _ = api.parameters.insert("/prod/db".into(), "another".into()));
    bed.compose("shop", &project(web));
    bed.run().ready().says("its configs or secrets were changed");
    assert_ne!(bed.engine().inspect("shop-web-1")["Id"], id);
    let file = bed.agent.runtime.join("secrets/shop/web~0~db");
    assert_eq!(fs::read_to_string(&file).unwrap(), "another");
    assert_eq!(kept(&bed), ["old~0~db", "web~0~db"], "a container that is left alone keeps its own");
    bed.rolecall(&["run", "--remove-orphans"]).ready();
    assert_eq!(kept(&bed), ["web~0~db"]);
    bed.rolecall(&["stop", "--all"]).ready();
    assert_eq!(kept(&bed), ["web~0~db"]);
    bed.rolecall(&["down", "--all"]).ready();
    assert!(walk(&bed.agent.runtime.join("secrets")).is_empty());
}

#[test]
fn after_a_power_cut_secrets_are_there_again_before_who_needs_them() {
    let bed = bed();
    let service = |name: &str, restart: &str| {
        format!("  {name}: {{ image: \"rolecall-test/web:1\", secrets: [db], restart: {restart} }}\n")
    };
    bed.compose("shop", &project(&[service("always", "always"), service("careful", "unless-stopped")].concat()));
    bed.run().ready();
    let ids =
        |bed: &Bed| ["always", "careful"].map(|name| bed.engine().inspect(&format!("shop-{name}-1"))["Id"].clone());
    let before = ids(&bed);
    // Memory is gone, and the engine starts containers by itself before there is a run.
    fs::remove_dir_all(bed.agent.runtime.join("secrets")).unwrap();
    for name in ["always", "careful"] {
        bed.engine().post(&format!("/containers/shop-{name}-1/kill"), &Value::Null);
    }
    bed.engine().crash();
    bed.run().ready();
    assert_eq!(ids(&bed), before);
    assert_eq!(kept(&bed), ["always~0~db", "careful~0~db"]);
    for name in ["always", "careful"] {
        assert_eq!(bed.engine().inspect(&format!("shop-{name}-1"))["State"]["Running"], true);
    }
}

#[test]
fn an_engine_of_another_machine_gets_a_copy() {
    let mut bed = bed();
    let socket = bed.engine().socket();
    let port = crate::support::net::free_port();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    // The engine as it is, behind a port: that it is on this machine cannot be seen.
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = std::os::unix::net::UnixStream::connect(&socket).unwrap();
            let (mut there, mut back) = (client.try_clone().unwrap(), engine.try_clone().unwrap());
            let (mut from, mut to) = (client, engine);
            std::thread::spawn(move || std::io::copy(&mut back, &mut there));
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    bed.agent = bed.agent.env("DOCKER_HOST", format!("tcp://127.0.0.1:{port}"));
    bed.compose("shop", &project("  web: { image: \"rolecall-test/web:1\", secrets: [db] }\n"));
    bed.run().ready();
    assert!(bed.engine().inspect("shop-web-1")["Mounts"].as_array().unwrap().is_empty());
    assert!(!bed.agent.runtime.join("secrets").exists());
    assert!(!in_data(bed.engine(), VALUE).is_empty());
}
