//! The shape of the source: stages import one way, vendors are named in one place, files stay short.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Modules in order: each may use what stands before it. Those of one inner list do not know each other.
const ORDER: &[&[&str]] = &[
    &["error"],
    &["printable"],
    &["redact", "paths", "image_ref", "state_file"],
    &["world"],
    &["retry"],
    &["settings"],
    &["tls"],
    &["facts"],
    &["fetch"],
    &["compose"],
    &["manifest"],
    &["plan", "iam"],
    &["execute"],
    &["report"],
    &["cli"],
    &["telemetry"],
    &["command"],
    &["main", "lib"],
];

/// Real implementations of the outside world: they may use what the stages share, and only the program names them.
const ADAPTERS: &[&str] = &["aws", "engine", "host"];

/// Of the host adapter, what stages may use: plain helpers (a file written atomically, `os-release` parsed, whether
/// systemd is there), as opposed to the implementations of the traits.
const SHARED_OF_HOST: &[&str] = &["files", "lock", "lines", "os_release", "process", "proxy", "systemd"];

/// Crates and the only files (or folders) that may name them.
const VENDORS: &[(&str, &[&str])] = &[
    ("bollard::", &["src/engine/"]),
    ("backoff::", &["src/retry/schedule.rs"]),
    ("saphyr", &["src/compose/yaml"]),
    ("granit_parser", &["src/compose/yaml"]),
    ("aws_sdk_", &["src/aws/", "src/fetch/"]),
    ("minisign_verify", &["src/fetch/signature.rs"]),
    ("clap::", &["src/cli", "src/main.rs"]),
];

const LIMIT: usize = 400;

fn files(dir: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join(dir)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect::<Vec<PathBuf>>());
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no source under {dir}");
    found
}

/// Code without its comments and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/") || name.contains("/testing")
}

fn module(name: &str) -> String {
    let path = name.strip_prefix("src/").unwrap_or(name);
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// Modules of this crate that some code names, with what it takes from each, joined by commas.
fn used(code: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let single = || &rest[..rest.find([';', '(', ')', '<', '>', '\n']).unwrap_or(rest.len())];
        let words = rest.strip_prefix('{').map_or_else(|| vec![single()], top_level);
        for word in words {
            let word = word.trim_start();
            let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
            let all: &mut String = found.entry(word[..end].to_owned()).or_default();
            all.push_str(word[end..].trim_start_matches(':').trim_start_matches('{').trim_end_matches('}'));
            all.push(',');
        }
    }
    found
}

/// Whether all that is taken from the host adapter is plain.
fn plain_items(inner: &str) -> bool {
    let items = inner.trim_start_matches("::").trim_start_matches('{').trim_end_matches([';', '}']);
    let first = |item: &str| item.trim().split("::").next().unwrap_or_default().to_owned();
    items.split([',', ';', '\n']).map(first).filter(|i| !i.is_empty()).all(|i| SHARED_OF_HOST.contains(&i.as_str()))
}

/// The items of a `{a, b::{c, d}, e}` group, without its opening brace.
fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.into_iter().filter(|i| !i.trim().is_empty()).collect()
}

#[test]
fn stages_import_one_way() {
    let rank: BTreeMap<&str, usize> =
        ORDER.iter().enumerate().flat_map(|(n, row)| row.iter().map(move |m| (*m, n))).collect();
    let mut wrong = Vec::new();
    for (name, text) in files("src") {
        if is_test(&name) {
            continue;
        }
        let from = module(&name);
        let adapter = ADAPTERS.contains(&from.as_str());
        for (to, inner) in used(&code(&text)) {
            if to == from || !(rank.contains_key(to.as_str()) || ADAPTERS.contains(&to.as_str())) {
                continue;
            }
            let program = matches!(from.as_str(), "main" | "lib" | "command");
            let fine = if ADAPTERS.contains(&to.as_str()) {
                let plain = to == "host" && plain_items(&inner);
                program || plain
            } else if adapter {
                rank[to.as_str()] <= rank["fetch"]
            } else {
                rank.get(from.as_str()).is_some_and(|from| rank[to.as_str()] < *from)
            };
            if !fine {
                wrong.push(format!("{name} uses {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the order:\n{}", wrong.join("\n"));
}

#[test]
fn each_vendor_is_named_in_one_place() {
    let mut wrong = Vec::new();
    for (name, text) in files("src") {
        let code = code(&text);
        for (vendor, places) in VENDORS {
            if code.contains(vendor) && !places.iter().any(|p| name.starts_with(p)) {
                wrong.push(format!("{name} names {vendor}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_few_screens() {
    let long: Vec<String> = files("src")
        .into_iter()
        .chain(files("tests"))
        .filter(|(_, text)| text.lines().count() > LIMIT)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "files over {LIMIT} lines:\n{}", long.join("\n"));
}

#[test]
fn nothing_panics_on_purpose_outside_tests() {
    let mut wrong = Vec::new();
    for (name, text) in files("src") {
        if is_test(&name) {
            continue;
        }
        for (n, line) in code(&text).lines().enumerate() {
            if [".unwrap()", ".expect(", "todo!(", "unimplemented!(", "dbg!("].iter().any(|w| line.contains(w)) {
                wrong.push(format!("{name}, near line {}: {}", n + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_firewall_is_nobodys_business_here() {
    // A package that the engine needs; it is never called.
    const PACKAGE: (&str, &str) = ("src/execute/docker/install.rs", "\"docker-cli\", \"iptables\", ");
    let mut wrong = Vec::new();
    for (name, text) in files("src") {
        let mut code = code(&text);
        if name == PACKAGE.0 {
            code = code.replacen(PACKAGE.1, "", 1);
        }
        for program in ["iptables", "ip6tables", "nft", "ufw", "firewall-cmd", "firewalld"] {
            let called = [format!("\"{program}\""), format!("\"{program} "), format!("/{program}")];
            if called.iter().any(|call| code.contains(call)) {
                wrong.push(format!("{name} names {program}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let text = "use crate::{error::{Cause, Error}, host::files, retry::Retry};\nlet x = crate::plan::build();";
    let seen: Vec<String> = used(text).into_keys().collect();
    assert_eq!(seen, ["error", "host", "plan", "retry"]);
    assert!(plain_items(&used("use crate::host::{files, process::Tree};")["host"]));
    assert!(plain_items(&used("crate::host::files::write_atomic(&self.path, 1)")["host"]));
    assert!(!plain_items(&used("use crate::{host::{files, command::Machine}};")["host"]));
}
