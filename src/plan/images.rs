//! The images that containers need. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    compose::Project,
    error::Result,
    image_ref::ImageRef,
    manifest::extension::Mirrors,
    plan::{
        PullPolicy,
        containers::{self, Desired},
        pull_policy, unsupported,
    },
    world::ApiVersion,
};

/// An image that containers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageNeed {
    /// Reference.
    pub image: String,
    /// Platform that is asked for.
    pub platform: Option<String>,
    /// When it is pulled: the most eager of the services that use it.
    pub policy: PullPolicy,
    /// The services that use it.
    pub services: Vec<String>,
}

/// The images that containers need, each once.
pub fn needs(desired: &[Desired]) -> Vec<ImageNeed> {
    let uses = desired.iter().map(|one| Use {
        service: &one.service,
        image: one.image.clone(),
        platform: one.platform.clone(),
        pull_policy: &one.pull_policy,
        mounted: one.mounted_images.values().cloned().collect(),
        hooks: one.pre_start.iter().map(|hook| hook.image.clone()).collect(),
    });
    united(uses.collect())
}

/// The same of whole projects, before there is an engine; `platform` is for services that name none.
///
/// # Errors
/// `manifest-invalid` for a service that cannot be had, as a run would say.
pub fn of_projects(projects: &[Project], platform: Option<&str>, mirrors: &Mirrors) -> Result<Vec<ImageNeed>> {
    let mut uses = Vec::new();
    for project in projects {
        for service in project.services.values().filter(|service| service.replicas() > 0) {
            unsupported::check(project, service)?;
            unsupported::check_engine(project, service, ApiVersion::NEWEST)?;
            let mounted = service.volumes.iter().filter(|volume| volume.r#type == "image");
            let hooks = service.pre_start.iter().filter(|hook| !hook.image.is_empty());
            let hooks = hooks.map(|hook| mirrors.known_as(&hook.image));
            let own = Some(service.platform.clone()).filter(|own| !own.is_empty());
            let image = containers::image_name(project, service);
            ImageRef::parse(&image)?;
            let image = mirrors.known_as(&image);
            uses.push(Use {
                service: &service.name,
                image,
                platform: own.or_else(|| platform.map(str::to_owned)),
                pull_policy: &service.pull_policy,
                mounted: mounted.map(|volume| volume.source.clone()).collect(),
                hooks: hooks.collect(),
            });
        }
    }
    Ok(united(uses))
}

/// What a service takes of images.
struct Use<'a> {
    service: &'a str,
    image: String,
    platform: Option<String>,
    pull_policy: &'a str,
    /// Brought if they are missing, whatever the policy of the service is.
    mounted: Vec<String>,
    /// Images of `pre_start` hooks, which have the policy of the service, as in Compose 5.5.
    hooks: Vec<String>,
}

fn united(uses: Vec<Use<'_>>) -> Vec<ImageNeed> {
    let mut needs: BTreeMap<(String, Option<String>), ImageNeed> = BTreeMap::new();
    for one in &uses {
        let policy = pull_policy(one.pull_policy).unwrap_or(PullPolicy::Missing);
        let need = needs.entry((one.image.clone(), one.platform.clone())).or_insert_with(|| ImageNeed {
            image: one.image.clone(),
            platform: one.platform.clone(),
            policy,
            services: Vec::new(),
        });
        need.policy = more_eager(need.policy, policy);
        if !need.services.iter().any(|known| known == one.service) {
            need.services.push(one.service.to_owned());
        }
    }
    let mut further: BTreeMap<&str, ImageNeed> = BTreeMap::new();
    for one in &uses {
        let policy = pull_policy(one.pull_policy).unwrap_or(PullPolicy::Missing);
        let mounted = one.mounted.iter().map(|image| (image, PullPolicy::Missing));
        for (image, policy) in mounted.chain(one.hooks.iter().map(|image| (image, policy))) {
            let services = vec![one.service.to_owned()];
            let need = || ImageNeed { image: image.clone(), platform: None, policy, services };
            let need = further.entry(image).or_insert_with(need);
            need.policy = more_eager(need.policy, policy);
        }
    }
    for need in further.into_values() {
        let refreshed = matches!(need.policy, PullPolicy::Always | PullPolicy::Every(_));
        let mut known = needs.values_mut().filter(|known| known.image == need.image).peekable();
        if known.peek().is_none() {
            drop(known);
            needs.insert((need.image.clone(), None), need);
        } else if refreshed {
            known.for_each(|known| known.policy = more_eager(known.policy, need.policy));
        }
    }
    needs.into_values().collect()
}

fn more_eager(a: PullPolicy, b: PullPolicy) -> PullPolicy {
    let rank = |policy: PullPolicy| match policy {
        PullPolicy::Always => (0, Duration::ZERO),
        PullPolicy::Every(every) => (1, every),
        PullPolicy::Missing => (2, Duration::ZERO),
        PullPolicy::Never => (3, Duration::ZERO),
    };
    if rank(a) <= rank(b) { a } else { b }
}
