//! Files of variables and YAML: what is written is read, and faults stand inside of the text.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::{any_text, is_inside, parsed, tree};
use crate::compose::dotenv::{Variables, parse, parse_raw};
use crate::compose::error::Diagnostic;
use crate::compose::model::to_json;

type Read = fn(&Path, &[u8], &mut Variables, crate::compose::template::Lookup<'_>) -> Result<(), Diagnostic>;

fn read(read: Read, text: &str) -> Result<Variables, Diagnostic> {
    let mut variables = Variables::new();
    read(Path::new(".env"), text.as_bytes(), &mut variables, &|_| None).map(|()| variables)
}

fn names() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[A-Za-z_][A-Za-z0-9_.]{0,8}", any_text(), 0..6)
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e9..1e9_f64).prop_map(Into::into),
        any_text().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_in_double_quotes_is_read_back(variables in names()) {
        let quote = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        let line = |(name, value): (&String, &String)| format!("# ' \"\nexport {name} = \"{}\"\n", quote(value));
        let text: String = variables.iter().map(line).collect();
        prop_assert_eq!(read(parse, &text), Ok(variables), "{}", text);
    }

    #[test]
    fn a_value_in_single_quotes_is_read_back(variables in names()) {
        let variables: Variables =
            variables.into_iter().map(|(name, value)| (name, value.replace(['\'', '\\'], ""))).collect();
        let text: String = variables.iter().map(|(name, value)| format!("{name}: '{value}'\n")).collect();
        prop_assert_eq!(read(parse, &text), Ok(variables), "{}", text);
    }

    #[test]
    fn a_raw_line_is_read_byte_for_byte(variables in names()) {
        let variables: Variables =
            variables.into_iter().map(|(name, value)| (name, value.replace('\n', ""))).collect();
        let text: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        prop_assert_eq!(read(parse_raw, &text), Ok(variables), "{}", text);
    }

    #[test]
    fn a_fault_of_a_file_of_variables_is_inside_of_it(text in "[A-C=:'\"$\\{}?#!\\\\ \n\ta-]{0,40}") {
        for fault in [read(parse, &text).err(), read(parse_raw, &text).err()].into_iter().flatten() {
            prop_assert!(is_inside(fault.position.as_ref().unwrap(), &text), "{fault} in {text:?}");
        }
    }

    #[test]
    fn a_fault_of_yaml_is_inside_of_it(text in "[a-c&*!<>|:'\"\\{}\\[\\]%@,?#\\\\ \n\t-]{0,40}", more in any_text()) {
        for text in [text, more] {
            if let Err(fault) = parsed(&text) {
                prop_assert!(is_inside(fault.position.as_ref().unwrap(), &text), "{fault} in {text:?}");
            }
        }
    }

    #[test]
    fn json_is_read_as_what_it_is(json in json()) {
        prop_assert_eq!(to_json(&tree(&json)), json);
    }
}
