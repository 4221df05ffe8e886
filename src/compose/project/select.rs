//! Services by profile and by name, with what they need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::compose::error::{Diagnostic, Error, nearest};
use crate::compose::model::ServiceConfig;
use crate::compose::project::{Project, consistency};

impl Project {
    /// The project with the services without a profile and those of the given ones: `--profile P up`.
    ///
    /// # Errors
    /// What is inconsistent about the services that are then enabled.
    pub fn with_profiles(&self, profiles: &[String]) -> Result<Self, Error> {
        let (project, faults) = self.inspect_profiles(profiles);
        Error::from_all(faults).map_or(Ok(project), Err)
    }

    /// The same, with what is inconsistent about the services that are then enabled.
    pub fn inspect_profiles(&self, profiles: &[String]) -> (Self, Vec<Diagnostic>) {
        let project = self.enabled(profiles);
        let faults = project.check();
        (project.pruned(), faults)
    }

    /// The project with the named services and all that they depend on, and nothing else: `up S`. A service that is
    /// named is enabled, whatever its profile.
    ///
    /// # Errors
    /// A name that no service has, and what is inconsistent about the services that are then enabled.
    pub fn select<S: AsRef<str>>(&self, services: &[S]) -> Result<Self, Error> {
        let (project, faults) = self.inspect(services)?;
        Error::from_all(faults).map_or(Ok(project), Err)
    }

    /// The same, with what is inconsistent about the services that are then enabled.
    ///
    /// # Errors
    /// A name that no service has.
    pub fn inspect<S: AsRef<str>>(&self, services: &[S]) -> Result<(Self, Vec<Diagnostic>), Error> {
        let names: Vec<&str> = services.iter().map(AsRef::as_ref).collect();
        let mut profiles = self.profiles.clone();
        for name in &names {
            let Some(service) = self.whole.services.get(*name) else {
                return Err(self.unknown(name).into());
            };
            if !service.has_profile(&profiles) {
                profiles.extend(service.profiles.iter().cloned());
            }
        }
        let mut project = self.enabled(&profiles);
        let wanted = project.closure(&names);
        let (mut kept, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut project.services).into_iter().partition(|(name, _)| wanted.contains(name));
        for service in kept.values_mut() {
            service.depends_on.retain(|name, needed| wanted.contains(name) || needed.required);
        }
        project.services = kept;
        project.disabled_services.extend(rest);
        let faults = project.check();
        Ok((project.pruned(), faults))
    }

    /// `no such service 'wbe', did you mean 'web'?`
    fn unknown(&self, name: &str) -> Diagnostic {
        let known = self.whole.services.keys().map(String::as_str);
        if let Some(near) = nearest(name, known) {
            Diagnostic::general(format!("no such service '{name}', did you mean '{near}'?"))
        } else {
            let all: Vec<&str> = self.whole.services.keys().map(String::as_str).collect();
            Diagnostic::general(format!("no such service '{name}'")).help(format!("there are {}", all.join(", ")))
        }
    }

    /// The project with other profiles and everything that was loaded.
    fn enabled(&self, profiles: &[String]) -> Self {
        let whole = Arc::clone(&self.whole);
        let (services, disabled_services) = whole
            .services
            .clone()
            .into_iter()
            .partition(|(_, service): &(_, ServiceConfig)| service.has_profile(profiles));
        Self {
            profiles: profiles.to_vec(),
            services,
            disabled_services,
            networks: whole.networks.clone(),
            volumes: whole.volumes.clone(),
            configs: whole.configs.clone(),
            secrets: whole.secrets.clone(),
            models: whole.models.clone(),
            ..self.clone()
        }
    }

    /// The named services and those that they depend on.
    fn closure(&self, names: &[&str]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = names.to_vec();
        while let Some(name) = open.pop() {
            if let Some(service) = self.services.get(name)
                && found.insert(name.to_owned())
            {
                open.extend(service.depends_on.keys().map(String::as_str));
            }
        }
        found
    }

    /// What is wrong with the enabled services.
    fn check(&self) -> Vec<Diagnostic> {
        let unresolved = self.whole.unresolved.iter().filter(|(name, _)| self.services.contains_key(*name));
        let mut faults: Vec<Diagnostic> = unresolved.map(|(_, fault)| fault.clone()).collect();
        if !self.unchecked {
            faults.extend(consistency::check(self, &self.whole.root));
        }
        faults
    }

    /// The same without what no enabled service uses.
    fn pruned(mut self) -> Self {
        let mut used = Used::default();
        for service in self.services.values() {
            used.add(service);
        }
        self.networks.retain(|name, _| used.networks.contains(name));
        self.volumes.retain(|name, _| used.volumes.contains(name));
        self.configs.retain(|name, _| used.configs.contains(name));
        self.secrets.retain(|name, _| used.secrets.contains(name));
        self.models.retain(|name, _| used.models.contains(name));
        self
    }
}

/// Names of resources that services use.
#[derive(Default)]
struct Used {
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
    configs: BTreeSet<String>,
    secrets: BTreeSet<String>,
    models: BTreeSet<String>,
}

impl Used {
    fn add(&mut self, service: &ServiceConfig) {
        self.networks.extend(service.networks.keys().cloned());
        let named = service.volumes.iter().filter(|volume| volume.r#type == "volume" && !volume.source.is_empty());
        self.volumes.extend(named.map(|volume| volume.source.clone()));
        self.configs.extend(service.configs.iter().map(|config| config.source.clone()));
        let build = service.build.iter().flat_map(|build| &build.secrets);
        self.secrets.extend(service.secrets.iter().chain(build).map(|secret| secret.source.clone()));
        self.models.extend(service.models.keys().cloned());
    }
}
