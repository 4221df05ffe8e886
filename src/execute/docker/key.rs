//! The keys that Docker signs its repositories with, known by their fingerprints.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

use crate::error::{Cause, Error, Result};

/// The key of the repositories for apt, as docs.docker.com names it.
pub(super) const APT: &str = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";

/// The key of the repositories for dnf, as docs.docker.com names it.
pub(super) const RPM: &str = "060A61C51B558A7F742B77AAC52FEB6B621E9F35";

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The tag of a packet that is a primary key (RFC 9580, 5).
const PUBLIC_KEY: u8 = 6;

/// Refuses a file of keys that has any other key than the one with this fingerprint. Subkeys and dates may change: they
/// are signed by that key.
///
/// # Errors
/// `signature-invalid`, naming the address and what was found.
pub(super) fn verify(text: &[u8], wanted: &str, url: &str) -> Result<()> {
    let found = fingerprints(text).unwrap_or_default();
    if !found.is_empty() && found.iter().all(|one| one == wanted) {
        return Ok(());
    }
    let found = if found.is_empty() { "no key".to_owned() } else { format!("the key {}", found.join(", ")) };
    let message = format!("could not trust the key of docker's repository at {url}: it is {found}, not {wanted}");
    Err(Error::new(Cause::SignatureInvalid, message)
        .hint("see what stands between this machine and download.docker.com, a proxy that opens TLS for one"))
}

/// Fingerprints of the primary keys in an armored file; none if it is not one.
fn fingerprints(text: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut all = Vec::new();
    for block in text.split(BEGIN).skip(1) {
        let body = block.split_once(END)?.0.replace('\r', "");
        // Headers end with an empty line, the data with a checksum.
        let data = body.split_once("\n\n").map_or(body.as_str(), |(_, data)| data);
        let lines = data.lines().map(str::trim).filter(|line| !line.starts_with('='));
        let mut rest = &STANDARD.decode(lines.collect::<String>()).ok()?[..];
        while let Some((tag, packet, after)) = packet(rest) {
            if tag == PUBLIC_KEY {
                all.push(fingerprint(packet)?);
            }
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(all)
}

/// Of version 4: SHA-1 over the packet, with a header of a fixed form (RFC 9580, 5.5.4.2).
fn fingerprint(packet: &[u8]) -> Option<String> {
    let length = u16::try_from(packet.len()).ok().filter(|_| packet.first() == Some(&4))?;
    let digest = Sha1::new().chain_update([0x99]).chain_update(length.to_be_bytes()).chain_update(packet).finalize();
    Some(hex::encode_upper(digest))
}

/// The tag and the body of the first packet, and what is behind it; none at the end and for what is no packet.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&head, rest) = bytes.split_first()?;
    if head & 0x80 == 0 {
        return None;
    }
    let old = head & 0x40 == 0;
    let tag = if old { (head >> 2) & 0x0f } else { head & 0x3f };
    let first = usize::from(*rest.first()?);
    let number = |from: usize, count: usize| {
        Some(rest.get(from..from + count)?.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (size, length): (usize, usize) = match (old, head & 3, first) {
        (true, 0, _) => (1, first),
        (true, 1, _) => (2, number(0, 2)?),
        (true, 2, _) => (4, number(0, 4)?),
        (false, _, 0..192) => (1, first),
        (false, _, 192..224) => (2, ((first - 192) << 8) + number(1, 1)? + 192),
        (false, _, 255) => (5, number(1, 4)?),
        // Lengths that are not known before: no key has one.
        _ => return None,
    };
    let end = size.checked_add(length)?;
    Some((tag, rest.get(size..end)?, rest.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that was made for this test.
    const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawvPMBYJKwYBBAHaRw8BAQdACCV5T5jNOygZq98Tb0w2nQfS7nXKOvo5kfGD
UJCvxz60FXRlc3QgPHRlc3RAbG9jYWxob3N0PoiQBBMWCAA4FiEEhuSaGXfcX1s6
tJbTuNb8QMoU2nkFAmsLzzACGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ
uNb8QMoU2nlBkwEAnnw8FudZMhci/h4i9+wbAgCLsnYmLE7XYlRAjIEvL1UA/0qc
bxevx0lrnQr7nR3AuAOpAk4VqbFGXOKTi7kgQC4A
=P2P6
-----END PGP PUBLIC KEY BLOCK-----
";
    const FINGERPRINT: &str = "86E49A1977DC5F5B3AB496D3B8D6FC40CA14DA79";

    #[test]
    fn fingerprint_is_that_of_gpg() {
        assert_eq!(fingerprints(KEY.as_bytes()).unwrap(), [FINGERPRINT]);
        assert!(verify(KEY.as_bytes(), FINGERPRINT, "https://x").is_ok());
        assert!(verify(KEY.replace('\n', "\r\n").as_bytes(), FINGERPRINT, "https://x").is_ok());
    }

    #[test]
    fn another_key_is_refused() {
        let err = verify(KEY.as_bytes(), APT, "https://x/gpg").unwrap_err();
        assert!(err.message.contains(FINGERPRINT) && err.message.contains("https://x/gpg"), "{err}");
        for text in ["", "hello", &KEY[..200], &KEY.replace("mDME", "AAAA")] {
            assert!(
                verify(text.as_bytes(), FINGERPRINT, "https://x").unwrap_err().message.contains("no key"),
                "{text}"
            );
        }
        let two = format!("{KEY}{}", KEY.replace("CCV5", "CCV6"));
        assert!(verify(two.as_bytes(), FINGERPRINT, "https://x").is_err(), "a further key is not trusted either");
    }
}
