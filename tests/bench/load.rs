//! A large project, loaded: by the program, by its library beside a plain YAML parse of the same files, and by Compose.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use rolecall::compose::{self, Disk, LoadOptions, yaml};

use super::measure::{QUICK, median, mega, millis, peak, ratio, row, timed, took};

pub(crate) fn figures(agent: &Path, peer: Option<&Path>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/large");
    let options = LoadOptions { working_dir: folder.clone(), ..LoadOptions::default() };
    let project = compose::load(&Disk, &options).unwrap();
    let files = yaml_files(&folder);
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    let name = format!("config, {} services, {}", project.all_services().len(), mega(bytes));

    let config = |program: &Path| {
        let mut command = Command::new(program);
        command.arg("config").current_dir(&folder);
        command
    };
    let ours = took(QUICK, || config(agent));
    row(&name, &millis(ours), "limit 10 ms for a tenth of the size");
    row(&format!("{name}: peak resident"), &mega(peak(|| config(agent))), "limit 16 MB");
    if let Some(peer) = peer {
        let theirs = took(QUICK, || config(peer));
        row("  by docker-compose", &millis(theirs), &format!("rolecall is {} it", ratio(ours, theirs)));
        row("  by docker-compose: peak resident", &mega(peak(|| config(peer))), "");
    }

    let whole = || drop(compose::load(&Disk, &options).unwrap());
    let plain = || {
        for file in &files {
            let name: Arc<Path> = file.as_path().into();
            drop(yaml::parse(&name, &fs::read(file).unwrap(), yaml::Budget::default()).unwrap());
        }
    };
    let (mut loaded, mut parsed) = (Vec::new(), Vec::new());
    for _ in 0..QUICK {
        loaded.push(timed(whole));
        parsed.push(timed(plain));
    }
    let (loaded, parsed) = (median(loaded), median(parsed));
    let build = if cfg!(debug_assertions) { "both built without optimisation" } else { "" };
    row("  in one process: YAML alone", &millis(parsed), build);
    row("  in one process: loaded", &millis(loaded), &format!("{} the YAML alone", ratio(loaded, parsed)));
}

/// The YAML files below a folder.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let all = super::support::agent::walk(folder).into_keys();
    all.filter(|name| name.ends_with(".yaml")).map(|name| folder.join(name)).collect()
}
