//! What metadata gave this machine when it was started, and what is written on it by now: its name, and who may log in.

use std::path::Path;

use super::{Reader, identity, platform};
use crate::{error::Result, retry::Retry, settings::Settings, world::World};

/// What an image must not keep of the instance that it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `ip-10-0-0-1.eu-west-1.compute.internal`
    pub hostname: String,
    /// Public keys of SSH, each as the part in base64.
    pub keys: Vec<String>,
}

/// Asks for it.
///
/// # Errors
/// `imds-unreachable`, `imds-refused`.
pub async fn given(world: &World, retry: &Retry, settings: &Settings) -> Result<Given> {
    let facts = identity(world, retry, settings, platform::is_ec2(Path::new("/"))).await?;
    let reader = Reader { world, retry };
    let list = reader.item("meta-data/public-keys/").await?.unwrap_or_default();
    let mut keys = Vec::new();
    // One a line: `0=name`.
    for index in list.lines().filter_map(|line| Some(line.split_once('=')?.0.trim())) {
        let key = reader.item(&format!("meta-data/public-keys/{index}/openssh-key")).await?;
        // Several lines where it is several keys; in each, the kind comes first.
        keys.extend(
            key.iter().flat_map(|key| key.lines()).filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned),
        );
    }
    Ok(Given { hostname: facts.hostname, keys })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settings::{Env, Flags},
        testing::{Bucket, Ec2, Metadata, Played, world},
    };

    #[tokio::test]
    async fn keys_are_read_by_their_index() {
        let clock = Played::new();
        let imds = Metadata::new(&[
            ("dynamic/instance-identity/document", r#"{"instanceId": "i-1", "region": "eu-west-1"}"#),
            ("meta-data/local-hostname", "ip-10-0-0-1"),
            ("meta-data/public-keys/", "0=packer_1\n1=a=b"),
            ("meta-data/public-keys/0/openssh-key", "ssh-rsa AAAA packer_1\n"),
            ("meta-data/public-keys/1/openssh-key", "ssh-ed25519 BBBB a=b"),
        ]);
        let world = world(&clock, imds, Ec2::new([]), &Bucket::new(&[]));
        let settings = Settings::load(&Flags::default(), Env::default()).unwrap();
        let given = given(&world, &clock.retry(5), &settings).await.unwrap();
        assert_eq!(given, Given { hostname: "ip-10-0-0-1".into(), keys: vec!["AAAA".into(), "BBBB".into()] });
    }
}
