use super::{past::KEEP_RUNS, *};

fn run(instance: &str) -> Event {
    Event::Run {
        format: FORMAT,
        agent: "0".into(),
        boot: "b".into(),
        instance: instance.into(),
        source: "s3://b/p/".into(),
        roles: "web".into(),
        input: "input".into(),
        spent_ms: 0,
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
        journal.write(event, false);
    }
    path
}

#[test]
fn what_was_done_and_begun_is_known_to_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let past = Journal::open(&filled(dir.path()), "i-1").unwrap().past().clone();
    assert!(past.ran && past.done.contains("a") && !past.done.contains("b"));
    assert_eq!((past.attempts.get("a"), past.attempts.get("b")), (None, Some(&1)), "what ended well begins anew");
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
fn an_instance_that_is_no_file_name_is_set_aside_all_the_same() {
    for odd in ["../../i-1", "i/1", "", &"i".repeat(400)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        Journal::open(&path, odd).unwrap().write(run(odd), true);
        assert!(!Journal::open(&path, "i-2").unwrap().past().ran, "{odd}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "{odd}");
    }
}

#[test]
fn compaction_keeps_what_is_done_and_the_last_runs() {
    let mut all = Vec::new();
    for n in 0..10 {
        let script = format!("script:{n}");
        for event in [run("i-1"), intent(&script, 1), done(&script)] {
            all.push(Record { at: jiff::Timestamp::UNIX_EPOCH, event });
        }
    }
    let kept = compact(&all);
    assert_eq!(kept.iter().filter(|r| matches!(r.event, Event::Run { .. })).count(), KEEP_RUNS);
    assert_eq!(replay(&kept).done.len(), 10);
}

#[test]
fn compaction_keeps_the_last_end_of_each_container_name() {
    let ended = |container: usize| Event::Done {
        step: format!("id{container}"),
        name: format!("{ENDED}shop-job-{}", container % 2),
        what: "exit code 0".into(),
        ms: 0,
    };
    let events = (0..20).flat_map(|n| [run("i-1"), ended(n)]);
    let all: Vec<Record> = events.map(|event| Record { at: jiff::Timestamp::UNIX_EPOCH, event }).collect();
    let kept = replay(&compact(&all[..34])).done;
    assert!(kept.contains("id16") && kept.contains("id15") && !kept.contains("id3"), "{kept:?}");
}

#[test]
fn ready_of_version_0_1_0_lasts_until_the_end_of_its_run() {
    let second = |s: i64| jiff::Timestamp::from_second(s).unwrap();
    let wait = |name: &str, what: &str| Event::Done { step: name.into(), name: name.into(), what: what.into(), ms: 1 };
    let end = |exit| Event::End { exit, changed: 0, ms: 1 };
    let events =
        [run("i-1"), wait("ready:job", "reached"), end(0), run("i-1"), wait("completed:load", "reached"), end(1)];
    let newer = [run("i-1"), wait("ready:job", "done"), end(0)];
    let records: Vec<Record> =
        events.into_iter().chain(newer).zip(1..).map(|(event, s)| Record { at: second(s), event }).collect();
    let wanted = [("job".to_owned(), second(3)), ("load".to_owned(), second(5))];
    assert_eq!(replay(&records).ready_in_0_1_0, wanted.into());
}

/// Names beside the journal, without the time in them.
fn beside(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.map(|name| name.split('.').take(2).collect::<Vec<_>>().join(".")).collect();
    names.sort();
    names
}

/// Puts something in the place of a journal.
type Spoil = Box<dyn Fn(&Path)>;

#[test]
fn no_damage_is_ever_in_the_way() {
    let line = |event| encode(&Record { at: jiff::Timestamp::UNIX_EPOCH, event });
    let newer = line(run("i-1")).replace("\"format\":1", "\"format\":9");
    let newer = format!("{:08x} {}", crc32fast::hash(newer[9..].trim_end().as_bytes()), &newer[9..]);
    let written = |text: &[u8]| {
        let text = text.to_vec();
        move |path: &Path| std::fs::write(path, &text).unwrap()
    };
    let cases: Vec<(&str, Spoil, &[&str], bool)> = vec![
        ("nothing there", Box::new(|_| {}), &["journal.jsonl"], false),
        ("empty", Box::new(written(b"")), &["journal.jsonl"], false),
        (
            "a folder",
            Box::new(|path| std::fs::create_dir(path).unwrap()),
            &["journal.jsonl", "journal.unreadable"],
            false,
        ),
        (
            "a pipe",
            Box::new(|path| _ = std::process::Command::new("mkfifo").arg(path).status().unwrap()),
            &["journal.jsonl", "journal.unreadable"],
            false,
        ),
        (
            "a link into the void",
            Box::new(|path| std::os::unix::fs::symlink(path.with_file_name("no/where"), path).unwrap()),
            &["journal.jsonl", "journal.unreadable"],
            false,
        ),
        (
            "far too large",
            Box::new(|path| std::fs::File::create(path).unwrap().set_len(MOST_BYTES + 1).unwrap()),
            &["journal.jsonl", "journal.unreadable"],
            false,
        ),
        ("binary", Box::new(written(&[0xff, 0x00, 0xfe].repeat(999))), &["journal.damaged", "journal.jsonl"], false),
        ("a huge line", Box::new(written(&b"x".repeat(1 << 20))), &["journal.jsonl"], false),
        (
            "lines of nothing",
            Box::new(written(format!("\n\n{}", line(done("a"))).as_bytes())),
            &["journal.damaged", "journal.jsonl"],
            true,
        ),
        (
            "a newer version",
            Box::new(written(format!("{newer}{}0bad {{}}\n", line(done("a"))).as_bytes())),
            &["journal.jsonl", "journal.newer"],
            true,
        ),
    ];
    for (what, damage, names, known) in cases {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        damage(&path);
        assert_eq!(Journal::reading(&path, "i-1").past().done.contains("a"), known, "{what}, as a plan sees it");
        let mut journal = Journal::open(&path, "i-1").unwrap_or_else(|err| panic!("{what}: {err}"));
        assert_eq!(journal.past().done.contains("a"), known, "{what}");
        assert_eq!(beside(dir.path()), *names, "{what}");
        journal.write(done("b"), true);
        let again = Journal::open(&path, "i-1").unwrap();
        assert!(again.past().done.contains("b"), "{what}");
        assert_eq!(beside(dir.path()), *names, "{what}: set aside once");
    }
}

#[test]
fn what_is_set_aside_twice_in_a_second_is_kept_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    for _ in 0..3 {
        std::fs::create_dir(&path).unwrap();
        Journal::open(&path, "i-1").unwrap();
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(beside(dir.path()), ["journal.unreadable"; 3]);
}

/// What each sequence of events leaves of the time on input `x`, in seconds.
#[test]
fn time_spent_in_vain_is_kept_until_a_run_is_ready_or_something_is_another() {
    let begin = |input: &str, spent: u64| match run("i-1") {
        Event::Run { format, agent, boot, instance, source, roles, .. } => {
            Event::Run { format, agent, boot, instance, source, roles, input: input.into(), spent_ms: spent * 1000 }
        }
        other => other,
    };
    let retry = |ms: u64| Event::Retry { what: "fetch".into(), cause: "io".into(), ms: ms * 1000 };
    let end = |exit: u8, ms: u64| Event::End { exit, changed: 0, ms: ms * 1000 };
    let content = |digest: &str, ms: u64| Event::Content { digest: digest.into(), ms: ms * 1000 };
    let table: Vec<(&str, Vec<Event>, u64)> = vec![
        ("no run yet", vec![], 0),
        ("a failed run", vec![begin("x", 0), retry(5), end(4, 30)], 30),
        ("on top of what was spent before", vec![begin("x", 30), end(1, 12)], 42),
        ("killed: until its last failure", vec![begin("x", 30), retry(5), retry(9)], 39),
        ("killed at once", vec![begin("x", 30)], 30),
        ("ready", vec![begin("x", 30), retry(5), end(0, 9)], 0),
        ("on something else", vec![begin("y", 0), end(4, 30)], 0),
        (
            "the same content",
            vec![begin("x", 30), content("a", 2), end(1, 9), begin("x", 39), content("a", 1), end(1, 5)],
            44,
        ),
        (
            "another content",
            vec![begin("x", 30), content("a", 2), end(1, 9), begin("x", 39), content("b", 1), end(1, 5)],
            4,
        ),
        (
            "content of another input",
            vec![begin("y", 0), content("a", 2), begin("x", 30), content("b", 1), end(1, 5)],
            35,
        ),
    ];
    for (what, events, seconds) in table {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let records: Vec<Record> = events.into_iter().map(|event| Record { at, event }).collect();
        let effort = replay(&records).effort;
        let after = |minutes: u64| effort.on("x", at + std::time::Duration::from_secs(60 * minutes)).as_secs();
        assert_eq!((after(0), after(59), after(60)), (seconds, seconds, 0), "{what}: after an hour it counts no more");
    }
}

fn step(step: &str, name: &str, done: bool) -> Event {
    let (step, name) = (step.to_owned(), name.to_owned());
    if done { Event::Done { step, name, what: "done".into(), ms: 1 } } else { Event::Intent { step, name, attempt: 1 } }
}

/// Old runs leave nothing but what no later look at the host would show.
#[test]
fn old_runs_leave_only_what_the_journal_alone_knows() {
    let mut records: Vec<Record> = Vec::new();
    let mut write = |event: Event| records.push(Record { at: jiff::Timestamp::now(), event });
    write(run("i-1"));
    for done in [false, true] {
        write(step("s", "script:10.sh", done));
        write(step("u", "upgrade", done));
        write(step("c", "start:app-web-1", done));
    }
    write(step("content:abc", "script:abc", true));
    write(step("container-id", "ended:app-job-1", true));
    write(step("d", "start:app-db-1", false));
    for number in 0..500 {
        write(run("i-1"));
        write(step(&format!("image-{number}"), "image:web", true));
    }
    let (before, after) = (replay(&records), replay(&past::compact(&records)));
    assert!(past::compact(&records).len() < 20);
    for lasting in ["s", "u", "content:abc", "container-id"] {
        assert!(before.done.contains(lasting) && after.done.contains(lasting), "{lasting}");
    }
    assert!(after.open.contains("start:app-db-1") && !after.open.contains("start:app-web-1"), "{:?}", after.open);
    assert_eq!(after.ran, before.ran);
}

/// 64 MiB and more, also with damage in the middle.
#[test]
fn large_journal_keeps_its_scripts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let line = |event: Event| encode(&Record { at: jiff::Timestamp::UNIX_EPOCH, event });
    let mut text = line(run("i-1")) + &line(step("s", "script:10.sh", true));
    // Long lines, which are read faster than many.
    let name = "x".repeat(60_000);
    let many: String = (0..20).map(|n| line(step(&format!("{n}"), &name, true))).collect();
    while text.len() < 66 * 1024 * 1024 {
        text += &line(run("i-1"));
        text += &many;
    }
    text.insert_str(text.len() / 2, "garbage");
    std::fs::write(&path, &text).unwrap();
    let journal = Journal::open(&path, "i-1").unwrap();
    assert!(journal.past().done.contains("s") && journal.past().ran);
    assert!(std::fs::metadata(&path).unwrap().len() < 8 * 1024 * 1024);
}
