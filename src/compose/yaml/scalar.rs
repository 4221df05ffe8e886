//! What a scalar means, by the rules of the YAML library that Compose uses: YAML 1.2 with 1.1's octal numbers.

use base64::Engine;

use crate::compose::node::Value;

const CORE: &str = "tag:yaml.org,2002:";

/// The value of a scalar: `plain` if it is not quoted, `tag` as handle and suffix.
///
/// # Errors
/// A message when an explicit tag does not fit the text.
pub(super) fn resolve(text: String, plain: bool, tag: Option<(&str, &str)>) -> Result<Value, String> {
    let kind = match tag {
        None | Some(("", "!") | ("!", "")) if plain => {
            let value = implicit(&text).or_else(|| timestamp(&text).map(Value::Time));
            return Ok(value.unwrap_or(Value::Text(text)));
        }
        Some((CORE, kind)) => kind,
        // a tag that nobody knows: a text
        _ => return Ok(Value::Text(text)),
    };
    if kind == "timestamp" {
        return timestamp(&text)
            .map(Value::Time)
            .ok_or_else(|| "the value does not fit its tag '!!timestamp'".to_owned());
    }
    let value = if kind == "str" { None } else { implicit(&text) };
    match (kind, value) {
        ("str", _) => Ok(Value::Text(text)),
        ("binary", _) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.replace(char::is_whitespace, ""));
            let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.map(Value::Text).ok_or_else(|| "the value is not base64 of UTF-8 text".to_owned())
        }
        ("null", Some(value @ Value::Null))
        | ("bool", Some(value @ Value::Bool(_)))
        | ("int", Some(value @ (Value::Int(_) | Value::Large(_))))
        | ("float", Some(value @ Value::Float(_))) => Ok(value),
        #[expect(clippy::cast_precision_loss, reason = "a float was asked for")]
        ("float", Some(Value::Int(value))) => Ok(Value::Float(value as f64)),
        ("null" | "bool" | "int" | "float", _) => Err(format!("the value does not fit its tag '!!{kind}'")),
        _ => Err(format!("the tag '!!{kind}' is not supported")),
    }
}

/// A date, or a date and a time of day, as RFC 3339 has it: Go's YAML reads it as a moment.
pub(super) fn timestamp(text: &str) -> Option<String> {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((&text[at..=at], &text[at + 1..]))),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4).and_then(|year| digits(year, 4))?;
    let month = digits(parts.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 31,
    };
    let day = digits(parts.next()?, 2).filter(|day| (1..=days).contains(day))?;
    let (clock, zone) = match time {
        None => ("00:00:00".to_owned(), "Z"),
        Some((" ", time)) => (clock(time)?, "Z"),
        Some((_, time)) => {
            let at = time.rfind(['Z', '+', '-'])?;
            let zone = &time[at..];
            let offset =
                zone == "Z" || zone.len() == 6 && zone.as_bytes()[3] == b':' && digits(&zone[1..3], 2).is_some();
            (
                clock(&time[..at]).filter(|_| offset)?,
                if zone[1..].trim_matches(['0', ':']).is_empty() { "Z" } else { zone },
            )
        }
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{clock}{zone}"))
}

fn digits(part: &str, most: usize) -> Option<u32> {
    let fits = !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| part.parse().ok()).flatten()
}

/// `9:5:01.50` as `09:05:01.5`
fn clock(time: &str) -> Option<String> {
    let mut parts = time.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let (second, fraction) = parts.next().map(|second| second.split_once('.').unwrap_or((second, "0")))?;
    let second = digits(second, 2).filter(|second| *second < 60)?;
    digits(fraction.get(..1)?, 1).filter(|_| fraction.bytes().all(|b| b.is_ascii_digit()))?;
    let fraction = fraction[..fraction.len().min(9)].trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{hour:02}:{minute:02}:{second:02}{point}{fraction}"))
}

/// The value of a plain scalar, unless it is a text.
pub(super) fn implicit(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Some(Value::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Some(Value::Float(f64::INFINITY));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Some(Value::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => float(text),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    }
}

/// An integer with an optional base: `0x`, `0o`, `0b`, or a leading zero for octal.
fn integer(digits: &str) -> Option<Value> {
    let (negative, body) = match digits.as_bytes()[0] {
        b'-' => (true, &digits[1..]),
        b'+' => (false, &digits[1..]),
        _ => (false, digits),
    };
    let lower = body.to_ascii_lowercase();
    let (radix, body) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(two) if two.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if body.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(body, radix).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(value)) => Some(Value::Int(value)),
        (false, Err(_)) => Some(Value::Large(magnitude)),
        (true, Ok(value)) => Some(Value::Int(-value)),
        (true, Err(_)) if magnitude == 1 << 63 => Some(Value::Int(i64::MIN)),
        (true, Err(_)) => None,
    }
}

/// A decimal number with a fraction or an exponent.
fn float(text: &str) -> Option<Value> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = body.split_once(['e', 'E']).map_or((body, None), |(m, e)| (m, Some(e)));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && all_digits(e)
    });
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) || !exponent_fits {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::Float)
}
