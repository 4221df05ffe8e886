//! The mode of a file in the metadata of its object, as programs that copy file systems to S3 write it.

use std::collections::HashMap;

use tracing::warn;

/// The file type in the upper bits of a mode, and that of a regular file.
const TYPE: u32 = !0o7777;
const REGULAR: u32 = 0o100_000;

/// Metadata that has a mode: s3fs and rclone (`mode`), AWS `DataSync` and Storage Gateway (`file-permissions`), and
/// s3cmd (an item of `s3cmd-attrs`).
const KEYS: [&str; 3] = ["mode", "file-permissions", "s3cmd-attrs"];

/// The permission bits that metadata specifies, without setuid, setgid and sticky bit. `object` is its address, for a
/// warning.
pub(super) fn of(object: &str, metadata: &HashMap<String, String>) -> Option<u32> {
    let (key, text) = KEYS.iter().find_map(|key| Some((key, metadata.get(*key)?)))?;
    let text = if *key == "s3cmd-attrs" { item(text, "mode")? } else { text.trim() };
    let mode = parse(text);
    if mode.is_none() {
        let text: String = text.chars().take(40).collect();
        warn!("ignored metadata {key} of {object}: '{text}' is not the mode of a file, such as 0755");
    }
    mode
}

/// An item of `atime:1/mode:33188/mtime:1`.
fn item<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split('/').find_map(|item| item.strip_prefix(name)?.strip_prefix(':'))
}

/// Reads octal (`755`, `0755`, `0o755`, `100755`), or decimal as s3fs and s3cmd write it (`33261`). No number can be both:
/// the decimal ones have the type of a regular file, and in octal those five digits are none.
fn parse(text: &str) -> Option<u32> {
    let (digits, octal_only) = text.strip_prefix("0o").map_or((text, false), |digits| (digits, true));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let octal = u32::from_str_radix(digits, 8).ok().filter(|mode| matches!(mode & TYPE, 0 | REGULAR));
    let decimal = || digits.parse().ok().filter(|mode: &u32| !octal_only && mode & TYPE == REGULAR);
    octal.or_else(decimal).map(|mode| mode & 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(pairs: &[(&str, &str)]) -> Option<u32> {
        of("s3://b/k", &pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn modes_of_every_program_are_read() {
        for (key, text, expected) in [
            ("mode", "33261", 0o755),
            ("mode", "33188", 0o644),
            ("mode", "100755", 0o755),
            ("mode", "0100640", 0o640),
            ("mode", "0o755", 0o755),
            ("mode", "755", 0o755),
            ("mode", " 0600 ", 0o600),
            ("file-permissions", "0755", 0o755),
            ("file-permissions", "100755", 0o755),
            ("s3cmd-attrs", "atime:1/ctime:2/gid:0/gname:root/md5:ab/mode:33261/mtime:3/uid:0/uname:root", 0o755),
        ] {
            assert_eq!(mode(&[(key, text)]), Some(expected), "{key}: {text}");
        }
        assert_eq!(mode(&[("mode", "0600"), ("file-permissions", "0755")]), Some(0o600));
        assert_eq!(mode(&[("mtime", "1"), ("s3cmd-attrs", "md5:ab")]), None);
    }

    #[test]
    fn setuid_setgid_and_sticky_bits_are_left_out() {
        // setuid and setgid, in octal with and without a file type, and in decimal.
        for text in ["6755", "106755", "36333", "7755"] {
            assert_eq!(mode(&[("mode", text)]), Some(0o755), "{text}");
        }
    }

    #[test]
    fn other_metadata_is_ignored() {
        // The last ones are a folder, a symbolic link and a decimal without a file type.
        for text in
            ["", "dark", "-755", "+755", "0x1ed", "rwxr-xr-x", "999999999999", "040755", "16877", "120777", "493"]
        {
            assert_eq!(mode(&[("mode", text)]), None, "{text}");
        }
    }
}
