//! What is known of the instance, and how the answers of metadata are read. Pure.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::error::{Cause, Error, Result};

/// What the instance knows about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Facts {
    /// `i-…`
    pub instance_id: String,
    /// `eu-west-1`
    pub region: String,
    /// `eu-west-1a`
    pub availability_zone: Option<String>,
    /// The account that the identity document names.
    pub account_id: Option<String>,
    /// Local host name, as metadata gives it; the instance id where it gives none.
    pub hostname: String,
    /// First private IPv4 address.
    pub local_ipv4: Option<String>,
    /// First IPv6 address.
    pub local_ipv6: Option<String>,
    /// IPv4 ranges of the VPC that the first network interface is in; empty if metadata does not list them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vpc_ipv4_cidr_blocks: Vec<String>,
    /// `t3.small`
    pub instance_type: Option<String>,
    /// `on-demand`, `spot`, `scheduled` or `capacity-block`; none if metadata does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life_cycle: Option<String>,
    /// `ami-…`
    pub image_id: Option<String>,
    /// `x86_64` or `arm64`
    pub architecture: Option<String>,
    /// ARN of the instance profile that metadata announces.
    pub instance_profile_arn: Option<String>,
    /// ARN of the role whose credentials metadata gives.
    pub role_arn: Option<String>,
    /// Tags of the instance.
    pub tags: BTreeMap<String, String>,
    /// Where the tags were read.
    pub tags_origin: TagsOrigin,
}

/// Where tags were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TagsOrigin {
    /// Instance metadata.
    Metadata,
    /// `ec2:DescribeTags`.
    Api,
    /// Nowhere: they could not be read and nothing depended on them.
    Unread,
}

impl fmt::Display for TagsOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "instance metadata",
            Self::Api => "the EC2 API",
            Self::Unread => "nowhere",
        })
    }
}

/// The part of the identity document that is used.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Document {
    pub(super) instance_id: Option<String>,
    pub(super) region: Option<String>,
    pub(super) availability_zone: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) private_ip: Option<String>,
    pub(super) instance_type: Option<String>,
    pub(super) image_id: Option<String>,
    pub(super) architecture: Option<String>,
}

/// `iam/info`: present where an instance profile is attached, also before its credentials are.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IamInfo {
    instance_profile_arn: Option<String>,
}

impl Document {
    /// Reads the identity document.
    ///
    /// # Errors
    /// `imds-refused` for what is not JSON, or holds something else where a text belongs.
    pub(super) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|err| {
            Error::new(Cause::ImdsRefused, format!("could not read the identity document of metadata: {err}"))
                .hint("check AWS_EC2_METADATA_SERVICE_ENDPOINT")
        })
    }
}

/// The instance profile of `iam/info`. The service also answers 200 with a failure code in the body; then none is
/// announced.
pub(super) fn profile(info: &str) -> Option<String> {
    serde_json::from_str::<IamInfo>(info).ok().and_then(|info| info.instance_profile_arn)
}

/// Metadata names the role but not its ARN; partition and account are those of the profile.
pub(super) fn role_arn(profile_arn: &str, role: &str) -> Option<String> {
    let prefix = profile_arn.split_once(":instance-profile/")?.0;
    Some(format!("{prefix}:role/{}", role.trim())).filter(|_| !role.trim().is_empty())
}

/// The region that a zone lies in: its name without the letter.
pub(super) fn region_of_zone(zone: &str) -> Option<&str> {
    zone.strip_suffix(|c: char| c.is_ascii_lowercase())
}

/// The keys of a list of tags, one a line.
pub(super) fn keys(list: &str) -> Vec<String> {
    list.lines().map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

/// A key as one segment of a path.
pub(super) fn encoded(key: &str) -> String {
    key.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'+' | b'=' | b',' | b':' | b'@' => {
                char::from(b).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
