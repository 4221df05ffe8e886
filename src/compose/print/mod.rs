//! A project as Compose prints it, and the hash that Compose puts on containers.

mod json;
mod scalar;
mod yaml;

pub(crate) use json::compact;

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::compose::emit::{Emit, Form, Tree};
use crate::compose::generation::Generation;
use crate::compose::merge::has_identities;
use crate::compose::model::ServiceConfig;
use crate::compose::node::{Node, Value};
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

/// A model whose variables are not replaced, as `docker compose config --no-interpolate` prints it.
#[must_use]
pub fn model_yaml(model: &Node, generation: Generation) -> String {
    tree_yaml(&Tree::from(model).tree(Form::yaml(generation)), generation)
}

/// A tree as YAML, in its order.
#[must_use]
pub fn tree_yaml(tree: &Tree, generation: Generation) -> String {
    yaml::print(tree, generation)
}

/// The same as JSON.
#[must_use]
pub fn model_json(model: &Node, generation: Generation) -> String {
    let mut model = model.clone();
    if generation == Generation::Two {
        lose_empty_lists(&mut model, &mut Vec::new());
    }
    json::pretty(&Tree::from(&model).tree(Form::json(Generation::Five)))
}

/// Compose 2 has lost its empty lists when it writes JSON, except those that it has made anew to find duplicates.
fn lose_empty_lists<'a>(node: &'a mut Node, at: &mut Vec<&'a str>) {
    if matches!(&node.value, Value::Seq(items) if items.is_empty()) && !has_identities(at) {
        node.value = Value::Null;
        return;
    }
    match &mut node.value {
        Value::Seq(items) => {
            for item in items {
                at.push("[]");
                lose_empty_lists(item, at);
                at.pop();
            }
        }
        Value::Map(map) => {
            for (key, value) in map.iter_mut() {
                at.push(&key.name);
                lose_empty_lists(value, at);
                at.pop();
            }
        }
        _ => {}
    }
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
