//! What a single compose file names relative to itself is fetched from beside it.

use std::{cell::Cell, os::unix::fs::PermissionsExt as _, path::PathBuf, rc::Rc};

use tracing::warn;
use url::Url;

use super::{
    CONTENT, Content, MOST_VALUE_BYTES, Mode, Origin, Release, Snapshot, Source, mirror::MOST_FILES, path, signature,
    unreachable,
};
use crate::{
    error::{Cause, Error, Result},
    facts::Facts,
    redact,
    retry::Retry,
    settings::Trust,
    world::World,
};

/// The folder that a single compose file was fetched from.
#[derive(Clone)]
pub struct Beside(Rc<Inner>);

struct Inner {
    world: World,
    retry: Retry,
    facts: Facts,
    trust: Trust,
    base: Base,
    /// What the signature of the compose file says, if one was asked for.
    release: Option<Release>,
    warned: Cell<bool>,
}

enum Base {
    Bucket {
        bucket: String,
        prefix: String,
    },
    Web(Url),
    Folder(PathBuf),
    /// What an earlier run fetched from there, when its project was ready.
    Kept(Snapshot),
}

impl Beside {
    pub(super) fn new(
        outside: (&World, &Retry),
        source: &Source,
        facts: &Facts,
        trust: &Trust,
        release: Option<Release>,
    ) -> Self {
        let base = match source {
            Source::Object { bucket, key, .. } => {
                let folder = key.rfind('/').map_or("", |at| &key[..=at]);
                Base::Bucket { bucket: bucket.clone(), prefix: folder.to_owned() }
            }
            Source::Prefix { bucket, prefix } => Base::Bucket { bucket: bucket.clone(), prefix: prefix.clone() },
            Source::Web { url, .. } => Base::Web(url.clone()),
            Source::File { path, .. } => Base::Folder(path.parent().map_or_else(|| PathBuf::from("/"), PathBuf::from)),
            Source::Folder { path } => Base::Folder(path.clone()),
        };
        Self::at(base, outside, facts, trust, release)
    }

    /// The folder as it was kept.
    pub(super) fn kept(snapshot: Snapshot, world: &World, retry: &Retry, facts: &Facts, trust: &Trust) -> Self {
        Self::at(Base::Kept(snapshot), (world, retry), facts, trust, None)
    }

    fn at(
        base: Base,
        (world, retry): (&World, &Retry),
        facts: &Facts,
        trust: &Trust,
        release: Option<Release>,
    ) -> Self {
        // The compose file itself was just read, so permissions have settled: a refusal here is an answer. Without
        // this, a file that is not there would cost a first boot a minute where the role may not list the bucket.
        Self(Rc::new(Inner {
            world: world.clone(),
            retry: retry.settled(),
            facts: facts.clone(),
            trust: trust.clone(),
            base,
            release,
            warned: Cell::default(),
        }))
    }

    /// The file at a path as the compose file writes it, `None` if there is none. Where a role may not list the
    /// bucket, S3 answers a missing key with 403, which is `source-denied` here.
    ///
    /// # Errors
    /// `source-refused` for a path that leaves the folder; else as for the source itself.
    pub async fn get(&self, relative: &str) -> Result<Option<Content>> {
        let name = path::beside(relative)?;
        let mut executable = false;
        let source = match &self.0.base {
            Base::Bucket { bucket, prefix } => {
                Source::Object { bucket: bucket.clone(), key: format!("{prefix}{name}"), version: None, sha256: None }
            }
            Base::Folder(dir) => {
                let path = dir.join(&name);
                match path.metadata() {
                    Ok(meta) if meta.is_dir() => return Ok(None),
                    Ok(meta) => executable = meta.permissions().mode() & 0o111 != 0,
                    Err(_) => {}
                }
                Source::File { path, sha256: None }
            }
            Base::Kept(snapshot) => return snapshot.read_with_mode(&name),
            Base::Web(url) => Source::Web { url: sibling(url, &name)?, sha256: None },
        };
        let signed = self.0.origin().signed_of(&source, MOST_VALUE_BYTES, self.0.release.as_ref()).await;
        match signed.map(|(content, _)| content).inspect(|_| self.warn()) {
            // Of a folder of this host only that is taken over: whoever wrote a file there need not be who reads it.
            Ok(content) if executable => Ok(Some(Content { mode: Mode::Copied(0o755), ..content })),
            Ok(content) => Ok(Some(content)),
            Err(err) if err.cause == Cause::SourceNotFound => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Warns once of files that nothing binds to their compose file.
    fn warn(&self) {
        if let Some(warning) = self.0.release.as_ref().and_then(Release::warning)
            && !self.0.warned.replace(true)
        {
            warn!("{warning}");
        }
    }

    /// Files below a folder, as paths relative to the compose file, sorted; empty where there is no such folder. Where
    /// keys are configured, signatures are not among them.
    ///
    /// # Errors
    /// `source-refused` for a path that leaves the folder, and on `https://`, where nothing can be listed.
    pub async fn list(&self, relative: &str) -> Result<Vec<String>> {
        let dir = match relative.trim_end_matches('/') {
            "" | "." => String::new(),
            other => format!("{}/", path::beside(other)?),
        };
        let mut names = match &self.0.base {
            Base::Bucket { bucket, prefix } => {
                let request = self.0.origin().request(0);
                let below = format!("{prefix}{dir}");
                let what = format!("list s3://{bucket}/{below}");
                let listing = self.0.retry.run(&what, CONTENT, async |_| {
                    let listing = self.0.world.objects.list(bucket, &below, &request, MOST_FILES).await;
                    listing.map_err(|err| self.0.facts.explain(err))
                });
                let listing = listing.await.map_err(unreachable)?;
                let names = path::names(prefix, listing.iter().map(|entry| entry.key.as_str()))?;
                names.into_keys().collect()
            }
            Base::Folder(root) => below(root, &dir),
            Base::Kept(snapshot) => snapshot.files.keys().filter(|path| path.starts_with(&dir)).cloned().collect(),
            Base::Web(url) => {
                return Err(Error::new(
                    Cause::SourceRefused,
                    format!("the folder {dir} beside {} cannot be listed over https", redact::url(url.as_str())),
                )
                .hint("use an s3:// source for a project with folders"));
            }
        };
        if !self.0.trust.keys.is_empty() {
            names.retain(|name| !name.ends_with(signature::SUFFIX));
        }
        Ok(names)
    }
}

impl Inner {
    fn origin(&self) -> Origin<'_> {
        Origin { world: &self.world, retry: &self.retry, facts: &self.facts, trust: &self.trust }
    }
}

/// The address of a file beside another one. A presigned query signs one file only, so it is not carried over.
fn sibling(url: &Url, name: &str) -> Result<Url> {
    let shown = redact::url(url.as_str());
    let mut found = url.clone();
    found.set_query(None);
    found.set_fragment(None);
    let opened = found.path_segments_mut().map(|mut segments| {
        segments.pop();
        segments.extend(name.split('/'));
    });
    opened.map_err(|()| Error::new(Cause::SourceRefused, format!("nothing lies beside {shown}")))?;
    Ok(found)
}

fn below(root: &std::path::Path, dir: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(root.join(&dir)).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(format!("{dir}{name}/")),
                Ok(_) => files.push(format!("{dir}{name}")),
                Err(_) => {}
            }
        }
    }
    files.sort();
    files
}
