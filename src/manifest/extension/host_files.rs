//! `x-rolecall.host.files`: mode and owner of files of the project, which a bucket does not keep.

use crate::{
    compose::node::{Node, Value},
    fetch,
    manifest::decode::{Faults, Section, expected},
};

/// One file of the project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFile {
    /// Its path, relative to the folder of the project.
    pub path: String,
    /// Its permission bits.
    pub mode: Option<u32>,
    /// Its user, by number or by a name on the host.
    pub owner: Option<String>,
    /// Its group, by number or by a name on the host.
    pub group: Option<String>,
}

const KEYS: &[&str] = &["path", "mode", "owner", "group"];

/// Reads the list.
pub(super) fn read(host: &Section<'_>, faults: &mut Faults) -> Vec<HostFile> {
    let Some(node) = host.get("files") else { return Vec::new() };
    let Some(items) = node.as_seq() else {
        faults.push(expected(node, &host.path("files"), "a list of { path, mode, owner, group }"));
        return Vec::new();
    };
    let mut files: Vec<(usize, HostFile)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("{}[{index}]", host.path("files"));
        let Some(file) = one(item, &at, faults) else { continue };
        match files.iter().find(|(_, other)| other.path == file.path) {
            Some((first, _)) => {
                faults.push(item.fault(at, format!("'{}' is also the path of item [{first}]", file.path)));
            }
            None => files.push((index, file)),
        }
    }
    files.into_iter().map(|(_, file)| file).collect()
}

fn one(item: &Node, at: &str, faults: &mut Faults) -> Option<HostFile> {
    if item.is_null() {
        faults.push(expected(item, at, "a mapping"));
        return None;
    }
    let section = Section::new(item, at, KEYS, faults)?;
    if !KEYS[1..].iter().any(|key| section.get(key).is_some()) {
        faults.push(item.fault(at, "needs 'mode', 'owner' or 'group'"));
    }
    let mode = section.get("mode").and_then(|node| permissions(node, &section.path("mode"), faults));
    let [owner, group] = ["owner", "group"].map(|key| principal(&section, key, faults));
    let Some(text) = section.text("path", faults) else {
        if section.get("path").is_none() {
            faults.push(item.fault(at, "needs 'path', a file of the project"));
        }
        return None;
    };
    match fetch::relative_to_compose_file(&text) {
        Ok(path) => Some(HostFile { path, mode, owner, group }),
        Err(err) => {
            let fault = section.get("path").unwrap_or(item).fault(section.path("path"), err.message);
            faults.push(match err.hint {
                Some(hint) => fault.help(hint),
                None => fault,
            });
            None
        }
    }
}

/// A mode as Compose reads those of secrets: a number, which YAML writes in octal with a leading zero, or a text in octal.
fn permissions(node: &Node, at: &str, faults: &mut Faults) -> Option<u32> {
    const HELP: &str = "write it in octal with a leading zero, such as 0755";
    let number = match &node.value {
        Value::Int(number) => Some(*number),
        Value::Text(text) => i64::from_str_radix(text, 8).ok(),
        _ => None,
    };
    let Some(number) = number else {
        faults.push(expected(node, at, "a file mode").help(HELP));
        return None;
    };
    let mode = u32::try_from(number).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        let message = if number < 0 { "a file mode is not negative".to_owned() } else { too_many_bits(number) };
        faults.push(node.fault(at, message).help(HELP));
    }
    mode
}

fn too_many_bits(number: i64) -> String {
    format!("0{number:o} has more than permission bits: setuid, setgid and sticky bit are not set")
}

/// A user or group.
fn principal(section: &Section<'_>, key: &str, faults: &mut Faults) -> Option<String> {
    let text = section.text(key, faults)?;
    let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // The greatest number means "unchanged" to the kernel.
    let valid = if number {
        text.parse::<u32>().is_ok_and(|number| number != u32::MAX)
    } else {
        let plain = |c: char| c.is_alphanumeric() || "_-.@\\+$".contains(c);
        text.starts_with(|c: char| c.is_alphanumeric() || c == '_') && text.chars().all(plain) && text.len() <= 256
    };
    if valid {
        return Some(text);
    }
    let what = if key == "owner" { "user" } else { "group" };
    let message = format!("'{text}' is neither a number nor the name of a {what}");
    faults.push(section.get(key)?.fault(section.path(key), message));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::extension::tests::read;

    fn files(list: &str) -> crate::error::Result<Vec<HostFile>> {
        Ok(read(&format!("  host:\n    files: {list}\n"))?.host.files)
    }

    #[test]
    fn numbers_and_texts_are_octal() {
        for (mode, expected) in
            [("0755", 0o755), ("'755'", 0o755), ("\"0640\"", 0o640), ("0o600", 0o600), ("493", 0o755)]
        {
            let found = files(&format!("[{{ path: ./bin//tool, mode: {mode} }}]")).unwrap();
            let file = HostFile { path: "bin/tool".into(), mode: Some(expected), ..HostFile::default() };
            assert_eq!(found, [file], "{mode}");
        }
        let found = files("[{ path: a, owner: 1000, group: www-data }, { path: b, owner: '0' }]").unwrap();
        let file = |path: &str, owner: &str, group: Option<&str>| HostFile {
            path: path.into(),
            mode: None,
            owner: Some(owner.into()),
            group: group.map(str::to_owned),
        };
        assert_eq!(found, [file("a", "1000", Some("www-data")), file("b", "0", None)]);
    }

    #[test]
    fn what_cannot_be_meant_is_a_fault_with_its_place() {
        for (list, place, says) in [
            ("{}", "4:12", "expected a list of { path, mode, owner, group }, found a mapping"),
            ("[bin/tool]", "4:13", "expected a mapping"),
            ("[null]", "4:13", "expected a mapping"),
            ("[{ mode: 0755 }]", "4:13", "needs 'path'"),
            ("[{ path: a }]", "4:13", "needs 'mode', 'owner' or 'group'"),
            ("[{ path: a, owner: 0, mod: 0755 }]", "4:34", "did you mean 'mode'"),
            ("[{ path: ../a, mode: 0755 }]", "4:21", "lies outside the folder of the compose file"),
            ("[{ path: /a, mode: 0755 }]", "4:21", "\"/a\""),
            ("[{ path: a, mode: 755 }]", "4:30", "01363 has more than permission bits"),
            ("[{ path: a, mode: 04755 }]", "4:30", "04755 has more than permission bits"),
            ("[{ path: a, mode: '888' }]", "4:30", "expected a file mode, found a string; write it in octal"),
            ("[{ path: a, mode: -1 }]", "4:30", "not negative"),
            ("[{ path: a, mode: [] }]", "4:30", "expected a file mode, found a list"),
            ("[{ path: a, owner: -x }]", "4:31", "'-x' is neither a number nor the name of a user"),
            ("[{ path: a, group: 'a:b' }]", "4:31", "'a:b' is neither a number nor the name of a group"),
            ("[{ path: a, owner: 4294967295 }]", "4:31", "'4294967295' is neither"),
            ("[{ path: a, mode: 0755 }, { path: ./a, mode: 0644 }]", "4:38", "'a' is also the path of item [0]"),
        ] {
            let err = files(list).unwrap_err().to_string();
            assert!(err.contains(&format!("compose.yaml:{place}: ")) && err.contains(says), "{list}: {err}");
        }
    }
}
