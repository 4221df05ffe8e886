//! Links between the pages: every file is there, and so is every heading.

use std::{collections::BTreeMap, path::Path};

use super::page::{Fault, Page};

/// The path that a link on a page names, from the root of the checkout.
pub(super) fn target(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Links of a page that lead nowhere.
pub(super) fn check(root: &Path, name: &str, page: &Page, pages: &BTreeMap<String, Page>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (line, link) in page.links.iter().filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:")) {
        let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
        let path = if file.is_empty() { name.to_owned() } else { target(name, file) };
        let other = if path == name { Some(page) } else { pages.get(&path) };
        if other.is_none() && !root.join(&path).exists() {
            faults.push((*line, format!("the link {link} leads nowhere: there is no {path}")));
        } else if let Some(anchor) = anchor {
            let known = other.is_some_and(|page| page.anchors.iter().any(|known| known == anchor));
            if !known {
                faults.push((*line, format!("the link {link} leads nowhere: {path} has no heading #{anchor}")));
            }
        }
    }
    faults
}
