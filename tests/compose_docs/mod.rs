//! docs/compose.md says of every attribute of the Compose Specification what becomes of it. Its tables are written from
//! the schema and the rules of the plan, by these tests with `ROLECALL_WRITE_DOCS=1`.

mod notes;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;
use notes::{NOTES, WHEN, WITHOUT_EFFECT};
use rolecall::{
    compose::schema::{self, Shape},
    plan::unsupported::{RULES, Rule, Verdict},
};

use crate::support::{agent::walk, docs::written};

/// Tables: what they are about, and the attribute that theirs are below.
const TABLES: &[(&str, &str)] = &[
    ("Project", ""),
    ("`services.*`", "services.*"),
    ("`services.*.build`", "services.*.build"),
    ("`services.*.deploy`", "services.*.deploy"),
    ("`services.*.develop`", "services.*.develop"),
    ("`networks.*`", "networks.*"),
    ("`volumes.*`", "volumes.*"),
    ("`configs.*`", "configs.*"),
    ("`secrets.*`", "secrets.*"),
    ("`models.*`", "models.*"),
];

fn file() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compose.md").into()
}

/// The attributes below a shape, by their paths; a mapping of free keys adds a `*`, a list nothing.
fn attributes(shape: &'static Shape, path: &str, found: &mut BTreeSet<String>) {
    match shape {
        Shape::Either(all) => all.iter().for_each(|shape| attributes(shape, path, found)),
        Shape::List(item, _) => attributes(item, path, found),
        Shape::SinceFive(shape) => attributes(shape, path, found),
        Shape::Dict(item, _) => attributes(item, &join(path, "*"), found),
        Shape::Object(object) => {
            for (name, shape) in object.attributes {
                let path = join(path, name);
                attributes(shape, &path, found);
                found.insert(path);
            }
        }
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Every attribute of the specification, by its path.
pub(crate) fn all() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    attributes(&schema::PROJECT, "", &mut found);
    found
}

/// The attributes that a rule names: one or, with commas, several of one parent, of a service or else of what a service
/// refers to; behind a colon stands the value that it is about.
fn named(rule: &Rule, known: &BTreeSet<String>) -> Vec<String> {
    let name = rule.attribute.split(": ").next().unwrap();
    let parent = name.split(',').next().unwrap().rsplit_once('.').map_or("", |(parent, _)| parent);
    let names = name.split(", ").map(|name| name.strip_prefix(parent).unwrap_or(name).trim_start_matches('.'));
    names.filter_map(|name| place(&join(parent, name), known)).collect()
}

/// The attribute that a name is about: of a service, or of what a service refers to.
fn place(name: &str, known: &BTreeSet<String>) -> Option<String> {
    let shared = name.split_once('.').map(|(kind, name)| format!("{kind}.*.{name}"));
    [Some(join("services.*", name)), shared].into_iter().flatten().find(|path| known.contains(path))
}

/// When a rule holds, where that is not always.
fn when(rule: &Rule) -> Option<String> {
    let value = rule.attribute.split_once(": ").map(|(_, value)| format!("it is `{value}`"));
    value.or_else(|| WHEN.iter().find(|(name, _)| *name == rule.attribute).map(|(_, when)| (*when).to_owned()))
}

/// Verdict and note of each attribute.
fn verdicts(known: &BTreeSet<String>) -> BTreeMap<String, (&'static str, String)> {
    let mut rules: BTreeMap<String, Vec<&Rule>> = BTreeMap::new();
    for rule in RULES {
        let named = named(rule, known);
        assert!(!named.is_empty(), "the rule for '{}' names no attribute of the schema", rule.attribute);
        for path in named {
            rules.entry(path).or_default().push(rule);
        }
    }
    let mut verdicts: BTreeMap<String, (&'static str, String)> = BTreeMap::new();
    for path in known {
        let note = NOTES.iter().find(|(name, _)| name == path).map(|(_, note)| (*note).to_owned());
        let parent = path.rsplit_once('.').map(|(parent, _)| parent.trim_end_matches(".*"));
        let above = parent.and_then(|parent| Some((parent, verdicts.get(parent)?)));
        let within = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let without_effect = WITHOUT_EFFECT.iter().find(|(name, _)| within(name)).map(|(_, why)| *why);
        let word = |rule: &Rule| if rule.verdict == Verdict::Refused { "refused" } else { "ignored" };
        let of_path = rules.get(path).map_or(&[][..], Vec::as_slice);
        let verdict = match of_path.iter().find(|rule| when(rule).is_none()) {
            Some(rule) => (word(rule), rule.reason.to_owned()),
            None if !of_path.is_empty() => {
                let told = of_path
                    .iter()
                    .map(|rule| format!("{} where {}: {}", word(rule), when(rule).unwrap_or_default(), rule.reason));
                let verdict = if without_effect.is_some() { "ignored" } else { "honoured" };
                let first = without_effect.map(str::to_owned).or(note);
                (verdict, first.into_iter().chain(told).collect::<Vec<_>>().join("; "))
            }
            None => match (without_effect, above) {
                (Some(why), _) => ("ignored", why.to_owned()),
                (None, Some((parent, (verdict @ ("refused" | "ignored"), _)))) => {
                    let name = parent.rsplit('.').next().unwrap();
                    (*verdict, format!("as `{name}`"))
                }
                _ => ("honoured", note.unwrap_or_default()),
            },
        };
        verdicts.insert(path.clone(), verdict);
    }
    verdicts
}

/// The table that an attribute stands in: the one whose prefix is the longest.
fn table(path: &str) -> &'static str {
    let fits = |prefix: &str| prefix.is_empty() || path.starts_with(&format!("{prefix}."));
    TABLES.iter().map(|(_, prefix)| *prefix).filter(|prefix| fits(prefix)).max_by_key(|prefix| prefix.len()).unwrap()
}

fn tables() -> String {
    let verdicts = verdicts(&all());
    let mut text = String::new();
    for (title, prefix) in TABLES {
        let _ = write!(text, "\n### {title}\n\n| attribute | on a host | |\n|---|---|---|\n");
        for (path, (verdict, note)) in verdicts.iter().filter(|(path, _)| table(path) == *prefix) {
            let name = path.strip_prefix(prefix).unwrap().trim_start_matches('.');
            // A reason may name a placeholder, which is no tag.
            let _ = writeln!(text, "| `{name}` | {verdict} | {} |", note.replace('<', "\\<"));
        }
    }
    text.push('\n');
    text
}

#[test]
fn the_tables_are_those_of_the_code() {
    written("compose.md", "compose_docs", &tables());
}

#[test]
fn every_note_is_about_something() {
    let known = all();
    let notes = NOTES.iter().chain(WITHOUT_EFFECT).map(|(path, _)| *path);
    let strange: Vec<&str> = notes.filter(|path| !known.contains(*path)).collect();
    assert!(strange.is_empty(), "no such attribute: {strange:?}");
    let stale: Vec<_> = WHEN.iter().filter(|(name, _)| !RULES.iter().any(|rule| rule.attribute == *name)).collect();
    assert!(stale.is_empty(), "no such rule: {stale:?}");
    // A note that another verdict hides would never be read.
    let verdicts = verdicts(&known);
    let hidden: Vec<_> = NOTES.iter().filter(|(path, note)| !verdicts[*path].1.starts_with(note)).collect();
    assert!(hidden.is_empty(), "notes of attributes without effect: {hidden:?}");
}

#[test]
fn every_engine_that_is_needed_is_named() {
    let plan = walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan"));
    let (known, mut found) = (all(), 0);
    let verdicts = verdicts(&known);
    for text in plan.into_values().map(|bytes| String::from_utf8(bytes).unwrap()) {
        for call in text.split("needs(service, ").skip(1) {
            let quoted: Vec<&str> = call.split(")?;").next().unwrap().split('"').skip(1).step_by(2).collect();
            // Where the attribute's name was put together before the call, the engine is all that can be seen.
            let [attribute, engine] = quoted[..] else { continue };
            let name = attribute.replace("{key}", "*");
            let path = place(name.split([':', ' ']).next().unwrap(), &known).expect(attribute);
            let note = &verdicts[&path].1;
            assert!(note.contains(&format!("{engine} (API ")), "{attribute} needs {engine}; docs/compose.md: {note}");
            found += 1;
        }
    }
    assert!(found > 4, "only {found} such calls were found");
}

#[test]
fn every_flag_of_config_is_documented() {
    let text = fs::read_to_string(file()).unwrap();
    let program = rolecall::cli::Cli::command();
    let config = program.find_subcommand("config").unwrap();
    for flag in config.get_arguments().filter(|a| !a.is_global_set()).filter_map(clap::Arg::get_long) {
        assert!(text.contains(&format!("`--{flag}")), "docs/compose.md does not know --{flag}");
    }
}
