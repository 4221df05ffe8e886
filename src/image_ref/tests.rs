use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn parts(text: &str) -> (String, String, Option<String>, Option<String>) {
    let r = ImageRef::parse(text).unwrap();
    (r.registry, r.path, r.tag, r.digest)
}

#[test]
fn a_reference_is_taken_apart() {
    let tag = |t: &str| Some(t.to_owned());
    let table = [
        ("nginx", ("docker.io", "library/nginx", None, None)),
        ("nginx:1.27", ("docker.io", "library/nginx", tag("1.27"), None)),
        ("index.docker.io/nginx", ("docker.io", "library/nginx", None, None)),
        ("grafana/grafana:9", ("docker.io", "grafana/grafana", tag("9"), None)),
        ("localhost/app", ("localhost", "app", None, None)),
        ("localhost:5000/app:x", ("localhost:5000", "app", tag("x"), None)),
        ("[::1]:5000/app", ("[::1]:5000", "app", None, None)),
        ("ghcr.io/a/b/c__d:v1", ("ghcr.io", "a/b/c__d", tag("v1"), None)),
        ("host:5000/app", ("host:5000", "app", None, None)),
        ("app:5000", ("docker.io", "library/app", tag("5000"), None)),
    ];
    for (text, (registry, path, tag, digest)) in table {
        assert_eq!(parts(text), (registry.into(), path.into(), tag, digest), "{text}");
    }
    let (_, path, tag, digest) = parts(&format!("r.io/x:1@{DIGEST}"));
    assert_eq!((path.as_str(), tag.as_deref(), digest.as_deref()), ("x", Some("1"), Some(DIGEST)));
}

#[test]
fn a_reference_prints_as_people_write_it() {
    for (text, want) in [
        ("docker.io/library/nginx:1", "nginx:1"),
        ("docker.io/library/library/nginx", "library/library/nginx"),
        ("docker.io/a/b", "a/b"),
        ("docker.io/a.b/c", "docker.io/a.b/c"),
        ("docker.io/localhost/c", "docker.io/localhost/c"),
        ("docker.io/a_a.0/0", "docker.io/a_a.0/0"),
        ("docker.io/a.b", "a.b"),
        ("r.io/library/nginx", "r.io/library/nginx"),
    ] {
        let read = ImageRef::parse(text).unwrap();
        assert_eq!(read.to_string(), want);
        assert_eq!(ImageRef::parse(want).unwrap(), read);
    }
}

#[test]
fn what_is_pulled_is_the_digest_then_the_tag_then_latest() {
    let version = |text: &str| ImageRef::parse(text).unwrap().version().to_owned();
    assert_eq!(version("a"), "latest");
    assert_eq!(version("a:1"), "1");
    assert_eq!(version(&format!("a:1@{DIGEST}")), DIGEST);
}

#[test]
fn what_is_no_reference_is_refused() {
    for text in [
        "",
        ":",
        "@",
        "a:",
        "a@",
        "a@sha256:12",
        "A",
        "a//b",
        "/a",
        "a/",
        "-a",
        "a-",
        "a___b",
        "a..b",
        "a.io/",
        "a:.x",
        "Host/App",
        "a b",
        "a:b:c",
        "ho_st:1/a",
        "host:99999/a",
        "ä",
        "[zz]:1/a",
    ] {
        assert!(ImageRef::parse(text).is_err(), "{text}");
    }
    let long = "a/".repeat(200) + "a";
    assert!(ImageRef::parse(&long).unwrap_err().message.contains("255"));
}

#[test]
fn private_registries_of_aws_are_known_by_their_host() {
    let host = |text: &str| ImageRef::parse(text).unwrap().ecr().map(|(a, r)| format!("{a} {r}"));
    assert_eq!(host("123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:1").as_deref(), Some("123456789012 eu-west-1"));
    assert_eq!(host("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a").as_deref(), Some("123456789012 cn-north-1"));
    assert_eq!(host("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/a").as_deref(), Some("123456789012 us-east-1"));
    assert_eq!(host("public.ecr.aws/a/b"), None);
    assert_eq!(host("123456789012.dkr-ecr.eu-west-1.on.aws/a").as_deref(), Some("123456789012 eu-west-1"));
    assert_eq!(host("123456789012.dkr.ecr.eu-west-1.on.aws/a"), None);
    assert_eq!(host("1234.dkr.ecr.eu-west-1.amazonaws.com/a"), None);
    assert_eq!(host("123456789012.dkr.ecr.eu-west-1.evil.amazonaws.com/a"), None);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = ImageRef::parse(&text);
    }

    #[test]
    fn a_reference_reads_the_same_after_printing(
        registry in prop::option::of("[a-z]{1,8}\\.[a-z]{2,3}(:[1-9][0-9]{0,3})?"),
        path in "[a-z0-9]{1,6}([_-][a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}([._-][a-z0-9]{1,4}){0,2}){0,2}",
        tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}"),
        digest in prop::bool::ANY,
    ) {
        let mut text = registry.map_or(path.clone(), |r| format!("{r}/{path}"));
        if let Some(tag) = tag { text = format!("{text}:{tag}"); }
        if digest { text = format!("{text}@{DIGEST}"); }
        let first = ImageRef::parse(&text).unwrap();
        prop_assert_eq!(ImageRef::parse(&first.to_string()).unwrap(), first);
    }
}
