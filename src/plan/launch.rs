//! What is known when the steps of a launch are laid out: what has to be, and how it compares with what there is.

use std::collections::BTreeSet;

use super::{
    containers::Goal,
    images::ImageNeed,
    networks::{NetworkAction, NetworkDesired, RenamedNetwork},
    reconcile::{Reconciled, Step},
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
    /// Networks that have another name now and that nothing is in once this run is ready.
    pub renamed_networks: Vec<RenamedNetwork>,
}

impl Launch<'_> {
    /// Services of which nothing shows whether they are workers or one-shots.
    fn idle_workers(&self) -> impl Iterator<Item = String> {
        let unclear = |step: &&Step| {
            let Some(service) = self.project.services.get(&step.desired.service) else { return false };
            let policy = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref());
            let silent = service.restart.is_empty() && policy.is_none();
            step.desired.job && step.desired.goal == Goal::Serving && silent
        };
        self.reconciled.steps.iter().filter(unclear).map(|step| {
            format!(
                "service {} has no restart policy, serves nothing and is not awaited: once a run sees it end with 0 it is \
                 not started again; if it is to stay up give it restart: unless-stopped, if it is a one-shot have \
                 another service wait for it with service_completed_successfully",
                step.desired.service
            )
        })
    }

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
        warnings.extend(self.idle_workers());
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
