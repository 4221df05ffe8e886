//! What is known when the steps of a launch are laid out: what has to be, and how it compares with what there is.

use std::collections::BTreeSet;

use super::{
    images::ImageNeed,
    networks::{NetworkAction, NetworkDesired},
    reconcile::Reconciled,
    volumes::{VolumeAction, VolumeDesired},
};
use crate::{compose::Project, manifest::extension::Readiness};

/// What the second graph is made of.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The project.
    pub project: &'a Project,
    /// What is to be done about containers.
    pub reconciled: Reconciled,
    /// Networks, and what is to be done about each.
    pub networks: Vec<(NetworkDesired, NetworkAction)>,
    /// Volumes, and what is to be done about each.
    pub volumes: Vec<(VolumeDesired, VolumeAction)>,
    /// Images that the engine does not have.
    pub missing: Vec<ImageNeed>,
    /// When services are ready.
    pub ready: Readiness,
    /// Whether the unit that holds the grace is to be started.
    pub unit: bool,
    /// Ids of images that nothing needs once this run is ready.
    pub replaced_images: Vec<String>,
}

impl Launch<'_> {
    /// What an operator should know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = Vec::new();
        for service in self.project.services.values().filter(|s| s.restart == "always" && !s.depends_on.is_empty()) {
            let needs = service.depends_on.keys().cloned().collect::<Vec<_>>().join(", ");
            warnings.push(format!(
                "service {} has restart: always, so at a reboot the engine starts it without waiting for {needs}; \
                 with unless-stopped it is started in order",
                service.name
            ));
        }
        for step in &self.reconciled.steps {
            warnings.extend(step.desired.warnings.iter().cloned());
        }
        for (_, action) in &self.networks {
            if let NetworkAction::KeepOther(why) = action {
                warnings.push(why.clone());
            }
        }
        for (_, action) in &self.volumes {
            if let VolumeAction::KeepOther(why) = action {
                warnings.push(why.clone());
            }
        }
        for orphan in &self.reconciled.orphans {
            let name = &orphan.name;
            let message = format!("container {name} is of this project, but its service is gone or not of these roles");
            warnings.push(format!("{message}; it is left alone (--remove-orphans removes it)"));
        }
        let mut told = BTreeSet::new();
        warnings.retain(|warning| told.insert(warning.clone()));
        warnings
    }
}
