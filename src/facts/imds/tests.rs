use super::*;
use crate::testing::{Reply, Request, Server};

/// A service that knows its tokens; `answer` says what it gives for a path with a good one.
fn strict(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds");
        match (request.method.as_str(), request.path.as_str(), request.header("x-aws-ec2-metadata-token")) {
            ("PUT", "/latest/api/token", _) if ttl == Some("21600") => Reply::new(200, "TOKEN=="),
            ("PUT", ..) => Reply::new(400, ""),
            ("GET", path, Some("TOKEN==")) => answer(path),
            _ => Reply::new(401, ""),
        }
    })
}

fn imds(server: &Server) -> HttpImds {
    HttpImds::new(&server.url, None, false).unwrap()
}

#[tokio::test]
async fn one_token_serves_all_and_404_is_absence() {
    let server = strict(|path| match path {
        "/2021-07-15/meta-data/instance-id" => Reply::new(200, "i-0abc"),
        _ => Reply::new(404, ""),
    });
    let imds = imds(&server);
    let (a, b) = tokio::join!(imds.get("meta-data/instance-id"), imds.get("meta-data/tags/instance"));
    assert_eq!((a.unwrap().as_deref(), b.unwrap()), (Some("i-0abc"), None));
    let puts = server.lines().iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(puts, 1, "{:?}", server.lines());
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_per_attempt() {
    let counter = std::sync::atomic::AtomicU32::new(0);
    let server = strict(move |_| match counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Reply::new(401, ""),
        1 => Reply::new(200, "i-0abc"),
        _ => Reply::new(401, ""),
    });
    let imds = imds(&server);
    assert_eq!(imds.get("meta-data/instance-id").await.unwrap().as_deref(), Some("i-0abc"));
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("PUT")).count(), 2);
    let err = imds.get("meta-data/instance-id").await.unwrap_err();
    assert_eq!((err.class, err.cause), (Class::Transient, Cause::ImdsRefused));
    assert!(err.message.contains("401"), "{err}");
}

/// What a fault of the service means: the table of all classes.
#[tokio::test]
async fn every_fault_has_its_class_and_cause() {
    type Script = fn(&Request) -> Reply;
    fn token(request: &Request, status: u16) -> Reply {
        if request.method == "PUT" { Reply::new(status, "T") } else { Reply::new(401, "") }
    }
    let rows: [(&str, Script, Class, Cause, &str); 12] = [
        ("disabled", |r| token(r, 403), Class::Permanent, Cause::ImdsRefused, "disabled"),
        ("bad request", |r| token(r, 400), Class::Permanent, Cause::ImdsRefused, "HTTP 400"),
        ("5xx on the token", |r| token(r, 500), Class::Transient, Cause::ImdsUnreachable, "HTTP 500"),
        ("throttled token", |r| token(r, 429), Class::Throttled, Cause::ImdsUnreachable, "HTTP 429"),
        ("503 on the token", |r| token(r, 503), Class::Throttled, Cause::ImdsUnreachable, "HTTP 503"),
        ("no metadata service", |_| Reply::new(404, ""), Class::Transient, Cause::ImdsUnreachable, "HTTP 404"),
        (
            "version 1 only",
            |r| if r.method == "PUT" { Reply::new(405, "") } else { Reply::new(200, "i-0abc") },
            Class::Permanent,
            Cause::ImdsRefused,
            "IMDSv1 only",
        ),
        ("always 401", |r| token(r, 200), Class::Transient, Cause::ImdsRefused, "401"),
        (
            "403 on an item",
            |r| Reply::new(if r.method == "PUT" { 200 } else { 403 }, "T"),
            Class::Permanent,
            Cause::ImdsRefused,
            "403",
        ),
        (
            "5xx on an item",
            |r| Reply::new(if r.method == "PUT" { 200 } else { 502 }, "T"),
            Class::Transient,
            Cause::ImdsUnreachable,
            "502",
        ),
        (
            "truncated item",
            |r| if r.method == "PUT" { Reply::new(200, "T") } else { Reply::new(200, "i-0abc").cut(2) },
            Class::Transient,
            Cause::ImdsUnreachable,
            "meta-data/instance-id",
        ),
        ("a web page", |_| Reply::new(200, "<html>\u{e4}</html>"), Class::Permanent, Cause::ImdsRefused, "no token"),
    ];
    for (name, script, class, cause, part) in rows {
        let server = Server::start(script);
        let err = imds(&server).get("meta-data/instance-id").await.expect_err(name);
        assert_eq!((err.class, err.cause), (class, cause), "{name}: {err}");
        assert!(err.message.contains(part), "{name}: {err}");
    }
    let nobody = HttpImds::new("http://127.0.0.1:9", None, false).unwrap();
    let err = nobody.get("meta-data/instance-id").await.unwrap_err();
    assert_eq!((err.class, err.cause), (Class::Transient, Cause::ImdsUnreachable), "{err}");
    assert!(err.message.contains("refused"), "{err}");
    let disabled = HttpImds::new("http://127.0.0.1:9", None, true).unwrap();
    let err = disabled.get("meta-data/instance-id").await.unwrap_err();
    assert_eq!((err.class, err.cause), (Class::Permanent, Cause::ImdsRefused));
    assert!(err.message.contains("AWS_EC2_METADATA_DISABLED"), "{err}");
}

#[tokio::test]
async fn a_token_that_dies_on_its_way_back_is_the_hop_limit_and_final_in_the_end() {
    let server = Server::start(|request| match request.method.as_str() {
        "PUT" => Reply::hang(),
        _ => Reply::new(401, ""),
    });
    let imds = imds(&server);
    for class in [Class::Transient, Class::Transient, Class::Permanent] {
        let err = imds.get("meta-data/instance-id").await.unwrap_err();
        assert_eq!((err.class, err.cause), (class, Cause::ImdsRefused));
        assert!(err.to_string().contains("hop limit") && err.to_string().contains("on the host"), "{err}");
    }
}

#[test]
fn the_endpoint_is_chosen_by_the_environment() {
    let of = |pairs: &[(&str, &str)]| endpoint(&pairs.iter().copied().collect());
    assert_eq!(of(&[]).unwrap(), "http://169.254.169.254");
    assert_eq!(of(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6")]).unwrap(), "http://[fd00:ec2::254]");
    let both = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"),
    ];
    assert_eq!(of(&both).unwrap(), "http://127.0.0.1:1338");
    for bad in [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "127.0.0.1"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "v6")] {
        let err = of(&[bad]).unwrap_err();
        assert!(err.cause == Cause::Usage && err.message.contains(bad.0), "{err}");
    }
}

#[tokio::test]
async fn no_proxy_is_ever_asked() {
    // The variables of the process would be read by the client itself; a subprocess keeps them out of other tests.
    if std::env::var("http_proxy").is_err() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["facts::imds::tests::no_proxy_is_ever_asked", "--exact"])
            .env("http_proxy", "http://127.0.0.1:9")
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
        return;
    }
    let server = strict(|_| Reply::new(200, "i-0abc"));
    assert!(imds(&server).get("meta-data/instance-id").await.is_ok());
}
