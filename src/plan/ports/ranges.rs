//! Ranges of host ports: the engine takes a free port of the range for each container, so that a range can be too small.

use super::{Clash, HostPort, meets, protocol, publishes};
use crate::{
    compose::Project,
    error::{Cause, Error},
};

/// Ports of which one container needs one.
struct Wish<'a> {
    service: &'a str,
    item: usize,
    first: HostPort,
    last: u16,
}

/// Refuses a project that needs more ports of a range than the range has, single ports within it included.
///
/// Each wish is an interval of ports, so that all can be granted exactly if no interval between a first and a last port
/// holds more wishes than ports (Hall's theorem).
///
/// # Errors
/// `port-clash`, naming the range and who needs its ports.
pub(super) fn check(project: &Project) -> Result<(), Clash> {
    let wishes = wishes(project);
    for range in wishes.iter().filter(|wish| wish.last > wish.first.port) {
        let rivals = || wishes.iter().filter(|wish| range.rivals(wish));
        for first in rivals().map(|wish| wish.first.port).filter(|first| *first <= range.first.port) {
            for last in rivals().map(|wish| wish.last).filter(|last| *last >= range.last) {
                let inside: Vec<&Wish> =
                    rivals().filter(|wish| wish.first.port >= first && wish.last <= last).collect();
                let ports = usize::from(last - first) + 1;
                if inside.len() > ports {
                    let error = too_small(&inside, ports, (first, last));
                    return Err(Clash { service: range.service.to_owned(), item: range.item, error });
                }
            }
        }
    }
    Ok(())
}

fn too_small(inside: &[&Wish], ports: usize, (first, last): (u16, u16)) -> Error {
    let mut services: Vec<&str> = inside.iter().map(|wish| wish.service).collect();
    services.dedup();
    let (count, protocol) = (inside.len(), inside[0].first.protocol.name());
    let who = match services[..] {
        [one] => format!("service {one} needs {count} ports of {first}-{last}/{protocol}, one for each container"),
        _ => format!("services {} need {count} ports of {first}-{last}/{protocol}", services.join(" and ")),
    };
    Error::new(Cause::PortClash, format!("{who}, and these are {ports}"))
        .hint("widen the range under `ports`, or lower `scale` or `deploy.replicas`")
}

impl Wish<'_> {
    /// Whether a port that one gets cannot be the other's.
    fn rivals(&self, other: &Self) -> bool {
        self.first.protocol == other.first.protocol && meets(self.first.ip, other.first.ip)
    }
}

fn wishes(project: &Project) -> Vec<Wish<'_>> {
    let mut all = Vec::new();
    for service in project.services.values().filter(|service| publishes(service)) {
        for (item, port) in service.ports.iter().enumerate() {
            let (first, last) = port.published.split_once('-').unwrap_or((&port.published, &port.published));
            let (Ok(number), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { continue };
            if number == 0 || last < number {
                continue;
            }
            let first = HostPort { ip: port.host_ip.parse().ok(), port: number, protocol: protocol(&port.protocol) };
            all.extend((0..service.replicas()).map(|_| Wish { service: &service.name, item, first, last }));
        }
    }
    all
}
