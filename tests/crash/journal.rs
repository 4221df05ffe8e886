//! A journal that is cut, damaged, or something else altogether: it opens, what is whole in it counts, and the run goes on.

use std::{fs, os::unix::fs::symlink, path::Path};

use rolecall::execute::journal::{Event, FORMAT, Journal, Record, records};

use crate::support::bed::Bed;

fn events() -> Vec<Event> {
    let text = |text: &str| text.to_owned();
    let run = |roles: &str| Event::Run {
        format: FORMAT,
        agent: text("0"),
        boot: text("b"),
        instance: text("i-1"),
        source: text("s3://b/ünï/"),
        roles: text(roles),
        input: text("k"),
        spent_ms: 7,
    };
    vec![
        run(""),
        Event::Retry { what: text("mirror"), cause: text("source-unreachable"), ms: 5 },
        Event::Content { digest: text("d"), ms: 6 },
        Event::Intent { step: text("a"), name: text("project"), attempt: 1 },
        Event::Done { step: text("a"), name: text("project"), what: text("3 \"files\" written"), ms: 12 },
        Event::Intent { step: text("b"), name: text("start:x"), attempt: 7 },
        Event::Failed { step: text("b"), name: text("start:x"), cause: text("io"), message: text("line\nline") },
        Event::End { exit: 1, changed: 1, ms: 99 },
        run("web"),
    ]
}

/// The bytes of a journal, and its records.
fn written(path: &Path) -> (Vec<u8>, Vec<Record>) {
    let mut journal = Journal::open(path, "i-1").unwrap();
    for event in events() {
        journal.write(event, false);
    }
    (fs::read(path).unwrap(), records(path).unwrap())
}

/// Opens a journal with this content, goes on in it, and tells what it holds then besides.
fn opened(path: &Path, content: &[u8]) -> Vec<Record> {
    fs::write(path, content).unwrap();
    let mut journal = Journal::open(path, "i-1").unwrap();
    let kept = records(path).unwrap();
    journal.write(Event::End { exit: 0, changed: 0, ms: 0 }, false);
    assert_eq!(records(path).unwrap().len(), kept.len() + 1, "what is written next can be read");
    kept
}

#[test]
fn cut_at_any_byte_it_holds_every_whole_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let (bytes, all) = written(&path);
    for cut in 0..=bytes.len() {
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(opened(&path, &bytes[..cut]), all[..whole], "cut at {cut}");
    }
}

#[test]
fn a_bit_that_is_turned_over_costs_no_other_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let (bytes, all) = written(&path);
    let mut line = 0;
    for at in 0..bytes.len() {
        let mut turned = bytes.clone();
        turned[at] ^= 1 << (at % 8);
        let kept = opened(&path, &turned);
        let ends = bytes[at] == b'\n';
        let touched = |number: usize| number == line || (ends && number == line + 1);
        let rest: Vec<&Record> = all.iter().enumerate().filter(|(n, _)| !touched(*n)).map(|(_, r)| r).collect();
        assert!(rest.iter().all(|record| kept.contains(record)), "byte {at}");
        assert!(kept.iter().all(|record| all.contains(record)), "byte {at}: {kept:?}");
        line += usize::from(ends);
    }
}

/// What stands in the place of a journal, how it comes there, and whether the journal is still known.
type Place<'a> = (&'a str, Box<dyn Fn() + 'a>, bool);

#[test]
fn whatever_stands_in_its_place_a_run_goes_on() {
    let bed = Bed::new();
    let mark = bed.path("mark");
    let script = format!("#!/bin/sh\necho $ROLECALL_ATTEMPT >> {}\n", mark.display());
    let compose = "services:\n  web: { image: \"rolecall-test/web:1\", ports: [\"8080:80\"] }\n";
    bed.project("app", &[("compose.yaml", compose), ("bootstrap/10.sh", &script)]);
    bed.run().ready();
    let (before, journal) = (bed.engine().snapshot(), &bed.agent.state.join("journal.jsonl"));
    let good = fs::read(journal).unwrap();
    let sealed = |body: &str| format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes())).into_bytes();
    let later = "{\"at\":\"2030-01-01T00:00:00Z\",\"event\":\"run\",\"format\":99,\"new\":true}";
    let write = |content: Vec<u8>| -> Box<dyn Fn() + '_> { Box::new(move || fs::write(journal, &content).unwrap()) };
    let places: [Place<'_>; 7] = [
        ("a torn line", write([&good[..], b"0badc0de {\"at\":\"20"].concat()), true),
        ("a damaged line", write([b"\x00\xffno line\n", &good[..]].concat()), true),
        ("nothing", write(Vec::new()), false),
        ("junk", write(b"\x00\xffnot a journal\n{]\n".repeat(1000)), false),
        ("a later format", write(sealed(later)), false),
        ("a folder", Box::new(|| fs::create_dir(journal).unwrap()), false),
        ("a link to nowhere", Box::new(|| symlink("/proc/nowhere/x", journal).unwrap()), false),
    ];
    for (what, place, knows) in places {
        let _ = fs::remove_file(journal).or_else(|_| fs::remove_dir_all(journal));
        fs::write(&mark, "").unwrap();
        place();
        bed.run().ready();
        assert_eq!(bed.engine().snapshot(), before, "{what}");
        // Of scripts nothing but the journal tells.
        assert_eq!(fs::read_to_string(&mark).unwrap(), if knows { "" } else { "1\n" }, "{what}");
        bed.run().ready().says("nothing to do");
    }
}
