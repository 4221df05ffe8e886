use std::{collections::BTreeMap, path::PathBuf};

use serde_json::json;

use super::*;
use crate::manifest::{self, Reading};

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555";

fn scope() -> Scope {
    Scope::new(None, Some("eu-west-1"), Some("123456789012")).unwrap()
}

fn source(text: &str) -> Source {
    Source::parse(text).unwrap()
}

/// `x-rolecall` and the project of a compose file.
fn read(text: &str) -> (Extension, Project) {
    let files = BTreeMap::from([(PathBuf::from("/p/compose.yaml"), text.as_bytes().to_vec())]);
    let reading =
        Reading { dir: "/p".into(), variables: scope().facts().collect(), roles: vec![], ..Reading::default() };
    let extension = manifest::peek(&files, &reading).map_err(Error::from).unwrap();
    let project = manifest::load(&files, &reading, &extension, &BTreeMap::new()).map_err(Error::from).unwrap();
    (extension, project)
}

/// The policy of a folder at `s3://bkt/app/` with this compose file.
fn policy_with(text: &str, scope: &Scope, besides: &Besides) -> Result<Policy> {
    let (extension, project) = read(text);
    let unknown = Unknown::default();
    let mut needs = Needs::of_source(&source("s3://bkt/app/"), &Beside::default(), (scope, &unknown, besides));
    needs.extension(&extension)?;
    needs.images(&project)?;
    Ok(needs.policy())
}

fn policy(text: &str) -> Policy {
    policy_with(text, &scope(), &Besides::default()).unwrap()
}

/// Resources of a statement, in one line.
fn resources(policy: &Policy, sid: &str) -> String {
    policy.0.iter().find(|s| s.sid == sid).map(|s| s.resources.join(" ")).unwrap_or_default()
}

#[test]
fn a_project_that_needs_everything_by_value() {
    let text = "
services:
  app: { image: '210987654321.dkr.ecr.us-east-2.amazonaws.com/team/app:1' }
  side: { image: 'docker.io/library/redis:7', volumes: [{ type: image, target: /i, source: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/data@sha256:0000000000000000000000000000000000000000000000000000000000000000' }] }
  never: { image: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/never', pull_policy: never }
x-rolecall:
  variables:
    A: ssm:///prod/db
    B: secretsmanager://prod/db#password
    C: s3://other/c?versionId=v1
    D: s3://other/d
    E: s3://bkt/app/in/the/project
    F: file:///etc/f
  registries: [{ auth: s3://other/dockercfg }]
  host: { docker: { install: static, archive: s3://other/docker.tgz } }
";
    let besides = Besides {
        describe_tags: true,
        kms_keys: vec![KEY.to_owned()],
        groups: vec!["web fleet".to_owned()],
        signed: false,
    };
    let allow = |sid: &str, actions: &[&str], resources: &[&str]| json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources });
    let with = |mut statement: serde_json::Value, condition: serde_json::Value| {
        statement["Condition"] = condition;
        statement
    };
    let expected = json!({ "Version": "2012-10-17", "Statement": [
        with(allow("ListProject", &["s3:ListBucket"], &["arn:aws:s3:::bkt"]),
            json!({ "StringEquals": { "s3:prefix": ["app/"] } })),
        allow("ReadProject", &["s3:GetObject"], &["arn:aws:s3:::bkt/app/*"]),
        allow("ReadObjects", &["s3:GetObject"],
            &["arn:aws:s3:::other/d", "arn:aws:s3:::other/docker.tgz", "arn:aws:s3:::other/dockercfg"]),
        allow("ReadVersions", &["s3:GetObjectVersion"], &["arn:aws:s3:::other/c"]),
        allow("ReadTags", &["ec2:DescribeTags"], &["*"]),
        allow("ReadParameters", &["ssm:GetParameter"], &["arn:aws:ssm:eu-west-1:123456789012:parameter/prod/db"]),
        allow("ReadSecrets", &["secretsmanager:GetSecretValue"],
            &["arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-??????"]),
        with(allow("DecryptValues", &["kms:Decrypt"], &[KEY]), json!({ "StringEquals": { "kms:ViaService": [
            "s3.eu-west-1.amazonaws.com", "secretsmanager.eu-west-1.amazonaws.com", "ssm.eu-west-1.amazonaws.com"] } })),
        allow("LogInToRegistry", &["ecr:GetAuthorizationToken"], &["*"]),
        allow("PullImages", &["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            &["arn:aws:ecr:eu-west-1:123456789012:repository/data", "arn:aws:ecr:us-east-2:210987654321:repository/team/app"]),
        allow("CompleteHooks", &["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"],
            &["arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:*:autoScalingGroupName/web fleet"]),
    ] });
    let found = policy_with(text, &scope(), &besides).unwrap().json();
    assert_eq!(serde_json::to_string_pretty(&found).unwrap(), serde_json::to_string_pretty(&expected).unwrap());
}

#[test]
fn a_project_that_needs_nothing_is_only_read() {
    let sids: Vec<&str> = policy("services: { a: { image: nginx } }").0.iter().map(|s| s.sid).collect();
    assert_eq!(sids, ["ListProject", "ReadProject"]);
}

#[test]
fn names_of_values_become_arns() {
    let of = |reference: &str, sid: &str| {
        let text = format!("services: {{ a: {{ image: a }} }}\nx-rolecall: {{ variables: {{ V: '{reference}' }} }}\n");
        resources(&policy(&text), sid)
    };
    let parameter = |reference: &str| of(reference, "ReadParameters");
    let secret = |reference: &str| of(reference, "ReadSecrets");
    assert_eq!(parameter("ssm://plain"), "arn:aws:ssm:eu-west-1:123456789012:parameter/plain");
    assert_eq!(parameter("ssm:///a/b:3"), "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b");
    assert_eq!(
        parameter("ssm://arn:aws:ssm:us-east-1:210987654321:parameter/a:live"),
        "arn:aws:ssm:us-east-1:210987654321:parameter/a"
    );
    assert_eq!(parameter("ssm:///aws/service/x/y"), "arn:aws:ssm:eu-west-1::parameter/aws/service/x/y");
    assert_eq!(
        secret("ssm:///aws/reference/secretsmanager/s"),
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-??????"
    );
    assert_eq!(
        secret("secretsmanager://prod/db?stage=AWSPREVIOUS#k"),
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-??????"
    );
    let arn = "arn:aws:secretsmanager:eu-west-3:210987654321:secret:prod/db";
    assert_eq!(secret(&format!("secretsmanager://{arn}-AbCdEf#k")), format!("{arn}-AbCdEf"));
    assert_eq!(secret(&format!("secretsmanager://{arn}")), format!("{arn}-??????"));
    // The name may end like that itself.
    assert_eq!(secret(&format!("secretsmanager://{arn}-master")), format!("{arn}-master {arn}-master-??????"));
    // What differs from one instance to the next is anything; what is not told is, too.
    assert_eq!(parameter("ssm:///i/${ROLECALL_INSTANCE_ID}/k"), "arn:aws:ssm:eu-west-1:123456789012:parameter/i/*/k");
    assert_eq!(of("s3://other/${ROLECALL_AZ}/*", "ReadObjects"), "arn:aws:s3:::other/*/${*}");
}

#[test]
fn the_partition_is_that_of_the_region() {
    let text = "services: { a: { image: '123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a/b:1' } }\n\
                x-rolecall: { variables: { V: 'ssm:///p' } }\n";
    let scope = Scope::new(None, Some("cn-north-1"), None).unwrap();
    let key = "arn:aws-cn:kms:cn-north-1:123456789012:key/1";
    let besides = Besides { kms_keys: vec![key.to_owned()], ..Besides::default() };
    let policy = policy_with(text, &scope, &besides).unwrap();
    assert_eq!(resources(&policy, "ReadProject"), "arn:aws-cn:s3:::bkt/app/*");
    assert_eq!(resources(&policy, "ReadParameters"), "arn:aws-cn:ssm:cn-north-1:*:parameter/p");
    assert_eq!(resources(&policy, "PullImages"), "arn:aws-cn:ecr:cn-north-1:123456789012:repository/a/b");
    let decrypt = policy.0.iter().find(|s| s.sid == "DecryptValues").unwrap();
    let via = &decrypt.condition.as_ref().unwrap().values;
    assert_eq!(via.join(" "), "s3.cn-north-1.amazonaws.com.cn ssm.cn-north-1.amazonaws.com.cn");
    // Where nobody says the region, the registry and the key do.
    let scope = Scope::new(None, None, None).unwrap();
    let policy = policy_with(text, &scope, &besides).unwrap();
    assert_eq!(resources(&policy, "PullImages"), "arn:aws-cn:ecr:cn-north-1:123456789012:repository/a/b");
    let decrypt = policy.0.iter().find(|s| s.sid == "DecryptValues").unwrap();
    assert_eq!(&decrypt.condition.as_ref().unwrap().values, via);
}

#[test]
fn an_account_that_is_not_told_is_any_also_in_a_registry() {
    let image = "${ROLECALL_ACCOUNT_ID}.dkr.ecr.${ROLECALL_REGION}.amazonaws.com/app";
    let text = format!("services: {{ a: {{ image: '{image}' }} }}\n");
    assert_eq!(resources(&policy(&text), "PullImages"), "arn:aws:ecr:eu-west-1:123456789012:repository/app");
    let scope = Scope::new(None, None, None).unwrap();
    let files = BTreeMap::from([(PathBuf::from("/p/compose.yaml"), text.into_bytes())]);
    let reading = Reading { dir: "/p".into(), variables: scope.facts().collect(), ..Reading::default() };
    let loaded = manifest::load(&files, &reading, &Extension::default(), &BTreeMap::new());
    let project = loaded.map_err(Error::from).unwrap();
    let (unknown, besides) = (Unknown::default(), Besides::default());
    let mut needs = Needs::of_source(&source("s3://bkt/"), &Beside::default(), (&scope, &unknown, &besides));
    needs.images(&project).unwrap();
    assert_eq!(resources(&needs.policy(), "PullImages"), "arn:aws:ecr:*:*:repository/app");
    // A whole bucket.
    let list = &needs.policy().0[0];
    assert_eq!((list.sid, list.condition.as_ref().unwrap().values.join(" ")), ("ListProject", String::new()));
    assert_eq!(resources(&needs.policy(), "ReadProject"), "arn:aws:s3:::bkt/*");
}

#[test]
fn a_single_file_is_read_with_what_it_names_and_signatures_where_they_are_asked_for() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    let beside = Beside { files: set(&[".env", "conf", "web.env"]), folders: set(&["conf"]) };
    let scope = scope();
    let of = |text: &str, signed: bool| {
        let (unknown, besides) = (Unknown::default(), Besides { signed, ..Besides::default() });
        Needs::of_source(&source(text), &beside, (&scope, &unknown, &besides)).policy()
    };
    let plain = of("s3://bkt/app/compose.yaml", false);
    assert_eq!(plain.0[0].condition.as_ref().unwrap().values, ["app/conf/"]);
    let arn = |keys: &str| keys.split(' ').map(|key| format!("arn:aws:s3:::bkt/{key}")).collect::<Vec<_>>().join(" ");
    assert_eq!(resources(&plain, "ReadProject"), arn("app/.env app/compose.yaml app/conf app/conf/* app/web.env"));
    let pinned = of("s3://bkt/compose.yaml?versionId=v1", true);
    assert_eq!(resources(&pinned, "ReadVersions"), arn("compose.yaml"));
    assert_eq!(
        resources(&pinned, "ReadProject"),
        arn(".env .env.minisig compose.yaml.minisig conf conf.minisig conf/* web.env web.env.minisig")
    );
}

#[test]
fn what_depends_on_a_value_that_nobody_knows_is_refused() {
    let unknown = Unknown::new(["TAG".to_owned()]);
    let mark = unknown.values().next().unwrap().1;
    let refused = |text: &str| {
        let (extension, project) = read(&text.replace("TAG", &mark));
        let (scope, besides) = (scope(), Besides::default());
        let mut needs = Needs::of_source(&source("s3://bkt/app/"), &Beside::default(), (&scope, &unknown, &besides));
        needs.extension(&extension).and_then(|()| needs.images(&project)).map_err(|err| err.message)
    };
    let depends = |what: &str| Err(format!("{what} depends on TAG, which only an instance knows"));
    let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let image = |reference: &str| refused(&format!("services: {{ web: {{ image: '{reference}' }} }}"));
    assert_eq!(image(&format!("{ecr}/app-TAG:1")), depends("the image of service 'web'"));
    assert_eq!(image("TAG/app"), depends("the image of service 'web'"));
    assert_eq!(image(&format!("{ecr}/app:TAG")), Ok(()), "a permission is for the repository");
    assert_eq!(image(&format!("{ecr}/app@TAG")), Ok(()));
    let variable =
        |at: &str| refused(&format!("services: {{ a: {{ image: a }} }}\nx-rolecall: {{ variables: {{ V: '{at}' }} }}"));
    for reference in ["ssm:///TAG/a", "secretsmanager://TAG", "s3://other/TAG"] {
        assert_eq!(variable(reference), depends("x-rolecall.variables.V"), "{reference}");
    }
}

#[test]
fn an_address_that_a_run_would_refuse_is_refused_here() {
    let text = "services: { a: { image: a } }\nx-rolecall: { registries: [{ auth: 'https://x.test/cfg' }] }\n";
    let err = policy_with(text, &scope(), &Besides::default()).unwrap_err();
    let says = "x-rolecall.registries: https://x.test/cfg is not a single s3:// object or file";
    assert_eq!((err.cause, err.message.as_str()), (Cause::SourceRefused, says));
}

#[test]
fn pull_through_cache_may_import_images() {
    let text = "
services:
  web: { image: 'nginx:1' }
  own: { image: 'quay.io/a/b:1' }
x-rolecall:
  registries: [{ from: docker.io, to: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/docker-hub }]
";
    let policy = policy(text);
    let repository = "arn:aws:ecr:eu-west-1:123456789012:repository/docker-hub/library/nginx";
    assert_eq!(resources(&policy, "PullImages"), repository);
    assert_eq!(resources(&policy, "ImportImages"), repository);
    assert_eq!(resources(&policy, "LogInToRegistry"), "*");
}
