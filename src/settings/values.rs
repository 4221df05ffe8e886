//! What the single settings may look like. Pure; each error names the value and what is accepted.

use std::time::Duration;

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
}
