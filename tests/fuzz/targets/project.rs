#![no_main]
//! A whole project of one to three files, each behind a line `=== name`: loaded, printed, and the print read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libfuzzer_sys::{Corpus, fuzz_target};
use rolecall_fuzz::compose::yaml::{Budget, parse};
use rolecall_fuzz::compose::{Generation, LoadOptions, Project, config_json, config_yaml, hash, load, peek};

const FILES: [&str; 3] = ["compose.override.yaml", "other.yaml", ".env"];

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(data) else {
        return Corpus::Reject;
    };
    let files = files(text);
    let options = LoadOptions {
        working_dir: PathBuf::from("/p"),
        root: Some(PathBuf::from("/p")),
        environment: BTreeMap::from([("A".to_owned(), "a".to_owned()), ("HOME".to_owned(), "/h".to_owned())]),
        ..LoadOptions::default()
    };
    let _ = peek(&files, &options);
    for generation in [Generation::Two, Generation::Five] {
        match load(&files, &LoadOptions { generation, ..options.clone() }) {
            Ok(project) => printed(&project),
            Err(error) => {
                assert!(error.diagnostics().iter().all(|fault| !fault.message.is_empty()));
                assert!(!error.to_string().is_empty());
            }
        }
    }
    Corpus::Keep
});

/// `compose.yaml`, and behind lines `=== name` others.
fn files(text: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut parts = text.split("\n=== ");
    files.insert(PathBuf::from("/p/compose.yaml"), parts.next().unwrap_or_default().as_bytes().to_vec());
    for part in parts {
        let (name, content) = part.split_once('\n').unwrap_or((part, ""));
        if FILES.contains(&name) {
            files.insert(Path::new("/p").join(name), content.as_bytes().to_vec());
        }
    }
    files
}

/// Every print is what it says it is, and both forms say the same.
fn printed(project: &Project) {
    for name in project.services.keys() {
        for generation in [Generation::Two, Generation::Five] {
            assert_eq!(hash(project, name, generation).map(|hash| hash.len()), Some(64));
        }
    }
    let json = config_json(project);
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    let yaml = config_yaml(project);
    let budget = Budget { bytes: usize::MAX, nodes: usize::MAX, text: usize::MAX, depth: 100 };
    let node = parse(&Arc::from(Path::new("print.yaml")), yaml.as_bytes(), budget);
    assert!(node.is_ok(), "{node:?}\n{yaml}");
}
