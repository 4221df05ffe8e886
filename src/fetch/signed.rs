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

/// The release that a signed file belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// The address of the file.
    file: String,
    /// None if its signature names no release.
    pub(super) id: Option<String>,
}

impl Release {
    /// Refuses a file of another release than this one. Signing times tell nothing here: a file that has not changed since
    /// may have kept its signature.
    fn check(&self, address: &str, id: Option<&str>) -> Result<()> {
        if self.id.as_deref() == id {
            return Ok(());
        }
        let of = |id: Option<&str>| id.map_or_else(|| "no release".to_owned(), |id| format!("release {id:?}"));
        let message = format!(
            "{address}{} is of {}, and that of {} is of {}",
            signature::SUFFIX,
            of(id),
            self.file,
            of(self.id.as_deref())
        );
        Err(Error::new(Cause::SignatureInvalid, message)
            .need(format!("a signature of {address} of {}", of(self.id.as_deref())))
            .hint("sign all files of a release with the same `release:` in the trusted comment, unchanged ones too"))
    }

    /// A warning about what is fetched from beside this file, if nothing binds it.
    pub(super) fn warning(&self) -> Option<String> {
        self.id.is_none().then(|| {
            format!(
                "the signature of {} names no release: files that it names may come from another release that was signed; \
                 sign all of them with the same `release:` in the trusted comment",
                self.file
            )
        })
    }
}

/// Accepts a single file, or refuses it; `of` is the release that it must belong to. Its own release.
pub(super) fn file(
    trust: &Trust,
    source: &Source,
    bytes: &[u8],
    signature: Result<Vec<u8>>,
    of: Option<&Release>,
) -> Result<Release> {
    let address = address(source);
    let signature = signature.map_err(|err| match err.cause {
        Cause::SourceNotFound => missing(&address),
        // The file itself could be read: where a role may not list the bucket, S3 says this of what is not there.
        Cause::SourceDenied => Error { cause: Cause::SignatureMissing, class: Class::Permanent, ..err },
        // So large that it is none.
        Cause::SourceTooLarge => Error { cause: Cause::SignatureInvalid, ..err },
        _ => err,
    })?;
    let statement = signature::statement(&trust.keys, &address, bytes, &signature)?;
    if let Some(release) = of {
        release.check(&address, statement.release.as_deref())?;
    }
    serials::accept(&trust.serials, &address, statement.serial, &sha256(bytes))?;
    Ok(Release { file: address, id: statement.release })
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
