use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use tokio::sync::OnceCell;

use super::*;
use crate::{
    settings::Env,
    testing::{Reply, Request, Server},
    tls::Trust,
};

/// A store whose requests go to the server. The bucket's name has a dot, so that paths are used although no
/// endpoint is configured.
fn store(server: &Server, env: Env) -> S3 {
    let mut shared = Shared::new(&env, &Trust::from_env(&env));
    let credentials = Credentials::new("AKID", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .http_client(shared.http.clone())
        .endpoint_url(&server.url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .stalled_stream_protection(
            aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig::disabled(),
        )
        .build();
    shared.config = OnceCell::new_with(Some(config));
    S3::new(Rc::new(shared))
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: "my.bucket".into(), key: key.into(), version: None }
}

fn request(owners: &[&str]) -> ObjectRequest {
    ObjectRequest {
        region: Some("eu-west-1".into()),
        owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
        etag: None,
        limit: 1000,
    }
}

fn refusal(status: u16, code: &str) -> Reply {
    let body = format!("<Error><Code>{code}</Code><Message>said so</Message></Error>");
    Reply::new(status, body).header("x-amz-request-id", "REQ1")
}

fn owner(request: &Request) -> Option<&str> {
    request.header("x-amz-expected-bucket-owner")
}

#[tokio::test]
async fn an_object_is_read_with_its_owner_version_and_etag() {
    let server = Server::start(|_| Reply::new(200, "hello").header("etag", "\"abc\"").header("x-amz-version-id", "v1"));
    let wanted = ObjectRequest { etag: Some("abc".into()), ..request(&["123456789012"]) };
    let wanted_object = ObjectRef { version: Some("v1".into()), ..object("deploy/a b.yml") };
    let found = store(&server, Env::default()).get(&wanted_object, &wanted).await.unwrap();
    assert_eq!(
        (found.body.as_slice(), found.etag.as_deref(), found.version.as_deref()),
        (&b"hello"[..], Some("abc"), Some("v1"))
    );
    let seen = &server.seen()[0];
    assert!(
        seen.path.starts_with("/my.bucket/deploy/a%20b.yml?") && seen.path.contains("versionId=v1"),
        "{}",
        seen.path
    );
    assert_eq!((owner(seen), seen.header("if-match")), (Some("123456789012"), Some("\"abc\"")));
}

#[tokio::test]
async fn several_owners_are_tried_and_the_right_one_is_remembered() {
    let server = Server::start(|request| match owner(request) {
        Some("222222222222") => Reply::new(200, "hello"),
        _ => refusal(403, "AccessDenied"),
    });
    let store = store(&server, Env::default());
    let request = request(&["111111111111", "222222222222"]);
    assert!(store.get(&object("a"), &request).await.is_ok());
    assert!(store.get(&object("b"), &request).await.is_ok());
    let owners: Vec<_> = server.seen().iter().map(|request| owner(request).map(str::to_owned)).collect();
    assert_eq!(owners, ["111111111111", "222222222222", "222222222222"].map(|o| Some(o.to_owned())));
}

#[tokio::test]
async fn a_wrong_owner_is_told_from_a_missing_permission() {
    let foreign = Server::start(|request| match owner(request) {
        Some(_) => refusal(403, "AccessDenied"),
        None => Reply::new(200, "<ListBucketResult><!-- must not be used --></ListBucketResult>"),
    });
    let err = store(&foreign, Env::default()).get(&object("a"), &request(&["123456789012"])).await.unwrap_err();
    assert_eq!((err.cause, err.exit() as u8), (Cause::OwnerMismatch, 5));
    assert!(err.to_string().contains("123456789012") && err.to_string().contains("bucket-owners"), "{err}");
    assert_eq!(foreign.lines().len(), 2);

    let missing_key = Server::start(|request| match owner(request) {
        Some(_) => refusal(403, "AccessDenied"),
        None => refusal(404, "NoSuchKey"),
    });
    let err = store(&missing_key, Env::default()).get(&object("a"), &request(&["123456789012"])).await.unwrap_err();
    assert_eq!(err.cause, Cause::OwnerMismatch);

    let denied = Server::start(|_| refusal(403, "AccessDenied"));
    let err = store(&denied, Env::default()).get(&object("a"), &request(&["123456789012"])).await.unwrap_err();
    assert_eq!((err.cause, err.class), (Cause::SourceDenied, Class::Denied));
    assert_eq!(err.need.as_deref(), Some("s3:GetObject on arn:aws:s3:::my.bucket/a"));
    assert!(err.to_string().contains("s3:ListBucket") && err.message.contains("REQ1"), "{err}");

    let listing = store(&foreign, Env::default()).list("my.bucket", "p/", &request(&["123456789012"]), 10).await;
    assert_eq!(listing.unwrap_err().cause, Cause::OwnerMismatch);
}

type Refuse = fn() -> Reply;

#[tokio::test]
async fn the_region_is_found_from_the_answer_and_remembered() {
    let region_of = |request: &Request| {
        let scope = request.header("authorization").unwrap_or_default().to_owned();
        scope.split('/').nth(2).unwrap_or_default().to_owned()
    };
    let ways: [Refuse; 3] = [
        || refusal(301, "PermanentRedirect").header("x-amz-bucket-region", "ap-south-1"),
        || refusal(400, "AuthorizationHeaderMalformed").header("x-amz-bucket-region", "ap-south-1"),
        || Reply::new(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>ap-south-1</Region></Error>"),
    ];
    for refuse in ways {
        let server = Server::start(move |request| match region_of(request).as_str() {
            "ap-south-1" => Reply::new(200, "hello"),
            _ => refuse(),
        });
        let store = store(&server, Env::default());
        assert!(store.get(&object("a"), &request(&[])).await.is_ok());
        assert!(store.get(&object("b"), &request(&[])).await.is_ok());
        let regions: Vec<String> = server.seen().iter().map(region_of).collect();
        assert_eq!(regions, ["eu-west-1", "ap-south-1", "ap-south-1"]);
    }
    let server = Server::start(|_| refusal(301, "PermanentRedirect").header("x-amz-bucket-region", "ap-south-1"));
    let custom: Env = [("AWS_ENDPOINT_URL_S3", server.url.as_str())].into_iter().collect();
    assert!(store(&server, custom).get(&object("a"), &request(&[])).await.is_err());
    assert_eq!(server.lines().len(), 1, "with an endpoint of one's own no region is looked for");
}

#[tokio::test]
async fn bodies_are_bounded_and_complete() {
    for (reply, class, cause, part) in [
        (Reply::new(200, vec![b'x'; 1001]), Class::Permanent, Cause::SourceTooLarge, "1001 bytes, the limit is 1000"),
        (Reply::new(200, vec![b'x'; 500]).cut(100), Class::Transient, Cause::SourceUnreachable, "broke off after 100"),
        (refusal(412, "PreconditionFailed"), Class::Transient, Cause::SourceUnreachable, "changed meanwhile"),
        (refusal(404, "NoSuchKey"), Class::Permanent, Cause::SourceNotFound, "NoSuchKey"),
        (refusal(404, "NoSuchBucket"), Class::Permanent, Cause::SourceNotFound, "NoSuchBucket"),
        (refusal(503, "SlowDown").header("retry-after", "4"), Class::Throttled, Cause::SourceUnreachable, "SlowDown"),
        (refusal(403, "InvalidObjectState"), Class::Permanent, Cause::SourceUnreachable, "InvalidObjectState"),
        (Reply::new(500, "no xml at all"), Class::Transient, Cause::SourceUnreachable, "500"),
    ] {
        let server = Server::start(move |_| reply.clone());
        let err = store(&server, Env::default()).get(&object("a"), &request(&[])).await.expect_err(part);
        assert_eq!((err.class, err.cause), (class, cause), "{err}");
        assert!(err.message.contains(part), "{part}: {err}");
    }
    let nobody = Server::nowhere();
    let err = store(&nobody, Env::default()).get(&object("a"), &request(&[])).await.unwrap_err();
    assert_eq!((err.class, err.cause), (Class::Transient, Cause::SourceUnreachable), "{err}");
}

#[tokio::test]
async fn mode_is_taken_from_the_metadata_of_the_answer() {
    for (header, text, mode) in [
        ("x-amz-meta-mode", "33261", Some(0o755)),
        ("x-amz-meta-file-permissions", "0640", Some(0o640)),
        ("x", "0755", None),
    ] {
        let server = Server::start(move |_| Reply::new(200, "hello").header(header, text));
        let found = store(&server, Env::default()).get(&object("a"), &request(&[])).await.unwrap();
        assert_eq!(found.mode, mode, "{header}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_checksum_says_is_broken() {
    // CRC32 of something else.
    let server = Server::start(|_| Reply::new(200, "hello").header("x-amz-checksum-crc32", "AAAAAA=="));
    let err = store(&server, Env::default()).get(&object("a"), &request(&[])).await.unwrap_err();
    assert_eq!((err.class, err.cause), (Class::Transient, Cause::SourceUnreachable));
    assert!(err.message.contains("checksum"), "{err}");
}

#[tokio::test]
async fn a_listing_is_read_to_its_last_page_and_bounded() {
    let page = |key: &str, more: &str| {
        format!(
            "<ListBucketResult><Contents><Key>{key}</Key><Size>5</Size><ETag>&quot;e&quot;</ETag><LastModified>1970-01-01T00:00:01.500Z</LastModified></Contents>{more}</ListBucketResult>"
        )
    };
    let server = Server::start(move |request| {
        let body = if request.path.contains("continuation-token=next") {
            page("p/a", "<IsTruncated>false</IsTruncated>")
        } else {
            page("p/b", "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>")
        };
        Reply::new(200, body)
    });
    let store = store(&server, Env::default());
    let found = store.list("my.bucket", "p/", &request(&[]), 10).await.unwrap();
    let entry = |key: &str| ObjectEntry { key: key.into(), size: 5, etag: "e".into(), modified: Some(1500) };
    assert_eq!(found, [entry("p/a"), entry("p/b")]);
    let err = store.list("my.bucket", "p/", &request(&[]), 1).await.unwrap_err();
    assert_eq!(err.cause, Cause::SourceTooLarge);
}

#[tokio::test]
async fn encrypted_endpoints_are_trusted_by_the_ca_bundle_and_refused_without_it() {
    let (server, pem) = Server::start_tls(|_| Reply::new(200, "hello"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let trusting: Env = [("AWS_CA_BUNDLE", file.path().display().to_string())].into_iter().collect();
    assert_eq!(store(&server, trusting).get(&object("a"), &request(&[])).await.unwrap().body, b"hello");
    let err = store(&server, Env::default()).get(&object("a"), &request(&[])).await.unwrap_err();
    assert_eq!((err.class, err.cause), (Class::Permanent, Cause::SourceUnreachable), "{err}");
    assert!(err.message.contains("certificate"), "{err}");
}
