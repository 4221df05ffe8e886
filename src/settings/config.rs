//! `/etc/rolecall/config.toml`: the settings of the host's administrator.

use std::{fmt, path::Path};

use serde::{
    Deserialize,
    de::{self, Deserializer, SeqAccess, Visitor},
};

use super::nearest::did_you_mean;
use crate::{
    error::{Cause, Error, Result},
    host::files,
};

/// Longest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// The file as it is written; every value is checked later, by the rules that hold for flags too.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConfigFile {
    pub(super) source: Option<String>,
    #[serde(default, deserialize_with = "words")]
    pub(super) roles: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) tag_prefix: Option<String>,
    #[serde(default, deserialize_with = "words")]
    pub(super) bucket_owners: Option<String>,
    #[serde(default, deserialize_with = "words")]
    pub(super) public_key: Option<String>,
    pub(super) trust_tags: Option<bool>,
    pub(super) state_dir: Option<String>,
    #[serde(default, deserialize_with = "words")]
    pub(super) deadline: Option<String>,
}

const KEYS: [&str; 9] = [
    "source",
    "roles",
    "environment",
    "tag-prefix",
    "bucket-owners",
    "public-key",
    "trust-tags",
    "state-dir",
    "deadline",
];

impl ConfigFile {
    /// Reads the file; one that is not there holds nothing.
    ///
    /// # Errors
    /// `usage`, with file, line and column.
    pub(super) fn read(path: &Path) -> Result<Self> {
        match files::read_regular(path, LIMIT) {
            Ok(text) => Self::parse(path, &String::from_utf8_lossy(&text)),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(err) => Err(Error::new(Cause::Usage, format!("could not read {}: {err}", path.display()))),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|err| {
            let (line, column) = position(text, err.span().map_or(0, |span| span.start));
            // serde says "unknown field `x`, expected one of …": only the name is of use, the rest is our hint.
            let message = match err.message().strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
                Some((name, _)) => format!("unknown key {name}{}", did_you_mean(name, KEYS)),
                None => err.message().lines().collect::<Vec<_>>().join(" "),
            };
            let place = format!("{}:{line}:{column}", path.display());
            Error::new(Cause::Usage, format!("{place}: {message}")).hint(format!("known keys: {}", KEYS.join(", ")))
        })
    }
}

/// Line and column, counted from 1 in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// A text, a whole number, or a list of texts, which is the same as its items joined by commas.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Words;
    impl<'de> Visitor<'de> for Words {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut items: Vec<String> = Vec::new();
            while let Some(item) = seq.next_element()? {
                items.push(item);
            }
            Ok(Some(items.join(",")))
        }
    }
    deserializer.deserialize_any(Words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile> {
        ConfigFile::parse(Path::new("/etc/rolecall/config.toml"), text)
    }

    #[test]
    fn lists_and_texts_say_the_same() {
        let file = parse("roles = ['web', 'celery']\nbucket-owners = '123456789012'\ndeadline = 600\n").unwrap();
        assert_eq!(file.roles.as_deref(), Some("web,celery"));
        assert_eq!(file.bucket_owners.as_deref(), Some("123456789012"));
        assert_eq!(file.deadline.as_deref(), Some("600"));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_nearest() {
        let err = parse("roles = 'web'\n  sorce = 's3://bucket/x'\n").map(|_| ()).unwrap_err();
        assert_eq!(err.cause, Cause::Usage);
        assert_eq!(err.message, "/etc/rolecall/config.toml:2:3: unknown key sorce (did you mean source?)");
    }

    #[test]
    fn broken_toml_and_wrong_types_have_a_place_too() {
        assert!(parse("roles = [").map(|_| ()).unwrap_err().message.contains("config.toml:1:"));
        let err = parse("\nsource = 5\n").map(|_| ()).unwrap_err();
        assert!(err.message.contains("config.toml:2:10: "), "{err}");
    }

    #[test]
    fn a_file_that_is_not_there_holds_nothing() {
        assert!(ConfigFile::read(Path::new("/nonexistent/config.toml")).unwrap().source.is_none());
        assert!(ConfigFile::read(Path::new("/")).is_err(), "a folder is not silently ignored");
    }
}
