//! `deploy`: replicas, resources and restarts.

use std::collections::BTreeMap;

use crate::compose::model::record::record;
use crate::compose::model::{Bytes, DeviceCount, Duration};

record! {
    /// How a service is deployed.
    DeployConfig {
        /// `replicated`, `global` or a job form of them.
        mode: String;
        /// Number of containers.
        replicas: Option<i64>;
        /// Labels of the service, not of its containers.
        labels: BTreeMap<String, String>;
        /// How it is updated.
        update_config: Option<UpdateConfig>;
        /// How an update is taken back.
        rollback_config: Option<UpdateConfig>;
        /// Limits and reservations.
        resources: Resources;
        /// When its containers are restarted.
        restart_policy: Option<RestartPolicy>;
        /// Where it may run.
        placement: Placement;
        /// `vip` or `dnsrr`.
        endpoint_mode: String;
    }
}

record! {
    /// How containers are replaced.
    UpdateConfig {
        /// How many at a time.
        parallelism: Option<u64>;
        /// Pause between them.
        delay: Duration;
        /// What happens when one fails.
        failure_action: String;
        /// How long one is watched.
        monitor: Duration;
        /// Failures that are tolerated.
        max_failure_ratio: f32;
        /// `start-first` or `stop-first`.
        order: String;
    }
}

record! {
    /// Limits and reservations.
    Resources {
        /// What a container may use at most.
        limits: Option<Resource>;
        /// What it is promised.
        reservations: Option<Resource>;
    }
}

record! {
    /// An amount of resources.
    Resource {
        /// CPUs, fractions allowed.
        cpus: f32;
        /// Memory.
        memory: Bytes;
        /// Processes.
        pids: i64;
        /// Devices.
        devices: Vec<DeviceRequest>;
        /// Resources that the user defined.
        generic_resources: Vec<GenericResource>;
    }
}

record! {
    closed
    /// Devices by what they can do.
    DeviceRequest {
        /// Capabilities, such as `gpu`.
        capabilities: Vec<String>;
        /// Device driver.
        driver: String;
        /// How many.
        count: DeviceCount;
        /// Which.
        device_ids: Vec<String>;
        /// Options of the driver.
        options: BTreeMap<String, String>;
    }
}

record! {
    /// A resource that the user defined.
    GenericResource {
        /// Its kind and amount.
        discrete_resource_spec: Option<DiscreteGenericResource>;
    }
}

record! {
    /// An amount of a kind.
    DiscreteGenericResource {
        /// Kind, such as `SSD`.
        kind: String = always;
        /// Amount.
        value: i64 = always;
    }
}

record! {
    /// When containers are restarted.
    RestartPolicy {
        /// `none`, `on-failure` or `any`.
        condition: String;
        /// Pause before a restart.
        delay: Option<Duration>;
        /// How often.
        max_attempts: Option<u64>;
        /// How long a start is watched.
        window: Option<Duration>;
    }
}

record! {
    /// Where a service may run.
    Placement {
        /// Conditions.
        constraints: Vec<String>;
        /// Preferences.
        preferences: Vec<PlacementPreferences>;
        /// Containers on one node.
        max_replicas_per_node: u64;
    }
}

record! {
    /// A preference.
    PlacementPreferences {
        /// Label whose values containers are spread over.
        spread: String;
    }
}
