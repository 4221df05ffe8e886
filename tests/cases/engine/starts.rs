//! Advice for containers that do not start or do not stay up.

use crate::support::bed::Bed;

fn web(attributes: &str) -> String {
    format!("services: {{ web: {{ image: \"rolecall-test/web:1\", {attributes} }} }}\n")
}

#[test]
fn container_that_does_not_start_has_its_own_advice() {
    let bed = Bed::new();
    let folder = bed.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let folder = format!("volumes: [\"{}:/www/index.html\"]", folder.display());
    let tool = "entrypoint: [/tool], volumes: [\"./tool:/tool:ro\"]";
    let table = [
        (folder.as_str(), "correct `volumes`, or replace the folder on the host"),
        (tool, "set the mode of its file in x-rolecall.host.files"),
        ("command: [/no/such]", "correct `command` or `entrypoint`"),
        ("command: [no-such]", "correct `command` or `entrypoint`"),
    ];
    for (attributes, advice) in table {
        bed.project("shop", &[("compose.yaml", &web(attributes)), ("tool", "no program\n")]);
        let failed = bed.fails(1, "container-failed").hints(advice);
        assert!(!failed.line.contains("docker logs"), "it wrote nothing: {}", failed.line);
    }
}

#[test]
fn container_that_ends_is_named_in_the_advice() {
    let bed = Bed::new();
    bed.compose("shop", &web("command: [sh, -c, \"exit 3\"]"));
    bed.fails(1, "container-failed").hints("docker logs shop-web-1");
    let tool = web("init: true, entrypoint: [/tool], volumes: [\"./tool:/tool:ro\"]");
    bed.project("shop", &[("compose.yaml", &tool), ("tool", "no program\n")]);
    bed.fails(1, "container-failed").hints("set the mode of its file in x-rolecall.host.files");
    bed.compose("shop", "services: { web: { image: \"rolecall-test/web:1\", healthcheck: { test: \"exit 1\", interval: 1s, retries: 1 } } }\nx-rolecall: { ready: { timeout: 5s } }\n");
    bed.fails(1, "container-unhealthy").hints("docker inspect shop-web-1");
}
