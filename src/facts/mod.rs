//! Facts: who this instance is, from its metadata and tags.

pub mod given;
pub mod group;
pub mod identity;
pub mod imds;
mod known;
pub mod platform;
mod render;
mod tags;

use std::{collections::BTreeMap, path::Path, time::Duration};

use futures_util::future::{join, join3};

use crate::{
    error::{Cause, Class, Error, Result},
    retry::{Policy, Retry},
    settings::{Input, Settings},
    world::World,
};
use known::Document;
pub use known::{Facts, TagsOrigin};
pub use render::{Format, Variables};

/// A machine that is not EC2 has this long to show a metadata service; with the connection that is under way
/// when it passes, the run fails within ten seconds.
const NOT_EC2_PATIENCE: Duration = Duration::from_secs(8);

/// Metadata is one hop away: short waits, so that a service that comes up late costs little.
const IMDS: Policy = Policy {
    base: Duration::from_millis(200),
    cap: Duration::from_secs(5),
    attempt_timeout: Some(Duration::from_secs(15)),
    ..Policy::SERVICE
};

/// Gathers the facts of a run. The source tag is waited for, where no source is known otherwise.
///
/// # Errors
/// `imds-unreachable`, `imds-refused`; `tag-missing`, `tags-denied`, `tags-throttled` where tags are needed.
pub async fn gather(world: &World, retry: &Retry, settings: &Settings) -> Result<Facts> {
    let mut facts = identity(world, retry, settings, platform::is_ec2(Path::new("/"))).await?;
    (facts.tags, facts.tags_origin) = tags::gather(world, retry, settings, &facts).await?;
    Ok(facts)
}

/// Gathers the facts to show them: waits for no tag, and does without tags that cannot be read.
///
/// # Errors
/// `imds-unreachable`, `imds-refused`.
pub async fn look(world: &World, retry: &Retry, settings: &Settings) -> Result<Facts> {
    let mut facts = identity(world, retry, settings, platform::is_ec2(Path::new("/"))).await?;
    (facts.tags, facts.tags_origin) = tags::look(world, retry, &facts).await;
    Ok(facts)
}

async fn identity(world: &World, retry: &Retry, settings: &Settings, on_ec2: bool) -> Result<Facts> {
    let expected = on_ec2 || settings.env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").is_some();
    let first = if expected { retry.clone() } else { retry.within(NOT_EC2_PATIENCE) };
    let reader = Reader { world, retry: &first };
    let document = reader.item("dynamic/instance-identity/document").await.map_err(|err| {
        if expected || err.cause != Cause::ImdsUnreachable {
            return err;
        }
        err.hint(
            "this machine is not EC2: run rolecall on EC2, or set AWS_EC2_METADATA_SERVICE_ENDPOINT to a metadata service",
        )
    })?;
    let reader = Reader { world, retry };
    let document = match document {
        Some(text) => Document::read(&text)?,
        None => Document::default(),
    };
    let Some(instance_id) = reader.or(document.instance_id, "meta-data/instance-id").await? else {
        return Err(Error::new(
            Cause::ImdsRefused,
            format!("metadata has neither an identity document nor an instance id under schema {}", imds::SCHEMA),
        )
        .hint("check AWS_EC2_METADATA_SERVICE_ENDPOINT: the service must know that schema"));
    };
    let availability_zone = reader.or(document.availability_zone, "meta-data/placement/availability-zone").await?;
    let region = reader.or(document.region, "meta-data/placement/region").await?;
    let rest = async {
        let profile = reader.item("meta-data/iam/info").await?.as_deref().and_then(known::profile);
        let role = match &profile {
            Some(_) => reader.item("meta-data/iam/security-credentials/").await?,
            None => None,
        };
        Ok::<_, Error>((profile, role, reader.item("meta-data/local-hostname").await?))
    };
    let optional = join(vpc(world), life_cycle(world));
    let (rest, (vpc_ipv4_cidr_blocks, life_cycle), local_ipv6) =
        join3(rest, optional, reader.item("meta-data/ipv6")).await;
    let (profile, role, hostname) = rest?;
    Ok(Facts {
        region: region_of(region, availability_zone.as_deref(), settings)?,
        hostname: hostname.unwrap_or_else(|| instance_id.clone()),
        local_ipv6: local_ipv6?,
        local_ipv4: reader.or(document.private_ip, "meta-data/local-ipv4").await?,
        instance_type: reader.or(document.instance_type, "meta-data/instance-type").await?,
        image_id: reader.or(document.image_id, "meta-data/ami-id").await?,
        role_arn: role.and_then(|role| known::role_arn(profile.as_deref()?, role.lines().next()?)),
        account_id: document.account_id.filter(|id| !id.is_empty()),
        architecture: document.architecture,
        instance_profile_arn: profile,
        vpc_ipv4_cidr_blocks,
        life_cycle,
        availability_zone,
        instance_id,
        tags: BTreeMap::new(),
        tags_origin: TagsOrigin::Unread,
    })
}

/// How the instance was bought: a Spot instance has two minutes between its notice and its end.
async fn life_cycle(world: &World) -> Option<String> {
    let found = world.imds.get("meta-data/instance-life-cycle").await.ok().flatten()?;
    Some(found.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The IPv4 ranges of the VPC of the first network interface. Nothing of a run needs them, so they are asked for once,
/// beside other items.
async fn vpc(world: &World) -> Vec<String> {
    let item = async |path: String| world.imds.get(&path).await.ok().flatten();
    let Some(mac) = item("meta-data/mac".to_owned()).await else { return Vec::new() };
    let path = format!("meta-data/network/interfaces/macs/{}/vpc-ipv4-cidr-blocks", mac.trim());
    item(path).await.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn region_of(found: Option<String>, zone: Option<&str>, settings: &Settings) -> Result<String> {
    let of_zone = zone.and_then(known::region_of_zone).map(str::to_owned);
    found.or(of_zone).or_else(|| settings.env.region().map(str::to_owned)).ok_or_else(|| {
        Error::new(Cause::ImdsRefused, "metadata names neither region nor availability zone").hint("set AWS_REGION")
    })
}

struct Reader<'a> {
    world: &'a World,
    retry: &'a Retry,
}

impl Reader<'_> {
    async fn item(&self, path: &str) -> Result<Option<String>> {
        let what = format!("read {path} from instance metadata");
        let found = self.retry.run(&what, IMDS, async |_| self.world.imds.get(path).await).await;
        let found = found.map_err(|err| err.instead_of_deadline(Cause::ImdsUnreachable))?;
        Ok(found.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    async fn or(&self, known: Option<String>, path: &str) -> Result<Option<String>> {
        match known.filter(|text| !text.is_empty()) {
            Some(known) => Ok(Some(known)),
            None => self.item(path).await,
        }
    }
}

impl Facts {
    /// Adds to an error of the cloud what only the instance knows: whose permission is missing, and whether
    /// credentials that are not there are only late.
    #[must_use]
    pub fn explain(&self, mut err: Error) -> Error {
        match err.cause {
            Cause::CredentialsMissing if err.class != Class::Denied => match &self.instance_profile_arn {
                Some(profile) => {
                    err.message = format!(
                        "{}; instance profile {profile} is announced, its credentials are not there yet",
                        err.message
                    );
                    err.class = Class::Transient;
                }
                None if err.hint.is_none() => {
                    err = err.hint("this instance has no instance profile: attach one, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
                }
                None => {}
            },
            _ if err.class == Class::Denied => {
                if let Some(role) = self.role_arn.as_ref().or(self.instance_profile_arn.as_ref())
                    && !err.message.contains(role.as_str())
                {
                    err.message = format!("{} (asked as {role})", err.message);
                }
            }
            _ => {}
        }
        err
    }
}

impl Settings {
    /// What a run works on, now that the facts are known.
    ///
    /// # Errors
    /// As [`Settings::with`].
    pub fn with_tags(&self, facts: &Facts) -> Result<Input> {
        self.with(&facts.tags, facts.account_id.as_deref())
    }
}

#[cfg(test)]
mod tests;
