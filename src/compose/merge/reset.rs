//! `!reset` and `!override`: what a file takes away from the files before it.

use crate::compose::node::{Node, Tag, Value};

/// The attributes that a file resets, by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resets {
    paths: Vec<Vec<String>>,
}

impl Resets {
    /// Takes the tags out of a file's tree: what is tagged `!reset` is removed, what is tagged `!override` stays. The
    /// fragments under `x-rolecall.roles` keep theirs, since they are merged later.
    pub(crate) fn take(node: &mut Node) -> Self {
        let mut resets = Self::default();
        resets.walk(node, &mut Vec::new());
        resets
    }

    fn walk(&mut self, node: &mut Node, at: &mut Vec<String>) {
        if at.len() == 2 && at[0] == crate::compose::EXTENSION && at[1] == "roles" {
            return;
        }
        match &mut node.value {
            Value::Map(map) => map.retain(|key, value| {
                at.push(key.name.clone());
                let keep = self.keep(value, at);
                at.pop();
                keep
            }),
            Value::Seq(items) => {
                let mut index = 0;
                items.retain_mut(|item| {
                    at.push(format!("[{index}]"));
                    index += 1;
                    let keep = self.keep(item, at);
                    at.pop();
                    keep
                });
            }
            _ => {}
        }
    }

    fn keep(&mut self, node: &mut Node, at: &mut Vec<String>) -> bool {
        if let Some(tag) = node.tag.take() {
            self.paths.push(at.clone());
            tag == Tag::Override
        } else {
            self.walk(node, at);
            true
        }
    }

    /// Removes what is reset from a tree of earlier files.
    pub(crate) fn apply(&self, node: &mut Node) {
        for path in &self.paths {
            remove(node, path);
        }
    }

    /// Removes what is reset from the resources of an included project that a project has, too.
    pub(crate) fn apply_to_known(&self, project: &Node, included: &mut Node) {
        for path in &self.paths {
            if let [section, name, ..] = path.as_slice()
                && project.at([section.as_str(), name.as_str()]).is_some()
            {
                remove(included, path);
            }
        }
    }

    /// Removes what is reset from a service that `name` extends.
    pub(crate) fn apply_to_service(&self, name: &str, service: &mut Node) {
        for path in &self.paths {
            if let [first, second, rest @ ..] = path.as_slice()
                && first == "services"
                && second == name
                && !rest.is_empty()
            {
                remove(service, rest);
            }
        }
    }
}

fn remove(node: &mut Node, path: &[String]) {
    let (Some(map), Some((first, rest))) = (node.as_map_mut(), path.split_first()) else {
        return;
    };
    if rest.is_empty() {
        map.shift_remove(first.as_str());
    } else if let Some(child) = map.get_mut(first.as_str()) {
        remove(child, rest);
    }
}
