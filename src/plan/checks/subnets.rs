//! Ranges of networks that would take the place of the instance's own: the route of a bridge hides what is behind it, so
//! that the host loses its peers, its name server and the way to its bucket.

use std::net::Ipv4Addr;

use crate::{
    compose::{Diagnostic, Generation, Project, error::dotted},
    facts::Facts,
    manifest::{extension::Extension, findings::Findings},
    plan::networks,
};

/// An IPv4 range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    last: u32,
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = text.trim().split_once('/').unwrap_or((text.trim(), "32"));
        let (address, bits) = (address.parse::<Ipv4Addr>().ok()?, bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?);
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or_default();
        let first = u32::from(address) & mask;
        Some(Self { first, last: first | !mask })
    }

    fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Refuses networks, and settings of the engine, whose ranges have the instance's address or are of its VPC. Networks
/// that are bridged to one of the host (`macvlan`, `ipvlan`) have its ranges on purpose.
pub fn check(project: Option<&Project>, extension: &Extension, facts: &Facts, findings: &mut Findings) {
    let own = facts.local_ipv4.iter().map(|address| (address, "address"));
    let taken: Vec<(Range, String)> = own
        .chain(facts.vpc_ipv4_cidr_blocks.iter().map(|block| (block, "VPC")))
        .filter_map(|(text, what)| Some((Range::read(text)?, format!("the {what} of this instance, {text}"))))
        .collect();
    let clash = |subnet: &str| {
        let range = Range::read(subnet)?;
        let (_, what) = taken.iter().find(|(taken, _)| range.overlaps(*taken))?;
        Some(format!("{subnet} overlaps {what}: the host could not reach its peers and its bucket any more"))
    };
    let mut faults = Vec::new();
    for network in project.iter().flat_map(|project| networks::desired(project, Generation::NEWEST, None)) {
        let Some((project, body)) = project.zip(network.body) else { continue };
        if !matches!(body["Driver"].as_str(), None | Some("" | "bridge" | "overlay")) {
            continue;
        }
        for (index, pool) in body["IPAM"]["Config"].as_array().into_iter().flatten().enumerate() {
            if let Some(why) = pool["Subnet"].as_str().and_then(clash) {
                let at = project.position(&["networks", &network.key, "ipam", "config", &index.to_string(), "subnet"]);
                let path = format!("networks.{}.ipam.config[{index}].subnet", network.key);
                let why = format!("{why}; choose another range, or remove the subnet so that the engine chooses one");
                faults.push(Diagnostic::new(at, path, why));
            }
        }
    }
    findings.invalid(faults);
    let daemon = &extension.host.docker.daemon;
    let pools = daemon.get("default-address-pools").and_then(|pools| pools.as_array()).into_iter().flatten();
    let bases = pools.filter_map(|pool| pool["base"].as_str().map(|base| ("default-address-pools", base)));
    let bridges = ["bip", "fixed-cidr"].into_iter().filter_map(|key| Some((key, daemon.get(key)?.as_str()?)));
    for (key, range) in bases.chain(bridges) {
        if let Some(why) = clash(range) {
            let path = ["x-rolecall", "host", "docker", "daemon", key];
            let fault = match project {
                Some(project) => Diagnostic::new(project.key_position(&path), dotted(&path), why),
                None => Diagnostic::general(format!("{}: {why}", dotted(&path))),
            };
            findings.fault(fault.help("choose a range outside the VPC"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{execute::testing::project, manifest::testing};

    fn told(compose: &str, daemon: &str) -> Vec<String> {
        let mut facts = testing::facts(&[]);
        facts.local_ipv4 = Some("10.20.30.40".into());
        facts.vpc_ipv4_cidr_blocks = vec!["10.20.0.0/16".into(), "100.64.0.0/20".into()];
        let mut extension = Extension::default();
        extension.host.docker.daemon = serde_json::from_str(daemon).unwrap();
        let mut findings = Findings::default();
        check(Some(&project(compose)), &extension, &facts, &mut findings);
        findings.diagnostics().iter().map(ToString::to_string).collect()
    }

    fn subnet(driver: &str, subnet: &str) -> Vec<String> {
        let network = format!("driver: {driver}, ipam: {{ config: [{{ subnet: '{subnet}' }}] }}");
        told(&format!("services: {{ a: {{ image: a, networks: [n] }} }}\nnetworks: {{ n: {{ {network} }} }}"), "{}")
    }

    #[test]
    fn range_of_the_vpc_is_refused() {
        for bad in ["10.20.0.0/16", "10.0.0.0/8", "10.20.99.0/24", "100.64.4.0/24", "10.20.30.40/32"] {
            let told = subnet("bridge", bad);
            assert_eq!(told.len(), 1, "{bad}");
            assert!(told[0].contains("networks.n.ipam.config[0].subnet") && told[0].contains(bad), "{told:?}");
        }
        for good in ["10.21.0.0/16", "172.30.0.0/24", "fd00:1::/64"] {
            assert!(subnet("bridge", good).is_empty(), "{good}");
        }
        assert!(subnet("macvlan", "10.20.0.0/16").is_empty(), "its range is that of the host on purpose");
    }

    #[test]
    fn pools_of_the_engine_are_checked() {
        let pools = r#"{ "default-address-pools": [{ "base": "10.16.0.0/12", "size": 24 }], "bip": "172.31.0.1/24" }"#;
        let told = told("services: { a: { image: a } }", pools);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("default-address-pools: 10.16.0.0/12 overlaps"), "{told:?}");
        assert!(told[0].starts_with("compose.yaml:"), "{told:?}");
    }
}
