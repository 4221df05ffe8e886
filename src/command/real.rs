//! The real outside world: the only place that names the adapters.

use std::rc::Rc;

use crate::{
    aws,
    engine::DockerEngine,
    error::Result,
    facts::imds::HttpImds,
    fetch::https::HttpsWeb,
    host::{clock::SystemClock, command::SystemHost},
    settings::{Env, Flags, Settings},
    tls::Trust,
    world::World,
};

/// Settings and the outside world of this process.
///
/// # Errors
/// `usage`: flags, environment or config.toml hold something that cannot be used.
pub fn open(flags: &Flags) -> Result<(World, Settings)> {
    let settings = Settings::load(flags, Env::from_process())?;
    Ok((world(&settings.env)?, settings))
}

/// The outside world alone.
///
/// # Errors
/// `usage`: an endpoint that cannot be used.
pub fn world(env: &Env) -> Result<World> {
    let trust = Trust::from_env(env);
    let (objects, cloud) = aws::connect(env, &trust);
    Ok(World {
        clock: Rc::new(SystemClock::default()),
        imds: Rc::new(HttpImds::from_env(env)?),
        objects,
        cloud,
        web: Rc::new(HttpsWeb::new(&trust)),
        host: Rc::new(SystemHost),
        engine: Rc::new(DockerEngine::new(env.get("DOCKER_HOST"))?),
    })
}
