//! A project as Compose prints it, and the hash that Compose puts on containers.

mod json;
mod scalar;
mod yaml;

pub(crate) use json::compact;

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::compose::emit::{Emit, Form};
use crate::compose::generation::Generation;
use crate::compose::model::ServiceConfig;
use crate::compose::project::Project;

/// The project as `docker compose config` prints it.
#[must_use]
pub fn config_yaml(project: &Project) -> String {
    escape(&yaml::print(&project.tree(Form::yaml(project.generation)), project.generation))
}

/// The project as `docker compose config --format json` prints it.
#[must_use]
pub fn config_json(project: &Project) -> String {
    escape(&json::pretty(&project.tree(Form::json(project.generation))))
}

/// A dollar sign is doubled, so that the output can be loaded again.
fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

/// The hash that Compose puts on the containers of an enabled service as `com.docker.compose.config-hash`; `None` if
/// there is no such service.
///
/// Compose has two: of a project that was loaded with
/// [`LoadOptions::unresolved`](crate::compose::LoadOptions::unresolved) this is what `docker compose config --hash`
/// prints, else what `docker compose up` puts on the container. They differ for a service with an `env_file` or a
/// `label_file`. In Compose 5 both are of the resolved project and differ for a `label_file` alone: this is the first. Before it hashes, `up` replaces `service:x` in `network_mode`, `ipc` and `pid` by `container:<id>`
/// and services in `volumes_from` by ids: do so in a copy of the service and use [`service_hash`].
#[must_use]
pub fn hash(project: &Project, service: &str, generation: Generation) -> Option<String> {
    let mut service = project.services.get(service)?.clone();
    let platform = project.environment.get("DOCKER_DEFAULT_PLATFORM").filter(|platform| !platform.is_empty());
    if let (Some(platform), true, "") = (platform, service.build.is_some(), service.platform.as_str()) {
        service.platform.clone_from(platform);
    }
    if project.unresolved || generation == Generation::Five {
        service.label_file.clear();
    }
    Some(service_hash(&service, generation))
}

/// The hash of a service in a generation of Compose: what does not change its containers is left out. A project that
/// was loaded for one generation has the hashes of the other one, too.
#[must_use]
pub fn service_hash(service: &ServiceConfig, generation: Generation) -> String {
    let mut service = service.clone();
    service.build = None;
    service.pull_policy.clear();
    service.scale = None;
    if let Some(deploy) = &mut service.deploy {
        deploy.replicas = None;
    }
    service.depends_on.clear();
    service.profiles.clear();
    let digest = Sha256::digest(json::compact(&service.tree(Form::json(generation))));
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
