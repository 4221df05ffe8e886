use super::*;
use crate::compose::emit::Tree;

fn text(text: &str) -> Tree {
    Tree::Text(text.to_owned())
}

fn map(pairs: Vec<(&str, Tree)>) -> Tree {
    Tree::Map(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

#[test]
fn yaml_is_written_as_compose_writes_it() {
    let tree = map(vec![
        ("null", Tree::Null),
        ("list", Tree::Seq(vec![text("- a"), text("b"), map(vec![("k", Tree::Seq(vec![])), ("m", map(vec![]))])])),
        ("texts", map(vec![("a", text("yes")), ("n", text("1.5")), ("b", text(" lead")), ("c", text("a: b"))])),
        ("lines", text("one\n two\n")),
        ("kept", text("one\n\n")),
        ("open", text("\n one")),
        ("tab", text("a\tb")),
        ("time", text("1:30")),
        ("date", text("2024-01-01")),
        ("quote", text("'q'")),
        ("empty", text("")),
        ("float", Tree::Single(0.1)),
    ]);
    let want = "\"null\": null\nlist:\n  - '- a'\n  - b\n  - k: []\n    m: {}\ntexts:\n  a: \"yes\"\n  \"n\": \"1.5\"\n  b: ' lead'\n  \
                c: 'a: b'\nlines: |\n  one\n   two\nkept: |+\n  one\n\nopen: |2-\n\n   one\ntab: \"a\\tb\"\ntime: \"1:30\"\n\
                date: \"2024-01-01\"\nquote: '''q'''\nempty: \"\"\nfloat: 0.1\n";
    assert_eq!(yaml::print(&tree, Generation::Two), want);
}

#[test]
fn breaks_of_lines_stand_where_compose_puts_them() {
    for (tree, want) in [
        (map(vec![("a\nb", text("v"))]), "? |-\n  a\n  b\n: v\n"),
        (map(vec![("a\n", Tree::Seq(vec![text("x"), text("z")]))]), "? |\n  a\n: - x\n  - z\n"),
        (
            map(vec![("a\u{2028}b", map(vec![("c", Tree::Null), ("d", Tree::Null)]))]),
            "? 'a\u{2028}  b'\n: c: null\n  d: null\n",
        ),
        (map(vec![("k", Tree::Seq(vec![text("a\u{2028}b")]))]), "k:\n  - 'a\u{2028}    b'\n"),
        (map(vec![("k", text("a\u{2029}b\n"))]), "k: |\n  a\u{2029}  b\n"),
        (map(vec![("k", text("\u{feff}a~"))]), "k: \"\\uFEFF\\x61\\x7E\"\n"),
    ] {
        assert_eq!(yaml::print(&tree, Generation::Two), want);
    }
}

#[test]
fn json_is_written_as_compose_writes_it() {
    let tree = map(vec![
        ("a", text("<&>\u{2028}\n\"")),
        ("b", Tree::Seq(vec![Tree::Int(-1), Tree::Double(1.0)])),
        ("c", map(vec![])),
    ]);
    assert_eq!(compact(&tree), r#"{"a":"\u003c\u0026\u003e\u2028\n\"","b":[-1,1],"c":{}}"#);
    assert_eq!(json::pretty(&map(vec![("a", Tree::Seq(vec![Tree::Null]))])), "{\n  \"a\": [\n    null\n  ]\n}");
}

#[test]
fn the_hash_leaves_out_what_does_not_change_a_container() {
    // figures of Docker Compose v2.40.3
    let mut service = ServiceConfig { image: "busybox".to_owned(), ..ServiceConfig::default() };
    service.networks.insert("default".to_owned(), None);
    let plain = service_hash(&service, Generation::Two);
    assert_eq!(plain, "2afd7866203dca40993313263173003833e9de9c3ad83f2f59484e32a5605234");
    service.scale = Some(3);
    service.pull_policy = "always".to_owned();
    service.profiles = vec!["p".to_owned()];
    assert_eq!(service_hash(&service, Generation::Two), plain);
    service.user = "u".to_owned();
    assert_ne!(service_hash(&service, Generation::Two), plain);
}
