use super::*;
use crate::{
    error::Class,
    manifest::testing::{Stage, facts},
    redact::mask,
};

impl Stage {
    async fn environment(&self, source: &str, environment: Option<&str>) -> BTreeMap<String, String> {
        let prepared = self.prepare(source, environment, &facts(&[("Team", "red")])).await.unwrap();
        let app = prepared.manifest.project.unwrap().services["app"].clone();
        app.environment.iter().map(|(k, v)| (k.clone(), v.clone().unwrap_or_default())).collect()
    }
}

/// A variable that the test's own folder keeps.
fn secret(stage: &Stage, value: &str) -> String {
    let path = stage.state.path().join("secret");
    std::fs::write(&path, value).unwrap();
    format!("file://{}", path.display())
}

#[tokio::test]
async fn variables_beat_facts_and_facts_beat_the_env_file() {
    let stage = Stage::new(&[(
        "app/.env",
        "PASSWORD=from-file\nROLECALL_REGION=from-file\nROLECALL_TAG_Team=from-file\nPLAIN=from-file\n",
    )]);
    let password = secret(&stage, "from-variable\n");
    stage.bucket.put(
        "app/compose.yaml",
        &format!(
            "services:\n  app:\n    image: a\n    environment:\n      A: ${{PASSWORD}}\n      B: ${{ROLECALL_REGION}}\n      \
             C: ${{ROLECALL_TAG_Team}}\n      D: ${{PLAIN}}\nx-rolecall: {{ variables: {{ PASSWORD: '{password}' }} }}\n"
        ),
    );
    let found = stage.environment("s3://bucket/app/", None).await;
    let values: Vec<&str> = found.values().map(String::as_str).collect();
    assert_eq!(values, ["from-variable", "eu-west-1", "red", "from-file"]);
}

#[tokio::test]
async fn the_overlay_of_the_environment_takes_the_place_of_the_override() {
    let file = |who: &str| format!("services: {{ app: {{ image: a, environment: {{ {who}: 'yes' }} }} }}\n");
    let stage = Stage::new(&[
        ("app/compose.yaml", &file("BASE")),
        ("app/compose.override.yaml", &file("OVERRIDE")),
        ("app/compose.prod.yaml", &file("PROD")),
        ("app/dc.test.yml", &file("TEST")),
        ("app/other.yaml", &file("OTHER")),
    ]);
    let names = async |environment| {
        let found = stage.environment("s3://bucket/app/", environment).await;
        found.into_keys().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(None).await, "BASE OVERRIDE");
    assert_eq!(names(Some("prod")).await, "BASE PROD");
    assert_eq!(names(Some("test")).await, "BASE TEST");
    assert_eq!(names(Some("nothing")).await, "BASE OVERRIDE");
    stage.bucket.put("app/.env", "COMPOSE_FILE=other.yaml\n");
    assert_eq!(names(None).await, "OTHER");
    assert_eq!(names(Some("prod")).await, "OTHER PROD");
}

#[tokio::test]
async fn a_single_file_finds_beside_it_all_that_it_names() {
    let stage = Stage::new(&[
        (
            "deploy/web.yaml",
            "include: [sub/more.yaml]\nservices:\n  app:\n    image: a\n    env_file: [must.env, { path: may.env, required: \
             false }, { path: none.env, required: false }]\n    environment: { DOTENV: \"${FROM_DOTENV}\" }\n    \
             volumes: ['./conf:/conf']\n",
        ),
        ("deploy/.env", "FROM_DOTENV=1\n"),
        ("deploy/must.env", "MUST=1\n"),
        ("deploy/may.env", "MAY=1\n"),
        ("deploy/sub/more.yaml", "services: { more: { image: \"more:${FROM_SUB}\" } }\n"),
        ("deploy/sub/.env", "FROM_SUB=1\n"),
        ("deploy/conf/a", "a"),
        ("deploy/unrelated", "x"),
    ]);
    let prepared = stage.prepare("s3://bucket/deploy/web.yaml", None, &facts(&[])).await.unwrap();
    let project = prepared.manifest.project.unwrap();
    assert_eq!(project.services["more"].image, "more:1");
    let environment: Vec<&str> = project.services["app"].environment.keys().map(String::as_str).collect();
    assert_eq!(environment, ["DOTENV", "MAY", "MUST"]);
    let files = prepared.files.unwrap();
    let names: Vec<&str> = files.files.keys().map(String::as_str).collect();
    assert_eq!(names, [".env", "conf/a", "may.env", "must.env", "sub/.env", "sub/more.yaml", "web.yaml"]);
    let asked = stage.bucket.asked();
    assert_eq!(asked.iter().filter(|line| line.contains("none.env")).count(), 1, "{asked:?}");
}

#[tokio::test]
async fn a_file_beside_that_is_refused_is_told_as_refused() {
    let stage = Stage::new(&[("app/c.yaml", "services: { app: { image: a, env_file: web.env } }\n")]);
    let denied = || Error::new(Cause::SourceDenied, "HTTP 403").class(Class::Denied).need("s3:GetObject on arn");
    stage.bucket.deny.borrow_mut().insert("app/web.env".into(), denied());
    let err = stage.prepare("s3://bucket/app/c.yaml", None, &facts(&[])).await.unwrap_err();
    assert_eq!((err.cause, err.need.as_deref()), (Cause::SourceDenied, Some("s3:GetObject on arn")));
    assert!(err.message.contains("c.yaml:1:") && err.message.contains("web.env"), "{err}");
}

#[tokio::test]
async fn the_name_of_the_project_decides_its_folder() {
    let stage = Stage::new(&[(
        "deploy/app/compose.yaml",
        "name: shop\nservices: { app: { image: a, volumes: ['./d:/d'] } }\n",
    )]);
    let prepared = stage.prepare("s3://bucket/deploy/app/", None, &facts(&[])).await.unwrap();
    assert_eq!(prepared.dir, stage.state.path().join("projects/shop"));
    let project = prepared.manifest.project.unwrap();
    assert_eq!(project.services["app"].volumes[0].source, prepared.dir.join("d").display().to_string());
    stage.bucket.put("deploy/app/compose.yaml", "services: { app: { image: a } }\n");
    let prepared = stage.prepare("s3://bucket/deploy/app/", None, &facts(&[])).await.unwrap();
    assert_eq!(prepared.dir, stage.state.path().join("projects/app"));
    stage.bucket.put("deploy/app/compose.yaml", "name: x${PWD}\nservices: { app: { image: a } }\n");
    let err = stage.prepare("s3://bucket/deploy/app/", None, &facts(&[])).await.unwrap_err();
    assert_eq!(err.cause, Cause::ManifestInvalid);
}

#[tokio::test]
async fn a_value_that_must_not_be_seen_is_not_in_an_error() {
    let mut quoted = 0;
    for service in
        ["{ image: a, pull_policy: '${KEY}' }", "{ image: a, restart: '${KEY}' }", "{ image: a, networks: ['${KEY}'] }"]
    {
        let stage = Stage::new(&[]);
        let key = secret(&stage, "hunter2hunter2");
        let text = format!("services: {{ app: {service} }}\nx-rolecall: {{ variables: {{ KEY: '{key}' }} }}\n");
        stage.bucket.put("app/compose.yaml", &text);
        if let Err(err) = stage.prepare("s3://bucket/app/", None, &facts(&[])).await {
            let told = mask(&err.message);
            assert!(!told.contains("hunter2"), "{told}");
            quoted += usize::from(told.contains("${KEY}"));
        }
    }
    assert!(quoted > 0, "no error quotes a value, so that this proves nothing");
}

#[tokio::test]
async fn scripts_are_those_of_the_prefix_or_of_its_bootstrap_folder() {
    let scripts = async |objects: &[(&str, &str)], source: &str| {
        let prepared = Stage::new(objects).prepare(source, None, &facts(&[])).await.unwrap();
        prepared.manifest.scripts.iter().map(|s| s.name.clone()).collect::<Vec<_>>().join(" ")
    };
    let compose = ("app/compose.yaml", "services: { app: { image: a } }\n");
    let (own, folder, deep) = (("app/b.sh", "#!"), ("app/bootstrap/a.sh", "#!"), ("app/x/y.sh", "#!"));
    assert_eq!(scripts(&[compose, own, folder, deep], "s3://bucket/app/").await, "bootstrap/a.sh");
    assert_eq!(scripts(&[own, folder, deep, ("app/a.sh", "#!")], "s3://bucket/app/").await, "a.sh b.sh");
    assert_eq!(scripts(&[folder, deep], "s3://bucket/app/").await, "bootstrap/a.sh", "the older form");
    assert_eq!(scripts(&[own], "s3://bucket/app/b.sh").await, "b.sh");
    let nothing = Stage::new(&[deep]).prepare("s3://bucket/app/", None, &facts(&[])).await.unwrap_err();
    assert_eq!(nothing.cause, Cause::SourceUnrecognised);
    assert!(nothing.message.contains("x/y.sh"), "{nothing}");
}
