//! Whose resources a policy is about, and how their ARNs are written.

use crate::error::{Cause, Error, Result};

/// What stands for a part of an ARN that is not known.
const ANY: &str = "*";

/// Facts that differ from one instance to the next, or that nobody has told: where a resource is named after one of
/// them, a policy has to allow them all. Values that nothing else has.
const FACTS: [(&str, &str); 7] = [
    ("INSTANCE_ID", "i-00000000000000000"),
    ("LOCAL_IPV4", "192.0.2.1"),
    ("LOCAL_IPV6", "2001:db8::1"),
    ("HOSTNAME", "ip-192-0-2-1"),
    ("AZ", "any-zone-0a"),
    ("REGION", "any-region-0"),
    ("ACCOUNT_ID", "000000000000"),
];

/// How regions outside of `aws` begin, and their partitions: `partitions.json` of the AWS SDKs.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// Partition, region and account of the instances.
#[derive(Clone, Debug)]
pub struct Scope {
    partition: String,
    region: Option<String>,
    account: Option<String>,
}

impl Scope {
    /// Where instances run, as far as it is told.
    ///
    /// # Errors
    /// `usage`: none of these can be one.
    pub fn new(partition: Option<&str>, region: Option<&str>, account: Option<&str>) -> Result<Self> {
        let refused = |what: String, hint: &str| Err(Error::new(Cause::Usage, what).hint(hint));
        let word = |text: &str| text.split('-').all(|part| !part.is_empty() && part.bytes().all(lower_or_digit));
        if let Some(account) = account.filter(|id| id.len() != 12 || !id.bytes().all(|b| b.is_ascii_digit())) {
            return refused(format!("--account: {account:?} is not an account id"), "give its twelve digits");
        }
        let ends_in_number = |text: &str| text.rsplit_once('-').is_some_and(|(_, last)| last.parse::<u8>().is_ok());
        if let Some(region) = region.filter(|region| !word(region) || !ends_in_number(region)) {
            return refused(format!("--region: {region:?} is not a region"), "write it like eu-west-1");
        }
        let implied = region.map(partition_of);
        let partition = match (partition, implied) {
            (Some(given), _) if given != "aws" && !(given.starts_with("aws-") && word(given)) => {
                return refused(
                    format!("--partition: {given:?} is not a partition"),
                    "it is aws, aws-cn or aws-us-gov",
                );
            }
            // One that is not known here may have any region.
            (Some(given), Some(implied))
                if given != implied && (implied != "aws" || PARTITIONS.iter().any(|(_, known)| *known == given)) =>
            {
                let region = region.unwrap_or_default();
                return refused(
                    format!("--partition {given} does not have region {region}, {implied} has"),
                    "leave --partition out: the region says it",
                );
            }
            (given, implied) => given.or(implied).unwrap_or("aws"),
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self { partition: partition.to_owned(), region: owned(region), account: owned(account) })
    }

    /// The facts of an instance that could be, as variables.
    pub fn facts(&self) -> impl Iterator<Item = (String, String)> + '_ {
        FACTS.iter().map(|(name, unknown)| {
            let known = match *name {
                "REGION" => self.region.as_deref(),
                "ACCOUNT_ID" => self.account.as_deref(),
                _ => None,
            };
            (format!("ROLECALL_{name}"), known.unwrap_or(unknown).to_owned())
        })
    }

    /// An ARN in this account and region.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let (region, account) = (self.region.as_deref().unwrap_or(ANY), self.account.as_deref().unwrap_or(ANY));
        self.arn_in(service, region, account, resource)
    }

    /// An ARN in this account and another region, in the partition of that region.
    pub(super) fn arn_in_region(&self, service: &str, region: &str, resource: &str) -> String {
        self.arn_of(service, region, self.account.as_deref().unwrap_or(ANY), resource)
    }

    /// An ARN in this partition; `region` and `account` are taken as they are.
    pub(super) fn arn_in(&self, service: &str, region: &str, account: &str, resource: &str) -> String {
        arn(&self.partition, service, region, account, resource)
    }

    /// An ARN in the partition that this region says, else in this one.
    pub(super) fn arn_of(&self, service: &str, region: &str, account: &str, resource: &str) -> String {
        let partition = match partition_of(region) {
            "aws" => &self.partition,
            other => other,
        };
        arn(partition, service, region, account, resource)
    }
}

fn arn(partition: &str, service: &str, region: &str, account: &str, resource: &str) -> String {
    format!("arn:{partition}:{service}:{region}:{account}:{resource}")
}

/// Where the APIs of a partition are.
pub(super) fn suffix(partition: &str) -> &'static str {
    if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// A text as it stands in an ARN or a condition: what IAM would read as a wildcard or a variable is itself, and what
/// differs from instance to instance is anything.
pub(super) fn written(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '?' | '$' => {
                all.push_str("${");
                all.push(c);
                all.push('}');
            }
            c => all.push(c),
        }
    }
    FACTS.iter().fold(all, |all, (_, unknown)| all.replace(unknown, ANY))
}

fn partition_of(region: &str) -> &'static str {
    PARTITIONS.iter().find(|(begin, _)| region.starts_with(begin)).map_or("aws", |(_, partition)| partition)
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_says_the_partition() {
        let arn = |partition, region| Scope::new(partition, region, None).unwrap().arn("ssm", "parameter/a");
        assert_eq!(arn(None, None), "arn:aws:ssm:*:*:parameter/a");
        assert_eq!(arn(None, Some("eu-west-1")), "arn:aws:ssm:eu-west-1:*:parameter/a");
        assert_eq!(arn(None, Some("cn-north-1")), "arn:aws-cn:ssm:cn-north-1:*:parameter/a");
        assert_eq!(arn(None, Some("us-gov-west-1")), "arn:aws-us-gov:ssm:us-gov-west-1:*:parameter/a");
        assert_eq!(arn(None, Some("us-isob-east-1")), "arn:aws-iso-b:ssm:us-isob-east-1:*:parameter/a");
        assert_eq!(arn(Some("aws-next"), Some("nx-up-1")), "arn:aws-next:ssm:nx-up-1:*:parameter/a");
        assert_eq!(arn(Some("aws-cn"), None), "arn:aws-cn:ssm:*:*:parameter/a");
        assert_eq!(arn(Some("aws-eusc"), Some("eusc-de-east-1")), "arn:aws-eusc:ssm:eusc-de-east-1:*:parameter/a");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (partition, region, account, says) in [
            (None, None, Some("12345"), "--account: \"12345\" is not an account id"),
            (None, None, Some("12345678901x"), "is not an account id"),
            (None, Some("Frankfurt"), None, "--region: \"Frankfurt\" is not a region"),
            (None, Some("eu-west"), None, "is not a region"),
            (None, Some("eu-west-1a"), None, "is not a region"),
            (Some("china"), None, None, "--partition: \"china\" is not a partition"),
            (Some("aws-cn"), Some("eu-west-1"), None, "--partition aws-cn does not have region eu-west-1, aws has"),
            (Some("aws"), Some("cn-north-1"), None, "--partition aws does not have region cn-north-1, aws-cn has"),
        ] {
            let err = Scope::new(partition, region, account).unwrap_err();
            assert!(err.message.contains(says) && err.cause == Cause::Usage, "{err}");
        }
    }

    #[test]
    fn wildcards_of_a_name_are_itself_and_facts_are_anything() {
        assert_eq!(written("a*b?c$d"), "a${*}b${?}c${$}d");
        assert_eq!(written("logs/i-00000000000000000/x"), "logs/*/x");
        assert_eq!(written("any-region-0/000000000000"), "*/*");
    }
}
