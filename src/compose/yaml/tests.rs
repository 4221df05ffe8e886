use super::*;
use crate::compose::node::{Tag, Value};

fn read(text: &str) -> Result<Node, Diagnostic> {
    let read = parse(&Arc::from(Path::new("f.yaml")), text.as_bytes(), Budget::default());
    read.map(|node| node.expect("a document"))
}

fn wrong(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn scalars_resolve_as_in_compose() {
    let node = read(
        "a: yes\nb: 0777\nc: 0o17\nd: 0x1F\ne: 1_000\nf: 1.5\ng: ~\nh:\ni: 'null'\nj: 1e3\nk: !!str 5\nl: 08\n\
         m: -12\nn: 18446744073709551615\no: true\np: +.inf\nr: 1.2.3\ns: .5\nt: 0b11\nu: 1:30\n",
    )
    .unwrap();
    let text = |key: &str| node.get(key).unwrap().scalar_text();
    for (key, want) in [
        ("a", "yes"),
        ("b", "511"),
        ("c", "15"),
        ("d", "31"),
        ("e", "1000"),
        ("f", "1.5"),
        ("i", "null"),
        ("j", "1000"),
        ("k", "5"),
        ("l", "8"),
        ("m", "-12"),
        ("n", "18446744073709551615"),
        ("o", "true"),
        ("p", "+Inf"),
        ("r", "1.2.3"),
        ("s", "0.5"),
        ("t", "3"),
        ("u", "1:30"),
    ] {
        assert_eq!(text(key).as_deref(), Some(want), "{key}");
    }
    assert!(node.get("g").unwrap().is_null() && node.get("h").unwrap().is_null());
    assert_eq!(node.get("k").unwrap().as_str(), Some("5"));
}

#[test]
fn tags_and_quotes_are_read_as_go_reads_them() {
    for (text, want) in [
        ("a: ! 1", Value::Int(1)),
        ("a: ! '1'", Value::Text("1".into())),
        ("a: !!binary aGVsbG8=", Value::Text("hello".into())),
        ("a: !custom x", Value::Text("x".into())),
        ("a: \"b\nc\"", Value::Text("b c".into())),
        ("b:\n  - a: 'x\n  y\n\n z'\na: 1", Value::Int(1)),
    ] {
        assert_eq!(read(text).unwrap().get("a").unwrap(), &Node::new(want, &Position::file(Path::new("f"))), "{text}");
    }
    let node = read("b:\n  - a: 'x\n  y\n\n z'\n    c: d\n").unwrap();
    assert_eq!(node.at(["b", "0", "a"]).unwrap().as_str(), Some("x y\nz"));
    assert_eq!(node.at(["b", "0", "c"]).unwrap().position.line, 6);
    assert!(wrong(&format!("a: 'x\n{}'", "y\n".repeat(200))).contains("indentation"));
}

#[test]
fn every_node_knows_its_place() {
    let node = read("services:\n  web:\n    image: nginx\n").unwrap();
    let (key, web) = node.get("services").unwrap().as_map().unwrap().get_key_value("web").unwrap();
    assert_eq!((key.position.line, key.position.column), (2, 3));
    let image = web.get("image").unwrap();
    assert_eq!(image.position.to_string(), "f.yaml:3:12");
}

#[test]
fn merge_keys_give_way_to_explicit_ones_and_the_first_of_several_wins() {
    let node = read("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], c: 3}\n").unwrap();
    let z = node.get("z").unwrap();
    assert_eq!(["a", "b", "c"].map(|k| z.get(k).unwrap().as_int().unwrap()), [1, 1, 3]);
    assert!(wrong("a: {<<: 1}").contains("'<<' takes a mapping"));
}

#[test]
fn a_date_is_a_moment_unless_it_is_in_quotes() {
    for (text, want) in [
        ("2024-1-2", Some("2024-01-02T00:00:00Z")),
        ("2024-01-02 3:4:5.60", Some("2024-01-02T03:04:05.6Z")),
        ("2024-01-02t03:04:05+02:00", Some("2024-01-02T03:04:05+02:00")),
        ("2024-02-29T03:04:05Z", Some("2024-02-29T03:04:05Z")),
        ("2023-02-29", None),
        ("2024-13-01", None),
        ("2024-01-01T1:2:3", None),
        ("'2024-01-02'", None),
    ] {
        let node = read(&format!("a: {text}\n")).unwrap();
        let got = match &node.get("a").unwrap().value {
            Value::Time(moment) => Some(moment.as_str()),
            _ => None,
        };
        assert_eq!(got, want, "{text}");
    }
}

#[test]
fn a_block_of_lines_at_the_end_of_a_file_ends_as_the_file_does() {
    for (text, want) in [
        ("a: |\n  x\n", "x\n"),
        ("a: |\n  x", "x"),
        ("a: >\n  x\n  y", "x y"),
        ("a: |+\n  x", "x"),
        ("a: |\n  x\n  ", "x\n"),
        ("a: |\n  x\n# c", "x\n"),
        ("b: x\na: |\n  b: x\nc: x", "b: x\n"),
    ] {
        assert_eq!(read(text).unwrap().get("a").unwrap().as_str(), Some(want), "{text:?}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    assert_eq!(wrong("a: 1\nb: 2\na: 3\n"), "f.yaml:3:1: key 'a' is already given at line 1");
    assert!(wrong("a: 1\n---\nb: 2\n").starts_with("f.yaml:2:1: a second document starts here"));
    assert!(wrong("a:\n\t- b\n").starts_with("f.yaml:2:"));
    assert!(wrong("a: *b\n").starts_with("f.yaml:1:4: "));
    assert_eq!(wrong("80: x\n"), "f.yaml:1:1: a key must be a string, found an integer; put it in quotes");
    assert_eq!(wrong("a: x\nb: \0\n"), "f.yaml:2:4: the file holds a NUL byte");
    let error = parse(&Arc::from(Path::new("f")), b"a: \xff", Budget::default()).unwrap_err();
    assert_eq!(error.to_string(), "f:1:4: the file is not UTF-8 text");
    assert_eq!(wrong("\n\ta: 1\n"), "f.yaml:2:1: not valid YAML: a tab cannot indent");
    assert!(wrong("a: !!binary '?'\n").contains("not base64"));
    assert!(wrong("a: &a [*a]\n").contains("refers to the collection that it stands in"));
}

#[test]
fn a_byte_order_mark_is_ignored_and_an_empty_file_is_no_document() {
    assert_eq!(read("\u{feff}a: 1\n").unwrap().get("a").unwrap().as_int(), Some(1));
    for (text, found) in [("", false), ("# only a comment\n", false), ("---\n", true), ("null", true)] {
        let node = parse(&Arc::from(Path::new("f")), text.as_bytes(), Budget::default()).unwrap();
        assert_eq!(node.is_some_and(|node| node.is_null()), found, "{text:?}");
    }
}

#[test]
fn budgets_hold_against_laughs_depth_and_size() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.extend(["a", &level.to_string(), ": &a", &level.to_string(), " [", &items, "]\n"]);
    }
    assert!(wrong(&laughs).contains("too large, aliases replaced"));
    assert!(wrong(&"[".repeat(5000)).contains("not valid YAML"));
    assert_eq!(wrong(&" ".repeat(2 << 20)), "f.yaml: the file is larger than 1024 KiB");
}

#[test]
fn reset_and_override_are_kept() {
    let node = read("a: !reset null\nb: !override [1]\nc: !reset\n").unwrap();
    assert_eq!(node.get("a").unwrap().tag, Some(Tag::Reset));
    assert_eq!(node.get("b").unwrap().tag, Some(Tag::Override));
    assert_eq!(node.get("c").unwrap().tag, Some(Tag::Reset));
}

#[test]
fn a_text_whose_indent_cannot_be_mended_is_refused_at_once() {
    let text = "1c:\n\" <<: *x\n  text\n  \r !\n >-\n xt\n  \r !\n >li\n   : &bx-a: '{err4i\n -ed\n- \n";
    assert!(parse(&Arc::from(Path::new("f.yaml")), text.as_bytes(), Budget::default()).is_err());
}

#[test]
fn comment_glued_to_a_quote_accepted() {
    for text in ["a: \"x\\\n  y\"#c\nb: 1\n", "a: 'xy'#c\nb: 1\n", "a: [\"xy\"#c\n  ]\nb: 1\n"] {
        let node = read(text).unwrap();
        let a = node.get("a").unwrap();
        assert_eq!(a.as_seq().map_or(a, |items| &items[0]).as_str(), Some("xy"), "{text}");
        assert_eq!(node.get("b").unwrap().position.column, 4);
    }
}

#[test]
fn explicit_timestamp_is_a_moment() {
    for text in ["a: !!timestamp 2024-01-02", "a: !!timestamp '2024-01-02'"] {
        assert_eq!(
            read(text).unwrap().get("a").unwrap().scalar_text().as_deref(),
            Some("2024-01-02 00:00:00 +0000 UTC")
        );
    }
}

#[test]
fn escapes_and_anchors_that_compose_lacks_refused() {
    for (text, want) in [
        ("b: ä\na: \"x\\\\\\/y\"", "f.yaml:2:4: not valid YAML: the escape '\\/' is unknown"),
        ("a: &ä x\nb: *ä", "f.yaml:1:7: not valid YAML: the name of an anchor must be ASCII"),
        ("a: &ä\n  b: c", "f.yaml:2:3: not valid YAML: the name of an anchor must be ASCII"),
    ] {
        assert_eq!(wrong(text), want);
    }
    for text in ["a: \"x\\\\/y\"", "a: 'x\\/y'", "a: ä & b", "a: &b ä\nc: *b"] {
        assert!(read(text).is_ok(), "{text}");
    }
}
