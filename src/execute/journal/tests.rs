use super::*;

fn run(instance: &str) -> Event {
    Event::Run {
        format: FORMAT,
        agent: "0".into(),
        boot: "b".into(),
        instance: instance.into(),
        source: "s3://b/p/".into(),
        roles: "web".into(),
    }
}

fn intent(step: &str, attempt: u32) -> Event {
    Event::Intent { step: step.into(), name: step.into(), attempt }
}

fn done(step: &str) -> Event {
    Event::Done { step: step.into(), name: step.into(), what: "ran".into(), ms: 1 }
}

fn filled(dir: &Path) -> PathBuf {
    let path = dir.join("journal.jsonl");
    let mut journal = Journal::open(&path, "i-1").unwrap();
    for event in [run("i-1"), intent("a", 1), done("a"), intent("b", 1)] {
        journal.write(event, false).unwrap();
    }
    path
}

#[test]
fn what_was_done_and_begun_is_known_to_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let past = Journal::open(&filled(dir.path()), "i-1").unwrap().past().clone();
    assert!(past.ran && past.done.contains("a") && !past.done.contains("b"));
    assert_eq!(past.attempts.get("b"), Some(&1));
}

#[test]
fn cut_at_any_byte_it_opens_and_holds_every_whole_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        let journal = Journal::open(&path, "i-1").unwrap();
        assert_eq!(journal.past().done.contains("a"), lines >= 3, "cut at {cut}");
        assert_eq!(records(&path).unwrap().len(), lines, "cut at {cut}");
    }
}

#[test]
fn a_damaged_line_is_set_aside_and_the_rest_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 20;
    bytes[second] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let journal = Journal::open(&path, "i-1").unwrap();
    assert!(journal.past().done.contains("a"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn the_state_of_another_instance_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let journal = Journal::open(&path, "i-2").unwrap();
    assert!(!journal.past().ran && journal.past().done.is_empty());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn compaction_keeps_what_is_done_and_the_last_runs() {
    let mut all = Vec::new();
    for n in 0..10 {
        for event in [run("i-1"), intent(&format!("s{n}"), 1), done(&format!("s{n}"))] {
            all.push(Record { at: jiff::Timestamp::UNIX_EPOCH, event });
        }
    }
    let kept = compact(&all);
    assert_eq!(kept.iter().filter(|r| matches!(r.event, Event::Run { .. })).count(), KEEP_RUNS);
    assert_eq!(replay(&kept).done.len(), 10);
}

#[test]
fn a_journal_that_cannot_be_read_at_all_is_never_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    std::fs::create_dir(&path).unwrap();
    let mut journal = Journal::open(&path, "i-1").unwrap();
    assert!(!journal.past().ran);
    journal.write(done("a"), true).unwrap();
    assert_eq!(records(&path).unwrap().len(), 1);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().any(|n| n.to_string_lossy().starts_with("journal.unreadable.")), "{names:?}");
}
