//! The rules of Compose 5. Each expectation is what Docker Compose 5.5 gives.

use super::*;
use crate::compose::print::config_json;

fn loaded(text: &str, generation: Generation) -> Result<Project, Error> {
    let all = files(&[
        ("compose.yaml", text),
        ("other.yaml", "services:\n  a: {image: theirs, user: u, environment: {X: inc, Y: inc}}\n  c: {image: c}\n"),
    ]);
    load(&all, &LoadOptions { generation, ..with_env(&[("SET", "set")]) })
}

fn five(text: &str) -> Project {
    loaded(text, Generation::Five).unwrap()
}

fn refused_by_two(text: &str) -> String {
    loaded(text, Generation::Two).unwrap_err().to_string()
}

#[test]
fn unused_default_not_expanded() {
    let text = "services: {a: {image: '${SET:-${NO%/}/x}', user: '${NO:+${NO%/}}'}}";
    assert_eq!(five(text).services["a"].image, "set");
    assert!(refused_by_two(text).contains("invalid interpolation"));
    let used = loaded("services: {a: {image: '${NO:-${SET%/}}'}}", Generation::Five).unwrap_err();
    assert!(used.to_string().contains("invalid interpolation"), "{used}");
}

#[test]
fn included_service_merged_and_extended() {
    let text = "include: [other.yaml]\nservices: {a: {image: mine, environment: {X: own}}, b: {extends: c, user: v}}";
    let project = five(text);
    let a = &project.services["a"];
    assert_eq!((a.image.as_str(), a.user.as_str()), ("mine", "u"));
    let environment: Vec<_> = a.environment.values().map(|value| value.as_deref().unwrap()).collect();
    assert_eq!(environment, ["own", "inc"]);
    assert_eq!(project.services["b"].image, "c");
    assert!(refused_by_two(text).contains("services.a is also given at"));
    let reset = "include: [other.yaml]\nservices: {a: {user: !reset null, environment: !override {Z: own}}}";
    let a = &five(reset).services["a"];
    assert_eq!((a.user.as_str(), a.environment.len()), ("", 1));
}

#[test]
fn texts_of_dependencies_cast() {
    let text = "services: {a: {image: x, depends_on: {b: {condition: service_started, required: '${NO:-no}'}}}, b: {image: x}}";
    assert!(!five(text).services["a"].depends_on["b"].required);
    assert!(refused_by_two(text).contains("expected a boolean"));
}

#[test]
fn attributes_of_compose_5_accepted() {
    let text =
        "services: {a: {image: x, build: {context: ., no_cache_filter: one}, pre_start: [{command: run}, {image: y}]}}";
    let a = five(text).services["a"].clone();
    assert_eq!(a.build.unwrap().no_cache_filter, ["one"]);
    let images: Vec<_> = a.pre_start.iter().map(|hook| hook.image.as_str()).collect();
    assert_eq!(images, ["x", "y"]);
    let message = refused_by_two(text);
    assert!(message.contains("unknown attribute 'no_cache_filter'"), "{message}");
    assert!(message.contains("unknown attribute 'pre_start'"), "{message}");
}

#[test]
fn negative_size_accepted() {
    let text = "services: {a: {image: x, memswap_limit: '-1', mem_limit: '9007199254740993'}}";
    let a = five(text).services["a"].clone();
    assert_eq!((a.memswap_limit.0, a.mem_limit.0), (-1, 9_007_199_254_740_993));
    assert!(refused_by_two(text).contains("expected a size in bytes"));
}

#[test]
fn empty_lists_and_ipam_options_printed() {
    let text = "services: {a: {image: x}}\nx-e: []\nnetworks: {default: {ipam: {options: {k: v}}}}";
    let printed = |generation| config_json(&loaded(text, generation).unwrap());
    let (two, five) = (printed(Generation::Two), printed(Generation::Five));
    assert!(two.contains("\"x-e\": null") && two.contains("\"ipam\": {}"), "{two}");
    assert!(five.contains("\"x-e\": []") && five.contains("\"k\": \"v\""), "{five}");
}

#[test]
fn hashes_of_both_generations_from_one_load() {
    let text = "services: {a: {image: x, volumes: ['/x:/y', {type: bind, source: /q, target: /r, bind: {propagation: rslave}}, \
                {type: bind, source: /s, target: /t, bind: {create_host_path: false}}]}}";
    for load in [Generation::Two, Generation::Five] {
        let project = loaded(text, load).unwrap();
        for (generation, want) in [
            (Generation::Two, "b175d6fe42fc1a62a238ac961f0a8c0876b98680b616993f5969e30a62eec30b"),
            (Generation::Five, "e575d0df94a4a41e1eefe5c549caf0902337254f7087da38c4d15e539bfb8589"),
        ] {
            assert_eq!(hash(&project, "a", generation).as_deref(), Some(want), "{load:?}, {generation:?}");
        }
    }
}

#[test]
fn numbers_and_dates_checked_as_json() {
    let text = "services: {a: {image: x}}\nx-n: [1, .NaN]\n";
    assert!(loaded(text, Generation::Two).is_ok());
    let message = loaded(text, Generation::Five).unwrap_err().to_string();
    assert!(message.contains("compose.yaml:2:10: x-n[1]: expected a finite number"), "{message}");
    let dates = "services: {a: {image: x, labels: {d: 2024-01-02}, environment: {D: 2024-01-02}}}";
    let a = five(dates).services["a"].clone();
    assert_eq!(a.labels["d"], "2024-01-02 00:00:00 +0000 UTC");
    assert_eq!(a.environment["D"].as_deref(), Some("2024-01-02 00:00:00 +0000 UTC"));
    assert!(refused_by_two(dates).contains("found a date"));
}
