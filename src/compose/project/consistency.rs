//! Rules between the parts of a project.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::error::{Diagnostic, dotted, nearest};
use crate::compose::model::ServiceConfig;
use crate::compose::node::Node;
use crate::compose::project::{Project, position};

/// Everything that is inconsistent about the enabled services.
pub(super) fn check(project: &Project, root: &Node) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    for (name, service) in &project.services {
        let mut check = Check { project, root, name, faults: &mut faults };
        check.source(service);
        check.references(service);
        check.limits(service);
        check.mounts(service);
    }
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, service) in project.services.iter().filter(|(_, service)| !service.container_name.is_empty()) {
        if let Some(other) = names.insert(&service.container_name, name) {
            let place = position(root, &["services", name, "container_name"]);
            let path = format!("services.{name}.container_name");
            faults.push(Diagnostic::new(place, path, format!("service '{other}' has the same container name")));
        }
    }
    for (name, secret) in &project.secrets {
        if !secret.external && secret.file.is_empty() && secret.environment.is_empty() {
            let place = position(root, &["secrets", name]);
            let fault =
                Diagnostic::new(place, format!("secrets.{name}"), "either 'file' or 'environment' must be given");
            faults.push(fault);
        }
    }
    if faults.is_empty() {
        faults.extend(cycle(project, root));
    }
    faults
}

struct Check<'a> {
    project: &'a Project,
    root: &'a Node,
    name: &'a str,
    faults: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    /// A fault at an attribute of the service, given as a dotted path.
    fn fault(&mut self, attribute: &str, message: impl Into<String>) {
        let mut path = vec!["services", self.name];
        path.extend(attribute.split('.').filter(|part| !part.is_empty()));
        let shown = dotted(&path);
        self.faults.push(Diagnostic::new(position(self.root, &path), shown, message));
    }

    fn source(&mut self, service: &ServiceConfig) {
        if service.build.is_none() && service.image.is_empty() && service.provider.is_none() {
            self.fault("", "the service has neither an image nor a build");
        }
        let Some(build) = &service.build else { return };
        if !build.dockerfile_inline.is_empty() && !build.dockerfile.is_empty() {
            self.fault("build.dockerfile_inline", "'dockerfile' and 'dockerfile_inline' exclude each other");
        }
        for (context, source) in &build.additional_contexts {
            let Some(other) = source.strip_prefix("service:") else {
                continue;
            };
            let attribute = format!("build.additional_contexts.{context}");
            match self.project.services.get(other) {
                None => self.fault(&attribute, format!("there is no service '{other}'")),
                Some(other_service) if other_service.build.is_none() => {
                    self.fault(&attribute, format!("service '{other}' is not built"));
                }
                Some(_) => {}
            }
        }
        if !build.platforms.is_empty() && !service.platform.is_empty() && !build.platforms.contains(&service.platform) {
            self.fault("build.platforms", "the platform of the service must be among those of its build");
        }
    }

    /// The attribute that makes another service needed: `depends_on`, or one that implies it.
    fn needs(&self, service: &ServiceConfig, other: &str) -> String {
        let named = format!("depends_on.{other}");
        let place = |attribute: &str| {
            position(self.root, &["services", self.name].into_iter().chain(attribute.split('.')).collect::<Vec<_>>())
        };
        let lists = [("links", service.links.len()), ("volumes_from", service.volumes_from.len())];
        let items = lists.iter().flat_map(|(list, length)| (0..*length).map(move |index| format!("{list}.{index}")));
        let modes = ["network_mode", "ipc", "pid", "uts", "cgroup"].map(str::to_owned);
        let wanted = place(&named);
        modes.into_iter().chain(items).find(|attribute| place(attribute) == wanted).unwrap_or(named)
    }

    fn undefined<'k>(&mut self, attribute: &str, kind: &str, name: &str, known: impl Iterator<Item = &'k String>) {
        let near = nearest(name, known.map(String::as_str));
        let help =
            near.map_or_else(|| format!(" (define it under '{kind}s')"), |near| format!(", did you mean '{near}'?"));
        self.fault(attribute, format!("undefined {kind} '{name}'{help}"));
    }

    fn references(&mut self, service: &ServiceConfig) {
        let project = self.project;
        if !service.network_mode.is_empty() && !service.networks.is_empty() {
            self.fault("network_mode", "'network_mode' and 'networks' exclude each other");
        }
        for network in service.networks.keys().filter(|name| !project.networks.contains_key(*name)) {
            self.undefined(&format!("networks.{network}"), "network", network, project.networks.keys());
        }
        for (other, needed) in &service.depends_on {
            if project.services.contains_key(other) {
                continue;
            }
            let disabled = project.disabled_services.get(other);
            match disabled {
                Some(_) if !needed.required => {}
                Some(disabled) => {
                    let profiles = disabled.profiles.join(", ");
                    let message = format!("service '{other}' is needed but its profile ({profiles}) is not active");
                    self.fault(&format!("depends_on.{other}"), message);
                }
                None => {
                    let own = self.name;
                    let others = project.services.keys().filter(|known| *known != own);
                    self.undefined(&self.needs(service, other), "service", other, others);
                }
            }
        }
        for (index, volume) in service.volumes.iter().enumerate() {
            if volume.r#type == "volume" && !volume.source.is_empty() && !project.volumes.contains_key(&volume.source) {
                self.undefined(&format!("volumes.{index}"), "volume", &volume.source, project.volumes.keys());
            }
        }
        let secrets = service.secrets.iter().enumerate().map(|(index, secret)| (format!("secrets.{index}"), secret));
        let build = service.build.iter().flat_map(|build| build.secrets.iter().enumerate());
        let build = build.map(|(index, secret)| (format!("build.secrets.{index}"), secret));
        for (attribute, secret) in secrets.chain(build) {
            if !project.secrets.contains_key(&secret.source) {
                self.undefined(&attribute, "secret", &secret.source, project.secrets.keys());
            }
        }
        for (index, config) in service.configs.iter().enumerate() {
            if !project.configs.contains_key(&config.source) {
                self.undefined(&format!("configs.{index}"), "config", &config.source, project.configs.keys());
            }
        }
        for model in service.models.keys().filter(|name| !project.models.contains_key(*name)) {
            self.undefined(&format!("models.{model}"), "model", model, project.models.keys());
        }
    }

    fn limits(&mut self, service: &ServiceConfig) {
        let deploy = service.deploy.as_ref();
        let replicas = deploy.and_then(|deploy| deploy.replicas);
        if let (Some(scale), Some(replicas)) = (service.scale, replicas)
            && scale != replicas
        {
            self.fault("scale", "'scale' and 'deploy.replicas' differ");
        }
        for (attribute, count) in [("scale", service.scale), ("deploy.replicas", replicas)] {
            if count.is_some_and(|count| count < 0) {
                self.fault(attribute, "expected an integer of at least 0");
            }
        }
        if let Some(limits) = deploy.and_then(|deploy| deploy.resources.limits.as_ref()) {
            #[expect(clippy::float_cmp, reason = "the two were read from texts that must be the same number")]
            let cpus = service.cpus != 0.0 && limits.cpus != service.cpus;
            let memory = service.mem_limit.0 != 0 && limits.memory != service.mem_limit;
            let pids = service.pids_limit != 0 && limits.pids != service.pids_limit;
            for (differs, own, other) in
                [(cpus, "cpus", "cpus"), (memory, "mem_limit", "memory"), (pids, "pids_limit", "pids")]
            {
                if differs {
                    self.fault(own, format!("'{own}' and 'deploy.resources.limits.{other}' differ"));
                }
            }
        }
        if let Some(promised) = deploy.and_then(|deploy| deploy.resources.reservations.as_ref())
            && service.mem_reservation.0 != 0
            && promised.memory != service.mem_reservation
        {
            self.fault("mem_reservation", "'mem_reservation' and 'deploy.resources.reservations.memory' differ");
        }
        if service.replicas() > 1 && !service.container_name.is_empty() {
            self.fault("container_name", "several containers cannot have one name");
        }
    }

    fn mounts(&mut self, service: &ServiceConfig) {
        if let Some(first) = service.healthcheck.as_ref().and_then(|health| health.test.first())
            && !["CMD", "CMD-SHELL", "NONE"].contains(&first.as_str())
        {
            self.fault("healthcheck.test", "a list must start with CMD, CMD-SHELL or NONE");
        }
        for (index, trigger) in service.develop.iter().flat_map(|develop| &develop.watch).enumerate() {
            if trigger.target.is_empty() && trigger.action != "rebuild" && trigger.action != "restart" {
                self.fault(&format!("develop.watch.{index}"), format!("a target is needed to {}", trigger.action));
            }
        }
        let mut seen: BTreeMap<&str, String> = BTreeMap::new();
        let tmpfs = service.tmpfs.iter().map(|mount| mount.split(':').next().unwrap_or_default());
        let tmpfs = tmpfs.enumerate().map(|(index, path)| (format!("tmpfs.{index}"), path));
        let volumes = service.volumes.iter().map(|volume| volume.target.as_str());
        let volumes = volumes.enumerate().map(|(index, path)| (format!("volumes.{index}"), path));
        for (attribute, path) in tmpfs.chain(volumes) {
            if let Some(first) = seen.get(path) {
                self.fault(
                    &attribute,
                    format!("'{path}' is already mounted by {}", dotted(&first.split('.').collect::<Vec<_>>())),
                );
            } else {
                seen.insert(path, attribute);
            }
        }
    }
}

/// The first cycle of dependencies, by name.
fn cycle(project: &Project, root: &Node) -> Option<Diagnostic> {
    let needs = |name: &str| {
        let service = project.services.get(name).into_iter();
        service.flat_map(|service| service.depends_on.keys()).filter(|other| project.services.contains_key(*other))
    };
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for name in project.services.keys() {
        // the services on the way here, each with those of its dependencies that are still to be looked at
        let mut way: Vec<(&str, Vec<&String>)> = vec![(name, needs(name).collect())];
        while let Some((current, open)) = way.last_mut() {
            let Some(next) = open.pop() else {
                done.insert(current);
                way.pop();
                continue;
            };
            if let Some(start) = way.iter().position(|(known, _)| known == next) {
                let names: Vec<&str> = way[start..].iter().map(|(name, _)| *name).collect();
                return Some(cyclic(root, &names));
            }
            if !done.contains(next.as_str()) {
                way.push((next, needs(next).collect()));
            }
        }
    }
    None
}

/// `services depend on each other: a -> b -> a`
fn cyclic(root: &Node, names: &[&str]) -> Diagnostic {
    let first = names[0];
    let next = names.get(1).copied().unwrap_or(first);
    let place = position(root, &["services", first, "depends_on", next]);
    let message = format!("services depend on each other: {} -> {first}", names.join(" -> "));
    Diagnostic::new(place, format!("services.{first}.depends_on"), message)
}
