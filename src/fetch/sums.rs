//! `SHA256SUMS`, the list that makes a folder one thing to sign. Pure.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{path, signature, snapshot::File};
use crate::error::{Cause, Error, Result};

/// Name of the list, at the top of the folder.
pub(super) const NAME: &str = "SHA256SUMS";

/// The name of its signature.
pub(super) fn signature_name() -> String {
    format!("{NAME}{}", signature::SUFFIX)
}

/// Compares a folder with its list, `files` with their paths below it. All but the list and its signature must be
/// listed with their sums, and all that is listed must be there. `address` is that of the list.
///
/// # Errors
/// `signature-invalid` for a list that sha256sum(1) does not write and for a file that is not there,
/// `signature-missing` for one that is not listed, `checksum-mismatch` for one with another content.
pub(super) fn check(address: &str, list: &[u8], files: &BTreeMap<String, File>) -> Result<()> {
    let hint = "make the list anew with sha256sum, and sign it with minisign";
    let mut listed = read(address, list).map_err(|err| err.hint(hint))?;
    let signature = signature_name();
    for (name, file) in files.iter().filter(|(name, _)| *name != NAME && **name != signature) {
        match listed.remove(name) {
            Some(sum) if sum == file.sha256 => {}
            Some(_) => {
                let message = format!("{name:?} has sha256 {}, which is not the one in {address}", file.sha256);
                return Err(Error::new(Cause::ChecksumMismatch, message)
                    .hint("find out who changed it; if all is well, make the list anew and sign it"));
            }
            None => {
                let message = format!("{name:?} is not signed: {address} does not list it");
                return Err(Error::new(Cause::SignatureMissing, message)
                    .need(format!("a line for {name:?} in {address}"))
                    .hint(hint));
            }
        }
    }
    match listed.first_key_value() {
        None => Ok(()),
        Some((name, _)) => {
            Err(Error::new(Cause::SignatureInvalid, format!("{address} lists {name:?}, which is not there")).hint(hint))
        }
    }
}

/// Sums by path.
fn read(address: &str, list: &[u8]) -> Result<BTreeMap<String, String>> {
    let invalid = |line: usize, why: &str| Error::new(Cause::SignatureInvalid, format!("{address}:{line}: {why}"));
    let text = std::str::from_utf8(list).map_err(|_| invalid(1, "the list is not UTF-8"))?;
    let mut sums = BTreeMap::new();
    for (number, line) in text.strip_suffix('\n').unwrap_or(text).split('\n').enumerate() {
        let number = number + 1;
        let Some((sum, name)) = entry(line) else {
            return Err(invalid(number, "not a line of sha256sum: 64 hex digits, two blanks and a path are"));
        };
        path::relative(&name).map_err(|err| invalid(number, &err.message))?;
        match sums.entry(name) {
            Entry::Vacant(slot) => _ = slot.insert(sum),
            Entry::Occupied(slot) => return Err(invalid(number, &format!("{:?} is listed twice", slot.key()))),
        }
    }
    Ok(sums)
}

/// `<sum>  <path>`; a star instead of the second blank is that of `--binary`. A backslash in front says that those in
/// the path are doubled. `find .` puts `./` before each path.
fn entry(line: &str) -> Option<(String, String)> {
    let (line, escaped) = line.strip_prefix('\\').map_or((line, false), |line| (line, true));
    let (sum, name) = line.split_at_checked(64)?;
    let hex = sum.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let name = name.strip_prefix("  ").or_else(|| name.strip_prefix(" *")).filter(|_| hex)?;
    let name = name.strip_prefix("./").unwrap_or(name);
    // Line breaks, which are escaped too, cannot be in a path here.
    let name = if escaped { name.replace(r"\\", r"\") } else { name.to_owned() };
    Some((sum.to_owned(), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::sha256;

    const ADDRESS: &str = "s3://bucket/app/SHA256SUMS";

    fn files(files: &[(&str, &str)]) -> BTreeMap<String, File> {
        let file = |text: &str| File {
            sha256: sha256(text.as_bytes()),
            size: text.len() as u64,
            mode: 0o644,
            declared: false,
        };
        files.iter().map(|(name, text)| ((*name).to_owned(), file(text))).collect()
    }

    fn line(name: &str, text: &str) -> String {
        format!("{}  {name}\n", sha256(text.as_bytes()))
    }

    #[test]
    fn a_list_is_read_as_sha256sum_writes_it() {
        let there = files(&[("a b", "1"), ("c/d", "2"), (r"e\f", "3"), (NAME, "x"), ("SHA256SUMS.minisig", "y")]);
        let escaped = format!("\\{}  e\\\\f\n", sha256(b"3"));
        let plain = line("a b", "1") + &line("c/d", "2") + &escaped;
        let binary = plain.replace("  a", " *a");
        let found = plain.replace("  a", "  ./a").replace("  c", "  ./c");
        for list in [&plain, &binary, &found, plain.trim_end()] {
            check(ADDRESS, list.as_bytes(), &there).expect(list);
        }
        assert!(check(ADDRESS, line("c/d", "2").as_bytes(), &files(&[("c/d", "2")])).is_ok());
    }

    #[test]
    fn whatever_is_not_listed_or_not_there_is_refused() {
        let (one, two) = (line("a", "1"), line("b", "2"));
        let both = files(&[("a", "1"), ("b", "2")]);
        for (list, there, cause, part) in [
            (one.clone(), &both, Cause::SignatureMissing, "\"b\" is not signed"),
            (one.clone() + &two, &files(&[("a", "1")]), Cause::SignatureInvalid, "lists \"b\""),
            (one.clone() + &line("b", "3"), &both, Cause::ChecksumMismatch, &sha256(b"2")),
            (one.clone() + &two + &two, &both, Cause::SignatureInvalid, ":3: \"b\" is listed twice"),
            (one.clone() + &two.replace("  ", "  ./") + &two, &both, Cause::SignatureInvalid, "twice"),
            (one.clone() + "\n" + &two, &both, Cause::SignatureInvalid, ":2: not a line"),
            (one.clone() + &two.to_uppercase(), &both, Cause::SignatureInvalid, ":2: not a line"),
            (one.clone() + &two.replace("  ", " "), &both, Cause::SignatureInvalid, ":2: not a line"),
            (one.clone() + &two.replace('\n', "\r\n"), &both, Cause::SignatureInvalid, "control characters"),
            (one.clone() + "SHA256 (b) = " + &sha256(b"2"), &both, Cause::SignatureInvalid, ":2: not a line"),
            (one.clone() + &line("../b", "2"), &both, Cause::SignatureInvalid, ".."),
            (one.clone() + &line("/b", "2"), &both, Cause::SignatureInvalid, "absolute"),
            (one.clone() + &two + &line(NAME, "x"), &both, Cause::SignatureInvalid, "lists \"SHA256SUMS\""),
            (String::new(), &both, Cause::SignatureInvalid, ":1: not a line"),
        ] {
            let err = check(ADDRESS, list.as_bytes(), there).expect_err(&list);
            assert_eq!((err.cause, err.exit() as u8), (cause, 5), "{list}: {err}");
            assert!(err.message.contains(part), "{part}: {err}");
        }
        assert!(check(ADDRESS, &[one.as_bytes(), &[0xff]].concat(), &both).is_err());
        assert!(check(ADDRESS, (one + &two + "ü".repeat(40).as_str()).as_bytes(), &both).is_err(), "no char boundary");
    }
}
