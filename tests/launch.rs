//! Containers of a compose project: as Compose would make them, in the order of their needs, left alone while
//! nothing changes.

use serde_json::{Value, json};

use crate::support::{bed::Bed, client::served, dockerd::Engine};

const WEB: &str = "rolecall-test/web:1";

#[test]
fn a_project_launches_and_a_second_run_changes_nothing() {
    let bed = Bed::new();
    bed.project(
        "shop",
        &[
            (
                "compose.yaml",
                "services:\n  web:\n    image: rolecall-test/web:1\n    ports: [\"8080:80\"]\n    depends_on:\n      \
                 cache: { condition: service_healthy }\n    volumes: [\"./site:/www:ro\"]\n  cache:\n    image: \
                 rolecall-test/web:1\n    healthcheck: { test: [CMD, wget, -qO-, \"http://127.0.0.1/\"], interval: 1s }\n    \
                 volumes: [\"data:/data\"]\n  worker:\n    image: rolecall-test/web:1\n    command: [sleep, \"1000\"]\n    \
                 init: true\n    env_file: worker.env\nvolumes: { data: {} }\n",
            ),
            ("worker.env", "QUEUE=orders\n"),
            ("site/index.html", "the shop\n"),
        ],
    );
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["shop-cache-1", "shop-web-1", "shop-worker-1"]);
    assert_eq!(served(8080, "/").text(), "the shop\n");
    let env = bed.engine().inspect("shop-worker-1")["Config"]["Env"].to_string();
    assert!(env.contains("QUEUE=orders"), "{env}");
    let before = (bed.engine().snapshot(), bed.agent.project("shop"));
    let second = bed.run().ready().says("nothing to do");
    assert_eq!((bed.engine().snapshot(), bed.agent.project("shop")), before, "{}", second.told());
    bed.rolecall(&["plan"]).ready().prints("nothing to do");
}

#[test]
fn plan_says_what_run_would_do_and_does_nothing() {
    let bed = Bed::new();
    bed.compose("shop", "services:\n  web: { image: \"rolecall-test/web:1\" }\n");
    let before = bed.engine().snapshot();
    bed.rolecall(&["plan"]).ready().prints("web");
    assert!(bed.agent.files().is_empty(), "{:?}", bed.agent.files().keys());
    let plan = bed.rolecall(&["plan", "--json"]).ready().json();
    let steps = plan["steps"].as_array().unwrap();
    assert!(steps.iter().any(|s| s["done"] == false && s["name"].as_str().unwrap().contains("web")), "{plan}");
    assert_eq!(bed.engine().snapshot(), before);
    assert!(bed.agent.project("shop").is_empty());
    bed.run().ready();
    let plan = bed.rolecall(&["plan", "--json"]).ready().json();
    let open: Vec<&Value> =
        plan["steps"].as_array().unwrap().iter().filter(|s| s["done"] == false && s["waits"] == false).collect();
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn status_tells_what_happened() {
    let bed = Bed::new();
    bed.compose("shop", "services:\n  web: { image: \"rolecall-test/web:1\" }\n");
    bed.imds.tag("Role", "web");
    bed.run().ready();
    bed.rolecall(&["status"]).ready().prints("ready").prints("web");
    let status = bed.rolecall(&["status", "--json"]).ready().json();
    assert_eq!(status["state"], "ready");
    assert_eq!(status["exit"], 0);
    assert_eq!(status["instance"], "i-0abcdef1234567890");
    assert_eq!(status["project"], "shop");
    bed.rolecall(&["status", "--wait"]).ready();
    bed.compose("other", "services:\n  web: { image: \"rolecall-test/web:1\", imagee: x }\n");
    bed.fails(3, "manifest-invalid");
    let status = bed.rolecall(&["status", "--json"]).json();
    assert_eq!(status["state"], "failed");
    assert_eq!(status["failure"]["cause"], "manifest-invalid");
    bed.rolecall(&["status", "--wait"]).exits(3);
}

#[test]
fn only_what_changed_is_replaced() {
    let bed = Bed::new();
    let compose = |text: &str| {
        format!(
            "services:\n  web:\n    image: {WEB}\n    environment: {{ TEXT: {text} }}\n    stop_grace_period: 1s\n  \
             cache:\n    image: {WEB}\n    volumes: [\"/data\"]\n"
        )
    };
    bed.compose("shop", &compose("one"));
    bed.run().ready();
    let id = |name: &str| bed.engine().inspect(name)["Id"].clone();
    let before = (id("shop-web-1"), id("shop-cache-1"));
    bed.compose("shop", &compose("two"));
    bed.run().ready();
    assert_ne!(id("shop-web-1"), before.0);
    assert_eq!(id("shop-cache-1"), before.1);
    assert_eq!(bed.engine().names(), ["shop-cache-1", "shop-web-1"]);
}

#[test]
fn a_stopped_container_is_started_and_a_removed_one_is_made_again() {
    let bed = Bed::new();
    bed.compose(
        "shop",
        &format!(
            "services:\n  web: {{ image: \"{WEB}\", restart: unless-stopped }}\n  cache: {{ image: \"{WEB}\" }}\n"
        ),
    );
    bed.run().ready();
    let engine = bed.engine();
    let web = engine.inspect("shop-web-1")["Id"].clone();
    engine.post("/containers/shop-web-1/stop?t=1", &Value::Null);
    assert!(engine.ask("DELETE", "/containers/shop-cache-1?force=1", "").unwrap().status < 300);
    bed.run().ready();
    assert_eq!(engine.inspect("shop-web-1")["Id"], web);
    assert_eq!(engine.inspect("shop-web-1")["State"]["Running"], true);
    assert_eq!(engine.inspect("shop-cache-1")["State"]["Running"], true);
}

#[test]
fn containers_carry_the_labels_of_compose_and_ours() {
    let bed = Bed::new();
    bed.compose("shop", &format!("services:\n  web: {{ image: \"{WEB}\", labels: {{ mine: \"1\" }} }}\n"));
    bed.run().ready();
    let labels = bed.engine().inspect("shop-web-1")["Config"]["Labels"].clone();
    assert_eq!(labels["com.docker.compose.project"], "shop");
    assert_eq!(labels["com.docker.compose.service"], "web");
    assert_eq!(labels["com.docker.compose.container-number"], "1");
    assert_eq!(labels["com.docker.compose.oneoff"], "False");
    assert_eq!(labels["mine"], "1");
    let hash = bed.agent.state.join("projects/shop/compose.yaml").display().to_string();
    let hashed = bed.rolecall(&["config", "-f", &hash, "--hash", "web"]).ready();
    let hash = hashed.stdout.split_whitespace().last().unwrap().to_owned();
    assert_eq!(labels["com.docker.compose.config-hash"], hash.as_str(), "{labels}");
    assert!(labels.as_object().unwrap().keys().any(|k| k.starts_with("io.rolecall.")), "{labels}");
}

#[test]
fn labels_are_those_of_the_compose_of_the_host_and_either_generation_is_up_to_date() {
    let bed = Bed::new();
    bed.compose(
        "shop",
        "services: { web: { image: \"rolecall-test/web:1\", volumes: [\"./data:/data\"] } }\nx-rolecall: { ready: { stable: 300ms } }\n",
    );
    // A Docker CLI with a plugin of this version, or without one.
    let programs = bed.path("programs");
    std::fs::create_dir(&programs).unwrap();
    let path = format!("{}:{}", programs.display(), bed.agent.env["PATH"].to_str().unwrap());
    let agent = bed.agent.clone().env("PATH", path);
    let with = |version: &str| {
        let answer = if version.is_empty() { "exit 1".to_owned() } else { format!("echo {version}") };
        let docker = programs.join("docker");
        std::fs::write(&docker, format!("#!/bin/sh\n[ \"$*\" = 'compose version --short' ] || exit 64\n{answer}\n"))
            .unwrap();
        std::fs::set_permissions(&docker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let labels = || {
        let labels = bed.engine().inspect("shop-web-1")["Config"]["Labels"].clone();
        ["version", "config-hash"].map(|name| labels[format!("com.docker.compose.{name}")].as_str().unwrap().to_owned())
    };
    let file = bed.agent.state.join("projects/shop/compose.yaml").display().to_string();
    let hash = |generation: &str| {
        let hashed = bed.rolecall(&["config", "--compose", generation, "-f", &file, "--hash", "web"]).ready();
        hashed.stdout.split_whitespace().last().unwrap().to_owned()
    };
    for (before, version, generation, after) in
        [("2.40.3", "2.40.3", "2", "5.5.0"), ("5.1.0", "5.5.0", "5", "2.29.7"), ("", "5.5.0", "5", "2.40.3")]
    {
        with(before);
        agent.run(&["run"]).ready();
        assert_eq!(labels(), [version.to_owned(), hash(generation)], "with {before}");
        let made = bed.engine().inspect("shop-web-1")["Id"].clone();
        with(after);
        agent.run(&["run"]).ready().says("nothing to do");
        assert_eq!(bed.engine().inspect("shop-web-1")["Id"], made);
        agent.run(&["down", "--all"]).ready();
    }
    assert_ne!(hash("2"), hash("5"), "the project shows no difference");
}

#[test]
fn attributes_reach_the_engine() {
    let bed = Bed::new();
    let compose = r#"
x-common: &common
  image: rolecall-test/web:1
  restart: unless-stopped
  logging: { driver: json-file, options: { max-size: 5m } }
services:
  web:
    <<: *common
    command: ["httpd", "-f", "-p", "8000", "-h", "/www"]
    entrypoint: ["/bin/env", "A=1"]
    environment:
      PLAIN: value
      DEFAULTED: ${UNSET:-fallback}
      REGION: ${ROLECALL_REGION}
      DOLLAR: $$HOME
    user: "1000:1000"
    working_dir: /tmp
    init: true
    stop_grace_period: 7s
    stop_signal: SIGINT
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD]
    read_only: true
    tmpfs: ["/scratch:size=1m"]
    mem_limit: 64m
    cpus: 0.5
    hostname: web-host
    networks: { front: { aliases: [www] }, back: {} }
    volumes: ["named:/data", "/dev/null:/null:ro", { type: tmpfs, target: /cache }]
networks: { front: {}, back: { internal: true } }
volumes: { named: {} }
"#;
    bed.compose("shop", compose);
    bed.run().ready();
    let c = bed.engine().inspect("shop-web-1");
    let (config, host) = (&c["Config"], &c["HostConfig"]);
    for env in ["PLAIN=value", "DEFAULTED=fallback", "REGION=eu-west-1", "DOLLAR=$HOME"] {
        assert!(config["Env"].as_array().unwrap().contains(&json!(env)), "{env} in {}", config["Env"]);
    }
    assert_eq!(config["Cmd"], json!(["httpd", "-f", "-p", "8000", "-h", "/www"]));
    assert_eq!(config["Entrypoint"], json!(["/bin/env", "A=1"]));
    assert_eq!(config["User"], "1000:1000");
    assert_eq!(config["WorkingDir"], "/tmp");
    assert_eq!(config["StopTimeout"], 7);
    assert_eq!(config["StopSignal"], "SIGINT");
    assert_eq!(config["Hostname"], "web-host");
    assert_eq!(host["Init"], true);
    assert_eq!(host["CapAdd"], json!(["CAP_NET_ADMIN"]));
    assert_eq!(host["CapDrop"], json!(["CAP_MKNOD"]));
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["Tmpfs"]["/scratch"], "size=1m");
    assert_eq!(host["Memory"], 64 << 20);
    assert_eq!(host["NanoCpus"], 500_000_000);
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped");
    assert_eq!(host["LogConfig"]["Config"]["max-size"], "5m");
    let networks = &c["NetworkSettings"]["Networks"];
    assert!(networks["shop_front"]["Aliases"].as_array().unwrap().contains(&json!("www")), "{networks}");
    assert!(networks["shop_back"].is_object());
    assert_eq!(bed.engine().get("/networks/shop_back")["Internal"], true);
    let targets: Vec<&str> =
        c["Mounts"].as_array().unwrap().iter().map(|m| m["Destination"].as_str().unwrap()).collect();
    for target in ["/data", "/null", "/cache"] {
        assert!(targets.contains(&target), "{target} in {targets:?}");
    }
    assert!(!bed.engine().get("/volumes/shop_named").is_null());
}

#[test]
fn a_service_starts_when_its_own_needs_hold() {
    let bed = Bed::new();
    let compose = "services:\n  web:\n    image: rolecall-test/web:1\n    depends_on:\n      migrate: { condition: \
        service_completed_successfully }\n      db: { condition: service_healthy }\n  migrate:\n    image: \
        rolecall-test/web:1\n    command: [sh, -c, \"sleep 1; echo migrated\"]\n    depends_on: [db]\n  db:\n    image: \
        rolecall-test/web:1\n    healthcheck: { test: [CMD-SHELL, \"test -e /tmp/up || { touch /tmp/up; false; }\"], \
        interval: 1s, retries: 5 }\n";
    bed.compose("shop", compose);
    bed.run().ready();
    let engine = bed.engine();
    let state = |name: &str, key: &str| engine.inspect(name)["State"][key].clone();
    assert_eq!(state("shop-migrate-1", "ExitCode"), 0);
    assert_eq!(state("shop-db-1", "Health")["Status"], "healthy");
    let started = state("shop-web-1", "StartedAt");
    assert!(started.as_str() > state("shop-migrate-1", "FinishedAt").as_str(), "web started before migrate was done");
    let done = state("shop-migrate-1", "StartedAt");
    bed.run().ready().says("nothing to do");
    assert_eq!(state("shop-migrate-1", "StartedAt"), done, "a one-shot that is done must not run again");
}

#[test]
fn a_one_shot_that_fails_keeps_what_needs_it_down_and_its_words_are_told() {
    let bed = Bed::new();
    let compose = "services:\n  web:\n    image: rolecall-test/web:1\n    depends_on: { migrate: { condition: \
        service_completed_successfully } }\n  migrate:\n    image: rolecall-test/web:1\n    command: [sh, -c, \"echo no \
        such table; exit 7\"]\n  other: { image: \"rolecall-test/web:1\" }\n";
    bed.compose("shop", compose);
    bed.fails(1, "container-failed").names("migrate").says("no such table");
    let running = |name: &str| bed.engine().containers().iter().any(|(n, c)| n == name && c["State"] == "running");
    assert!(!running("shop-web-1"));
    assert!(running("shop-other-1"), "what does not need it goes on");
}

#[test]
fn roles_select_services_with_what_they_need() {
    let compose = "services:\n  app: { image: \"rolecall-test/web:1\", depends_on: [db] }\n  db: { image: \
        \"rolecall-test/web:1\" }\n  worker: { image: \"rolecall-test/web:1\", profiles: [jobs] }\n  debug: { image: \
        \"rolecall-test/web:1\", profiles: [tools] }\nx-rolecall:\n  ready: { stable: 300ms }\n  roles:\n    edge: { services: { app: { \
        environment: { EDGE: \"1\" } } } }\n";
    for (roles, names) in [
        ("", &["app", "db"][..]),
        ("edge", &["app", "db"]),
        ("db", &["db"]),
        ("tools", &["app", "db", "debug"]),
        ("worker,db", &["db", "worker"]),
        ("all", &["app", "db", "debug", "worker"]),
    ] {
        let bed = Bed::new();
        if !roles.is_empty() {
            bed.imds.tag("Role", roles);
        }
        bed.compose("p", compose);
        bed.run().ready();
        let wanted: Vec<String> = names.iter().map(|n| format!("p-{n}-1")).collect();
        assert_eq!(bed.engine().names(), wanted, "roles {roles:?}");
        if roles == "edge" {
            assert!(bed.engine().inspect("p-app-1")["Config"]["Env"].to_string().contains("EDGE=1"));
        }
    }
}

#[test]
fn the_environment_overlay_is_merged_last() {
    let bed = Bed::new();
    bed.imds.tag("Environment", "prod");
    bed.project(
        "shop",
        &[
            ("compose.yaml", "services:\n  web: { image: \"rolecall-test/web:1\", environment: { STAGE: dev } }\n"),
            ("compose.override.yaml", "services:\n  web: { environment: { STAGE: override } }\n"),
            ("compose.prod.yaml", "services:\n  web: { environment: { STAGE: \"${ROLECALL_ENVIRONMENT}\" } }\n"),
        ],
    );
    bed.run().ready();
    let env = bed.engine().inspect("shop-web-1")["Config"]["Env"].to_string();
    assert!(env.contains("STAGE=prod"), "{env}");
}

#[test]
fn a_port_that_somebody_else_holds_is_named_with_its_holder() {
    let bed = Bed::new();
    let holder = std::net::TcpListener::bind("0.0.0.0:8085").unwrap();
    bed.compose("shop", "services:\n  web: { image: \"rolecall-test/web:1\", ports: [\"8085:80\"] }\n");
    bed.fails(1, "port-held").says("8085").says(&std::process::id().to_string());
    assert!(bed.engine().names().is_empty(), "nothing may start");
    drop(holder);
    bed.run().ready();
}

#[test]
fn stop_and_down_act_only_on_ours() {
    let bed = Bed::new();
    bed.compose(
        "shop",
        "services:\n  web: { image: \"rolecall-test/web:1\", restart: unless-stopped, depends_on: [db] }\n  db: { image: \
        \"rolecall-test/web:1\", volumes: [\"data:/data\"] }\nvolumes: { data: {} }\n",
    );
    bed.run().ready();
    let engine: &Engine = bed.engine();
    engine.post("/containers/create?name=foreign", &json!({ "Image": WEB }));
    engine.post("/containers/foreign/start", &Value::Null);
    bed.rolecall(&["stop", "--all"]).ready();
    let running = |name: &str| engine.inspect(name)["State"]["Running"].clone();
    assert_eq!(
        (running("shop-web-1"), running("shop-db-1"), running("foreign")),
        (json!(false), json!(false), json!(true))
    );
    bed.run().ready();
    assert_eq!(running("shop-web-1"), true);
    bed.rolecall(&["down", "--all"]).ready();
    assert_eq!(engine.names(), ["foreign"]);
    assert!(engine.get("/networks/shop_default").is_null());
    assert!(!engine.get("/volumes/shop_data").is_null(), "data stays");
}
