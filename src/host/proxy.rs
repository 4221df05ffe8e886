//! Proxy variables for programs that we start.

use std::collections::BTreeMap;

const NAMES: [&str; 4] = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"];

/// The proxy variables of `get` (an environment), each in both spellings: apt, curl and wget read only some of
/// them in capitals, Go programs such as dockerd read either. Where both are set and differ, each keeps its own.
pub fn variables(get: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for lower in NAMES {
        let upper = lower.to_uppercase();
        let set = |name: &str| get(name).filter(|v| !v.is_empty());
        let (in_lower, in_upper) = (set(lower), set(&upper));
        if let Some(value) = in_lower.clone().or_else(|| in_upper.clone()) {
            found.insert(lower.to_owned(), value);
        }
        if let Some(value) = in_upper.or(in_lower) {
            found.insert(upper, value);
        }
    }
    found
}

/// Hosts that no program may ask through a proxy: instance metadata in both families, and container credentials.
const METADATA: [&str; 3] = ["169.254.169.254", "169.254.170.2", "fd00:ec2::254"];

/// The same, of our own environment, for programs of this host: with a proxy, metadata is excepted from it. A role's
/// credentials are of no use through a proxy, and none of its business.
pub fn from_env() -> BTreeMap<String, String> {
    excepting_metadata(unexcepted())
}

/// The proxy variables of our own environment as they are.
pub fn unexcepted() -> BTreeMap<String, String> {
    variables(|name| std::env::var(name).ok())
}

fn excepting_metadata(mut variables: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if variables.keys().any(|name| !name.eq_ignore_ascii_case("no_proxy")) {
        for name in ["no_proxy", "NO_PROXY"] {
            let excepted = variables.entry(name.to_owned()).or_default();
            if excepted.split(',').any(|host| host.trim() == "*") {
                continue;
            }
            for host in METADATA {
                if !excepted.split(',').any(|known| known.trim() == host) {
                    let comma = if excepted.is_empty() { "" } else { "," };
                    *excepted = format!("{excepted}{comma}{host}");
                }
            }
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_never_proxied() {
        let of = |name: &str, value: &str| excepting_metadata(BTreeMap::from([(name.to_owned(), value.to_owned())]));
        let all = "169.254.169.254,169.254.170.2,fd00:ec2::254";
        assert_eq!(of("HTTPS_PROXY", "http://p")["NO_PROXY"], all);
        assert_eq!(of("http_proxy", "http://p")["no_proxy"], all);
        assert_eq!(of("NO_PROXY", "localhost").len(), 1, "without a proxy nothing is excepted");
        let mut both = of("HTTPS_PROXY", "http://p");
        both.insert("no_proxy".to_owned(), "localhost, 169.254.169.254".to_owned());
        let both = excepting_metadata(both);
        assert_eq!(both["no_proxy"], "localhost, 169.254.169.254,169.254.170.2,fd00:ec2::254");
        assert_eq!(excepting_metadata(both.clone()), both);
    }

    #[test]
    fn either_spelling_serves_for_both() {
        let get = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
            "no_proxy" => Some("localhost".to_owned()),
            "HTTP_PROXY" => Some(String::new()),
            _ => None,
        };
        let found = variables(get);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy"]);
        assert_eq!(found["https_proxy"], "http://proxy:3128");
    }
}
