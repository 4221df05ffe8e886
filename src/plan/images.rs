//! The images that containers need. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::plan::{PullPolicy, containers::Desired, pull_policy};

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
    let mut needs: BTreeMap<(String, Option<String>), ImageNeed> = BTreeMap::new();
    for one in desired {
        let policy = pull_policy(&one.pull_policy).unwrap_or(PullPolicy::Missing);
        let need = needs.entry((one.image.clone(), one.platform.clone())).or_insert_with(|| ImageNeed {
            image: one.image.clone(),
            platform: one.platform.clone(),
            policy,
            services: Vec::new(),
        });
        need.policy = more_eager(need.policy, policy);
        if !need.services.contains(&one.service) {
            need.services.push(one.service.clone());
        }
    }
    for one in desired {
        // What is only mounted is brought where it is missing, whatever the policy of the service is.
        for image in &one.mounted_images {
            if needs.keys().any(|(known, _)| known == image) {
                continue;
            }
            let services = vec![one.service.clone()];
            let need = ImageNeed { image: image.clone(), platform: None, policy: PullPolicy::Missing, services };
            needs.insert((image.clone(), None), need);
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
