//! The key of the checksums over configs and secrets that labels show: without it nobody could tell from a label
//! whether a guess at a secret is right.

use std::io::Read;

use crate::{
    error::{Error, Result},
    host::files,
    paths::Paths,
    redact::Secret,
};

/// The key of this machine; a new one is made where there is none and `create` asks for one.
///
/// # Errors
/// It cannot be read or written.
pub(super) fn read(paths: &Paths, create: bool) -> Result<Secret<String>> {
    let path = paths.files_key();
    match std::fs::read_to_string(&path) {
        Ok(key) => return Ok(Secret::new(key)),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {}
        Err(err) => return Err(Error::io("read", &path, &err)),
    }
    if !create {
        return Ok(Secret::new(String::new()));
    }
    let source = std::path::Path::new("/dev/urandom");
    let mut bytes = [0; 32];
    let read = std::fs::File::open(source).and_then(|mut random| random.read_exact(&mut bytes));
    read.map_err(|err| Error::io("read", source, &err))?;
    let key = hex::encode(bytes);
    files::write_atomic(&path, key.as_bytes(), 0o600)?;
    Ok(Secret::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_when_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), dir.path(), dir.path());
        assert_eq!(read(&paths, false).unwrap().reveal(), "");
        let key = read(&paths, true).unwrap();
        assert_eq!(key.reveal().len(), 64);
        assert_eq!(read(&paths, true).unwrap(), key);
        assert_eq!(read(&paths, false).unwrap(), key);
    }
}
