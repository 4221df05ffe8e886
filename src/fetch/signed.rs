//! Where keys are configured, nothing that they did not sign has any effect: a single file has its signature beside
//! it, a folder has a signed list of all its files.

use super::{Source, serials, signature, snapshot::Snapshot, sums, verify::sha256};
use crate::{
    error::{Cause, Class, Error, Result},
    settings::Trust,
};

/// Where the signature of a single file lies: beside it. The newest one is asked for, also for an older version.
pub(super) fn beside(source: &Source) -> Source {
    let mut found = unpinned(source);
    match &mut found {
        Source::Object { key, .. } => key.push_str(signature::SUFFIX),
        Source::Web { url, .. } => url.set_path(&format!("{}{}", url.path(), signature::SUFFIX)),
        Source::File { path, .. } => path.as_mut_os_string().push(signature::SUFFIX),
        Source::Prefix { .. } | Source::Folder { .. } => {}
    }
    found
}

/// What a single file is known by: no version, pin or query is part of it.
fn address(source: &Source) -> String {
    match unpinned(source) {
        Source::Web { mut url, .. } => {
            url.set_query(None);
            url.into()
        }
        other => other.to_string(),
    }
}

fn unpinned(source: &Source) -> Source {
    match source.clone() {
        Source::Object { bucket, key, .. } => Source::Object { bucket, key, version: None, sha256: None },
        Source::Web { url, .. } => Source::Web { url, sha256: None },
        Source::File { path, .. } => Source::File { path, sha256: None },
        folder => folder,
    }
}

/// Accepts a single file, or refuses it.
pub(super) fn file(trust: &Trust, source: &Source, bytes: &[u8], signature: Result<Vec<u8>>) -> Result<()> {
    let address = address(source);
    let signature = signature.map_err(|err| match err.cause {
        Cause::SourceNotFound => missing(&address),
        // The file itself could be read: where a role may not list the bucket, S3 says this of what is not there.
        Cause::SourceDenied => Error { cause: Cause::SignatureMissing, class: Class::Permanent, ..err },
        // So large that it is none.
        Cause::SourceTooLarge => Error { cause: Cause::SignatureInvalid, ..err },
        _ => err,
    })?;
    let serial = signature::verify(&trust.keys, &address, bytes, &signature)?;
    serials::accept(&trust.serials, &address, serial, &sha256(bytes))
}

/// Accepts a folder, or refuses it; without keys every folder is accepted.
pub(super) fn folder(trust: &Trust, source: &Source, snapshot: Snapshot) -> Result<Snapshot> {
    if trust.keys.is_empty() {
        return Ok(snapshot);
    }
    let shown = source.to_string();
    let address = format!("{}/{}", shown.strip_suffix('/').unwrap_or(&shown), sums::NAME);
    let (Some(list), Some(signature)) = (snapshot.read(sums::NAME)?, snapshot.read(&sums::signature_name())?) else {
        return Err(missing(&address));
    };
    let serial = signature::verify(&trust.keys, &address, &list, &signature)?;
    sums::check(&address, &list, &snapshot.files)?;
    serials::accept(&trust.serials, &address, serial, &sha256(&list))?;
    Ok(snapshot)
}

fn missing(address: &str) -> Error {
    let name = address.rsplit('/').next().unwrap_or_default();
    let list = if name == sums::NAME { "list all files with sha256sum, " } else { "" };
    Error::new(Cause::SignatureMissing, format!("{address} is not there with a signature, and a key is configured"))
        .need(format!("{address}{}", signature::SUFFIX))
        .hint(format!("{list}sign it (minisign -Sm {name}) and put both where they are looked for"))
}
