#![no_main]
//! A journal of any content: it opens, and no whole line of it is lost. A line that begins with `!` gets its checksum here,
//! which no fuzzer would find.

use std::{cell::OnceCell, path::PathBuf};

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::execute::journal::{Event, FORMAT, Journal, records};
use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let folder: PathBuf =
        FOLDER.with(|cell| cell.get_or_init(|| tempfile::tempdir().expect("a folder")).path().to_owned());
    let path = folder.join("journal.jsonl");
    std::fs::write(&path, checksummed(data)).expect("a file");
    let mut before = records(&path).expect("a file that can be read");
    // What a newer version wrote and this one understands becomes its own.
    for record in &mut before {
        if let Event::Run { format, .. } = &mut record.event {
            *format = FORMAT.min(*format);
        }
    }
    let first = Journal::open(&path, "i-1").expect("a journal");
    let kept = records(&path).expect("a file that can be read");
    assert!(kept.is_empty() || kept == before, "{before:?}\n{kept:?}");
    drop(first);
    let second = Journal::open(&path, "i-1").expect("a journal");
    assert_eq!(records(&path).ok(), Some(kept));
    drop(second);
    // What was set aside would fill the folder.
    for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
});

fn checksummed(data: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b"!") {
            Some(body) => {
                let body = body.strip_suffix(b"\n").unwrap_or(body);
                all.extend_from_slice(format!("{:08x} ", crc32fast::hash(body)).as_bytes());
                all.extend_from_slice(body);
                all.push(b'\n');
            }
            None => all.extend_from_slice(line),
        }
    }
    all
}
