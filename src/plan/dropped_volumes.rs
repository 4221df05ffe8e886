//! Volumes that no container mounts any more once a plan is carried out. Pure.

use std::collections::BTreeSet;

use super::{
    containers::Desired,
    existing::Existing,
    labels,
    reconcile::{Action, Reconciled, There},
};

/// A volume that a container mounts which goes, and that no other one mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedVolume {
    /// The service of the container.
    pub service: String,
    /// The name of the volume.
    pub volume: String,
    /// Where the container has it.
    pub target: String,
    /// The images of the container in its place, as a reference, and of the container, as an id. The one in its place
    /// keeps a volume without a name if its image declares the target.
    pub images: Option<(String, String)>,
}

impl DroppedVolume {
    /// Whether the engine made up its name.
    pub fn is_anonymous(&self) -> bool {
        self.volume.len() == 64 && self.volume.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// What an operator should know.
    pub fn warning(&self) -> String {
        let Self { service, volume, target, .. } = self;
        format!(
            "service {service} no longer mounts volume {volume} (at {target}), nor does any other: it stays, with its \
             data; mount it again, or remove it with `docker volume rm {volume}`"
        )
    }
}

/// The volumes of containers that are replaced or removed. Those without a name that the container in their place keeps
/// for certain are left out.
pub fn find(reconciled: &Reconciled, there: &There) -> Vec<DroppedVolume> {
    let replaced = reconciled.steps.iter().filter_map(|step| match (&step.action, &step.existing) {
        (Action::Replace(_), Some(existing)) => Some((existing, Some(&step.desired))),
        _ => None,
    });
    // What an interrupted replacement left behind has the volumes of the container in its place.
    let places: BTreeSet<(&str, String)> =
        reconciled.steps.iter().map(|s| (s.desired.service.as_str(), s.desired.number.to_string())).collect();
    let place = |one: &Existing| (one.label(labels::SERVICE).to_owned(), one.label(labels::NUMBER).to_owned());
    let removed = reconciled.remove.iter().map(|(existing, _)| existing);
    let removed = removed.filter(|one| {
        let (service, number) = place(one);
        !places.contains(&(service.as_str(), number))
    });
    let going: Vec<(&Existing, Option<&Desired>)> = replaced.chain(removed.map(|one| (one, None))).collect();
    let gone: BTreeSet<&str> = going
        .iter()
        .map(|(one, _)| *one)
        .chain(reconciled.remove.iter().map(|(one, _)| one))
        .map(|c| c.id.as_str())
        .collect();
    let staying = there.containers.iter().filter(|one| !gone.contains(one.id.as_str()));
    let mut kept: BTreeSet<&str> = staying.flat_map(|one| one.volumes.keys()).map(String::as_str).collect();
    kept.extend(reconciled.steps.iter().flat_map(|step| &step.desired.volumes).map(String::as_str));
    let mut dropped: Vec<DroppedVolume> = Vec::new();
    for (existing, desired) in going {
        for (volume, target) in &existing.volumes {
            let known = kept.contains(volume.as_str()) || dropped.iter().any(|other| other.volume == *volume);
            if known || !there.volumes.contains(volume) {
                continue;
            }
            let one = DroppedVolume {
                service: existing.label(labels::SERVICE).to_owned(),
                volume: volume.clone(),
                target: target.clone(),
                images: desired.map(|desired| (desired.image.clone(), existing.image_id.clone())),
            };
            if !(one.is_anonymous() && desired.is_some_and(|desired| desired.has_anonymous(target))) {
                dropped.push(one);
            }
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        execute::testing::{options, project},
        plan::{containers, reconcile},
    };

    /// A container of a service that mounts these volumes, each at a path.
    fn container(service: &str, number: u32, volumes: &[(&str, &str)]) -> Existing {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        Existing {
            id: format!("{service}{number}"),
            name: format!("demo-{service}-{number}"),
            state: "running".into(),
            labels: BTreeMap::from([
                label(labels::PROJECT, "demo"),
                label(labels::SERVICE, service),
                label(labels::NUMBER, &number.to_string()),
                label(labels::MANAGED, "true"),
                label(labels::CONFIG_HASH, "older"),
            ]),
            volumes: volumes.iter().map(|(name, target)| label(name, target)).collect(),
            image_id: "sha256:old".into(),
            ..Existing::default()
        }
    }

    fn dropped(text: &str, containers: Vec<Existing>, orphans: bool) -> Vec<String> {
        let project = project(text);
        let volumes = containers.iter().flat_map(|one| one.volumes.keys().cloned()).collect();
        let there = There { containers, volumes, ..There::default() };
        let desired = containers::desired(&project, &reconcile::peers("demo", &there.containers), &options((1, 41)));
        let mut reconciled = reconcile::reconcile(&project, desired.unwrap(), &there).unwrap();
        if orphans {
            reconciled.remove_orphans();
        }
        find(&reconciled, &there).iter().map(|one| format!("{} {}", one.service, one.volume)).collect()
    }

    #[test]
    fn volume_that_nothing_mounts_any_more_is_named() {
        let anonymous = "ab".repeat(32);
        let web = "services: { web: { image: x, volumes: [VOLUMES] } }\nvolumes: { data: {} }";
        let web = |volumes: &str| web.replace("VOLUMES", volumes);
        let old = || vec![container("web", 1, &[("demo_data", "/data"), (&anonymous, "/cache")])];
        let both = [format!("web {anonymous}"), "web demo_data".to_owned()];
        assert_eq!(dropped(&web(""), old(), false), both);
        assert_eq!(
            dropped(&web("'data:/elsewhere', /cache"), old(), false),
            [""; 0],
            "the one in its place keeps both"
        );
        assert_eq!(dropped(&web("/cache"), old(), false), both[1..]);
        // Another container mounts it: of a service that takes it over, or one that is left alone.
        let taken = "services: { web: { image: x }, db: { image: x, volumes: ['data:/d'] } }\nvolumes: { data: {} }";
        assert_eq!(dropped(taken, old(), false), both[..1]);
        let mut other = container("other", 1, &[("demo_data", "/data")]);
        other.labels.insert(labels::PROJECT.to_owned(), "other".to_owned());
        assert_eq!(dropped(&web(""), [old(), vec![other]].concat(), false), both[..1]);
        // An orphan stays as it is, unless it is to be removed.
        let orphan =
            || [vec![container("web", 1, &[])], vec![container("gone", 1, &[("demo_data", "/data")])]].concat();
        assert_eq!(dropped(&web(""), orphan(), false), [""; 0]);
        assert_eq!(dropped(&web(""), orphan(), true), ["gone demo_data"]);
    }

    #[test]
    fn leftover_of_a_replacement_drops_nothing() {
        let anonymous = "ab".repeat(32);
        let mut leftover = container("web", 1, &[(&anonymous, "/cache")]);
        leftover.id = "leftover".into();
        leftover.name = "0123456789ab_demo-web-1".into();
        leftover.labels.insert(labels::REPLACE.to_owned(), "web-1".to_owned());
        let all = vec![container("web", 1, &[(&anonymous, "/cache")]), leftover];
        assert_eq!(dropped("services: { web: { image: x, volumes: [/cache] } }", all, false), [""; 0]);
    }
}
