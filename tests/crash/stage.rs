//! A host with a project that runs, and a newer version of that project, so that the run between them does a bit of
//! everything: files, scripts, pulls, networks, volumes, containers made, replaced and removed, images that go.

use std::{fs, os::fd::AsFd as _, path::PathBuf, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify::{self, CreateFlags, WatchFlags},
    process::Signal,
};
use serde_json::{Value, json};

use super::picture::{differences, picture};
use crate::support::{
    agent::{Outcome, Running},
    bed::{BUCKET, Bed},
    dockerd::WEB,
    image::Image,
    registry::Registry,
};

/// When a run is killed.
pub(super) enum Moment {
    /// As soon as the journal has so many more lines.
    Record(usize),
    /// So long after its start.
    After(Duration),
    /// As soon as its script has said that it has begun.
    Script,
}

/// What a kill left.
pub(super) struct Left {
    journal: Vec<Value>,
    /// Whether the run had not ended by itself before.
    pub(super) under_way: bool,
}

impl Left {
    fn has(&self, event: &str, name: &str) -> bool {
        self.journal.iter().any(|record| record["event"] == event && record["name"] == name)
    }

    pub(super) fn begun(&self, name: &str) -> bool {
        self.has("intent", name)
    }

    pub(super) fn done(&self, name: &str) -> bool {
        self.has("done", name) || self.content_done(name)
    }

    /// Whether the end of a script is known by its content, which is noted before that of its step.
    fn content_done(&self, name: &str) -> bool {
        let is = |record: &Value, event: &str, key: &str, start: &str| {
            record["event"] == event && record[key].as_str().is_some_and(|text| text.starts_with(start))
        };
        let mut after = self.journal.iter().skip_while(|record| !is(record, "intent", "name", name));
        name.starts_with("script:") && after.any(|record| is(record, "done", "step", "content:"))
    }
}

pub(super) struct Stage {
    bed: Bed,
    registry: Registry,
    /// What the second script does between its first and its last word.
    work: &'static str,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// A second script that would take for ever when it runs for the first time.
    pub(super) fn slow() -> Self {
        Self::with("[ $ROLECALL_ATTEMPT != 1 ] || sleep 86399")
    }

    fn with(work: &'static str) -> Self {
        let stage = Self { bed: Bed::new(), registry: Registry::start(), work };
        for tag in ["1", "2"] {
            let image = Image::new(&json!({ "Env": ["PATH=/bin", format!("RELEASE={tag}")],
                "Cmd": ["sh", "-c", "trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait"] }));
            stage.registry.push("app/web", tag, &image);
        }
        stage
    }

    /// Brings the host to where the run begins: the older version is up, the newer one in the bucket. How long the older
    /// one took.
    pub(super) fn reset(&self) -> Duration {
        self.clear();
        let older = format!(
            "services:\n  web: {{ image: \"{0}/app/web:1\", networks: [back] }}\n  cache: {{ image: \"{WEB}\", \
             environment: {{ SIZE: \"1\" }}, networks: [back] }}\n  same: {{ image: \"{WEB}\", networks: [back] }}\n  \
             old: {{ image: \"{WEB}\", networks: [back] }}\nnetworks: {{ back: {{}} }}\n\
             x-rolecall: {{ host: {{ containers-dir: \"{1}\" }} }}\n",
            self.registry.server.addr,
            self.bed.path("containers").display()
        );
        let first = ("bootstrap/10-first.sh", self.script("10", ""));
        self.offer(&[("compose.yaml", older), first.clone(), ("gone.conf", "gone\n".into())]);
        let took = self.run().ready().took;
        let newer = format!(
            "services:
  web:
    image: {0}/app/web:2
    ports: [\"8080:80\"]
    networks: [front, back]
    depends_on: {{ migrate: {{ condition: service_completed_successfully }}, cache: {{ condition: service_started }} }}
    configs: [site]
    volumes: [\"./html:/www:ro\"]
  db:
    image: {WEB}
    networks: [back]
    healthcheck: {{ test: [CMD, wget, -qO-, \"http://127.0.0.1/\"], interval: 200ms, retries: 50 }}
    pre_start: [{{ command: [sh, -c, \"echo prepared >> /data/prepared\"] }}]
    post_start: [{{ command: [touch, /data/hooked] }}]
    volumes: [\"data:/data\"]
    secrets: [token]
  migrate:
    image: {WEB}
    command: [sh, -c, \"echo migrated >> /data/rows\"]
    volumes: [\"data:/data\"]
    networks: [back]
    depends_on: {{ db: {{ condition: service_healthy }} }}
  cache: {{ image: \"{WEB}\", environment: {{ SIZE: \"2\" }}, networks: [back], depends_on: [db] }}
  same:
    image: {WEB}
    networks: [back]
    depends_on: {{ cache: {{ condition: service_started, restart: true }} }}
networks: {{ front: {{}}, back: {{}} }}
volumes: {{ data: {{}} }}
configs: {{ site: {{ file: ./site.conf }} }}
secrets: {{ token: {{ file: ./token }} }}
x-rolecall:
  host:
    prune: true
    containers-dir: \"{1}\"
    files: [{{ path: html/index.html, mode: 0640, owner: 1000, group: root }}]
",
            self.registry.server.addr,
            self.bed.path("containers").display()
        );
        self.offer(&[
            ("compose.yaml", newer),
            first,
            ("bootstrap/20-second.sh", self.script("20", self.work)),
            ("html/index.html", "the shop\n".into()),
            ("site.conf", "listen 80\n".into()),
            ("token", "hush\n".into()),
        ]);
        took
    }

    /// Nothing is there any more, but the image that the engine came with.
    fn clear(&self) {
        let engine = self.bed.engine();
        let gone = |path: &str| {
            let answer = engine.ask("DELETE", path, "").unwrap();
            assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
        };
        engine.names().iter().for_each(|name| gone(&format!("/containers/{name}?force=1&v=1")));
        for network in engine.get("/networks").as_array().unwrap() {
            let name = network["Name"].as_str().unwrap();
            if name.starts_with("app_") {
                gone(&format!("/networks/{name}"));
            }
        }
        for volume in engine.get("/volumes")["Volumes"].as_array().into_iter().flatten() {
            gone(&format!("/volumes/{}", volume["Name"].as_str().unwrap()));
        }
        for image in engine.get("/images/json").as_array().unwrap().iter().filter(|i| i["RepoTags"][0] != WEB) {
            gone(&format!("/images/{}?force=1", image["Id"].as_str().unwrap()));
        }
        for folder in [&self.bed.agent.state, &self.bed.path("containers")] {
            let _ = fs::remove_dir_all(folder);
        }
        let _ = fs::remove_file(self.effects_file());
    }

    /// The project in the bucket is these files and no others.
    fn offer(&self, files: &[(&str, String)]) {
        self.bed.aws.store(|store| store.bucket(BUCKET).objects.clear());
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        self.bed.project("app", &files);
    }

    fn effects_file(&self) -> PathBuf {
        self.bed.path("effects")
    }

    fn script(&self, name: &str, work: &str) -> String {
        let effects = self.effects_file();
        let say = |word: &str| format!("echo {name} $ROLECALL_ATTEMPT {word} >> {}\n", effects.display());
        format!("#!/bin/sh\n{}{work}\n{}", say("begun"), say("done"))
    }

    /// What a script has done: attempt and word.
    pub(super) fn effects(&self, script: &str) -> Vec<String> {
        let text = fs::read_to_string(self.effects_file()).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix(script)).map(|line| line.trim().to_owned()).collect()
    }

    fn start(&self) -> Running {
        self.bed.agent.spawn(&["run", "--remove-orphans"])
    }

    pub(super) fn run(&self) -> Outcome {
        self.start().wait()
    }

    /// The run as nothing disturbs it: what there is then, how many records it writes, how long it takes.
    pub(super) fn undisturbed(&self) -> (Value, usize, Duration) {
        let before = self.lines();
        let took = self.run().ready().took;
        assert_eq!(crate::support::client::served(8080, "/").text(), "the shop\n");
        (picture(&self.bed), self.lines() - before, took)
    }

    fn journal(&self) -> PathBuf {
        self.bed.agent.state.join("journal.jsonl")
    }

    fn lines(&self) -> usize {
        fs::read(self.journal()).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
    }

    /// Starts the run and kills it; the journal of that run.
    pub(super) fn kill(&self, moment: Moment) -> Left {
        let before = self.lines();
        let watched = match moment {
            Moment::Script => self.effects_file(),
            _ => self.journal(),
        };
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&watch, &watched, WatchFlags::MODIFY).unwrap();
        let mut run = self.start();
        match moment {
            // The moment is what is waited for.
            Moment::After(time) => std::thread::sleep(time),
            Moment::Record(count) => {
                while self.lines() < before + count && !run.ended() {
                    changed(&watch);
                }
            }
            Moment::Script => {
                while self.effects("20").is_empty() && !run.ended() {
                    changed(&watch);
                }
            }
        }
        let under_way = !run.ended();
        if under_way {
            run.signal(Signal::KILL);
        }
        drop(run.wait());
        let text = String::from_utf8_lossy(&fs::read(self.journal()).unwrap()).into_owned();
        let records = text.lines().skip(before).filter_map(|line| serde_json::from_str(line.split_once(' ')?.1).ok());
        Left { journal: records.collect(), under_way }
    }

    /// The next run makes of what a kill left what an undisturbed run makes, and there is nothing left to do.
    pub(super) fn converges(&self, wanted: &Value, left: &Left, when: &str) {
        let next = self.run();
        assert_eq!(next.code, Some(0), "{when}\n{}", next.told());
        let differences = differences(wanted, &picture(&self.bed));
        assert!(differences.is_empty(), "{when}\n{}\n{}", differences.join("\n"), next.told());
        let name = "script:bootstrap/20-second.sh";
        let attempt = if left.begun(name) && !left.done(name) { "2" } else { "1" };
        self.once_or_again(attempt, when);
        assert_eq!(self.effects("10"), ["1 begun", "1 done"], "{when}: it was done before");
        let last = self.run();
        assert!(last.stderr.contains("nothing to do"), "{when}\n{}", last.told());
    }

    /// The second script ran to its end once as the last thing; what came before was told that it was a try.
    fn once_or_again(&self, attempt: &str, when: &str) {
        let effects = self.effects("20");
        let [earlier @ .., begun, done] = &effects[..] else { panic!("{when}: {effects:?}") };
        assert_eq!((begun, done), (&format!("{attempt} begun"), &format!("{attempt} done")), "{when}: {effects:?}");
        let tries: &[&[&str]] = &[&[], &["1 begun"], &["1 begun", "1 done"]];
        assert!(
            tries.iter().any(|known| known == &earlier) && (earlier.is_empty() || attempt == "2"),
            "{when}: {effects:?}"
        );
    }

    /// How many processes of slow scripts there are in this network.
    pub(super) fn waiting(&self) -> usize {
        let mine = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten().filter(|process| {
            let is = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
            is("cmdline") == b"sleep\x0086399\0"
                && fs::read_link(process.path().join("ns/net")).is_ok_and(|net| net == mine)
        });
        processes.count()
    }
}

/// Waits for a change, or for a moment in which a process may have ended.
fn changed(watch: &std::os::fd::OwnedFd) {
    let tick = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    let _ = poll(&mut [PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)], Some(&tick));
    let _ = rustix::io::read(watch, &mut [0_u8; 4096]);
}
