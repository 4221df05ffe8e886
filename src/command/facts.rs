//! `rolecall facts`.

use super::{print, real, stages::Session};
use crate::{
    cli::FactsFormat,
    error::Result,
    facts::{Format, look},
    settings::Flags,
};

/// Prints what is known of this instance.
///
/// # Errors
/// Facts that cannot be read.
pub async fn facts(flags: &Flags, format: FactsFormat) -> Result<u8> {
    let (world, settings) = real::open(flags)?;
    let session = Session::begin(world, settings);
    let facts = look(&session.world, &session.retry, &session.settings).await.map_err(|err| err.step("facts"))?;
    let (roles, environment) = session.settings.roles_and_environment(&facts.tags);
    let format = match format {
        FactsFormat::Text => Format::Text,
        FactsFormat::Json => Format::Json,
        FactsFormat::Env => Format::Env,
    };
    print(&facts.render(format, &roles, environment.as_deref()))?;
    Ok(0)
}
