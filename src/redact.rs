//! Values that must not be seen, and addresses that may carry such values.
//!
//! A value that was looked up is hidden by [`hide`] from then on, and whatever leaves the process for somebody to read
//! (log lines, the console, the texts of the journal, the plan and the status file) passes through [`mask`]: what quotes it, an error of ours or
//! the output of a script, shows its name instead.

use std::{
    borrow::Cow,
    fmt,
    sync::{PoisonError, RwLock},
};

use base64::Engine as _;
use serde_json::Value;

use crate::printable;

/// A value that no log, error text or journal may show: `Debug` prints a placeholder and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that has to use it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Shorter values, in bytes, are not looked for: they would be found in any text.
pub const SHORTEST: usize = 4;

/// What is hidden, longest first, and what is shown in its place.
static HIDDEN: RwLock<Vec<(String, String)>> = RwLock::new(Vec::new());

/// Hides a value from now on, also as JSON, addresses and base64 write it, and each longer line of it; `shown` is seen
/// in its place.
pub fn hide(value: &str, shown: &str) {
    /// A line of a longer value that is shorter than this may be anything.
    const LINE: usize = 8;
    let value = value.trim();
    let mut forms = written(value).to_vec();
    forms.extend(value.lines().map(str::trim).filter(|line| line.len() >= LINE).flat_map(written));
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    for form in forms {
        if form.len() >= SHORTEST && !hidden.iter().any(|(known, _)| *known == form) {
            hidden.push((form, shown.to_owned()));
        }
    }
    hidden.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
}

/// The forms in which a value is met.
fn written(value: &str) -> [String; 5] {
    let json = Value::from(value).to_string();
    let address = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(value);
    let shown = printable::line(value).into_owned();
    [value.to_owned(), json.trim_matches('"').to_owned(), address, base64, shown]
}

/// A text without the values that are hidden.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (form, shown) in HIDDEN.read().unwrap_or_else(PoisonError::into_inner).iter() {
        if text.contains(form.as_str()) {
            text = Cow::Owned(text.replace(form.as_str(), shown));
        }
    }
    text
}

/// Hides what the environment of this process tells in confidence: credentials, and the passwords of proxies.
pub fn hide_environment() {
    let variable = |name: &str| std::env::var(name).ok();
    for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        variable(name).inspect(|value| hide(value, &format!("${{{name}}}")));
    }
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        for name in [name.to_owned(), name.to_uppercase()] {
            if let Some(address) = variable(&name).and_then(|value| url::Url::parse(&value).ok()) {
                hide_password(&address, "[proxy password]");
            }
        }
    }
}

/// Hides the password of an address: as it is written there, decoded, and as `curl -v` shows it in a header of Basic
/// authentication.
pub fn hide_password(address: &url::Url, shown: &str) {
    let Some(password) = address.password() else { return };
    let decoded = |text: &str| percent_decode(text);
    let (user, plain) = (decoded(address.username()), decoded(password));
    hide(&base64::engine::general_purpose::STANDARD.encode(format!("{user}:{plain}")), shown);
    hide(password, shown);
    hide(&plain, shown);
}

/// Decodes `%40` and the like; bytes that are not text are replaced.
fn percent_decode(text: &str) -> String {
    // A plus sign is itself outside of forms.
    let form = text.replace('+', "%2B");
    url::form_urlencoded::parse(form.replace('&', "%26").replace('=', "%3D").as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

/// An address as it may be printed: without user, password, query and fragment, which is where presigned
/// signatures and tokens stand.
pub fn url(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(mut parsed) => {
            let hidden = parsed.query().is_some();
            parsed.set_query(None);
            parsed.set_fragment(None);
            // Both fail only for addresses that cannot have a user at all.
            let _ = parsed.set_username("");
            let _ = parsed.set_password(None);
            if hidden { format!("{parsed}?…") } else { parsed.to_string() }
        }
        Err(_) => address.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown_by_its_name_in_every_form() {
        hide("s3cret \"quoted\"\nsecond line of it\n", "${KEY}");
        hide("s3cret", "${SHORT}");
        hide("abc", "${TOO_SHORT}");
        hide("", "${EMPTY}");
        for (text, wanted) in [
            ("is s3cret \"quoted\"\nsecond line of it!", "is ${KEY}!"),
            (r#"{"value":"s3cret \"quoted\"\nsecond line of it"}"#, r#"{"value":"${KEY}"}"#),
            ("?k=s3cret+%22quoted%22%0Asecond+line+of+it&x", "?k=${KEY}&x"),
            ("Basic czNjcmV0ICJxdW90ZWQiCnNlY29uZCBsaW5lIG9mIGl0", "Basic ${KEY}"),
            ("then: second line of it", "then: ${KEY}"),
            ("as s3cret", "as ${SHORT}"),
            ("abc and nothing else", "abc and nothing else"),
        ] {
            assert_eq!(mask(text), wanted);
        }
    }

    #[test]
    fn value_with_control_characters_hidden_once_escaped() {
        hide("es\u{1b}cape", "${ESCAPE}");
        assert_eq!(mask(&printable::line("is es\u{1b}cape")), "is ${ESCAPE}");
    }

    #[test]
    fn proxy_password_hidden_decoded_and_in_basic_headers() {
        let address = url::Url::parse("http://us%40er:pr%40xy%2Bpw@proxy:3128").unwrap();
        hide_password(&address, "[proxy password]");
        for text in ["pr%40xy%2Bpw", "pr@xy+pw", "Proxy-Authorization: Basic dXNAZXI6cHJAeHkrcHc="] {
            let masked = mask(text);
            assert!(masked.ends_with("[proxy password]"), "{masked}");
        }
    }
}
