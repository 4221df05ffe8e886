//! Files of this machine as sources.

use std::{io::Read as _, path::Path};

use crate::error::{Cause, Error, Result};

/// Reads a file whole.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|err| failed(path, &err))?;
    let mut bytes = Vec::new();
    // One byte over the limit tells a file that is too large from one that just fits.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|err| failed(path, &err))?;
    if bytes.len() as u64 > limit {
        let message = format!("could not read {}: it has more than {limit} bytes", path.display());
        return Err(Error::new(Cause::SourceTooLarge, message));
    }
    Ok(bytes)
}

/// The error of a source that could not be read.
pub(super) fn failed(path: &Path, err: &std::io::Error) -> Error {
    let cause = match err.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Cause::SourceNotFound,
        std::io::ErrorKind::PermissionDenied => Cause::SourceDenied,
        _ => Cause::SourceUnreachable,
    };
    Error::new(cause, format!("could not read {}: {err}", path.display()))
}
