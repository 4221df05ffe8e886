//! Fetch: brings the source here, and tells by its content what it is.

mod beside;
mod content;
mod executable;
mod file;
pub mod https;
pub mod kept;
mod mirror;
mod path;
pub mod project;
mod serials;
pub mod signature;
mod signed;
mod snapshot;
mod sums;
mod verify;

use std::{path::Path, time::Duration};

pub use beside::Beside;
pub use content::{Kind, recognise};
pub use mirror::{MOST_BYTES, MOST_FILE_BYTES, MOST_FILES};
pub use path::{beside as relative_to_compose_file, relative};
pub use snapshot::{Content, File, Mode, Snapshot, of_files};
pub use verify::sha256;

use signed::Release;

pub use crate::settings::Source;
use crate::{
    error::{Cause, Error, Result},
    facts::Facts,
    paths::Paths,
    retry::{Policy, Retry},
    settings::{Input, Trust},
    world::{ObjectRef, ObjectRequest, World},
};

/// Most bytes of a single script or compose file.
pub const MOST_SOURCE_BYTES: u64 = 16 * 1024 * 1024;
/// Most bytes of a value: a variable, a registry login, a file that a compose file names.
pub const MOST_VALUE_BYTES: u64 = 16 * 1024 * 1024;

/// Requests whose bodies may be large: connect, first byte and silence are bounded by the clients, the whole by the
/// deadline of the run.
/// Longest time for a look at what else the source could be.
const LOOK: Duration = Duration::from_secs(60);

const CONTENT: Policy = Policy::SERVICE.attempt_timeout(None);

/// A fetched source.
#[derive(Clone)]
pub enum Fetched {
    /// A stage-two script.
    Script {
        /// Last part of its name.
        name: String,
        /// Content.
        bytes: Vec<u8>,
        /// Checksum of the content.
        sha256: String,
    },
    /// A single compose file.
    Compose {
        /// Last part of its name.
        name: String,
        /// Content.
        bytes: Vec<u8>,
        /// Checksum of the content.
        sha256: String,
        /// Where what it names is fetched from.
        beside: Beside,
    },
    /// A project folder.
    Prefix(Snapshot),
}

/// Fetches the source of a run.
///
/// # Errors
/// `source-*`, `checksum-mismatch`, `owner-mismatch`, `signature-*`, `rollback`, `credentials-missing`; `io` and
/// `disk-full` of the cache.
pub async fn fetch(world: &World, retry: &Retry, input: &Input, facts: &Facts, paths: &Paths) -> Result<Fetched> {
    let trust = &input.trust;
    let origin = Origin { world, retry, facts, trust };
    let source = &input.source;
    let folder = async |path: &Path| {
        let mut store = snapshot::Store::open(paths, source)?;
        let mirror = file::apart(&*world.host, path, move |path| mirror::folder(path, &mut store));
        let snapshot = retry.bounded(&format!("read {source}"), None, mirror).await.map_err(unreachable)?;
        signed::folder(trust, source, snapshot).map(Fetched::Prefix)
    };
    match source {
        Source::Prefix { bucket, prefix } => {
            let mut store = snapshot::Store::open(paths, source)?;
            if !trust.keys.is_empty() {
                store = store.without_declared_modes();
            }
            let request = origin.request(MOST_FILE_BYTES);
            let what = format!("mirror {source}");
            let found = retry.run(&what, CONTENT, async |_| {
                let found = mirror::bucket(&*world.objects, bucket, prefix, &request, &mut store).await;
                found.map_err(|err| facts.explain(err))
            });
            let snapshot = found.await.map_err(unreachable)?;
            signed::folder(trust, source, snapshot).map(Fetched::Prefix)
        }
        Source::Folder { path } => folder(path).await,
        Source::File { path, sha256 } if path.is_dir() => {
            if sha256.is_some() {
                return Err(Error::new(
                    Cause::SourceRefused,
                    format!("{} is a folder: it cannot carry sha256", path.display()),
                ));
            }
            folder(path).await
        }
        Source::Object { .. } | Source::Web { .. } | Source::File { .. } => {
            let (bytes, release) = match origin.signed(source, MOST_SOURCE_BYTES).await {
                Ok(signed) => signed,
                Err(err) => return Err(origin.with_slash(source, err).await),
            };
            let (name, sha256) = (source.last_part(), sha256(&bytes));
            match recognise(&source.to_string(), &bytes)? {
                Kind::Script => Ok(Fetched::Script { name, bytes, sha256 }),
                Kind::Compose => {
                    let beside = Beside::new((world, retry), source, facts, trust, release);
                    Ok(Fetched::Compose { name, bytes, sha256, beside })
                }
            }
        }
    }
}

/// Fetches a value that a manifest names by `s3://` or `file://`, whole. Where keys are configured, an object has to be
/// signed or pinned; a file of this host is root's own already.
///
/// # Errors
/// As [`fetch`]; `source-refused` for anything but a single `s3://` object or file.
pub async fn value(world: &World, retry: &Retry, uri: &str, facts: &Facts, trust: &Trust) -> Result<Vec<u8>> {
    whole(world, retry, uri, facts, trust, MOST_VALUE_BYTES).await
}

/// Fetches an archive that a manifest names by `s3://` or `file://`, whole.
///
/// # Errors
/// As [`value`].
pub async fn archive(world: &World, retry: &Retry, uri: &str, facts: &Facts, trust: &Trust) -> Result<Vec<u8>> {
    whole(world, retry, uri, facts, trust, MOST_FILE_BYTES).await
}

async fn whole(world: &World, retry: &Retry, uri: &str, facts: &Facts, trust: &Trust, limit: u64) -> Result<Vec<u8>> {
    let source = Source::parse(uri)?;
    if !matches!(source, Source::Object { .. } | Source::File { .. }) {
        let message = format!("{source} cannot be a value: it is not a single s3:// object or file");
        return Err(Error::new(Cause::SourceRefused, message));
    }
    let origin = Origin { world, retry, facts, trust };
    if source.pin().is_some() || matches!(source, Source::File { .. }) {
        return origin.pinned(&source, limit).await;
    }
    Ok(origin.signed(&source, limit).await?.0)
}

/// Who asks, and what is accepted.
struct Origin<'a> {
    world: &'a World,
    retry: &'a Retry,
    facts: &'a Facts,
    trust: &'a Trust,
}

impl Origin<'_> {
    fn request(&self, limit: u64) -> ObjectRequest {
        ObjectRequest { region: Some(self.facts.region.clone()), owners: self.trust.owners.clone(), etag: None, limit }
    }

    /// An object that is not found may be a prefix without its slash: a look at what is below it.
    async fn with_slash(&self, source: &Source, err: Error) -> Error {
        let Source::Object { bucket, key, version: None, .. } = source else { return err };
        if !matches!(err.cause, Cause::SourceNotFound | Cause::SourceDenied) {
            return err;
        }
        let below = format!("{key}/");
        let request = self.request(MOST_FILE_BYTES);
        let list = self.world.objects.list(bucket, &below, &request, mirror::MOST_FILES);
        let found = self.retry.bounded("look below the source", Some(LOOK), list).await;
        match found.as_deref() {
            // Too many to list are some.
            Err(Error { cause: Cause::SourceRefused, .. }) | Ok([_, ..]) => {
                let message = format!("{}; s3://{bucket}/{below} is a prefix with objects", err.message);
                Error { message, ..err }.hint(format!("write the source with its slash: s3://{bucket}/{below}"))
            }
            _ => err,
        }
    }

    /// A single file, with the signature that the keys ask for; then the release that it belongs to.
    async fn signed(&self, source: &Source, limit: u64) -> Result<(Vec<u8>, Option<Release>)> {
        let (content, release) = self.signed_of(source, limit, None).await?;
        Ok((content.bytes, release))
    }

    /// The same of a file that must belong to a release, with its mode, unless the keys ask for a signature: it does not
    /// cover metadata.
    async fn signed_of(&self, source: &Source, limit: u64, of: Option<&Release>) -> Result<(Content, Option<Release>)> {
        let content = self.content(source, limit).await?;
        verify::pinned(source, &content.bytes)?;
        if self.trust.keys.is_empty() {
            return Ok((content, None));
        }
        let signature = self.content(&signed::beside(source), signature::MOST_BYTES).await;
        let release = signed::file(self.trust, source, &content.bytes, signature.map(|found| found.bytes), of)?;
        Ok((content.bytes.into(), Some(release)))
    }

    /// A single file, with the checksum that its pin asks for.
    async fn pinned(&self, source: &Source, limit: u64) -> Result<Vec<u8>> {
        let Content { bytes, .. } = self.content(source, limit).await?;
        verify::pinned(source, &bytes)?;
        Ok(bytes)
    }

    async fn content(&self, source: &Source, limit: u64) -> Result<Content> {
        let what = format!("fetch {source}");
        let request = self.request(limit);
        let found = self.retry.run(&what, CONTENT, async |_| match source {
            Source::Object { bucket, key, version, .. } => {
                let object = ObjectRef { bucket: bucket.clone(), key: key.clone(), version: version.clone() };
                let found = self.world.objects.get(&object, &request).await;
                found.map(Content::from).map_err(|err| self.facts.explain(err))
            }
            Source::Web { url, .. } => self.world.web.get(url, limit).await.map(Content::from),
            Source::File { path, .. } => file::read(&*self.world.host, path, limit).await.map(Content::from),
            Source::Prefix { .. } | Source::Folder { .. } => {
                Err(Error::new(Cause::SourceRefused, format!("{source} is a folder, not a single file")))
            }
        });
        found.await.map_err(unreachable)
    }
}

fn unreachable(err: Error) -> Error {
    err.instead_of_deadline(Cause::SourceUnreachable)
}

#[cfg(test)]
mod tests;
