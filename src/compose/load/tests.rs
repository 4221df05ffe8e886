mod generations;
mod setup;
mod skipping;

use std::path::{Path, PathBuf};

use super::*;
use crate::compose::error::Kind;
use crate::compose::print::{config_yaml, hash};

type Memory = BTreeMap<PathBuf, Vec<u8>>;

fn files(all: &[(&str, &str)]) -> Memory {
    let file = |(path, text): &(&str, &str)| (Path::new("/p").join(path), text.as_bytes().to_vec());
    all.iter().map(file).collect()
}

fn options() -> LoadOptions {
    LoadOptions { working_dir: PathBuf::from("/p"), ..LoadOptions::default() }
}

fn with_env(pairs: &[(&str, &str)]) -> LoadOptions {
    let environment = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    LoadOptions { environment, ..options() }
}

fn one(text: &str) -> Result<Project, Error> {
    load(&files(&[("compose.yaml", text)]), &options())
}

fn refused(text: &str) -> String {
    one(text).unwrap_err().to_string()
}

#[test]
fn a_project_is_found_named_and_normalised() {
    let all = files(&[
        ("compose.yaml", "services: {web: {image: '$IMAGE', ports: ['80:80']}}"),
        ("compose.override.yaml", "services: {web: {command: run it}}"),
        (".env", "IMAGE=nginx\n"),
    ]);
    let project = load(&all, &options()).unwrap();
    let web = &project.services["web"];
    assert_eq!((project.name.as_str(), web.image.as_str()), ("p", "nginx"));
    assert_eq!(web.command.as_deref(), Some(&["run".to_owned(), "it".to_owned()][..]));
    assert_eq!((web.ports[0].published.as_str(), web.ports[0].target), ("80", 80));
    assert_eq!(project.networks["default"].name, "p_default");
    assert_eq!(project.compose_files.len(), 2);
    let again = files(&[("compose.yaml", &config_yaml(&project))]);
    let again = load(&again, &options()).unwrap();
    assert_eq!(hash(&again, "web", Generation::Two), hash(&project, "web", Generation::Two));
}

#[test]
fn an_overlay_takes_the_place_of_the_override_and_follows_compose_file() {
    let all = files(&[
        ("compose.yaml", "services: {a: {image: base}}"),
        ("compose.override.yaml", "services: {a: {image: override, user: u}}"),
        ("compose.prod.yaml", "services: {a: {image: prod}}"),
        ("other.yaml", "services: {a: {image: other, hostname: h}}"),
    ]);
    let overlay = vec![PathBuf::from("compose.prod.yaml")];
    let project = load(&all, &LoadOptions { overlay: overlay.clone(), ..options() }).unwrap();
    let a = &project.services["a"];
    assert_eq!((a.image.as_str(), a.user.as_str()), ("prod", ""));
    let named = with_env(&[("COMPOSE_FILE", "other.yaml")]);
    let project = load(&all, &LoadOptions { overlay, ..named }).unwrap();
    let a = &project.services["a"];
    assert_eq!((a.image.as_str(), a.hostname.as_str()), ("prod", "h"));
}

#[test]
fn the_shell_beats_env_files() {
    let all = files(&[("compose.yaml", "services: {a: {image: '$A$B', environment: [A, B]}}"), (".env", "A=f\nB=f\n")]);
    let project = load(&all, &with_env(&[("A", "shell")])).unwrap();
    assert_eq!(project.services["a"].image, "shellf");
    assert_eq!(project.services["a"].environment["A"].as_deref(), Some("shell"));
}

#[test]
fn the_extension_is_a_tree_with_positions_and_variables_replaced() {
    let all = files(&[
        ("compose.yaml", "services: {a: {image: x}}\nx-rolecall:\n  host:\n    packages: [jq]\n    upgrade: none\n"),
        ("compose.override.yaml", "x-rolecall:\n  host:\n    upgrade: ${U}\n"),
    ]);
    let project = load(&all, &with_env(&[("U", "full")])).unwrap();
    let host = project.extension("x-rolecall").unwrap().get("host").unwrap();
    assert_eq!(host.get("upgrade").unwrap().as_str(), Some("full"));
    assert_eq!(host.get("upgrade").unwrap().position.to_string(), "compose.override.yaml:3:14");
    assert_eq!(host.at(["packages", "0"]).unwrap().position.to_string(), "compose.yaml:4:16");
}

#[test]
fn a_peek_needs_no_variable_that_is_not_there_yet() {
    let text = "name: n\nservices: {a: {image: '${X:?later}'}}\nx-rolecall: {variables: {X: 'ssm:///$ROLECALL_ENVIRONMENT/x'}}\n";
    let peek = peek(&files(&[("compose.yaml", text)]), &with_env(&[("ROLECALL_ENVIRONMENT", "prod")])).unwrap();
    let extension = peek.extension.unwrap();
    assert_eq!(extension.at(["variables", "X"]).unwrap().as_str(), Some("ssm:///prod/x"));
    assert_eq!(peek.name.unwrap().as_str(), Some("n"));
}

#[test]
fn variables_without_a_value_are_named_with_their_first_place() {
    let all = files(&[
        (
            "compose.yaml",
            "services:\n  web:\n    image: $IMAGE:${TAG}\n    user: ${TAG}${U:-}\n    command: [$$X, '$E']\n",
        ),
        ("compose.override.yaml", "services: { web: { hostname: '${HOST}${NONE+x}' } }"),
        (".env", "IMAGE=nginx\nE=\n"),
    ]);
    let project = load(&all, &options()).unwrap();
    let wanted = [
        "compose.override.yaml:1:30: variable HOST is not set, and counts as empty",
        "compose.yaml:3:12: variable TAG is not set, and counts as empty",
    ];
    let warnings: Vec<String> = project.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, wanted);
}

#[test]
fn fragments_are_merged_over_the_files() {
    let text = "services: {a: {image: x, ports: ['1:1'], labels: {k: a}}}\n\
                x-rolecall: {roles: {web: {services: {a: {ports: !override ['80:80'], labels: {k: '$$b'}, cpus: '2'}}}}}\n";
    let all = files(&[("compose.yaml", text)]);
    let first = load(&all, &options()).unwrap();
    let role = first.extension("x-rolecall").unwrap().at(["roles", "web"]).unwrap().clone();
    let project = load(&all, &LoadOptions { fragments: vec![Fragment { node: role }], ..options() }).unwrap();
    let a = &project.services["a"];
    assert_eq!(a.ports.len(), 1);
    assert_eq!(a.ports[0].published, "80");
    assert_eq!(a.labels["k"], "$b");
    assert!((a.cpus - 2.0).abs() < f32::EPSILON);
    assert_eq!(first.services["a"].ports[0].published, "1");
}

#[test]
fn services_are_selected_with_what_they_need() {
    let text = "services:\n  a: {image: x, depends_on: [d], networks: [n]}\n  b: {image: y, profiles: [p]}\n  d: {image: z}\n  \
                e: {image: q, volumes: ['vol:/v']}\n  f: {image: q, profiles: [p], env_file: [gone.env]}\n\
                networks: {n: }\nvolumes: {vol: }\n";
    let project = one(text).unwrap();
    assert_eq!(project.services.keys().collect::<Vec<_>>(), ["a", "d", "e"]);
    let a = project.select(&["a"]).unwrap();
    assert_eq!(a.services.keys().collect::<Vec<_>>(), ["a", "d"]);
    assert!(a.volumes.is_empty() && a.networks.contains_key("n"));
    let missing = project.select(&["b", "f"]).unwrap_err();
    assert_eq!(missing.not_found(), Some(Path::new("/p/gone.env")));
    assert_eq!(missing.to_string(), "compose.yaml:6:43: services.f.env_file[0]: file gone.env not found");
    let b = project.select(&["b"]).unwrap();
    assert_eq!(b.services.keys().collect::<Vec<_>>(), ["b"]);
    let unknown = project.select(&["Aa"]).unwrap_err().to_string();
    assert_eq!(unknown, "no such service 'Aa'; there are a, b, d, e, f");
}

#[test]
fn a_missing_file_is_named_so_that_it_can_be_fetched() {
    for (text, path) in [
        ("include: [sub/a.yml]\nservices: {a: {image: x}}", "/p/sub/a.yml"),
        ("services: {a: {image: x, env_file: e.env}}", "/p/e.env"),
        ("services: {a: {extends: {file: b.yml, service: s}}}", "/p/b.yml"),
        ("services: {a: {image: x, label_file: l}}", "/p/l"),
    ] {
        assert_eq!(one(text).unwrap_err().not_found(), Some(Path::new(path)), "{text}");
    }
}

#[test]
fn cycles_are_refused_and_named() {
    let text = refused("services: {a: {extends: b}, b: {extends: c}, c: {extends: a}}");
    assert!(text.contains("services extend each other: a (compose.yaml) -> b (compose.yaml) -> c"), "{text}");
    let all = files(&[("compose.yaml", "include: [b.yml]"), ("b.yml", "include: [compose.yaml]")]);
    let text = load(&all, &options()).unwrap_err().to_string();
    assert_eq!(text, "b.yml:1:11: include[0]: files include each other: compose.yaml -> b.yml -> compose.yaml");
    let text = refused("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, links: [a]}\n");
    assert_eq!(text, "compose.yaml:2:30: services.a.depends_on: services depend on each other: a -> b -> a");
    let text = refused("services:\n  a: &a\n    image: x\n    labels: *a\n");
    assert!(text.starts_with("compose.yaml:4:13: an alias refers to"), "{text}");
}

#[test]
fn nothing_outside_of_the_root_or_of_this_host_is_read() {
    let all = files(&[("compose.yaml", "include: [../other/compose.yaml]"), ("../other/compose.yaml", "services: {}")]);
    let rooted = LoadOptions { root: Some(PathBuf::from("/p")), ..options() };
    let text = load(&all, &rooted).unwrap_err().to_string();
    assert_eq!(text, "compose.yaml:1:11: include: /other/compose.yaml is outside of the project folder");
    for remote in ["https://x.org/c.yaml", "oci://x/y", "git@github.com:x/y.git", "s3://b/k"] {
        let text = refused(&format!("include: ['{remote}']"));
        assert!(text.starts_with("compose.yaml:1:11: include[0]: a project of another host"), "{text}");
    }
}

#[test]
fn a_required_variable_has_its_own_kind() {
    let error = one("services:\n  a: {image: '${TAG:?set the tag}'}\n").unwrap_err();
    assert_eq!(error.diagnostics()[0].kind, Kind::RequiredVariable { name: "TAG".into() });
    let want = "compose.yaml:2:14: services.a.image: required variable TAG is missing a value: set the tag";
    assert_eq!(error.to_string(), want);
}

#[test]
fn hostile_input_is_refused_in_bounded_time() {
    let mut all = files(&[("compose.yaml", "services: {a: {image: x}}")]);
    for level in 0..40 {
        let text = format!("include: [l{}.yml, ./x/../l{}.yml]\n", level + 1, level + 1);
        all.insert(PathBuf::from(format!("/p/l{level}.yml")), text.into_bytes());
    }
    let options = LoadOptions { files: vec![PathBuf::from("l0.yml")], ..options() };
    let text = load(&all, &options).unwrap_err().to_string();
    assert!(text.contains("l40.yml not found"), "{text}");
    let mut chain = String::from("services:\n  s0: {image: x}\n");
    for index in 1..1_000 {
        chain.extend(["  s", &index.to_string(), ": {extends: s", &(index - 1).to_string(), "}\n"]);
    }
    assert!(refused(&chain).contains("more than 50 services extend each other"));
    let chain = chain
        .replace("extends: ", "image: x, links: [")
        .replace("}\n", "]}\n")
        .replace("s0: {image: x]}", "s0: {image: x}");
    assert_eq!(one(&chain).unwrap().services.len(), 1_000);
    assert!(
        refused("services: {a: {image: x, ports: ['1-60000:1-60000', '1-60000:1-60000/udp', '1-60000:1-60000/sctp']}}")
            .contains("publishes more than 24000 ports")
    );
    assert!(refused(&"x".repeat(100 << 20)).contains("larger than 1024 KiB"));
    assert!(refused("services: [").contains("not valid YAML"));
    assert!(refused("a\0b: 1").contains("NUL byte"));
    assert!(refused("- a").contains("a compose file must be a mapping"));
    assert!(refused("").contains("the compose file is empty"));
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    let error = one("services:\n  web:\n    imge: x\n    prots: []\n").unwrap_err();
    let lines: Vec<String> = error.diagnostics().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "compose.yaml:3:5: services.web.imge: unknown attribute 'imge', did you mean 'image'?",
            "compose.yaml:4:5: services.web.prots: unknown attribute 'prots', did you mean 'ports'?",
        ]
    );
}

#[test]
fn no_message_holds_a_value() {
    for text in [
        "services: {a: {image: x, environment: [S3CRET: 1]}}",
        "services: {a: {image: x, cpus: S3CRET}}",
        "services: {a: {image: x, ports: [S3CRET]}}",
        "services: {a: {image: x, mem_limit: S3CRET}}",
        "services: {a: {image: x, stop_grace_period: S3CRET}}",
        "services: {a: {image: x, command: \"'S3CRET\"}}",
        "services: {a: {image: x, labels: {k: '${S3CRET'}}}",
        "services: {a: {image: x, volumes: ['S3CRET::']}}",
        "services: {a: {image: x, restart: [S3CRET]}}",
    ] {
        let shown = refused(text);
        assert!(!shown.contains("S3CRET"), "{shown}");
    }
}

#[test]
fn environment_file_of_an_extended_service_named_once() {
    for (own, count) in [("b.env", 1), ("./b.env", 2)] {
        let text = format!("services: {{a: {{extends: {{file: b.yaml, service: a}}, env_file: [{own}]}}}}");
        let all =
            files(&[("compose.yaml", &text), ("b.yaml", "services: {a: {image: x, env_file: b.env}}"), ("b.env", "")]);
        let project = load(&all, &LoadOptions { unresolved: true, ..options() }).unwrap();
        let paths: Vec<&str> = project.services["a"].env_file.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, vec!["/p/b.env"; count]);
    }
}

#[test]
fn limits_with_odd_names_need_no_hard_value() {
    let limits = |text: &str| one(&format!("services: {{a: {{image: x, ulimits: {text}}}}}"));
    let project = limits("{n_p: {soft: 2}}").unwrap();
    assert_eq!(project.services["a"].ulimits["n_p"].soft, 2);
    assert!(limits("{nproc: {soft: 2}}").unwrap_err().to_string().contains("'hard' is missing"));
}
