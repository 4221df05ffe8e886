//! `source:target:options` of a mount.

use crate::compose::error::Position;
use crate::compose::node::{Key, Map, Node, Value};
use crate::compose::path;

/// A mount as its short notation gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Path or name; empty for an anonymous volume.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// `ro`.
    pub read_only: bool,
    /// `nocopy`.
    pub nocopy: bool,
    /// `z` or `Z`.
    pub selinux: Option<String>,
    /// A propagation mode.
    pub propagation: Option<String>,
    /// One or two letters that are a target and nothing else.
    bare: bool,
}

/// Reads the short notation.
///
/// # Errors
/// A message that says what is wrong, without the text.
pub fn parse(spec: &str) -> Result<Volume, String> {
    let mut volume = Volume::default();
    if spec.is_empty() {
        return Err("a mount cannot be empty".to_owned());
    }
    if spec.len() <= 2 {
        spec.clone_into(&mut volume.target);
        volume.bare = true;
        return Ok(volume);
    }
    let parts = split(spec);
    if parts.iter().any(String::is_empty) {
        return Err("a mount has an empty section between colons".to_owned());
    }
    match parts.as_slice() {
        [target] => volume.target.clone_from(target),
        [source, target] => (volume.source, volume.target) = (source.clone(), target.clone()),
        [source, target, options] => {
            (volume.source, volume.target) = (source.clone(), target.clone());
            options.split(',').for_each(|option| volume.option(option));
        }
        _ => return Err("a mount has too many colons".to_owned()),
    }
    Ok(volume)
}

/// The sections between colons; a drive letter keeps its colon, and so does what stands inside `${…}`.
fn split(spec: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    let mut chars = spec.chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut().map_or_else(String::new, std::mem::take);
        let drive = c == ':' && part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
        match c {
            '$' if chars.peek() == Some(&'{') => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ => {}
        }
        let last = parts.len() - 1;
        parts[last] = part;
        if c == ':' && depth == 0 && !drive {
            parts.push(String::new());
        } else {
            parts[last].push(c);
        }
    }
    parts
}

impl Volume {
    fn option(&mut self, option: &str) {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "nocopy" => self.nocopy = true,
            "z" | "Z" => self.selinux = Some(option.to_owned()),
            "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                self.propagation = Some(option.to_owned());
            }
            // Compose says nothing about an option that it does not know
            _ => {}
        }
    }

    /// Whether the source is a path, not a name.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        let mut chars = self.source.chars();
        let first = chars.next();
        matches!(first, Some('.' | '/' | '~'))
            || self.source.starts_with("\\\\")
            || (first.is_some_and(char::is_alphabetic) && chars.next() == Some(':'))
    }

    /// The long notation, standing where the short one stood.
    pub(crate) fn node(&self, place: &Position) -> Node {
        let mut map = Map::new();
        let mut add = |name: &str, node: Node| {
            map.insert(Key::new(name, place), node);
        };
        let text = |text: &str| Node::text(text, place);
        add("type", text(if self.is_bind() { "bind" } else { "volume" }));
        if !self.source.is_empty() {
            add("source", text(&self.source));
        }
        let target = path::clean(self.target.as_ref());
        add("target", text(&target.to_string_lossy()));
        if self.read_only {
            add("read_only", Node::bool(true, place));
        }
        let mut bind = Vec::new();
        bind.extend(self.selinux.as_deref().map(|value| ("selinux", text(value))));
        bind.extend(self.propagation.as_deref().map(|value| ("propagation", text(value))));
        if self.is_bind() {
            bind.push(("create_host_path", Node::bool(true, place)));
        }
        if !bind.is_empty() {
            add("bind", Node::mapping(place, bind));
        }
        if self.nocopy {
            add("volume", Node::mapping(place, vec![("nocopy", Node::bool(true, place))]));
        } else if !self.is_bind() && !self.bare {
            add("volume", Node::new(Value::Map(Map::new()), place));
        }
        Node::new(Value::Map(map), place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_notation_is_read() {
        let read = |spec: &str| {
            let volume = parse(spec).unwrap();
            (volume.is_bind(), volume.source, volume.target, volume.read_only)
        };
        let want = |bind, source: &str, target: &str, ro| (bind, source.to_owned(), target.to_owned(), ro);
        assert_eq!(read("/anon"), want(false, "", "/anon", false));
        assert_eq!(read("data:/var/lib"), want(false, "data", "/var/lib", false));
        assert_eq!(read("./a:/b:ro,z"), want(true, "./a", "/b", true));
        assert_eq!(read("~/a:/b"), want(true, "~/a", "/b", false));
        assert_eq!(read("c:\\a:/b:rw"), want(true, "c:\\a", "/b", false));
        assert_eq!(read("v:/a"), want(false, "", "v:/a", false));
        assert_eq!(parse("/a:/b:shared").unwrap().propagation.as_deref(), Some("shared"));
        for wrong in ["", "aa::/b", ":/ab", "aa:bb:cc:dd", "aa:"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
