//! Text from outside, such as the output of containers and the errors of an engine, made safe for a terminal.
//!
//! A container's log is an outsider's text, and root reads it on a console: an escape sequence could hide lines, a
//! carriage return could overwrite them, and a bidirectional override could reorder them.

use std::{borrow::Cow, fmt::Write};

/// One line without control characters: each except the tab is written as `\u001b`, line breaks are joined by a space.
pub fn line(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\n', '\r']);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut joined = String::with_capacity(text.len() + 16);
    for part in text.split('\n').map(|part| part.strip_suffix('\r').unwrap_or(part)) {
        if joined.is_empty() {
            escape(part, &mut joined);
        } else {
            joined.truncate(joined.trim_end().len());
            joined.push(' ');
            escape(part.trim_start(), &mut joined);
        }
    }
    Cow::Owned(joined)
}

/// Several lines, each as [`line()`] returns it.
pub fn lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c != '\n' && is_unsafe(c)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for part in text.split_inclusive('\n') {
        escaped.push_str(&line(part));
        if part.ends_with('\n') {
            escaped.push('\n');
        }
    }
    Cow::Owned(escaped)
}

/// The text with at most `limit` characters: a longer one loses its middle, since the reason of an error is at its end.
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    const GAP: &str = " … ";
    let count = text.chars().count();
    if count <= limit {
        return Cow::Borrowed(text);
    }
    let kept = limit.saturating_sub(GAP.chars().count());
    let head: String = text.chars().take(kept / 2).collect();
    let tail: String = text.chars().skip(count - (kept - kept / 2)).collect();
    Cow::Owned(format!("{head}{GAP}{tail}"))
}

/// C0 but the tab, DEL, C1, and the characters that reorder text (Unicode's `Bidi_Control` but the two plain marks).
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As JSON writes them, so that a line of JSON stays one.
fn escape(part: &str, into: &mut String) {
    for c in part.chars() {
        match c {
            '\r' => into.push_str("\\r"),
            c if is_unsafe(c) => {
                // Writing to a string cannot fail.
                let _ = write!(into, "\\u{:04x}", u32::from(c));
            }
            c => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_escaped_tab_kept() {
        for (text, wanted) in [
            ("plain\ttext ü", "plain\ttext ü"),
            ("\u{1b}]0;title\u{7}\u{1b}[2J", "\\u001b]0;title\\u0007\\u001b[2J"),
            ("x\rrolecall: ready", "x\\rrolecall: ready"),
            ("\u{9b}31m\u{7f}\u{e}", "\\u009b31m\\u007f\\u000e"),
            ("a\u{202e}b\u{2066}c", "a\\u202eb\\u2066c"),
            ("first:\r\n\tsecond\n", "first: second"),
            ("", ""),
        ] {
            assert_eq!(line(text), wanted);
            assert_eq!(line(&line(text)), wanted, "escaping twice changes nothing");
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("one\n\u{1b}two\r\n\nthree"), "one\n\\u001btwo\n\nthree");
        assert_eq!(lines("one\ntwo\n"), "one\ntwo\n");
    }

    #[test]
    fn long_text_loses_its_middle() {
        let text = format!("could not start web: {}: not a directory", "x".repeat(500));
        let short = cut(&text, 100);
        assert_eq!(short.chars().count(), 100);
        assert!(short.starts_with("could not start web: xx") && short.ends_with("xx: not a directory"), "{short}");
        assert_eq!(cut("just fits", 9), "just fits");
    }
}
