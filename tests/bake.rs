//! An image of a machine: what `rolecall bake` brings, and a first boot that can do with it alone.

use std::collections::BTreeSet;

use rolecall::plan::seal::{Entry, TABLE};
use serde_json::{Value, json};

use crate::support::{
    agent::{Agent, Outcome},
    bed::{BUCKET, Bed},
    client, docs,
    http::{Fault, Kind},
    image::Image,
    minisign::Signer,
    registry::Registry,
};

/// What docs/bake.md says of the seal.
#[test]
fn the_table_of_the_seal_is_that_of_the_code() {
    let kept = |but: &[&str]| {
        let names: Vec<String> = but.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { String::new() } else { format!(", but for {}", names.join(", ")) }
    };
    let row =
        |entry: &Entry| format!("| {} | `{}`{} | {} |\n", entry.take.told(), entry.what, kept(entry.but), entry.why);
    let rows: String = TABLE.iter().map(row).collect();
    docs::written("bake.md", "bake::the_table", &format!("\n| | what | why |\n|---|---|---|\n{rows}\n"));
}

const NEW: &str = "i-0fedcba9876543210";

/// A machine whose project has a plain service, a role, and a profile, each of another image.
struct Stage {
    bed: Bed,
    registry: Registry,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { bed: Bed::new(), registry: Registry::start() };
        for (name, tag) in [("web", "1"), ("edge", "latest"), ("job", "1"), ("pinned", "1")] {
            let config = json!({ "Cmd": ["httpd", "-f", "-p", "80", "-h", "/www"], "Env": ["PATH=/bin"], "Labels": { "is": name } });
            stage.registry.push(&format!("app/{name}"), tag, &Image::new(&config));
        }
        stage.project("");
        stage
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/app/{name}", self.registry.server.addr)
    }

    fn project(&self, more: &str) {
        let one = |name: &str| format!("image: \"{}\", stop_grace_period: 0s", self.reference(name));
        let compose = format!(
            "services:\n  web: {{ {}, ports: ['8080:80'], volumes: ['./site:/data'] }}\n  \
             job: {{ {}, profiles: [batch] }}\nx-rolecall:\n  roles:\n    edge: {{ services: {{ edge: {{ {} }} }} }}\n{more}",
            one("web:1"),
            one("job:1"),
            one("edge"),
        );
        self.bed.project("app", &[("compose.yaml", &compose), ("site/x", "x")]);
        // The machine that builds the image is no instance of the project.
        self.bed.imds.set(|i| i.tags.clear());
    }

    /// `rolecall bake` of the project.
    fn bake(&self) -> Outcome {
        self.agent().run(&["bake"])
    }

    /// The agent with the source in its environment, as a build has it.
    fn agent(&self) -> Agent {
        self.bed.agent.env("ROLECALL_SOURCE", format!("s3://{BUCKET}/app/"))
    }

    /// References of the images that are there.
    fn images(&self) -> BTreeSet<String> {
        let images = self.bed.engine().get("/images/json");
        let tags = images.as_array().unwrap().iter().filter_map(|image| image["RepoTags"].as_array().cloned());
        let own = format!("{}/app/", self.registry.server.addr);
        let names = tags.flatten().filter_map(|tag| Some(tag.as_str()?.strip_prefix(&own)?.to_owned()));
        names.collect()
    }

    /// From now on this is a new instance of the image, of this role; and the registry does not answer.
    fn new_instance(&self, role: &str) {
        self.bed.imds.set(|i| i.id = NEW.into());
        self.bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/"));
        self.bed.imds.tag("Role", role);
        self.registry.server.fault(Fault::on("", Kind::Drop));
        self.registry.server.forget();
    }

    #[track_caller]
    fn no_request(&self) {
        assert_eq!(self.registry.server.log().len(), 0, "{}", self.registry.server.told());
    }
}

#[test]
fn a_bake_brings_the_images_of_all_roles_and_starts_nothing() {
    let stage = Stage::new();
    let bed = &stage.bed;
    let parts = ["containers", "networks", "volumes"];
    let before = bed.engine().snapshot();
    stage.bake().ready().says("baked: 3 steps changed something");
    assert_eq!(stage.images(), ["edge:latest", "job:1", "web:1"].map(str::to_owned).into());
    let after = bed.engine().snapshot();
    assert_eq!(parts.map(|part| &after[part]), parts.map(|part| &before[part]));
    assert_eq!(bed.agent.status()["state"], "ready");
    assert!(!bed.agent.state.join("projects").exists(), "files are an instance's");
    let baked: Value = serde_json::from_slice(&std::fs::read(bed.agent.state.join("baked.json")).unwrap()).unwrap();
    let resolved = &baked[0]["images"];
    for name in ["edge", "job:1", "web:1"] {
        let there = bed.engine().get(&format!("/images/{}/json", stage.reference(name)));
        let (repo, digest) = there["RepoDigests"][0].as_str().unwrap().split_once('@').unwrap();
        assert_eq!(
            (repo, &resolved[stage.reference(name)]),
            (stage.reference(name.trim_end_matches(":1")).as_str(), &json!(digest))
        );
    }
    // Asked again, nothing is newer; and what is newer comes.
    stage.bake().ready().says("baked: nothing to do");
    let newer = Image::new(&json!({ "Cmd": ["sleep", "1"], "Env": ["PATH=/bin"] }));
    stage.registry.push("app/web", "1", &newer);
    stage.bake().ready().says("baked: 1 steps changed something");
    let baked = std::fs::read_to_string(bed.agent.state.join("baked.json")).unwrap();
    assert!(baked.contains(&newer.digest), "{baked}");
    // Narrowed to roles, it brings theirs.
    let narrow = Stage::new();
    narrow.agent().run(&["bake", "--roles", "edge:batch"]).ready();
    assert_eq!(narrow.images(), ["edge:latest", "job:1", "web:1"].map(str::to_owned).into());
    let narrow = Stage::new();
    narrow.agent().run(&["bake", "--roles", "edge"]).ready();
    assert_eq!(narrow.images(), ["edge:latest".to_owned()].into());
}

#[test]
fn an_instance_of_the_image_boots_without_the_registry_and_without_its_bucket() {
    for bucket in [true, false] {
        let stage = Stage::new();
        stage.bake().ready();
        stage.new_instance("edge:batch");
        let agent = if bucket {
            stage.bed.agent.clone()
        } else {
            stage.bed.agent.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("ROLECALL_DEADLINE", "20s")
        };
        let run = agent.run(&["run"]).ready();
        assert_eq!(stage.bed.engine().names(), ["app-edge-1", "app-job-1", "app-web-1"]);
        assert_eq!(client::served(8080, "/").status, 200);
        stage.no_request();
        let warned = run.stderr.contains("did=\"started the project that was baked on 20");
        assert_ne!(warned, bucket, "{}", run.told());
        assert_eq!(stage.bed.agent.project("app")["site/x"], b"x");
        let told: BTreeSet<String> = stage.bed.engine().names().into_iter().collect();
        assert!(
            told.iter()
                .all(|name| { stage.bed.engine().inspect(name)["Config"]["Labels"]["io.rolecall.instance"] == NEW })
        );
        agent.run(&["run"]).ready().says("nothing to do");
        stage.no_request();
        // The copy is there for as long as this instance has none of its own.
        assert_ne!(stage.bed.agent.state.join("baked").exists(), bucket);
        // Then it stands in for nothing any more: an older project shall not come back with another role.
        let gone = stage.bed.agent.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("ROLECALL_DEADLINE", "4s");
        stage.bed.imds.tag("Role", "web");
        let run = gone.run(&["run"]);
        if bucket {
            drop(run.fails(4, "source-unreachable"));
        } else {
            drop(run.ready());
        }
    }
}

/// What a copy is for: source, environment and keys. And what was accepted is not accepted in an older form.
#[test]
fn a_copy_is_for_what_it_was_baked_from() {
    let stage = Stage::new();
    let signer = Signer::new();
    let sign = |serial: u64| {
        let text = |key: &str| {
            String::from_utf8(stage.bed.aws.store(|s| s.bucket(BUCKET).objects[key].last().unwrap().body.clone()))
                .unwrap()
        };
        let (compose, site) = (text("app/compose.yaml"), text("app/site/x"));
        for (name, body) in signer.list(serial, &[("compose.yaml", &compose), ("site/x", &site)]) {
            stage.bed.aws.put(BUCKET, &format!("app/{name}"), body);
        }
    };
    let keyed = stage.agent().env("ROLECALL_PUBLIC_KEY", &signer.key);
    let failed = keyed.run(&["bake"]).fails(5, "signature-missing");
    assert!(stage.images().is_empty() && !stage.bed.agent.state.join("baked").exists(), "{}", failed.line);
    sign(20);
    keyed.run(&["bake", "--environment", "prod"]).ready();
    stage.new_instance("web");
    let unsigned = stage.bed.agent.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("ROLECALL_DEADLINE", "4s");
    let signed = unsigned.env("ROLECALL_PUBLIC_KEY", &signer.key);
    let prod = signed.env("ROLECALL_ENVIRONMENT", "prod");
    for other in [
        &unsigned,
        &signed,
        &unsigned.env("ROLECALL_ENVIRONMENT", "prod"),
        &prod.env("ROLECALL_SOURCE", "s3://rolecall-test/other/"),
    ] {
        other.run(&["run"]).fails(4, "source-unreachable");
    }
    prod.env("ROLECALL_DEADLINE", "20s").run(&["run"]).ready().says("started the project that was baked on");
    stage.bed.rolecall(&["down", "--all"]).ready();
    sign(10);
    let reached = stage.bed.agent.env("ROLECALL_PUBLIC_KEY", &signer.key).env("ROLECALL_ENVIRONMENT", "prod");
    reached.run(&["run"]).fails(5, "rollback").names("started the project that was baked on");
}

#[test]
fn what_a_registry_is_asked_for_at_each_boot_is_told() {
    let stage = Stage::new();
    let pinned = {
        let image = Image::new(&json!({ "Cmd": ["sleep", "1000"], "Env": ["PATH=/bin"] }));
        stage.registry.push("app/pinned", "1", &image);
        format!("{}@{}", stage.reference("pinned"), image.digest)
    };
    let service = |policy: &str| format!("image: \"{}\", pull_policy: {policy}", stage.reference("web:1"));
    stage.bed.project(
        "app",
        &[(
            "compose.yaml",
            &format!(
                "services:\n  web: {{ {}, ports: ['8080:80'] }}\n  day: {{ image: \"{}\", pull_policy: daily }}\n  \
                 pin: {{ image: \"{pinned}\", pull_policy: always, init: true }}\n  own: {{ image: \"own:1\", pull_policy: never, \
                 profiles: [own] }}\n",
                service("always"),
                stage.reference("edge"),
            ),
        ), ("bootstrap/10.sh", "#!/bin/sh\nexit 1\n")],
    );
    stage.bed.imds.set(|i| i.tags.clear());
    let baked = stage.bake().ready();
    for (what, count) in [
        ("app/web:1 has pull_policy: always, so that every boot asks its registry for it", 1),
        ("app/edge is asked for again once it is older than its pull_policy says", 1),
        ("app/pinned", 2),
        ("image own:1 has pull_policy: never and is not there", 1),
        ("scripts are run by each instance, and not here: bootstrap/10.sh", 1),
    ] {
        let lines: Vec<&str> =
            baked.stderr.lines().filter(|line| line.contains(what) && !line.contains("image:")).collect();
        assert_eq!(lines.len(), count, "{what}: {lines:#?}\n{}", baked.told());
    }
    assert!(stage.bed.agent.status()["warnings"].to_string().contains("pull_policy: always"));
    // What the project asks for at each boot is asked for, and done without if it cannot be had.
    stage.bed.aws.store(|s| s.bucket(BUCKET).objects.remove("app/bootstrap/10.sh"));
    stage.new_instance("");
    let short = stage.bed.agent.env("ROLECALL_DEADLINE", "40s");
    short.run(&["run"]).ready().says("/app/web:1 could not be refreshed, and is used as it is");
    assert!(stage.registry.server.log().iter().all(|access| !access.target.contains("pinned")));
}

#[test]
fn a_build_needs_neither_tags_nor_values_and_leaves_no_login() {
    let stage = Stage::new();
    let bed = &stage.bed;
    stage.registry.require("user", "canary-of-the-registry");
    bed.aws.put(BUCKET, "deploy/dockercfg", stage.registry.docker_config("user", "canary-of-the-registry"));
    let auth = format!("  registries: [ {{ auth: \"s3://{BUCKET}/deploy/dockercfg\" }} ]\n");
    stage.project(&format!("{auth}  variables: {{ PASSWORD: 'ssm:///prod/password' }}\n"));
    // Nobody lets a build read tags or values, and its own tags are nobody's business.
    bed.imds.set(|i| i.tags_in_metadata = false);
    bed.imds.tag("Role", "packer");
    bed.aws.api(|api| api.denied.extend(["ec2:DescribeTags", "ssm:GetParameter"]));
    let baked = stage.bake().ready();
    assert_eq!(stage.images().len(), 3);
    assert_eq!(bed.aws.server.asked("GetParameter"), 0, "{}", bed.aws.server.told());
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "user:canary-of-the-registry");
    let folders = [bed.dir.path(), &bed.engine().dir].map(crate::support::agent::walk);
    let mut places: Vec<(String, Vec<u8>)> = folders.into_iter().flatten().collect();
    places.push(("output".into(), format!("{}{}", baked.stdout, baked.stderr).into_bytes()));
    for (place, content) in places {
        for canary in ["canary-of-the-registry", &encoded] {
            assert!(!content.windows(canary.len()).any(|part| part == canary.as_bytes()), "{place} holds {canary}");
        }
    }
    // An instance starts without the registry, without its login, and needs its value.
    bed.imds.set(|i| i.tags_in_metadata = true);
    bed.aws.api(|api| {
        api.denied.clear();
        _ = api.parameters.insert("/prod/password".into(), "hunter2".into());
    });
    stage.new_instance("web");
    bed.aws.server.fault(Fault::status(BUCKET, 403));
    bed.agent.env("ROLECALL_DEADLINE", "16s").run(&["run"]).ready().says("going on without the logins of s3://");
    stage.no_request();
}

#[test]
fn a_bake_that_fails_says_why_and_one_at_a_time() {
    let stage = Stage::new();
    let bed = &stage.bed;
    bed.imds.set(|i| i.tags.clear());
    bed.agent.env("ROLECALL_DEADLINE", "3s").run(&["bake"]).fails(4, "tag-missing");
    for (compose, code, cause) in [
        ("services: { web: { imagee: x } }\n", 3, "manifest-invalid"),
        ("services: { web: { build: . } }\n", 3, "manifest-invalid"),
        ("services: { web: { image: 'not:a:name' } }\n", 3, "manifest-invalid"),
        ("services: { a: { image: x, ports: ['80:80'] }, b: { image: x, ports: ['80:80'] } }\n", 3, "port-clash"),
        ("services: { web: { image: '{registry}/app/none:1' } }\n", 1, "image-not-found"),
    ] {
        let compose = compose.replace("{registry}", &stage.registry.server.addr.to_string());
        bed.aws.put(BUCKET, "app/compose.yaml", compose.as_str());
        stage.bake().fails(code, cause);
        assert!(!bed.agent.state.join("baked").exists(), "{compose}");
    }
    stage.agent().run(&["bake", "--roles", "nobody"]).fails(3, "role-unknown");
    stage.project("");
    stage.registry.server.fault(Fault::on("", Kind::Silence));
    let before = stage.registry.server.log().len();
    let first = stage.agent().spawn(&["bake"]);
    while stage.registry.server.log().len() == before {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    for command in ["bake", "run"] {
        stage.agent().run(&[command]).fails(6, "locked").names("a `rolecall bake` holds ");
    }
    first.signal(rustix::process::Signal::TERM);
    first.wait().fails(1, "interrupted");
    stage.registry.server.heal();
    // Where no source is given, the tags of the machine decide, as those of an instance do.
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/"));
    bed.imds.tag("Role", "web");
    bed.rolecall(&["bake"]).ready();
    assert_eq!(stage.images(), ["web:1".to_owned()].into());
}
