//! What the single settings may look like. Pure; each error names the value and what is accepted.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::error::{Cause, Error, Result};

/// A duration: `30m`, `1h30m`, `90s`, `500ms`, or plain seconds (`600`).
pub fn duration(text: &str) -> Result<Duration> {
    let refused = || {
        Error::new(Cause::Usage, format!("{text:?} is not a duration"))
            .hint("write it like 30m, 1h30m, 90s or plain seconds")
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(refused());
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| refused())?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let millis: u64 = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1000,
            "" if rest.len() == text.len() => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(refused()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(refused)?;
        total = total.checked_add(part).ok_or_else(refused)?;
        rest = &rest[unit_end..];
    }
    Ok(total)
}

/// The deadline of a run: a duration over zero.
pub(super) fn deadline(text: &str) -> Result<Duration> {
    match duration(text)? {
        Duration::ZERO => Err(Error::new(Cause::Usage, "a deadline of zero would end every run at once")
            .hint("write it like 30m, 1h30m, 90s or plain seconds")),
        some => Ok(some),
    }
}

/// Roles: a set, written with colons or commas. Order is kept, repetitions are dropped.
pub fn roles(text: &str) -> Result<Vec<String>> {
    let mut roles: Vec<String> = Vec::new();
    for role in text.split([':', ',']).map(str::trim).filter(|role| !role.is_empty()) {
        if role.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Error::new(Cause::Usage, format!("{role:?} cannot be the name of a role"))
                .hint("separate roles by a colon or a comma: web:celery"));
        }
        if !roles.iter().any(|known| known == role) {
            roles.push(role.to_owned());
        }
    }
    Ok(roles)
}

/// An environment: it becomes part of a file name (`compose.<environment>.yaml`).
pub(super) fn environment(text: &str) -> Result<String> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if plain && text.len() <= 128 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.contains("..") {
        return Ok(text.to_owned());
    }
    Err(Error::new(Cause::Usage, format!("{text:?} cannot be the name of an environment"))
        .hint("it becomes part of a file name: letters, digits, '.', '_' and '-', a letter or digit first"))
}

/// The address of an engine: `unix:///path`, `tcp://host:port` or `http://host:port`.
///
/// # Errors
/// `usage`: it has another form.
pub fn docker_host(text: &str) -> Result<String> {
    let rest = ["unix:///", "tcp://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    if rest.is_some_and(|rest| !rest.is_empty()) {
        return Ok(text.to_owned());
    }
    Err(Error::new(Cause::Usage, format!("{text:?} cannot be the address of an engine"))
        .hint("use unix:///path or tcp://host:port"))
}

/// Yes or no, as environment variables are written.
pub(super) fn yes_or_no(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(Error::new(Cause::Usage, format!("{text:?} is neither true nor false")).hint("write true or false")),
    }
}

/// Account ids: twelve digits each, separated by commas, colons or spaces.
pub(super) fn owners(text: &str) -> Result<Vec<String>> {
    text.split(|c: char| c == ',' || c == ':' || c.is_whitespace())
        .filter(|part| !part.is_empty())
        .map(|part| {
            if part.len() == 12 && part.bytes().all(|b| b.is_ascii_digit()) {
                return Ok(part.to_owned());
            }
            Err(Error::new(Cause::Usage, format!("{part:?} is not an account id"))
                .hint("an owner of a bucket is named by the twelve digits of its account"))
        })
        .collect()
}

/// Public keys of minisign, in base64: one or more, separated by commas, spaces or lines, with or without the comments
/// that minisign writes above them.
pub(super) fn public_keys(text: &str) -> Result<Vec<String>> {
    // What is no key is not repeated: it may be the secret one.
    let refused = |what: String| {
        Error::new(Cause::Usage, format!("{what} is not a public key of minisign"))
            .hint("give the second line of minisign.pub: 56 characters that start with RW")
    };
    let parts = text.split(['\n', ',']).map(str::trim).filter(|part| !part.starts_with("untrusted comment:"));
    let keys = parts.flat_map(str::split_whitespace).map(|word| match BASE64_STANDARD.decode(word) {
        // Two letters for the algorithm, eight bytes that name the key, and the key.
        Ok(bytes) if bytes.len() == 42 && bytes.starts_with(b"Ed") => Ok(word.to_owned()),
        _ => Err(refused(format!("a word of {} characters", word.chars().count()))),
    });
    let keys: Vec<String> = keys.collect::<Result<_>>()?;
    if keys.is_empty() && !text.trim().is_empty() {
        return Err(refused("a comment alone".to_owned()));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let seconds = |text| duration(text).map(|d| d.as_secs_f64()).ok();
        assert_eq!(seconds("30m"), Some(1800.0));
        assert_eq!(seconds("1h30m"), Some(5400.0));
        assert_eq!(seconds("90s"), Some(90.0));
        assert_eq!(seconds("600"), Some(600.0));
        assert_eq!(seconds("1m500ms"), Some(60.5));
        for bad in ["", "m", "5x", "1h30", "-5s", "1.5h", "99999999999999999999h", "9999999999999999h"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
        assert!(deadline("0").is_err());
    }

    #[test]
    fn roles_are_a_set_in_either_notation() {
        assert_eq!(roles("web:celery").unwrap(), ["web", "celery"]);
        assert_eq!(roles(" web, celery,web ,").unwrap(), ["web", "celery"]);
        assert_eq!(roles("").unwrap(), Vec::<String>::new());
        assert!(roles("web celery").is_err());
    }

    #[test]
    fn an_environment_is_part_of_a_file_name() {
        assert_eq!(environment("prod-1.eu").unwrap(), "prod-1.eu");
        for bad in ["../x", "a/b", ".hidden", "a..b", "a b", "prod\n"] {
            assert!(environment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn owners_are_accounts() {
        assert_eq!(owners("123456789012, 210987654321").unwrap(), ["123456789012", "210987654321"]);
        assert!(owners("12345").unwrap_err().message.contains("\"12345\""));
    }

    #[test]
    fn public_keys_are_read_with_and_without_their_comments() {
        const ONE: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        const TWO: &str = "RWSgIwh+5zPv5sKGs06zdWaodVAIvp32vGdQa2cXIMWBiDLZG04iwj4L";
        let file = |key: &str| format!("untrusted comment: minisign public key E7620F1842B4E81F\n{key}\n");
        for text in [ONE.to_owned(), format!(" {ONE}\n"), file(ONE), file(ONE).replace('\n', "\r\n")] {
            assert_eq!(public_keys(&text).unwrap(), [ONE], "{text:?}");
        }
        for text in [format!("{ONE},{TWO}"), format!("{ONE} {TWO}"), format!("{},{}", file(ONE), file(TWO))] {
            assert_eq!(public_keys(&text).unwrap(), [ONE, TWO], "{text:?}");
        }
        assert!(public_keys("").unwrap().is_empty());
        let (short, other, secret) = (&ONE[..55], ONE.replacen("RW", "RX", 1), "RWRT".repeat(53));
        for bad in
            [short, &other, &secret, "minisign.pub", "untrusted comment: minisign public key", &format!("{ONE}, x")]
        {
            let err = public_keys(bad).expect_err(bad).to_string();
            assert!(err.contains("minisign.pub: 56 characters") && !err.contains("RWRTRWRT"), "{err}");
        }
    }
}
