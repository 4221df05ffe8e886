//! Parts of a service: ports, networks, health, logs, hooks and limits.

use std::collections::BTreeMap;

use crate::compose::emit::{Emit, Form, Tree};
use crate::compose::model::decode::{At, Decode, Decoded, Fields, Structure, expected, spelled_list, variables};
use crate::compose::model::record::record;
use crate::compose::model::service::shell_words;
use crate::compose::model::{Bytes, Duration};
use crate::compose::node::{Node, Value};

record! {
    /// A published port.
    ServicePortConfig {
        /// A name for humans.
        name: String;
        /// `ingress` or `host`.
        mode: String;
        /// Address of the host it listens on; all if empty.
        host_ip: String;
        /// Port of the container.
        target: u32;
        /// Port or range of ports of the host; any if empty.
        published: String;
        /// `tcp`, `udp` or `sctp`.
        protocol: String;
        /// Protocol above it.
        app_protocol: String;
    }
}

record! {
    /// A service's place in a network.
    ServiceNetworkConfig {
        /// Further names.
        aliases: Vec<String>;
        /// Options of the endpoint.
        driver_opts: BTreeMap<String, String>;
        /// The network with the highest number is the default route.
        gw_priority: i64;
        /// Name of the interface.
        interface_name: String;
        /// Fixed IPv4 address.
        ipv4_address: String;
        /// Fixed IPv6 address.
        ipv6_address: String;
        /// Link-local addresses.
        link_local_ips: Vec<String>;
        /// MAC address.
        mac_address: String;
        /// The network with the highest number is attached first.
        priority: i64;
    }
}

impl Structure for ServiceNetworkConfig {}

record! {
    /// How health is found out.
    HealthCheckConfig {
        /// `NONE`, `CMD` and a command, or `CMD-SHELL` and a line.
        test: Vec<String>, via health_test;
        /// How long one check may take.
        timeout: Option<Duration>;
        /// Time between checks.
        interval: Option<Duration>;
        /// Failures until it counts as unhealthy.
        retries: Option<u64>;
        /// Time at the start in which failures do not count.
        start_period: Option<Duration>;
        /// Time between checks at the start.
        start_interval: Option<Duration>;
        /// Whether the image's check is switched off.
        disable: bool;
    }
}

fn health_test(node: &Node, at: &At<'_>) -> Decoded<Vec<String>> {
    match &node.value {
        Value::Text(text) => Ok(vec!["CMD-SHELL".to_owned(), text.clone()]),
        _ => Vec::decode(node, at),
    }
}

record! {
    /// Where output goes.
    LoggingConfig {
        /// Log driver.
        driver: String;
        /// Its options.
        options: BTreeMap<String, String>;
    }
}

record! {
    /// A command that is run at a turn of a container's life: in the container, or before it starts in one of its own.
    ServiceHook {
        /// The command.
        command: Option<Vec<String>> = json, via shell_words;
        /// Image of the hook's own container.
        image: String = five;
        /// User.
        user: String;
        /// Whether it has all privileges.
        privileged: bool;
        /// Working directory.
        working_dir: String;
        /// Environment.
        environment: BTreeMap<String, Option<String>>, via variables;
        /// Whether it runs before each replica, and not once before all.
        per_replica: bool = five;
    }
}

record! {
    /// A program that provides a service.
    ServiceProviderConfig {
        /// The program.
        r#type: String;
        /// Its options; one may be given several times.
        options: BTreeMap<String, Vec<String>>, via provider_options;
    }
}

/// An option without a value is none.
fn provider_options(node: &Node, at: &At<'_>) -> Decoded<BTreeMap<String, Vec<String>>> {
    let map = node.as_map().ok_or_else(|| expected(node, at, "a mapping"))?;
    let given = map.iter().filter(|(_, value)| value.as_seq().is_none_or(|values| !values.is_empty()));
    given.map(|(key, value)| Ok((key.name.clone(), spelled_list(value, &at.key(&key.name))?))).collect()
}

record! {
    /// How a service is told about a model.
    ServiceModelConfig {
        /// Variable that gets the endpoint.
        endpoint_var: String;
        /// Variable that gets the model's name.
        model_var: String;
    }
}

impl Structure for ServiceModelConfig {}

record! {
    /// Credential spec (Windows).
    CredentialSpecConfig {
        /// A config.
        config: String;
        /// A file.
        file: String;
        /// A registry value.
        registry: String;
    }
}

record! {
    /// What a developer's watch does.
    DevelopConfig {
        /// Triggers.
        watch: Vec<Trigger>;
    }
}

record! {
    /// What happens when files change.
    Trigger {
        /// The files.
        path: String = always;
        /// `rebuild`, `sync`, `restart`, `sync+restart` or `sync+exec`.
        action: String = always;
        /// Where they are copied to.
        target: String;
        /// What is run then.
        exec: ServiceHook;
        /// Patterns of files that count.
        include: Vec<String>;
        /// Patterns of files that do not.
        ignore: Vec<String>;
        /// Whether all is copied at the start.
        initial_sync: bool;
    }
}

record! {
    /// Block device limits.
    BlkioConfig {
        /// Weight, 10 to 1000.
        weight: u16;
        /// Weights of devices.
        weight_device: Vec<WeightDevice>;
        /// Bytes read in a second.
        device_read_bps: Vec<ThrottleDevice>;
        /// Reads in a second.
        device_read_iops: Vec<ThrottleDevice>;
        /// Bytes written in a second.
        device_write_bps: Vec<ThrottleDevice>;
        /// Writes in a second.
        device_write_iops: Vec<ThrottleDevice>;
    }
}

/// Weight of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightDevice {
    /// The device.
    pub path: String,
    /// Its weight, 10 to 1000.
    pub weight: u16,
}

/// Limit of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThrottleDevice {
    /// The device.
    pub path: String,
    /// Bytes or operations in a second.
    pub rate: Bytes,
}

impl Decode for WeightDevice {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        let fields = Fields::new(node, at)?;
        Ok(Self { path: fields.read("path")?, weight: fields.read("weight")? })
    }
}

impl Decode for ThrottleDevice {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        let fields = Fields::new(node, at)?;
        Ok(Self { path: fields.read("path")?, rate: fields.read("rate")? })
    }
}

/// Compose gives these two structures capital letters in JSON.
fn pair(form: Form, path: &str, name: &str, capital: &str, value: Tree) -> Tree {
    let (path_key, value_key) = if form.is_json() { ("Path", capital) } else { ("path", name) };
    Tree::Map(vec![(path_key.to_owned(), Tree::Text(path.to_owned())), (value_key.to_owned(), value)])
}

impl Emit for WeightDevice {
    fn tree(&self, form: Form) -> Tree {
        pair(form, &self.path, "weight", "Weight", self.weight.tree(form))
    }

    fn omit(&self, _: Form) -> bool {
        false
    }
}

impl Emit for ThrottleDevice {
    fn tree(&self, form: Form) -> Tree {
        pair(form, &self.path, "rate", "Rate", self.rate.tree(form))
    }

    fn omit(&self, _: Form) -> bool {
        false
    }
}
