//! The containers of `pre_start` hooks, as Compose 5.3 makes them: each runs to its end before the containers of its
//! service start, with their volumes and networks.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    compose::{
        Project,
        model::{ServiceConfig, ServiceHook},
    },
    plan::{
        containers::{Attachment, Options, image_name, platform},
        json::{Body, mapping, variables},
        labels,
    },
};

/// The container of one `pre_start` hook of a service.
#[derive(Clone, Debug)]
pub struct PreStart {
    /// Place among the hooks of its service, from 0.
    pub index: usize,
    /// Image reference.
    pub image: String,
    /// Platform that is asked for.
    pub platform: Option<String>,
    /// Networks that it is connected to after it was created, if the engine takes one only.
    pub connect: Vec<Attachment>,
    template: Value,
}

impl PreStart {
    /// The name of its container, which belongs to `owner`: the container whose volumes it has, by its id.
    pub fn name(&self, project: &str, service: &str, owner: &str) -> String {
        format!("{project}-{service}-pre_start-{}-{}", self.index, owner.get(..12).unwrap_or(owner))
    }

    /// The body of the request that makes it for the container `owner`.
    pub fn body(&self, owner: &str) -> Value {
        let mut body = self.template.clone();
        body["HostConfig"]["VolumesFrom"] = json!([owner]);
        body["Labels"][labels::HOOK_OF] = owner.into();
        body
    }
}

/// The hooks of a service whose networks are those of its containers.
pub(super) fn of(
    project: &Project,
    service: &ServiceConfig,
    (mode, endpoints, connect): (&str, &Map<String, Value>, &[Attachment]),
    options: &Options,
) -> Vec<PreStart> {
    let platform = platform(service, options);
    let one = |(index, hook): (usize, &ServiceHook)| {
        let image = if hook.image.is_empty() { image_name(project, service) } else { hook.image.clone() };
        let image = options.mirrors.known_as(&image);
        let environment: Vec<String> = variables(&service.environment).chain(variables(&hook.environment)).collect();
        let mut own = BTreeMap::new();
        own.extend([
            (labels::PROJECT.to_owned(), project.name.clone()),
            (labels::SERVICE.to_owned(), service.name.clone()),
            (labels::VERSION.to_owned(), labels::compose_version(options.generation).to_owned()),
            (labels::HOOK.to_owned(), PRE_START.to_owned()),
            (labels::MANAGED.to_owned(), "true".to_owned()),
        ]);
        own.extend(options.instance.iter().map(|instance| (labels::INSTANCE.to_owned(), instance.clone())));
        let mut host = Body::default();
        host.keep("NetworkMode", mode).keep("Privileged", hook.privileged);
        let mut body = Body::default();
        body.keep("Image", image.clone())
            .some("Cmd", hook.command.clone())
            .set("User", hook.user.clone())
            .set("WorkingDir", hook.working_dir.clone())
            .set("Env", environment)
            .keep("Labels", mapping(&own))
            .keep("HostConfig", host);
        if !endpoints.is_empty() {
            body.keep("NetworkingConfig", json!({ "EndpointsConfig": endpoints }));
        }
        PreStart { index, image, platform: platform.clone(), connect: connect.to_vec(), template: body.into() }
    };
    service.pre_start.iter().enumerate().map(one).collect()
}

/// The value of [`labels::HOOK`].
pub const PRE_START: &str = "pre_start";
