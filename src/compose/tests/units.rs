//! Durations, sizes, ports and words: what is printed is read again.

use proptest::prelude::*;

use super::any_text;
use crate::compose::model::Duration;
use crate::compose::short::ports::{Port, parse};
use crate::compose::units::{bytes, duration};
use crate::compose::words;

/// Units of time in nanoseconds.
const TIMES: [(&str, i128); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

const SIZES: [&str; 6] = ["", "k", "m", "g", "t", "p"];

fn port() -> impl Strategy<Value = (String, u16, u16, Option<u16>, String)> {
    let address = prop::sample::select(vec!["", "127.0.0.1:", "[::1]:", "[fe80::1:2]:"]);
    let protocol = prop::sample::select(vec!["", "/tcp", "/udp", "/SCTP"]);
    let ports = (1_u16..40, 1_u16..65_000, prop::option::of(1_u16..65_000));
    (address, ports, protocol).prop_map(|(address, (count, target, published), protocol)| {
        let published = published.or((!address.is_empty()).then_some(1));
        (address.to_owned(), count, target, published, protocol.to_owned())
    })
}

fn range(first: u16, count: u16) -> String {
    if count == 1 { first.to_string() } else { format!("{first}-{}", first + count - 1) }
}

fn short(port: &Port) -> String {
    let address = if port.host_ip.contains(':') { format!("[{}]", port.host_ip) } else { port.host_ip.clone() };
    match (address.as_str(), port.published.as_str()) {
        ("", "") => format!("{}/{}", port.target, port.protocol),
        ("", published) => format!("{published}:{}/{}", port.target, port.protocol),
        (address, published) => format!("{address}:{published}:{}/{}", port.target, port.protocol),
    }
}

proptest! {
    #[test]
    fn a_duration_is_read_as_it_is_printed(nanos in prop_oneof![any::<i64>(), -1_000_i64..1_000, 0..86_400_000_000_000_i64]) {
        prop_assert_eq!(duration(&Duration(nanos).to_string()), Some(nanos));
    }

    #[test]
    fn a_duration_is_the_sum_of_its_parts_or_too_large(
        parts in prop::collection::vec((0_u32..2_000_000_000, prop::sample::select(TIMES.to_vec())), 1..4),
        negative in any::<bool>(),
    ) {
        let text: String = parts.iter().map(|(count, (unit, _))| format!("{count}{unit}")).collect();
        let sum: i128 = parts.iter().map(|(count, (_, nanos))| i128::from(*count) * nanos).sum();
        let (text, sum) = if negative { (format!("-{text}"), -sum) } else { (text, sum) };
        prop_assert_eq!(duration(&text), i64::try_from(sum).ok(), "{}", text);
    }

    #[test]
    fn more_of_a_unit_is_longer(a in 0_u32..10_000, b in 0_u32..10_000, (unit, _) in prop::sample::select(TIMES.to_vec())) {
        let read = |count: u32| duration(&format!("{count}.5{unit}")).unwrap();
        prop_assert_eq!(a.cmp(&b), read(a).cmp(&read(b)));
    }

    #[test]
    fn a_size_is_a_power_of_1024_in_every_spelling_or_too_large(
        count in 0_u64..(1 << 32),
        power in 0..SIZES.len(),
        spelling in 0_usize..6,
    ) {
        let unit = SIZES[power];
        let long = if unit.is_empty() { unit.to_owned() } else { format!("{unit}ib") };
        let unit = [unit.to_owned(), format!("{unit}b"), long.clone(), unit.to_uppercase(), format!(" {unit}"), long.to_uppercase()];
        let text = format!("{count}{}", unit[spelling]);
        let want = i64::try_from(u128::from(count) << (10 * power)).ok();
        prop_assert_eq!(bytes(&text), want, "{}", text);
    }

    #[test]
    fn a_larger_size_is_not_smaller(a in 0.0_f64..1e3, b in 0.0_f64..1e3, unit in prop::sample::select(SIZES.to_vec())) {
        let read = |count: f64| bytes(&format!("{count:.3}{unit}")).unwrap();
        prop_assert!((a <= b) == (read(a) <= read(b)) || read(a) == read(b) || (a - b).abs() < 1e-3);
    }

    #[test]
    fn a_range_of_ports_is_as_many_ports_in_order((address, count, target, published, protocol) in port()) {
        let host = published.map_or_else(String::new, |first| range(first, count) + ":");
        let all = parse(&format!("{address}{host}{}{protocol}", range(target, count))).unwrap();
        prop_assert_eq!(all.len(), usize::from(count));
        prop_assert!(all.is_sorted_by_key(|port| port.target.to_string()));
        for port in &all {
            let offset = port.target.checked_sub(target).unwrap();
            prop_assert!(offset < count);
            prop_assert_eq!(&port.published, &published.map_or_else(String::new, |first| (first + offset).to_string()));
            prop_assert_eq!(parse(&short(port)).unwrap(), std::slice::from_ref(port));
        }
    }

    #[test]
    fn ranges_that_differ_in_length_are_refused(first in 1_u16..60_000, count in 2_u16..100, other in 1_u16..100) {
        prop_assume!(count != other);
        let text = format!("{}:{}", range(first, other), range(first, count));
        prop_assert!(parse(&text).is_err(), "{text}");
    }

    #[test]
    fn no_text_panics(text in any_text(), numbers in "[-0-9a-z.:/, µ]{0,24}") {
        for text in [text, numbers] {
            let _ = (duration(&text), bytes(&text), parse(&text), words::split(&text));
        }
    }

    #[test]
    fn quoted_words_are_read_back(all in prop::collection::vec(any_text(), 0..5)) {
        let quote = |word: &String| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('`', "\\`"));
        let line: Vec<String> = all.iter().map(quote).collect();
        prop_assert_eq!(words::split(&line.join(" ")), Some(all));
    }
}
