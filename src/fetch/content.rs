//! What a fetched file is: its content decides, not its name.

use crate::error::{Cause, Error, Result};

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Starts with `#!`.
    Script,
    /// A YAML or JSON mapping with `services` or `x-rolecall`.
    Compose,
}

/// Tells a script from a compose file.
///
/// # Errors
/// `source-unrecognised`, saying what was found and what is accepted.
pub fn recognise(name: &str, bytes: &[u8]) -> Result<Kind> {
    if bytes.starts_with(b"#!") {
        return Ok(Kind::Script);
    }
    let found = match std::str::from_utf8(bytes) {
        Ok(text) if compose_mapping(text) => return Ok(Kind::Compose),
        Ok(text) => text_kind(text),
        Err(_) => binary_kind(bytes),
    };
    Err(Error::new(Cause::SourceUnrecognised, format!("{name} is neither a script nor a compose file: it is {found}"))
        .hint("a script starts with #!, a compose file is a YAML mapping with services (those of Compose 1 go below it) or x-rolecall"))
}

/// Whether a text is a mapping with one of the two keys at its top level. Only the outline is read: whether the
/// file is valid is for the compose loader to say, with line and column.
fn compose_mapping(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        return flow_keys(text);
    }
    text.lines().any(|line| block_key(line).is_some_and(wanted))
}

fn wanted(key: &str) -> bool {
    matches!(key, "services" | "x-rolecall")
}

/// The key of an unindented `key: value` line.
fn block_key(line: &str) -> Option<&str> {
    let (key, rest) = line.split_once(':')?;
    let ends = rest.is_empty() || rest.starts_with([' ', '\t', '\r']);
    (ends && !line.starts_with([' ', '\t', '#', '-'])).then(|| key.trim_end().trim_matches(['"', '\'']))
}

/// Whether a JSON object, or a YAML mapping in braces, has one of the keys at depth one.
fn flow_keys(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    let mut word = String::new();
    for c in text.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.clear();
            }
            (None, '{' | '[') => {
                depth += 1;
                word.clear();
            }
            (None, '}' | ']') => depth = depth.saturating_sub(1),
            (None, ':') if depth == 1 && wanted(word.trim()) => return true,
            (None, ',') => word.clear(),
            _ => word.push(c),
        }
        if quote.is_none() && c.is_whitespace() {
            word.truncate(word.trim_end().len());
        }
    }
    false
}

fn text_kind(text: &str) -> String {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let lower = start.get(..64.min(start.len())).unwrap_or_default().to_lowercase();
    let first = start.lines().next().unwrap_or_default();
    match () {
        () if start.is_empty() => "empty".to_owned(),
        () if lower.starts_with("<!doctype html") || lower.starts_with("<html") => {
            "an HTML page, perhaps of a login or an error".to_owned()
        }
        () if lower.starts_with("<?xml") || lower.starts_with('<') => "XML".to_owned(),
        () if lower.starts_with("#cloud-config") => "cloud-config, which belongs in user-data".to_owned(),
        () if start.starts_with("FROM ") || start.starts_with("ARG ") => "a Dockerfile".to_owned(),
        () if start.starts_with('{') || start.starts_with('[') => {
            "JSON without services or x-rolecall at its top".to_owned()
        }
        () if start.lines().any(|line| block_key(line).is_some()) => {
            "YAML or text without services or x-rolecall at its top".to_owned()
        }
        () => format!("text that starts with {:?}", first.chars().take(24).collect::<String>()),
    }
}

fn binary_kind(bytes: &[u8]) -> String {
    const MAGIC: [(&[u8], &str); 9] = [
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ", "xz"),
        (b"BZh", "bzip2"),
        (b"\x7fELF", "an ELF program"),
        (b"\xff\xfe", "text in UTF-16; save it as UTF-8"),
        (b"\xfe\xff", "text in UTF-16; save it as UTF-8"),
        (b"%PDF", "a PDF"),
    ];
    let known = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| (*name).to_owned());
    known.unwrap_or_else(|| format!("binary that starts with bytes {}", hex::encode(&bytes[..8.min(bytes.len())])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_compose_files_are_known_by_their_content() {
        for (text, kind) in [
            ("#!/bin/sh\necho services:\n", Kind::Script),
            ("services:\n  web:\n    image: x\n", Kind::Compose),
            ("\u{feff}# a comment\nversion: '3'\n\n\"services\": {web: {image: x}}\n", Kind::Compose),
            ("x-rolecall:\n  host: {}\n", Kind::Compose),
            ("services:\r\n  web:\r\n", Kind::Compose),
            ("{\"name\": \"a\", \"services\": {}}", Kind::Compose),
            ("{ services : { a: {image: b} } }", Kind::Compose),
            // Broken further on: the loader says where, this only says what it is meant to be.
            ("services:\n  web: [", Kind::Compose),
        ] {
            assert_eq!(recognise("f", text.as_bytes()).ok(), Some(kind), "{text}");
        }
    }

    #[test]
    fn anything_else_is_named_and_refused() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"  \n\n", "empty"),
            (b"<!DOCTYPE html><html>services:", "HTML"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"PK\x03\x04\xff", "zip"),
            (b"\x7fELF\x02\xff", "ELF"),
            (b"\xff\xfes\x00", "UTF-16"),
            (b"\xde\xad\xbe\xef", "deadbeef"),
            (b"FROM debian\n", "Dockerfile"),
            (b"hello world\n", "\"hello world\""),
            (b"web:\n  services: {}\n", "without services"),
            (b"{\"web\": {\"services\": 1}, \"x\": \"services:\"}", "JSON without"),
            (b"- services:\n", "starts with"),
            (b"#cloud-config\nruncmd: []\n", "cloud-config"),
        ] {
            let err = recognise("s3://bucket/x", bytes).expect_err(part);
            assert_eq!(err.cause, Cause::SourceUnrecognised);
            assert!(err.message.contains(part), "{part}: {err}");
        }
    }
}
