//! The same eight services by other means.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    measure::timed,
    support::{
        bed::Bed,
        client::{To, request},
        dockerd::{Engine, WEB},
    },
};

/// Services.
pub(crate) const COUNT: usize = 8;

/// The one that changes: the last of a chain.
const LAST: usize = COUNT - 1;

/// What is asked for, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    FromNothing,
    NothingToDo,
    OneChanged,
    Down,
}

impl Phase {
    pub(crate) const ALL: [Self; 4] = [Self::FromNothing, Self::NothingToDo, Self::OneChanged, Self::Down];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FromNothing => "from nothing",
            Self::NothingToDo => "nothing to do",
            Self::OneChanged => "one service changed",
            Self::Down => "down",
        }
    }
}

/// A compose project of `count` services in two chains: service n needs service n - 2. Compose does not wait until they
/// have stayed up for a while, so that neither does rolecall.
pub(crate) fn project(count: usize) -> String {
    let mut text = String::from("x-rolecall: { ready: { stable: 0s } }\nservices:\n");
    for n in 0..count {
        let _ = write!(text, "  s{n}:\n    image: {WEB}\n    stop_grace_period: 0s\n");
        if n >= 2 {
            let _ = writeln!(text, "    depends_on: [s{}]", n - 2);
        }
    }
    text
}

/// The project in a phase; in the last but one it has a variable more.
pub(crate) fn text(phase: Phase) -> String {
    let mut text = project(COUNT);
    if matches!(phase, Phase::OneChanged | Phase::Down) {
        text.push_str("    environment: { CHANGED: \"1\" }\n");
    }
    text
}

/// A phase by no more requests than the engine has to be asked, all at the same time as far as the needs allow.
pub(crate) fn bare(bed: &Bed, phase: Phase) -> Duration {
    let api = Api(To::Unix(bed.engine().socket()));
    timed(|| match phase {
        Phase::FromNothing => {
            api.ask("POST", "/networks/create", &json!({ "Name": "bare_default", "Driver": "bridge" }));
            in_turn(|n| n.checked_sub(2), |n| api.create(n, &[]), |n| api.start(n));
        }
        // Whoever labels containers with what they were made of needs to see no more than the list.
        Phase::NothingToDo => api.ask("GET", "/containers/json?all=1", &Value::Null),
        Phase::OneChanged => {
            api.remove(LAST);
            api.create(LAST, &["CHANGED=1"]);
            api.start(LAST);
        }
        Phase::Down => {
            in_turn(|n| Some(n + 2).filter(|&n| n < COUNT), |_| {}, |n| api.remove(n));
            api.ask("DELETE", "/networks/bare_default", &Value::Null);
        }
    })
}

/// For every service at the same time: `first`, then, once `then` of the one that it has to wait for is done, `then`.
fn in_turn(waits_for: impl Fn(usize) -> Option<usize>, first: impl Fn(usize) + Sync, then: impl Fn(usize) + Sync) {
    let (first, then) = (&first, &then);
    std::thread::scope(|scope| {
        let (tell, mut wait): (Vec<_>, Vec<_>) =
            (0..COUNT).map(|_| mpsc::channel::<()>()).map(|(t, w)| (t, Some(w))).unzip();
        for (n, done) in tell.into_iter().enumerate() {
            let need = waits_for(n).and_then(|m| wait[m].take());
            scope.spawn(move || {
                first(n);
                if let Some(need) = need {
                    need.recv().unwrap();
                }
                then(n);
                // Nobody may be waiting for the last of a chain.
                let _ = done.send(());
            });
        }
    });
}

struct Api(To);

impl Api {
    fn create(&self, n: usize, environment: &[&str]) {
        let endpoints = json!({ "bare_default": { "Aliases": [format!("s{n}")] } });
        let body = json!({ "Image": WEB, "Env": environment, "HostConfig": { "NetworkMode": "bare_default" },
            "NetworkingConfig": { "EndpointsConfig": endpoints } });
        self.ask("POST", &format!("/containers/create?name=bare-s{n}-1"), &body);
    }

    fn start(&self, n: usize) {
        self.ask("POST", &format!("/containers/bare-s{n}-1/start"), &Value::Null);
    }

    fn remove(&self, n: usize) {
        self.ask("POST", &format!("/containers/bare-s{n}-1/stop?t=0"), &Value::Null);
        self.ask("DELETE", &format!("/containers/bare-s{n}-1?v=1"), &Value::Null);
    }

    fn ask(&self, method: &str, path: &str, body: &Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = request(&self.0, method, path, &[("content-type", "application/json")], text).unwrap();
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
    }
}

/// A phase by `docker compose`.
pub(crate) fn compose(bed: &Bed, program: &Path, file: &Path, phase: Phase) -> Duration {
    let words: &[&str] = if phase == Phase::Down { &["down"] } else { &["up", "--detach", "--quiet-pull"] };
    let mut command = Command::new(program);
    command.args(["--project-name", "peer", "--file"]).arg(file).args(words).env("DOCKER_HOST", bed.engine().host());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    timed(|| assert!(command.status().unwrap().success(), "{command:?} failed"))
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
