//! Which distribution this is: os-release(5).

use std::{collections::BTreeMap, path::Path};

use crate::error::Result;

/// What the machine says of its operating system. A field that is not there is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`, lower case: `debian`.
    pub id: String,
    /// `ID_LIKE`: the distributions that this one is made from, nearest first.
    pub like: Vec<String>,
    /// `VERSION_ID`: `12`.
    pub version: String,
    /// `VERSION_CODENAME`, which a derivative may replace by `UBUNTU_CODENAME`: `bookworm`.
    pub codename: String,
    /// `PRETTY_NAME`, for people.
    pub pretty: String,
}

impl OsRelease {
    /// Reads `etc/os-release`, else `usr/lib/os-release`, below `root`; a machine without both is a blank.
    pub fn read(root: &Path) -> Result<Self> {
        for path in ["etc/os-release", "usr/lib/os-release"] {
            if let Some(content) = super::files::read(&root.join(path))? {
                return Ok(Self::parse(&String::from_utf8_lossy(&content)));
            }
        }
        Ok(Self::default())
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Self {
        let mut fields: BTreeMap<&str, String> = text.lines().filter_map(field).collect();
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        let codename = take("VERSION_CODENAME");
        let ubuntu = take("UBUNTU_CODENAME");
        Self {
            id: take("ID").to_lowercase(),
            like: take("ID_LIKE").split_whitespace().map(str::to_lowercase).collect(),
            version: take("VERSION_ID"),
            codename: if ubuntu.is_empty() { codename } else { ubuntu },
            pretty: take("PRETTY_NAME"),
        }
    }

    /// Whether it is one of these distributions or made from one.
    pub fn is_like(&self, ids: &[&str]) -> bool {
        std::iter::once(&self.id).chain(&self.like).any(|id| ids.contains(&id.as_str()))
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        [&self.pretty, &self.id].into_iter().find(|s| !s.is_empty()).map_or("an unnamed system", String::as_str)
    }
}

fn field(line: &str) -> Option<(&str, String)> {
    let (name, value) = line.trim().split_once('=').filter(|(name, _)| !name.starts_with('#'))?;
    let quoted = value.strip_prefix(['"', '\'']).and_then(|v| v.strip_suffix(['"', '\'']));
    let mut plain = String::new();
    let mut chars = quoted.unwrap_or(value).chars();
    while let Some(c) = chars.next() {
        // Shell quoting: a backslash stands before the few characters that are special.
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Some((name, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_values_are_read() {
        let os = OsRelease::parse(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n# ID=no\nID=debian\nVERSION_ID='12'\nVERSION_CODENAME=bookworm\n",
        );
        assert_eq!((os.id.as_str(), os.version.as_str(), os.codename.as_str()), ("debian", "12", "bookworm"));
        assert_eq!(os.name(), "Debian GNU/Linux 12 (bookworm)");
        assert!(os.is_like(&["debian"]) && !os.is_like(&["fedora"]));
    }

    #[test]
    fn derivatives_are_known_by_what_they_are_made_from() {
        let mint = OsRelease::parse(
            "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n",
        );
        assert!(mint.is_like(&["debian"]));
        assert_eq!(mint.codename, "noble");
        let amazon = OsRelease::parse("ID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"\n");
        assert!(amazon.is_like(&["amzn"]) && amazon.is_like(&["fedora"]));
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(OsRelease::parse("PRETTY_NAME=\"a \\\"b\\\" \\$c\"").pretty, "a \"b\" $c");
        assert_eq!(OsRelease::parse("").name(), "an unnamed system");
    }
}
