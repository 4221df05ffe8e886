//! Steps that are left out. Each expectation is what Docker Compose v2.40.3 gives.

use super::*;
use crate::compose::print::model_yaml;

fn skipped(all: &[(&str, &str)], skip: Skip) -> String {
    let options = LoadOptions { skip, unresolved: true, ..with_env(&[("TOKEN", "s3cret"), ("SET", "set")]) };
    if skip.interpolation {
        model_yaml(&model(&files(all), &options).unwrap(), Generation::Two)
    } else {
        config_yaml(&load(&files(all), &options).unwrap())
    }
}

#[test]
fn variables_and_their_short_forms_kept() {
    let text = "name: n-$SET\nservices:\n  a: {image: 'x$SET', ports: ['${P}:80', '81'], init: '${I}', profiles: [p]}\n\
                secrets: {s: {environment: TOKEN}}\n";
    let printed = skipped(&[("compose.yaml", text)], Skip { interpolation: true, ..Skip::default() });
    assert_eq!(
        printed,
        "name: n-set\nnetworks:\n  default:\n    name: n-set_default\nsecrets:\n  s:\n    environment: TOKEN\n    name: n-set_s\n\
         services:\n  a:\n    image: x$SET\n    init: ${I}\n    networks:\n      default: null\n    \
         ports:\n      - ${P}:80\n      - \"81\"\n    profiles:\n      - p\n"
    );
}

#[test]
fn paths_kept_relative_to_the_project() {
    let all = [
        (
            "compose.yaml",
            "include: [sub/i.yaml]\nservices: {a: {image: x, env_file: [./e], volumes: ['./v:/v']}, b: {extends: {file: sub/b.yaml, service: b}}}",
        ),
        ("sub/i.yaml", "services: {i: {image: x, volumes: ['./v:/v'], extends: {file: deep/d.yaml, service: d}}}"),
        ("sub/deep/d.yaml", "services: {d: {volumes: ['./w:/w']}}"),
        ("sub/b.yaml", "services: {b: {image: x, volumes: ['./v:/v']}}"),
    ];
    let printed = skipped(&all, Skip { paths: true, ..Skip::default() });
    let sources: Vec<&str> = printed.lines().filter_map(|line| line.trim().strip_prefix("source: ")).collect();
    assert_eq!(sources, ["./v", "sub/v", "sub/deep/w", "sub/v"]);
    assert!(printed.contains("env_file:\n      - ./e\n"), "{printed}");
}

#[test]
fn implied_parts_and_broken_references_kept() {
    let text = "services: {a: {image: x, depends_on: [gone], networks: [gone]}, b: {build: .}}";
    let none = Skip { normalization: true, consistency: true, ..Skip::default() };
    let printed = skipped(&[("compose.yaml", text)], none);
    assert!(printed.contains("      gone:\n        condition: service_started"), "{printed}");
    assert!(!printed.contains("default") && !printed.contains("Dockerfile"), "{printed}");
    assert!(refused(text).contains("gone"));
}
