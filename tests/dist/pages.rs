//! `pages FOLDER`: what a release says of the command line, made from the command line itself: a man page for each
//! command into FOLDER/man, completions of bash, zsh and fish into FOLDER/completions. Pages carry the day of
//! `SOURCE_DATE_EPOCH`, which is the commit's: the same commit gives the same bytes.

use std::{
    env,
    error::Error,
    fs::{self, File},
    path::Path,
};

use clap::{Command, CommandFactory as _};
use clap_complete::{
    generate_to,
    shells::{Bash, Fish, Zsh},
};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use jiff::Timestamp;
use rolecall::cli::Cli;

/// Beside the flags, what a run reads and writes.
const FILES: &[(&str, &str)] = &[
    ("/etc/rolecall/config.toml", "settings of the administrator"),
    ("/etc/rolecall/env", "settings of user-data; the units read it"),
    ("/var/lib/rolecall", "journal, last known good, projects with their data"),
    ("/run/rolecall/status.json", "what the present or last run has come to"),
];

fn main() -> Result<(), Box<dyn Error>> {
    write(env::args_os().nth(1).ok_or("usage: pages FOLDER")?.as_ref())
}

/// Writes all of them.
pub(crate) fn write(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;

    // `rolecall help` says what the pages say.
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    page(&root, &root, &man)?;
    for command in root.get_subcommands() {
        page(command, &root, &man)?;
    }

    let mut root = Cli::command();
    generate_to(Bash, &mut root, "rolecall", &completions)?;
    generate_to(Zsh, &mut root, "rolecall", &completions)?;
    generate_to(Fish, &mut root, "rolecall", &completions)?;
    Ok(())
}

/// Writes the page of one command, the root or one below it.
fn page(command: &Command, root: &Command, folder: &Path) -> Result<(), Box<dyn Error>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let program = format!("rolecall {}", root.get_version().unwrap_or_default());
    let man = Man::new(command.clone());
    let mut file = File::create(folder.join(format!("{name}.1")))?;
    let mut top = Roff::new();
    top.control("TH", [name.to_uppercase().as_str(), "1", &day()?, &program, "rolecall"]);
    top.to_writer(&mut file)?;
    man.render_name_section(&mut file)?;
    man.render_synopsis_section(&mut file)?;
    man.render_description_section(&mut file)?;
    man.render_options_section(&mut file)?;

    let whole = command.has_subcommands();
    if whole {
        man.render_subcommands_section(&mut file)?;
    }
    let codes = root.get_after_help().map(ToString::to_string).unwrap_or_default();
    let codes = codes.strip_prefix("Exit codes: ").ok_or("the help has no exit codes")?;
    let mut end = Roff::new();
    end.control("SH", ["EXIT STATUS"]);
    end.text([roman(codes)]);
    if whole {
        end.control("SH", ["FILES"]);
        for (path, what) in FILES {
            end.control("TP", []);
            end.text([bold(*path)]);
            end.text([roman(*what)]);
        }
    } else {
        end.control("SH", ["SEE ALSO"]);
        end.text([bold("rolecall"), roman("(1)")]);
    }
    end.to_writer(&mut file)?;
    Ok(())
}

/// The day that pages are of, as `2026-11-25`; the first of all days where none is said.
fn day() -> Result<String, Box<dyn Error>> {
    let seconds = env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| "0".to_owned()).parse()?;
    Ok(Timestamp::from_second(seconds)?.strftime("%Y-%m-%d").to_string())
}
