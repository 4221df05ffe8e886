//! Where the container is attached: network mode, endpoints, links, and references to other containers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    compose::{Project, ServiceConfig},
    error::{Cause, Error, Result},
    plan::{
        containers::Peers,
        json::{Body, mapping, texts},
        unsupported::{needs, refuse},
    },
    world::ApiVersion,
};

/// The driver option that names an interface.
const INTERFACE: &str = "com.docker.network.endpoint.ifname";

/// From this API on the engine takes all networks of a container at once, with a MAC address each.
const SEVERAL_ENDPOINTS: ApiVersion = ApiVersion(1, 44);

/// A network that a container is connected to after it was created.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// The network's name in the engine.
    pub network: String,
    /// `EndpointConfig` of the request.
    pub endpoint: Value,
}

pub(super) struct Settings {
    pub(super) mode: String,
    pub(super) mac: String,
    pub(super) endpoints: Map<String, Value>,
    pub(super) connect: Vec<Attachment>,
    pub(super) names: BTreeSet<String>,
}

/// The service with its references to other services replaced by the containers that are meant. The config hash is
/// taken of this form, so a container that shares a namespace is made anew with the one that it shares it with.
pub(super) fn resolved(service: &ServiceConfig, peers: &Peers, references: &mut BTreeSet<String>) -> ServiceConfig {
    let mut service = service.clone();
    let mut id = |name: &str| {
        references.insert(name.to_owned());
        let first = peers.get(name).and_then(BTreeSet::first);
        // Until that container is there, the plan shows who is meant.
        first.map_or_else(|| format!("<{name}>"), |peer| peer.id.clone())
    };
    for mode in [&mut service.network_mode, &mut service.ipc, &mut service.pid] {
        if let Some(name) = mode.strip_prefix("service:") {
            *mode = format!("container:{}", id(name));
        }
    }
    for source in &mut service.volumes_from {
        *source = match source.split(':').collect::<Vec<_>>()[..] {
            ["container", name, ..] => name.to_owned(),
            [name, ..] => id(name),
            [] => continue,
        };
    }
    service
}

/// The services whose namespaces a service shares.
pub(super) fn joins(service: &ServiceConfig) -> impl Iterator<Item = &str> {
    [&service.network_mode, &service.ipc, &service.pid].into_iter().filter_map(|mode| mode.strip_prefix("service:"))
}

/// `links` and `external_links` as pairs of container and alias.
pub(super) fn links(
    project: &Project,
    service: &ServiceConfig,
    number: u32,
    peers: &Peers,
    references: &mut BTreeSet<String>,
) -> Vec<String> {
    let mut links = Vec::new();
    for link in &service.links {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        references.insert(name.to_owned());
        for peer in peers.get(name).into_iter().flatten() {
            for known_as in [alias.to_owned(), format!("{name}-{number}"), format!("{}-{name}-{number}", project.name)]
            {
                links.push(format!("{}:{known_as}", peer.name));
            }
        }
    }
    for link in &service.external_links {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        links.push(format!("{name}:{alias}"));
    }
    links
}

/// Network mode and endpoints of a service whose references are resolved.
pub(super) fn settings(
    project: &Project,
    service: &ServiceConfig,
    container_name: &str,
    links: &[String],
    api: ApiVersion,
) -> Result<Settings> {
    let mut settings = Settings {
        mode: service.network_mode.clone(),
        mac: mac_address(service, api)?,
        endpoints: Map::new(),
        connect: Vec::new(),
        names: BTreeSet::new(),
    };
    if !service.network_mode.is_empty() {
        return Ok(settings);
    }
    if project.networks.is_empty() {
        "none".clone_into(&mut settings.mode);
        return Ok(settings);
    }
    let mut keys = service.networks_by_priority();
    if keys.is_empty() {
        keys.push("default");
    }
    for (index, key) in keys.iter().enumerate() {
        let network = project.networks.get(*key).ok_or_else(|| {
            Error::new(
                Cause::ManifestInvalid,
                format!("service '{}' is in network '{key}', which the project does not have", service.name),
            )
        })?;
        let name = network.name.clone();
        let endpoint = endpoint(service, key, container_name, links, index == 0, api)?;
        settings.names.insert(name.clone());
        if index == 0 {
            settings.mode.clone_from(&name);
        }
        if index == 0 || api >= SEVERAL_ENDPOINTS {
            settings.endpoints.insert(name, endpoint);
        } else {
            settings.connect.push(Attachment { network: name, endpoint });
        }
    }
    Ok(settings)
}

fn endpoint(
    service: &ServiceConfig,
    key: &str,
    container_name: &str,
    links: &[String],
    main: bool,
    api: ApiVersion,
) -> Result<Value> {
    let mut aliases = vec![container_name.to_owned(), service.name.clone()];
    let mut mac = String::new();
    let mut body = Body::default();
    body.set("Links", texts(links));
    if let Some(config) = service.networks.get(key).and_then(Option::as_ref) {
        aliases.extend(config.aliases.iter().cloned());
        mac.clone_from(&config.mac_address);
        let mut ipam = Body::default();
        ipam.set("IPv4Address", config.ipv4_address.clone())
            .set("IPv6Address", config.ipv6_address.clone())
            .set("LinkLocalIPs", texts(&config.link_local_ips));
        let mut options: BTreeMap<_, _> = config.driver_opts.clone();
        if !config.interface_name.is_empty() {
            let attribute = format!("networks.{key}.interface_name");
            needs(service, &attribute, api, ApiVersion(1, 49), "Docker 28.1")?;
            options.insert(INTERFACE.to_owned(), config.interface_name.clone());
        }
        if config.gw_priority != 0 {
            needs(service, &format!("networks.{key}.gw_priority"), api, ApiVersion(1, 48), "Docker 28")?;
        }
        body.keep("IPAMConfig", ipam)
            .set("IPAddress", config.ipv4_address.clone())
            .set("IPv6Gateway", config.ipv6_address.clone())
            .set("DriverOpts", mapping(&options))
            .set("GwPriority", config.gw_priority);
    }
    if main && mac.is_empty() && api >= SEVERAL_ENDPOINTS {
        mac.clone_from(&service.mac_address);
    }
    body.keep("Aliases", aliases).set("MacAddress", mac);
    Ok(body.into())
}

/// The container-wide MAC address, which older engines know only.
fn mac_address(service: &ServiceConfig, api: ApiVersion) -> Result<String> {
    let of = |key: &str| service.networks.get(key).and_then(Option::as_ref).map_or("", |n| n.mac_address.as_str());
    let main = service.networks_by_priority().first().map_or("", |key| of(key));
    let own = service.mac_address.as_str();
    if !own.is_empty() && !main.is_empty() && own != main {
        return Err(refuse(service, "its mac_address is not the one that its first network gives it"));
    }
    if api >= SEVERAL_ENDPOINTS {
        return Ok(String::new());
    }
    let with_mac = service.networks.keys().filter(|key| !of(key).is_empty()).count();
    if with_mac > 1 {
        needs(service, "mac_address in several networks", api, SEVERAL_ENDPOINTS, "Docker 25")?;
    }
    Ok(if main.is_empty() { own } else { main }.to_owned())
}
