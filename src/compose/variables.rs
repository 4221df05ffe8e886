//! The variables that the texts of a model name.

use std::collections::BTreeMap;

use crate::compose::node::{Node, Value};
use crate::compose::template::{closing, name_at};

/// A variable as a text names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// The text of `${NAME:-text}`.
    pub default: String,
    /// The text of `${NAME:+text}`.
    pub alternate: String,
    /// Whether it is `${NAME:?reason}`.
    pub required: bool,
}

/// The variables of all texts of a tree, by name. Of a variable that is named more than once, the last counts.
#[must_use]
pub fn variables(model: &Node) -> BTreeMap<String, Variable> {
    let mut found = BTreeMap::new();
    walk(model, &mut found);
    found
}

fn walk(node: &Node, found: &mut BTreeMap<String, Variable>) {
    match &node.value {
        Value::Text(text) => read(text, found, 0),
        Value::Map(map) => map.values().for_each(|value| walk(value, found)),
        Value::Seq(items) => items.iter().for_each(|item| walk(item, found)),
        _ => {}
    }
}

/// Texts inside of texts at most.
const DEPTH: usize = 50;

fn read(text: &str, found: &mut BTreeMap<String, Variable>, depth: usize) {
    let mut rest = text;
    while let Some(dollar) = rest.find('$').filter(|_| depth <= DEPTH) {
        rest = &rest[dollar + 1..];
        let name = name_at(rest);
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if !name.is_empty() {
            found.insert(name.to_owned(), Variable::default());
            rest = &rest[name.len()..];
        } else if let Some((inside, after)) = rest.strip_prefix('{').and_then(braced) {
            rest = after;
            let name = name_at(inside);
            let operand = &inside[name.len()..];
            let operand = operand.strip_prefix(':').unwrap_or(operand);
            let mut variable = Variable::default();
            match (operand.get(..1), operand.get(1..)) {
                (Some("-"), Some(text)) => text.clone_into(&mut variable.default),
                (Some("+"), Some(text)) => text.clone_into(&mut variable.alternate),
                (Some("?"), _) => variable.required = true,
                _ => {}
            }
            let nested = [variable.default.clone(), variable.alternate.clone()];
            if !name.is_empty() {
                found.insert(name.to_owned(), variable);
            }
            for text in &nested {
                read(text, found, depth + 1);
            }
        }
    }
}

/// What stands between the braces, and the text behind them.
fn braced(inside: &str) -> Option<(&str, &str)> {
    let line = inside.split('\n').next().unwrap_or_default();
    let end = closing(line).or_else(|| line.rfind('}'))?;
    Some((&inside[..end], &inside[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::error::Position;

    #[test]
    fn variables_found_with_their_texts() {
        let place = Position::new(&std::sync::Arc::from(std::path::Path::new("c.yaml")), 1, 1);
        let text = "x${A:-d}y${B:?no}$C$$D ${E:+alt $F} $ x ${G-${H:-deep}}${I?} ${J} ${";
        let model = Node::mapping(&place, vec![("image", Node::text(text, &place)), ("cpus", Node::null(&place))]);
        let all = variables(&model);
        let show = |(name, v): (&String, &Variable)| format!("{name}|{}|{}|{}", v.default, v.alternate, v.required);
        let shown: Vec<String> = all.iter().map(show).collect();
        assert_eq!(
            shown,
            [
                "A|d||false",
                "B|||true",
                "C|||false",
                "E||alt $F|false",
                "F|||false",
                "G|${H:-deep}||false",
                "H|deep||false",
                "I|||true",
                "J|||false"
            ]
        );
    }
}
