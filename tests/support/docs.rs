//! Parts of docs/, between two marks, and files that are written from the code.

use std::fs;

const END: &str = "<!-- To here. -->\n";

/// The part of `docs/<file>` that the test `filter` writes has to be this text. With `ROLECALL_WRITE_DOCS=1` it becomes it.
#[track_caller]
pub fn written(file: &str, filter: &str, part: &str) {
    let path = format!("{}/docs/{file}", env!("CARGO_MANIFEST_DIR"));
    let begin = format!("<!-- Written by a test: ROLECALL_WRITE_DOCS=1 cargo test --test tests {filter} -->\n");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(&begin).expect("the mark before what is written");
    let (_, after) = rest.split_once(END).expect("the mark behind what is written");
    let wanted = format!("{before}{begin}{part}{END}{after}");
    if std::env::var_os("ROLECALL_WRITE_DOCS").is_some() {
        fs::write(path, wanted).unwrap();
        return;
    }
    for line in wanted.lines() {
        assert!(text.contains(line), "docs/{file} has not, and ROLECALL_WRITE_DOCS=1 would write: {line}");
    }
    assert!(text == wanted, "docs/{file} has what is no longer so; write it with ROLECALL_WRITE_DOCS=1");
}

/// A file of the repository has to be this text. With `ROLECALL_WRITE_DOCS=1` it becomes it.
#[track_caller]
pub fn same(file: &str, text: &str) {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("ROLECALL_WRITE_DOCS").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    assert!(fs::read_to_string(path).unwrap() == text, "{file} is old; write it with ROLECALL_WRITE_DOCS=1");
}
