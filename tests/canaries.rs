//! Canaries: a secret for every way in which one gets into rolecall, runs that succeed and runs that fail in each stage
//! and quote one where they can, at the most talkative; then everything that was written is searched for them.

use std::{collections::BTreeMap, fs, path::Path};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{
    agent::{Outcome, walk},
    api::REGISTRY_PASSWORD,
    bed::{BUCKET, Bed},
    image::Image,
    imds::{SECRET_KEY, SESSION_TOKEN},
    proxy::Proxy,
    registry::Registry,
};

/// A variable of each kind: name, where it is kept, its canary.
const VALUES: [(&str, &str, &str); 5] = [
    ("PARAMETER", "ssm:///canary/parameter", "canary-parameter-5kq1x"),
    ("KEYED", "secretsmanager://canary/keyed#key", "canary-keyed-8wz2m"),
    ("WHOLE", "secretsmanager://canary/whole", "canary-whole-3rt7p"),
    ("OBJECT", "s3://rolecall-test/canary/object", "canary-object-9yh4c"),
    ("LOCAL", "file://{dir}/canary", "canary-local-6bn0d"),
];
/// A value that the project puts in a container's environment, where it may be seen.
const SHOWN: &str = "canary-shown-2ls8v";
/// A value of the secret that nobody asks for.
const BESIDE: &str = "canary-beside-7fg3j";
/// A password of a registry.
const LOGIN: &str = "canary-login-1qa5t";
/// What an address carries: a signature, and the password of a proxy.
const SIGNATURE: &str = "canary-signature-4ed9u";
const PROXY: &str = "canary-proxy-0vb6n";

/// Everything that must never be seen.
fn canaries() -> Vec<&'static str> {
    let own = VALUES.iter().map(|(_, _, canary)| *canary);
    own.chain([BESIDE, LOGIN, SIGNATURE, PROXY, SECRET_KEY, SESSION_TOKEN, REGISTRY_PASSWORD, "AQAAATESTTOKEN"])
        .collect()
}

/// Where a text is found, also as base64 writes it.
fn found<'a>(seen: &'a BTreeMap<String, Vec<u8>>, text: &str) -> Vec<&'a str> {
    let coded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(text);
    // The last characters of base64 depend on what follows.
    let forms = [text, &coded[..coded.len() / 4 * 4 - 4]];
    let holds =
        |content: &[u8]| forms.iter().any(|form| content.windows(form.len()).any(|part| part == form.as_bytes()));
    seen.iter().filter(|(_, content)| holds(content)).map(|(place, _)| place.as_str()).collect()
}

/// A machine with all canaries in their places.
struct Stage {
    bed: Bed,
    registry: Registry,
    image: String,
    seen: BTreeMap<String, Vec<u8>>,
}

impl Stage {
    fn new() -> Self {
        let mut bed = Bed::new();
        let temporary = bed.path("tmp");
        fs::create_dir_all(&temporary).unwrap();
        bed.agent = bed.agent.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").env("TMPDIR", temporary);
        bed.agent = bed.agent.env("ROLECALL_LOG_LEVEL", "debug").env("ROLECALL_DEADLINE", "60s");
        let [parameter, keyed, whole, object, local] = VALUES.map(|(_, _, canary)| canary);
        bed.aws.api(|api| {
            api.parameters.insert("/canary/parameter".into(), parameter.into());
            api.parameters.insert("/canary/shown".into(), SHOWN.into());
            api.secrets.insert("canary/keyed".into(), json!({ "key": keyed, "other": BESIDE }).to_string());
            api.secrets.insert("canary/whole".into(), whole.into());
        });
        bed.aws.put(BUCKET, "canary/object", format!("{object}\n"));
        fs::write(bed.path("canary"), local).unwrap();
        let registry = Registry::start();
        let image = registry.push("app/web", "1", &Image::web());
        registry.require("user", LOGIN);
        bed.aws.put(BUCKET, "canary/dockercfg", registry.docker_config("user", LOGIN));
        Self { bed, registry, image, seen: BTreeMap::new() }
    }

    /// A project of these services with all the canaries as variables, secrets and a registry's login.
    fn compose(&self, services: &str) -> String {
        let secrets: String = VALUES.map(|(name, ..)| format!("  {name}: {{ environment: {name} }}\n")).concat();
        let dir = self.bed.dir.path().display().to_string();
        let variables = VALUES.map(|(name, at, _)| format!("    {name}: \"{}\"\n", at.replace("{dir}", &dir))).concat();
        format!(
            "services:\n{}secrets:\n{secrets}x-rolecall:\n  registries: [ {{ auth: \"s3://{BUCKET}/canary/dockercfg\" }} ]\n  \
             variables:\n    SHOWN: \"ssm:///canary/shown\"\n{variables}",
            services.replace("{image}", &self.image)
        )
    }

    fn project(&self, services: &str, script: &str) {
        self.bed.project("shop", &[("compose.yaml", &self.compose(services)), ("bootstrap/look.sh", script)]);
    }

    fn keep(&mut self, name: &str, outcome: &Outcome) {
        self.seen.insert(format!("stdout of {name}"), outcome.stdout.clone().into());
        self.seen.insert(format!("stderr of {name}"), outcome.stderr.clone().into());
        for (what, dir) in
            [("state", &self.bed.agent.state), ("run", &self.bed.agent.runtime), ("tmp", &self.bed.path("tmp"))]
        {
            let files = walk(dir).into_iter().filter(|(path, _)| !path.starts_with("secrets/"));
            self.seen.extend(files.map(|(path, content)| (format!("{what}/{path} after {name}"), content)));
        }
    }

    /// What the engine shows, without the environments of containers, which come apart.
    fn keep_engine(&mut self) -> String {
        let engine = self.bed.engine();
        let mut environments = Vec::new();
        for name in engine.names() {
            let mut shown = engine.inspect(&name);
            environments.push(shown["Config"]["Env"].take());
            self.seen.insert(format!("inspect of {name}"), shown.to_string().into());
        }
        for path in ["/images/json", "/networks", "/volumes", "/info"] {
            self.seen.insert(format!("engine's {path}"), engine.get(path).to_string().into());
        }
        Value::from(environments).to_string()
    }

    /// Nothing of what was kept holds a canary.
    #[track_caller]
    fn clean(&self) {
        for canary in canaries() {
            let places = found(&self.seen, canary);
            let shown: Vec<_> = places.iter().map(|place| String::from_utf8_lossy(&self.seen[*place])).collect();
            assert!(places.is_empty(), "{canary} is in {places:?}:\n{}", shown.join("\n"));
        }
    }
}

/// A script that writes down the command lines of all processes, and says what a variable of the project holds.
fn script(stage: &Stage) -> String {
    let (seen, local) = (stage.bed.path("argv"), stage.bed.path("canary"));
    format!(
        "#!/bin/sh\ncat /proc/[0-9]*/cmdline > {}; echo told by a script: $(cat {})\n",
        seen.display(),
        local.display()
    )
}

#[test]
fn a_run_that_succeeds_shows_no_secret_but_where_the_project_puts_it() {
    let mut stage = Stage::new();
    let secrets = VALUES.map(|(name, ..)| name).join(", ");
    let services = format!(
        "  web: {{ image: \"{{image}}\", secrets: [{secrets}], environment: {{ URL: \"db://${{SHOWN}}@db\" }}, stop_grace_period: 0s }}\n"
    );
    stage.project(&services, &script(&stage));
    for (name, args) in [
        ("plan", &["plan"][..]),
        ("plan as JSON", &["plan", "--json"]),
        ("run", &["run"]),
        ("second run", &["run", "--log-format", "json"]),
        ("status", &["status", "--json"]),
        ("facts", &["facts", "--format", "env"]),
    ] {
        let outcome = stage.bed.rolecall(args).ready();
        assert_ne!((name, outcome.stderr.contains("told by a script: ${LOCAL}")), ("run", false), "{}", outcome.told());
        stage.keep(name, &outcome);
    }
    stage.seen.insert("command lines".into(), fs::read(stage.bed.path("argv")).unwrap());
    let environments = stage.keep_engine();
    for (path, content) in walk(&stage.bed.engine().data()) {
        stage.seen.insert(format!("engine's data {path}"), content);
    }
    stage.clean();
    // The search finds what is there: in the environment of the container, as the project asks, and so in the engine's
    // own files; and in memory.
    assert!(environments.contains(SHOWN), "{environments}");
    assert!(!found(&stage.seen, SHOWN).is_empty());
    let ours = |place: &&str| !place.starts_with("engine's data");
    assert_eq!(found(&stage.seen, SHOWN).into_iter().filter(ours).collect::<Vec<_>>(), [""; 0]);
    let memory = walk(&stage.bed.agent.runtime.join("secrets"));
    for (_, _, canary) in VALUES {
        assert!(!found(&memory, canary).is_empty(), "{canary} is not where it has to be");
    }
}

#[test]
fn runs_that_fail_quote_no_secret() {
    let mut stage = Stage::new();
    let quiet = "#!/bin/sh\n";
    // The services, the script, exit code and cause; and whether the name of a variable stands where its value would.
    let local = stage.bed.path("canary");
    let fails = format!("#!/bin/sh\ncat {} >&2; exit 7\n", local.display());
    let table = [
        ("  web: { image: \"{image}\", networks: [\"${PARAMETER}\"] }\n", quiet, 3, "manifest-invalid", true),
        ("  web: { image: \"{image}\", ports: [\"${KEYED}:80\"] }\n", quiet, 3, "manifest-invalid", false),
        ("  web: { image: \"{image}\", pull_policy: \"${WHOLE}\" }\n", quiet, 3, "manifest-invalid", false),
        ("  web: { image: \"{image}\" }\n", fails.as_str(), 1, "script-failed", true),
        ("  web: { image: \"127.0.0.1:9/${OBJECT}:1\" }\n", quiet, 4, "image-pull", true),
        ("  web: { image: \"{image}\", extra_hosts: [\"h=${WHOLE}\"] }\n", quiet, 1, "engine-refused", true),
        (
            // With a health check it cannot pass for running in the moment before it ends.
            "  web: { image: \"{image}\", init: true, secrets: [PARAMETER], command: [sh, -c, \"cat /run/secrets/PARAMETER; exit \
             9\"], restart: \"no\", ports: [80], healthcheck: { test: [CMD, \"true\"], interval: 60s } }\n",
            quiet,
            1,
            "container-failed",
            true,
        ),
    ];
    for (services, script, code, cause, named) in table {
        stage.project(services, script);
        let deadline = if cause == "image-pull" { "15s" } else { "60s" };
        let outcome = stage.bed.agent.env("ROLECALL_DEADLINE", deadline).run(&["run"]);
        assert_eq!(
            named,
            VALUES.iter().any(|(name, ..)| outcome.stderr.contains(&format!("${{{name}}}"))),
            "{}",
            outcome.told()
        );
        let outcome = outcome.fails(code, cause).outcome;
        stage.keep(cause, &outcome);
        let told = stage.bed.rolecall(&["status"]).exits(code).prints(&format!("FAILED cause={cause} "));
        stage.keep(&format!("status after {cause}"), &told);
        stage.keep_engine();
    }
    stage.registry.require("user", "another");
    stage
        .project(&format!("  web: {{ image: \"{}\" }}\n", stage.registry.push("app/other", "1", &Image::web())), quiet);
    let outcome = stage.bed.fails(1, "image-denied").outcome;
    stage.keep("image-denied", &outcome);
    stage.bed.aws.api(|api| _ = api.secrets.insert("canary/keyed".into(), json!({ "other": BESIDE }).to_string()));
    let outcome = stage.bed.fails(3, "value-missing").names("variable KEYED").names("no key 'key'").outcome;
    stage.keep("value-missing", &outcome);
    stage.clean();
}

#[test]
fn addresses_and_proxies_are_told_without_what_they_carry() {
    let mut stage = Stage::new();
    let proxy = Proxy::start("127.0.0.1:9".parse().unwrap());
    let address = format!("http://user:{PROXY}@{}", proxy.address);
    let agent = stage.bed.agent.env("HTTPS_PROXY", address).env("ROLECALL_DEADLINE", "5s");
    let source = format!("https://files.invalid/run.sh?X-Amz-Signature={SIGNATURE}");
    let outcome = agent.env("ROLECALL_SOURCE", &source).run(&["run"]).fails(4, "source-unreachable").outcome;
    assert!(!proxy.asked().is_empty(), "{}", outcome.told());
    stage.keep("run", &outcome);
    stage.bed.config(&format!("source = \"{source}\"\n"));
    let outcome = agent.run(&["plan"]).fails(4, "source-unreachable").outcome;
    stage.keep("plan", &outcome);
    stage.clean();
    assert!(Path::new(&stage.bed.agent.runtime.join("status.json")).exists());
}
