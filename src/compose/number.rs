//! Numbers as Go prints them, since they end up in texts, in JSON and in hashes.

/// A float in a text; a `_` may part its digits.
#[must_use]
pub fn float(text: &str) -> Option<f64> {
    let digit = |part: Option<u8>| part.is_some_and(|b| b.is_ascii_digit());
    let parted = text.split('_').collect::<Vec<_>>();
    let apart = |two: &[&str]| digit(two[0].bytes().last()) && digit(two[1].bytes().next());
    parted.windows(2).all(apart).then(|| parted.concat().parse().ok()).flatten()
}

/// A float as `%v` and Go's YAML print it: shortest digits, an exponent below 1e-4 and from 1e6 on.
#[must_use]
pub fn general(value: f64) -> String {
    render(&format!("{value:e}"), value == 0.0, -4..6)
}

/// A float as Go's JSON encoder prints it: an exponent below 1e-6 and from 1e21 on, without a padded exponent.
#[must_use]
pub fn json(value: f64) -> String {
    unpad(render(&format!("{value:e}"), value == 0.0, -6..21))
}

/// A single-precision float as Go's JSON encoder prints it.
#[must_use]
pub fn json_single(value: f32) -> String {
    unpad(render(&format!("{value:e}"), value == 0.0, -6..21))
}

/// A single-precision float as `%v` prints it.
#[must_use]
pub fn general_single(value: f32) -> String {
    render(&format!("{value:e}"), value == 0.0, -4..6)
}

/// Turns `d.ddde-7` into plain digits, or into Go's exponent of at least two digits outside of the plain range.
fn render(scientific: &str, zero: bool, plain: std::ops::Range<i32>) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    match mantissa {
        "inf" => return "+Inf".to_owned(),
        "-inf" | "NaN" => return mantissa.replace("inf", "Inf"),
        _ => {}
    }
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !zero && !plain.contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

/// `1e-09` as `1e-9`, which is what the JSON encoder makes of small numbers.
fn unpad(text: String) -> String {
    match text.strip_suffix(|c: char| c.is_ascii_digit()).and_then(|head| head.strip_suffix("e-0")) {
        Some(head) => format!("{head}e-{}", &text[text.len() - 1..]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_go_prints_them() {
        for (value, want) in [
            (1.0, "1"),
            (0.5, "0.5"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (123.456, "123.456"),
            (0.0, "0"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(general(value), want);
        }
        assert_eq!(json(1e20), "100000000000000000000");
        assert_eq!(json(1e21), "1e+21");
        assert_eq!(json(0.00001), "0.00001");
        assert_eq!(json(1e-7), "1e-7");
        assert_eq!(json_single(0.1), "0.1");
    }

    #[test]
    fn digits_may_be_parted() {
        for (text, want) in
            [("1_000.5", Some(1000.5)), ("+1e3", Some(1000.0)), ("1__0", None), ("_1", None), ("", None)]
        {
            assert_eq!(float(text), want, "{text}");
        }
    }
}
