use super::*;
use crate::{
    error::Cause,
    manifest::testing::{Stage, facts},
    settings::Flags,
};

async fn surveyed(stage: &Stage, source: &str, roles: &str) -> Result<Survey> {
    let flags = Flags { source: Some(source.to_owned()), roles: Some(roles.to_owned()), ..Flags::default() };
    stage.fetched(flags, &facts(&[("Version", "7")]), async |around, fetched| survey(around, fetched).await).await
}

fn one(compose: &str) -> Stage {
    Stage::new(&[("app/compose.yaml", compose)])
}

const SOURCE: &str = "s3://bucket/app/";

#[tokio::test]
async fn every_role_is_looked_at_or_those_that_are_wanted() {
    let stage = one("services:\n  web: { image: web }\n  job: { image: job, profiles: [batch], depends_on: [db] }\n  \
         db: { image: db, profiles: [batch] }\n  spare: { image: spare, profiles: [never] }\n\
         x-rolecall:\n  roles:\n    edge: { services: { web: { image: 'edge:${ROLECALL_ROLES}' } } }\n");
    for (roles, wanted) in [
        ("", "db edge:edge job spare web"),
        ("edge", "edge:edge"),
        ("edge:batch", "db edge:edge job web"),
        ("job", "db job"),
        ("all", "db edge:all job spare"),
    ] {
        let survey = surveyed(&stage, SOURCE, roles).await.unwrap();
        assert_eq!(images(&survey.projects).into_iter().collect::<Vec<_>>().join(" "), wanted, "{roles}");
        assert!(survey.fickle.is_empty());
    }
    assert_eq!(surveyed(&stage, SOURCE, "egde").await.err().unwrap().cause, Cause::RoleUnknown);
}

/// Nobody answers here for a parameter: whoever asks for one fails the test.
#[tokio::test]
async fn a_value_is_looked_up_only_where_an_image_is_called_by_it() {
    let stage = one("");
    let file = |name: &str, value: &str| {
        let path = stage.state.path().join(name);
        std::fs::write(&path, value).unwrap();
        format!("file://{}", path.display())
    };
    let (registry, port, tag) = (file("registry", "r.example"), file("port", "8080"), file("tag", "3"));
    let compose = |service: &str| {
        format!(
            "services: {{ web: {{ {service} }} }}\nx-rolecall: {{ variables: {{ REGISTRY: '{registry}', PORT: '{port}', \
             TAG: '{tag}', PASSWORD: 'ssm:///password' }} }}\n"
        )
    };
    for (service, wanted) in [
        ("image: web, environment: { P: '${PASSWORD}' }", "web"),
        ("image: '${REGISTRY}/web:${TAG}', environment: { P: '${PASSWORD}' }", "r.example/web:3"),
        ("image: '${REGISTRY:+mirror/}web', environment: { P: '${PASSWORD:?}' }", "mirror/web"),
    ] {
        stage.bucket.put("app/compose.yaml", &compose(service));
        let survey = surveyed(&stage, SOURCE, "").await.unwrap();
        assert_eq!(images(&survey.projects), BTreeSet::from([wanted.to_owned()]), "{service}");
    }
    // Not valid with anything but its values: all of them are looked up.
    let all = compose("image: web, ports: ['${PORT}:80']").replace("ssm:///password", &tag);
    stage.bucket.put("app/compose.yaml", &all);
    let survey = surveyed(&stage, SOURCE, "").await.unwrap();
    assert_eq!(survey.projects[0].services["web"].ports[0].published, "8080");
}

#[tokio::test]
async fn images_that_follow_the_instance_are_told() {
    let stage = one("name: 'app-${ROLECALL_TAG_Version}'\nservices:\n  a: { image: 'a:${ROLECALL_TAG_Version}' }\n  \
         b: { image: '${ROLECALL_REGION}/b' }\n  c: { image: 'c:${ROLECALL_HOSTNAME}' }\n");
    let survey = surveyed(&stage, SOURCE, "").await.unwrap();
    assert_eq!(survey.fickle, BTreeSet::from(["a:7".to_owned(), "c:host".to_owned()]));
    assert!(survey.prepared.dir.ends_with("projects/app-7"), "{}", survey.prepared.dir.display());
}

#[tokio::test]
async fn the_files_of_all_roles_are_kept_of_a_single_file() {
    let stage = Stage::new(&[
        (
            "app/web.yaml",
            "services:\n  web: { image: web, env_file: web.env, volumes: ['./site:/www'] }\n  \
             job: { image: job, env_file: job.env, profiles: [batch], volumes: ['./in:/in'] }\n",
        ),
        ("app/web.env", "A=1"),
        ("app/job.env", "A=1"),
        ("app/site/index.html", "x"),
        ("app/in/x", "x"),
        ("app/unrelated", "x"),
    ]);
    let survey = surveyed(&stage, "s3://bucket/app/web.yaml", "").await.unwrap();
    let files = survey.prepared.files.unwrap();
    let names: Vec<&str> = files.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["in/x", "job.env", "site/index.html", "web.env", "web.yaml"]);
    for name in names {
        assert!(files.read(name).unwrap().is_some());
    }
}
