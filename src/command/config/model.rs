//! What `rolecall config` prints of a project whose variables are not replaced.

use std::{collections::BTreeMap, fmt::Write};

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::{
    cli::{ConfigFormat, ConfigList},
    compose::{Generation, Node, Variable, emit::Tree, model_json, model_yaml, tree_yaml, variables},
};

/// The merged project, the names of its services or its variables.
pub(super) fn text(model: &Node, list: &ConfigList, format: Option<ConfigFormat>, generation: Generation) -> String {
    if list.variables {
        let all = variables(model);
        return match format {
            None => table(&all),
            Some(ConfigFormat::Json) => json(&all),
            Some(ConfigFormat::Yaml) => yaml(&all),
        };
    }
    if list.services {
        let services = model.get("services").and_then(Node::as_map).into_iter();
        let mut names: Vec<&str> = services.flat_map(|map| map.keys()).map(|key| key.name.as_str()).collect();
        names.sort_unstable();
        return names.into_iter().fold(String::new(), |text, name| text + name + "\n");
    }
    match format.unwrap_or_default() {
        ConfigFormat::Yaml => model_yaml(model, generation),
        ConfigFormat::Json => model_json(model, generation),
    }
}

/// The least width of a column, and the space between two of them.
const WIDTH: usize = 20;
const GAP: usize = 3;

/// One variable a line, in columns.
fn table(all: &BTreeMap<String, Variable>) -> String {
    let mut lines = vec![["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"].map(str::to_owned)];
    lines.extend(all.iter().map(|(name, variable)| {
        [name.clone(), variable.required.to_string(), variable.default.clone(), variable.alternate.clone()]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count() + GAP).fold(WIDTH, usize::max);
    let widths = [width(0), width(1), width(2)];
    lines.iter().fold(String::new(), |mut text, [name, required, default, alternate]| {
        let [first, second, third] = widths;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:first$}{required:second$}{default:third$}{alternate}");
        text
    })
}

/// A variable as Compose prints it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Printed<'a> {
    name: &'a str,
    default_value: &'a str,
    presence_value: &'a str,
    required: bool,
}

/// The variables as JSON, which Compose ends with a blank line.
fn json(all: &BTreeMap<String, Variable>) -> String {
    let all = all.iter().map(|(name, variable)| {
        let Variable { default, alternate, required } = variable;
        (name, Printed { name, default_value: default, presence_value: alternate, required: *required })
    });
    let all: BTreeMap<&String, Printed<'_>> = all.collect();
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    // Writing to memory cannot fail, and all keys are texts.
    let _ = all.serialize(&mut serializer);
    String::from_utf8_lossy(&text).into_owned() + "\n\n"
}

/// The variables as YAML, which Compose indents by four spaces here.
fn yaml(all: &BTreeMap<String, Variable>) -> String {
    let text = |text: &str| Tree::Text(text.to_owned());
    let pairs = all.iter().map(|(name, variable)| {
        let fields = [
            ("name", text(name)),
            ("defaultvalue", text(&variable.default)),
            ("presencevalue", text(&variable.alternate)),
            ("required", Tree::Bool(variable.required)),
        ];
        (name.clone(), Tree::Map(fields.map(|(key, value)| (key.to_owned(), value)).into()))
    });
    let printed = tree_yaml(&Tree::Map(pairs.collect()), Generation::Two);
    printed
        .split_inclusive('\n')
        .fold(String::new(), |text, line| text + if line.starts_with(' ') { "  " } else { "" } + line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(default: &str, required: bool) -> Variable {
        Variable { default: default.to_owned(), alternate: String::new(), required }
    }

    #[test]
    fn variables_printed_as_by_compose() {
        let all = BTreeMap::from([
            ("A".to_owned(), variable("<1>", false)),
            ("B_WITH_A_LONG_NAME".to_owned(), variable("", true)),
        ]);
        assert_eq!(
            table(&all),
            "NAME                 REQUIRED            DEFAULT VALUE       ALTERNATE VALUE\n\
             A                    false               <1>                 \n\
             B_WITH_A_LONG_NAME   true                                    \n"
        );
        let one = BTreeMap::from([("A".to_owned(), variable("<1>", false))]);
        assert_eq!(
            yaml(&one),
            "A:\n    name: A\n    defaultvalue: <1>\n    presencevalue: \"\"\n    required: false\n"
        );
        assert_eq!(
            json(&one),
            "{\n    \"A\": {\n        \"Name\": \"A\",\n        \"DefaultValue\": \"<1>\",\n        \"PresenceValue\": \"\",\n        \
             \"Required\": false\n    }\n}\n\n"
        );
    }
}
