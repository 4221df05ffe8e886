//! Signatures of minisign: what a key vouches for, under which name, and how new it is. Pure.

use minisign_verify::{Error as Refused, PublicKey, Signature};

use crate::error::{Cause, Error, Result};

/// What the name of a signature ends in; before that it is the name of what is signed.
pub const SUFFIX: &str = ".minisig";
/// Most bytes of a signature; its comments are all that can be long.
pub const MOST_BYTES: u64 = 16 * 1024;

/// What a valid signature states about the content that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// When it was made, or what stands for that.
    pub serial: u64,
    /// The release that the content belongs to, if it names one.
    pub release: Option<String>,
}

/// Proves that one of `keys` signed these bytes as what lies at `address`; returns the serial of the signature.
///
/// # Errors
/// As [`statement`].
pub fn verify(keys: &[String], address: &str, bytes: &[u8], signature: &[u8]) -> Result<u64> {
    statement(keys, address, bytes, signature).map(|statement| statement.serial)
}

/// Proves that one of `keys` signed these bytes as what lies at `address`; returns what the signature states. Serial and
/// name are in the comment which minisign signs by itself, the time of signing being the serial: `timestamp:1795274940`
/// and `file:compose.yaml`, separated by a tab. A field `source:` binds it to a whole address, a field `release:` to the
/// files that carry the same.
///
/// # Errors
/// `signature-invalid`, saying what is wrong with it.
pub fn statement(keys: &[String], address: &str, bytes: &[u8], signature: &[u8]) -> Result<Statement> {
    let invalid = |why: &str| {
        Error::new(Cause::SignatureInvalid, format!("{address}{SUFFIX} {why}"))
            .need(format!("a signature of {address} by a configured key"))
            .hint("find out who changed what; if all is well, sign it anew with minisign")
    };
    let Some(signature) = decode(signature) else { return Err(invalid("is not a signature of minisign")) };
    let mut refused = Refused::UnexpectedKeyId;
    // Two keys may have one id: each is tried, and the reason that says most is told.
    let vouched = keys.iter().filter_map(|key| PublicKey::from_base64(key).ok()).any(|key| {
        match key.verify(bytes, &signature, false) {
            Ok(()) => true,
            Err(Refused::UnexpectedKeyId) => false,
            Err(err) => {
                refused = err;
                false
            }
        }
    });
    if !vouched {
        return Err(invalid(match refused {
            Refused::UnexpectedKeyId => "was made with a key that is not configured",
            Refused::UnexpectedAlgorithm => "is of minisign's old format: sign without -l",
            _ => "does not fit the content, or was changed itself",
        }));
    }
    let comment = signature.trusted_comment();
    let name = address.rsplit('/').next().unwrap_or_default();
    match (field(comment, "file"), field(comment, "source")) {
        (None, _) => return Err(invalid("does not say in its trusted comment which file it is of")),
        (Some(file), _) if file != name => return Err(invalid(&format!("is that of another file, {file:?}"))),
        (_, Some(source)) if source != address => return Err(invalid(&format!("is for another place, {source:?}"))),
        _ => {}
    }
    let serial = field(comment, "timestamp").and_then(|text| text.parse().ok());
    let serial = serial.ok_or_else(|| invalid("does not say in its trusted comment when it was made"))?;
    let mut releases = values(comment, "release");
    let release = releases.next().map(str::to_owned);
    if releases.next().is_some() {
        return Err(invalid("names more than one release in its trusted comment"));
    }
    Ok(Statement { serial, release })
}

/// Four lines, each with its end, as minisign writes them.
fn decode(bytes: &[u8]) -> Option<Signature> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= MOST_BYTES)?;
    let lines: Vec<&str> = text.split('\n').collect();
    let whole = lines.len() == 5 && lines[0].starts_with("untrusted comment: ") && lines[4].is_empty();
    whole.then(|| Signature::decode(text).ok()).flatten()
}

/// The value of a field of the trusted comment, if it is there exactly once.
fn field<'a>(comment: &'a str, name: &str) -> Option<&'a str> {
    let mut values = values(comment, name);
    values.next().filter(|_| values.next().is_none())
}

fn values<'a>(comment: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    comment.split('\t').filter_map(move |field| field.strip_prefix(name)?.strip_prefix(':'))
}
