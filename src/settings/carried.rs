//! Settings that user-data carries to a host, where `userdata/bootstrap.sh` hands them on to every run.

use url::Url;

use super::{Source, did_you_mean, duration, roles, values};
use crate::{
    error::{Cause, Error, Result},
    redact,
};

/// Takes a value, or says what it has to be; what it returns is what user-data says.
type Check = fn(&str) -> Result<String>;

/// The names there are, and what their values may be.
const CARRIED: &[(&str, Check)] = &[
    ("ROLECALL_URL", binary),
    ("ROLECALL_SHA256", sha256),
    ("ROLECALL_SHA256_X86_64", sha256),
    ("ROLECALL_SHA256_AARCH64", sha256),
    ("ROLECALL_WAIT", wait),
    ("ROLECALL_SOURCE", |v| Source::parse(v).and(as_it_is(v))),
    ("ROLECALL_ROLES", |v| roles(v).and(as_it_is(v))),
    ("ROLECALL_ENVIRONMENT", values::environment),
    ("ROLECALL_TAG_PREFIX", as_it_is),
    ("ROLECALL_BUCKET_OWNERS", |v| values::owners(v).and(as_it_is(v))),
    ("ROLECALL_PUBLIC_KEY", |v| values::public_keys(v).and(as_it_is(v))),
    ("ROLECALL_TRUST_TAGS", |v| values::yes_or_no(v).and(as_it_is(v))),
    ("ROLECALL_STATE_DIR", path),
    ("ROLECALL_DEADLINE", |v| values::deadline(v).and(as_it_is(v))),
    ("ROLECALL_REMOVE_ORPHANS", |v| one_of(v, &["true", "false", "1", "0", "yes", "no"])),
    ("ROLECALL_LOG_FORMAT", |v| one_of(v, &["text", "json"])),
    ("ROLECALL_LOG_LEVEL", |v| one_of(v, &["error", "warn", "info", "debug"])),
    ("ROLECALL_LAUNCH_HOOK", hook),
    ("ROLECALL_TERMINATE_HOOK", hook),
    ("AWS_REGION", word),
    ("AWS_DEFAULT_REGION", word),
    ("AWS_CA_BUNDLE", certificates),
    ("AWS_ENDPOINT_URL", address),
    ("AWS_USE_DUALSTACK_ENDPOINT", |v| one_of(v, &["true", "false"])),
    ("AWS_USE_FIPS_ENDPOINT", |v| one_of(v, &["true", "false"])),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", address),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", |v| one_of(v, &["IPv4", "IPv6"])),
    ("AWS_EC2_METADATA_DISABLED", |v| one_of(v, &["true", "false"])),
    ("SSL_CERT_FILE", certificates),
    ("SSL_CERT_DIR", path),
    ("DOCKER_HOST", values::docker_host),
    ("HTTPS_PROXY", as_it_is),
    ("HTTP_PROXY", as_it_is),
    ("ALL_PROXY", as_it_is),
    ("NO_PROXY", as_it_is),
    ("https_proxy", as_it_is),
    ("http_proxy", as_it_is),
    ("all_proxy", as_it_is),
    ("no_proxy", as_it_is),
];

/// The endpoint of one service, such as `AWS_ENDPOINT_URL_S3`.
const ENDPOINT_OF: &str = "AWS_ENDPOINT_URL_";

/// What names of credentials have in them.
const CREDENTIAL: [&str; 6] = ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "ACCESS_KEY", "CREDENTIAL"];

/// Names of the settings, without those of single services.
pub fn names() -> impl Iterator<Item = &'static str> {
    CARRIED.iter().map(|(name, _)| *name)
}

/// Whether a variable is a setting that user-data can carry.
pub fn is_setting(name: &str) -> bool {
    name.starts_with(ENDPOINT_OF) || names().any(|known| known == name)
}

/// The value of a setting as user-data says it.
///
/// # Errors
/// `usage`, with the nearest name or with what the value has to be; `source-refused`.
pub fn check(name: &str, value: &str) -> Result<String> {
    let service = |name: &str| {
        let service = name.strip_prefix(ENDPOINT_OF)?;
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        (!service.is_empty() && service.chars().all(plain)).then_some(address as Check)
    };
    let known = CARRIED.iter().find(|(known, _)| *known == name).map(|(_, check)| *check);
    let Some(check) = known.or_else(|| service(name)) else { return Err(unknown(name)) };
    let value = value.trim();
    if value.is_empty() {
        return Err(usage(format!("{name} is empty")).hint("leave it out, or give it a value"));
    }
    // What YAML takes for a line break, or not at all, is no part of a setting either.
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
    if value.chars().any(odd) {
        return Err(usage(format!("{name} has a line break or another control character in it"))
            .hint("a setting is one line; write several keys or names in one, with commas between them"));
    }
    check(value).map_err(|mut err| {
        err.message = format!("{name}: {}", err.message);
        err
    })
}

fn usage(message: String) -> Error {
    Error::new(Cause::Usage, message)
}

fn unknown(name: &str) -> Error {
    let upper = name.to_uppercase();
    if CREDENTIAL.iter().any(|word| upper.contains(word)) {
        return usage(format!("{name} is a credential, and user-data is no place for one"))
            .hint("whoever may read metadata on the host reads it: give the instance a role, and keep secrets in x-rolecall.variables");
    }
    let near = did_you_mean(name, names());
    usage(format!("{name} is no setting that user-data carries to a run{near}"))
        .hint("ROLECALL_*, AWS_ENDPOINT_URL*, AWS_EC2_METADATA_*, AWS_REGION, AWS_USE_DUALSTACK_ENDPOINT, AWS_USE_FIPS_ENDPOINT, AWS_CA_BUNDLE, SSL_CERT_*, DOCKER_HOST and proxies are carried; docs/user-data.md lists them")
}

#[expect(clippy::unnecessary_wraps, reason = "it is a check as the others are")]
fn as_it_is(value: &str) -> Result<String> {
    Ok(value.to_owned())
}

fn one_of(value: &str, accepted: &[&str]) -> Result<String> {
    if accepted.contains(&value) {
        return as_it_is(value);
    }
    let near = did_you_mean(value, accepted.iter().copied());
    Err(usage(format!("{value:?} is not understood{near}")).hint(format!("write {}", accepted.join(", "))))
}

fn path(value: &str) -> Result<String> {
    if value.starts_with('/') {
        return as_it_is(value);
    }
    Err(usage(format!("the path {value:?} is not absolute")).hint("name a file or folder of the instance, from / on"))
}

/// A file that curl or wget is given, too, on a line whose words are split at spaces.
fn certificates(value: &str) -> Result<String> {
    if value.contains(char::is_whitespace) {
        return Err(usage(format!("the path {value:?} has a space in it")).hint("name a file without one"));
    }
    path(value)
}

fn word(value: &str) -> Result<String> {
    if value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return as_it_is(value);
    }
    Err(usage(format!("{value:?} cannot be the name of a region")).hint("write it like eu-west-1"))
}

/// As the Auto Scaling API takes it.
fn hook(value: &str) -> Result<String> {
    if value.len() <= 255 && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_/".contains(c)) {
        return as_it_is(value);
    }
    Err(usage(format!("{value:?} cannot be the name of a lifecycle hook")).hint("letters, digits, '-', '_' and '/'"))
}

fn address(value: &str) -> Result<String> {
    let parsed = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if parsed.is_some() {
        return as_it_is(value);
    }
    Err(usage(format!("{value:?} is not an address")).hint("write it like https://host or http://10.0.0.1:9000"))
}

/// The address of the binary, in which `{arch}` may stand.
fn binary(value: &str) -> Result<String> {
    const FORM: &str = "write it like https://bucket.s3.eu-west-1.amazonaws.com/rolecall-{arch}";
    let shown = redact::url(value).replace("%7B", "{").replace("%7D", "}");
    let plain = value.replace("{arch}", "x86_64");
    if let Some((_, rest)) = plain.split_once('{') {
        let word = rest.split('}').next().unwrap_or_default();
        let near = did_you_mean(word, ["arch"]).replace("arch?", "{arch}?");
        return Err(usage(format!("{{{word}}} in {shown} would not be replaced{near}")).hint(FORM));
    }
    if plain.contains(char::is_whitespace) {
        return Err(usage(format!("{shown} has spaces in it")).hint("write a space as %20"));
    }
    let refused = |what: &str| usage(format!("{shown} {what}")).hint(FORM);
    let url = Url::parse(&plain).map_err(|err| refused(&format!("is not an address: {err}")))?;
    if url.scheme() == "s3" {
        return Err(refused("can be read only by what has credentials: user-data has curl or wget, and none"));
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("is neither https:// nor http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(usage(
            "the address of the binary has credentials in it, and user-data is no place for them".into(),
        )
        .hint("make the object readable, or presign its address"));
    }
    if url.fragment().is_some() {
        return Err(refused("has a # in it, which is never sent"));
    }
    as_it_is(value)
}

fn sha256(value: &str) -> Result<String> {
    if value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(value.to_ascii_lowercase());
    }
    Err(usage(format!("{value:?} is not a sha256 checksum")).hint("give the 64 hex digits that sha256sum prints"))
}

/// In seconds where `timeout`, which waits on the host, does not read what is written.
fn wait(value: &str) -> Result<String> {
    let time = duration(value)?;
    if time.is_zero() {
        return as_it_is("0");
    }
    let (number, unit) = value.split_at(value.len() - usize::from(value.ends_with(['s', 'm', 'h', 'd'])));
    if number.bytes().all(|b| b.is_ascii_digit()) && matches!(unit, "" | "s" | "m" | "h" | "d") {
        return as_it_is(value);
    }
    Ok(format!("{}s", time.as_millis().div_ceil(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> String {
        let err = check(name, value).unwrap_err();
        assert_eq!(err.exit() as u8, 2, "{err}");
        format!("{}; {}", err.message, err.remedy())
    }

    #[test]
    fn a_name_that_no_run_would_see_is_refused_with_the_nearest() {
        for (name, says) in [
            ("ROLECALL_SORCE", "did you mean ROLECALL_SOURCE?"),
            ("AWS_REGOIN", "did you mean AWS_REGION?"),
            ("HTTPS_PROXI", "did you mean HTTPS_PROXY?"),
            ("AWS_ENDPOINT_URL_", "did you mean AWS_ENDPOINT_URL?"),
            ("AWS_ENDPOINT_URL_s3", "no setting"),
            ("PATH", "no setting"),
            ("", "no setting"),
            ("AWS_SECRET_ACCESS_KEY", "is a credential"),
            ("AWS_ACCESS_KEY_ID", "is a credential"),
            ("AWS_SESSION_TOKEN", "is a credential"),
            ("DB_PASSWORD", "is a credential"),
        ] {
            let text = refused(name, "x");
            assert!(text.contains(says), "{name}: {text}");
        }
        assert_eq!(check("AWS_ENDPOINT_URL_S3", "http://10.0.0.1:9000").unwrap(), "http://10.0.0.1:9000");
    }

    #[test]
    fn a_value_is_what_a_run_takes() {
        let key = "RWRf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        for (name, value, carried) in [
            (
                "ROLECALL_URL",
                "https://b.s3.amazonaws.com/rolecall-{arch}",
                "https://b.s3.amazonaws.com/rolecall-{arch}",
            ),
            ("ROLECALL_URL", "http://[fd00::1]:8000/r?versionId=1", "http://[fd00::1]:8000/r?versionId=1"),
            ("ROLECALL_SHA256", &"AB".repeat(32), &"ab".repeat(32)),
            ("ROLECALL_WAIT", "15m", "15m"),
            ("ROLECALL_WAIT", "0", "0"),
            ("ROLECALL_WAIT", "00m", "0"),
            ("ROLECALL_WAIT", "1h30m", "5400s"),
            ("ROLECALL_WAIT", "1500ms", "2s"),
            ("ROLECALL_SOURCE", " s3://bucket/a key with 'quotes' & $/ ", "s3://bucket/a key with 'quotes' & $/"),
            ("ROLECALL_ROLES", "web:celery", "web:celery"),
            ("ROLECALL_PUBLIC_KEY", key, key),
            ("ROLECALL_TERMINATE_HOOK", "drain/web-1", "drain/web-1"),
        ] {
            assert_eq!(check(name, value).unwrap(), carried, "{name}");
        }
        for (name, value, says) in [
            ("ROLECALL_URL", "https://host/rolecall-{arhc}", "(did you mean {arch}?)"),
            ("ROLECALL_URL", "ftp://host/rolecall", "neither https:// nor http://"),
            ("ROLECALL_URL", "s3://b/rolecall", "has credentials"),
            ("ROLECALL_URL", "host/rolecall", "is not an address"),
            ("ROLECALL_URL", "https://host/a b", "%20"),
            ("ROLECALL_URL", "https://me:hush@host/rolecall", "presign"),
            ("ROLECALL_URL", "https://host/rolecall#x", "never sent"),
            ("ROLECALL_SHA256", "abc", "64 hex digits"),
            ("ROLECALL_WAIT", "soon", "is not a duration"),
            ("ROLECALL_SOURCE", "http://host/x", "is not encrypted"),
            ("ROLECALL_ROLES", "web celery", "cannot be the name of a role"),
            ("ROLECALL_ENVIRONMENT", "a/b", "cannot be the name of an environment"),
            ("ROLECALL_DEADLINE", "0", "end every run at once"),
            ("ROLECALL_STATE_DIR", "state", "not absolute"),
            ("ROLECALL_LOG_FORMAT", "jason", "(did you mean json?)"),
            ("AWS_REGION", "eu west", "region"),
            ("AWS_CA_BUNDLE", "/etc/our ca.pem", "has a space in it"),
            ("DOCKER_HOST", "ssh://host", "cannot be the address of an engine"),
            ("AWS_ENDPOINT_URL_S3", "10.0.0.1:9000", "is not an address"),
            ("NO_PROXY", "a\nROLECALL_SOURCE=s3://b/other", "line break"),
            ("NO_PROXY", "a\u{2028}b", "line break"),
            ("NO_PROXY", " ", "is empty"),
        ] {
            let text = refused(name, value);
            assert!(text.starts_with(name) && text.contains(says), "{name}: {text}");
            assert!(!text.contains("hush"), "{text}");
        }
    }
}
