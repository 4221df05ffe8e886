use std::{collections::BTreeMap, path::Path, rc::Rc};

use super::*;
use crate::{
    error::Class,
    facts::TagsOrigin,
    settings::{Env, Flags, Settings},
    testing::{Bucket, Ec2, Metadata, Played, world},
};

fn facts() -> Facts {
    Facts {
        instance_id: "i-0abc".into(),
        region: "eu-west-1".into(),
        availability_zone: None,
        account_id: Some("123456789012".into()),
        hostname: "host".into(),
        local_ipv4: None,
        local_ipv6: None,
        vpc_ipv4_cidr_blocks: Vec::new(),
        instance_type: None,
        life_cycle: None,
        image_id: None,
        architecture: None,
        instance_profile_arn: Some("arn:aws:iam::123456789012:instance-profile/web".into()),
        role_arn: Some("arn:aws:iam::123456789012:role/web-role".into()),
        tags: BTreeMap::new(),
        tags_origin: TagsOrigin::Metadata,
    }
}

struct Stage {
    bucket: Rc<Bucket>,
    clock: Rc<Played>,
    world: World,
    state: tempfile::TempDir,
}

impl Stage {
    fn new(objects: &[(&str, &str)]) -> Self {
        let (bucket, clock) = (Bucket::new(objects), Played::new());
        let world = world(&clock, Metadata::new(&[]), Ec2::new([]), &bucket);
        Self { bucket, clock, world, state: tempfile::tempdir().unwrap() }
    }

    async fn fetch(&self, source: &str) -> Result<Fetched> {
        let flags = Flags { source: Some(source.into()), ..Flags::default() };
        let input = Settings::load(&flags, Env::default()).unwrap().with_tags(&facts()).unwrap();
        let paths = Paths::new(self.state.path(), "/x", "/x");
        fetch(&self.world, &self.clock.retry(600), &input, &facts(), &paths).await
    }

    async fn snapshot(&self, source: &str) -> Result<Snapshot> {
        match self.fetch(source).await? {
            Fetched::Prefix(snapshot) => Ok(snapshot),
            _ => panic!("{source} is no prefix"),
        }
    }
}

fn slow_down() -> Error {
    Error::new(Cause::SourceUnreachable, "HTTP 503 SlowDown").class(Class::Throttled)
}

#[tokio::test]
async fn content_decides_what_an_object_is() {
    let stage = Stage::new(&[("x.sh", "#!/bin/sh\n"), ("c.yml", "services: {}\n"), ("page", "<html>")]);
    assert!(matches!(stage.fetch("s3://bucket/x.sh").await.unwrap(), Fetched::Script { name, .. } if name == "x.sh"));
    assert!(matches!(stage.fetch("s3://bucket/c.yml").await.unwrap(), Fetched::Compose { .. }));
    let err = stage.fetch("s3://bucket/page").await.map(|_| ()).unwrap_err();
    assert_eq!((err.cause, err.exit() as u8), (Cause::SourceUnrecognised, 3));
    let err = stage.fetch("s3://bucket/absent").await.map(|_| ()).unwrap_err();
    assert_eq!(err.cause, Cause::SourceNotFound);
}

#[tokio::test]
async fn a_pin_is_compared_before_the_content_is_looked_at() {
    let stage = Stage::new(&[("page", "<html>")]);
    let pin = sha256(b"#!/bin/sh\n");
    let err = stage.fetch(&format!("s3://bucket/page#sha256={pin}")).await.map(|_| ()).unwrap_err();
    assert_eq!((err.cause, err.exit() as u8), (Cause::ChecksumMismatch, 5));
}

#[tokio::test]
async fn a_refused_permission_names_the_role() {
    let stage = Stage::new(&[("x.sh", "#!/bin/sh\n")]);
    let denied = Error::new(Cause::SourceDenied, "HTTP 403").class(Class::Denied).need("s3:GetObject on arn");
    stage.bucket.fail.borrow_mut().push_back(denied);
    let err = stage.fetch("s3://bucket/x.sh").await.map(|_| ()).unwrap_err();
    assert!(err.message.contains("role/web-role"), "{err}");
    stage.bucket.fail.borrow_mut().extend([slow_down(), slow_down()]);
    assert!(stage.fetch("s3://bucket/x.sh").await.is_ok(), "throttling is waited out");
}

#[tokio::test]
async fn a_prefix_is_listed_fetched_and_listed_again_and_then_only_listed() {
    let stage = Stage::new(&[
        ("app/", ""),
        ("app/compose.yaml", "services: {}\n"),
        ("app/env/", ""),
        ("app/env/a", "A=1"),
        ("other", "x"),
    ]);
    let snapshot = stage.snapshot("s3://bucket/app/").await.unwrap();
    assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), ["compose.yaml", "env/a"]);
    assert_eq!(snapshot.read("env/a").unwrap().as_deref(), Some(&b"A=1"[..]));
    assert_eq!(snapshot.read("env/b").unwrap(), None);
    assert_eq!(stage.bucket.asked(), ["list app/", "get app/compose.yaml", "get app/env/a", "list app/"]);

    let again = stage.snapshot("s3://bucket/app/").await.unwrap();
    assert_eq!(stage.bucket.asked(), ["list app/"], "nothing to do is one listing");
    assert_eq!(again.digest(), snapshot.digest());

    stage.bucket.put("app/env/a", "A=2");
    let changed = stage.snapshot("s3://bucket/app/").await.unwrap();
    assert_eq!(stage.bucket.asked(), ["list app/", "get app/env/a", "list app/"]);
    assert_ne!(changed.digest(), snapshot.digest());
}

#[tokio::test]
async fn mode_of_an_object_comes_from_its_metadata() {
    let stage = Stage::new(&[("app/bin/tool", "data"), ("app/compose.yaml", "services: {}\n")]);
    let tool = async || {
        let file = stage.snapshot("s3://bucket/app/").await.unwrap().files["bin/tool"].clone();
        (file.mode, file.declared, stage.bucket.asked())
    };
    let listed = || vec!["list app/".to_owned()];
    let fetched = || ["list app/", "get app/bin/tool", "list app/"].map(str::to_owned).to_vec();
    let (mode, declared, _) = tool().await;
    assert_eq!((mode, declared), (0o644, false));
    // New metadata leaves the content and its ETag as they are. It is fetched once, and not at each run.
    stage.bucket.set_mode("app/bin/tool", 0o750);
    assert_eq!(tool().await, (0o750, true, fetched()));
    assert_eq!(tool().await, (0o750, true, listed()));
    stage.bucket.put("app/bin/tool", "data");
    assert_eq!(tool().await, (0o644, false, fetched()));

    // The index of version 0.1.0 has no metadata.
    stage.bucket.set_mode("app/bin/tool", 0o750);
    tool().await;
    for cache in std::fs::read_dir(stage.state.path().join("cache")).unwrap().flatten() {
        let index = cache.path().join("index.json");
        let mut read: serde_json::Value = serde_json::from_slice(&std::fs::read(&index).unwrap()).unwrap();
        for (_, entry) in read["entries"].as_object_mut().unwrap() {
            let entry = entry.as_object_mut().unwrap();
            assert!(entry.remove("modified").is_some() && entry.remove("mode").is_some());
        }
        std::fs::write(index, read.to_string()).unwrap();
    }
    let (mode, _, asked) = tool().await;
    assert_eq!((mode, asked.contains(&"get app/bin/tool".to_owned())), (0o750, true));
}

#[tokio::test]
async fn mode_of_a_file_beside_a_compose_file_is_kept() {
    let stage = Stage::new(&[("app/c.yml", "services: {}\n"), ("app/tool", "data"), ("app/plain", "data")]);
    stage.bucket.set_mode("app/tool", 0o750);
    let Fetched::Compose { beside, .. } = stage.fetch("s3://bucket/app/c.yml").await.unwrap() else { panic!() };
    let mode = async |path: &str| beside.get(path).await.unwrap().unwrap().mode;
    assert_eq!((mode("tool").await, mode("plain").await), (Mode::Declared(0o750), Mode::Unknown));
}

#[test]
fn unsigned_metadata_has_no_effect_with_a_key() {
    let state = tempfile::tempdir().unwrap();
    let paths = Paths::new(state.path(), "/x", "/x");
    let source = Source::parse("s3://bucket/app/").unwrap();
    let open = || snapshot::Store::open(&paths, &source).unwrap();
    let entry = crate::world::ObjectEntry { key: "app/tool".into(), size: 4, etag: "e".into(), modified: Some(1) };
    let content = Content { bytes: b"data".to_vec(), mode: Mode::Declared(0o777) };
    let mut store = open();
    assert_eq!(store.put_object("tool", &entry, &content).unwrap().mode, 0o777);
    store.save().unwrap();
    let mut store = open().without_declared_modes();
    let cached = store.cached("tool", &entry).unwrap();
    assert_eq!((cached.mode, cached.declared), (0o644, false));
    assert_eq!(store.put_object("tool", &entry, &content).unwrap().mode, 0o644);
    assert_eq!(open().cached("tool", &entry).unwrap().mode, 0o777, "the key may be gone again");
}

#[tokio::test]
async fn a_file_that_goes_while_the_project_is_read_is_no_end_of_it() {
    let stage = Stage::new(&[("app/a", "1"), ("app/b", "1")]);
    let gone = Error::new(Cause::SourceNotFound, "app/b does not exist");
    stage.bucket.fail.borrow_mut().push_back(gone);
    let snapshot = stage.snapshot("s3://bucket/app/").await.unwrap();
    assert_eq!(snapshot.files.len(), 2);
    assert_eq!(stage.bucket.asked().iter().filter(|line| line.starts_with("list")).count(), 3, "listed anew");
}

#[tokio::test]
async fn a_project_that_changes_meanwhile_is_read_again_until_it_is_one_moment() {
    let stage = Stage::new(&[("app/a", "1"), ("app/b", "1")]);
    // After the first listing b is replaced: its listed ETag is gone. After the second, a new file appears.
    stage.bucket.after_list.borrow_mut().push_back(("app/b".into(), b"2".to_vec()));
    stage.bucket.after_list.borrow_mut().push_back(("app/c".into(), b"3".to_vec()));
    let snapshot = stage.snapshot("s3://bucket/app/").await.unwrap();
    let text = |path: &str| String::from_utf8(snapshot.read(path).unwrap().unwrap()).unwrap();
    assert_eq!((text("a"), text("b"), text("c")), ("1".into(), "2".into(), "3".into()));
    let log = stage.bucket.asked();
    assert_eq!(log.iter().filter(|line| *line == "get app/a").count(), 1, "what is here is not fetched again: {log:?}");
}

#[tokio::test]
async fn an_attempt_that_broke_off_is_continued() {
    let files: Vec<(String, String)> = (0..20).map(|n| (format!("app/{n:02}"), n.to_string())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let stage = Stage::new(&files);
    stage.bucket.fail.borrow_mut().extend([slow_down(), slow_down(), slow_down()]);
    assert_eq!(stage.snapshot("s3://bucket/app/").await.unwrap().files.len(), 20);
    assert_eq!(stage.bucket.asked().iter().filter(|line| line.starts_with("get")).count(), 23);
}

#[tokio::test]
async fn names_that_could_leave_the_project_are_refused_with_nothing_written() {
    let long = format!("app/{}", "x".repeat(256));
    for key in ["app/../../etc/cron.d/x", "app//etc/x", "app/./x", "app/..", "app/a\nb", "app/a\0b", &long] {
        let stage = Stage::new(&[("app/ok", "1"), (key, "bad")]);
        let err = stage.snapshot("s3://bucket/app/").await.unwrap_err();
        assert_eq!(err.cause, Cause::SourceRefused, "{key}");
        assert_eq!(stage.bucket.asked(), ["list app/"]);
    }
    let stage = Stage::new(&[("app/a", "1"), ("app/a/b", "2")]);
    assert!(stage.snapshot("s3://bucket/app/").await.unwrap_err().message.contains("file and a folder"));
    let err = Stage::new(&[("app", "1")]).snapshot("s3://bucket/app/").await.unwrap_err();
    assert_eq!(err.cause, Cause::SourceNotFound);
}

#[tokio::test]
async fn what_a_compose_file_names_comes_from_beside_it() {
    let stage = Stage::new(&[
        ("app/c.yml", "services: {}\n"),
        ("app/env/web.env", "A=1"),
        ("app/env/db.env", "B=1"),
        ("secret", "s"),
    ]);
    let Fetched::Compose { beside, .. } = stage.fetch("s3://bucket/app/c.yml").await.unwrap() else { panic!() };
    assert_eq!(beside.get("./env/web.env").await.unwrap().unwrap().bytes, b"A=1");
    assert_eq!(beside.get("env/none.env").await.unwrap(), None);
    assert_eq!(beside.list("env").await.unwrap(), ["env/db.env", "env/web.env"]);
    for outside in ["../secret", "/etc/shadow"] {
        assert_eq!(beside.get(outside).await.unwrap_err().cause, Cause::SourceRefused);
    }
}

#[tokio::test]
async fn files_of_this_machine_are_sources_too() {
    let stage = Stage::new(&[]);
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
    };
    write("app/compose.yaml", "services: {}\n");
    write("app/bootstrap/1.sh", "#!/bin/sh\n");
    std::os::unix::fs::symlink("compose.yaml", dir.path().join("app/link.yaml")).unwrap();
    let root = dir.path().display();
    for source in [format!("file://{root}/app/"), format!("file://{root}/app")] {
        let snapshot = stage.snapshot(&source).await.unwrap();
        assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), ["bootstrap/1.sh", "compose.yaml", "link.yaml"]);
    }
    let Fetched::Compose { beside, .. } = stage.fetch(&format!("file://{root}/app/compose.yaml")).await.unwrap() else {
        panic!()
    };
    let script = Content { bytes: b"#!/bin/sh\n".to_vec(), mode: Mode::Unknown };
    assert_eq!(beside.get("bootstrap/1.sh").await.unwrap(), Some(script));
    std::fs::set_permissions(
        dir.path().join("app/bootstrap/1.sh"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    assert_eq!(beside.get("bootstrap/1.sh").await.unwrap().unwrap().mode, Mode::Copied(0o755));
    assert_eq!(beside.list(".").await.unwrap().len(), 3);

    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("app/passwd")).unwrap();
    assert_eq!(stage.snapshot(&format!("file://{root}/app/")).await.unwrap_err().cause, Cause::SourceRefused);
    let err = stage.fetch("file:///nonexistent/x").await.map(|_| ()).unwrap_err();
    assert_eq!(err.cause, Cause::SourceNotFound);
    assert!(!Path::new("/nonexistent").exists());
}

#[tokio::test]
async fn a_value_is_a_single_object_or_file() {
    let stage = Stage::new(&[("dockercfg", "{}")]);
    let retry = stage.clock.retry(60);
    let get = async |uri: &str| value(&stage.world, &retry, uri, &facts(), &Trust::default()).await;
    assert_eq!(get("s3://bucket/dockercfg").await.unwrap(), b"{}");
    for bad in ["s3://bucket/folder/", "https://h.example/x", "plain"] {
        assert_eq!(get(bad).await.unwrap_err().cause, Cause::SourceRefused, "{bad}");
    }
}

#[tokio::test]
async fn names_that_differ_in_case_or_hold_a_backslash_are_files_of_their_own() {
    let stage = Stage::new(&[("app/a", "1"), ("app/A", "2"), (r"app/..\b", "3")]);
    let snapshot = stage.snapshot("s3://bucket/app/").await.unwrap();
    let dir = stage.state.path().join("projects/app");
    project::install(&snapshot, &dir).unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!((read("a"), read("A"), read(r"..\b")), ("1".into(), "2".into(), "3".into()));
}

#[tokio::test]
async fn with_a_key_an_object_that_a_manifest_names_is_signed_or_pinned() {
    let stage = Stage::new(&[("docker.tgz", "x")]);
    let file = stage.state.path().join("docker.tgz");
    std::fs::write(&file, "x").unwrap();
    let trust =
        Trust { keys: vec!["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".into()], ..Trust::default() };
    let retry = stage.clock.retry(60);
    let object = "s3://bucket/docker.tgz".to_owned();
    for (uri, cause) in [
        (object.clone(), Some(Cause::SignatureMissing)),
        (format!("{object}#sha256={}", sha256(b"y")), Some(Cause::ChecksumMismatch)),
        (format!("{object}#sha256={}", sha256(b"x")), None),
        (format!("file://{}", file.display()), None),
    ] {
        let found = archive(&stage.world, &retry, &uri, &facts(), &trust).await;
        assert_eq!(found.as_ref().err().map(|err| err.cause), cause, "{uri}: {found:?}");
    }
    assert_eq!(stage.bucket.asked().last().unwrap(), "get docker.tgz", "a pin needs no signature");
}
