use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::compose::load::{LoadOptions, load};
use crate::compose::print::config_yaml;

/// What Compose makes of an attribute of a service: its lines in print, or what is said of it.
fn service(attribute: &str) -> Result<String, String> {
    let text = format!("services:\n  a:\n    image: i\n    {attribute}\n");
    let files: BTreeMap<PathBuf, Vec<u8>> = [(Path::new("/p/compose.yaml").to_path_buf(), text.into_bytes())].into();
    let options = LoadOptions { working_dir: PathBuf::from("/p"), ..LoadOptions::default() };
    let project = load(&files, &options).map_err(|error| error.to_string())?;
    let name = attribute.split(':').next().unwrap();
    let printed = config_yaml(&project);
    let lines = printed.lines().skip_while(|line| !line.starts_with(&format!("    {name}:")));
    let own = lines.enumerate().take_while(|(index, line)| *index == 0 || line.starts_with("      "));
    Ok(own.map(|(_, line)| line.trim_start()).collect::<Vec<_>>().join("\n"))
}

#[test]
fn scalars_are_taken_as_compose_takes_them() {
    // what Docker Compose v2.40.3 prints
    for (attribute, want) in [
        ("mem_limit: \"+1\"", "mem_limit: \"1\""),
        ("mem_limit: 1_000kb", "mem_limit: \"1024000\""),
        ("cpus: .inf", "cpus: .inf"),
        ("cpus: 1_0.5", "cpus: 10.5"),
        ("scale: 99999999999", "scale: 99999999999"),
        ("pids_limit: \"7\"", "pids_limit: 7"),
        ("expose: [80]", "expose:\n- \"80\""),
        ("storage_opt: {size: 5}", "storage_opt:\nsize: \"5\""),
        ("labels: {a: 1.5, b: true, c: null}", "labels:\na: \"1.5\"\nb: \"true\"\nc: \"\""),
        (
            "x-a: [2024-1-2, 2024-01-02T03:04:05.50+02:00]",
            "x-a:\n- 2024-01-02T00:00:00Z\n- 2024-01-02T03:04:05.5+02:00",
        ),
        ("provider: {type: t, options: {a: [], b: [1, x]}}", "provider:\ntype: t\noptions:\nb:\n- \"1\"\n- x"),
        ("labels: [\"a =b\"]", "labels:\n'a ': b"),
        ("x-a: [.inf, 18446744073709551615, {b: []}]", "x-a:\n- .inf\n- 18446744073709551615\n- b: []"),
        (
            "volumes: [{type: tmpfs, target: /t, tmpfs: {mode: 0755}}]",
            "volumes:\n- type: tmpfs\ntarget: /t\ntmpfs:\nmode: 493",
        ),
    ] {
        assert_eq!(service(attribute).as_deref(), Ok(want), "{attribute}");
    }
}

#[test]
fn what_compose_cannot_take_is_refused() {
    for (attribute, want) in [
        ("group_add: [1.5]", "c.group_add[0]: expected a string, found a number"),
        (
            "labels: {built: 2024-01-02}",
            "c.labels.built: expected a string, a number, a boolean or null, found a date; put it in quotes",
        ),
        ("storage_opt: {size: 2024-01-02}", "c.storage_opt.size: expected a string, found a date"),
        ("pid: null", "c.pid: expected a string, found null"),
        ("storage_opt: {size: 1.5}", "c.storage_opt.size: expected a string, found a number"),
        ("storage_opt: {size: true}", "c.storage_opt.size: expected a string, found a boolean"),
        ("ports: [{target: 80, published: 80.0}]", "c.ports[0].published: expected a string, found a number"),
        ("blkio_config: {weight: \"10\"}", "c.blkio_config.weight: expected an integer, found a string"),
        (
            "volumes: [{type: tmpfs, target: /t, tmpfs: {mode: \"0755\"}}]",
            "c.volumes[0].tmpfs.mode: expected an integer, found a string",
        ),
        (
            "volumes: [{type: tmpfs, target: /t, tmpfs: {mode: -0.5}}]",
            "c.volumes[0].tmpfs.mode: expected an integer from 0 to 4294967295",
        ),
        (
            "pids_limit: 9223372036854775808",
            "c.pids_limit: expected an integer from -9223372036854775808 to 9223372036854775807",
        ),
        ("mem_limit: 100000000t", "c.mem_limit: expected a size in bytes such as 512m or 2gb"),
        ("environment: [\"A =b\"]", "c.environment[0]: the name of a variable ends in a space; write NAME=value"),
        ("build: {args: [\"A =b\"]}", "c.build.args[0]: the name of a variable ends in a space; write NAME=value"),
        (
            "build: {additional_contexts: {a: 1}}",
            "c.build.additional_contexts.a: expected a string, found an integer; put it in quotes",
        ),
        (
            "build: {ulimits: {a: {soft: \"1\", hard: 2}}}",
            "c.build.ulimits.a.soft: expected an integer, found a string",
        ),
        ("ulimits: {a: {soft: 1.0, hard: 2}}", "c.ulimits.a.soft: expected an integer, found a number"),
        ("labels: {\"\\n\": a}", "c.labels: a key cannot be empty"),
    ] {
        let want = want.replace("c.", "services.a.");
        let got = service(attribute).unwrap_err();
        assert!(got.ends_with(&format!(": {want}")), "{attribute}: {got}");
    }
}
