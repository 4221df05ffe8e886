//! The loaded project, and the part of it that a selection of services needs.

mod consistency;
mod environment;
mod select;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::compose::dotenv::Variables;
use crate::compose::emit::{Emit, Form, Tree, ordered};
use crate::compose::error::{Diagnostic, Error, Position};
use crate::compose::generation::Generation;
use crate::compose::load::LoadOptions;
use crate::compose::load::scope::Reader;
use crate::compose::load::setup::Setup;
use crate::compose::model::decode::{At, Decode, Fields};
use crate::compose::model::{
    ConfigObjConfig, Extensions, ModelConfig, NetworkConfig, SecretConfig, ServiceConfig, VolumeConfig,
};
use crate::compose::node::Node;
use crate::compose::resolve::{FROM_RELATIVE, FROM_VARIABLE};

/// A project, normalised: what Compose would start, with names, defaults and absolute paths.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Whether an option, a variable or `name:` gives it its name, and not its folder.
    pub named: bool,
    /// The project folder, absolute.
    pub working_dir: PathBuf,
    /// The compose files, absolute, in the order in which they were merged.
    pub compose_files: Vec<PathBuf>,
    /// The variables that its files saw.
    pub environment: Variables,
    /// Active profiles.
    pub profiles: Vec<String>,
    /// Enabled services.
    pub services: BTreeMap<String, ServiceConfig>,
    /// Services that no active profile or no selection enables.
    pub disabled_services: BTreeMap<String, ServiceConfig>,
    /// Networks that enabled services use.
    pub networks: BTreeMap<String, NetworkConfig>,
    /// Volumes that enabled services use.
    pub volumes: BTreeMap<String, VolumeConfig>,
    /// Configs that enabled services use.
    pub configs: BTreeMap<String, ConfigObjConfig>,
    /// Secrets that enabled services use.
    pub secrets: BTreeMap<String, SecretConfig>,
    /// Models that enabled services use.
    pub models: BTreeMap<String, ModelConfig>,
    /// Top-level `x-` attributes.
    pub extensions: Extensions,
    /// The Compose by whose rules it was loaded.
    pub generation: Generation,
    /// Whether `env_file` and variables without a value are left as they are written.
    pub unresolved: bool,
    /// Whether references between its parts are not checked.
    unchecked: bool,
    /// Variables that have no value and no default, each with its first place.
    pub unset: BTreeMap<String, Position>,
    notes: Vec<Diagnostic>,
    whole: Arc<Whole>,
}

/// All that was loaded, enabled or not.
#[derive(Debug)]
struct Whole {
    root: Node,
    services: BTreeMap<String, ServiceConfig>,
    networks: BTreeMap<String, NetworkConfig>,
    volumes: BTreeMap<String, VolumeConfig>,
    configs: BTreeMap<String, ConfigObjConfig>,
    secrets: BTreeMap<String, SecretConfig>,
    models: BTreeMap<String, ModelConfig>,
    /// Services whose environment or label files cannot be read: a fault only if they are enabled.
    unresolved: BTreeMap<String, Diagnostic>,
    /// What may not be meant in the environment and label files of a service.
    notes: BTreeMap<String, Vec<Diagnostic>>,
}

impl Project {
    /// A project of which nothing is enabled yet.
    pub(crate) fn new(
        reader: &Reader<'_>,
        name: String,
        setup: Setup,
        root: Node,
        profiles: Vec<String>,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        let generation = reader.generation;
        let unresolved = options.unresolved;
        let mut faults = Vec::new();
        let mut whole = Whole {
            services: section(&root, "services", generation, &mut faults),
            networks: section(&root, "networks", generation, &mut faults),
            volumes: section(&root, "volumes", generation, &mut faults),
            configs: section(&root, "configs", generation, &mut faults),
            secrets: section(&root, "secrets", generation, &mut faults),
            models: section(&root, "models", generation, &mut faults),
            unresolved: BTreeMap::new(),
            notes: BTreeMap::new(),
            root,
        };
        if let Some(error) = Error::from_all(faults) {
            return Err(error);
        }
        for object in whole.secrets.values_mut().chain(whole.configs.values_mut()) {
            if let Some(Tree::Text(content)) = object.extensions.remove(FROM_VARIABLE) {
                object.content = content;
            }
        }
        let notes = reader.notes.take();
        for (name, service) in &mut whole.services {
            service.name.clone_from(name);
            for volume in &mut service.volumes {
                let source = volume.extensions.remove(FROM_RELATIVE);
                volume.relative = matches!(source, Some(Tree::Text(source)) if source == volume.source);
            }
            if let (Some(scale), Some(deploy)) = (service.scale, &mut service.deploy) {
                deploy.replicas.get_or_insert(scale);
            }
            let mut read = || {
                if !unresolved {
                    environment::resolve(reader, service, &setup.variables, &whole.root)?;
                }
                environment::labels(reader, service, &whole.root)
            };
            if let Err(fault) = read() {
                whole.unresolved.insert(name.clone(), fault);
            }
            whole.notes.insert(name.clone(), reader.notes.take());
        }
        let top = At::top("", reader.generation);
        Ok(Self {
            name,
            named: setup.named,
            working_dir: setup.folder,
            compose_files: setup.files,
            environment: setup.variables,
            extensions: Fields::new(&whole.root, &top).map(|fields| fields.extensions()).unwrap_or_default(),
            profiles,
            generation,
            unresolved,
            unchecked: options.skip.consistency,
            services: BTreeMap::new(),
            disabled_services: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            configs: BTreeMap::new(),
            secrets: BTreeMap::new(),
            models: BTreeMap::new(),
            unset: BTreeMap::new(),
            notes,
            whole: Arc::new(whole),
        })
    }

    /// What is no fault, and still may not be meant, of the files and of the enabled services.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let unset = self
            .unset
            .iter()
            .map(|(name, at)| Diagnostic::new(at, "", format!("variable {name} is not set, and counts as empty")));
        let own = self.whole.notes.iter().filter(|(name, _)| self.services.contains_key(*name));
        let mut all: Vec<Diagnostic> = Vec::new();
        for warning in unset.chain(self.notes.iter().chain(own.flat_map(|(_, notes)| notes)).cloned()) {
            if !all.contains(&warning) {
                all.push(warning);
            }
        }
        all
    }

    /// The merged tree of a top-level `x-` attribute, with variables replaced and positions.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&Node> {
        self.whole.root.get(name)
    }

    /// The node of an attribute, by its path of keys and list indexes.
    #[must_use]
    pub fn node<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Node> {
        self.whole.root.at(path)
    }

    /// Where an attribute stands, or the nearest one around it that stands anywhere.
    #[must_use]
    pub fn position(&self, path: &[&str]) -> &Position {
        position(&self.whole.root, path)
    }

    /// The place of the key of an attribute, or of an item of a list; of the nearest one around it that has a place.
    #[must_use]
    pub fn key_position(&self, path: &[&str]) -> &Position {
        let parent = path.split_last().and_then(|(last, parent)| Some((self.node(parent.iter().copied())?, *last)));
        let key = parent.and_then(|(parent, last)| parent.as_map()?.get_key_value(last)).map(|(key, _)| &key.position);
        key.unwrap_or_else(|| self.position(path))
    }

    /// Every service, enabled or not, by name.
    #[must_use]
    pub fn all_services(&self) -> &BTreeMap<String, ServiceConfig> {
        &self.whole.services
    }

    /// Every profile that a service names.
    #[must_use]
    pub fn known_profiles(&self) -> BTreeSet<&str> {
        self.whole.services.values().flat_map(|service| &service.profiles).map(String::as_str).collect()
    }

    /// The project as a tree in one of the forms that Compose prints.
    #[must_use]
    pub fn tree(&self, form: Form) -> Tree {
        let services = self.services.iter().map(|(name, service)| (name.clone(), printed(service).tree(form)));
        let services = ordered(services.collect(), form);
        let mut pairs = vec![("name".to_owned(), Tree::Text(self.name.clone())), ("services".to_owned(), services)];
        let mut add = |name: &str, tree: Tree| match &tree {
            Tree::Map(entries) if entries.is_empty() => {}
            _ => pairs.push((name.to_owned(), tree)),
        };
        let objects = |objects: &BTreeMap<String, SecretConfig>, tree: fn(&SecretConfig, Form) -> Tree| {
            ordered(objects.iter().map(|(name, object)| (name.clone(), tree(object, form))).collect(), form)
        };
        add("networks", self.networks.tree(form));
        add("volumes", self.volumes.tree(form));
        add("secrets", objects(&self.secrets, SecretConfig::secret_tree));
        add("configs", objects(&self.configs, ConfigObjConfig::config_tree));
        if !form.is_json() {
            add("models", self.models.tree(form));
        }
        if let Tree::Map(extensions) = self.extensions.tree(form) {
            pairs.extend(extensions);
        }
        if form.is_json() {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
        }
        Tree::Map(pairs)
    }
}

impl serde::Serialize for Project {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree(Form::json(self.generation)).serialize(serializer)
    }
}

/// A service as it is printed: without the files that its labels were read from.
pub(crate) fn printed(service: &ServiceConfig) -> Cow<'_, ServiceConfig> {
    if service.label_file.is_empty() {
        return Cow::Borrowed(service);
    }
    Cow::Owned(ServiceConfig { label_file: Vec::new(), ..service.clone() })
}

/// The entries of a section, each typed; those that cannot be are faults.
fn section<T: Decode + Default>(
    root: &Node,
    name: &str,
    generation: Generation,
    faults: &mut Vec<Diagnostic>,
) -> BTreeMap<String, T> {
    let mut all = BTreeMap::new();
    let top = At::top(name, generation);
    for (key, node) in root.get(name).and_then(Node::as_map).into_iter().flatten() {
        match T::decode(node, &top.key(&key.name)) {
            Ok(value) => {
                all.insert(key.name.clone(), value);
            }
            Err(fault) => faults.push(fault),
        }
    }
    all
}

/// Where an attribute stands, or the nearest one around it.
fn position<'a>(root: &'a Node, path: &[&str]) -> &'a Position {
    let mut node = root;
    for part in path {
        match node.at([*part]) {
            Some(next) => node = next,
            None => break,
        }
    }
    &node.position
}
