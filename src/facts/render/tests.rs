use std::process::{Command, Stdio};

use super::*;
use crate::facts::TagsOrigin;

fn facts(tags: &[(&str, &str)]) -> Facts {
    Facts {
        instance_id: "i-0abc".into(),
        region: "eu-west-1".into(),
        availability_zone: Some("eu-west-1a".into()),
        account_id: None,
        hostname: "host".into(),
        local_ipv4: Some("10.0.0.5".into()),
        local_ipv6: None,
        vpc_ipv4_cidr_blocks: Vec::new(),
        life_cycle: None,
        instance_type: None,
        image_id: None,
        architecture: None,
        instance_profile_arn: None,
        role_arn: None,
        tags: tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        tags_origin: TagsOrigin::Metadata,
    }
}

#[test]
fn known_facts_are_variables_and_unknown_ones_are_not_set() {
    let variables = facts(&[("aws:autoscaling:groupName", "g")]).variables("web:celery", None);
    let get = |name: &str| variables.get(name).unwrap();
    assert_eq!(get("ROLECALL_INSTANCE_ID"), Some("i-0abc"));
    assert_eq!(get("ROLECALL_ROLES"), Some("web:celery"));
    assert_eq!(get("ROLECALL_TAG_aws_autoscaling_groupName"), Some("g"));
    assert_eq!((get("ROLECALL_ACCOUNT_ID"), get("ROLECALL_ENVIRONMENT")), (None, None));
}

#[test]
fn two_tags_of_one_name_are_an_error_only_where_that_name_is_used() {
    let variables = facts(&[("my-key", "a"), ("my.key", "b"), ("other", "c")]).variables("", None);
    assert_eq!(variables.get("ROLECALL_TAG_other").unwrap(), Some("c"));
    assert!(!variables.all().contains_key("ROLECALL_TAG_my_key"));
    let err = variables.get("ROLECALL_TAG_my_key").unwrap_err();
    assert!(err.message.contains("my-key and my.key"), "{err}");
}

/// The grammar of systemd 252's `EnvironmentFile`, for lines of the form that is written here.
fn as_systemd_reads(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        if rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            continue;
        }
        let (name, after) = rest.split_once("=\"").unwrap();
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => match chars.next().unwrap().1 {
                    c @ ('"' | '\\' | '`' | '$') => value.push(c),
                    '\n' => {}
                    c => value.extend(['\\', c]),
                },
                (_, c) => value.push(c),
            }
        };
        assert!(after[end..].starts_with("\"\n"), "something follows the value of {name}");
        rest = &after[end + 2..];
        // An assignment with other control characters is dropped by systemd when it is used.
        if !value.chars().any(|c| c.is_control() && c != '\t' && c != '\n') {
            found.insert(name.to_owned(), value);
        }
    }
    found
}

/// What a POSIX shell makes of the file: each variable as the bytes of its value.
fn as_sh_reads(text: &str, names: &[String]) -> BTreeMap<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let prints: String = names.iter().map(|name| format!("printf '%s\\0' \"${{{name}-unset}}\"\n")).collect();
    let script = format!("set -a\n. {}\n{prints}", file.path().display());
    let output = Command::new("/bin/sh").args(["-c", &script]).env_clear().stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    names.iter().cloned().zip(text.split('\0').map(str::to_owned)).collect()
}

#[test]
fn systemd_and_sh_read_the_same_bytes() {
    let values = [
        ("plain", "web-1"),
        ("empty", ""),
        ("spaces", "  two  words  "),
        ("quotes", "it's \"quoted\""),
        ("dollar", "$HOME ${HOME} $(id) $$ `id`"),
        ("backslash", r"a\b \\ \n \$ \"),
        ("newline", "line one\nLD_PRELOAD=/tmp/x.so\n"),
        ("comment", "# not a comment; # either"),
        ("unicode", "grüße 東京 \u{1f680}"),
        ("tab", "a\tb"),
        ("glob", "* ? [a-z] ~ & | ; < > ( ) ! {a,b}"),
        ("equals", "A=B=C"),
        ("trailing", "ends in backslash\\"),
    ];
    let facts = facts(&values);
    let variables = facts.variables("web:celery", Some("prod"));
    let text = facts.render(Format::Env, "web:celery", Some("prod"));
    let names: Vec<String> = variables.all().keys().cloned().collect();
    assert_eq!(&as_systemd_reads(&text), variables.all());
    assert_eq!(&as_sh_reads(&text, &names), variables.all());
}

#[test]
fn what_cannot_be_written_for_both_is_left_out_and_said_so() {
    let facts = facts(&[("bell", "a\u{7}b"), ("cr", "a\r\nb"), ("a.b", "1"), ("a-b", "2")]);
    let text = facts.render(Format::Env, "", None);
    for name in ["ROLECALL_TAG_bell", "ROLECALL_TAG_cr", "ROLECALL_TAG_a_b"] {
        assert!(text.contains(&format!("# {name} is left out: ")), "{text}");
        assert!(!as_systemd_reads(&text).contains_key(name));
        assert_eq!(as_sh_reads(&text, &[name.to_owned()])[name], "unset");
    }
}

#[test]
fn json_has_everything_and_text_is_for_people() {
    let facts = facts(&[("Name", "web\u{1b}[2J")]);
    let json: serde_json::Value = serde_json::from_str(&facts.render(Format::Json, "web:db", Some("prod"))).unwrap();
    assert_eq!(json["instance-id"], "i-0abc");
    assert_eq!(json["roles"], serde_json::json!(["web", "db"]));
    assert_eq!(json["tags"]["Name"], "web\u{1b}[2J");
    let text = facts.render(Format::Text, "", None);
    assert!(text.contains("instance-id        i-0abc\n") && !text.contains('\u{1b}'), "{text}");
}
