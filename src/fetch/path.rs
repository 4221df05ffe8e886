//! Names of files inside a project. A name that was fetched can never leave its folder.

use std::{collections::BTreeMap, path::PathBuf};

use crate::error::{Cause, Error, Result};

/// A path inside a project: no part is empty, `.` or `..`; it is UTF-8 and fits a Linux file system.
///
/// # Errors
/// `source-refused`, naming the path and what is wrong with it.
pub fn relative(text: &str) -> Result<PathBuf> {
    let refused =
        |why: &str| Err(Error::new(Cause::SourceRefused, format!("{text:?} cannot be a file of a project: {why}")));
    if text.starts_with('/') {
        return refused("it is absolute");
    }
    if text.chars().any(|c| c == '\0' || c.is_control()) {
        return refused("it contains control characters");
    }
    if text.len() > 4000 {
        return refused("it is too long");
    }
    for part in text.split('/') {
        match part {
            "" => return refused("a part of it is empty"),
            "." | ".." => return refused("it contains . or .."),
            part if part.len() > 255 => return refused("a part of it is longer than 255 bytes"),
            _ => {}
        }
    }
    Ok(PathBuf::from(text))
}

/// The names of keys below a prefix: folder markers are left out.
///
/// # Errors
/// `source-refused` for a key that cannot be a file, and for one that would have to be a file and a folder.
pub(super) fn names<'a>(prefix: &str, keys: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for key in keys {
        let name = key.strip_prefix(prefix).unwrap_or(key);
        // Consoles make folders as empty objects whose key ends in a slash.
        if name.is_empty() || name.ends_with('/') {
            continue;
        }
        relative(name)?;
        names.insert(name.to_owned(), key.to_owned());
    }
    for name in names.keys() {
        for (at, _) in name.match_indices('/') {
            if names.contains_key(&name[..at]) {
                let message = format!("{:?} would have to be a file and a folder: {name:?} lies below it", &name[..at]);
                return Err(Error::new(Cause::SourceRefused, message).hint("rename one of the two objects"));
            }
        }
    }
    Ok(names)
}

/// A path as a compose file writes it, relative to the folder of that file, made plain: `./a//b/../c` is `a/c`.
///
/// # Errors
/// `source-refused` for a path that is absolute or leaves the folder.
pub fn beside(text: &str) -> Result<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" if parts.is_empty() && text.starts_with('/') => parts.push(""),
            ".." if parts.pop().is_none() => {
                return Err(Error::new(
                    Cause::SourceRefused,
                    format!("{text:?} lies outside the folder of the compose file"),
                )
                .hint("put it beside the compose file or below it, or use the prefix above both as source"));
            }
            "" | "." | ".." => {}
            part => parts.push(part),
        }
    }
    let plain = parts.join("/");
    relative(&plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_cannot_leave_the_folder() {
        let (long, deep) = ("x".repeat(256), "x/".repeat(2001) + "x");
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            "a/.",
            "a\0b",
            "a\nb",
            "a\u{7f}b",
            &long,
            &deep,
        ] {
            assert!(relative(bad).is_err(), "{bad:?}");
        }
        for good in ["a", ".env", "a/..b", "ünï/c d", "-rf", "a\\b", "...", "..\\..\\a", "C:\\a", "A", "~/a", "$HOME"]
        {
            assert!(relative(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_key_is_a_file_or_a_folder_but_not_both() {
        let keys = ["p/a", "p/b/", "p/b/c", "p/"];
        assert_eq!(names("p/", keys).unwrap().into_keys().collect::<Vec<_>>(), ["a", "b/c"]);
        let err = names("p/", ["p/a", "p/a-b", "p/a/b"]).unwrap_err();
        assert!(err.message.contains("\"a\""), "{err}");
        assert!(names("p/", ["p/../x"]).is_err());
    }

    #[test]
    fn what_a_compose_file_names_is_made_plain() {
        assert_eq!(beside("./env/../web.env").unwrap(), "web.env");
        assert_eq!(beside("conf//x").unwrap(), "conf/x");
        for bad in ["../x", "a/../../x", "/etc/x", "", "."] {
            assert!(beside(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_accepted_name_leaves_the_folder(name in "[./a\\\\\u{0}\n-]{0,12}") {
            for plain in [relative(&name).ok(), beside(&name).ok().map(PathBuf::from)].into_iter().flatten() {
                let normal = plain.components().all(|c| matches!(c, std::path::Component::Normal(_)));
                prop_assert!(normal && plain.components().count() > 0, "{plain:?}");
            }
        }
    }
}
