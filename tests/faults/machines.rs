//! The machines that faults are played on, and what an undisturbed run makes of each.

use std::{fs, time::Duration};

use rolecall::fetch::sha256;

use crate::support::{
    agent::{Outcome, Running},
    bed::{BUCKET, Bed},
    client::served,
    http::{Reply, Request, Server},
    image::Image,
    net::free_port,
    registry::Registry,
    tls::Authority,
};

/// A run that has ended, on the machine that it ran on.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) machine: Machine,
}

impl Done {
    /// Standard error must hold this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        Self { outcome: self.outcome.says(text), ..self }
    }
}

/// A machine with everything that its run needs.
pub(crate) struct Machine {
    pub(crate) bed: Bed,
    /// Serves what is not of the cloud: a web server, a registry, a mirror of packages.
    pub(crate) web: Option<Server>,
    pub(crate) registry: Option<Registry>,
    engine: Option<Server>,
    args: Vec<String>,
    undisturbed: fn(&Machine),
}

/// The script of [`Machine::script`]: it tells who runs it, and what stood beside it.
pub(crate) const SCRIPT: &str =
    "#!/bin/sh\necho \"$ROLECALL_INSTANCE_ID [$ROLECALL_ROLES] attempt $ROLECALL_ATTEMPT\" >> \"$MARK\"\n";

const RAN: &str = "i-0abcdef1234567890 [web] attempt 1\n";

impl Machine {
    /// A machine of this bed, and what else it needs.
    pub(crate) fn of(bed: Bed, web: Option<Server>, undisturbed: fn(&Self)) -> Self {
        Self { bed, web, registry: None, engine: None, args: vec!["run".into()], undisturbed }
    }

    /// A machine whose role is one script of a prefix. Its engine is played: it only has to answer.
    pub(crate) fn script() -> Self {
        let bed = Bed::without_engine();
        bed.imds.tag("Role", "web");
        bed.project("app", &[("10.sh", SCRIPT), ("conf/data.txt", &"data\n".repeat(4000))]);
        Self::of(bed, None, |machine| {
            machine.ran();
            let project = machine.bed.agent.project("app");
            let sizes: Vec<(&str, usize)> = project.iter().map(|(path, data)| (path.as_str(), data.len())).collect();
            assert_eq!(sizes, [("10.sh", SCRIPT.len()), ("conf/data.txt", 20_000)]);
        })
        .with_played_engine()
        .env("MARK", |machine| machine.bed.path("mark").display().to_string())
    }

    /// The same, with a script that is the whole source.
    pub(crate) fn single() -> Self {
        let mut machine = Self::script();
        machine.undisturbed = Self::ran;
        machine.bed.aws.put(BUCKET, "one/run.sh", SCRIPT);
        machine.source(&format!("s3://{BUCKET}/one/run.sh#sha256={}", sha256(SCRIPT.as_bytes())))
    }

    /// The same, with tags that only the EC2 API tells.
    pub(crate) fn tags_by_api() -> Self {
        let machine = Self::script();
        machine.bed.imds.set(|i| i.tags_in_metadata = false);
        machine
    }

    /// The same, whose script comes from a web server under TLS.
    pub(crate) fn https() -> Self {
        Self::https_with(|dir| Authority::new(dir, &["localhost"]))
    }

    /// The same with another certificate.
    pub(crate) fn https_with(authority: impl FnOnce(&std::path::Path) -> Authority) -> Self {
        let mut machine = Self::script();
        machine.undisturbed = Self::ran;
        let tls = machine.bed.path("tls");
        fs::create_dir(&tls).unwrap();
        let authority = authority(&tls);
        let web = Server::start_on("web", "127.0.0.1:0", Some(authority.server.clone()), |r: &Request| {
            match r.path.as_str() {
                "/run.sh" => Reply::new(200, SCRIPT),
                _ => Reply::new(404, "no such page"),
            }
        });
        let source = format!("https://localhost:{}/run.sh#sha256={}", web.addr.port(), sha256(SCRIPT.as_bytes()));
        machine.web = Some(web);
        let ca = authority.ca.display().to_string();
        machine.source(&source).env("AWS_CA_BUNDLE", |_| ca)
    }

    /// A machine with a real engine, whose one service is pulled from a registry and answers.
    pub(crate) fn service() -> Self {
        Self::service_on(Bed::new())
    }

    /// The same on this bed.
    pub(crate) fn service_on(bed: Bed) -> Self {
        let registry = Registry::start();
        let image = registry.push("app/web", "1", &Image::web());
        bed.compose("shop", &format!("services:\n  web: {{ image: \"{image}\", ports: [\"8080:80\"] }}\n"));
        let mut machine = Self::of(bed, None, Self::answers);
        machine.registry = Some(registry);
        machine.deadline(60)
    }

    /// A machine with a real engine and this compose file; the image is there.
    pub(crate) fn compose(text: &str) -> Self {
        let bed = Bed::new();
        bed.compose("shop", text);
        Self::of(bed, None, Self::answers)
    }

    /// Has the run call an engine that only answers what it is.
    pub(crate) fn with_played_engine(mut self) -> Self {
        let engine = Server::start("engine", played_engine);
        self.bed.agent = self.bed.agent.env("DOCKER_HOST", format!("tcp://{}", engine.addr));
        self.engine = Some(engine);
        self
    }

    /// Sets a variable of the run.
    pub(crate) fn env(mut self, name: &str, value: impl FnOnce(&Self) -> String) -> Self {
        let value = value(&self);
        self.bed.agent = self.bed.agent.env(name, value);
        self
    }

    /// Seconds that the run has.
    pub(crate) fn deadline(self, seconds: u32) -> Self {
        self.env("ROLECALL_DEADLINE", |_| format!("{seconds}s"))
    }

    /// Another source than that of the tag.
    pub(crate) fn source(mut self, source: &str) -> Self {
        self.args.extend(["--source".to_owned(), source.to_owned()]);
        self
    }

    /// Starts the run.
    pub(crate) fn spawn(&self) -> Running {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.bed.agent.spawn(&args)
    }

    /// Runs to the end.
    pub(crate) fn run(self) -> Done {
        Done { outcome: self.spawn().wait(), machine: self }
    }

    /// Runs to the end; what is missing at its start is put right two seconds later, and stays as long as it runs.
    pub(crate) fn run_through_outage<T>(mut self, repair: impl FnOnce(&mut Self) -> T) -> Done {
        let run = self.spawn();
        std::thread::sleep(OUTAGE);
        let _repaired = repair(&mut self);
        Done { outcome: run.wait(), machine: self }
    }

    /// Has the clock of the cloud go so many seconds ahead.
    pub(crate) fn ahead(self, seconds: i64) -> Self {
        self.bed.aws.cloud.ahead.store(seconds, std::sync::atomic::Ordering::Relaxed);
        self
    }

    /// The state has to be that of an undisturbed run.
    #[track_caller]
    pub(crate) fn converged(&self, _: &Outcome) {
        (self.undisturbed)(self);
    }

    /// A run that failed before it had its source leaves nothing of a project.
    #[track_caller]
    pub(crate) fn nothing_is_half_fetched(&self, line: &str) {
        let files = self.bed.agent.files();
        let left: Vec<&String> = files.keys().filter(|path| path.starts_with("projects/")).collect();
        assert!(!line.contains(" step=fetch ") || left.is_empty(), "half a project is left: {left:?}");
    }

    /// The script ran once.
    #[track_caller]
    pub(crate) fn ran(&self) {
        assert_eq!(fs::read_to_string(self.bed.path("mark")).unwrap_or_default(), RAN);
    }

    /// The one service runs and answers.
    #[track_caller]
    fn answers(&self) {
        assert_eq!(self.bed.engine().names(), ["shop-web-1"]);
        assert_eq!(self.bed.engine().inspect("shop-web-1")["RestartCount"], 0);
        assert_eq!(served(8080, "/index.html").text(), "hello\n");
    }

    /// The server that is not of the cloud.
    pub(crate) fn web(&self) -> &Server {
        self.web.as_ref().expect("a machine with a web server")
    }

    /// The registry.
    pub(crate) fn registry(&self) -> &Registry {
        self.registry.as_ref().expect("a machine with a registry")
    }
}

fn played_engine(request: &Request) -> Reply {
    let path = request.path.trim_start_matches("/v1.41");
    let body = match path {
        "/version" => r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#,
        "/info" => r#"{"Architecture":"x86_64"}"#,
        "/volumes" => r#"{"Volumes":[]}"#,
        "/containers/json" | "/networks" => "[]",
        _ => return Reply::new(404, r#"{"message":"page not found"}"#).with("content-type", "application/json"),
    };
    Reply::new(200, body).with("content-type", "application/json")
}

/// An address at which nobody listens yet.
pub(crate) fn nobody() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// What an outage takes that is over before the run is.
const OUTAGE: Duration = Duration::from_secs(2);

#[test]
fn undisturbed_runs_are_what_faults_are_measured_by() {
    let machines: [fn() -> Machine; 6] = [
        Machine::script,
        Machine::single,
        Machine::tags_by_api,
        Machine::https,
        Machine::service,
        super::packages::machine,
    ];
    for machine in machines {
        let Done { outcome, machine } = machine().run();
        machine.converged(&outcome.ready());
    }
}
