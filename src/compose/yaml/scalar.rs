//! What a scalar means, by the rules of the YAML library that Compose uses: YAML 1.2 with 1.1's octal numbers.

use crate::compose::node::Value;

const CORE: &str = "tag:yaml.org,2002:";

/// The value of a scalar: `plain` if it is not quoted, `tag` as handle and suffix.
///
/// # Errors
/// A message when an explicit tag does not fit the text.
pub(super) fn resolve(text: String, plain: bool, tag: Option<(&str, &str)>) -> Result<Value, String> {
    let kind = match tag {
        None if plain && is_timestamp(&text) => {
            return Err("a date must be in quotes: Compose does not take it for a string".to_owned());
        }
        None if plain => return Ok(implicit(&text).unwrap_or(Value::Text(text))),
        Some((CORE, kind)) => kind,
        // `!` alone and a tag that nobody knows: a text
        _ => return Ok(Value::Text(text)),
    };
    let value = if kind == "str" { None } else { implicit(&text) };
    match (kind, value) {
        ("str", _) => Ok(Value::Text(text)),
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

/// Whether a text is a date, or a date and a time of day, which Go's YAML reads as a moment.
pub(super) fn is_timestamp(text: &str) -> bool {
    let number = |part: &str, most: usize, limit: u32| {
        !part.is_empty() && part.len() <= most && part.parse::<u32>().is_ok_and(|value| value <= limit)
    };
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((&text[at..=at], &text[at + 1..]))),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let date = year.is_some_and(|year| year.len() == 4 && number(year, 4, 9999))
        && month.is_some_and(|month| number(month, 2, 12) && !month.trim_start_matches('0').is_empty())
        && day.is_some_and(|day| number(day, 2, 31) && !day.trim_start_matches('0').is_empty());
    let clock = |time: &str| {
        let mut parts = time.splitn(3, ':');
        parts.next().is_some_and(|hour| number(hour, 2, 23))
            && parts.next().is_some_and(|minute| number(minute, 2, 59))
            && parts.next().is_some_and(|second| {
                let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
                number(second, 2, 59) && !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit())
            })
    };
    date && match time {
        None => true,
        Some((" ", time)) => clock(time),
        Some((_, time)) => match time.strip_suffix('Z') {
            Some(time) => clock(time),
            None => time.rfind(['+', '-']).is_some_and(|at| clock(&time[..at]) && time[at + 1..].len() == 5),
        },
    }
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
