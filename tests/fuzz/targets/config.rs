#![no_main]
//! config.toml, read as a run reads it.

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::settings::{Env, Flags, Settings};

fuzz_target!(|data: &[u8]| {
    let folder = std::env::var_os("CONFIGURATION_DIRECTORY").expect("the folder that is read, as systemd names it");
    std::fs::write(PathBuf::from(folder).join("config.toml"), data).expect("a file");
    match Settings::load(&Flags::default(), Env::default()) {
        Ok(settings) => {
            assert!(!settings.deadline.is_zero() && settings.paths.state.is_absolute());
            assert!(settings.owners.iter().all(|owner| owner.len() == 12), "{:?}", settings.owners);
        }
        Err(err) => assert!(!err.message.is_empty() && err.exit() as u8 == 2, "{err:?}"),
    }
});
