//! What stands under `x-rolecall`, beyond roles.

use std::fs;

use serde_json::json;

use crate::support::{
    bed::{BUCKET, Bed},
    client::served,
    image::Image,
    registry::Registry,
};

fn with(extension: &str) -> String {
    format!("services:\n  web: {{ image: \"rolecall-test/web:1\" }}\nx-rolecall:\n{extension}")
}

#[test]
fn each_service_gets_a_folder_of_the_host() {
    let bed = Bed::new();
    let folder = bed.path("containers");
    bed.compose("shop", &with(&format!("  host: {{ containers-dir: \"{}\" }}\n", folder.display())));
    bed.run().ready();
    let mounts = bed.engine().inspect("shop-web-1")["Mounts"].clone();
    let host = mounts.as_array().unwrap().iter().find(|m| m["Destination"] == "/host");
    assert_eq!(host.map(|m| m["Source"].clone()), Some(json!(folder.join("web"))), "{mounts}");
    assert!(folder.join("web").is_dir());
}

#[test]
fn variables_come_from_parameters_secrets_objects_and_files_and_leave_no_trace() {
    let bed = Bed::new();
    bed.aws.api(|api| {
        api.parameters.insert("/prod/db/password".into(), "value-of-parameter".into());
        api.secrets.insert("prod/api".into(), json!({ "key": "value-of-secret", "other": "x" }).to_string());
    });
    bed.aws.put(BUCKET, "secrets/token", "value-of-object");
    let file = bed.path("secret");
    fs::write(&file, "value-of-file").unwrap();
    let compose = format!(
        "services:\n  web:\n    image: rolecall-test/web:1\n    environment: {{ A: \"${{A}}\", B: \"${{B}}\", C: \"${{C}}\", D: \
         \"${{D}}\" }}\nx-rolecall:\n  variables:\n    A: ssm:///prod/db/password\n    B: \
         secretsmanager://prod/api#key\n    C: s3://{BUCKET}/secrets/token\n    D: file://{}\n",
        file.display()
    );
    bed.compose("shop", &compose);
    let run = bed.run().ready();
    let env = bed.engine().inspect("shop-web-1")["Config"]["Env"].to_string();
    for value in ["A=value-of-parameter", "B=value-of-secret", "C=value-of-object", "D=value-of-file"] {
        assert!(env.contains(value), "{value} in {env}");
    }
    let mut seen = format!("{}{}{}", run.stdout, run.stderr, bed.agent.status());
    for content in bed.agent.files().values() {
        seen.push_str(&String::from_utf8_lossy(content));
    }
    let plan = bed.rolecall(&["plan", "--json"]).ready();
    seen.push_str(&plan.stdout);
    assert!(!seen.contains("value-of-"), "a value was written down");
    bed.run().ready().says("nothing to do");
}

#[test]
fn a_parameter_that_may_not_be_read_names_the_action() {
    let bed = Bed::new();
    bed.aws.api(|api| _ = api.denied.insert("ssm:GetParameter"));
    bed.compose("shop", &with("  variables: { A: \"ssm:///prod/db\" }\n"));
    let agent = bed.agent.env("ROLECALL_DEADLINE", "5s");
    agent.run(&["run"]).fails(4, "cloud-denied").names("ssm:GetParameter");
    assert!(bed.engine().names().is_empty());
}

#[test]
fn replaced_images_go_after_the_new_ones_are_ready() {
    let bed = Bed::new();
    let registry = Registry::start();
    let one = registry.push("app/web", "1", &Image::web());
    let two =
        registry.push("app/web", "2", &Image::new(&json!({ "Cmd": ["sleep", "1000"], "Env": ["PATH=/bin", "V=2"] })));
    let compose = |image: &str| {
        format!(
            "services:\n  web: {{ image: \"{image}\", stop_grace_period: 0s, init: true }}\nx-rolecall: {{ host: {{ prune: true }} }}\n"
        )
    };
    bed.compose("shop", &compose(&one));
    bed.run().ready();
    bed.compose("shop", &compose(&two));
    bed.run().ready();
    let images = bed.engine().get("/images/json").to_string();
    assert!(!images.contains(&one) && images.contains(&two), "{images}");
    assert!(images.contains("rolecall-test/web:1"), "an image that is not ours went too");
}

#[test]
fn a_remote_engine_cannot_be_set_up_from_here() {
    let mut bed = Bed::new();
    bed.agent = bed.agent.env("DOCKER_HOST", "tcp://192.0.2.1:2375");
    bed.compose("shop", &with("  host: { docker: { data-root: /srv/docker } }\n"));
    let refused = bed.run();
    assert!(matches!(refused.code, Some(1..=3)), "{}", refused.told());
    assert!(refused.stderr.contains("host.docker"), "{}", refused.told());
}

#[test]
fn nothing_is_ready_before_its_health_check_says_so() {
    let bed = Bed::new();
    let compose = "services:\n  web:\n    image: rolecall-test/web:1\n    ports: [\"8090:80\"]\n    command: [sh, -c, \"sleep 2; \
        httpd -f -p 80 -h /www\"]\n    stop_grace_period: 0s\n    healthcheck: { test: [CMD, wget, -qO-, \"http://127.0.0.1/\"], \
        interval: 1s, retries: 10 }\n";
    bed.compose("shop", compose);
    bed.run().ready();
    assert_eq!(served(8090, "/").status, 200);
}
