use super::*;
use crate::{
    settings::Env,
    testing::{Reply, Request, Server},
};

#[test]
fn retry_after_is_seconds_or_a_date() {
    assert_eq!(retry_after(" 12 "), Some(Duration::from_secs(12)));
    assert_eq!(retry_after("soon"), None);
    assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), None, "a date in the past asks for nothing");
    let later = retry_after("Fri, 31 Dec 2100 23:59:59 GMT").unwrap();
    assert!(later > Duration::from_secs(86_400));
}

#[test]
fn every_status_has_its_class() {
    for (status, class, cause) in [
        (401, Class::Permanent, Cause::SourceDenied),
        (403, Class::Permanent, Cause::SourceDenied),
        (404, Class::Permanent, Cause::SourceNotFound),
        (408, Class::Transient, Cause::SourceUnreachable),
        (410, Class::Permanent, Cause::SourceNotFound),
        (416, Class::Permanent, Cause::SourceUnreachable),
        (429, Class::Throttled, Cause::SourceUnreachable),
        (500, Class::Transient, Cause::SourceUnreachable),
        (501, Class::Permanent, Cause::SourceUnreachable),
        (503, Class::Transient, Cause::SourceUnreachable),
    ] {
        let response = http_response(status, "");
        let err = refused("https://h/x", &response);
        assert_eq!((err.class, err.cause), (class, cause), "{status}");
    }
    let asked = refused("https://h/x", &http_response(503, "7"));
    assert_eq!((asked.class, asked.retry_after), (Class::Throttled, Some(Duration::from_secs(7))));
}

fn http_response(status: u16, retry_after: &str) -> Response {
    let mut builder = hyper::Response::builder().status(status);
    if !retry_after.is_empty() {
        builder = builder.header("retry-after", retry_after);
    }
    builder.body(Vec::new()).unwrap().into()
}

/// A client that trusts the server's certificate, and the file that makes it so.
fn trusting(pem: &str) -> (HttpsWeb, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let env: Env = [("SSL_CERT_FILE", file.path().display().to_string())].into_iter().collect();
    (HttpsWeb::new(&Trust::from_env(&env)), file)
}

async fn get(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Result<Object> {
    let (server, pem) = Server::start_tls(script);
    let (web, _file) = trusting(&pem);
    web.get(&Url::parse(&format!("{}/a?token=canary", server.url)).unwrap(), 1000).await
}

#[tokio::test]
async fn an_address_is_read_with_its_query_which_is_never_printed() {
    let found = get(|request| Reply::new(200, request.path.clone()).header("etag", "\"e\"")).await.unwrap();
    assert_eq!((found.body.as_slice(), found.etag.as_deref()), (&b"/a?token=canary"[..], Some("e")));
    for script in
        [Reply::new(404, ""), Reply::new(503, ""), Reply::new(200, vec![b'x'; 1001]), Reply::new(200, "xx").cut(1)]
    {
        let err = get(move |_| script.clone()).await.unwrap_err();
        assert!(!format!("{err:?}").contains("canary"), "{err:?}");
    }
}

#[tokio::test]
async fn redirects_lead_to_https_only_and_end() {
    let found = get(|request| match request.path.as_str() {
        "/b" => Reply::new(200, "there"),
        _ => Reply::new(302, "").header("location", "/b"),
    });
    assert_eq!(found.await.unwrap().body, b"there");
    let err = get(|_| Reply::new(302, "").header("location", "http://127.0.0.1:9/x")).await.unwrap_err();
    assert_eq!((err.cause, err.class), (Cause::SourceRefused, Class::Permanent));
    assert!(err.message.contains("not https"), "{err}");
    let err = get(|_| Reply::new(302, "").header("location", "/a")).await.unwrap_err();
    assert!(err.message.contains("more than five"), "{err}");
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_nothing_along() {
    let (there, other_pem) = Server::start_tls(|_| Reply::new(200, "there"));
    let target = format!("{}/b", there.url);
    let (here, pem) = Server::start_tls(move |_| {
        Reply::new(307, "").header("location", &target).header("set-cookie", "session=canary")
    });
    let (web, _file) = trusting(&(pem + &other_pem));
    let url = Url::parse(&format!("{}/a?token=canary", here.url)).unwrap();
    assert_eq!(web.get(&url, 1000).await.unwrap().body, b"there");
    let seen = there.seen();
    assert_eq!(seen.len(), 1);
    assert!(!format!("{seen:?}").contains("canary") && seen[0].header("referer").is_none(), "{seen:?}");
    for name in ["authorization", "cookie", "proxy-authorization", "x-amz-security-token"] {
        assert!(seen[0].header(name).is_none(), "{name}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_and_complete() {
    let err = get(|_| Reply::new(200, vec![b'x'; 1001])).await.unwrap_err();
    assert_eq!(err.cause, Cause::SourceTooLarge);
    let err = get(|_| Reply::new(200, "hello").cut(2)).await.unwrap_err();
    assert_eq!((err.cause, err.class), (Cause::SourceUnreachable, Class::Transient));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_final_and_says_what_to_do() {
    let (server, _) = Server::start_tls(|_| Reply::new(200, "hello"));
    let web = HttpsWeb::new(&Trust::from_env(&Env::default()));
    let err = web.get(&Url::parse(&server.url).unwrap(), 1000).await.unwrap_err();
    assert_eq!((err.cause, err.class), (Cause::SourceUnreachable, Class::Permanent), "{err}");
    assert!(err.to_string().contains("AWS_CA_BUNDLE"), "{err}");
    let err = web.get(&Url::parse("https://127.0.0.1:9/").unwrap(), 1000).await.unwrap_err();
    assert_eq!(err.class, Class::Transient, "{err}");
    let err = web.get(&Url::parse("http://127.0.0.1:9/").unwrap(), 1000).await.unwrap_err();
    assert_eq!(err.cause, Cause::SourceRefused);
}
