//! AWS under its real names, over TLS: what only shows without a custom endpoint.

use std::{fs, sync::Arc};

use crate::support::{
    aws::Cloud,
    bed::{BUCKET, Bed},
    http::{Reply, Request, Server},
    minisign::Signer,
    proxy::Proxy,
    tls::Authority,
};

const SCRIPT: &str = "#!/bin/sh\necho hello\n";

/// Where files are that anyone may read.
const FILES: &str = "files.rolecall.test";

/// S3 in two regions and EC2, by name: the agent's machine has a hosts file of its own.
struct RealNames {
    bed: Bed,
    server: Server,
}

impl RealNames {
    fn new() -> Self {
        let mut bed = Bed::without_engine();
        let tls = bed.path("tls");
        fs::create_dir(&tls).unwrap();
        let regions = ["eu-west-1", "us-east-2"];
        let mut names = vec![FILES.to_owned(), "s3.amazonaws.com".to_owned(), format!("{BUCKET}.s3.amazonaws.com")];
        for region in regions {
            names.push(format!("s3.{region}.amazonaws.com"));
            names.push(format!("{BUCKET}.s3.{region}.amazonaws.com"));
            names.push(format!("ec2.{region}.amazonaws.com"));
        }
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        let authority = Authority::new(&tls, &listed);
        let cloud = bed.aws.cloud.clone();
        cloud.store.lock().unwrap().regions = true;
        let server = Server::start_on("aws by name", "127.0.0.1:443", Some(Arc::clone(&authority.server)), move |r| {
            by_name(&cloud, r)
        });
        let hosts = bed.path("hosts");
        let lines: Vec<String> = names.iter().map(|n| format!("127.0.0.1 {n}\n")).collect();
        fs::write(&hosts, format!("127.0.0.1 localhost\n{}", lines.concat())).unwrap();
        let script = format!("mount --bind {} /etc/hosts && exec \"$@\"", hosts.display());
        bed.agent = bed
            .agent
            .without("AWS_ENDPOINT_URL")
            .env("AWS_CA_BUNDLE", &authority.ca)
            .env("ROLECALL_DEADLINE", "8s")
            .under(&["unshare", "--mount", "sh", "-c", &script, "sh"]);
        Self { bed, server }
    }

    /// No name resolves on the agent's machine; there is a proxy.
    fn behind_a_proxy() -> (Self, Proxy) {
        let mut real = Self::new();
        let proxy = Proxy::start(([127, 0, 0, 1], 443).into());
        let address = format!("http://{}", proxy.address);
        real.bed.agent = real.bed.agent.under(&[]).env("HTTPS_PROXY", &address).env("HTTP_PROXY", &address);
        (real, proxy)
    }
}

/// Turns the virtual-host form into the path form.
fn by_name(cloud: &Cloud, request: &Request) -> Reply {
    let host = request.header("host").unwrap_or_default();
    if host == FILES {
        return Reply::new(200, SCRIPT);
    }
    if !host.starts_with(&format!("{BUCKET}.")) {
        return cloud.answer(request);
    }
    let inner = Request {
        method: request.method.clone(),
        path: format!("/{BUCKET}{}", request.path),
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
    };
    cloud.answer(&inner)
}

#[test]
fn a_bucket_in_another_region_is_found_without_a_further_permission() {
    let real = RealNames::new();
    real.bed.project("app", &[("10.sh", SCRIPT)]);
    real.bed.aws.store(|s| s.bucket(BUCKET).region = "us-east-2".into());
    real.bed.rolecall(&["plan"]).ready().prints("10.sh");
    assert_eq!(real.server.asked("location"), 0, "{}", real.server.told());
}

#[test]
fn dual_stack_and_fips_endpoints_are_asked() {
    let (real, proxy) = RealNames::behind_a_proxy();
    real.bed.project("app", &[("10.sh", SCRIPT)]);
    for (variables, host) in [
        (&["DUALSTACK"][..], "s3.dualstack.eu-west-1"),
        (&["FIPS"], "s3-fips.eu-west-1"),
        (&["DUALSTACK", "FIPS"], "s3-fips.dualstack.eu-west-1"),
    ] {
        let agent = real.bed.agent.env("ROLECALL_DEADLINE", "3s");
        let agent = variables.iter().fold(agent, |agent, name| agent.env(&format!("AWS_USE_{name}_ENDPOINT"), "true"));
        // The stand-in has no certificate of that name; what counts is who was asked.
        agent.run(&["plan"]);
        let asked = proxy.asked();
        assert_eq!(asked.last().unwrap(), &format!("CONNECT {BUCKET}.{host}.amazonaws.com:443 HTTP/1.1"), "{asked:?}");
    }
}

#[test]
fn all_but_metadata_goes_through_the_proxy_that_the_environment_names() {
    let (real, proxy) = RealNames::behind_a_proxy();
    real.bed.project("app", &[("10.sh", SCRIPT)]);
    real.bed.rolecall(&["plan"]).ready().prints("10.sh");
    let asked = proxy.asked();
    let tunnels = format!("CONNECT {BUCKET}.s3.eu-west-1.amazonaws.com:443 HTTP/1.1");
    assert!(!asked.is_empty() && asked.iter().all(|line| *line == tunnels), "{asked:?}");
    // Tags that metadata does not have come from EC2, through the proxy too.
    real.bed.imds.set(|i| i.tags_in_metadata = false);
    real.bed.rolecall(&["facts"]).ready();
    let asked = proxy.asked();
    assert_eq!(asked.last().unwrap(), "CONNECT ec2.eu-west-1.amazonaws.com:443 HTTP/1.1");
    let source = format!("https://{FILES}/10.sh");
    real.bed.rolecall(&["plan", "--source", &source]).ready().prints("10.sh");
    assert_eq!(proxy.asked().last().unwrap(), &format!("CONNECT {FILES}:443 HTTP/1.1"));
}

#[test]
fn the_owner_of_the_bucket_must_be_the_account_of_the_instance() {
    let real = RealNames::new();
    let compose = format!(
        "services: {{ web: {{ image: a, env_file: web.env, volumes: ['./conf:/conf'] }} }}\n\
         x-rolecall: {{ variables: {{ V: 's3://{BUCKET}/value' }}, registries: [{{ auth: 's3://{BUCKET}/auth' }}] }}\n"
    );
    real.bed.project(
        "app",
        &[("compose.yaml", &*compose), ("web.env", "A=1\n"), ("conf/x", "1"), ("bootstrap/1.sh", SCRIPT)],
    );
    real.bed.aws.put(BUCKET, "value", "x");
    real.bed.aws.put(BUCKET, "auth", "{}");
    // As a folder, and as a single file with what lies beside it.
    real.bed.rolecall(&["plan"]).ready();
    let single = format!("s3://{BUCKET}/app/compose.yaml");
    real.bed.rolecall(&["plan", "--source", &single]).ready();
    for asked in ["list-type", "/app/compose.yaml", "/app/web.env", "/app/.env", "/app/conf/x", "/value", "/auth"] {
        assert!(real.server.asked(asked) > 0, "{asked}: {}", real.server.told());
    }
    let named = |account: &str| {
        let all = real.server.log();
        all.iter().all(|a| a.headers.get("x-amz-expected-bucket-owner").is_some_and(|v| v == account))
    };
    assert!(named("123456789012"), "{}", real.server.told());
    real.bed.aws.store(|s| s.bucket(BUCKET).owner = "999999999999".into());
    real.bed.fails(5, "owner-mismatch");
    let allowed = real.bed.agent.env("ROLECALL_BUCKET_OWNERS", "999999999999");
    allowed.run(&["plan"]).ready();
}

#[test]
fn signature_does_not_replace_the_owner_check() {
    let mut real = RealNames::new();
    let signer = Signer::new();
    real.bed.agent = real.bed.agent.env("ROLECALL_PUBLIC_KEY", &signer.key);
    real.bed.aws.store(|s| s.bucket(BUCKET).owner = "999999999999".into());
    real.bed.project("app", &[("10.sh", SCRIPT)]);
    real.bed.fails(5, "owner-mismatch");
    real.bed.agent = real.bed.agent.env("ROLECALL_BUCKET_OWNERS", "999999999999");
    real.bed.fails(5, "signature-missing");
    for (name, content) in signer.list(1, &[("10.sh", SCRIPT)]) {
        real.bed.aws.put(BUCKET, &format!("app/{name}"), content);
    }
    real.bed.rolecall(&["plan"]).ready().prints("10.sh");
    let both = real.bed.agent.env("ROLECALL_BUCKET_OWNERS", "111122223333");
    both.run(&["plan"]).fails(5, "owner-mismatch");
}

#[test]
fn an_endpoint_of_another_region_that_does_not_help_is_a_clear_error() {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.env("ROLECALL_DEADLINE", "6s");
    bed.project("app", &[("10.sh", SCRIPT)]);
    bed.aws.store(|s| {
        s.regions = true;
        s.bucket(BUCKET).region = "us-east-2".into();
    });
    let failed = bed.run().exits(4);
    assert!(failed.stderr.contains("us-east-2"), "{}", failed.told());
}
