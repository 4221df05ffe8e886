//! Host ports: asked for twice, or held by somebody else. Both are found before anything is started.

use std::{fmt, net::IpAddr};

use serde_json::Value;

use crate::{
    compose::{Project, model::ServicePortConfig},
    error::{Cause, Error, Result},
    world::{Holder, Listener, Protocol},
};

/// A port of the host that a service publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRequest {
    /// Service.
    pub service: String,
    /// The port.
    pub port: HostPort,
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
    fn meets(&self, other: &Self) -> bool {
        let all = |ip: Option<IpAddr>| ip.is_none_or(|ip| ip.is_unspecified());
        self.same_number(other.port, other.protocol) && (all(self.ip) || all(other.ip) || self.ip == other.ip)
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
    for service in project.services.values() {
        for port in service.ports.iter().flat_map(host_ports) {
            // Each further container of a service asks for the same port again.
            for _ in 0..service.replicas() {
                requests.push(PortRequest { service: service.name.clone(), port });
            }
        }
    }
    requests
}

/// Refuses a project in which one host port is asked for twice.
///
/// # Errors
/// `port-clash`.
pub fn check(project: &Project) -> Result<()> {
    clashes(&requests(project))
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
pub fn clashes(requests: &[PortRequest]) -> Result<()> {
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
        return Err(Error::new(Cause::PortClash, message)
            .hint("give one of them another host port, or put them on different hosts by role"));
    }
    Ok(())
}

/// Refuses requests for ports that a process of the host holds. `ours` are the ports that containers of this
/// project publish already: where the engine holds those, it is for us. `None`: the engine does not answer, as while it
/// starts its containers at boot; what it holds is judged once it does.
///
/// # Errors
/// `port-held`, naming service, port and every holder that can be seen.
pub fn held(requests: &[PortRequest], listeners: &[Listener], ours: Option<&[HostPort]>) -> Result<()> {
    let is_ours = |listener: &Listener| {
        let engine = |h: &Holder| is_engine(&h.name);
        match ours {
            Some(ours) => {
                listener.holder.as_ref().is_none_or(engine) && ours.iter().any(|port| port.is_held_by(listener))
            }
            None => listener.holder.as_ref().is_some_and(engine),
        }
    };
    let mut found: Vec<String> = Vec::new();
    let mut hint = None;
    for request in requests {
        let in_the_way = |l: &&Listener| request.port.is_held_by(l) && !is_ours(l);
        let Some(listener) = listeners.iter().find(in_the_way) else {
            continue;
        };
        let who = listener.holder.as_ref().map_or("a process that cannot be seen".to_owned(), ToString::to_string);
        found.push(format!("port {} of service {} is held by {who}", request.port, request.service));
        hint.get_or_insert_with(|| remedy(listener));
    }
    match hint {
        Some(hint) => Err(Error::new(Cause::PortHeld, found.join("; ")).hint(hint)),
        None => Ok(()),
    }
}

fn is_engine(name: &str) -> bool {
    matches!(name, "docker-proxy" | "dockerd" | "rootlesskit")
}

fn remedy(listener: &Listener) -> String {
    let port = listener.port;
    match &listener.holder {
        Some(holder) if is_engine(&holder.name) => {
            format!("a container outside this project publishes it: see `docker ps --filter publish={port}`")
        }
        Some(holder) => match holder.unit.as_deref().filter(|unit| unit.ends_with(".service")) {
            Some(unit) => format!("stop it for good with `systemctl mask --now {unit}`, or publish another port"),
            None => format!("stop process {}, or publish another port", holder.pid),
        },
        None => format!("see `ss -lntup 'sport = {port}'`"),
    }
}

#[cfg(test)]
mod tests;
