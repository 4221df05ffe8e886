//! `rolecall-lifecycle.service`: there as long as this instance has hooks to answer.

use std::path::Path;

use tracing::info;

use crate::{
    error::Result,
    execute::{machine::Machine, units},
    host::{files, systemd},
    settings::{Hooks, hooks},
};

/// The unit.
pub const TEXT: &str = include_str!("../../../userdata/rolecall-lifecycle.service");

const UNIT: &str = "rolecall-lifecycle.service";

/// Installs the unit where no package did, starts it now and at every boot; where no hook is named any more, takes it
/// away. Nothing is waited for. Without systemd there is nothing to do.
///
/// # Errors
/// systemd does not answer, or a file cannot be written.
pub async fn apply(machine: &Machine, hooks: &Hooks, binary: &Path) -> Result<()> {
    if !systemd::running(machine.root()) {
        return Ok(());
    }
    let path = machine.path(&format!("/etc/systemd/system/{UNIT}"));
    let there = files::read(&path)?;
    let ours = there.as_ref().is_some_and(|text| text.starts_with(units::MARK.as_bytes()));
    let packaged = machine.path(&format!("/usr/lib/systemd/system/{UNIT}")).exists();
    let manager = machine.systemd();
    if !hooks.any() {
        let wanted = machine.path(&format!("/etc/systemd/system/multi-user.target.wants/{UNIT}"));
        let enabled = packaged && wanted.symlink_metadata().is_ok();
        // A run from a shell does not have the settings of the unit.
        if (ours || enabled) && !named(machine)? {
            manager.disable(UNIT).await?;
            if ours {
                files::remove(&path)?;
                manager.reload().await?;
            }
            info!("{UNIT} is gone: no lifecycle hook is named");
        }
        return Ok(());
    }
    let text = format!("{}{}", units::MARK, TEXT.replace(units::BINARY, &units::quoted(binary))).into_bytes();
    let written = if packaged && ours {
        files::remove(&path)?;
        true
    } else if !packaged && there.as_ref() != Some(&text) && (ours || there.is_none()) {
        files::write_atomic(&path, &text, 0o644)?;
        true
    } else {
        false
    };
    if written {
        manager.reload().await?;
    }
    let state = manager.state(UNIT).await?;
    if state.enabled == units::DISABLED {
        manager.enable(UNIT).await?;
    }
    if written || state.active != "active" {
        manager.restart(UNIT).await?;
    }
    Ok(())
}

/// Whether the file that the unit reads names a hook.
fn named(machine: &Machine) -> Result<bool> {
    let text = files::read(&machine.path("/etc/rolecall/env"))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let names = |line: &str| {
        line.split_once('=')
            .is_some_and(|(name, value)| hooks::NAMES.contains(&name.trim()) && !value.trim().is_empty())
    };
    Ok(text.lines().any(names))
}
