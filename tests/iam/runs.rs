//! Whole runs behind a gate that knows IAM: what they ask for is what the policy allows, and each part of it is needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};

use super::checked;
use crate::support::{
    api::REGISTRY_PASSWORD,
    bed::{BUCKET, Bed, binary},
    dockerd::Engine,
    gate::{Call, conditions, statements, texts},
    image::Image,
    imds::ACCOUNT,
    registry::Registry,
    scaling::GROUP,
};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555";

/// A project that needs each kind of permission.
fn files() -> Vec<(&'static str, String)> {
    let compose = format!(
        "
services:
  web:
    image: '{ECR}/team/web:1'
    env_file: web.env
    environment: {{ VALUES: '${{PARAMETER}} ${{OTHER}} ${{SECRET}} ${{OBJECT}} ${{PINNED}}' }}
    volumes: ['./conf:/conf']
x-rolecall:
  variables:
    PARAMETER: ssm:///prod/db/password
    OTHER: ssm://arn:aws:ssm:eu-west-2:210987654321:parameter/shared
    SECRET: secretsmanager://prod/db#password
    OBJECT: s3://rolecall-named/object
    PINNED: s3://rolecall-named/pinned?versionId=v1
  registries: [{{ auth: 's3://rolecall-named/dockercfg' }}]
  host: {{ files: [{{ path: tool, mode: 0755 }}] }}
"
    );
    vec![
        ("compose.yaml", compose),
        ("web.env", "A=1\n".to_owned()),
        ("conf/a", "1".to_owned()),
        ("conf/b", "2".to_owned()),
        ("tool", "3".to_owned()),
    ]
}

/// An action on a resource, under a condition: as a policy writes it.
type Permission = (String, String, String);

struct Stage {
    bed: Bed,
    registry: Registry,
    source: String,
}

impl Stage {
    /// An instance in the account, its cloud and its registry behind one gate.
    fn new(source: &str) -> Self {
        let start = || Some(Engine::with_hosts(&["--insecure-registry", ECR], &[ECR]));
        let mut bed = Bed::with_engine(binary(), start);
        let registry = Registry::behind("127.0.0.1:80", bed.aws.cloud.gate.clone(), "eu-west-1");
        registry.push("team/web", "1", &Image::web());
        registry.require("AWS", REGISTRY_PASSWORD);
        for (path, content) in files() {
            let file = bed.path("project").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, &content).unwrap();
            bed.aws.put(BUCKET, &format!("app/{path}"), content);
        }
        bed.aws.put("rolecall-named", "object", "from-object");
        bed.aws.put("rolecall-named", "pinned", "from-version");
        bed.aws.put("rolecall-named", "dockercfg", "{}");
        bed.aws.api(|api| {
            api.parameters.insert("/prod/db/password".into(), "from-parameter".into());
            api.parameters.insert("arn:aws:ssm:eu-west-2:210987654321:parameter/shared".into(), "shared".into());
            api.secrets.insert("prod/db".into(), "{\"password\": \"from-secret\"}".into());
        });
        bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/{source}"));
        bed.imds.tag("aws:autoscaling:groupName", GROUP);
        bed.imds.set(|i| i.tags_in_metadata = false);
        bed.aws.gate(|gate| {
            gate.encrypted = BTreeMap::from(
                [
                    format!("arn:aws:s3:::{BUCKET}/app/compose.yaml"),
                    format!("arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/prod/db/password"),
                    format!("arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:prod/db-Ab12Cd"),
                ]
                .map(|resource| (resource, KEY.to_owned())),
            );
        });
        bed.agent = bed.agent.env("ROLECALL_DEADLINE", "60s");
        Self { bed, registry, source: source.to_owned() }
    }

    /// What `rolecall iam` prints for it.
    fn policy(&self) -> Value {
        let file = self.bed.path("project").join(&self.source);
        let place = ["iam", file.to_str().unwrap(), "--bucket", BUCKET, "--prefix", "app"];
        let more = ["--region", "eu-west-1", "--account", ACCOUNT, "--describe-tags", "--kms-key", KEY];
        let outcome = self.bed.agent.run(&[&place[..], &more].concat()).ready();
        checked(&outcome.stdout);
        outcome.json()
    }

    /// Everything that the cloud was asked since the beginning.
    fn asked(&self) -> BTreeSet<Call> {
        self.bed.aws.gate(|gate| gate.calls.clone())
    }

    /// As before the first run, but for the journal: a role that has been refused once is not waited for.
    fn forget(&self) {
        self.bed.rolecall(&["down", "--all"]).ready();
        let engine = self.bed.engine();
        for image in engine.get("/images/json").as_array().unwrap() {
            engine.ask("DELETE", &format!("/images/{}?force=1", image["Id"].as_str().unwrap()), "").unwrap();
        }
        for folder in ["good", "cache", "projects"] {
            let _ = fs::remove_dir_all(self.bed.agent.state.join(folder));
        }
    }
}

/// What a policy allows, statement by statement and value by value.
fn granted(policy: &Value) -> BTreeSet<Permission> {
    let mut all = BTreeSet::new();
    for statement in statements(policy) {
        let mut values: Vec<String> = conditions(statement).into_iter().flat_map(|(_, _, values)| values).collect();
        if values.is_empty() {
            values.push(String::new());
        }
        for action in texts(&statement["Action"]) {
            for resource in texts(&statement["Resource"]) {
                all.extend(values.iter().map(|value| (action.clone(), resource.clone(), value.clone())));
            }
        }
    }
    all
}

/// What calls amount to: an object below a folder that is read whole is one of its objects, a secret has some suffix.
fn amount(calls: &BTreeSet<Call>, folders: &[&str]) -> BTreeSet<Permission> {
    let written = |call: &Call| {
        let folder = folders.iter().map(|folder| format!("arn:aws:s3:::{BUCKET}/{folder}"));
        let resource = match call.action.as_str() {
            "s3:GetObject" => folder
                .filter(|folder| call.resource.starts_with(folder.as_str()))
                .map(|folder| format!("{folder}*"))
                .next()
                .unwrap_or_else(|| call.resource.clone()),
            "secretsmanager:GetSecretValue" => call.resource.replace("-Ab12Cd", "-??????"),
            _ => call.resource.clone(),
        };
        let condition = call.context.values().next().cloned().unwrap_or_default();
        (call.action.clone(), resource, condition)
    };
    calls.iter().map(written).collect()
}

#[track_caller]
fn equal(granted: &BTreeSet<Permission>, asked: &BTreeSet<Permission>) {
    let (more, less): (Vec<_>, Vec<_>) = (granted.difference(asked).collect(), asked.difference(granted).collect());
    assert!(
        more.is_empty() && less.is_empty(),
        "allowed and not asked for: {more:#?}\nasked for and not allowed: {less:#?}"
    );
}

#[test]
fn a_run_of_a_folder_asks_for_what_the_policy_allows_and_for_nothing_else() {
    let stage = Stage::new("");
    stage.bed.run().ready();
    let policy = stage.policy();
    equal(&granted(&policy), &amount(&stage.asked(), &["app/"]));
    let sids: Vec<&str> = statements(&policy).iter().map(|s| s["Sid"].as_str().unwrap()).collect();
    let all = [
        "ListProject",
        "ReadProject",
        "ReadObjects",
        "ReadVersions",
        "ReadTags",
        "ReadParameters",
        "ReadSecrets",
        "DecryptValues",
        "LogInToRegistry",
        "PullImages",
    ];
    assert_eq!(sids, all);
}

#[test]
fn a_run_of_a_single_file_asks_for_what_the_policy_allows_and_for_nothing_else() {
    let stage = Stage::new("compose.yaml");
    stage.bed.run().ready();
    equal(&granted(&stage.policy()), &amount(&stage.asked(), &["app/conf/"]));
    // Also where it is refused to see what is not there.
    stage.forget();
    let policy = stage.policy();
    stage.bed.aws.gate(|gate| gate.policy = Some(policy));
    stage.bed.run().ready();
    let seen: BTreeSet<String> = stage.bed.agent.project("app").into_keys().collect();
    assert_eq!(seen, ["compose.yaml", "conf/a", "conf/b", "tool", "web.env"].map(str::to_owned).into());
}

#[test]
fn the_policy_is_enough_and_each_statement_of_it_is_needed() {
    let stage = Stage::new("");
    let policy = stage.policy();
    stage.bed.aws.gate(|gate| gate.policy = Some(policy.clone()));
    stage.bed.run().ready();
    let environment = stage.bed.engine().inspect("app-web-1")["Config"]["Env"].to_string();
    assert!(environment.contains("from-parameter shared from-secret from-object from-version"), "{environment}");
    for (at, statement) in statements(&policy).iter().enumerate() {
        for action in texts(&statement["Action"]) {
            stage.forget();
            let mut less = policy.clone();
            let actions = less["Statement"][at]["Action"].as_array_mut().unwrap();
            actions.retain(|kept| *kept != json!(action));
            stage.bed.aws.gate(|gate| gate.policy = Some(less));
            let outcome = stage.bed.run();
            assert_ne!(outcome.code, Some(0), "without {action} of {}\n{}", statement["Sid"], outcome.told());
            let line = outcome.stderr.lines().find(|line| line.starts_with("rolecall: FAILED ")).unwrap_or_default();
            assert!(line.contains(&action), "without {action}: {line}\n{}", outcome.told());
        }
    }
    assert!(stage.registry.server.asked("/v2/team/web/") > 0);
}
