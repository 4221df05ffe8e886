//! Each code block, checked by what reads its language.

use std::{fs, path::Path, process::Command, sync::Arc};

use clap::{CommandFactory as _, Parser as _};
use rolecall::{
    cli::Cli,
    compose::{Disk, Node, yaml},
    manifest::{self, Reading},
};

use super::{
    page::{Block, Fault, Page},
    shell,
};
use crate::support::bed::binary;

/// What is wrong with the blocks of a page, and with the commands that its text names.
pub(super) fn check(page: &Page) -> Vec<Fault> {
    let dir = tempfile::tempdir().unwrap();
    let mut faults = projects(page, dir.path());
    for block in &page.blocks {
        let told = |fault: String| (block.line, fault);
        let found = match block.language.as_str() {
            "text" => Vec::new(),
            "yaml" => yaml(block),
            "sh" | "bash" => script(block),
            "json" => serde_json::from_str::<serde_json::Value>(&block.text)
                .err()
                .map(|e| e.to_string())
                .into_iter()
                .collect(),
            "toml" => config(&block.text),
            "ini" => unit(&block.text),
            "hcl" => hcl(&block.text),
            "" => vec!["a block without a language: what is no code is `text`".to_owned()],
            other => vec![format!("nothing here reads {other}: what is no code is `text`")],
        };
        faults.extend(found.into_iter().map(told));
    }
    for (line, span) in &page.spans {
        faults.extend(named(span).map(|fault| (*line, fault)));
    }
    faults
}

/// The files that a page shows, as the projects that they make.
fn projects(page: &Page, dir: &Path) -> Vec<Fault> {
    let named = || page.blocks.iter().filter_map(|block| Some((block, block.file.as_deref()?)));
    let mut faults = Vec::new();
    for (block, file) in named() {
        let path = dir.join(file);
        if path.exists() {
            faults.push((block.line, format!("{file} is shown twice: a folder in front of its name tells them apart")));
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &block.text).unwrap();
    }
    for (block, file) in named().filter(|(block, _)| block.language == "yaml") {
        let path = dir.join(file);
        let folder = path.parent().unwrap();
        let Some(node) = parse(&block.text) else { continue };
        beside(&node, folder);
        // `compose.prod.yaml` and the like: the project with this overlay.
        let name = path.file_stem().unwrap().to_string_lossy();
        let overlay = name.split_once('.').filter(|(_, overlay)| *overlay != "override").map(|(_, overlay)| overlay);
        let arguments = overlay.map_or(vec![], |overlay| vec!["--environment", overlay]);
        faults.extend(validate(folder, &arguments).map(|fault| (block.line, format!("{file}: {fault}"))));
    }
    faults
}

fn yaml(block: &Block) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("compose.yaml");
    let node = match yaml::parse(&Arc::from(file.as_path()), block.text.as_bytes(), yaml::Budget::default()) {
        Ok(node) => node,
        Err(fault) => return vec![fault.to_string().replace(&format!("{}/", dir.path().display()), "")],
    };
    // What has a name is a part of a project, and was checked as that.
    let Some(node) = node.filter(|_| block.file.is_none()) else { return Vec::new() };
    fs::write(&file, &block.text).unwrap();
    if node.get("services").is_some() {
        beside(&node, dir.path());
        return validate(&file, &[]).into_iter().collect();
    }
    let reading = Reading { dir: dir.path().to_owned(), files: vec![file], ..Reading::default() };
    let read = node.get("x-rolecall").map(|_| manifest::peek(&Disk, &reading));
    read.and_then(Result::err).map(|err| rolecall::error::Error::from(err).message).into_iter().collect()
}

fn parse(text: &str) -> Option<Node> {
    yaml::parse(&Arc::from(Path::new("block")), text.as_bytes(), yaml::Budget::default()).ok().flatten()
}

/// Files of variables that a page names and does not show are there, and empty.
fn beside(node: &Node, folder: &Path) {
    let services = node.get("services").and_then(Node::as_map).into_iter().flatten();
    for listed in services.filter_map(|(_, service)| service.get("env_file")) {
        for item in listed.as_seq().unwrap_or(std::slice::from_ref(listed)) {
            let path = item.as_str().or_else(|| item.get("path")?.as_str()).map(|path| folder.join(path));
            if let Some(path) = path.filter(|path| !path.exists()) {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        }
    }
}

fn validate(path: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(binary()).arg("validate").arg(path).args(arguments).env_clear().output().unwrap();
    let folder = if path.is_dir() { path } else { path.parent().unwrap() };
    let text = String::from_utf8_lossy(&output.stderr).replace(&format!("{}/", folder.display()), "");
    (!output.status.success()).then(|| text.trim().to_owned())
}

/// Syntax and shellcheck, and every `rolecall` in it as its command line reads it.
fn script(block: &Block) -> Vec<String> {
    let file = tempfile::Builder::new().suffix(".sh").tempfile().unwrap();
    fs::write(file.path(), &block.text).unwrap();
    let mut faults = Vec::new();
    // A block may set what the next one uses, or what the script behind it does: 2034.
    for words in [
        vec![&*block.language, "-n"],
        vec!["shellcheck", "--shell", &block.language, "--exclude", "SC2034", "--format", "gcc"],
    ] {
        let output = Command::new(words[0]).args(&words[1..]).arg(file.path()).output();
        let output = output.unwrap_or_else(|err| panic!("{}, which tests/setup/packages installs: {err}", words[0]));
        if !output.status.success() {
            let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
            faults.push(told.trim().replace(&file.path().display().to_string(), "line"));
        }
    }
    for words in shell::calls(&block.text, "rolecall") {
        match Cli::try_parse_from(&words) {
            Err(err) if err.use_stderr() => {
                let said = err.to_string();
                faults.push(format!("{}: {}", words.join(" "), said.lines().next().unwrap_or_default()));
            }
            _ => {}
        }
    }
    faults
}

/// A command that running text names: its subcommand and its flags exist. What stands for a value is not looked at.
fn named(span: &str) -> Option<String> {
    let mut words = span.strip_prefix("rolecall ")?.split_whitespace();
    let program = Cli::command();
    let name = words.next()?;
    if name.starts_with('-') || name == "help" {
        return None;
    }
    let Some(command) = program.find_subcommand(name) else { return Some(format!("`{span}`: there is no {name}")) };
    let known = |flag: &str| {
        let mut all = command.get_arguments().chain(program.get_arguments()).filter_map(clap::Arg::get_long);
        flag == "help" || all.any(|long| long == flag)
    };
    let flags = words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
    let mut flags = flags.filter_map(|word| word.strip_prefix("--")?.split('=').next());
    flags.find(|flag| !known(flag)).map(|flag| format!("`{span}`: {name} has no --{flag}"))
}

/// config.toml, read as a run reads it, which goes no further than to a flag that is wrong.
fn config(text: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.toml"), text).unwrap();
    let mut command = Command::new(binary());
    command.args(["facts", "--environment", "/"]).env_clear().env("CONFIGURATION_DIRECTORY", dir.path());
    let told = String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned();
    if told.contains("'/' cannot be the name of an environment") {
        return Vec::new();
    }
    vec![told.trim().replace(&format!("{}/", dir.path().display()), "")]
}

/// A unit or a drop-in: sections, and settings in them.
fn unit(text: &str) -> Vec<String> {
    let mut section = false;
    let mut faults = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        let header = line.starts_with('[') && line.ends_with(']');
        let key = line.split_once('=').map_or("", |(key, _)| key);
        let setting = section && !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric());
        section |= header;
        if !header && !setting {
            faults.push(format!("{line}: no setting of a section"));
        }
    }
    faults
}

/// Read and formatted, where there is a Packer: its format of HCL is everybody's.
fn hcl(text: &str) -> Vec<String> {
    let file = tempfile::Builder::new().suffix(".pkr.hcl").tempfile().unwrap();
    fs::write(file.path(), text).unwrap();
    let output = Command::new("packer").args(["fmt", "-check", "-diff"]).arg(file.path()).output();
    let Ok(output) = output else {
        eprintln!("hcl is not checked: there is no packer");
        return Vec::new();
    };
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    if output.status.success() { Vec::new() } else { vec![told] }
}
