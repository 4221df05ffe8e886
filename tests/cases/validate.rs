//! What `rolecall validate` finds in a folder, before any instance starts.

use std::fs;

use crate::support::{agent::Outcome, bed::Bed};

/// `rolecall validate FOLDER` on a folder with these files.
fn validate(files: &[(&str, &str)]) -> Outcome {
    let bed = Bed::without_engine();
    let dir = bed.path("shop");
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    bed.rolecall(&["validate", dir.to_str().unwrap()])
}

/// The lines that name a place.
fn places(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().filter(|line| !line.starts_with("rolecall:") && !line.contains(" WARN ")).collect()
}

#[test]
fn faults_of_all_files_come_in_one_pass() {
    let compose = "\
services:
  web:
    image: web:1
    prots: ['80:80']
  api:
    image: api:1
    ports: ['80:80:80:80']
    depends_on: [dv]
  db:
    image: db:1
    networks: [bakc]
    env_file: missing.env
  job:
    build: .
  more:
    image: 'more:${TAG'
networks:
  back: {}
x-rolecall:
  host:
    upgrad: full
    docker: { install: distr }
";
    let over = "services:\n  db:\n    restart: 5\n    hostnam: x\n";
    let outcome = validate(&[("compose.yaml", compose), ("compose.override.yaml", over)]).exits(3);
    let found = places(&outcome);
    let starts: Vec<String> =
        found.iter().map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    let wanted = [
        "compose.override.yaml:3:14",
        "compose.override.yaml:4:5",
        "compose.yaml:4:5",
        "compose.yaml:7:13",
        "compose.yaml:14:5",
        "compose.yaml:16:12",
        "compose.yaml:21:5",
        "compose.yaml:22:24",
    ];
    assert_eq!(starts, wanted, "{}", outcome.stderr);
}
