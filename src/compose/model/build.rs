//! How an image is built.

use std::collections::BTreeMap;

use crate::compose::emit::{Emit, Form, Tree};
use crate::compose::model::decode::{At, Decode, Decoded, expected, variables};
use crate::compose::model::record::record;
use crate::compose::model::{Bytes, FileReferenceConfig, Hosts, Ulimit};
use crate::compose::node::Node;

record! {
    /// A build.
    BuildConfig {
        /// Folder, or a URL of a repository or archive.
        context: String;
        /// Dockerfile, relative to the context.
        dockerfile: String;
        /// The Dockerfile's text.
        dockerfile_inline: String;
        /// Entitlements that are granted.
        entitlements: Vec<String>;
        /// Build arguments.
        args: BTreeMap<String, Option<String>>, via variables;
        /// Provenance attestation.
        provenance: String;
        /// Software bill of materials.
        sbom: String;
        /// SSH agents and keys.
        ssh: Vec<SshKey>, via ssh;
        /// Labels of the image.
        labels: BTreeMap<String, String>;
        /// Cache sources.
        cache_from: Vec<String>;
        /// Cache targets.
        cache_to: Vec<String>;
        /// Whether the cache is not used.
        no_cache: bool;
        /// Stages that are built without the cache.
        no_cache_filter: Vec<String> = five;
        /// Further contexts by name.
        additional_contexts: BTreeMap<String, String>;
        /// Whether base images are pulled anew.
        pull: bool;
        /// Entries of `/etc/hosts`.
        extra_hosts: Hosts;
        /// Isolation technology (Windows).
        isolation: String;
        /// Network of `RUN`.
        network: String;
        /// Stage that is built.
        target: String;
        /// Secrets of `RUN --mount`.
        secrets: Vec<FileReferenceConfig>;
        /// Size of `/dev/shm`.
        shm_size: Bytes;
        /// Names of the image.
        tags: Vec<String>;
        /// Limits of process resources.
        ulimits: BTreeMap<String, Ulimit>;
        /// Platforms it is built for.
        platforms: Vec<String>;
        /// Whether `RUN` has all privileges.
        privileged: bool;
    }
}

/// An SSH key or agent of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshKey {
    /// Its name, `default` for the agent.
    pub id: String,
    /// Key or socket; empty for the agent of the environment.
    pub path: String,
}

impl Emit for SshKey {
    fn tree(&self, _: Form) -> Tree {
        Tree::Text(if self.path.is_empty() { self.id.clone() } else { format!("{}: {}", self.id, self.path) })
    }

    fn omit(&self, _: Form) -> bool {
        false
    }
}

fn ssh(node: &Node, at: &At<'_>) -> Decoded<Vec<SshKey>> {
    let map = node.as_map().ok_or_else(|| expected(node, at, "a mapping"))?;
    let keys = map.iter().map(|(key, value)| {
        let path = Option::<String>::decode(value, &at.key(&key.name))?.unwrap_or_default();
        Ok(SshKey { id: key.name.clone(), path })
    });
    keys.collect()
}
