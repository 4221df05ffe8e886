//! Input that is wrong, or made to hurt: each project is refused at its place, in little time and memory.

use std::fs;

use crate::support::{agent::Agent, bed::binary};

/// Bytes that the process may have of its own, 64 MiB besides the 8 MiB of its working thread's stack, and seconds that it
/// may compute; of a build without optimisation.
const LIMITS: [&str; 2] = ["--data=75497472", "--cpu=2"];

type Files = Vec<(&'static str, Vec<u8>)>;

/// A project that is one compose file.
fn one(text: impl Into<Vec<u8>>) -> Files {
    vec![("compose.yaml", text.into())]
}

/// A compose file and a second file.
fn two(text: &str, name: &'static str, other: impl Into<Vec<u8>>) -> Files {
    vec![("compose.yaml", text.into()), (name, other.into())]
}

/// `config` and `validate` refuse the project with these words.
#[track_caller]
fn refused(files: &Files, says: &str) {
    tried("config", files, says);
    tried("validate", files, says);
}

#[track_caller]
fn tried(command: &str, files: &Files, says: &str) {
    let dir = tempfile::Builder::new().prefix("rolecall-test-").tempdir().unwrap();
    let mut agent = Agent::new(binary(), dir.path()).under(&["prlimit", LIMITS[0], LIMITS[1], "--"]);
    agent.cwd = dir.path().join("bad/project");
    for (name, content) in files {
        let path = agent.cwd.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let args: &[&str] = if command == "config" { &["-f", "compose.yaml"] } else { &["compose.yaml"] };
    agent.run(&[&[command], args].concat()).fails(3, "manifest-invalid").says(says);
}

/// Levels of collections, each of several aliases to the one before.
fn laughs(level: impl Fn(usize) -> String) -> Vec<u8> {
    let first = "x-0: &a0 {k: v}\n".to_owned();
    let all = (1..30).map(|n| format!("x-{n}: &a{n} {}\n", level(n - 1)));
    (first + &all.collect::<String>() + "services: {a: {image: x}}\n").into_bytes()
}

#[test]
fn cycles_are_named_from_end_to_end() {
    for (files, says) in [
        (
            one("services:\n  a: {extends: b}\n  b: {extends: {service: a}}\n"),
            "compose.yaml:2:16: services.a.extends: services extend each other: a (compose.yaml) -> b (compose.yaml) -> a",
        ),
        (
            two(
                "services:\n  a: {extends: {file: o.yaml, service: b}}\n",
                "o.yaml",
                "services:\n  b: {extends: {file: compose.yaml, service: a}}\n",
            ),
            "compose.yaml:2:16: services.a.extends: services extend each other: a (compose.yaml) -> b (o.yaml) -> a",
        ),
        (one("services:\n  a: {extends: a}\n"), "compose.yaml:2:16: services.a.extends: services extend each other: a"),
        (
            two("include: [b.yaml]\n", "b.yaml", "include:\n  - compose.yaml\n"),
            "b.yaml:2:5: include[0]: files include each other: compose.yaml -> b.yaml -> compose.yaml",
        ),
        (one("include: [compose.yaml]\n"), "compose.yaml:1:11: include[0]: files include each other"),
        (
            one(
                "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n  c: {image: x, depends_on: [a]}\n",
            ),
            "compose.yaml:2:30: services.a.depends_on: services depend on each other: a -> b -> c -> a",
        ),
        (
            one("services:\n  a: {image: x, volumes_from: [b]}\n  b: {image: x, network_mode: 'service:a'}\n"),
            "services depend on each other: a -> b -> a",
        ),
        (
            one("services: &s\n  a: {image: x, labels: *s}\n"),
            "compose.yaml:2:25: an alias refers to the collection that it stands in",
        ),
    ] {
        refused(&files, says);
    }
}

#[test]
fn what_grows_when_it_is_read_is_cut_short() {
    let long = "x".repeat(1_000_000);
    let wide = (0..5_000).map(|n| format!("K{n}: v")).collect::<Vec<_>>().join(", ");
    let extended: String = (1..1_500).map(|n| format!("  s{n}: {{extends: s0}}\n")).collect();
    let chain: String = (1..1_000).map(|n| format!("  s{n}: {{extends: s{}}}\n", n - 1)).collect();
    let crowd: String = (0..20_000).map(|n| format!("  s{n}: {{image: x}}\n")).collect();
    let grown: String = (1..12).map(|n| format!("A{n}={}\n", format!("${{A{}}}", n - 1).repeat(10))).collect();
    for (files, says) in [
        (
            one(laughs(|n| format!("[{}]", vec![format!("*a{n}"); 9].join(", ")))),
            "the document is too large, aliases replaced",
        ),
        (one(laughs(|n| format!("{{l: *a{n}, r: *a{n}}}"))), "the document is too large, aliases replaced"),
        (
            one(format!("x-0: &a {long}\nx-1: [{}]\n", "*a, ".repeat(3_000))),
            "compose.yaml:2:35: the document is too large",
        ),
        (
            one(format!("services:\n  s0: {{image: x, labels: {{{wide}}}}}\n{extended}")),
            "the services are too large once they are extended",
        ),
        (
            one(format!("services:\n  s0: {{image: x}}\n{chain}")),
            "compose.yaml:3:17: services.s1.extends: more than 50 services extend each other",
        ),
        (one(format!("services:\n{crowd}")), "compose.yaml:2002:3: services: more than 2000 services"),
        (
            one("services: {a: {image: x, ports: ['1-65535:1-65535']}}"),
            "compose.yaml:1:34: services.a.ports[0]: the project publishes more than 24000 ports",
        ),
        (
            two(
                &format!("services: {{a: {{image: '{}'}}}}", "$A".repeat(200_000)),
                ".env",
                format!("A={}\n", &long[..500_000]),
            ),
            "compose.yaml:1:23: services.a.image: too large once its variables are replaced",
        ),
        (
            two("services: {a: {image: x}}", ".env", format!("A0={}\n{grown}", &long[..1_000])),
            ".env:4:4: too large once its variables are replaced",
        ),
    ] {
        refused(&files, says);
    }
}

#[test]
fn includes_that_fan_out_come_to_an_end() {
    let mut files = one("include: [l0.yaml]\n");
    let names: Vec<String> = (0..40).map(|n| format!("l{n}.yaml")).collect();
    for level in 0..39 {
        let text = format!("include: [{next}, ./{next}]\n", next = names[level + 1]);
        files.push((names[level].clone().leak(), text.into_bytes()));
    }
    files.push(("l39.yaml", b"services: {a: {image: x}}\n".to_vec()));
    refused(&files, "include: the project has too many files");
}

#[test]
fn depth_is_bounded() {
    for (text, says) in [
        (format!("services: {}", "[".repeat(500_000)), "compose.yaml:1:75: not valid YAML: recursion limit exceeded"),
        (
            format!("services: {}", "{a: ".repeat(100_000)),
            "compose.yaml:1:267: not valid YAML: recursion limit exceeded",
        ),
        (
            (0..1_200).map(|n| " ".repeat(n) + "a:\n").collect(),
            "compose.yaml:65:65: not valid YAML: recursion limit exceeded",
        ),
        ("- ".repeat(400_000), "compose.yaml:1:129: not valid YAML: recursion limit exceeded"),
        ("? ".repeat(400_000), "compose.yaml:1:129: not valid YAML: recursion limit exceeded"),
        (
            format!("services: {{a: {{image: '{}'}}}}", "${X:-".repeat(100_000)),
            "compose.yaml:1:23: services.a.image: invalid interpolation",
        ),
    ] {
        refused(&one(text), says);
    }
}

#[test]
fn what_is_not_yaml_or_not_a_project_is_told_at_its_place() {
    let utf16 = "\u{feff}services: {}\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (content, says) in [
        (
            &b"services:\n  a:\n    image: x\n    user: u\n    image: y\n"[..],
            "compose.yaml:5:5: key 'image' is already given at line 3",
        ),
        (b"services:\n  a: {image: x}\n  a: {image: y}\n", "compose.yaml:3:3: key 'a' is already given at line 2"),
        (b"services:\n\ta:\n\t\timage: x\n", "compose.yaml:2:2: not valid YAML: tabs disallowed within this context"),
        (b"services:\n  a: {image: x}\n---\nservices: {}\n", "compose.yaml:3:1: a second document starts here"),
        (b"services:\n  a: {image: x, user: \"\xe4\"}\n", "compose.yaml:2:24: the file is not UTF-8 text"),
        (&utf16, "compose.yaml:1:1: the file is not UTF-8 text"),
        (b"services:\n  a: {image: \"x\0\"}\n", "compose.yaml:2:16: the file holds a NUL byte"),
        (b"", "compose.yaml: the compose file is empty"),
        (b"hello\n", "compose.yaml:1:1: a compose file must be a mapping, found a string"),
        (
            b"services: {a: {image: x, mem_limit: 99999999999999999999g}}\n",
            "compose.yaml:1:37: services.a.mem_limit: expected a size in bytes",
        ),
        (
            b"services: {a: {image: x, stop_grace_period: 99999999999h}}\n",
            "compose.yaml:1:45: services.a.stop_grace_period: expected a duration",
        ),
        (b"services: {a: {image: x, cpus: 1e400}}\n", "compose.yaml:1:32: services.a.cpus: expected a number"),
    ] {
        refused(&one(content), says);
    }
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::new(binary(), dir.path());
    fs::write(agent.cwd.join("compose.yaml"), "\u{feff}services: {a: {image: x}}\n").unwrap();
    agent.run(&["config"]).ready().prints("image: x");
}

#[test]
fn a_file_of_100_mb_is_not_read_to_its_end() {
    let huge = || b"# x\n".repeat(25 << 20);
    let env = "services: {a: {image: x, env_file: big.env}}\n";
    for (files, says) in [
        (one(huge()), "compose.yaml: the file is larger than 1024 KiB"),
        (two("include: [big.yaml]\n", "big.yaml", huge()), "big.yaml: the file is larger than 1024 KiB"),
        (two(env, "big.env", huge()), "big.env: the file is larger than 1024 KiB"),
        (two("services: {}\n", ".env", huge()), ".env: the file is larger than 1024 KiB"),
    ] {
        refused(&files, says);
    }
    refused(&one("services: {a: {image: x, env_file: /dev/zero}}\n"), "cannot read /dev/zero: it is no regular file");
}

#[test]
fn files_of_variables_are_text() {
    let nul = b"A=1\nB=x\0y\n";
    for (compose, name, content, says) in [
        ("services: {a: {image: x, env_file: n.env}}", "n.env", &nul[..], "n.env:2:4: the file holds a NUL byte"),
        (
            "services: {a: {image: x, env_file: [{path: n.env, format: raw}]}}",
            "n.env",
            nul,
            "n.env:2:4: the file holds a NUL byte",
        ),
        ("services: {a: {image: x, label_file: n}}", "n", nul, "n:2:4: the file holds a NUL byte"),
        ("services: {a: {image: x}}", ".env", nul, ".env:2:4: the file holds a NUL byte"),
        (
            "services: {a: {image: x, env_file: n.env}}",
            "n.env",
            b"A=1\nB=\xff\n",
            "n.env:2:3: the file is not UTF-8 text",
        ),
        (
            "services: {a: {image: x, env_file: n.env}}",
            "n.env",
            b"A=1\nB=\"x\n",
            "n.env:2:3: a quoted value is not closed",
        ),
    ] {
        refused(&two(compose, name, content), says);
    }
}

#[test]
fn what_lies_elsewhere_is_not_included() {
    for remote in [
        "https://example.org/c.yaml",
        "git@github.com:x/y.git",
        "oci://example.org/x:1",
        "file:///etc/passwd",
        "s3://b/k",
    ] {
        let says = "compose.yaml:3:5: include[0]: a project of another host cannot be included";
        refused(&one(format!("services: {{}}\ninclude:\n  - {remote}\n")), says);
        let says = "compose.yaml:4:13: services.a.extends.file: a file of another host cannot be extended";
        refused(&one(format!("services:\n  a:\n    extends:\n      file: {remote}\n      service: x\n")), says);
    }
    refused(&one("include:\n  - gone.yaml\n"), "compose.yaml:2:5: include: file gone.yaml not found");
    refused(&two("include:\n  - sub\n", "sub/x", ""), "compose.yaml:2:5: include: cannot read sub");
    // Compose goes where it is told to; a project that is fetched is all that there is of it
    let climbs = two("include:\n  - ../other/c.yaml\n", "../other/c.yaml", "services: {a: {image: x}}\n");
    tried("validate", &climbs, "compose.yaml:2:5: include: ");
    tried("validate", &climbs, "/bad/other/c.yaml is outside of the project folder");
    tried("validate", &one("include:\n  - /etc/passwd\n"), "compose.yaml:2:5: include: /etc/passwd is outside");
}
