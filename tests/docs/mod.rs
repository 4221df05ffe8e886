//! The documentation holds: every code block is read by what reads its language, every `rolecall …` is one that the command
//! line accepts, every link leads somewhere, and every page is in the index.
//!
//! The words behind a fence are its language and, for a file of a project that the page shows, its name:
//! `yaml compose.prod.yaml`. The files of a page are put into one folder and loaded.

mod blocks;
mod broken;
mod links;
mod page;
mod shell;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use page::Page;

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Every page, by its path from the root.
fn pages() -> BTreeMap<String, Page> {
    let root = root();
    let mut open: Vec<PathBuf> = ["docs", "packer", "terraform", "userdata"].iter().map(|dir| root.join(dir)).collect();
    let mut files = vec![root.join("README.md")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "md") {
                files.push(entry);
            }
        }
    }
    let read = |file: PathBuf| {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        (name, Page::parse(&fs::read_to_string(file).unwrap()))
    };
    files.into_iter().map(read).collect()
}

/// What is wrong with a page, as `path:line: fault`.
fn faults(name: &str, page: &Page, pages: &BTreeMap<String, Page>) -> Vec<String> {
    let mut found = page.faults.clone();
    found.extend(blocks::check(page));
    found.extend(links::check(&root(), name, page, pages));
    found.sort();
    found.into_iter().map(|(line, fault)| format!("{name}:{line}: {fault}")).collect()
}

#[test]
fn every_block_command_and_link_holds() {
    let pages = pages();
    let found: Vec<String> = pages.iter().flat_map(|(name, page)| faults(name, page, &pages)).collect();
    assert!(found.is_empty(), "{} in the documentation:\n{}", found.len(), found.join("\n"));
    let blocks: usize = pages.values().map(|page| page.blocks.len()).sum();
    assert!(pages.len() > 10 && blocks > 50, "{} pages with {blocks} blocks were found", pages.len());
}

#[test]
fn the_index_names_every_page() {
    let pages = pages();
    let index = &pages["docs/README.md"];
    let named: Vec<String> = index.links.iter().map(|(_, link)| links::target("docs/README.md", link)).collect();
    let missing: Vec<&String> = pages
        .keys()
        .filter(|name| Path::new(name).starts_with("docs") && *name != "docs/README.md" && !named.contains(name))
        .collect();
    assert!(missing.is_empty(), "docs/README.md does not name {missing:?}");
}
