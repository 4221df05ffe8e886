//! Values that must not be seen, and addresses that may carry such values.

use std::fmt;

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
