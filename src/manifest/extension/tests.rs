use std::{collections::BTreeMap, path::PathBuf};

use super::*;
use crate::{error::Cause, manifest};

pub(super) fn read(extension: &str) -> crate::error::Result<Extension> {
    let text = format!("services: {{ app: {{ image: a }} }}\nx-rolecall:\n{extension}");
    let files = BTreeMap::from([(PathBuf::from("/p/compose.yaml"), text.into_bytes())]);
    let reading = manifest::Reading { dir: "/p".into(), ..manifest::Reading::default() };
    Ok(manifest::peek(&files, &reading)?)
}

#[test]
fn every_key_is_read() {
    let found = read(
        "  variables: { PASSWORD: 'ssm:///prod/db' }
  roles: { web: { services: { app: {} } }, nothing: }
  host:
    upgrade: security
    packages: [jq, 'python3.11']
    docker:
      install: static
      archive: s3://bucket/docker-27.tgz
      data-root: /srv/docker
      registry-mirrors: ['https://mirror']
      daemon: { live-restore: true, default-ulimits: { nofile: { Hard: 64000 } } }
    containers-dir: /containers
    prune: true
  registries: [{ auth: s3://bucket/dockercfg }, { auth: s3://bucket/other }]
  ready: { timeout: 1m30s, stable: 750ms }
",
    )
    .unwrap();
    assert_eq!(found.variables["PASSWORD"], Reference::Parameter("/prod/db".into()));
    assert_eq!(found.roles.keys().collect::<Vec<_>>(), ["web", "nothing"]);
    let host = &found.host;
    assert_eq!((host.upgrade, host.prune), (Upgrade::Security, true));
    assert_eq!(host.packages, ["jq", "python3.11"]);
    assert_eq!(host.containers_dir, Some("/containers".into()));
    assert_eq!(host.docker.install, Install::Static("s3://bucket/docker-27.tgz".into()));
    assert_eq!(host.docker.data_root.as_deref(), Some("/srv/docker"));
    assert_eq!(host.docker.registry_mirrors, ["https://mirror"]);
    assert_eq!(host.docker.daemon["default-ulimits"]["nofile"]["Hard"], 64000);
    assert!(host.docker.named);
    assert_eq!(found.registries, ["s3://bucket/dockercfg", "s3://bucket/other"]);
    let (timeout, stable) = (Duration::from_secs(90), Duration::from_millis(750));
    assert_eq!(found.ready, Readiness { timeout, stable });
}

#[test]
fn what_is_not_said_has_its_default() {
    for text in ["  host:\n", "  roles: {}\n  ready: {}\n"] {
        let found = read(text).unwrap();
        assert_eq!((found.host.upgrade, found.host.prune, found.host.docker.named), (Upgrade::None, false, false));
        assert_eq!(found.host.docker.install, Install::Distro);
        assert_eq!(found.ready, Readiness { timeout: READY_TIMEOUT, stable: READY_STABLE });
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_was_meant() {
    for (text, place, says) in [
        ("  role: {}\n", "3:3", "did you mean 'roles'"),
        ("  hosts: {}\n", "3:3", "did you mean 'host'"),
        ("  host: { packges: [jq] }\n", "3:11", "did you mean 'packages'"),
        ("  host: { docker: { data_root: /x } }\n", "3:21", "did you mean 'data-root'"),
        ("  host: { upgrade: ful }\n", "3:20", "did you mean 'full'"),
        ("  host: { upgrade: [full] }\n", "3:20", "expected a string"),
        ("  host: { packages: jq }\n", "3:21", "expected a list of strings"),
        ("  host: { packages: [jq, --yes] }\n", "3:", "'--yes' is not the name of a package"),
        ("  host: { prune: perhaps }\n", "3:18", "expected true or false"),
        ("  host: { containers-dir: here }\n", "3:27", "absolute"),
        ("  host: { docker: { data-root: here } }\n", "3:32", "absolute"),
        ("  host: { docker: { install: static } }\n", "3:", "archive"),
        ("  host: { docker: { install: docker } }\n", "3:30", "'docker' is not one of distro, docker-ce, static"),
        ("  host: { docker: { daemon: [] } }\n", "3:29", "expected a mapping"),
        ("  registries: { auth: s3://b/c }\n", "3:15", "expected a list"),
        ("  registries: [{ auht: s3://b/c }]\n", "3:18", "did you mean 'auth'"),
        ("  registries: [{}]\n", "3:16", "needs 'auth'"),
        ("  ready: { timeout: soon }\n", "3:21", "\"soon\" is not a duration"),
        ("  ready: { stable: soon }\n", "3:20", "\"soon\" is not a duration"),
        ("  ready: { stabel: 5s }\n", "3:12", "did you mean 'stable'?"),
        ("  ready: 20m\n", "3:10", "expected a mapping"),
        ("  variables: { A: 'smm:///x' }\n", "3:19", "did you mean 'ssm://'"),
        ("  variables: { A: [x] }\n", "3:19", "expected a reference"),
        ("  roles: { web: [app] }\n", "3:17", "expected a compose fragment"),
        ("  roles: [web]\n", "3:10", "expected a mapping"),
    ] {
        let err = read(text).expect_err(text);
        assert_eq!(err.cause, Cause::ManifestInvalid, "{text}");
        let lines = [std::slice::from_ref(&err.message), &err.output].concat().join("\n");
        assert!(lines.contains(&format!("compose.yaml:{place}")), "{text}: no {place} in {lines}");
        assert!(lines.contains(says), "{text}: no {says} in {lines}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let err = read("  rolls: {}\n  host: { prune: 3, packges: [] }\n").unwrap_err();
    assert!(err.message.ends_with("(and 2 more)"), "{err}");
    assert_eq!(err.output.len(), 3);
}
