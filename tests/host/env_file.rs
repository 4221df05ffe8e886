//! `rolecall facts --format env`, read back by a real systemd and a real shell.

use rolecall::facts::{Facts, Format, TagsOrigin};

use crate::machine::Machine;

/// Values that somebody may put into a tag, whatever EC2 allows today.
const VALUES: &[(&str, &str)] = &[
    ("empty", ""),
    ("spaces", "  two  words  "),
    ("quotes", "it's \"quoted\""),
    ("dollar", "$HOME ${HOME} $(id) $$ `id` %n %%"),
    ("backslash", r"a\b \\ \n \$ \"),
    ("newline", "line one\nLD_PRELOAD=/tmp/x.so\n"),
    ("comment", "# not a comment; # either"),
    ("unicode", "grüße 東京 \u{1f680}"),
    ("glob", "* ? [a-z] ~ & | ; < > ( ) ! {a,b}"),
    ("equals", "A=B=C"),
];

#[test]
fn systemd_and_the_shell_read_the_facts_alike() {
    let facts = Facts {
        instance_id: "i-0abc".into(),
        region: "eu-west-1".into(),
        availability_zone: None,
        account_id: None,
        hostname: "host".into(),
        local_ipv4: None,
        local_ipv6: None,
        vpc_ipv4_cidr_blocks: Vec::new(),
        instance_type: None,
        life_cycle: None,
        image_id: None,
        architecture: None,
        instance_profile_arn: None,
        role_arn: None,
        tags: VALUES.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        tags_origin: TagsOrigin::Metadata,
    };
    let machine = Machine::start("env-file");
    machine.write("/srv/facts", &facts.render(Format::Env, "web:db", None), "644");
    let print = "env -0 | grep -z ^ROLECALL_ | sort -z | tr '\\0' '\\1'";
    machine.write("/srv/print", &format!("#!/bin/sh\n{print}\n"), "755");
    let wanted: Vec<String> =
        facts.variables("web:db", None).all().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let wanted = wanted.join("\u{1}") + "\u{1}";
    assert_eq!(machine.sh("set -a; . /srv/facts; /srv/print"), wanted, "sh");
    let unit = "systemd-run --quiet --wait --pipe --collect --property=EnvironmentFile=/srv/facts /srv/print";
    assert_eq!(machine.sh(unit), wanted, "systemd");
}
