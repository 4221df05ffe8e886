//! The line at 3 a.m.: each failure is one line that says what to do, and docs/errors.md says the same.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use rolecall::error::Cause;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
const BEGIN: &str = "<!-- Written by a test: ROLECALL_WRITE_DOCS=1 cargo test --test tests failures -->\n";
const END: &str = "<!-- To here. -->\n";

/// The table of causes, from the code.
fn table() -> String {
    let mut text = "\n| cause | exit | meaning | remedy |\n|---|---|---|---|\n".to_owned();
    for cause in Cause::ALL {
        let (code, exit) = (cause.code(), cause.exit() as u8);
        let _ = writeln!(text, "| `{code}` | {exit} | {} | {} |", cause.meaning(), cause.remedy());
    }
    text + "\n"
}

/// The rows of all tables of causes in the documentation: cause, exit code, meaning, remedy.
fn rows(text: &str) -> Vec<[String; 4]> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|row| row[1..5].to_vec().try_into().expect("four cells")).collect()
}

#[test]
fn the_table_of_causes_is_that_of_the_code() {
    let text = fs::read_to_string(FILE).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark before the table");
    let (_, after) = rest.split_once(END).expect("the mark behind the table");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("ROLECALL_WRITE_DOCS").is_some() {
        fs::write(FILE, wanted).unwrap();
        return;
    }
    assert!(text == wanted, "docs/errors.md is not what ROLECALL_WRITE_DOCS=1 would write:\n{}", table());
}

#[test]
fn every_cause_has_a_remedy_and_stands_there_once() {
    let rows = rows(&fs::read_to_string(FILE).unwrap());
    let codes: BTreeSet<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(codes.len(), rows.len(), "a cause stands there twice");
    for cause in Cause::ALL {
        assert!(codes.contains(cause.code()), "{} is not in docs/errors.md", cause.code());
    }
    for [cause, exit, meaning, remedy] in &rows {
        assert!(["1", "2", "3", "4", "5", "6"].contains(&exit.as_str()), "{cause}: {exit}");
        assert!(meaning.ends_with('.') && remedy.len() > 10 && !remedy.ends_with('.'), "{cause}: {meaning} {remedy}");
    }
}

#[test]
fn the_first_stage_fails_with_causes_that_are_documented() {
    let rows = rows(&fs::read_to_string(FILE).unwrap());
    let script = include_str!("../userdata/bootstrap.sh");
    let mut seen = BTreeSet::new();
    for words in script.split("fail ").skip(1).map(|rest| rest.split_whitespace().collect::<Vec<_>>()) {
        let [exit, cause, need, hint, ..] = words[..] else { continue };
        if exit.parse::<u8>().is_err() {
            continue;
        }
        let known = rows.iter().any(|row| row[0].trim_matches('`') == cause && row[1] == exit);
        assert!(known, "docs/errors.md does not say that the first stage fails with {exit} for {cause}");
        assert!(!need.is_empty() && !hint.is_empty());
        seen.insert(cause);
    }
    assert!(seen.len() > 5, "{seen:?}");
}
