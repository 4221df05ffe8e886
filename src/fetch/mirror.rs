//! A prefix or folder, whole, as one snapshot: listed, fetched by the listed `ETag`, and listed again until nothing
//! changed in between.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt as _, stream};

use super::{
    path,
    snapshot::{Content, File, Mode, Snapshot, Store},
};
use crate::{
    error::{Cause, Class, Error, Result},
    world::{ObjectEntry, ObjectRef, ObjectRequest, ObjectStore},
};

/// Most files of a project.
pub const MOST_FILES: usize = 10_000;
/// Most bytes of a project.
pub const MOST_BYTES: u64 = 1024 * 1024 * 1024;
/// Most bytes of one file.
pub const MOST_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Objects fetched at the same time.
const CONCURRENCY: usize = 8;
/// Objects over this are fetched one by one: they are held in memory.
const LARGE: u64 = 16 * 1024 * 1024;

/// One attempt to mirror a prefix. What was fetched before it failed is kept, so the next attempt goes on from there.
pub(super) async fn bucket(
    objects: &dyn ObjectStore,
    bucket: &str,
    prefix: &str,
    request: &ObjectRequest,
    store: &mut Store,
) -> Result<Snapshot> {
    let shown = format!("s3://{bucket}/{prefix}");
    let listing = objects.list(bucket, prefix, request, MOST_FILES).await?;
    let wanted = wanted(&shown, prefix, &listing)?;
    let mut files = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, entry) in &wanted {
        match store.cached(name, entry) {
            Some(file) => _ = files.insert(name.clone(), file),
            None => missing.push((name, *entry)),
        }
    }
    if missing.is_empty() {
        return store.finish(files);
    }
    let (large, small): (Vec<_>, Vec<_>) = missing.into_iter().partition(|(_, entry)| entry.size > LARGE);
    let mut failed: Option<Error> = None;
    for (batch, width) in [(small, CONCURRENCY), (large, 1)] {
        let mut arriving = stream::iter(batch)
            .map(|(name, entry)| async move { (name, entry, get(objects, bucket, entry, request).await) })
            .buffer_unordered(width);
        while let Some((name, entry, found)) = arriving.next().await {
            match found.and_then(|content| store.put_object(name, entry, &content)) {
                Ok(file) => _ = files.insert(name.clone(), file),
                Err(err) => failed = Some(graver(failed, err)),
            }
            // What can never succeed is not waited for.
            if failed.as_ref().is_some_and(|err| err.class == Class::Permanent) {
                break;
            }
        }
    }
    store.save()?;
    if let Some(err) = failed {
        return Err(err);
    }
    if objects.list(bucket, prefix, request, MOST_FILES).await? != listing {
        return Err(Error::new(Cause::SourceUnreachable, format!("{shown} changed while it was read")).transient());
    }
    store.finish(files)
}

async fn get(objects: &dyn ObjectStore, bucket: &str, entry: &ObjectEntry, request: &ObjectRequest) -> Result<Content> {
    let object = ObjectRef { bucket: bucket.to_owned(), key: entry.key.clone(), version: None };
    let etag = Some(entry.etag.clone()).filter(|etag| !etag.is_empty());
    let request = ObjectRequest { etag, limit: MOST_FILE_BYTES, ..request.clone() };
    let found = objects.get(&object, &request).await.map_err(|err| match err.cause {
        // It was listed a moment ago: the prefix is being changed, and is listed again.
        Cause::SourceNotFound => Error { class: Class::Transient, cause: Cause::SourceUnreachable, ..err },
        _ => err,
    })?;
    if found.body.len() as u64 == entry.size {
        return Ok(found.into());
    }
    let message = format!("s3://{bucket}/{} has {} bytes, listed were {}", entry.key, found.body.len(), entry.size);
    Err(Error::new(Cause::SourceUnreachable, message).transient())
}

/// The error that decides: one that no other try can mend.
fn graver(known: Option<Error>, new: Error) -> Error {
    match known {
        Some(known) if new.class != Class::Permanent => known,
        _ => new,
    }
}

/// Names and entries of the files to mirror.
fn wanted<'a>(shown: &str, prefix: &str, listing: &'a [ObjectEntry]) -> Result<BTreeMap<String, &'a ObjectEntry>> {
    let names = path::names(prefix, listing.iter().map(|entry| entry.key.as_str()))?;
    let by_key: BTreeMap<&str, &ObjectEntry> = listing.iter().map(|entry| (entry.key.as_str(), entry)).collect();
    let wanted: BTreeMap<String, &ObjectEntry> =
        names.into_iter().filter_map(|(name, key)| Some((name, *by_key.get(key.as_str())?))).collect();
    if wanted.is_empty() {
        return Err(Error::new(Cause::SourceNotFound, format!("{shown} holds no objects"))
            .hint("check bucket and prefix; a prefix ends in a slash"));
    }
    bounded(shown, wanted.iter().map(|(name, entry)| (name.as_str(), entry.size)))?;
    Ok(wanted)
}

fn bounded<'a>(shown: &str, files: impl Iterator<Item = (&'a str, u64)>) -> Result<()> {
    let too_large = |what: String| {
        Err(Error::new(Cause::SourceTooLarge, what).hint("keep data out of the project, or name a smaller prefix"))
    };
    let (mut count, mut total) = (0_usize, 0_u64);
    for (name, size) in files {
        count += 1;
        total = total.saturating_add(size);
        if size > MOST_FILE_BYTES {
            return too_large(format!("{shown}: {name} has {size} bytes, the limit is {MOST_FILE_BYTES}"));
        }
    }
    if count > MOST_FILES {
        return too_large(format!("{shown} holds {count} files, the limit is {MOST_FILES}"));
    }
    if total > MOST_BYTES {
        return too_large(format!("{shown} holds {total} bytes, the limit is {MOST_BYTES}"));
    }
    Ok(())
}

/// A folder of this machine. Links are followed where they stay inside it.
pub(super) fn folder(root: &Path, store: &mut Store) -> Result<Snapshot> {
    let shown = format!("file://{}/", root.display());
    let root = root.canonicalize().map_err(|err| super::file::failed(root, &err))?;
    let mut found: BTreeMap<String, (PathBuf, std::fs::Metadata)> = BTreeMap::new();
    let mut open = vec![(root.clone(), String::new(), 0)];
    while let Some((dir, prefix, depth)) = open.pop() {
        for entry in std::fs::read_dir(&dir).map_err(|err| super::file::failed(&dir, &err))? {
            let path = entry.map_err(|err| super::file::failed(&dir, &err))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                return Err(Error::new(Cause::SourceRefused, format!("the name of {} is not UTF-8", path.display())));
            };
            let name = format!("{prefix}{name}");
            let real = path.canonicalize().map_err(|err| super::file::failed(&path, &err))?;
            let meta = std::fs::metadata(&real).map_err(|err| super::file::failed(&path, &err))?;
            if !real.starts_with(&root) || depth > 64 || !(meta.is_dir() || meta.is_file()) {
                let message = format!("{} leads out of the folder, or is no file", path.display());
                return Err(Error::new(Cause::SourceRefused, message));
            }
            if meta.is_dir() {
                open.push((path.clone(), format!("{name}/"), depth + 1));
            } else if let Entry::Vacant(slot) = found.entry(name) {
                slot.insert((real, meta));
            }
            if found.len() > MOST_FILES {
                return Err(Error::new(Cause::SourceTooLarge, format!("{shown} holds more than {MOST_FILES} files")));
            }
        }
    }
    bounded(&shown, found.iter().map(|(name, (_, meta))| (name.as_str(), meta.len())))?;
    path::names("", found.keys().map(String::as_str))?;
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    for (name, (real, meta)) in found {
        let bytes = super::file::read_now(&real, MOST_FILE_BYTES)?;
        let mode = Mode::Copied(meta.permissions().mode() & 0o777);
        let file = store.put(&name, &Content { bytes, mode })?;
        files.insert(name, file);
    }
    if files.is_empty() {
        return Err(Error::new(Cause::SourceNotFound, format!("{shown} holds no files")));
    }
    store.finish(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_bounded_in_files_in_bytes_and_in_each_file() {
        let check = |files: usize, size: u64| bounded("s3://bucket/app/", std::iter::repeat_n(("a", size), files));
        for (files, size, fits) in [
            (MOST_FILES, 0, true),
            (MOST_FILES + 1, 0, false),
            (1, MOST_FILE_BYTES, true),
            (1, MOST_FILE_BYTES + 1, false),
            (4, MOST_BYTES / 4, true),
            (5, MOST_BYTES / 4, false),
            (2, u64::MAX, false),
        ] {
            match check(files, size) {
                Ok(()) => assert!(fits, "{files} files of {size} bytes"),
                Err(err) => {
                    assert!(!fits && err.cause == Cause::SourceTooLarge, "{files} files of {size} bytes: {err}");
                }
            }
        }
    }

    #[test]
    fn a_folder_of_this_machine_is_bounded_too() {
        let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let large = std::fs::File::create(dir.path().join("large")).unwrap();
        large.set_len(MOST_FILE_BYTES + 1).unwrap();
        let paths = crate::paths::Paths::new(state.path(), "/x", "/x");
        let source = crate::settings::Source::Folder { path: dir.path().to_owned() };
        let err = folder(dir.path(), &mut Store::open(&paths, &source).unwrap()).unwrap_err();
        assert_eq!(err.cause, Cause::SourceTooLarge, "{err}");
        std::fs::remove_file(dir.path().join("large")).unwrap();
        // A pipe or a device would never end.
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let err = folder(dir.path(), &mut Store::open(&paths, &source).unwrap()).unwrap_err();
        assert_eq!(err.cause, Cause::SourceRefused, "{err}");
    }
}
