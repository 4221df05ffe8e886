//! `address:published:target/protocol` of a port.

use std::net::IpAddr;

/// One published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Address of the host; empty for all.
    pub host_ip: String,
    /// Port or range of the host; empty for any.
    pub published: String,
    /// Port of the container.
    pub target: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// Reads the short notation; a range gives several ports, in Compose's order (by the text of the target).
///
/// # Errors
/// A message that says what is wrong.
pub fn parse(spec: &str) -> Result<Vec<Port>, String> {
    let mut parts: Vec<&str> = spec.split(':').collect();
    let container = parts.pop().unwrap_or_default();
    let published = parts.pop().unwrap_or_default();
    let host_ip = address(&parts.join(":"))?;
    let (target, protocol) = match container.split_once('/') {
        Some(("", _)) => ("", ""),
        Some((target, protocol)) => (target, protocol.split('/').next().unwrap_or_default()),
        None => (container, ""),
    };
    if target.is_empty() {
        return Err("no port of the container is given".to_owned());
    }
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err("the protocol of a port must be tcp, udp or sctp".to_owned());
    }
    let (first, last) = range(target).ok_or("the port of the container must be a number or a range up to 65535")?;
    let host = match published {
        "" => None,
        text => Some(range(text).ok_or("the port of the host must be a number or a range up to 65535")?),
    };
    if host.is_some_and(|(low, high)| last - first != high - low) && first != last {
        return Err("the ranges of ports of host and container differ in length".to_owned());
    }
    let mut all: Vec<Port> = (0..=last - first)
        .map(|offset| {
            let published = match host {
                None => String::new(),
                Some((low, high)) if first == last && low != high => format!("{low}-{high}"),
                Some((low, _)) => (u32::from(low) + u32::from(offset)).to_string(),
            };
            Port { host_ip: host_ip.clone(), published, target: first + offset, protocol: protocol.clone() }
        })
        .collect();
    all.sort_by_key(|port| port.target.to_string());
    Ok(all)
}

/// An address, in brackets or not.
fn address(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if (bare.contains(':') && bare == text) || (!bare.is_empty() && bare.parse::<IpAddr>().is_err()) {
        return Err("the address of a port is not an IP address (IPv6 goes in brackets)".to_owned());
    }
    Ok(bare.to_owned())
}

/// `80` or `80-90`.
fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let mut parts = text.split('-');
    let first = number(parts.next()?)?;
    let last = parts.next().map_or(Some(first), number)?;
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spec: &str) -> Vec<String> {
        let show = |p: &Port| format!("{}|{}|{}|{}", p.host_ip, p.published, p.target, p.protocol);
        parse(spec).unwrap().iter().map(show).collect()
    }

    #[test]
    fn every_form_of_a_port_is_read() {
        assert_eq!(read("80"), ["||80|tcp"]);
        assert_eq!(read("8080:80/UDP"), ["|8080|80|udp"]);
        assert_eq!(read("127.0.0.1:8080:80"), ["127.0.0.1|8080|80|tcp"]);
        assert_eq!(read("127.0.0.1::80"), ["127.0.0.1||80|tcp"]);
        assert_eq!(read("[::1]:8080:80"), ["::1|8080|80|tcp"]);
        assert_eq!(read("8000-8001:9999-10000"), ["|8001|10000|tcp", "|8000|9999|tcp"]);
        assert_eq!(read("8000-8010:80"), ["|8000-8010|80|tcp"]);
        assert_eq!(read("3000-3001"), ["||3000|tcp", "||3001|tcp"]);
    }

    #[test]
    fn what_is_not_a_port_is_refused() {
        for wrong in ["", "a", "80:", "65536", "80-79", "80/xyz", "1.2.3:80:80", "8000-8002:80-81", "::1:80:80", "/tcp"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
