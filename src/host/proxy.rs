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

/// The same, of our own environment.
pub fn from_env() -> BTreeMap<String, String> {
    variables(|name| std::env::var(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

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
