//! The same eight services by other means.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::support::{
    bed::Bed,
    client::{To, request},
    dockerd::{Engine, WEB},
};

/// A compose project of `count` services in two chains: service n needs service n - 2.
pub(crate) fn project(count: usize) -> String {
    let mut text = String::from("services:\n");
    for n in 0..count {
        let _ = write!(text, "  s{n}:\n    image: {WEB}\n    stop_grace_period: 0s\n");
        if n >= 2 {
            let _ = writeln!(text, "    depends_on: [s{}]", n - 2);
        }
    }
    text
}

/// Creates a network and the containers, and starts each when the one that it needs has started: no more than the
/// engine has to do, all at the same time as far as the needs allow.
pub(crate) fn bare_api(bed: &Bed, count: usize) -> Duration {
    let start = Instant::now();
    let to = To::Unix(bed.engine().socket());
    post(&to, "/networks/create", &json!({ "Name": "bare_default", "Driver": "bridge" }));
    std::thread::scope(|scope| {
        let (tell, mut wait): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel::<()>()).map(|(t, w)| (t, Some(w))).unzip();
        for (n, done) in tell.into_iter().enumerate() {
            let need = n.checked_sub(2).and_then(|m| wait[m].take());
            let to = to.clone();
            scope.spawn(move || {
                let endpoints = json!({ "bare_default": { "Aliases": [format!("s{n}")] } });
                let body = json!({ "Image": WEB, "HostConfig": { "NetworkMode": "bare_default" },
                    "NetworkingConfig": { "EndpointsConfig": endpoints } });
                post(&to, &format!("/containers/create?name=bare-s{n}-1"), &body);
                if let Some(need) = need {
                    need.recv().unwrap();
                }
                post(&to, &format!("/containers/bare-s{n}-1/start"), &Value::Null);
                // Nobody may be waiting for the last of a chain.
                let _ = done.send(());
            });
        }
    });
    start.elapsed()
}

fn post(to: &To, path: &str, body: &Value) {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = request(to, "POST", path, &[("content-type", "application/json")], text).unwrap();
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
}

/// `docker compose up -d`.
pub(crate) fn compose(bed: &Bed, program: &Path, file: &Path) -> Duration {
    let start = Instant::now();
    let status = Command::new(program)
        .args(["--project-name", "peer", "--file"])
        .arg(file)
        .args(["up", "--detach", "--quiet-pull"])
        .env("DOCKER_HOST", bed.engine().host())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{}: {status}", program.display());
    start.elapsed()
}

/// Removes all containers and networks.
pub(crate) fn clear(engine: &Engine) {
    for name in engine.names() {
        let gone = engine.ask("DELETE", &format!("/containers/{name}?force=1&v=1"), "").unwrap();
        assert!(gone.status < 300, "{name}: {}", gone.text());
    }
    let pruned = engine.ask("POST", "/networks/prune", "").unwrap();
    assert!(pruned.status < 300, "{}", pruned.text());
}
