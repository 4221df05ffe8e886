//! What stands beside the services: networks, volumes, configs, secrets and models.

use std::collections::BTreeMap;

use crate::compose::emit::{Emit, Form, Tree};
use crate::compose::model::decode::{Structure, texts};
use crate::compose::model::record::record;

record! {
    /// A network.
    NetworkConfig {
        /// Its name in the engine.
        name: String;
        /// Driver.
        driver: String;
        /// Its options.
        driver_opts: BTreeMap<String, String>;
        /// Addresses.
        ipam: IpamConfig;
        /// Whether it must be there already.
        external: bool;
        /// Whether it has no way out.
        internal: bool;
        /// Whether containers outside of the project may join.
        attachable: bool;
        /// Labels.
        labels: BTreeMap<String, String>;
        /// Whether it has IPv4.
        enable_ipv4: Option<bool>;
        /// Whether it has IPv6.
        enable_ipv6: Option<bool>;
    }
}

record! {
    /// How addresses are given out.
    IpamConfig {
        /// Driver.
        driver: String;
        /// Pools.
        config: Vec<IpamPool>;
        /// Options of the driver, which Compose 2 drops.
        options: BTreeMap<String, String> = five;
    }
}

record! {
    closed
    /// A pool of addresses. Compose drops its `x-` attributes.
    IpamPool {
        /// Subnet in CIDR.
        subnet: String;
        /// Gateway.
        gateway: String;
        /// Range that addresses are given from.
        ip_range: String;
        /// Addresses of hosts that are not to be given out.
        aux_addresses: BTreeMap<String, String>;
    }
}

record! {
    /// A volume.
    VolumeConfig {
        /// Its name in the engine.
        name: String;
        /// Driver.
        driver: String;
        /// Its options.
        driver_opts: BTreeMap<String, String>;
        /// Whether it must be there already.
        external: bool;
        /// Labels.
        labels: BTreeMap<String, String>;
    }
}

record! {
    /// An AI model.
    ModelConfig {
        /// Its name.
        name: String;
        /// Its image.
        model: String;
        /// Size of the context.
        context_size: i64;
        /// Flags of the engine that runs it.
        runtime_flags: Vec<String>;
    }
}

record! {
    /// A config or secret as a file.
    FileObject {
        /// Its name in the engine.
        name: String;
        /// The file that holds it.
        file: String;
        /// The variable that holds it.
        environment: String;
        /// What it holds.
        content: String;
        /// Whether it must be there already.
        external: bool;
        /// Labels.
        labels: BTreeMap<String, String>;
        /// Driver.
        driver: String;
        /// Its options.
        driver_opts: BTreeMap<String, String>, via texts;
        /// Template driver.
        template_driver: String;
    }
}

/// A config. Its `content` is that of the file's text, or of its variable, which is not printed.
pub type ConfigObjConfig = FileObject;

/// A secret. Its `content` is that of its variable; no content of a secret is ever printed.
pub type SecretConfig = FileObject;

impl FileObject {
    /// The tree without content that came from the environment.
    pub(crate) fn config_tree(&self, form: Form) -> Tree {
        if self.environment.is_empty() { self.tree(form) } else { self.secret_tree(form) }
    }

    /// The tree without content.
    pub(crate) fn secret_tree(&self, form: Form) -> Tree {
        Self { content: String::new(), ..self.clone() }.tree(form)
    }
}

impl Structure for NetworkConfig {}
impl Structure for VolumeConfig {}
impl Structure for ModelConfig {}
impl Structure for FileObject {}
