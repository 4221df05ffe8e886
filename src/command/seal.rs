//! `rolecall seal`: makes of this machine what an image can be taken of.

use std::rc::Rc;

use super::{need_root, print, real};
use crate::{
    cli::seal::SealArgs,
    error::Result,
    execute::{
        machine::Machine,
        seal::{self, Seal},
    },
    facts::given,
    host::lock::RunLock,
    retry::Retry,
    settings::Flags,
};

/// Takes away what is this instance's, or with `--dry-run` prints what that is; the exit code.
///
/// Metadata is asked who this instance is, so that a machine that is none cannot be sealed by mistake.
///
/// # Errors
/// No root; a run, or another seal, is under way; metadata cannot be had; something of a project is left; and the first
/// thing that did not go.
pub async fn seal(args: SealArgs) -> Result<u8> {
    let (world, settings) = real::open(&Flags { state_dir: args.state_dir, ..Flags::default() })?;
    need_root("seal")?;
    let lock = settings.paths.lock();
    let _lock = if args.dry_run { None } else { Some(RunLock::take_for(&lock, "seal")?) };
    let retry = Retry::new(Rc::clone(&world.clock), Some(world.clock.now() + settings.deadline));
    let given = given::given(&world, &retry, &settings).await.map_err(|err| err.step("facts"))?;
    let machine = Machine::new(&world, &retry);
    let info = world.engine.info().await.unwrap_or_default();
    let bare = seal::bare(world.engine.as_ref()).await;
    let seal = Seal::new(machine.clone(), &settings.paths, given, &info).with_bare_engine(bare);
    if args.dry_run {
        for found in seal.found().await? {
            print(&format!("{found}\n"))?;
        }
    }
    seal::check(&machine, world.engine.as_ref()).await.map_err(|err| err.step("seal"))?;
    if !args.dry_run {
        let count = seal.wipe().await.map_err(|err| err.step("seal"))?;
        let _ = print(&format!(
            "rolecall: sealed, {count} things are gone; take the image before this machine is started again\n"
        ));
    }
    Ok(0)
}
