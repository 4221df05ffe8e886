//! How new the signatures were that this instance accepted: what is older has no effect any more.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    error::{Cause, Error, Result},
    host::files,
    state_file::{self, Content},
};

/// The newest that was accepted for one address.
#[derive(Serialize, Deserialize)]
struct Accepted {
    serial: u64,
    /// Checksum of the content.
    sha256: String,
}

/// Compares content with the newest that was accepted for its address, and remembers it before it has any effect.
///
/// # Errors
/// `rollback` for content with a lower serial, or with the same serial and another checksum; `io` and `disk-full`.
pub(super) fn accept(path: &Path, address: &str, serial: u64, sha256: &str) -> Result<()> {
    let mut all = read(path)?;
    let message = match all.get(address) {
        Some(known) if known.serial > serial => {
            format!("{address} was signed at {serial}, and what was signed at {} was accepted before", known.serial)
        }
        Some(known) if known.serial == serial && known.sha256 != sha256 => {
            format!("{address} was signed at {serial}, as was another content that was accepted before")
        }
        Some(known) if known.serial == serial => return Ok(()),
        _ => {
            all.insert(address.to_owned(), Accepted { serial, sha256: sha256.to_owned() });
            let text = serde_json::to_vec(&all)
                .map_err(|err| Error::new(Cause::Io, format!("could not write {}: {err}", path.display())))?;
            return files::write_atomic(path, &text, 0o600);
        }
    };
    Err(Error::new(Cause::Rollback, message)
        .need(format!("a newer signature of {address}"))
        .hint("find out who put the old content back; if it is wanted, sign it anew"))
}

/// The format of the file: a map of addresses, as version 0.1.0 wrote it. A later one is a map that has `format`.
const FORMAT: u64 = state_file::FIRST;

/// A damaged file is set aside: whoever can change what is fetched cannot change it, so that this is no reason to fail a
/// boot. One of a newer version is whole: it is left alone, and nothing is accepted without it.
fn read(path: &Path) -> Result<BTreeMap<String, Accepted>> {
    match state_file::read(path, FORMAT) {
        Content::Missing => Ok(BTreeMap::new()),
        Content::Known(all) => Ok(all),
        Content::Newer { format, .. } => Err(Error::new(Cause::Rollback, state_file::newer(path, format, FORMAT))
            .need("the version of rolecall that wrote it, or a newer one")
            .hint("install that version; remove the file only if older signatures may be accepted once more")),
        Content::Damaged(why) => {
            let aside = path.with_extension("json.damaged");
            // If it cannot be kept either, the new one takes its place.
            let _ = std::fs::rename(path, &aside);
            warn!("could not read {}, so an older signature may be accepted once: {why}", path.display());
            Ok(BTreeMap::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_older_is_refused_and_so_is_a_second_content_of_the_same_age() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serials.json");
        for (address, serial, sum, accepted) in [
            ("s3://bucket/a", 10, "one", true),
            ("s3://bucket/a", 10, "one", true),
            ("s3://bucket/a", 10, "two", false),
            ("s3://bucket/a", 9, "one", false),
            ("s3://bucket/b", 9, "one", true),
            ("s3://bucket/a", 11, "two", true),
            ("s3://bucket/a", 10, "one", false),
            ("s3://bucket/a", u64::MAX, "three", true),
            ("s3://bucket/a", 11, "two", false),
            ("s3://bucket/a", u64::MAX, "three", true),
        ] {
            match accept(&path, address, serial, sum) {
                Ok(()) => assert!(accepted, "{address} {serial} {sum}"),
                Err(err) => {
                    assert!(!accepted && err.cause == Cause::Rollback, "{address} {serial} {sum}: {err}");
                    assert_eq!(err.exit() as u8, 5);
                }
            }
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_a_full_disk_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serials.json");
        std::fs::write(&path, "{ torn").unwrap();
        accept(&path, "s3://bucket/a", 10, "one").unwrap();
        assert_eq!(std::fs::read(dir.path().join("serials.json.damaged")).unwrap(), b"{ torn");
        assert_eq!(accept(&path, "s3://bucket/a", 9, "one").unwrap_err().cause, Cause::Rollback);
        assert_eq!(
            accept(Path::new("/proc/none/serials.json"), "s3://bucket/a", 1, "one").unwrap_err().cause,
            Cause::Io
        );
    }

    #[test]
    fn newer_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serials.json");
        let newer = r#"{"format":2,"accepted":{"s3://bucket/a":{"serial":10}}}"#;
        std::fs::write(&path, newer).unwrap();
        let err = accept(&path, "s3://bucket/a", 11, "one").unwrap_err();
        assert_eq!(err.cause, Cause::Rollback);
        assert!(err.message.ends_with("(format 2, this one knows 1)"), "{err}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    }
}
