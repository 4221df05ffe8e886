//! Files of this machine as sources.

use std::{io, path::Path};

use crate::{
    error::{Cause, Error, Result},
    host::files,
    world::Host,
};

/// Reads a file whole, on a thread of its own: a mount whose server is gone must hold neither the deadline of the run nor
/// its end by a signal.
pub(super) async fn read(host: &dyn Host, path: &Path, limit: u64) -> Result<Vec<u8>> {
    apart(host, path, move |path| read_now(path, limit)).await
}

/// Reads a file whole, here and now.
pub(super) fn read_now(path: &Path, limit: u64) -> Result<Vec<u8>> {
    files::read_regular(path, limit).map_err(|err| failed(path, &err))
}

/// Runs `work` on such a thread.
pub(super) async fn apart<T: Send + 'static>(
    host: &dyn Host,
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, result) = std::sync::mpsc::channel();
    let owned = path.to_owned();
    let send = move || {
        // Whoever has stopped waiting needs no result.
        let _ = sender.send(work(&owned));
    };
    host.apart(Box::new(send)).await;
    result.try_recv().unwrap_or_else(|err| Err(failed(path, &io::Error::other(err))))
}

/// The error of a source that could not be read.
pub(super) fn failed(path: &Path, err: &io::Error) -> Error {
    let cause = match err.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Cause::SourceNotFound,
        io::ErrorKind::PermissionDenied => Cause::SourceDenied,
        io::ErrorKind::FileTooLarge => Cause::SourceTooLarge,
        io::ErrorKind::InvalidInput => Cause::SourceRefused,
        _ => Cause::SourceUnreachable,
    };
    Error::new(cause, format!("could not read {}: {err}", path.display()))
}
