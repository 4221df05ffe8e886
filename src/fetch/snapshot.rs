//! A project folder as it was at one moment, and the store that its content lies in.
//!
//! Content is kept under its checksum, so no name of a file can do harm here, an interrupted download is
//! continued, and what did not change is not fetched again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{executable::is_executable, verify::sha256};
use crate::{
    error::{Cause, Error, Result},
    host::files,
    paths::Paths,
    settings::Source,
    state_file,
    world::{Object, ObjectEntry},
};

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Checksum of its content.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Whether the metadata of the object or the manifest specifies the mode, so that it is put back if it was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declared: bool,
}

/// The mode of a file, as far as its source specifies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// It does not: what is executable is recognised by the content.
    #[default]
    Unknown,
    /// The mode of the file that was copied.
    Copied(u32),
    /// The mode in the metadata of the object.
    Declared(u32),
}

impl Mode {
    /// The mode of a file in a snapshot.
    fn of(file: &File) -> Self {
        if file.declared { Self::Declared(file.mode) } else { Self::Copied(file.mode) }
    }

    fn apply(self, file: &File) -> File {
        let mut file = file.clone();
        match self {
            Self::Unknown => {}
            Self::Copied(mode) => file.mode = mode,
            Self::Declared(mode) => (file.mode, file.declared) = (mode, true),
        }
        file
    }
}

/// Content that was fetched, with its mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The mode.
    pub mode: Mode,
}

impl From<Object> for Content {
    fn from(object: Object) -> Self {
        Self { bytes: object.body, mode: object.mode.map_or(Mode::Unknown, Mode::Declared) }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, mode: Mode::Unknown }
    }
}

/// A project folder as it was at one moment; its content lies in the store.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Files by their path relative to the project folder.
    pub files: BTreeMap<String, File>,
    pub(super) objects: PathBuf,
}

impl Snapshot {
    /// The content of a file, compared with its checksum; `None` if there is no such file.
    ///
    /// # Errors
    /// `io` where the store cannot be read or its content is not what it was.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.files.get(path).map(|file| self.content(file)).transpose()
    }

    /// The content and mode of a file.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub(super) fn read_with_mode(&self, path: &str) -> Result<Option<Content>> {
        let Some(file) = self.files.get(path) else { return Ok(None) };
        Ok(Some(Content { bytes: self.content(file)?, mode: Mode::of(file) }))
    }

    /// Declares the mode of a file.
    pub fn set_mode(&mut self, path: &str, mode: u32) {
        if let Some(file) = self.files.get_mut(path) {
            *file = Mode::Declared(mode).apply(file);
        }
    }

    /// A checksum over all paths, contents and modes: the same for the same project.
    pub fn digest(&self) -> String {
        let mut sum = Sha256::new();
        for (path, file) in &self.files {
            sum.update(format!("{path}\0{}\0{:o}\n", file.sha256, file.mode));
        }
        hex::encode(sum.finalize())
    }

    pub(super) fn content(&self, file: &File) -> Result<Vec<u8>> {
        let path = self.objects.join(&file.sha256);
        let bytes = std::fs::read(&path).map_err(|err| Error::io("read", &path, &err))?;
        if sha256(&bytes) == file.sha256 {
            return Ok(bytes);
        }
        // Removed, so that the next run fetches it again.
        let _ = std::fs::remove_file(&path);
        let message = format!("{} is damaged: its content does not have its checksum", path.display());
        Err(Error::new(Cause::Io, message).hint("run again: it is fetched anew; if it recurs, check the disk"))
    }
}

/// What was fetched for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cached {
    etag: String,
    /// When the object was last written; none of what version 0.1.0 fetched, which did not read metadata.
    #[serde(default)]
    modified: Option<i64>,
    /// The content, with the mode that it has by itself.
    file: File,
    #[serde(default)]
    mode: Mode,
}

/// Format of the index.
const FORMAT: u64 = 1;

#[derive(Default, Serialize, Deserialize)]
struct Index {
    /// Keys, relative to the prefix, with what was fetched for them.
    entries: BTreeMap<String, Cached>,
}

/// The folder that keeps the content of one source.
pub(super) struct Store {
    root: PathBuf,
    index: Index,
    /// Whether the index is another than the one on the disk.
    changed: bool,
    /// Whether modes in the metadata of objects count.
    declared_modes: bool,
}

impl Store {
    /// Opens the store of a source. An index that cannot be read costs a download, never a boot.
    pub(super) fn open(paths: &Paths, source: &Source) -> Result<Self> {
        let root = paths.cache.join(sha256(source.identity().as_bytes()));
        files::create_private(&root.join("objects"))?;
        let index = state_file::read_or_rebuild(&root.join("index.json"), FORMAT, "the source is fetched again");
        Ok(Self { root, index, changed: false, declared_modes: true })
    }

    /// Ignores modes in the metadata of objects, which no signature covers.
    pub(super) fn without_declared_modes(self) -> Self {
        Self { declared_modes: false, ..self }
    }

    /// What is here for an object in exactly this state.
    pub(super) fn cached(&self, name: &str, entry: &ObjectEntry) -> Option<File> {
        let ObjectEntry { etag, size, modified, .. } = entry;
        let same = |found: &&Cached| found.etag == *etag && found.file.size == *size && found.modified == *modified;
        let found = self.index.entries.get(name).filter(same)?;
        let there = std::fs::metadata(self.object(&found.file.sha256)).is_ok_and(|meta| meta.len() == *size);
        (there && !etag.is_empty()).then(|| self.file(found))
    }

    /// Keeps the content of an object, and returns its place in a snapshot.
    pub(super) fn put_object(&mut self, name: &str, entry: &ObjectEntry, content: &Content) -> Result<File> {
        self.add(name, (&entry.etag, entry.modified), content)
    }

    /// Keeps other content, and returns its place in a snapshot.
    pub(super) fn put(&mut self, name: &str, content: &Content) -> Result<File> {
        self.add(name, ("", None), content)
    }

    fn file(&self, cached: &Cached) -> File {
        match cached.mode {
            Mode::Declared(_) if !self.declared_modes => cached.file.clone(),
            mode => mode.apply(&cached.file),
        }
    }

    fn add(&mut self, name: &str, (etag, modified): (&str, Option<i64>), content: &Content) -> Result<File> {
        let Content { bytes, mode } = content;
        let own = if is_executable(bytes) { 0o755 } else { 0o644 };
        let file = File { sha256: sha256(bytes), size: bytes.len() as u64, mode: own, declared: false };
        let path = self.object(&file.sha256);
        if !std::fs::metadata(&path).is_ok_and(|meta| meta.len() == file.size) {
            files::write_atomic(&path, bytes, 0o600)?;
        }
        let cached = Cached { etag: etag.to_owned(), modified, file, mode: *mode };
        let file = self.file(&cached);
        if self.index.entries.get(name) != Some(&cached) {
            self.index.entries.insert(name.to_owned(), cached);
            self.changed = true;
        }
        Ok(file)
    }

    /// Writes the index, so that the next attempt or run need not fetch again.
    pub(super) fn save(&mut self) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let path = self.root.join("index.json");
        files::write_atomic(&path, &state_file::encode(&path, FORMAT, &self.index)?, 0o600)?;
        self.changed = false;
        Ok(())
    }

    /// Forgets what the snapshot does not hold, and removes content that nothing names any more.
    pub(super) fn finish(&mut self, files: BTreeMap<String, File>) -> Result<Snapshot> {
        let before = self.index.entries.len();
        self.index.entries.retain(|name, _| files.contains_key(name));
        self.changed |= self.index.entries.len() != before;
        self.save()?;
        let used: BTreeSet<&str> = self.index.entries.values().map(|cached| cached.file.sha256.as_str()).collect();
        let objects = self.root.join("objects");
        for entry in std::fs::read_dir(&objects).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_none_or(|name| !used.contains(name)) {
                // Only space is at stake.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(Snapshot { files, objects })
    }

    fn object(&self, sha256: &str) -> PathBuf {
        self.root.join("objects").join(sha256)
    }
}

/// Makes a snapshot of files that are at hand: a single compose file and what it named beside it.
///
/// # Errors
/// `source-refused` for a path that leaves the folder; `io` and `disk-full` of the store.
pub fn of_files<'a>(
    paths: &Paths,
    source: &Source,
    files: impl IntoIterator<Item = (&'a str, Content)>,
) -> Result<Snapshot> {
    let mut store = Store::open(paths, source)?;
    let files: Vec<(&str, Content)> = files.into_iter().collect();
    super::path::names("", files.iter().map(|(path, _)| *path))?;
    let mut kept = BTreeMap::new();
    for (path, content) in files {
        super::path::relative(path)?;
        kept.insert(path.to_owned(), store.put(path, &content)?);
    }
    store.finish(kept)
}
