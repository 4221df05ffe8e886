//! The Auto Scaling group of this instance, and what the group wants of it.

use std::path::Path;

use super::{identity, known, platform, tags};
use crate::{
    error::{Cause, Error, Result},
    retry::Retry,
    settings::Settings,
    world::World,
};

/// The tag that a group gives to each of its instances.
const TAG: &str = "aws:autoscaling:groupName";

/// The state that the group is taking this instance to: `InService`, `Terminated`, `Warmed:Stopped`, …
const TARGET: &str = "meta-data/autoscaling/target-lifecycle-state";

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Region of both.
    pub region: String,
    /// The instance.
    pub instance: String,
    /// Name of the group.
    pub group: String,
}

/// The state that the group is taking this instance to; `None` where it is in no group. One attempt.
///
/// # Errors
/// `imds-unreachable`, `imds-refused`.
pub async fn target(world: &World) -> Result<Option<String>> {
    let state = world.imds.get(TARGET).await?;
    Ok(state.map(|state| state.trim().to_owned()).filter(|state| !state.is_empty()))
}

/// Who this instance is and which group it is in: from metadata, and where that shows no tags, from the EC2 API.
///
/// # Errors
/// `imds-unreachable`, `imds-refused`; `tag-missing`, `tags-denied`.
pub async fn member(world: &World, retry: &Retry, settings: &Settings) -> Result<Member> {
    let facts = identity(world, retry, settings, platform::is_ec2(Path::new("/"))).await?;
    let what = format!("read tag {TAG} of {}", facts.instance_id);
    let item = format!("meta-data/tags/instance/{}", known::encoded(TAG));
    let group = retry.run(&what, tags::WAITING, async |_| {
        if let Some(group) = world.imds.get(&item).await? {
            return Ok(Some(group));
        }
        let all = world.cloud.tags(&facts.region, &facts.instance_id).await;
        all.map(|mut all| all.remove(TAG)).map_err(|err| tags::told(facts.explain(err)))
    });
    let group = group.await?.map(|group| group.trim().to_owned()).filter(|group| !group.is_empty());
    let group = group.ok_or_else(|| {
        Error::new(
            Cause::TagMissing,
            format!("tag {TAG} is not set on {}, so its hooks cannot be answered", facts.instance_id),
        )
        .need(format!("tag {TAG}"))
        .hint(
            "start the instance by its Auto Scaling group, which sets the tag; elsewhere take ROLECALL_LAUNCH_HOOK \
                 and ROLECALL_TERMINATE_HOOK out of /etc/rolecall/env",
        )
    })?;
    Ok(Member { region: facts.region, instance: facts.instance_id, group })
}
