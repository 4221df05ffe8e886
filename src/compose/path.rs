//! Paths as texts, without a look at a disk; and the dotted paths of attributes.

use std::path::{Component, Path, PathBuf};

/// A path without `.`, `..` (where there is something before it) and double slashes; empty becomes `.`.
#[must_use]
pub fn clean(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { PathBuf::from(".") } else { parts.iter().collect() }
}

/// `path` as seen from `base`, cleaned; an absolute path stays what it is, cleaned.
#[must_use]
pub fn join(base: &Path, path: &str) -> PathBuf {
    clean(&base.join(path))
}

/// The way from one absolute folder to another.
#[must_use]
pub(crate) fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    clean(&up.chain(to.components().skip(common)).collect::<PathBuf>())
}

/// Whether an attribute's path fits a pattern such as `services.*.ports.*`; a list's items are called `[]`.
#[must_use]
pub fn matches(path: &[&str], pattern: &str) -> bool {
    // From the end: patterns begin alike and differ there.
    let mut wanted = pattern.rsplit('.');
    path.iter().rev().all(|part| wanted.next().is_some_and(|want| want == "*" || want == *part))
        && wanted.next().is_none()
}

/// A path of an attribute in print.
#[must_use]
pub fn show(path: &[&str]) -> String {
    path.join(".").replace(".[]", "[]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_texts() {
        for (base, path, want) in [
            ("/a/b", "./c", "/a/b/c"),
            ("/a/b", "../c/", "/a/c"),
            ("/a", "../../c", "/c"),
            ("/a", "/x//y/.", "/x/y"),
            ("", "", "."),
            ("a", "../../b", "../b"),
        ] {
            assert_eq!(join(Path::new(base), path), Path::new(want));
        }
    }

    #[test]
    fn way_between_folders() {
        for (from, to, want) in
            [("/a", "/a", "."), ("/a", "/a/b/c", "b/c"), ("/a/b", "/a/c", "../c"), ("/a/b", "/", "../..")]
        {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(want));
        }
    }

    #[test]
    fn patterns_match_whole_paths() {
        assert!(matches(&["services", "web", "ports", "[]"], "services.*.ports.*"));
        assert!(!matches(&["services", "web", "ports"], "services.*.ports.*"));
        assert!(!matches(&["services", "web", "ports", "[]"], "services.*.ports"));
    }
}
