//! Values that only an instance knows: whatever a permission is named after must not depend on them.

use std::collections::BTreeSet;

use crate::error::{Cause, Error, Result};

/// The variables without a value, each with a text in its place that is looked for in what comes of the project.
#[derive(Clone, Debug, Default)]
pub struct Unknown(BTreeSet<String>);

impl Unknown {
    /// These variables have no value here.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Each of the variables, with the text in its place.
    pub fn values(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|name| (name.as_str(), mark(name)))
    }

    /// Refuses a text that depends on one of the variables; `what` it is.
    ///
    /// # Errors
    /// `manifest-invalid`, naming the variable.
    pub(super) fn check(&self, what: &str, text: &str) -> Result<()> {
        let Some((name, _)) = self.values().find(|(_, mark)| text.contains(mark)) else { return Ok(()) };
        let message = format!("{what} depends on {name}, which only an instance knows");
        Err(Error::new(Cause::ManifestInvalid, message).need(format!("the value of {name}")).hint(format!(
            "give it: --set {name}=VALUE, once for each value that instances have; or write the name out"
        )))
    }
}

/// Lower-case letters, digits and dashes: good for a part of any name. Nothing else begins so, and none is the beginning
/// of another.
fn mark(name: &str) -> String {
    format!("not-known-here-{}-x", hex::encode(name))
}

/// Names of variables after tags that a text mentions.
pub(super) fn tags(text: &[u8]) -> BTreeSet<String> {
    const PREFIX: &str = "ROLECALL_TAG_";
    let text = String::from_utf8_lossy(text);
    let name = |(at, _): (usize, &str)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    text.match_indices(PREFIX).map(name).filter(|name| name.len() > PREFIX.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_depends_on_a_variable_is_refused_by_its_name() {
        let unknown = Unknown::new(["A", "AB", "ROLECALL_TAG_A"].map(str::to_owned));
        for (name, mark) in unknown.values() {
            let err = unknown.check("the image of web", &format!("x/{mark}")).unwrap_err();
            assert_eq!(err.message, format!("the image of web depends on {name}, which only an instance knows"));
        }
        assert!(unknown.check("", "registry.example.com/app").is_ok());
    }

    #[test]
    fn tags_that_a_text_mentions_are_found() {
        let found = tags(b"a: ${ROLECALL_TAG_App_1:-x}\nb: $ROLECALL_TAG_B, ROLECALL_TAG_ and ROLECALL_TAG_B\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["ROLECALL_TAG_App_1", "ROLECALL_TAG_B"]);
    }
}
