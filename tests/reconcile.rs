//! What a changed project does to the containers that are there: as Docker Compose does it, and no more than needed.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{
    bed::{BUCKET, Bed},
    dockerd::{Engine, WEB},
};

/// Id and time of the start of each container.
fn lives(engine: &Engine) -> BTreeMap<String, (Value, Value)> {
    let life = |name: &String| {
        let there = engine.inspect(name);
        (name.clone(), (there["Id"].clone(), there["State"]["StartedAt"].clone()))
    };
    engine.names().iter().map(life).collect()
}

/// What became of the containers between two looks: `+` made, `-` gone, `*` made anew, `!` started again.
fn changes(before: &BTreeMap<String, (Value, Value)>, after: &BTreeMap<String, (Value, Value)>) -> String {
    let mut all = Vec::new();
    for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
        let sign = match (before.get(name), after.get(name)) {
            (None, _) => '+',
            (_, None) => '-',
            (Some(old), Some(new)) if old.0 != new.0 => '*',
            (Some(old), Some(new)) if old.1 != new.1 => '!',
            _ => continue,
        };
        // Without the name of the project.
        all.push(format!("{sign}{}", name.split_once('-').unwrap().1));
    }
    all.sort();
    all.join(" ")
}

/// Runs the project as it was, then as it is, and tells the changes.
fn after(bed: &Bed, old: &str, new: &str) -> String {
    bed.compose("shop", old);
    bed.run().ready();
    let before = lives(bed.engine());
    bed.compose("shop", new);
    bed.run().ready();
    let changes = changes(&before, &lives(bed.engine()));
    bed.run().ready().says("nothing to do");
    changes
}

#[test]
fn orphans_are_named_and_removed_only_when_asked() {
    let bed = Bed::new();
    let both = format!("services:\n  web: {{ image: \"{WEB}\" }}\n  old: {{ image: \"{WEB}\" }}\n");
    let one = format!("services:\n  web: {{ image: \"{WEB}\" }}\n");
    assert_eq!(after(&bed, &both, &one), "");
    bed.run().ready().says("shop-old-1").says("--remove-orphans");
    assert!(!bed.rolecall(&["plan"]).ready().stdout.contains("remove shop-old-1"));
    bed.rolecall(&["plan", "--remove-orphans"]).ready().prints("remove shop-old-1");
    assert_eq!(bed.engine().names(), ["shop-old-1", "shop-web-1"]);
    bed.rolecall(&["run", "--remove-orphans"]).ready();
    assert_eq!(bed.engine().names(), ["shop-web-1"]);
    bed.compose("shop", &both);
    bed.run().ready();
    bed.compose("shop", &one);
    bed.agent.env("ROLECALL_REMOVE_ORPHANS", "1").run(&["run"]).ready();
    assert_eq!(bed.engine().names(), ["shop-web-1"]);
}

#[test]
fn scaling_makes_and_removes_the_highest_numbers() {
    let bed = Bed::new();
    let scaled = |count: u32| format!("services:\n  web: {{ image: \"{WEB}\", deploy: {{ replicas: {count} }} }}\n");
    assert_eq!(after(&bed, &scaled(1), &scaled(3)), "+web-2 +web-3");
    assert_eq!(after(&bed, &scaled(3), &scaled(2)), "-web-3");
    assert_eq!(after(&bed, &scaled(2), &scaled(0)), "-web-1 -web-2");
}

#[test]
fn anonymous_volumes_go_on_to_the_container_in_the_place_of_the_old_one() {
    let bed = Bed::new();
    bed.engine().import("rolecall-test/volume:1", &["VOLUME /of-the-image", "CMD [\"sleep\", \"1000\"]"]);
    let compose = |word: &str, more: &str| {
        format!(
            "services:\n  web:\n    image: rolecall-test/volume:1\n    init: true\n    stop_grace_period: 0s\n    \
             environment: {{ WORD: {word} }}\n    volumes: [/own{more}]\n    healthcheck: {{ test: \"test -e /own/f || \
             echo $$WORD | tee /own/f /of-the-image/f\", interval: 1s }}\n"
        )
    };
    let volumes = |engine: &Engine| {
        let mounts = engine.inspect("shop-web-1")["Mounts"].clone();
        let name = |m: &Value| (m["Destination"].as_str().unwrap().to_owned(), m["Name"].as_str().unwrap().to_owned());
        mounts.as_array().unwrap().iter().map(name).collect::<BTreeMap<_, _>>()
    };
    bed.compose("shop", &compose("one", ""));
    bed.run().ready();
    let old = volumes(bed.engine());
    assert_eq!(old.keys().collect::<Vec<_>>(), ["/of-the-image", "/own"]);
    assert_eq!(after(&bed, &compose("one", ""), &compose("two", "")), "*web-1");
    assert_eq!(volumes(bed.engine()), old);
    assert_eq!(after(&bed, &compose("two", ""), &compose("two", ", /further")), "*web-1");
    let new = volumes(bed.engine());
    assert!(old.iter().all(|(path, name)| new[path] == *name) && new.len() == 3, "{old:?} {new:?}");
}

#[test]
fn who_asked_for_it_is_stopped_before_a_dependency_is_replaced_and_started_after() {
    let bed = Bed::new();
    let compose = |word: &str| {
        let restart = "condition: service_healthy, restart: true";
        format!(
            "x-c: &c {{ image: \"{WEB}\", healthcheck: {{ test: \"true\", interval: 1s }} }}\nservices:\n  \
             db: {{ <<: *c, environment: {{ WORD: {word} }} }}\n  \
             app: {{ <<: *c, depends_on: {{ db: {{ {restart} }} }} }}\n  \
             web: {{ <<: *c, depends_on: {{ app: {{ {restart} }}, db: {{ {restart} }} }} }}\n  \
             other: {{ <<: *c, depends_on: {{ db: {{ condition: service_healthy }} }} }}\n  \
             apart: {{ <<: *c }}\n"
        )
    };
    assert_eq!(after(&bed, &compose("one"), &compose("two")), "!app-1 !web-1 *db-1");
    let time = |name: &str, key: &str| bed.engine().inspect(name)["State"][key].as_str().unwrap().to_owned();
    let (web, app) = (time("shop-web-1", "FinishedAt"), time("shop-app-1", "FinishedAt"));
    let db = time("shop-db-1", "StartedAt");
    assert!(web <= app && app <= db, "stopped web {web}, app {app}, then db was started {db}");
    assert!(db <= time("shop-app-1", "StartedAt"));
    assert!(time("shop-app-1", "StartedAt") <= time("shop-web-1", "StartedAt"));
}

#[test]
fn a_network_is_made_anew_and_a_volume_is_left_alone() {
    let bed = Bed::new();
    let compose = |network: &str, volume: &str| {
        format!(
            "services:\n  web: {{ image: \"{WEB}\", networks: [back], volumes: [\"data:/data\"] }}\n  \
             far: {{ image: \"{WEB}\" }}\nnetworks: {{ back: {{ labels: {{ word: {network} }} }} }}\n\
             volumes: {{ data: {{ labels: {{ word: {volume} }} }} }}\n"
        )
    };
    assert_eq!(after(&bed, &compose("one", "one"), &compose("two", "one")), "*web-1");
    assert_eq!(bed.engine().get("/networks/shop_back")["Labels"]["word"], "two");
    assert_eq!(after(&bed, &compose("two", "one"), &compose("two", "two")), "");
    assert_eq!(bed.engine().get("/volumes/shop_data")["Labels"]["word"], "one", "it holds data");
    bed.run().ready().says("volume shop_data was made with other options");
    bed.rolecall(&["plan"]).ready().prints("volume shop_data was made with other options");
}

#[test]
fn renamed_network_replaced_by_the_new_one() {
    let bed = Bed::new();
    let compose = |name: &str, subnet: &str| {
        format!(
            "services:\n  web: {{ image: \"{WEB}\", networks: [back], stop_grace_period: 1s }}\n  far: {{ image: \"{WEB}\" }}\n\
             networks: {{ back: {{ name: {name}, ipam: {{ config: [{{ subnet: {subnet} }}] }} }} }}\n"
        )
    };
    let exists = |name: &str| bed.engine().ask("GET", &format!("/networks/{name}"), "").unwrap().status == 200;
    let (one, two) = ("10.231.4.0/24", "10.231.5.0/24");
    assert_eq!(after(&bed, &compose("old-back", one), &compose("new-back", two)), "*web-1");
    assert_eq!([exists("old-back"), exists("new-back")], [false, true]);
    assert_eq!(after(&bed, &compose("new-back", two), &compose("last-back", two)), "*web-1", "in the same subnet");
    assert_eq!([exists("new-back"), exists("last-back")], [false, true]);
    // A container of somebody else keeps it.
    let guest = bed.engine().post(
        "/containers/create?name=guest",
        &serde_json::json!({ "Image": WEB, "HostConfig": { "NetworkMode": "last-back" } }),
    );
    bed.engine().post("/containers/guest/start", &Value::Null);
    bed.compose("shop", &compose("back", one));
    bed.run().ready();
    assert!(exists("last-back"), "{guest:?}");
    bed.run().ready().says("network last-back is back now, and stays since guest is still connected to it");
}

#[test]
fn another_image_under_the_same_tag_replaces_what_was_made_of_the_old_one() {
    let bed = Bed::new();
    bed.engine().import("rolecall-test/other:1", &["CMD [\"sleep\", \"1000\"]"]);
    bed.compose(
        "shop",
        &format!(
            "services:\n  web: {{ image: \"{WEB}\" }}\n  other: {{ image: \"rolecall-test/other:1\", init: true }}\n"
        ),
    );
    bed.run().ready();
    let before = lives(bed.engine());
    bed.engine().import("rolecall-test/other:1", &["CMD [\"sleep\", \"2000\"]"]);
    bed.run().ready().says("image rolecall-test/other:1 is another one now");
    assert_eq!(changes(&before, &lives(bed.engine())), "*other-1");
    bed.run().ready().says("nothing to do");
}

#[test]
fn changed_content_of_configs_and_secrets_replaces_who_uses_them() {
    let bed = Bed::new();
    let compose = |service: &str| {
        format!(
            "x-c: &c {{ image: \"{WEB}\" }}\nservices:\n  none: {{ <<: *c }}\n  file: {{ <<: *c, configs: [file] }}\n  \
             secret: {{ <<: *c, secrets: [secret] }}\n  text: {{ <<: *c, configs: [text] }}\n  \
             env: {{ <<: *c, secrets: [env] }}\nconfigs: {{ file: {{ file: ./conf }}, text: {{ content: \"{service}\" }} \
             }}\nsecrets: {{ secret: {{ file: ./secret }}, env: {{ environment: TOKEN }} }}\n"
        )
    };
    bed.project(
        "shop",
        &[("compose.yaml", &compose("one")), ("conf", "one"), ("secret", "one"), (".env", "TOKEN=one\n")],
    );
    bed.run().ready();
    let told = |word: &str| {
        let labels =
            bed.engine().names().iter().map(|n| bed.engine().inspect(n)["Config"].to_string()).collect::<String>();
        assert!(!labels.contains(&format!("\"{word}\"")), "{labels}");
    };
    told("one");
    let text = compose("two");
    for (path, content, changed) in [
        ("conf", "two", "*file-1"),
        ("secret", "two", "*secret-1"),
        (".env", "TOKEN=two\n", "*env-1"),
        ("compose.yaml", text.as_str(), "*text-1"),
    ] {
        let before = lives(bed.engine());
        bed.aws.put(BUCKET, &format!("shop/{path}"), content);
        let service = changed.trim_matches(['*', '-', '1']);
        bed.rolecall(&["plan"]).ready().prints(&format!("replace container shop-{service}-1"));
        bed.run().ready().says("its configs or secrets were changed");
        assert_eq!(changes(&before, &lives(bed.engine())), changed, "{path}");
        bed.run().ready().says("nothing to do");
    }
    told("two");
}

/// The services that both we and Docker Compose start with; what `|x|` stands for is changed by turns.
const BASE: &str = "x-c: &c { image: \"rolecall-test/web:1\", stop_grace_period: 1s }
services:
  a: { <<: *c, environment: { X: |a| } }
  b: { <<: *c, depends_on: { a: { condition: service_started, restart: true }, d: { condition: |condition| } } }
  c: { <<: *c, network_mode: 'service:a', command: sleep 1000, init: true }
  d: { <<: *c, volumes: ['data:/data', ./here:/here], networks: [back, default] }
  e: { <<: *c, networks: [|network|], pull_policy: |pull| }
  f: { <<: *c, volumes_from: [d], restart: |restart| }
  g: { <<: *c, links: [e], scale: |scale| }
  h: { <<: *c, image: '|image|', labels: { l: '|label|' } }
networks: { back: { labels: { l: '|back|' } } }
volumes: { data: { labels: { l: '|data|' } } }
";

const START: &[(&str, &str)] = &[
    ("a", "1"),
    ("condition", "service_started"),
    ("network", "back"),
    ("pull", "missing"),
    ("restart", "always"),
    ("scale", "2"),
    ("image", "rolecall-test/web:1"),
    ("label", "1"),
    ("back", "1"),
    ("data", "1"),
];

/// A change, and what comes of it.
const CHANGES: &[(&str, &str, &str)] = &[
    ("a", "2", "!b-1 *a-1 *c-1"),
    ("condition", "service_started", ""),
    ("pull", "never", ""),
    ("restart", "unless-stopped", "*f-1"),
    ("scale", "3", "+g-3"),
    ("scale", "1", "-g-2 -g-3"),
    ("label", "2", "*h-1"),
    ("image", "rolecall-test/other:1", "*h-1"),
    ("network", "default", "!g-1 *e-1"),
    ("data", "2", ""),
    ("back", "2", "*d-1 *f-1"),
];

/// Where Docker Compose does otherwise: it connects the old container to the new network, without its aliases.
const THEIRS: &[(&str, &str)] = &[("back", "!d-1")];

#[test]
fn what_is_made_anew_is_what_compose_makes_anew() {
    let peer = std::env::var_os("ROLECALL_PEER_COMPOSE").map(PathBuf::from).filter(|path| path.exists());
    if peer.is_none() {
        eprintln!("SKIPPED: half of it: ROLECALL_PEER_COMPOSE names no docker-compose to compare with");
    }
    let bed = Bed::new();
    let engine = bed.engine();
    engine.import("rolecall-test/other:1", &["CMD [\"sleep\", \"1000\"]"]);
    let theirs = bed.path("theirs");
    fs::create_dir_all(&theirs).unwrap();
    let compose = |text: &str| {
        fs::write(theirs.join("compose.yaml"), text).unwrap();
        let Some(peer) = &peer else { return };
        let mut command = Command::new(peer);
        command.args(["up", "--detach"]).current_dir(&theirs).env("DOCKER_HOST", engine.host()).stdin(Stdio::null());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let of = |project: &str| {
        let prefix = format!("{project}-");
        lives(engine).into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect::<BTreeMap<_, _>>()
    };
    let mut values: BTreeMap<&str, &str> = START.iter().copied().collect();
    let text = |values: &BTreeMap<&str, &str>| {
        values.iter().fold(BASE.to_owned(), |text, (key, value)| text.replace(&format!("|{key}|"), value))
    };
    let run = |text: &str| {
        bed.compose("ours", text);
        bed.run().ready();
        compose(text);
    };
    run(&text(&values));
    for (key, value, expected) in CHANGES {
        values.insert(key, value);
        let before = (of("ours"), of("theirs"));
        run(&text(&values));
        assert_eq!(changes(&before.0, &of("ours")), *expected, "{key}: {value}");
        let theirs = THEIRS.iter().find(|(other, _)| other == key).map_or(*expected, |(_, theirs)| theirs);
        if peer.is_some() {
            assert_eq!(changes(&before.1, &of("theirs")), theirs, "compose, {key}: {value}");
        }
    }
    assert_eq!(of("ours").len(), 8, "{:?}", engine.names());
}

#[test]
fn volumes_that_a_release_drops_are_named() {
    let bed = Bed::new();
    let compose = |volumes: &str| {
        format!(
            "services:\n  db: {{ image: \"{WEB}\", stop_grace_period: 0s, volumes: [{volumes}] }}\nvolumes: {{ data: {{}} }}\n"
        )
    };
    bed.compose("shop", &compose("'data:/data', /cache, /empty"));
    bed.run().ready();
    let mounts = bed.engine().inspect("shop-db-1")["Mounts"].clone();
    let name = |target: &str| {
        let mount = mounts.as_array().unwrap().iter().find(|mount| mount["Destination"] == target).unwrap();
        (mount["Name"].as_str().unwrap().to_owned(), PathBuf::from(mount["Source"].as_str().unwrap()))
    };
    let ((cache, folder), (empty, _)) = (name("/cache"), name("/empty"));
    fs::write(folder.join("rows"), "data").unwrap();
    bed.compose("shop", &compose(""));
    let said = |volume: &str, target: &str| {
        format!(
            "service db no longer mounts volume {volume} (at {target}), nor does any other: it stays, with its data"
        )
    };
    let planned = bed.rolecall(&["plan"]).ready();
    let planned = planned.prints(&said("shop_data", "/data")).prints(&said(&cache, "/cache"));
    assert!(!planned.stdout.contains(&empty), "{}", planned.told());
    bed.run().ready().says(&said("shop_data", "/data")).says(&said(&cache, "/cache"));
    assert_eq!(fs::read_to_string(folder.join("rows")).unwrap(), "data");
    let after = bed.run().ready();
    assert!(!after.stderr.contains("no longer mounts"), "{}", after.told());
}
