//! Signatures: with a key, nothing that it did not sign has any effect, and nothing old comes back.

use std::{fs, process::Command};

use rolecall::{error::Cause, fetch::signature::verify};

use crate::support::{
    agent::Agent,
    bed::{BUCKET, Bed},
    dockerd::WEB,
    http::{Fault, Reply, Server},
    image::digest,
    minisign::Signer,
    tls::Authority,
};

const SCRIPT: &str = "#!/bin/sh\necho hello from stage two\n";
const NOW: u64 = 1_800_000_000;

fn compose() -> String {
    format!("services:\n  web: {{ image: \"{WEB}\" }}\n")
}

/// A machine that trusts one key. What is fetched is only looked at, so runs end soon.
fn bed() -> (Bed, Signer) {
    let (mut bed, signer) = (Bed::without_engine(), Signer::new());
    bed.agent = bed.agent.env("ROLECALL_PUBLIC_KEY", &signer.key).env("ROLECALL_DEADLINE", "6s");
    (bed, signer)
}

/// Stores an object with its signature; its address.
fn put_signed(bed: &Bed, signer: &Signer, serial: u64, key: &str, content: &str) -> String {
    let name = key.rsplit('/').next().unwrap();
    bed.aws.put(BUCKET, key, content);
    bed.aws.put(BUCKET, &format!("{key}.minisig"), signer.sign_at(serial, name, content));
    format!("s3://{BUCKET}/{key}")
}

/// Stores a project with its signed list and points the tag there.
fn put_folder(bed: &Bed, signer: &Signer, serial: u64, files: &[(&str, &str)]) {
    bed.project("app", files);
    for (name, content) in signer.list(serial, files) {
        bed.aws.put(BUCKET, &format!("app/{name}"), content);
    }
}

#[track_caller]
fn nothing_is_left(agent: &Agent) {
    let left: Vec<String> = agent.files().into_keys().filter(|p| p.starts_with("projects/")).collect();
    assert!(left.is_empty(), "a project is left: {left:?}");
}

/// Every way to change one byte of these, and to cut them short.
fn damaged(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let flipped = (0..bytes.len()).flat_map(|at| [0x01, 0x20, 0x80].map(|bits| (at, bits)));
    let flipped = flipped.map(|(at, bits)| {
        let mut copy = bytes.to_vec();
        copy[at] ^= bits;
        (at, copy)
    });
    flipped.chain((0..bytes.len()).map(|len| (len, bytes[..len].to_vec())))
}

#[test]
fn no_byte_of_what_is_signed_or_of_its_signature_can_be_changed() {
    let signer = Signer::new();
    let keys = [signer.key.clone()];
    let [(_, list), _] = signer.list(NOW, &[("compose.yaml", &compose()), ("web.env", "A=1\n")]);
    for (name, content) in [("compose.yaml", compose().into_bytes()), ("SHA256SUMS", list)] {
        let address = format!("s3://{BUCKET}/app/{name}");
        let signature = signer.sign_at(NOW, name, &content);
        assert_eq!(verify(&keys, &address, &content, &signature).unwrap(), NOW);
        for (at, changed) in damaged(&content) {
            let err = verify(&keys, &address, &changed, &signature).expect_err(&format!("{name}, byte {at}"));
            assert_eq!((err.cause, err.exit() as u8), (Cause::SignatureInvalid, 5));
        }
        // Nobody signs the untrusted comment: whatever it says, it vouches for the same bytes, name and serial.
        let free = "untrusted comment: ".len()..signature.iter().position(|b| *b == b'\n').unwrap();
        for (at, changed) in damaged(&signature) {
            let said = changed.len() == signature.len() && free.contains(&at) && changed.is_ascii();
            match verify(&keys, &address, &content, &changed) {
                Ok(serial) => assert!(said && serial == NOW, "{name}, byte {at} of the signature"),
                Err(err) => assert_eq!(err.cause, Cause::SignatureInvalid, "{name}, byte {at} of the signature"),
            }
        }
    }
}

#[test]
fn a_signature_is_of_one_key_one_name_and_one_time() {
    let (ours, old, other) = (Signer::new(), Signer::new(), Signer::new());
    let keys = [ours.key.clone(), old.key.clone()];
    let address = format!("s3://{BUCKET}/app/c.yaml");
    let with = |comment: &str| ours.sign_with(&["-t", comment], "c.yaml", "x");
    let good = with("timestamp:42\tfile:c.yaml");
    let text = String::from_utf8(good.clone()).unwrap();
    let crlf = text.replace('\n', "\r\n").into_bytes();
    let bound = |place: &str| with(&format!("timestamp:42\tfile:c.yaml\tsource:{place}"));
    let plain = ours.sign("c.yaml", "x");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(verify(&keys, &address, b"x", &plain).unwrap().abs_diff(now) < 3600, "minisign's own comment says it all");
    for (what, signature, accepted, part) in [
        ("ours", good.clone(), true, ""),
        ("that of a second key", old.sign_at(42, "c.yaml", "x"), true, ""),
        ("with the line breaks of elsewhere", crlf, true, ""),
        ("with more to say", with("timestamp:42\tfile:c.yaml\tby:me\thashed"), true, ""),
        ("for this place", bound(&address), true, ""),
        ("for another place", bound("s3://other/app/c.yaml"), false, "another place"),
        ("of a stranger", other.sign_at(42, "c.yaml", "x"), false, "not configured"),
        ("of another content", ours.sign_at(42, "c.yaml", "y"), false, "does not fit"),
        ("of another file", ours.sign_at(42, "d.yaml", "x"), false, "another file, \"d.yaml\""),
        ("in the old format", ours.sign_with(&["-l"], "c.yaml", "x"), false, "old format"),
        ("without a name", with("timestamp:42"), false, "which file"),
        ("with two names", with("timestamp:42\tfile:c.yaml\tfile:c.yaml"), false, "which file"),
        ("without a time", with("file:c.yaml"), false, "when"),
        ("with a time that is none", with("timestamp:soon\tfile:c.yaml"), false, "when"),
        ("of a release", with("timestamp:42\tfile:c.yaml\trelease:7"), true, ""),
        ("of two releases", with("timestamp:42\tfile:c.yaml\trelease:7\trelease:8"), false, "more than one release"),
        ("with two times", with("timestamp:42\ttimestamp:43\tfile:c.yaml"), false, "when"),
        ("with more behind it", [good.clone(), good].concat(), false, "not a signature"),
        ("empty", Vec::new(), false, "not a signature"),
        ("not even text", vec![0xff; 300], false, "not a signature"),
        (
            "endless",
            text.replacen(": ", &format!(": {}", "x".repeat(20_000)), 1).into_bytes(),
            false,
            "not a signature",
        ),
    ] {
        match verify(&keys, &address, b"x", &signature) {
            Ok(serial) => assert!(accepted && (serial == 42), "{what}"),
            Err(err) => {
                assert!(!accepted && err.cause == Cause::SignatureInvalid, "{what}: {err}");
                assert!(err.message.contains(part) && err.message.contains(&address), "{what}: {err}");
            }
        }
    }
    assert!(verify(&[], &address, b"x", &plain).is_err(), "no key vouches for nothing");
}

#[test]
fn a_single_file_needs_its_signature_beside_it() {
    let (bed, signer) = bed();
    let source = put_signed(&bed, &signer, NOW, "app/run.sh", SCRIPT);
    bed.imds.tag("Bootstrap", &source);
    bed.rolecall(&["plan"]).ready().prints("run.sh");
    let whole = bed.agent.env("ROLECALL_PUBLIC_KEY", &signer.text);
    whole.run(&["plan"]).ready().prints("run.sh");
    let old = bed.aws.put(BUCKET, "app/run.sh", SCRIPT);
    bed.aws.put(BUCKET, "app/run.sh", "#!/bin/sh\nexit 7\n");
    bed.fails(5, "signature-invalid").names("app/run.sh.minisig does not fit");
    bed.rolecall(&["plan", "--source", &format!("{source}?versionId={old}")]).ready().prints("run.sh");
    bed.aws.server.fault(Fault::status("run.sh.minisig", 503));
    bed.fails(4, "source-unreachable").names("run.sh.minisig");
    bed.aws.server.heal();
    bed.aws.store(|s| s.bucket(BUCKET).objects.remove("app/run.sh.minisig"));
    bed.fails(5, "signature-missing").needs(&format!("{source}.minisig")).hints("minisign -Sm run.sh");
    bed.aws.store(|s| s.bucket(BUCKET).denied.insert("s3:ListBucket"));
    bed.fails(5, "signature-missing").needs("app/run.sh.minisig");
    bed.aws.put(BUCKET, "app/run.sh.minisig", vec![b'x'; 1 << 20]);
    bed.fails(5, "signature-invalid");
    nothing_is_left(&bed.agent);
}

#[test]
fn what_is_not_signed_is_not_even_looked_at() {
    let (bed, _) = bed();
    // Each would be an error of its own if anything read it.
    for content in ["services: [", "#!/no/such/interpreter\n", "<html>"] {
        bed.aws.put(BUCKET, "app/x", content);
        bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/x"));
        bed.fails(5, "signature-missing");
    }
    bed.project("folder", &[("compose.yaml", "services: ["), ("bootstrap/1.sh", SCRIPT)]);
    bed.fails(5, "signature-missing").needs("folder/SHA256SUMS.minisig").hints("sha256sum");
    nothing_is_left(&bed.agent);
}

#[test]
fn a_prefix_is_signed_by_its_list() {
    let (bed, signer) = bed();
    let files = [("10.sh", SCRIPT), ("conf/a b", "x")];
    put_folder(&bed, &signer, NOW, &files);
    bed.rolecall(&["plan"]).ready().prints("10.sh");
    bed.aws.put(BUCKET, "app/20.sh", SCRIPT);
    bed.fails(5, "signature-missing").needs("a line for '20.sh'");
    bed.aws.store(|s| s.bucket(BUCKET).objects.remove("app/20.sh"));
    bed.aws.put(BUCKET, "app/conf/a b", "y");
    bed.fails(5, "checksum-mismatch").names("conf/a b");
    bed.aws.store(|s| s.bucket(BUCKET).objects.remove("app/conf/a b"));
    bed.fails(5, "signature-invalid").names("conf/a b");
    bed.aws.put(BUCKET, "app/conf/a b", "x");
    let [(_, list), _] = signer.list(NOW, &[("10.sh", SCRIPT)]);
    bed.aws.put(BUCKET, "app/SHA256SUMS", list);
    bed.fails(5, "signature-invalid").names("SHA256SUMS.minisig");
    nothing_is_left(&bed.agent);
}

#[test]
fn a_file_and_a_folder_of_this_host_are_signed_like_any_other_source() {
    let (bed, signer) = bed();
    let folder = bed.path("app");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("run.sh"), SCRIPT).unwrap();
    let file = format!("file://{}/run.sh", folder.display());
    bed.rolecall(&["run", "--source", &file]).fails(5, "signature-missing").needs("run.sh.minisig");
    fs::write(folder.join("run.sh.minisig"), signer.sign("run.sh", SCRIPT)).unwrap();
    bed.rolecall(&["plan", "--source", &file]).ready().prints("run.sh");
    fs::remove_file(folder.join("run.sh.minisig")).unwrap();
    for source in [format!("file://{}/", folder.display()), format!("file://{}", folder.display())] {
        bed.rolecall(&["run", "--source", &source]).fails(5, "signature-missing").needs("/app/SHA256SUMS.minisig");
    }
    // By the line that the documentation gives.
    let line = "find . -type f ! -name 'SHA256SUMS*' -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS";
    assert!(include_str!("../docs/integrity.md").contains(line));
    fs::create_dir(folder.join("conf")).unwrap();
    for name in ["a b", r"back\slash", "ünï", "-"] {
        fs::write(folder.join("conf").join(name), name).unwrap();
    }
    assert!(Command::new("sh").args(["-c", line]).current_dir(&folder).status().unwrap().success());
    let list = fs::read(folder.join("SHA256SUMS")).unwrap();
    fs::write(folder.join("SHA256SUMS.minisig"), signer.sign("SHA256SUMS", list)).unwrap();
    bed.rolecall(&["plan", "--source", &format!("file://{}/", folder.display())]).ready().prints("run.sh");
}

#[test]
fn what_lies_beside_a_compose_file_needs_signatures_of_its_own() {
    let (bed, signer) = bed();
    let compose = "services: { web: { image: a, env_file: web.env, volumes: [\"./conf:/conf:ro\"] } }\n";
    bed.imds.tag("Bootstrap", &put_signed(&bed, &signer, NOW, "app/c.yaml", compose));
    bed.aws.put(BUCKET, "app/web.env", "A=1\n");
    bed.fails(5, "signature-missing").needs("app/web.env.minisig");
    put_signed(&bed, &signer, NOW, "app/web.env", "A=1\n");
    bed.aws.put(BUCKET, "app/conf/x", "1");
    bed.fails(5, "signature-missing").needs("app/conf/x.minisig");
    put_signed(&bed, &signer, NOW, "app/conf/x", "1");
    bed.aws.put(BUCKET, "app/.env", "COMPOSE_PROJECT_NAME=other\n");
    bed.fails(5, "signature-missing").needs("app/.env.minisig");
    nothing_is_left(&bed.agent);
    bed.aws.store(|s| s.bucket(BUCKET).objects.remove("app/.env"));
    // All is signed: the run gets as far as the engine, which is not there.
    bed.fails(4, "engine-unreachable");
}

#[test]
fn what_a_signed_manifest_names_is_signed_or_pinned_unless_it_is_the_hosts_own() {
    let (bed, signer) = bed();
    // What is accepted fails a little later, and soon.
    bed.imds.tag("Role", "nobody");
    let token = "value-of-object";
    bed.aws.put(BUCKET, "values/token", token);
    let signed = put_signed(&bed, &signer, NOW, "values/signed", token);
    let file = bed.path("config.json");
    fs::write(&file, "{}").unwrap();
    let file = format!("file://{}", file.display());
    bed.aws.api(|api| api.parameters.insert("/prod/p".into(), "value".into()));
    let unsigned = format!("s3://{BUCKET}/values/token");
    let need = format!("{unsigned}.minisig");
    let pin = digest(token.as_bytes()).replace("sha256:", "#sha256=");
    let wrong = format!("{unsigned}#sha256={}", "0".repeat(64));
    for (serial, (extension, refused)) in (NOW..).zip([
        (format!("variables: {{ V: '{unsigned}' }}"), Some("signature-missing")),
        (format!("registries: [{{ auth: '{unsigned}' }}]"), Some("signature-missing")),
        (format!("variables: {{ V: '{wrong}' }}"), Some("checksum-mismatch")),
        (format!("variables: {{ V: '{signed}', W: '{unsigned}{pin}', F: '{file}', P: 'ssm:///prod/p' }}"), None),
        (format!("registries: [{{ auth: '{file}' }}]"), None),
    ]) {
        let compose = format!("services: {{ web: {{ image: a }} }}\nx-rolecall:\n  {extension}\n");
        bed.imds.tag("Bootstrap", &put_signed(&bed, &signer, serial, "app/c.yaml", &compose));
        match refused {
            Some("signature-missing") => _ = bed.fails(5, "signature-missing").needs(&need),
            Some(cause) => _ = bed.fails(5, cause),
            None => _ = bed.fails(3, "role-unknown"),
        }
    }
}

#[test]
fn what_is_older_than_what_was_accepted_never_comes_back() {
    let (bed, signer) = bed();
    // What is accepted fails a little later, and soon.
    bed.imds.tag("Role", "nobody");
    let put = |serial: u64, content: &str| {
        put_signed(&bed, &signer, serial, "app/c.yaml", content);
    };
    let (first, second) = (compose(), compose().replace("web:", "app:"));
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/c.yaml"));
    let accepted = || bed.fails(3, "role-unknown");
    put(NOW, &first);
    accepted();
    accepted();
    put(NOW + 1, &second);
    bed.rolecall(&["plan"]).fails(3, "role-unknown");
    put(NOW, &first);
    accepted();
    put(NOW + 1, &second);
    accepted();
    put(NOW, &first);
    bed.fails(5, "rollback").needs("a newer signature of s3://").hints("sign it anew");
    bed.rolecall(&["plan"]).fails(5, "rollback");
    put(NOW + 1, &first);
    bed.fails(5, "rollback");
    put(NOW + 2, &first);
    accepted();
    // Another place has a count of its own, and so has each list.
    let elsewhere = put_signed(&bed, &signer, NOW, "other/c.yaml", &first);
    bed.rolecall(&["run", "--source", &elsewhere]).fails(3, "role-unknown");
    let list = |serial: u64, text: &str| put_folder(&bed, &signer, serial, &[("compose.yaml", text)]);
    bed.aws.store(|s| s.bucket(BUCKET).objects.clear());
    list(NOW, &first);
    accepted();
    list(NOW - 1, &second);
    bed.fails(5, "rollback").names("app/SHA256SUMS");
    list(NOW + 1, &second);
    accepted();
}

#[test]
fn a_memory_that_is_damaged_is_no_reason_to_fail_a_boot() {
    let (bed, signer) = bed();
    // What is accepted fails a little later, and soon.
    bed.imds.tag("Role", "nobody");
    bed.imds.tag("Bootstrap", &put_signed(&bed, &signer, NOW, "app/c.yaml", &compose()));
    bed.fails(3, "role-unknown");
    fs::write(bed.agent.state.join("serials.json"), "{ torn").unwrap();
    bed.fails(3, "role-unknown").says("serials.json, so an older signature may be accepted once");
    assert!(bed.agent.state.join("serials.json.damaged").exists());
    put_signed(&bed, &signer, NOW - 1, "app/c.yaml", &compose());
    bed.fails(5, "rollback");
}

#[test]
fn a_web_address_has_its_signature_before_the_query() {
    let (bed, signer) = bed();
    let tls = bed.path("tls");
    fs::create_dir(&tls).unwrap();
    let authority = Authority::new(&tls, &["localhost"]);
    let signature = signer.sign("run.sh", SCRIPT);
    let web = Server::start_on("web", "127.0.0.1:0", Some(authority.server.clone()), move |r| {
        match (r.path.as_str(), r.query.get("token").map(String::as_str)) {
            ("/run.sh" | "/bare.sh", Some("t")) => Reply::new(200, SCRIPT),
            ("/run.sh.minisig", Some("t")) => Reply::new(200, signature.clone()),
            _ => Reply::new(404, "no such page"),
        }
    });
    let agent = bed.agent.env("AWS_CA_BUNDLE", &authority.ca);
    let address = |name: &str| format!("https://localhost:{}/{name}?token=t", web.addr.port());
    // What is signed may be chosen by whoever may set tags.
    bed.imds.tag("Bootstrap", &address("run.sh"));
    agent.run(&["plan"]).ready().prints("run.sh");
    bed.imds.tag("Bootstrap", &address("bare.sh"));
    agent.run(&["run"]).fails(5, "signature-missing").needs("/bare.sh.minisig");
    agent.without("ROLECALL_PUBLIC_KEY").run(&["run"]).fails(2, "source-refused").hints("--public-key");
    nothing_is_left(&bed.agent);
}

#[test]
fn nothing_is_started_or_written_by_what_was_changed_on_the_way() {
    let mut bed = Bed::new();
    let signer = Signer::new();
    bed.agent = bed.agent.env("ROLECALL_PUBLIC_KEY", &signer.key);
    let mark = bed.path("mark");
    let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
    let files = [("compose.yaml", &*compose()), ("bootstrap/1.sh", &*script)];
    let signed: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .chain(signer.list(NOW, &files).map(|(name, content)| (name.to_owned(), content)))
        .collect();
    let put = |name: &str, content: &[u8]| bed.aws.put(BUCKET, &format!("app/{name}"), content);
    for (name, content) in &signed {
        put(name, content);
    }
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/"));
    for (name, content) in &signed {
        // Some of all the ways: the first bytes of a signature are a comment that nobody signed.
        for (_, changed) in damaged(content).skip(content.len() / 3).step_by(content.len()) {
            put(name, &changed);
            let outcome = bed.run().exits(5);
            assert!(bed.engine().names().is_empty() && !mark.exists(), "{}", outcome.told());
            nothing_is_left(&bed.agent);
        }
        put(name, content);
    }
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["app-web-1"]);
    assert!(mark.exists());
}
