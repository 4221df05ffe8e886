//! Checksums. A pin is compared before anything else looks at the bytes.

use sha2::{Digest, Sha256};

use crate::{
    error::{Cause, Error, Result},
    settings::Source,
};

/// The checksum of some bytes, as 64 lower-case hex digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Compares the bytes of a source with its pin.
///
/// # Errors
/// `checksum-mismatch`, naming both sums.
pub(super) fn pinned(source: &Source, bytes: &[u8]) -> Result<()> {
    let found = sha256(bytes);
    match source.pin() {
        Some(pin) if pin != found => Err(Error::new(
            Cause::ChecksumMismatch,
            format!("{source} has sha256 {found}, which is not the pinned one ({} bytes)", bytes.len()),
        )
        .hint("the content changed after it was pinned: check who changed it, then pin the new sum")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_holds_for_exactly_its_bytes() {
        let pin = sha256(b"#!/bin/sh\n");
        let source = Source::parse(&format!("s3://bucket/x.sh#sha256={}", pin.to_uppercase())).unwrap();
        pinned(&source, b"#!/bin/sh\n").unwrap();
        let err = pinned(&source, b"#!/bin/sh\nrm").unwrap_err();
        assert_eq!(err.cause, Cause::ChecksumMismatch);
        assert!(err.message.contains(&pin) && err.message.contains(&sha256(b"#!/bin/sh\nrm")), "{err}");
    }
}
