//! Durations and byte sizes as texts.

/// Nanoseconds of a duration such as `1h30m`, `1.5s` or `2d`; `None` if it is not one.
#[must_use]
pub fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = &rest[..digits];
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit: i128 = match &rest[..letters] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "w" => 604_800_000_000_000,
            _ => return None,
        };
        rest = &rest[letters..];
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 18 {
            return None;
        }
        total += if whole.is_empty() { 0 } else { whole.parse::<i128>().ok()? * unit };
        let fraction = &fraction[..fraction.len().min(18)];
        if !fraction.is_empty() {
            total += fraction.parse::<i128>().ok()? * unit / 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        }
    }
    i64::try_from(if sign < 0.0 { -total } else { total }).ok()
}

/// 2^63: what no longer fits.
const MORE_THAN_ANY: f64 = 9_223_372_036_854_775_808.0;

/// Bytes of a size such as `512`, `64m`, `1.5gb` or `2GiB` (powers of 1024); `None` if it is not one.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "in range, and cut to whole bytes")]
pub fn bytes(text: &str) -> Option<i64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ',')? + 1;
    let (number, suffix) = text.split_at(end);
    let number = number.trim_end();
    let size: f64 = number.parse().ok()?;
    if size < 0.0 || !size.is_finite() || number.starts_with('+') {
        return None;
    }
    let suffix = suffix.strip_prefix(' ').unwrap_or(suffix).to_ascii_lowercase();
    let power = match suffix.strip_suffix("ib").or_else(|| suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if !suffix.ends_with("ib") => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let size = size * 1024_f64.powi(power);
    (size < MORE_THAN_ANY).then_some(size as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_compose_reads_them() {
        assert_eq!(duration("1m30s"), Some(90_000_000_000));
        assert_eq!(duration("1.5s"), Some(1_500_000_000));
        assert_eq!(duration("2d"), Some(172_800_000_000_000));
        assert_eq!(duration("0"), Some(0));
        assert_eq!(duration("-5ms"), Some(-5_000_000));
        for wrong in ["", "5", "s", "1x", "1..2s", "-"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_read_as_the_engine_reads_them() {
        for (text, want) in [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("32k", 32768),
            ("32 kb", 32768),
            ("1.5g", 1_610_612_736),
            ("2GiB", 2_147_483_648),
            ("1m", 1_048_576),
        ] {
            assert_eq!(bytes(text), Some(want), "{text}");
        }
        for wrong in ["", "b", "-1", "32ib", "1x", "1mm", "9999999t"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
