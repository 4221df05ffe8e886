//! Where the project comes from: parsing and printing of the source setting. Pure.

use std::{fmt, path::PathBuf};

use super::nearest::nearest;
use crate::{
    error::{Cause, Error, Result},
    redact,
};

/// A source, parsed. Keys and paths are taken byte for byte: nothing in `s3://` and `file://` is percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `s3://bucket/key`, perhaps with `?versionId=` and `#sha256=`.
    Object {
        /// Bucket.
        bucket: String,
        /// Key, without a leading slash.
        key: String,
        /// Pinned version.
        version: Option<String>,
        /// Pinned checksum of the content, 64 lower-case hex digits.
        sha256: Option<String>,
    },
    /// `s3://bucket/prefix/`, `s3://bucket/` or `s3://bucket`: a project folder.
    Prefix {
        /// Bucket.
        bucket: String,
        /// Prefix: empty, or ending in a slash.
        prefix: String,
    },
    /// `https://…`
    Web {
        /// Address with its query, without the pin.
        url: url::Url,
        /// Pinned checksum.
        sha256: Option<String>,
    },
    /// `file:///path`; a folder if there is one of that name.
    File {
        /// Absolute path.
        path: PathBuf,
        /// Pinned checksum.
        sha256: Option<String>,
    },
    /// `file:///path/`: a project folder.
    Folder {
        /// Absolute path.
        path: PathBuf,
    },
}

const SCHEMES: [&str; 3] = ["s3", "https", "file"];
const FORMS: &str = "a source is s3://bucket/key, s3://bucket/prefix/, https://host/path or file:///path";

fn refused(message: String) -> Error {
    Error::new(Cause::SourceRefused, message)
}

impl Source {
    /// Reads a source as it stands in a flag, a variable or a tag.
    ///
    /// # Errors
    /// `source-refused`, with what is wrong and what is accepted.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(refused("the source is empty".to_owned()).hint(FORMS));
        }
        let shown = redact::url(text);
        if text.chars().any(char::is_control) {
            return Err(refused("the source contains control characters".to_owned()).hint(FORMS));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let err = refused(format!("source {shown} has no scheme"));
            return Err(if text.starts_with('/') {
                err.hint(format!("write file://{shown}"))
            } else {
                err.hint(FORMS)
            });
        };
        match scheme.to_ascii_lowercase().as_str() {
            "s3" => bucket_source(&shown, rest),
            "https" => web_source(&shown, text),
            "file" => file_source(&shown, rest),
            "http" => Err(refused(format!("source {shown} is not encrypted: anyone on the way could change it"))
                .hint("use https:// or s3://")),
            other => Err(refused(format!("source {shown} has an unknown scheme {other:?}"))
                .hint(nearest(other, SCHEMES).map_or_else(|| FORMS.to_owned(), |s| format!("did you mean {s}://?")))),
        }
    }

    /// The bucket, where there is one.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Object { bucket, .. } | Self::Prefix { bucket, .. } => Some(bucket),
            _ => None,
        }
    }

    /// The pinned checksum.
    pub fn pin(&self) -> Option<&str> {
        match self {
            Self::Object { sha256, .. } | Self::Web { sha256, .. } | Self::File { sha256, .. } => sha256.as_deref(),
            Self::Prefix { .. } | Self::Folder { .. } => None,
        }
    }

    /// Last part of the key, path or prefix: `app` for `s3://b/deploy/app/`, the bucket's name for a whole bucket.
    pub fn last_part(&self) -> String {
        let last = |text: &str| text.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let name = match self {
            Self::Object { key, .. } => last(key),
            Self::Prefix { prefix, .. } => last(prefix),
            Self::Web { url, .. } => last(url.path()),
            Self::File { path, .. } | Self::Folder { path } => last(&path.to_string_lossy()),
        };
        match (name.is_empty(), self.bucket()) {
            (true, Some(bucket)) => bucket.to_owned(),
            _ => name,
        }
    }

    /// The last part of the folder: of the prefix itself, or of the one that an object stands in. It names a project
    /// that has no name of its own.
    pub fn folder_name(&self) -> String {
        let parent = |text: &str| {
            let folder = text.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder);
            folder.rsplit('/').next().unwrap_or_default().to_owned()
        };
        let name = match self {
            Self::Object { key, .. } => parent(key),
            Self::Web { url, .. } => parent(url.path()),
            Self::File { path, .. } if !path.is_dir() => parent(&path.to_string_lossy()),
            _ => self.last_part(),
        };
        match (name.is_empty(), self) {
            (false, _) => name,
            (true, Self::Web { url, .. }) => url.host_str().unwrap_or_default().to_owned(),
            (true, _) => self.bucket().unwrap_or("root").to_owned(),
        }
    }

    /// Where the scripts of this source find what stands beside them: the folder of a prefix, or the bucket of an
    /// object, as `s3://…` without a slash at the end.
    pub fn bucket_url(&self) -> Option<String> {
        match self {
            Self::Object { bucket, .. } => Some(format!("s3://{bucket}")),
            Self::Prefix { bucket, prefix } => {
                let folder = prefix.trim_end_matches('/');
                let folder =
                    folder.strip_suffix("bootstrap").filter(|f| f.is_empty() || f.ends_with('/')).unwrap_or(folder);
                Some(format!("s3://{bucket}/{folder}").trim_end_matches('/').to_owned())
            }
            _ => None,
        }
    }

    /// The whole source as one text: the key under which caches and last-known-good keep it. It may hold the
    /// signature of a presigned address, so it is hashed before it is written anywhere.
    pub fn identity(&self) -> String {
        match self {
            Self::Web { url, .. } => format!("{url}{}", self.suffix()),
            _ => self.to_string(),
        }
    }

    fn suffix(&self) -> String {
        self.pin().map(|pin| format!("#sha256={pin}")).unwrap_or_default()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { bucket, key, version, .. } => {
                write!(f, "s3://{bucket}/{key}")?;
                if let Some(version) = version {
                    write!(f, "?versionId={version}")?;
                }
            }
            Self::Prefix { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}")?,
            Self::Web { url, .. } => f.write_str(&redact::url(url.as_str()))?,
            Self::File { path, .. } => write!(f, "file://{}", path.display())?,
            Self::Folder { path } => write!(f, "file://{}/", path.display().to_string().trim_end_matches('/'))?,
        }
        f.write_str(&self.suffix())
    }
}

fn bucket_source(shown: &str, rest: &str) -> Result<Source> {
    let (rest, fragment) = split_off(rest, '#');
    let (place, query) = split_off(rest, '?');
    let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
    check_bucket(shown, bucket)?;
    let sha256 = fragment.map(|text| pin(shown, text)).transpose()?;
    let version = query.map(|text| version(shown, text)).transpose()?;
    if key.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(refused(format!("source {shown} has a key with . or .. in it"))
            .hint("whoever passes the request on may take it for another key: name the object plainly"));
    }
    let bucket = bucket.to_owned();
    if key.is_empty() || key.ends_with('/') {
        if sha256.is_some() || version.is_some() {
            return Err(refused(format!("source {shown} is a prefix: it can carry neither versionId nor sha256"))
                .hint("pin a single object, or take the pin away"));
        }
        return Ok(Source::Prefix { bucket, prefix: key.to_owned() });
    }
    if key.len() > 1024 {
        return Err(refused(format!("source {shown} has a key of {} bytes; S3 allows 1024", key.len())));
    }
    Ok(Source::Object { bucket, key: key.to_owned(), version, sha256 })
}

fn web_source(shown: &str, text: &str) -> Result<Source> {
    let mut url =
        url::Url::parse(text).map_err(|err| refused(format!("source {shown} is not an address: {err}")).hint(FORMS))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            refused(format!("source {shown} carries a user or password")).hint("use a presigned address or s3://")
        );
    }
    let sha256 = url.fragment().map(|text| pin(shown, text)).transpose()?;
    url.set_fragment(None);
    if url.path().ends_with('/') {
        return Err(refused(format!("source {shown} is a folder: https can name a single file only"))
            .hint("name the compose file or script itself, or use an s3:// prefix"));
    }
    Ok(Source::Web { url, sha256 })
}

fn file_source(shown: &str, rest: &str) -> Result<Source> {
    let (rest, fragment) = split_off(rest, '#');
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return Err(refused(format!("source {shown} is not an absolute path"))
            .hint("write three slashes: file:///srv/app/compose.yaml"));
    }
    let sha256 = fragment.map(|text| pin(shown, text)).transpose()?;
    if !rest.ends_with('/') {
        return Ok(Source::File { path: PathBuf::from(rest), sha256 });
    }
    if sha256.is_some() {
        return Err(refused(format!("source {shown} is a folder: it cannot carry sha256"))
            .hint("pin a single file, or take the pin away"));
    }
    Ok(Source::Folder { path: PathBuf::from(rest) })
}

fn split_off(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(left, right)| (left, Some(right)))
}

fn check_bucket(shown: &str, bucket: &str) -> Result<()> {
    if bucket.is_empty() {
        return Err(refused(format!("source {shown} names no bucket")).hint("write s3://bucket/key"));
    }
    let plain = bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
    let ends = bucket.starts_with(|c: char| c.is_ascii_alphanumeric())
        && bucket.ends_with(|c: char| c.is_ascii_alphanumeric());
    if plain && ends && (3..=63).contains(&bucket.len()) && !bucket.contains("..") {
        return Ok(());
    }
    Err(refused(format!("source {shown} names no possible bucket: {bucket:?}"))
        .hint("bucket names have 3 to 63 lower-case letters, digits, dots and hyphens"))
}

fn version(shown: &str, query: &str) -> Result<String> {
    let (name, value) = query.split_once('=').unwrap_or((query, ""));
    if name == "versionId" && !value.is_empty() && !value.contains('&') {
        return Ok(value.to_owned());
    }
    let found = query.split('&').map(|part| part.split('=').next().unwrap_or_default()).collect::<Vec<_>>().join(", ");
    Err(refused(format!("source {shown} carries {found:?}; an s3:// source can carry versionId once and nothing else"))
        .hint("write s3://bucket/key?versionId=… and #sha256=… after it"))
}

fn pin(shown: &str, fragment: &str) -> Result<String> {
    let hint = "write #sha256= and the 64 hex digits that sha256sum prints";
    let Some(digits) = fragment.strip_prefix("sha256=") else {
        return Err(refused(format!("source {shown} ends in a fragment that is no sha256")).hint(hint));
    };
    if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(digits.to_ascii_lowercase());
    }
    Err(refused(format!("source {shown} carries a sha256 of {} characters that is not one", digits.len())).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn sources_are_read_and_printed_the_same() {
        for text in [
            "s3://my-bucket/deploy/web.sh",
            "s3://my-bucket/a key/with ünï+%20code.yml",
            "s3://my-bucket/k?versionId=3HL4kqtJlcpXroDTDmJ",
            "s3://my-bucket/prefix/",
            "s3://my-bucket/",
            "file:///srv/app/compose.yaml",
            "file:///srv/app/",
            "https://host.example/compose.yaml",
        ] {
            assert_eq!(Source::parse(text).unwrap().to_string(), text);
            let pinned = format!("{text}#sha256={PIN}");
            match Source::parse(&pinned) {
                Ok(source) => assert_eq!((source.to_string(), source.pin()), (pinned, Some(PIN))),
                Err(err) => assert!(text.ends_with('/'), "{err}"),
            }
        }
        assert_eq!(Source::parse("s3://my-bucket").unwrap().to_string(), "s3://my-bucket/");
        assert_eq!(Source::parse("S3://my-bucket/k").unwrap().to_string(), "s3://my-bucket/k");
    }

    #[test]
    fn a_presigned_query_belongs_to_the_address_and_is_never_printed() {
        let source = Source::parse("https://h.example/k?X-Amz-Signature=canary").unwrap();
        assert!(!source.to_string().contains("canary"));
        assert!(source.identity().contains("canary"));
        let err = Source::parse("https://h.example/?X-Amz-Signature=canary").unwrap_err();
        assert!(!err.to_string().contains("canary"), "{err}");
    }

    #[test]
    fn what_cannot_be_a_source_is_refused_with_its_reason() {
        for (text, part) in [
            ("", "empty"),
            ("my-bucket/key", "no scheme"),
            ("/srv/app/compose.yaml", "file:///srv/app/compose.yaml"),
            ("htps://host/x", "did you mean https://?"),
            ("gs://bucket/x", "s3://bucket/key"),
            ("http://host/x", "not encrypted"),
            ("s3:///key", "names no bucket"),
            ("s3://My_Bucket/key", "My_Bucket"),
            ("s3://ab/key", "3 to 63"),
            ("s3://bucket@other/key", "no possible bucket"),
            ("s3://bucket%2fother/key", "no possible bucket"),
            ("s3://bucket/../other/key", ". or .."),
            ("s3://bucket/./", ". or .."),
            ("s3://bucket/key?versionId=", "versionId"),
            ("s3://bucket/key?versionId=1&versionId=2", "versionId"),
            ("s3://bucket/key?owner=123456789012", "\"owner\""),
            ("s3://bucket/key#public-key=x", "no sha256"),
            ("s3://bucket/prefix/?versionId=1", "is a prefix"),
            ("s3://bucket#sha256=00", "is not one"),
            ("s3://bucket/key?versionid=1", "versionid"),
            ("s3://bucket/key?versionId=1&owner=2", "versionId, owner"),
            ("s3://bucket/key#md5=00", "no sha256"),
            ("s3://bucket/key#sha256=00", "64 hex digits"),
            ("https://user:canary@host/x", "user or password"),
            ("https://host/folder/", "single file"),
            ("file://srv/app", "three slashes"),
            ("s3://bucket/ke\ny", "control characters"),
        ] {
            let err = Source::parse(text).expect_err(text);
            assert_eq!(err.cause, Cause::SourceRefused, "{text}");
            assert!(err.to_string().contains(part), "{text}: {err}");
            assert!(!err.to_string().contains("canary"), "{err}");
        }
    }

    #[test]
    fn the_last_part_names_a_project() {
        let last = |text| Source::parse(text).unwrap().last_part();
        assert_eq!(last("s3://bucket/deploy/app/"), "app");
        assert_eq!(last("s3://bucket/"), "bucket");
        assert_eq!(last("s3://bucket/deploy/web.sh"), "web.sh");
        assert_eq!(last("file:///srv/app/"), "app");
        assert_eq!(last("https://h.example/x/compose.yaml?q=1"), "compose.yaml");
    }
}
