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
#[expect(clippy::cast_possible_truncation, reason = "the size is in range, and cut to whole bytes")]
pub fn bytes(text: &str) -> Option<i64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')? + 1;
    let (number, suffix) = text.split_at(end);
    let size = crate::compose::number::float(number.strip_suffix(' ').unwrap_or(number))?;
    let power = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let size = size * 1024_f64.powi(power);
    (0.0..MORE_THAN_ANY).contains(&size).then_some(size as i64)
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
            ("+1", 1),
            ("1e3", 1000),
            ("5 ", 5),
        ] {
            assert_eq!(bytes(text), Some(want), "{text}");
        }
        for wrong in ["", "b", "-1", "32ib", "1x", "1mm", " 1", "1  k", "1,5g", "9999999t"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
