//! The project, typed: one structure per element of the Compose Specification, named and ordered as Compose has them.

mod build;
pub(crate) mod decode;
mod deploy;
mod mounts;
mod record;
mod resources;
mod runtime;
mod service;
mod value;

use std::collections::BTreeMap;

use crate::compose::emit::Tree;

pub use build::{BuildConfig, SshKey};
pub use decode::to_json;
pub use deploy::{
    DeployConfig, DeviceRequest, DiscreteGenericResource, GenericResource, Placement, PlacementPreferences, Resource,
    Resources, RestartPolicy, UpdateConfig,
};
pub use mounts::{
    DeviceMapping, FileReferenceConfig, ServiceVolumeBind, ServiceVolumeConfig, ServiceVolumeImage, ServiceVolumeTmpfs,
    ServiceVolumeVolume,
};
pub use resources::{ConfigObjConfig, IpamConfig, IpamPool, ModelConfig, NetworkConfig, SecretConfig, VolumeConfig};
pub use runtime::{
    BlkioConfig, CredentialSpecConfig, DevelopConfig, HealthCheckConfig, LoggingConfig, ServiceHook,
    ServiceModelConfig, ServiceNetworkConfig, ServicePortConfig, ServiceProviderConfig, ThrottleDevice, Trigger,
    WeightDevice,
};
pub use service::{Dependency, EnvFile, ExtendsConfig, ServiceConfig};
pub use value::{Bytes, CreateHostPath, DeviceCount, Duration, FileMode, Hosts, Ulimit};

/// `x-` attributes by their full name.
pub type Extensions = BTreeMap<String, Tree>;

#[cfg(test)]
mod tests;
