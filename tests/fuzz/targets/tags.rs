#![no_main]
//! Tags, one `key=value` a line: what a run makes of them, and the variables that a project sees.

use std::{cell::OnceCell, collections::BTreeMap};

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::{
    facts::{Facts, Format, TagsOrigin},
    settings::{Env, Flags, Settings, Source},
};

const ACCOUNT: &str = "123456789012";

thread_local! {
    static SETTINGS: OnceCell<Settings> = const { OnceCell::new() };
}

fuzz_target!(|text: &str| {
    let tags: BTreeMap<String, String> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let settings = SETTINGS
        .with(|cell| cell.get_or_init(|| Settings::load(&Flags::default(), Env::default()).expect("none")).clone());
    let (roles, environment) = settings.roles_and_environment(&tags);
    match settings.with(&tags, Some(ACCOUNT)) {
        Ok(input) => {
            assert!(matches!(input.source, Source::Object { .. } | Source::Prefix { .. }), "{:?}", input.source);
            assert_eq!(input.trust.owners, [ACCOUNT]);
            assert!(input.roles.iter().all(|role| !role.is_empty() && !role.contains([':', ',', ' ', '\n'])));
            assert!(input.environment.is_none_or(|name| !name.contains('/') && !name.starts_with('.')));
        }
        Err(err) => assert!(!err.message.is_empty() && err.hint.is_some(), "{err:?}"),
    }
    seen(tags, &roles, environment.as_deref());
});

/// Each tag is a variable that can be named, or one of those that share a name.
fn seen(tags: BTreeMap<String, String>, roles: &str, environment: Option<&str>) {
    let count = tags.len();
    let facts = Facts {
        instance_id: "i-1".into(),
        region: "eu-west-1".into(),
        availability_zone: None,
        account_id: Some(ACCOUNT.into()),
        hostname: "h".into(),
        local_ipv4: None,
        local_ipv6: None,
        vpc_ipv4_cidr_blocks: Vec::new(),
        instance_type: None,
        life_cycle: None,
        image_id: None,
        architecture: None,
        instance_profile_arn: None,
        role_arn: None,
        tags,
        tags_origin: TagsOrigin::Metadata,
    };
    let variables = facts.variables(roles, environment);
    let named = |name: &&String| name.starts_with("ROLECALL_TAG_");
    let shared: usize = variables.collisions().values().map(Vec::len).sum();
    assert_eq!(variables.all().keys().filter(named).count() + shared, count);
    for name in variables.all().keys() {
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
        assert!(variables.get(name).is_ok_and(|value| value.is_some()));
    }
    let json = facts.render(Format::Json, roles, environment);
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    assert!(facts.render(Format::Text, roles, environment).ends_with('\n'));
    let env = facts.render(Format::Env, roles, environment);
    assert!(!env.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{env:?}");
}
