//! Tags of the instance: from metadata, and where that has none, from the EC2 API.
//!
//! A call that was throttled or refused says nothing about the tags: it is an error wherever a tag could still
//! decide something, never an empty answer.

use std::{collections::BTreeMap, time::Duration};

use tracing::warn;

use super::{Facts, TagsOrigin, known};
use crate::{
    error::{Cause, Class, Error, Result},
    retry::{Policy, Retry},
    settings::Settings,
    world::World,
};

type Tags = (BTreeMap<String, String>, TagsOrigin);

const LIST: &str = "meta-data/tags/instance";

/// Waits of up to 15 s: the EC2 API shares its limit among the whole fleet, and a tag that is late is set by a
/// human or a launcher that is still at work.
pub(super) const WAITING: Policy =
    Policy { base: Duration::from_secs(1), cap: Duration::from_secs(15), ..Policy::SERVICE };

/// For tags that decide nothing: they are worth a moment, not a boot.
const OPTIONAL: Policy = Policy::SERVICE.attempts(3).budget(Duration::from_secs(5));

/// More keys than this are not listed in an error.
const KEYS_SHOWN: usize = 12;

/// Tags for a run.
pub(super) async fn gather(world: &World, retry: &Retry, settings: &Settings, facts: &Facts) -> Result<Tags> {
    if !settings.tags_decide() {
        return Ok(look(world, retry, facts).await);
    }
    let wanted = (!settings.source.known()).then_some(settings.tags.source.as_str());
    let what = match wanted {
        Some(tag) => format!("wait for tag {tag} of {}", facts.instance_id),
        None => format!("read the tags of {}", facts.instance_id),
    };
    let mut first = true;
    let found = retry.run(&what, WAITING, async |_| {
        // While waiting, one small request tells whether it is worth reading them all again.
        if let Some(tag) = wanted.filter(|_| !std::mem::take(&mut first))
            && let Some(keys) = listed(world).await?
            && !keys.iter().any(|key| key == tag)
        {
            return Err(missing(tag, &keys, TagsOrigin::Metadata, facts));
        }
        let (tags, origin) = read(world, facts).await?;
        match wanted {
            Some(tag) if tags.get(tag).is_none_or(|value| value.trim().is_empty()) => {
                Err(missing(tag, &tags.keys().cloned().collect::<Vec<_>>(), origin, facts))
            }
            _ => Ok((tags, origin)),
        }
    });
    found.await.map_err(|err| err.instead_of_deadline(Cause::CloudUnreachable))
}

/// Tags that nothing depends on.
pub(super) async fn look(world: &World, retry: &Retry, facts: &Facts) -> Tags {
    let what = format!("read the tags of {}", facts.instance_id);
    match retry.run(&what, OPTIONAL, async |_| read(world, facts).await).await {
        Ok(tags) => tags,
        Err(err) => {
            warn!(cause = err.cause.code(), "going on without tags, ROLECALL_TAG_* stay unset: {err}");
            (BTreeMap::new(), TagsOrigin::Unread)
        }
    }
}

/// All tags, read once.
async fn read(world: &World, facts: &Facts) -> Result<Tags> {
    if let Some(keys) = listed(world).await? {
        let mut tags = BTreeMap::new();
        for key in keys {
            // A key that is listed can still be absent: its characters may be more than metadata can serve.
            if let Some(value) = world.imds.get(&format!("{LIST}/{}", known::encoded(&key))).await? {
                tags.insert(key, value);
            }
        }
        return Ok((tags, TagsOrigin::Metadata));
    }
    let tags = world.cloud.tags(&facts.region, &facts.instance_id).await;
    tags.map(|tags| (tags, TagsOrigin::Api)).map_err(|err| told(facts.explain(err)))
}

/// Keys that metadata lists; `None` where it has none, or has tags switched off.
async fn listed(world: &World) -> Result<Option<Vec<String>>> {
    let text = world.imds.get(LIST).await?.unwrap_or_default();
    let keys = known::keys(&text);
    Ok((!keys.is_empty()).then_some(keys))
}

fn missing(tag: &str, keys: &[String], origin: TagsOrigin, facts: &Facts) -> Error {
    let state = if keys.iter().any(|key| key == tag) { "is empty" } else { "is not set" };
    let seen = match keys.len() {
        0 => "there are no tags at all".to_owned(),
        n if n <= KEYS_SHOWN => format!("there are {}", keys.join(", ")),
        n => format!("there are {n} others"),
    };
    let near = crate::settings::did_you_mean(tag, keys.iter().map(String::as_str).filter(|key| *key != tag));
    Error::new(Cause::TagMissing, format!("tag {tag} {state} on {}; {seen}{near}, says {origin}", facts.instance_id))
        .need(format!("tag {tag}"))
        .hint(format!("set tag {tag} to s3://bucket/key, or give --source or ROLECALL_SOURCE"))
        .transient()
}

/// What a failed `DescribeTags` means for the tags.
pub(super) fn told(mut err: Error) -> Error {
    let off = "instance metadata shows no tags (they are off there by default)";
    match err.class {
        Class::Denied => {
            err.cause = Cause::TagsDenied;
            err.message = format!("{off}, and the EC2 API refuses to: {}", err.message);
            err.hint(
                "allow ec2:DescribeTags on \"*\", or turn tags in instance metadata on (console, or aws ec2 \
                 modify-instance-metadata-options --instance-metadata-tags enabled)",
            )
        }
        Class::Throttled => {
            err.cause = Cause::TagsThrottled;
            err.message = format!("{off}, and the EC2 API is throttled: {}", err.message);
            err.hint("turn tags in instance metadata on: they are not throttled with the fleet")
        }
        _ => {
            err.message = format!("{off}, and the EC2 API does not give them: {}", err.message);
            err
        }
    }
}
