//! `rolecall config` prints what the real Docker Compose prints, of every project below tests/projects.
//!
//! `ROLECALL_PEER_COMPOSE` names a `docker-compose` of version 2.40.3, `ROLECALL_PEER_COMPOSE5` a program with the loader
//! of Docker Compose 5 (tests/setup/compose5); without them these tests report that they were skipped.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rolecall::compose::{Node, Value, yaml};

use crate::{
    compose_docs,
    support::{agent::walk, bed::binary},
};

/// What is asked of both, in the folder of each project.
const QUESTIONS: &[&[&str]] = &[
    &["config"],
    &["config", "--format", "json"],
    &["--profile", "*", "config"],
    &["--env-file", "other.env", "--project-name", "named", "config"],
    &["config", "--hash", "*"],
    &["config", "--no-interpolate"],
    &["config", "--no-normalize"],
    &["config", "--no-path-resolution"],
    &["config", "--no-consistency"],
    &["config", "--no-env-resolution"],
    &["config", "--no-interpolate", "--no-normalize", "--no-path-resolution", "--no-consistency"],
];

#[test]
fn every_attribute_stands_in_a_project() {
    // Compose 5.3 and later have these, and neither of the programs that are compared with.
    const NEWER: [&str; 2] = ["services.*.pre_start", "services.*.build.no_cache_filter"];
    let mut absent: BTreeSet<String> = compose_docs::all();
    absent.retain(|attribute| !NEWER.iter().any(|newer| attribute.starts_with(newer)));
    for (path, content) in projects().iter().flat_map(|folder| walk(folder)).filter(|(path, _)| path.ends_with(".yaml"))
    {
        let node = yaml::parse(&Path::new(&path).into(), &content, yaml::Budget::default()).unwrap().unwrap();
        absent.retain(|attribute| !stands(&node, &attribute.split('.').collect::<Vec<_>>()));
    }
    assert!(absent.is_empty(), "no project of tests/projects has {absent:?}");
}

/// Whether an attribute stands in a tree, by its path: `*` is any key, lists are looked into.
fn stands(node: &Node, path: &[&str]) -> bool {
    match (&node.value, path) {
        (Value::Seq(items), _) => items.iter().any(|item| stands(item, path)),
        (_, []) => true,
        (Value::Map(map), ["*", rest @ ..]) => map.values().any(|value| stands(value, rest)),
        (Value::Map(map), [key, rest @ ..]) => map.get(*key).is_some_and(|value| stands(value, rest)),
        _ => false,
    }
}

fn projects() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects");
    let mut found: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty(), "no projects");
    found
}

#[test]
fn every_project_of_the_tests_is_printed_and_hashed_as_by_compose() {
    compare("ROLECALL_PEER_COMPOSE", &[], &[], &[&["config", "--no-interpolate", "--format", "json"]]);
}

#[test]
fn projects_printed_and_hashed_as_by_compose_5() {
    // The peer is of Compose 5.0, which prints this project as Compose 2 does.
    compare("ROLECALL_PEER_COMPOSE5", &["--compose", "5"], &["newest"], &[]);
}

/// Compares our output with that of the program that a variable names, for each project and question.
fn compare(peer: &str, own: &[&str], except: &[&str], more: &[&[&str]]) {
    let Some(peer) = std::env::var_os(peer).map(PathBuf::from).filter(|path| path.exists()) else {
        eprintln!("SKIPPED: {peer} does not name a program to compare with");
        return;
    };
    let mut differences = Vec::new();
    for folder in projects().into_iter().filter(|folder| !except.iter().any(|name| folder.ends_with(name))) {
        for question in QUESTIONS.iter().chain(more) {
            let theirs = answer(&peer, question, &folder);
            // Ours takes Compose's global flags behind the command.
            let at = question.iter().position(|word| *word == "config").unwrap();
            let ours = answer(&binary(), &[&question[at..], own, &question[..at]].concat(), &folder);
            let same = match (&theirs, &ours) {
                (Ok(theirs), Ok(ours)) => theirs == ours,
                (Err(_), Err(_)) => true,
                _ => false,
            };
            if !same {
                differences.push(format!("{} {question:?}: {}", folder.display(), first(&theirs, &ours)));
            }
        }
    }
    assert!(differences.is_empty(), "compose's, then ours:\n{}", differences.join("\n"));
}

/// What a program prints, or says where it fails. Both get one environment.
fn answer(program: &Path, args: &[&str], folder: &Path) -> Result<String, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let environment: [(&str, &OsStr); 4] =
        [("PATH", &path), ("HOME", OsStr::new("/root")), ("PWD", folder.as_os_str()), ("SHELL_SAYS", OsStr::new("so"))];
    let done = Command::new(program).args(args).current_dir(folder).env_clear().envs(environment).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

/// The first lines that differ.
fn first(theirs: &Result<String, String>, ours: &Result<String, String>) -> String {
    match (theirs, ours) {
        (Ok(a), Ok(b)) => {
            let differ = a.lines().zip(b.lines()).find(|(a, b)| a != b);
            differ.map_or_else(|| "one is longer".to_owned(), |(a, b)| format!("{a:?}, then {b:?}"))
        }
        (a, b) => format!("{a:?}, then {b:?}"),
    }
}

#[test]
fn project_is_written_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("compose.yaml"), "name: shop\nservices: { web: { image: x } }\n").unwrap();
    let config = |args: &[&str]| {
        let done = Command::new(binary()).arg("config").args(args).current_dir(dir.path()).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let (_, printed, _) = config(&[]);
    assert!(printed.contains("image: x"), "{printed}");
    assert_eq!(config(&["-o", "out.yaml"]), (Some(0), String::new(), String::new()));
    assert_eq!(fs::read_to_string(dir.path().join("out.yaml")).unwrap(), printed);
    let (code, _, told) = config(&["--output", "absent/out.yaml"]);
    assert!(code == Some(1) && told.contains("absent/out.yaml"), "{told}");
}
