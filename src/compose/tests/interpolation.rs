//! Templates beside a small model of what they mean.

use proptest::prelude::*;

use super::any_text;
use crate::compose::template::{Fault, substitute};

fn value(name: &str) -> Option<String> {
    let values = [("A", "a value"), ("EMPTY", ""), ("_x1", "$A ${B} }")];
    values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// A piece of a template.
#[derive(Clone, Debug)]
enum Part {
    /// Letters that mean nothing.
    Text(String),
    /// `$$`
    Dollar,
    /// `$NAME` and a space.
    Plain(&'static str),
    /// `${NAME}`
    Braced(&'static str),
    /// Braces that belong to no variable.
    Object(Vec<Part>),
    /// `${NAME:-…}` and its like.
    Operator(&'static str, &'static str, Vec<Part>),
}

fn write(parts: &[Part]) -> String {
    let one = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Dollar => "$$".to_owned(),
        Part::Plain(name) => format!("${name} "),
        Part::Braced(name) => format!("${{{name}}}"),
        Part::Object(parts) => format!("{{\"k\": {}}}", write(parts)),
        Part::Operator(name, operator, parts) => format!("${{{name}{operator}{}}}", write(parts)),
    };
    parts.iter().map(one).collect()
}

/// What the parts mean.
fn meaning(parts: &[Part]) -> Result<String, Fault> {
    let one = |part: &Part| {
        Ok(match part {
            Part::Text(text) => text.clone(),
            Part::Dollar => "$".to_owned(),
            Part::Plain(name) => value(name).unwrap_or_default() + " ",
            Part::Braced(name) => value(name).unwrap_or_default(),
            Part::Object(parts) => format!("{{\"k\": {}}}", meaning(parts)?),
            Part::Operator(name, operator, parts) => {
                let (other, value) = (meaning(parts)?, value(name));
                let empty = value.as_deref() == Some("");
                let there = value.is_some() && !(empty && operator.starts_with(':'));
                match (operator.trim_start_matches(':'), there) {
                    ("-" | "?", true) => value.unwrap_or_default(),
                    ("-", false) | ("+", true) => other,
                    ("+", false) => String::new(),
                    _ => return Err(Fault::Required { name: (*name).to_owned(), reason: other }),
                }
            }
        })
    };
    parts.iter().map(one).collect()
}

fn template() -> impl Strategy<Value = Vec<Part>> {
    let name = || prop::sample::select(vec!["A", "EMPTY", "_x1", "UNSET"]);
    // the operators that refuse are rarer, since they end the story
    let operator = prop::sample::select(vec!["-", ":-", "-", ":-", "+", ":+", "+", ":+", "?", ":?"]);
    let leaf = prop_oneof![
        "[a-z :?+=\"'ä/-]{1,6}".prop_map(Part::Text),
        Just(Part::Dollar),
        name().prop_map(Part::Plain),
        name().prop_map(Part::Braced),
    ];
    let part = leaf.prop_recursive(4, 20, 3, move |inner| {
        let parts = prop::collection::vec(inner, 0..3);
        prop_oneof![
            parts.clone().prop_map(Part::Object),
            (name(), operator.clone(), parts).prop_map(|(name, operator, parts)| Part::Operator(name, operator, parts)),
        ]
    });
    prop::collection::vec(part, 0..5)
}

proptest! {
    #[test]
    fn a_template_means_what_its_parts_mean(parts in template()) {
        prop_assert_eq!(substitute(&write(&parts), &value), meaning(&parts), "{}", write(&parts));
    }

    #[test]
    fn a_text_without_a_dollar_stays(text in any_text()) {
        let text = text.replace('$', "");
        prop_assert_eq!(substitute(&text, &value), Ok(text));
    }

    #[test]
    fn an_escaped_text_comes_back_whole(text in any_text()) {
        prop_assert_eq!(substitute(&text.replace('$', "$$"), &value), Ok(text));
    }

    #[test]
    fn no_text_panics_and_a_required_name_is_one_of_the_text(text in "[${}:?+A-C1_a\n -]{0,40}") {
        if let Err(Fault::Required { name, .. }) = substitute(&text, &value) {
            prop_assert!(text.contains(&name));
        }
    }
}
