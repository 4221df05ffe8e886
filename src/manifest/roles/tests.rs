use std::{collections::BTreeMap, path::PathBuf};

use super::*;
use crate::manifest::{self, Reading};

const PROJECT: &str = "
services:
  app: { image: a, depends_on: [db], ports: ['80:80'], environment: { WHO: base } }
  worker: { image: a }
  db: { image: b }
  cache: { image: c, profiles: [data, tools] }
  debug: { image: d, profiles: [tools], env_file: missing.env }
x-rolecall:
  roles:
    edge:
      services:
        app: { ports: ['443:443'], environment: { WHO: edge } }
    worker:
      services:
        worker: { environment: { SPECIAL: 'yes' } }
        cache: {}
    plain:
";

fn load(text: &str, roles: &[&str]) -> Result<Project> {
    let files = BTreeMap::from([(PathBuf::from("/p/compose.yaml"), text.as_bytes().to_vec())]);
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let reading = Reading { dir: "/p".into(), roles, ..Reading::default() };
    let extension = manifest::peek(&files, &reading)?;
    Ok(manifest::load(&files, &reading, &extension, &BTreeMap::new())?)
}

fn selected(roles: &[&str]) -> String {
    load(PROJECT, roles).unwrap().services.into_keys().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_kind_of_role_selects_what_it_means_with_dependencies() {
    assert_eq!(selected(&[]), "app db worker", "those without a profile");
    assert_eq!(selected(&["edge"]), "app db", "an entry: the services that it names");
    assert_eq!(selected(&["plain"]), "app db worker", "an entry that names none");
    assert_eq!(selected(&["data"]), "app cache db worker", "a profile");
    assert_eq!(selected(&["cache"]), "cache", "a service, whatever its profile");
    assert_eq!(selected(&["worker"]), "cache worker", "an entry beats a service of its name");
    assert_eq!(selected(&["edge", "cache"]), "app cache db", "the union");
}

#[test]
fn the_fragments_of_the_roles_are_merged_over_the_project() {
    let app = |roles: &[&str]| {
        let app = load(PROJECT, roles).unwrap().services.remove("app").unwrap();
        let ports: Vec<String> = app.ports.iter().map(|port| port.published.clone()).collect();
        (ports.join(" "), app.environment["WHO"].clone().unwrap())
    };
    assert_eq!(app(&[]), ("80".to_owned(), "base".to_owned()));
    assert_eq!(app(&["edge"]), ("80 443".to_owned(), "edge".to_owned()));
    assert_eq!(app(&["edge", "worker"]), app(&["worker", "edge"]), "the order of the tag does not matter");
}

#[test]
fn what_no_role_selects_need_not_be_right() {
    let err = load(PROJECT, &["all"]).unwrap_err();
    assert!(err.message.contains("missing.env"), "{err}");
    let twice = "services:\n  a: { image: a, container_name: web }\n  b: { image: a, container_name: web }\n";
    assert_eq!(load(twice, &["a"]).unwrap().services.len(), 1);
    assert!(load(twice, &[]).is_err());
}

#[test]
fn inactive_profile_that_is_needed_is_refused_as_by_compose() {
    let text = "services:\n  main: { image: m, profiles: [dev] }\n  test: { image: t, depends_on: [main] }\n  odd: { image: o, profiles: [x] }\n";
    for roles in [&[][..], &["x"]] {
        let err = load(text, roles).unwrap_err();
        assert!(err.message.contains("service 'main' is needed but its profile (dev) is not active"), "{err}");
    }
    for roles in [&["dev"][..], &["test"], &["all"]] {
        assert!(load(text, roles).unwrap().services.contains_key("main"), "{roles:?}");
    }
}

#[test]
fn an_unknown_role_is_answered_with_all_that_could_be_meant() {
    let err = load(PROJECT, &["app", "egde"]).unwrap_err();
    assert_eq!(err.cause, Cause::RoleUnknown);
    assert_eq!(err.message, "unknown role 'egde', did you mean 'edge'?");
    assert_eq!(err.need.unwrap(), "one of: all, app, cache, data, db, debug, edge, plain, tools, worker");
}

#[test]
fn roles_that_select_nothing_start_nothing() {
    let hidden = "services: { a: { image: x, profiles: [p] } }\nx-rolecall: { roles: { empty: {} } }\n";
    for roles in [&[][..], &["empty"]] {
        let err = load(hidden, roles).unwrap_err();
        assert_eq!(err.cause, Cause::RoleUnknown, "{err}");
        assert!(err.need.unwrap().contains("a, all, empty, p"));
    }
    assert!(load("x-rolecall: { host: { packages: [jq] } }\n", &[]).unwrap().services.is_empty());
}

#[test]
fn each_service_that_a_role_selects_is_reached_by_a_set() {
    let sets = |text: &str| {
        let files = BTreeMap::from([(PathBuf::from("/p/compose.yaml"), text.as_bytes().to_vec())]);
        let reading = Reading { dir: "/p".into(), ..Reading::default() };
        let extension = manifest::peek(&files, &reading).unwrap();
        let sets = manifest::role_sets(&files, &reading, &extension, &BTreeMap::new()).unwrap();
        sets.into_iter().map(|set| set.join(":")).collect::<Vec<_>>()
    };
    assert_eq!(sets(PROJECT), ["", "edge", "worker", "plain", "data", "tools"]);
    assert_eq!(sets("services: { a: { image: x, profiles: [p] } }\n"), ["p"]);
    assert_eq!(sets("x-rolecall: {}\n"), [""]);
}
