//! Each form of a source, roles, and values that are not known here.

use serde_json::json;

use super::Project;

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

#[test]
fn a_folder_a_compose_file_and_scripts_are_read_as_a_run_reads_them() {
    let compose = "services: { web: { image: a, env_file: env/web.env, volumes: ['./conf:/conf', './data:/data', './site.html:/s'] } }\n";
    let project = Project::new(&[
        ("compose.yaml", compose),
        ("env/web.env", "A=1\n"),
        ("conf/a", "1"),
        ("site.html", "1"),
        ("scripts/10-a.sh", "#!/bin/sh\n"),
    ]);
    let objects = |args: &[&str]| -> Vec<String> {
        let all = project.resources(&[args, &["--bucket", "bkt"]].concat(), "ReadProject");
        all.into_iter().map(|arn| arn.strip_prefix("arn:aws:s3:::bkt/").unwrap().to_owned()).collect()
    };
    assert_eq!(objects(&["."]), ["*"]);
    assert_eq!(objects(&[".", "--prefix", "deploy/shop"]), ["deploy/shop/*"]);
    assert_eq!(objects(&[".", "--prefix", "/deploy/shop/"]), ["deploy/shop/*"]);
    let named = [".env", "compose.yaml", "conf", "conf/*", "data", "data/*", "env/web.env", "site.html"];
    assert_eq!(objects(&["compose.yaml"]), named);
    let below = named.map(|name| format!("deploy/{name}"));
    assert_eq!(objects(&["compose.yaml", "--prefix", "deploy"]), below);
    assert_eq!(objects(&["scripts", "--prefix", "s"]), ["s/*"]);
    assert_eq!(objects(&["scripts/10-a.sh"]), ["10-a.sh"]);
    let list = &project.policy(&["compose.yaml", "--bucket", "bkt"])["Statement"][0];
    assert_eq!(list["Condition"], json!({ "StringEquals": { "s3:prefix": ["conf/", "data/"] } }));
    let pinned = project.policy(&["compose.yaml", "--bucket", "bkt", "--pinned"]);
    assert_eq!(pinned["Statement"][2]["Action"], json!(["s3:GetObjectVersion"]));
    assert_eq!(pinned["Statement"][2]["Resource"], json!(["arn:aws:s3:::bkt/compose.yaml"]));
}

#[test]
fn images_are_those_of_the_roles() {
    let compose = format!(
        "services:\n  web: {{ image: '{ECR}/web:1' }}\n  worker: {{ image: '{ECR}/worker:1', profiles: [jobs] }}\n  \
         hub: {{ image: nginx }}\n\
         x-rolecall: {{ roles: {{ canary: {{ services: {{ web: {{ image: '{ECR}/web-next:1' }} }} }} }} }}\n"
    );
    let overlay = format!("services: {{ web: {{ image: '{ECR}/web-prod:1' }} }}\n");
    let project = Project::new(&[("compose.yaml", &compose), ("compose.prod.yaml", &overlay)]);
    let images = |args: &[&str]| {
        let all = project.resources(&[&[".", "--bucket", "bkt"], args].concat(), "PullImages");
        let name =
            |arn: &String| arn.strip_prefix("arn:aws:ecr:eu-west-1:123456789012:repository/").unwrap().to_owned();
        all.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(images(&[]), "web web-next worker");
    assert_eq!(images(&["--roles", "canary"]), "web-next");
    assert_eq!(images(&["--roles", "jobs"]), "web worker");
    assert_eq!(images(&["--roles", "hub"]), "");
    assert_eq!(images(&["--roles", "web", "--environment", "prod"]), "web-prod");
    assert_eq!(images(&["--roles", "all"]), "web-next worker");
}

#[test]
fn log_groups_of_the_engine_are_in_the_policy() {
    let compose = "services:\n  own: { image: nginx, logging: { driver: awslogs, options: { awslogs-group: web, awslogs-region: us-east-2, \
                   awslogs-create-group: \"true\" } } }\n  common: { image: nginx }\n  file: { image: nginx, logging: { driver: json-file } }\n\
                   x-rolecall: { host: { docker: { daemon: { log-driver: awslogs, log-opts: { awslogs-group: all } } } } }\n";
    let project = Project::new(&[("compose.yaml", compose)]);
    let groups = |sid: &str| project.resources(&[".", "--bucket", "bkt"], sid);
    let web = "arn:aws:logs:us-east-2:*:log-group:web:*";
    assert_eq!(groups("WriteLogs"), ["arn:aws:logs:*:*:log-group:all:*", web]);
    assert_eq!(groups("CreateLogGroups"), [web]);
}

#[test]
fn what_is_named_after_the_roles_is_named_for_each() {
    let compose = "services: { a: { image: x, profiles: [a] }, b: { image: x, profiles: [b] } }\n\
                   x-rolecall: { variables: { KEY: 'ssm:///prod/${ROLECALL_ROLES}/key' } }\n";
    let project = Project::new(&[("compose.yaml", compose)]);
    let parameters = |args: &[&str]| {
        let all = project.resources(&[&[".", "--bucket", "bkt"], args].concat(), "ReadParameters");
        all.iter().map(|arn| arn.split_once(":parameter/").unwrap().1.to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(parameters(&[]), "prod/a/key prod/b/key");
    assert_eq!(parameters(&["--roles", "b"]), "prod/b/key");
}

#[test]
fn what_only_an_instance_knows_is_told_by_set() {
    let compose = format!(
        "services:\n  web: {{ image: '{ECR}/${{ROLECALL_TAG_App}}:${{TAG}}', ports: ['${{ROLECALL_TAG_Port:-80}}:80'] }}\n\
         x-rolecall:\n  variables:\n    TAG: ssm:///${{ROLECALL_ENVIRONMENT}}/tag\n    \
         PASSWORD: ssm:///${{ROLECALL_TAG_Stage}}/password\n"
    );
    let project = Project::new(&[("compose.yaml", &compose)]);
    let iam = |args: &[&str]| project.agent.run(&[&["iam", ".", "--bucket", "bkt"], args].concat());
    let failed = iam(&[]).fails(3, "manifest-invalid");
    failed.names("depends on ROLECALL_TAG_Stage, which only an instance knows").hints("--set ROLECALL_TAG_Stage=VALUE");
    let known = ["--set", "ROLECALL_TAG_Stage=prod"];
    iam(&known).fails(3, "manifest-invalid").names("the image of service 'web' depends on ROLECALL_TAG_App");
    let known = [&known[..], &["--set", "ROLECALL_TAG_App=shop", "--environment", "prod"]].concat();
    let args = [&[".", "--bucket", "bkt"], &known[..]].concat();
    let image = "arn:aws:ecr:eu-west-1:123456789012:repository/shop";
    assert_eq!(project.resources(&args, "PullImages"), [image], "the tag of an image needs no permission");
    let parameters = ["arn:aws:ssm:*:*:parameter/prod/password", "arn:aws:ssm:*:*:parameter/prod/tag"];
    assert_eq!(project.resources(&args, "ReadParameters"), parameters);
}

#[test]
fn an_image_that_a_value_names_is_told_by_set_too() {
    let compose = "services: { web: { image: '${IMAGE}' } }\nx-rolecall: { variables: { IMAGE: 'ssm:///image' } }\n";
    let project = Project::new(&[("compose.yaml", compose)]);
    let args = [".", "--bucket", "bkt"];
    let failed = project.agent.run(&[&["iam"], &args[..]].concat()).fails(3, "manifest-invalid");
    failed.names("the image of service 'web' depends on IMAGE").hints("--set IMAGE=VALUE");
    let set = format!("IMAGE={ECR}/a/b:1");
    let image = "arn:aws:ecr:eu-west-1:123456789012:repository/a/b";
    assert_eq!(project.resources(&[&args[..], &["--set", &set]].concat(), "PullImages"), [image]);
    project
        .agent
        .run(&["iam", ".", "--bucket", "bkt", "--set", "IMGE=x"])
        .fails(2, "usage")
        .names("did you mean IMAGE?");
}
