//! Host ports: asked for twice, or held by somebody else. Both are found before anything is started.

mod held;
mod ranges;

use std::{fmt, net::IpAddr};

use serde_json::Value;

use crate::{
    compose::{
        Project,
        model::{ServiceConfig, ServicePortConfig},
    },
    error::{Cause, Error},
    world::{Listener, Protocol},
};
pub use held::{Occupant, PortCheck, held};

/// A port of the host that a service publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRequest {
    /// Service.
    pub service: String,
    /// Index in the service's `ports`.
    pub item: usize,
    /// The port.
    pub port: HostPort,
}

/// A clash of ports.
#[derive(Debug)]
pub struct Clash {
    /// Service whose item of `ports` is one too many.
    pub service: String,
    /// Index in its `ports`.
    pub item: usize,
    /// What clashes.
    pub error: Error,
}

/// A port of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Address; none stands for all addresses of both families.
    pub ip: Option<IpAddr>,
    /// Number; 0 (the engine chooses one) meets nothing.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            None => {}
        }
        write!(f, "{}/{}", self.port, self.protocol.name())
    }
}

impl HostPort {
    /// The host ports of `HostConfig.PortBindings`.
    pub fn of_bindings(bindings: &Value) -> Vec<Self> {
        let mut ports = Vec::new();
        for (target, bound) in bindings.as_object().into_iter().flatten() {
            let protocol = protocol(target.rsplit('/').next().unwrap_or_default());
            for one in bound.as_array().into_iter().flatten() {
                if let Some(port) = one["HostPort"].as_str().and_then(|port| port.parse().ok()) {
                    ports.push(Self { ip: one["HostIp"].as_str().and_then(|ip| ip.parse().ok()), port, protocol });
                }
            }
        }
        ports
    }

    /// The host ports that an item of the engine's listing of containers publishes.
    pub fn of_listed(item: &Value) -> Vec<Self> {
        let ports = item["Ports"].as_array().into_iter().flatten();
        let read = |port: &Value| {
            let protocol = protocol(port["Type"].as_str()?);
            let ip = port["IP"].as_str().and_then(|ip| ip.parse().ok());
            Some(Self { ip, port: port["PublicPort"].as_u64()?.try_into().ok()?, protocol })
        };
        ports.filter_map(read).collect()
    }

    fn same_number(&self, port: u16, protocol: Protocol) -> bool {
        self.port != 0 && self.port == port && self.protocol == protocol
    }

    /// Whether two requests cannot both be served: one address, or one of them for all addresses. `0.0.0.0` and
    /// `::` meet each other too, since an engine may serve both families from either.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.same_number(other.port, other.protocol) && meets(self.ip, other.ip)
    }

    /// Whether a socket of the host is in the way. Listeners are listed once for each family that they serve, so
    /// families are kept apart here.
    fn is_held_by(&self, listener: &Listener) -> bool {
        let addresses = match self.ip {
            None => true,
            Some(ip) if ip.is_ipv4() != listener.ip.is_ipv4() => false,
            Some(ip) => ip.is_unspecified() || listener.ip.is_unspecified() || ip == listener.ip,
        };
        self.same_number(listener.port, listener.protocol) && addresses
    }
}

/// The host ports that the containers of a project publish, each range port by port.
pub fn requests(project: &Project) -> Vec<PortRequest> {
    let mut requests = Vec::new();
    for service in project.services.values().filter(|service| publishes(service)) {
        let ports = service.ports.iter().enumerate();
        for (item, port) in ports.flat_map(|(item, port)| host_ports(port).into_iter().map(move |port| (item, port))) {
            // Each further container of a service asks for the same port again.
            for _ in 0..service.replicas() {
                requests.push(PortRequest { service: service.name.clone(), item, port });
            }
        }
    }
    requests
}

/// Whether the engine publishes the ports of a service. With the network of the host it discards them, without any
/// network it has nothing to publish, and the ports of a network that is shared are those of its owner.
pub(crate) fn publishes(service: &ServiceConfig) -> bool {
    let mode = service.network_mode.as_str();
    !matches!(mode, "host" | "none") && !shares_network(service)
}

/// Whether a service is in the network of another container.
pub(crate) fn shares_network(service: &ServiceConfig) -> bool {
    ["service:", "container:"].iter().any(|kind| service.network_mode.starts_with(kind))
}

/// Refuses a project in which one host port is asked for twice, or more ports of a range than it has.
///
/// # Errors
/// `port-clash`.
pub fn check(project: &Project) -> Result<(), Clash> {
    clashes(&requests(project))?;
    ranges::check(project)
}

/// Whether two addresses cannot both have one port.
fn meets(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    let all = |ip: Option<IpAddr>| ip.is_none_or(|ip| ip.is_unspecified());
    all(a) || all(b) || a == b
}

fn protocol(name: &str) -> Protocol {
    match name {
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => Protocol::Tcp,
    }
}

fn host_ports(port: &ServicePortConfig) -> Vec<HostPort> {
    let protocol = protocol(&port.protocol);
    let (first, last) = port.published.split_once('-').unwrap_or((&port.published, &port.published));
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { return Vec::new() };
    // A range leaves the choice to the engine: whatever is free in it is taken.
    if first != last {
        return Vec::new();
    }
    vec![HostPort { ip: port.host_ip.parse().ok(), port: first, protocol }]
}

/// Refuses requests for one port by two services, or twice by one.
///
/// # Errors
/// `port-clash`, naming the first two that meet.
pub fn clashes(requests: &[PortRequest]) -> Result<(), Clash> {
    for (n, second) in requests.iter().enumerate() {
        let Some(first) = requests[..n].iter().find(|first| first.port.meets(&second.port)) else {
            continue;
        };
        let (a, b) = (first.port, second.port);
        let message = match (first.service == second.service, a == b) {
            (true, true) => format!("service {} publishes port {a} twice", first.service),
            (true, false) => format!("service {} publishes port {a} and again as {b}", first.service),
            (false, true) => format!("services {} and {} both publish port {a}", first.service, second.service),
            (false, false) => format!(
                "services {} and {} both publish port {}/{} ({a} and {b})",
                first.service,
                second.service,
                a.port,
                a.protocol.name()
            ),
        };
        let error = Error::new(Cause::PortClash, message)
            .hint("give one of them another host port, or put them on different hosts by role");
        return Err(Clash { service: second.service.clone(), item: second.item, error });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
