use crate::{
    settings::Env,
    testing::{Reply, Request, Server},
    tls::Trust,
    world::{ObjectRef, ObjectRequest},
};

/// The SDK reads the variables of its process, so a child gets them: this test, run again. It reads an object and
/// the tags, and prints what came of it.
#[tokio::test]
async fn child() {
    if std::env::var("ROLECALL_TEST_CHILD").is_err() {
        return;
    }
    let env = Env::from_process();
    let (store, cloud) = super::connect(&env, &Trust::from_env(&env));
    let object = ObjectRef { bucket: "plain".into(), key: "key".into(), version: None };
    let request = ObjectRequest { limit: 100, ..ObjectRequest::default() };
    match store.get(&object, &request).await {
        Ok(found) => println!("body {}", String::from_utf8_lossy(&found.body)),
        Err(err) => println!("{:?} {:?} {err}", err.cause, err.class),
    }
    match cloud.tags("eu-west-1", "i-0abc").await {
        Ok(tags) => println!("tags {tags:?}"),
        Err(err) => println!("tags {err}"),
    }
}

fn run(server: &Server, env: &[(&str, &str)]) -> String {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["aws::tests::child", "--exact", "--nocapture"])
        .env_clear()
        .envs([("ROLECALL_TEST_CHILD", "1"), ("AWS_ENDPOINT_URL", server.url.as_str())])
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// S3, EC2 and metadata in one; `credentials` answers what is asked below `security-credentials/`.
fn cloud(credentials: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Server {
    const BELOW: &str = "/latest/meta-data/iam/security-credentials/";
    Server::start(move |request: &Request| match request.path.as_str() {
        path if path.starts_with("/plain/key") => Reply::new(200, "hello"),
        "/latest/api/token" => Reply::new(200, "T").header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        path if path.starts_with(BELOW) => credentials(&path[BELOW.len()..]),
        "/" if request.body.contains("Action=DescribeTags") && request.body.contains("i-0abc") => {
            let more = request.body.contains("NextToken=more");
            let (key, next) = if more { ("Name", "") } else { ("Role", "<nextToken>more</nextToken>") };
            Reply::new(
                200,
                format!(
                    "<DescribeTagsResponse><tagSet><item><key>{key}</key><value>web</value></item></tagSet>{next}\
                     </DescribeTagsResponse>"
                ),
            )
        }
        _ => Reply::new(404, ""),
    })
}

fn role(path: &str) -> Reply {
    match path {
        "" => Reply::new(200, "role"),
        _ => Reply::new(
            200,
            r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"A","SecretAccessKey":"S","Token":"T",
                "LastUpdated":"2020-01-01T00:00:00Z","Expiration":"2099-01-01T00:00:00Z"}"#,
        ),
    }
}

#[test]
fn endpoints_and_role_credentials_come_from_the_environment_and_all_pages_are_read() {
    let said = run(&cloud(role), &[]);
    assert!(said.contains("body hello"), "{said}");
    assert!(said.contains(r#"tags {"Name": "web", "Role": "web"}"#), "{said}");
}

#[test]
fn dual_stack_and_fips_beside_an_endpoint_are_named() {
    for setting in ["AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT"] {
        let said = run(&cloud(role), &[(setting, "true")]);
        let expected = format!("{setting}=true cannot be combined with AWS_ENDPOINT_URL");
        for what in
            ["SourceUnreachable Permanent could not read s3://plain/key", "tags could not read the tags of i-0abc with"]
        {
            let told = said.lines().any(|line| line.contains(what) && line.contains(&expected));
            assert!(told, "{what}: {said}");
        }
    }
}

#[test]
fn metadata_is_asked_directly_and_services_through_the_proxy() {
    // The endpoint of S3 is a name that only the proxy knows.
    let (proxy, metadata) = (cloud(role), cloud(role));
    let said = run(
        &metadata,
        &[("AWS_ENDPOINT_URL_S3", "http://s3.test"), ("http_proxy", &proxy.url), ("HTTP_PROXY", &proxy.url)],
    );
    // A proxy is asked for whole addresses.
    assert!(proxy.lines().iter().any(|line| line.contains("http://s3.test/plain/key")), "{said}\n{:?}", proxy.lines());
    assert!(!proxy.lines().iter().any(|line| line.contains("/latest/")), "{:?}", proxy.lines());
    assert!(metadata.lines().iter().any(|line| line.contains("/latest/api/token")));
}

#[test]
fn credentials_that_are_absent_late_or_broken_are_told_apart() {
    for (name, script, expected) in [
        ("no role", (|_: &str| Reply::new(404, "")) as fn(&str) -> Reply, "CredentialsMissing Permanent"),
        ("broken", |_| Reply::new(500, ""), "CredentialsMissing Transient"),
        ("hanging", |_| Reply::hang(), "CredentialsMissing Transient"),
        (
            "failed",
            |path| {
                if path.is_empty() {
                    role("")
                } else {
                    Reply::new(200, r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no"}"#)
                }
            },
            "CredentialsMissing Denied",
        ),
    ] {
        let said = run(&cloud(script), &[]);
        assert!(said.contains(expected), "{name}: {said}");
    }
    let said = run(&cloud(role), &[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
    assert!(said.contains("body hello"), "{said}");
}
