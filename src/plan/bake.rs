//! What is done to a machine of which an image is made: all that its instances would otherwise fetch when they boot, and
//! nothing that is an instance's own. Pure.

use super::{Action, Plan, PullPolicy, Step, host_steps::engine_steps, images::ImageNeed, launch_steps::PULL};
use crate::{
    image_ref::ImageRef,
    manifest::{extension::Upgrade, prepare::Prepared},
};

/// Upgrade, packages and engine as a run has them, then the images. No script runs, no file of the project is put in its
/// place, and nothing is started but the engine.
///
/// An image is asked for at its registry even if it is there, so that what is baked anew is new; what a digest names is
/// not.
pub fn bake_steps(prepared: &Prepared, instance: &str, images: &[ImageNeed]) -> Plan {
    let mut plan = Plan::default();
    let host = &prepared.manifest.extension.host;
    // Whatever an older image was upgraded to, this one is upgraded now.
    let engine = engine_steps(&mut plan, host, (instance, Upgrade::None), Vec::new());
    for need in images.iter().filter(|need| need.policy != PullPolicy::Never) {
        let need = ImageNeed { policy: PullPolicy::Always, ..need.clone() };
        let step = Step::new(format!("image:{}", need.image), "", PULL, Action::Image(need));
        plan.add(step, engine.iter().copied());
    }
    plan.warnings.extend(images.iter().filter_map(at_boot));
    let scripts: Vec<&str> = prepared.manifest.scripts.iter().map(|script| script.name.as_str()).collect();
    if !scripts.is_empty() {
        let names = scripts.join(", ");
        plan.warnings.push(format!("scripts are run by each instance, and not here: {names}"));
    }
    plan
}

/// What instances ask a registry for although the image has it.
fn at_boot(need: &ImageNeed) -> Option<String> {
    let name = &need.image;
    if ImageRef::parse(name).is_ok_and(|reference| reference.digest.is_some()) {
        return None;
    }
    match need.policy {
        PullPolicy::Always => Some(format!(
            "image {name} has pull_policy: always, so that every boot asks its registry for it; name it by digest, or \
             leave the policy out"
        )),
        PullPolicy::Every(_) => Some(format!(
            "image {name} is asked for again once it is older than its pull_policy says, however old the image of the \
             machine is"
        )),
        PullPolicy::Missing | PullPolicy::Never => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::manifest::{
        Manifest, Script,
        extension::{Extension, HostSettings},
    };

    fn need(image: &str, policy: PullPolicy) -> ImageNeed {
        ImageNeed { image: image.into(), platform: None, policy, services: vec!["web".into()] }
    }

    #[test]
    fn everything_is_there_before_the_images_and_nothing_of_an_instance_is_done() {
        let host = HostSettings { upgrade: Upgrade::Full, packages: vec!["jq".into()], ..HostSettings::default() };
        let manifest = Manifest {
            project: None,
            extension: Extension { host, ..Extension::default() },
            scripts: vec![Script::new("bootstrap/10.sh", b"#!/bin/sh".to_vec())],
            values: std::collections::BTreeMap::new(),
        };
        let prepared = Prepared { manifest, dir: "/p".into(), files: None, registry_auths: Vec::new() };
        let day = Duration::from_secs(24 * 3600);
        let images = [
            need("a:1", PullPolicy::Missing),
            need("b:1", PullPolicy::Always),
            need("c:1", PullPolicy::Every(day)),
            need("d:1", PullPolicy::Never),
            need(&format!("e@sha256:{}", "0".repeat(64)), PullPolicy::Always),
        ];
        let plan = bake_steps(&prepared, "i-1", &images);
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name.split('@').next().unwrap()).collect();
        assert_eq!(names, ["upgrade", "packages", "docker", "image:a:1", "image:b:1", "image:c:1", "image:e"]);
        for step in &plan.steps[3..] {
            assert!(matches!(&step.action, Action::Image(need) if need.policy == PullPolicy::Always), "{}", step.name);
        }
        let mut walk = plan.graph.walk();
        for expected in 0..3 {
            assert_eq!(walk.take(), Some(expected));
            assert_eq!(walk.take(), None, "one after the other");
            walk.done(expected);
        }
        assert_eq!(std::iter::from_fn(|| walk.take()).count(), 4, "and the images side by side");
        let warned: Vec<&str> = plan.warnings.iter().map(|w| w.split(' ').nth(1).unwrap()).collect();
        assert_eq!(warned, ["b:1", "c:1", "are"], "{:?}", plan.warnings);
    }
}
