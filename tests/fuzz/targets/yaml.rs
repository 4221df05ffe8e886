#![no_main]
//! Bytes to a tree of nodes.

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::compose::yaml::{Budget, parse};
use rolecall_fuzz::compose::{Node, Value};
use rolecall_fuzz::{inside, well_placed};

fuzz_target!(|data: &[u8]| {
    let budget = Budget { nodes: 5_000, text: 1 << 20, ..Budget::default() };
    match parse(&Arc::from(Path::new("f.yaml")), data, budget) {
        Ok(None) => {}
        Ok(Some(node)) => {
            assert!(node.count() <= budget.nodes);
            walk(&node, data, budget.depth);
        }
        Err(fault) => well_placed(&fault, data),
    }
});

fn walk(node: &Node, data: &[u8], depth: usize) {
    inside(&node.position, data);
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| walk(item, data, depth - 1)),
        Value::Map(map) => map.iter().for_each(|(key, value)| {
            inside(&key.position, data);
            walk(value, data, depth - 1);
        }),
        _ => {}
    }
}
