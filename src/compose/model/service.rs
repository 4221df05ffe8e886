//! One service.

use std::collections::BTreeMap;

use crate::compose::emit::{Emit, Form, Tree};
use crate::compose::generation::Generation;
use crate::compose::model::decode::{At, Decode, Decoded, Structure, texts, variables};
use crate::compose::model::record::record;
use crate::compose::model::{
    BlkioConfig, BuildConfig, Bytes, CredentialSpecConfig, DeployConfig, DevelopConfig, DeviceMapping, DeviceRequest,
    Duration, FileReferenceConfig, HealthCheckConfig, Hosts, LoggingConfig, ServiceHook, ServiceModelConfig,
    ServiceNetworkConfig, ServicePortConfig, ServiceProviderConfig, ServiceVolumeConfig, Ulimit,
};
use crate::compose::node::{Node, Value};

record! {
    /// A service: the containers that are made of one description.
    ServiceConfig {
        /// The key under `services`.
        name: String = hidden;
        /// Profiles that enable the service; without any it is always enabled.
        profiles: Vec<String>;
        /// Annotations of the container.
        annotations: BTreeMap<String, String>;
        /// Whether its output is collected by default.
        attach: Option<bool>;
        /// How its image is built.
        build: Option<BuildConfig>;
        /// What a developer's watch does.
        develop: Option<DevelopConfig>;
        /// Block device limits.
        blkio_config: Option<BlkioConfig>;
        /// Capabilities that are added.
        cap_add: Vec<String>;
        /// Capabilities that are dropped.
        cap_drop: Vec<String>;
        /// Parent cgroup.
        cgroup_parent: String;
        /// cgroup namespace: `host` or `private`.
        cgroup: String;
        /// Number of CPUs (Windows).
        cpu_count: i64;
        /// Share of the CPUs in percent (Windows).
        cpu_percent: f32;
        /// CFS period in microseconds.
        cpu_period: i64;
        /// CFS quota in microseconds.
        cpu_quota: i64;
        /// Real-time period in microseconds.
        cpu_rt_period: i64;
        /// Real-time runtime in microseconds.
        cpu_rt_runtime: i64;
        /// CPUs, fractions allowed.
        cpus: f32;
        /// CPUs that it may run on, such as `0-3`.
        cpuset: String;
        /// Relative CPU weight.
        cpu_shares: i64;
        /// Replaces the image's command; an empty list clears it.
        command: Option<Vec<String>> = json, via shell_words;
        /// Configs that are mounted.
        configs: Vec<FileReferenceConfig>;
        /// Name of the one container.
        container_name: String;
        /// Credential spec (Windows).
        credential_spec: Option<CredentialSpecConfig>;
        /// Services that must be there first.
        depends_on: BTreeMap<String, Dependency>;
        /// Replicas, resources and restarts.
        deploy: Option<DeployConfig>;
        /// Rules of the device cgroup.
        device_cgroup_rules: Vec<String>;
        /// Devices of the host.
        devices: Vec<DeviceMapping>;
        /// DNS servers.
        dns: Vec<String>;
        /// Resolver options.
        dns_opt: Vec<String>;
        /// Search domains.
        dns_search: Vec<String>;
        /// Obsolete; never set by a file that is valid.
        dockerfile: String;
        /// Domain name of the container.
        domainname: String;
        /// Replaces the image's entry point; an empty list clears it.
        entrypoint: Option<Vec<String>> = json, via shell_words;
        /// A program that provides the service in place of a container.
        provider: Option<ServiceProviderConfig>;
        /// Environment of the container, with that of `env_file`; none is a variable without a value.
        environment: BTreeMap<String, Option<String>>, via variables;
        /// Files that `environment` was read from; empty once they are read.
        env_file: Vec<EnvFile>;
        /// Ports for other services.
        expose: Vec<String>;
        /// What it was derived from; empty once that is merged.
        extends: Option<ExtendsConfig>, via extends;
        /// Links to containers outside of the project.
        external_links: Vec<String>;
        /// Entries of `/etc/hosts`.
        extra_hosts: Hosts;
        /// Further groups of the process.
        group_add: Vec<String>;
        /// GPUs.
        gpus: Vec<DeviceRequest>;
        /// Host name of the container.
        hostname: String;
        /// How its health is found out.
        healthcheck: Option<HealthCheckConfig>;
        /// Image reference.
        image: String;
        /// Whether an init process reaps children.
        init: Option<bool>;
        /// IPC namespace.
        ipc: String;
        /// Isolation technology (Windows).
        isolation: String;
        /// Labels of the container, with those of `label_file`.
        labels: BTreeMap<String, String>;
        /// Files that `labels` were read from; they stay here, since Compose hashes them.
        label_file: Vec<String>;
        /// Links to other services, `service[:alias]`.
        links: Vec<String>;
        /// Log driver and its options.
        logging: Option<LoggingConfig>;
        /// Obsolete; never set by a file that is valid.
        log_driver: String;
        /// Obsolete; never set by a file that is valid.
        log_opt: BTreeMap<String, String>;
        /// Memory limit.
        mem_limit: Bytes;
        /// Memory reservation.
        mem_reservation: Bytes;
        /// Limit of memory and swap together; -1 is none.
        memswap_limit: Bytes;
        /// Swappiness, 0 to 100.
        mem_swappiness: Bytes;
        /// MAC address.
        mac_address: String;
        /// AI models, by name.
        models: BTreeMap<String, Option<ServiceModelConfig>>;
        /// Obsolete; never set by a file that is valid.
        net: String;
        /// `host`, `none`, `service:…`, `container:…` or a network of the engine.
        network_mode: String;
        /// Networks it is attached to.
        networks: BTreeMap<String, Option<ServiceNetworkConfig>>;
        /// Whether the OOM killer leaves it alone.
        oom_kill_disable: bool;
        /// Preference of the OOM killer.
        oom_score_adj: i64;
        /// PID namespace.
        pid: String;
        /// Limit of processes.
        pids_limit: i64;
        /// Platform, `os[/arch[/variant]]`.
        platform: String;
        /// Published ports.
        ports: Vec<ServicePortConfig>;
        /// Whether it has all privileges.
        privileged: bool;
        /// When its image is pulled.
        pull_policy: String;
        /// Whether its root file system is read-only.
        read_only: bool;
        /// Restart policy.
        restart: String;
        /// OCI runtime.
        runtime: String;
        /// Number of containers.
        scale: Option<i64>;
        /// Secrets that are mounted.
        secrets: Vec<FileReferenceConfig>;
        /// Security options.
        security_opt: Vec<String>;
        /// Size of `/dev/shm`.
        shm_size: Bytes;
        /// Whether standard input stays open.
        stdin_open: bool;
        /// How long it may take to stop.
        stop_grace_period: Option<Duration>;
        /// Signal that stops it.
        stop_signal: String;
        /// Options of the storage driver.
        storage_opt: BTreeMap<String, String>, via texts;
        /// Kernel parameters.
        sysctls: BTreeMap<String, String>;
        /// Temporary file systems, `path[:options]`.
        tmpfs: Vec<String>;
        /// Whether it has a terminal.
        tty: bool;
        /// Limits of process resources.
        ulimits: BTreeMap<String, Ulimit>;
        /// Whether it may use the engine's API.
        use_api_socket: bool;
        /// User, `user[:group]`.
        user: String;
        /// User namespace.
        userns_mode: String;
        /// UTS namespace.
        uts: String;
        /// Obsolete; never set by a file that is valid.
        volume_driver: String;
        /// Mounts.
        volumes: Vec<ServiceVolumeConfig>;
        /// Containers and services whose volumes are mounted as well.
        volumes_from: Vec<String>;
        /// Working directory.
        working_dir: String;
        /// Containers that run to their end before the service starts.
        pre_start: Vec<ServiceHook> = five;
        /// Commands run in the container after it has started.
        post_start: Vec<ServiceHook>;
        /// Commands run in the container before it is stopped.
        pre_stop: Vec<ServiceHook>;
    }
}

impl Structure for ServiceConfig {}

impl ServiceConfig {
    /// How many containers it has: `scale`, else `deploy.replicas`, else 1.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        let wanted = self.scale.or_else(|| self.deploy.as_ref()?.replicas).unwrap_or(1);
        u32::try_from(wanted).unwrap_or(0)
    }

    /// Whether one of `profiles` enables it; `*` enables everything.
    #[must_use]
    pub fn has_profile(&self, profiles: &[String]) -> bool {
        self.profiles.is_empty() || profiles.iter().any(|p| p == "*" || self.profiles.contains(p))
    }

    /// Its networks, those of the highest priority first, then by name.
    #[must_use]
    pub fn networks_by_priority(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.networks.iter().collect();
        names.sort_by_key(|(name, network)| (-network.as_ref().map_or(0, |n| n.priority), name.as_str()));
        names.into_iter().map(|(name, _)| name.as_str()).collect()
    }
}

record! {
    /// A service that another one needs.
    Dependency {
        /// `service_started`, `service_healthy` or `service_completed_successfully`.
        condition: String;
        /// Whether the dependant is restarted when this one is.
        restart: bool;
        /// Whether the dependant may not start without it.
        required: bool = always;
    }
}

impl Structure for Dependency {}

record! {
    closed
    /// The service that another one is derived from.
    ExtendsConfig {
        /// The file it is in; this one if empty.
        file: String;
        /// The service.
        service: String;
    }
}

/// `extends: name` is short for `extends: {service: name}`.
fn extends(node: &Node, at: &At<'_>) -> Decoded<Option<ExtendsConfig>> {
    match node.as_str() {
        Some(service) => Ok(Some(ExtendsConfig { file: String::new(), service: service.to_owned() })),
        None => Option::decode(node, at),
    }
}

/// A file of environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvFile {
    /// The file, absolute.
    pub path: String,
    /// Whether it must be there.
    pub required: bool,
    /// How it is read: empty or `raw`.
    pub format: String,
}

impl Decode for EnvFile {
    fn decode(node: &Node, at: &At<'_>) -> Decoded<Self> {
        let Some(map) = node.as_map() else {
            return Ok(Self { path: String::decode(node, at)?, required: true, format: String::new() });
        };
        let text = |key: &str| map.get(key).map_or(Ok(String::new()), |value| String::decode(value, &at.key(key)));
        let required = map.get("required").map_or(Ok(true), |value| bool::decode(value, &at.key("required")))?;
        Ok(Self { path: text("path")?, required, format: text("format")? })
    }
}

impl Emit for EnvFile {
    fn tree(&self, form: Form) -> Tree {
        let five = form.generation == Generation::Five;
        if self.required && !five {
            return Tree::Text(self.path.clone());
        }
        let mut pairs = vec![("path".to_owned(), Tree::Text(self.path.clone()))];
        if !self.required {
            pairs.push(("required".to_owned(), Tree::Bool(false)));
        }
        if (five || form.is_json()) && !self.format.is_empty() {
            pairs.push(("format".to_owned(), Tree::Text(self.format.clone())));
        }
        Tree::Map(pairs)
    }

    fn omit(&self, _: Form) -> bool {
        false
    }
}

/// A command: a list is taken as it is, a text is split as a shell would.
pub(crate) fn shell_words(node: &Node, at: &At<'_>) -> Decoded<Option<Vec<String>>> {
    match &node.value {
        Value::Text(text) => crate::compose::words::split(text)
            .map(Some)
            .ok_or_else(|| node.fault(at.to_string(), "invalid command line: a quote or an escape is not closed")),
        _ => Vec::decode(node, at).map(Some),
    }
}
