//! Equal containers: what the engine tells of our containers, networks and volumes is what it tells of those that the
//! real Docker Compose makes of the same project in the same folder, but for ids, times, addresses and our own labels.
//!
//! `ROLECALL_PEER_COMPOSE` names a `docker-compose` of version 2.40.3, and `ROLECALL_PEER_DOCKERD` an engine newer than
//! the distribution's; what cannot be had says that it was skipped.

mod commands;
mod told;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::json;

use crate::support::{
    bed::{BUCKET, Bed, binary},
    dockerd::Engine,
};
use told::{differ, told};

/// Proxies that the administrator of a host has set for all containers.
const CLIENT_CONFIG: &str =
    r#"{ "proxies": { "default": { "httpProxy": "http://proxy.test:3128", "noProxy": "localhost" } } }"#;

/// An engine to compare on.
#[derive(Clone, Copy, Debug)]
enum On {
    /// The distribution's own.
    Distribution,
    /// A newer one.
    Newer,
}

macro_rules! equal {
    ($($name:ident: $project:literal,)*) => {
        mod on_the_engine_of_the_distribution {
            $(#[test] fn $name() { super::compare(super::On::Distribution, $project, false); })*
        }
        mod on_a_newer_engine {
            $(#[test] fn $name() { super::compare(super::On::Newer, $project, false); })*
        }
    };
}

equal! {
    a_wide_project: "equal-wide",
    namespaces_networks_and_volumes_of_all_kinds: "equal-modes",
    networks: "equal-networks",
    mounts: "equal-mounts",
    configs_and_secrets: "equal-files",
    limits: "equal-limits",
    processes_and_namespaces: "equal-process",
}

#[test]
fn what_only_a_newer_engine_can() {
    compare(On::Newer, "equal-newer", false);
}

#[test]
fn devices_that_no_driver_has() {
    for on in [On::Distribution, On::Newer] {
        compare(on, "equal-devices", true);
    }
}

/// The real Docker Compose, on an engine and in a world of ours.
struct Peer {
    compose: PathBuf,
    bed: Bed,
}

impl Peer {
    /// A machine with the engine, and the project of that name in its bucket; nothing where something cannot be had.
    fn new(on: On) -> Option<Self> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.exists());
        let compose = path("ROLECALL_PEER_COMPOSE");
        let dockerd = match on {
            On::Distribution => Some(PathBuf::from(Engine::program())),
            On::Newer => path("ROLECALL_PEER_DOCKERD"),
        };
        let (Some(compose), Some(dockerd)) = (compose, dockerd) else {
            eprintln!("SKIPPED: {on:?}: ROLECALL_PEER_COMPOSE or ROLECALL_PEER_DOCKERD names nothing to compare with");
            return None;
        };
        let mut bed = Bed::with_engine(binary(), || Some(Engine::of(&dockerd)));
        let client = bed.path("client");
        fs::create_dir_all(&client).unwrap();
        fs::write(client.join("config.json"), CLIENT_CONFIG).unwrap();
        // New containers are labelled for the Compose of the host.
        fs::create_dir(client.join("cli-plugins")).unwrap();
        std::os::unix::fs::symlink(&compose, client.join("cli-plugins/docker-compose")).unwrap();
        bed.agent = bed.agent.env("DOCKER_CONFIG", client);
        Some(Self { compose, bed })
    }

    /// The folder that the project `equal` has on the host.
    fn folder(&self) -> PathBuf {
        self.bed.agent.state.join("projects/equal")
    }

    /// `docker-compose` with these arguments, in a folder.
    fn compose(&self, folder: &Path, args: &[&str]) -> Output {
        let env: Vec<(&str, &OsString)> =
            ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG"].map(|name| (name, &self.bed.agent.env[name])).into();
        let mut command = Command::new(&self.compose);
        command.args(args).current_dir(folder).env_clear().envs(env).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// The same, which has to succeed; its standard output.
    #[track_caller]
    fn composes(&self, folder: &Path, args: &[&str]) -> String {
        let done = self.compose(folder, args);
        assert!(done.status.success(), "compose {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn ids(&self) -> Vec<(String, String)> {
        let all = self.bed.engine().containers();
        all.into_iter().map(|(name, container)| (name, container["Id"].to_string())).collect()
    }
}

/// Compares what we make of a project with what Compose makes of it; `fails` where the engine can make its containers,
/// and not start them.
fn compare(on: On, project: &str, fails: bool) {
    let Some(peer) = Peer::new(on) else { return };
    let bed = &peer.bed;
    let engine = bed.engine();
    let group = engine.dir.file_name().unwrap().to_str().unwrap();
    outside(engine);
    bed.folder("equal", project);
    // Control groups below the engine's own go away with it.
    let variables = format!("CGROUP={group}/deeper\nFROM_ENV=from the environment\n");
    bed.aws.put(BUCKET, "equal/.env", variables);
    bed.run().exits(i32::from(fails));
    let ours = told(engine);
    // In the same folder, and over our own containers: nothing is made anew.
    let folder = peer.folder();
    let before = peer.ids();
    let up = || {
        let done = peer.compose(&folder, &["up", "--detach"]);
        assert_eq!(done.status.success(), !fails, "{on:?}: compose up: {}", String::from_utf8_lossy(&done.stderr));
    };
    up();
    assert_eq!(peer.ids(), before, "compose made anew what we had made");
    if !fails {
        bed.run().ready().says("nothing to do");
    }
    bed.rolecall(&["down", "--all"]).ready();
    peer.composes(&folder, &["down", "--volumes"]);
    up();
    let theirs = told(engine);
    let mut differences = Vec::new();
    differ("", &json!(theirs), &json!(ours), &mut differences);
    assert!(differences.is_empty(), "{on:?}: compose's, then ours:\n{}", differences.join("\n"));
}

/// What projects refer to and do not make.
fn outside(engine: &Engine) {
    engine.import("rolecall-test/volume:1", &["VOLUME /imgvol", "ENV A=1", "ENTRYPOINT [\"/bin/sh\",\"-c\"]"]);
    engine.import(
        "rolecall-test/checked:1",
        &[
            "HEALTHCHECK --interval=1s --retries=2 CMD true",
            "ENV B=2",
            "USER app",
            "WORKDIR /data",
            "LABEL of=image",
            "CMD [\"sleep\", \"1000\"]",
        ],
    );
    engine.post("/networks/create", &json!({ "Name": "equal-external", "Attachable": true }));
    // Docker Compose lets two projects share a network of one key and name.
    let labels = json!({ "com.docker.compose.project": "neighbour", "com.docker.compose.network": "shared" });
    engine.post("/networks/create", &json!({ "Name": "equal-shared", "Labels": labels }));
    engine.post("/volumes/create", &json!({ "Name": "equal-external" }));
    let sleeps =
        json!({ "Image": "rolecall-test/web:1", "Cmd": ["sleep", "1000"], "HostConfig": { "IpcMode": "shareable" } });
    engine.post("/containers/create?name=equal-outside", &sleeps);
    engine.post("/containers/equal-outside/start", &serde_json::Value::Null);
}
