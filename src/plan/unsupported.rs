//! What of the Compose Specification is refused or ignored here, and why. Everything else takes effect.

use crate::{
    compose::{Diagnostic, Project, ServiceConfig, error::dotted},
    error::{Cause, Error, Result},
    manifest::findings::Findings,
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
        |_, s| s.pull_policy != "build" && crate::plan::pull_policy(&s.pull_policy).is_none(),
    ),
    refused("use_api_socket", "it hands the engine and its registry credentials to a container", |_, s| {
        s.use_api_socket
    }),
    refused("pre_start.per_replica", "hooks run once for a service, as with Compose 5.5; remove it", |_, s| {
        s.pre_start.iter().any(|hook| hook.per_replica)
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
    refused("ports", "the network is another container's: publish the port with the service that owns it", |_, s| {
        !s.ports.is_empty() && crate::plan::ports::shares_network(s)
    }),
    ignored("ports.published", "the engine discards it: without a network of its own nothing is published", |_, s| {
        !s.ports.is_empty() && matches!(s.network_mode.as_str(), "host" | "none")
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

impl Rule {
    /// Where a service has it: paths of keys and list indexes, of the service or of what the service refers to.
    fn places(&self, project: &Project, service: &ServiceConfig) -> Vec<Vec<String>> {
        let (attribute, value) = self.attribute.split_once(": ").map_or((self.attribute, None), |(a, v)| (a, Some(v)));
        let (parent, leaves) = attribute
            .rsplit_once('.')
            .map_or((None, attribute), |(parent, _)| (Some(parent), attribute[parent.len() + 1..].trim_start()));
        let mut found = Vec::new();
        for leaf in leaves.split(", ") {
            let parts: Vec<&str> = parent.iter().flat_map(|parent| parent.split('.')).chain([leaf]).collect();
            let own = vec!["services".to_owned(), service.name.clone()];
            let before = found.len();
            descend(project, own, &parts, value, &mut found);
            let sources: Vec<&str> = match parent {
                Some("secrets") => service.secrets.iter().map(|secret| secret.source.as_str()).collect(),
                Some("configs") => service.configs.iter().map(|config| config.source.as_str()).collect(),
                _ => Vec::new(),
            };
            if found.len() == before {
                for source in sources {
                    let shared = vec![parts[0].to_owned(), source.to_owned()];
                    descend(project, shared, &[leaf], value, &mut found);
                }
            }
        }
        if found.is_empty() {
            found.push(vec!["services".to_owned(), service.name.clone()]);
        }
        found
    }

    fn diagnostic(&self, project: &Project, path: &[String]) -> Diagnostic {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let message = match self.verdict {
            Verdict::Refused => format!("refused: {}", self.reason),
            Verdict::Ignored => format!("ignored: {}", self.reason),
        };
        let fault = Diagnostic::new(project.key_position(&parts), dotted(&parts), message);
        // The other reasons name the way out themselves.
        let final_word = self.verdict == Verdict::Refused && [SWARM, WINDOWS].contains(&self.reason);
        if final_word { fault.help("remove it") } else { fault }
    }
}

/// Adds the paths below `at` that lead to an attribute, through every item of a list.
fn descend(project: &Project, at: Vec<String>, parts: &[&str], value: Option<&str>, found: &mut Vec<Vec<String>>) {
    let Some(node) = project.node(at.iter().map(String::as_str)) else { return };
    if let Some(items) = node.as_seq().filter(|_| !parts.is_empty()) {
        for index in 0..items.len() {
            let item = at.iter().cloned().chain([index.to_string()]).collect();
            descend(project, item, parts, value, found);
        }
        return;
    }
    match parts.split_first() {
        None if value.is_none_or(|value| node.as_str() == Some(value)) => found.push(at),
        None => {}
        Some((first, rest)) => {
            descend(project, at.into_iter().chain([(*first).to_owned()]).collect(), rest, value, found);
        }
    }
}

/// What of a service is refused or ignored, each with its place.
pub(crate) fn find(project: &Project, service: &ServiceConfig, findings: &mut Findings) {
    for rule in RULES.iter().filter(|rule| (rule.applies)(project, service)) {
        for place in rule.places(project, service) {
            let diagnostic = rule.diagnostic(project, &place);
            match rule.verdict {
                Verdict::Refused => findings.fault(diagnostic),
                Verdict::Ignored => findings.warn(diagnostic),
            }
        }
    }
}

/// Refuses what cannot be had here at all.
pub(crate) fn check(project: &Project, service: &ServiceConfig) -> Result<()> {
    let mut findings = Findings::default();
    find(project, service, &mut findings);
    findings.into_result().map(|_| ())
}

/// Refuses what cannot be had of an engine that speaks this API.
pub(crate) fn check_engine(project: &Project, service: &ServiceConfig, api: ApiVersion) -> Result<()> {
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
    Ok(())
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
