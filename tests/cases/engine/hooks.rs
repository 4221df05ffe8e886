//! `pre_start` hooks: containers of their own, before those of their service start.

use serde_json::Value;

use crate::support::bed::Bed;

/// What the containers of the project write, line by line.
const NOTE: &str = "umask 0; echo $$WHO $$(id -u) $$(pwd) >> /data/notes";

fn project(word: &str, more: &str) -> String {
    format!(
        r#"
services:
  web:
    image: rolecall-test/web:1
    environment: {{ WHO: "{word}", A: service }}
    command: [sh, -c, "trap 'echo down >> /data/notes; exit' TERM; {NOTE}; httpd -f -p 80 -h /www & wait"]
    volumes: ["data:/data"]
    stop_grace_period: 30s
    pre_start:
      - {{ command: [sh, -c, "{NOTE}"], environment: {{ WHO: first }}, working_dir: /www }}
      - {{ command: [sh, -c, "test $$A = service && {NOTE}{more}"], image: "rolecall-test/app:1", environment: {{ WHO: second }} }}
    depends_on: [db]
  db: {{ image: "rolecall-test/web:1" }}
volumes: {{ data: {{ driver: local, driver_opts: {{ type: none, o: bind, device: ./data }} }} }}
x-rolecall: {{ ready: {{ stable: 300ms }} }}
"#
    )
}

fn bed() -> Bed {
    let bed = Bed::new();
    bed.engine().import("rolecall-test/app:1", &["USER app", "WORKDIR /data"]);
    let data = bed.agent.state.join("projects/shop/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    bed
}

/// The notes since the last look: who, user and folder.
fn notes(bed: &Bed) -> Vec<String> {
    let path = bed.agent.state.join("projects/shop/data/notes");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::write(path, "");
    text.lines().map(str::to_owned).collect()
}

fn hooks(bed: &Bed) -> Vec<String> {
    bed.engine().names().into_iter().filter(|name| name.contains("pre_start")).collect()
}

#[test]
fn pre_start_hooks_run_before_their_service_and_once_for_all_replicas() {
    let bed = bed();
    bed.compose("shop", &project("one", ""));
    bed.rolecall(&["plan"]).ready().prints("run 2 pre_start hooks of service web");
    bed.run().ready();
    assert_eq!(notes(&bed), ["first 0 /www", "second 1000 /data", "one 0 /"]);
    assert_eq!(hooks(&bed), [""; 0]);
    bed.run().ready().says("nothing to do");
    // The old container is down before a hook runs.
    bed.compose("shop", &project("two", ""));
    bed.run().ready();
    assert_eq!(notes(&bed), ["down", "first 0 /www", "second 1000 /data", "two 0 /"]);
    // One that is started again has its hooks as well, and so has one of several; not beside one that runs.
    bed.engine().post("/containers/shop-web-1/stop", &Value::Null);
    bed.run().ready();
    assert_eq!(notes(&bed), ["down", "first 0 /www", "second 1000 /data", "two 0 /"]);
    bed.compose("shop", &project("two", "").replace("depends_on: [db]", "depends_on: [db]\n    scale: 2"));
    bed.run().ready();
    assert_eq!(notes(&bed), ["two 0 /"]);
    for name in ["shop-web-1", "shop-web-2"] {
        bed.engine().post(&format!("/containers/{name}/stop"), &Value::Null);
    }
    assert_eq!(notes(&bed), ["down", "down"]);
    bed.run().ready();
    assert_eq!(notes(&bed), ["first 0 /www", "second 1000 /data", "two 0 /", "two 0 /"]);
    assert_eq!(hooks(&bed), [""; 0]);
}

#[test]
fn failed_pre_start_hook_keeps_its_container_and_its_service_down() {
    let bed = bed();
    bed.compose("shop", &project("one", " && echo reason >&2 && exit 3"));
    let failed = bed.fails(1, "container-failed");
    let run = failed.names("pre_start hook shop-web-pre_start-1-").names("exited with 3").outcome;
    assert!(run.stderr.contains("| reason"), "{}", run.told());
    let kept = hooks(&bed);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(bed.engine().inspect("shop-web-1")["State"]["Status"], "created");
    let networks = bed.engine().inspect(&kept[1])["NetworkSettings"]["Networks"].clone();
    assert!(!networks["shop_default"].is_null(), "{networks}");
    assert_eq!(notes(&bed), ["first 0 /www", "second 1000 /data"]);
    // The first one has done its work for this container.
    bed.fails(1, "container-failed").names("pre_start hook shop-web-pre_start-1-").names("exited with 3");
    assert_eq!(notes(&bed), ["second 1000 /data"]);
    bed.compose("shop", &project("one", ""));
    bed.run().ready();
    assert_eq!(notes(&bed).last().unwrap(), "one 0 /");
    assert_eq!(hooks(&bed), [""; 0]);
    bed.compose("shop", &project("two", " && exit 4"));
    bed.fails(1, "container-failed");
    bed.rolecall(&["down", "--all"]).ready();
    assert_eq!(bed.engine().names(), [""; 0]);
}

#[test]
fn hook_for_each_replica_is_refused_as_by_compose() {
    let bed = Bed::without_engine();
    let compose = "services:\n  web:\n    image: a\n    pre_start:\n      - { command: [go], per_replica: true }\n";
    bed.compose("shop", compose);
    bed.fails(3, "manifest-invalid")
        .names("compose.yaml:5:26: services.web.pre_start[0].per_replica: refused: hooks run once");
}
