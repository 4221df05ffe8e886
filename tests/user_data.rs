//! `rolecall user-data`: what it prints is what a shell, and what docs/user-data.md, take it for. What cloud-init makes of it
//! is in tests/host/cloud.rs.

use std::{
    fs,
    process::{Command, Output},
};

use rolecall::settings::carried;

use crate::support::docs::same;

const SCRIPT: &str = include_str!("../userdata/bootstrap.sh");

/// The example of docs/user-data.md.
const EXAMPLE: [&str; 6] = [
    "--url",
    "https://acme-public.s3.amazonaws.com/rolecall-{arch}",
    "--source",
    "s3://acme-deploy/prod/",
    "--roles",
    "web",
];

const FORMATS: [&str; 3] = ["sh", "cloud-config", "mime"];

fn user_data(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rolecall")).arg("user-data").args(args).output().unwrap()
}

fn printed(args: &[&str]) -> String {
    let output = user_data(args);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_files_are_what_the_command_prints() {
    for (format, file) in [("cloud-config", "userdata/cloud-config.yaml"), ("mime", "userdata/multipart.mime")] {
        same(file, &printed(&[&EXAMPLE[..], &["--format", format]].concat()));
    }
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/user-data.md")).unwrap();
    let words = EXAMPLE.map(|word| if word.contains('{') { format!("'{word}'") } else { word.to_owned() });
    assert!(docs.contains(&format!("rolecall user-data {}\n", words.join(" "))), "the example is not in the docs");
    let names = carried::names().filter(|name| !docs.contains(&format!("`{name}`"))).collect::<Vec<_>>();
    assert!(names.is_empty(), "docs/user-data.md does not tell of {names:?}");
}

#[test]
fn there_is_room_to_spare() {
    for format in FORMATS {
        let size = printed(&[&EXAMPLE[..], &["--format", format]].concat()).len();
        assert!(size < 8 * 1024, "{format}: {size} bytes of 16384");
        let long = format!("NO_PROXY={}", "host.example.com,".repeat(1000));
        let output = user_data(&["--format", format, "--set", &long]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{told}");
        assert!(told.contains("rolecall: FAILED cause=usage") && told.contains("and EC2 takes 16384"), "{told}");
    }
}

#[test]
fn shells_read_the_settings_as_they_were_given() {
    let values = [
        ("ROLECALL_SOURCE", r#"s3://bkt/it's "a" key; $(id) `id` $HOME \ %s *.yml/grüße"#),
        ("ROLECALL_ROLES", "web:celery"),
        ("HTTPS_PROXY", "http://proxy:3128/?a=1&b='2'"),
    ];
    let set: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = printed(&set.iter().flat_map(|set| ["--set", set]).collect::<Vec<_>>());
    let lines = text.strip_suffix(SCRIPT).expect("the script as it is");
    assert!(lines.starts_with("#!/bin/sh\n"), "{lines}");
    for shell in [&["sh"][..], &["bash", "--posix"]] {
        for (name, value) in values {
            let mut command = Command::new(shell[0]);
            command.args(&shell[1..]).arg("-c").arg(format!("set -eu\n{lines}printf %s \"${name}\""));
            assert_eq!(String::from_utf8(command.output().unwrap().stdout).unwrap(), value, "{shell:?}");
        }
    }
}

#[test]
fn every_setting_is_handed_on_by_the_script_and_credentials_are_not() {
    let (_, rest) = SCRIPT.split_once("set | sed -nE '").unwrap();
    let (expression, _) = rest.split_once('\'').unwrap();
    let handed_on = |name: &str| {
        let filter = format!("printf '%s=x y\\n' '{name}' | sed -nE '{expression}'");
        Command::new("sh").args(["-c", &filter]).output().unwrap().stdout == format!("{name}\n").as_bytes()
    };
    for name in carried::names().chain(["AWS_ENDPOINT_URL_S3"]) {
        assert!(handed_on(name), "{name}");
    }
    for name in ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "PATH", "HOME", "IFS", "LD_PRELOAD"]
    {
        assert!(!handed_on(name), "{name}");
    }
}

#[test]
fn a_mistake_is_a_usage_error_that_says_what_was_meant() {
    for (args, says) in [
        (&["--format", "cloudconfig"][..], "cloud-config"),
        (&["--set", "ROLECALL_SORCE=s3://b/p/"], "did you mean ROLECALL_SOURCE?"),
        (&["--set", "AWS_SECRET_ACCESS_KEY=hush"], "is a credential"),
        (&["--source", "s4://b/p/"], "did you mean s3://?"),
        (&["--wait", "soon"], "ROLECALL_WAIT: 'soon' is not a duration"),
        (&["--url", "https://host/rolecall-{arch}", "--sha256", "123"], "64 hex digits"),
    ] {
        let output = user_data(args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{told}");
        assert!(told.contains(says), "{args:?}: {told}");
        let lines: Vec<_> = told.lines().filter(|line| line.starts_with("rolecall: FAILED cause=")).collect();
        assert!(lines.len() == 1 && !told.contains("hush"), "{told}");
    }
    let output = user_data(&["--url", "http://host/rolecall"]);
    assert!(output.status.success() && !output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("anyone on the way"), "a warning");
}
