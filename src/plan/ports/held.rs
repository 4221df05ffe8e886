//! Host ports that are held: by a process of the host, by a container of somebody else, or by one of this project that
//! stays.

use std::collections::BTreeSet;

use super::{HostPort, PortRequest};
use crate::{
    error::{Cause, Error, Result},
    world::{Holder, Listener},
};

/// Which ports have to be free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortCheck {
    /// The ports.
    pub requests: Vec<PortRequest>,
    /// Ids of the containers of ours that this run neither replaces nor removes; empty before they are compared.
    pub staying: BTreeSet<String>,
}

/// A container that publishes ports, or whose processes may hold some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occupant {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its service, where it is ours.
    pub service: Option<String>,
    /// Whether it runs.
    pub up: bool,
    /// The ports that it publishes, or will once it has been started.
    pub ports: Vec<HostPort>,
}

/// What is in the way of a request.
enum Obstacle<'a> {
    Container(&'a Occupant),
    Process(&'a Listener),
}

/// Refuses requests for ports that are held. `occupants` are the containers of the engine. `None`: the engine does not
/// answer, as while it starts its containers at boot; what containers hold is judged once it does.
///
/// # Errors
/// `port-held`, naming service, port and every holder that can be seen.
pub fn held(check: &PortCheck, listeners: &[Listener], occupants: Option<&[Occupant]>) -> Result<()> {
    let mut found: Vec<String> = Vec::new();
    let mut hint = None;
    for request in &check.requests {
        let Some(obstacle) = obstacle(check, request, listeners, occupants) else { continue };
        found.push(format!("port {} of service {} is held by {}", request.port, request.service, describe(&obstacle)));
        hint.get_or_insert_with(|| remedy(&obstacle, request.port));
    }
    match hint {
        Some(hint) => Err(Error::new(Cause::PortHeld, found.join("; ")).hint(hint)),
        None => Ok(()),
    }
}

fn obstacle<'a>(
    check: &PortCheck,
    request: &PortRequest,
    listeners: &'a [Listener],
    occupants: Option<&'a [Occupant]>,
) -> Option<Obstacle<'a>> {
    let in_the_way = listeners.iter().filter(|listener| request.port.is_held_by(listener));
    let listening = in_the_way.filter_map(|listener| {
        if let Some(occupants) = occupants {
            return behind(check, request, listener, occupants);
        }
        let engine = listener.holder.as_ref().is_some_and(|h| is_engine(&h.name) || h.container.is_some());
        (!engine).then_some(Obstacle::Process(listener))
    });
    // Without its proxy an engine publishes ports by the packet filter alone, so that no socket shows them.
    let published = occupants
        .into_iter()
        .flatten()
        .filter(|o| o.up && !gives_way(check, request, o) && o.ports.iter().any(|port| port.meets(&request.port)));
    listening.chain(published.map(Obstacle::Container)).next()
}

/// Who is behind a socket, unless that is the service itself or a container that goes.
fn behind<'a>(
    check: &PortCheck,
    request: &PortRequest,
    listener: &'a Listener,
    occupants: &'a [Occupant],
) -> Option<Obstacle<'a>> {
    let holder = listener.holder.as_ref();
    if let Some(id) = holder.and_then(|holder| holder.container.as_deref()) {
        return match occupants.iter().find(|o| o.id == id) {
            Some(occupant) => (!gives_way(check, request, occupant)).then_some(Obstacle::Container(occupant)),
            None => Some(Obstacle::Process(listener)),
        };
    }
    if holder.is_some_and(|holder| !is_engine(&holder.name)) {
        return Some(Obstacle::Process(listener));
    }
    let publishing = || occupants.iter().filter(|o| o.ports.iter().any(|port| port.is_held_by(listener)));
    if publishing().any(|occupant| gives_way(check, request, occupant)) {
        return None;
    }
    Some(publishing().next().map_or(Obstacle::Process(listener), Obstacle::Container))
}

/// Whether a container is no obstacle: it is of the service that asks, or it goes before that service is started.
fn gives_way(check: &PortCheck, request: &PortRequest, occupant: &Occupant) -> bool {
    let own = occupant.service.as_ref();
    own.is_some_and(|service| *service == request.service || !check.staying.contains(&occupant.id))
}

fn is_engine(name: &str) -> bool {
    matches!(name, "docker-proxy" | "dockerd" | "rootlesskit")
}

fn describe(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Container(Occupant { name, service: Some(service), .. }) => {
            format!("service {service} (container {name})")
        }
        Obstacle::Container(Occupant { name, .. }) => format!("container {name}"),
        Obstacle::Process(listener) => {
            listener.holder.as_ref().map_or("a process that cannot be seen".to_owned(), Holder::to_string)
        }
    }
}

fn remedy(obstacle: &Obstacle, port: HostPort) -> String {
    let number = port.port;
    let listener = match obstacle {
        Obstacle::Container(Occupant { service: Some(_), .. }) => {
            return "give one of the services another port; a container whose service is gone is removed by \
                    --remove-orphans"
                .to_owned();
        }
        Obstacle::Container(Occupant { name, .. }) => {
            return format!(
                "a container outside this project uses it: see `docker ps --filter publish={number}`, then stop it \
                 with `docker stop {name}` or publish another port"
            );
        }
        Obstacle::Process(listener) => listener,
    };
    match &listener.holder {
        Some(holder) if is_engine(&holder.name) => {
            format!("a container outside this project publishes it: see `docker ps --filter publish={number}`")
        }
        Some(holder) => match holder.unit.as_deref().filter(|unit| unit.ends_with(".service")) {
            Some(unit) => format!("stop it for good with `systemctl mask --now {unit}`, or publish another port"),
            None => format!("stop process {}, or publish another port", holder.pid),
        },
        None => format!("see `ss -lntup 'sport = {number}'`"),
    }
}
