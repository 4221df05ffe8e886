//! docs/faults.md is written from the rows.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{Component, Fault, Must, Row, deadlines, table};
use crate::support::docs;

/// What a row must come to, in two words.
fn verdict(row: &Row) -> String {
    match row.must {
        Must::Converge => "converges".to_owned(),
        Must::Fail(exit, _) => format!("exit {exit}"),
    }
}

fn written() -> String {
    let mut text = String::from("\n## Matrix\n\n| |");
    for (_, name) in Component::ALL {
        let _ = write!(text, " {name} |");
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(Component::ALL.len()));
    for (fault, name) in Fault::ALL {
        let _ = write!(text, "| {name} |");
        for (component, _) in Component::ALL {
            let rows = table().filter(|row| row.component == component && row.fault == fault);
            let verdicts: Vec<String> = rows.map(verdict).collect::<BTreeSet<_>>().into_iter().collect();
            let cell = if verdicts.is_empty() { "-".to_owned() } else { verdicts.join(", ") };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    for (component, name) in Component::ALL {
        let _ = write!(text, "\n### {name}\n");
        for (fault, fault_name) in Fault::ALL {
            for row in table().filter(|row| row.component == component && row.fault == fault) {
                let _ = write!(text, "\n**{fault_name}**: {} (`{}`): ", row.played, row.name);
                match row.must {
                    Must::Converge => text.push_str("converges.\n"),
                    Must::Fail(exit, line) => {
                        let _ = write!(text, "fails with exit code {exit}.\n\n```text\n{line}\n```\n");
                    }
                }
            }
        }
    }
    text.push_str(&deadlines::written());
    text.push('\n');
    text
}

#[test]
fn the_matrix_is_that_of_the_tests() {
    docs::written("faults.md", "faults::doc", &written());
}

#[test]
fn every_row_has_a_name_of_its_own() {
    let mut names: Vec<&str> = table().map(|row| row.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
