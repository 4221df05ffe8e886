use std::{collections::BTreeSet, os::unix::fs::MetadataExt as _};

use super::*;
use crate::settings::{Env, Flags, Settings};

fn input(source: &str, roles: &str) -> Input {
    let flags = Flags { source: Some(source.into()), roles: Some(roles.into()), ..Flags::default() };
    Settings::load(&flags, Env::default()).unwrap().with(&BTreeMap::new(), None).unwrap()
}

fn snapshot(paths: &Paths, input: &Input, text: &str) -> Snapshot {
    of_files(paths, &input.source, [("compose.yaml", text.as_bytes().to_vec().into())]).unwrap()
}

fn keep(good: &Good, snapshot: &Snapshot) {
    good.keep(
        &Source::parse("s3://bucket/app/").unwrap(),
        (Shape::Folder, Some("app"), BTreeSet::from(["web".to_owned()])),
        snapshot,
    )
    .unwrap();
}

fn content(good: &Good) -> Option<String> {
    let kept = good.read()?;
    let snapshot = Snapshot { files: kept.files, objects: kept.objects };
    Some(String::from_utf8(snapshot.read("compose.yaml").unwrap().unwrap()).unwrap())
}

#[test]
fn what_is_kept_shares_its_content_with_the_cache_and_outlives_it() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path(), "/x", "/x");
    let input = input("s3://bucket/app/", "web");
    let good = Good::of(&paths, &input, "i-1");
    assert!(good.read().is_none());
    let one = snapshot(&paths, &input, "one");
    keep(&good, &one);
    let path = good.objects().join(&one.files["compose.yaml"].sha256);
    assert_eq!(std::fs::metadata(&path).unwrap().nlink(), 2);
    let first = good.read().unwrap().at;
    keep(&good, &one);
    assert_eq!(good.read().unwrap().at, first, "the same again writes nothing");
    let two = snapshot(&paths, &input, "two");
    assert_eq!(content(&good).as_deref(), Some("one"), "the cache has forgotten it");
    keep(&good, &two);
    assert_eq!(content(&good).as_deref(), Some("two"));
    assert_eq!(entries(&good.objects()).len(), 1);
    std::fs::remove_dir_all(&paths.cache).unwrap();
    assert_eq!(content(&good).as_deref(), Some("two"));
}

#[test]
fn another_input_or_instance_finds_nothing_and_few_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path(), "/x", "/x");
    let all: Vec<Good> =
        [("app", "a", "i-1"), ("app", "b", "i-1"), ("other", "a", "i-1"), ("app", "a", "i-2"), ("app", "", "i-1")]
            .map(|(prefix, roles, instance)| {
                Good::of(&paths, &input(&format!("s3://bucket/{prefix}/"), roles), instance)
            })
            .into();
    let snapshot = snapshot(&paths, &input("s3://bucket/app/", ""), "text");
    for (n, good) in all.iter().enumerate() {
        assert!(good.read().is_none(), "{n}");
        keep(good, &snapshot);
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
        std::fs::File::open(good.record()).unwrap().set_modified(at).unwrap();
    }
    let left: Vec<bool> = all.iter().map(|good| good.read().is_some()).collect();
    assert_eq!(left, [false, true, true, true, true], "the oldest goes");
}

#[test]
fn what_the_image_brought_is_for_any_instance_and_role_until_it_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path(), "/x", "/x");
    let input = |source: &str, roles: &str, environment: Option<&str>| {
        let mut input = input(source, roles);
        input.environment = environment.map(str::to_owned);
        input
    };
    let made = input("s3://bucket/app/", "", Some("prod"));
    keep(&Good::baked(&paths, &made), &snapshot(&paths, &made, "one"));
    let found = |other: &Input| content(&Good::baked(&paths, other));
    assert_eq!(found(&input("s3://bucket/app/", "web", Some("prod"))).as_deref(), Some("one"));
    assert_eq!(found(&input("s3://bucket/app/", "web", None)), None);
    assert_eq!(found(&input("s3://bucket/other/", "web", Some("prod"))), None);
    let mut signed = made.clone();
    signed.trust.keys = vec!["key".to_owned()];
    assert_eq!(found(&signed), None);
    assert!(Good::of(&paths, &made, "i-1").read().is_none());
    let told = Good::baked(&paths, &made).read().unwrap().told();
    assert!(told.starts_with("the project that was baked on 2"), "{told}");
    forget_baked(&paths).unwrap();
    assert_eq!(found(&made), None);
    forget_baked(&paths).unwrap();
}
