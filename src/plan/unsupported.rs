//! What of the Compose Specification is refused or ignored here, and why. Everything else takes effect.

use crate::{
    compose::{Project, ServiceConfig},
    error::{Cause, Error, Result},
    world::ApiVersion,
};

/// How an attribute is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The manifest is invalid here.
    Refused,
    /// It has no effect, as with Compose; the plan says so.
    Ignored,
}

/// An attribute that has no effect, or that cannot be had.
pub struct Rule {
    /// The attribute, below its service.
    pub attribute: &'static str,
    /// What happens.
    pub verdict: Verdict,
    /// Why.
    pub reason: &'static str,
    applies: fn(&Project, &ServiceConfig) -> bool,
}

const fn refused(attribute: &'static str, reason: &'static str, applies: fn(&Project, &ServiceConfig) -> bool) -> Rule {
    Rule { attribute, verdict: Verdict::Refused, reason, applies }
}

const fn ignored(attribute: &'static str, reason: &'static str, applies: fn(&Project, &ServiceConfig) -> bool) -> Rule {
    Rule { attribute, verdict: Verdict::Ignored, reason, applies }
}

const SWARM: &str = "only a swarm does this; one engine has nothing to do with it";
const WINDOWS: &str = "only containers of Windows know this";

/// All of them, in the order in which they are looked at.
pub const RULES: &[Rule] = &[
    refused("provider", "a provider is a program of the developer's machine", |_, s| s.provider.is_some()),
    refused("models", "models need Docker Model Runner, which a host of ours does not have", |_, s| {
        !s.models.is_empty()
    }),
    refused("build", "there is no source to build from: build the image elsewhere and name it with `image`", |_, s| {
        s.build.is_some() && s.image.is_empty()
    }),
    refused("image", "a service needs an image", |_, s| s.build.is_none() && s.image.is_empty()),
    refused("pull_policy: build", "there is no source to build from: push the image to a registry", |_, s| {
        s.pull_policy == "build"
    }),
    refused(
        "pull_policy",
        "it is missing, if_not_present, always, never, daily, weekly or every_<duration>",
        |_, s| crate::plan::pull_policy(&s.pull_policy).is_none(),
    ),
    refused("use_api_socket", "it hands the engine and its registry credentials to a container", |_, s| {
        s.use_api_socket
    }),
    refused("credential_spec", WINDOWS, |_, s| s.credential_spec.is_some()),
    refused("isolation", WINDOWS, |_, s| !matches!(s.isolation.as_str(), "" | "default")),
    refused("volumes.type: npipe", WINDOWS, |_, s| s.volumes.iter().any(|v| v.r#type == "npipe")),
    refused("volumes.type: cluster", SWARM, |_, s| s.volumes.iter().any(|v| v.r#type == "cluster")),
    refused("secrets.external", "there is no store of secrets; use x-rolecall.variables or a file", |p, s| {
        s.secrets.iter().any(|r| p.secrets.get(&r.source).is_some_and(|d| d.external))
    }),
    refused("configs.external", "there is no store of configs; use content, environment or a file", |p, s| {
        s.configs.iter().any(|r| p.configs.get(&r.source).is_some_and(|d| d.external))
    }),
    refused("secrets.driver, template_driver", SWARM, |p, s| {
        s.secrets
            .iter()
            .any(|r| p.secrets.get(&r.source).is_some_and(|d| !d.driver.is_empty() || !d.template_driver.is_empty()))
    }),
    refused("configs.template_driver", SWARM, |p, s| {
        s.configs
            .iter()
            .any(|r| p.configs.get(&r.source).is_some_and(|d| !d.driver.is_empty() || !d.template_driver.is_empty()))
    }),
    ignored("secrets.uid, gid, mode", "a file is mounted with the owner and mode that it has on the host", |p, s| {
        s.secrets.iter().any(|r| {
            (!r.uid.is_empty() || !r.gid.is_empty() || r.mode.is_some())
                && p.secrets.get(&r.source).is_some_and(|d| !d.file.is_empty())
        })
    }),
    ignored("configs.uid, gid, mode", "a file is mounted with the owner and mode that it has on the host", |p, s| {
        s.configs.iter().any(|r| {
            (!r.uid.is_empty() || !r.gid.is_empty() || r.mode.is_some())
                && p.configs.get(&r.source).is_some_and(|d| !d.file.is_empty())
        })
    }),
    ignored("develop", "it is for the developer's machine", |_, s| s.develop.is_some()),
    ignored("attach", "output goes to the log driver", |_, s| s.attach.is_some()),
    ignored("cpu_count", WINDOWS, |_, s| s.cpu_count != 0),
    ignored("cpu_percent", WINDOWS, |_, s| s.cpu_percent > 0.0),
    ignored("deploy.mode", SWARM, |_, s| {
        s.deploy.as_ref().is_some_and(|d| !matches!(d.mode.as_str(), "" | "replicated"))
    }),
    ignored("deploy.labels", SWARM, |_, s| s.deploy.as_ref().is_some_and(|d| !d.labels.is_empty())),
    ignored("deploy.endpoint_mode", SWARM, |_, s| s.deploy.as_ref().is_some_and(|d| !d.endpoint_mode.is_empty())),
    ignored("deploy.placement", SWARM, |_, s| {
        s.deploy.as_ref().is_some_and(|d| d.placement != crate::compose::model::Placement::default())
    }),
    ignored("deploy.update_config", SWARM, |_, s| s.deploy.as_ref().is_some_and(|d| d.update_config.is_some())),
    ignored("deploy.rollback_config", SWARM, |_, s| s.deploy.as_ref().is_some_and(|d| d.rollback_config.is_some())),
    ignored("deploy.restart_policy.delay, window", "the engine restarts with a back-off of its own", |_, s| {
        s.deploy
            .as_ref()
            .and_then(|d| d.restart_policy.as_ref())
            .is_some_and(|policy| policy.delay.is_some() || policy.window.is_some())
    }),
    ignored("deploy.resources.reservations.cpus, pids, generic_resources", SWARM, |_, s| {
        s.deploy
            .as_ref()
            .and_then(|d| d.resources.reservations.as_ref())
            .is_some_and(|r| r.cpus > 0.0 || r.pids != 0 || !r.generic_resources.is_empty())
    }),
];

/// Looks at all rules; the ones that ignore something come back as warnings.
pub(crate) fn check(project: &Project, service: &ServiceConfig, api: ApiVersion) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for rule in RULES.iter().filter(|rule| (rule.applies)(project, service)) {
        match rule.verdict {
            Verdict::Refused => return Err(refuse(service, &format!("{}: {}", rule.attribute, rule.reason))),
            Verdict::Ignored => {
                warnings.push(format!("service '{}': {} is ignored: {}", service.name, rule.attribute, rule.reason));
            }
        }
    }
    if service.volumes.iter().any(|v| v.r#type == "image") {
        needs(service, "volumes.type: image", api, ApiVersion(1, 48), "Docker 28")?;
    }
    if service.volumes.iter().any(|v| v.volume.as_ref().is_some_and(|v| !v.subpath.is_empty())) {
        needs(service, "volumes.volume.subpath", api, ApiVersion(1, 45), "Docker 26")?;
    }
    if service.volumes.iter().any(|v| v.bind.as_ref().is_some_and(|b| b.recursive == "readonly")) {
        needs(service, "volumes.bind.recursive: readonly", api, ApiVersion(1, 44), "Docker 25")?;
    }
    let off = |key: &str| project.networks.get(key).is_some_and(|n| n.enable_ipv4 == Some(false) && !n.external);
    if service.network_mode.is_empty() && service.networks.keys().any(|key| off(key)) {
        needs(service, "networks.enable_ipv4: false", api, ApiVersion(1, 48), "Docker 28")?;
    }
    if !service.annotations.is_empty() {
        needs(service, "annotations", api, ApiVersion(1, 43), "Docker 24")?;
    }
    Ok(warnings)
}

/// Refuses what the engine is too old for: it would take the request and leave this out in silence.
pub(crate) fn needs(
    service: &ServiceConfig,
    attribute: &str,
    api: ApiVersion,
    least: ApiVersion,
    engine: &str,
) -> Result<()> {
    if api >= least {
        return Ok(());
    }
    Err(refuse(service, &format!("{attribute} needs {engine} (API {least}); this engine speaks API {api}")))
}

/// The error for a service that cannot be had.
pub(crate) fn refuse(service: &ServiceConfig, why: &str) -> Error {
    Error::new(Cause::ManifestInvalid, format!("service '{}': {why}", service.name))
}
