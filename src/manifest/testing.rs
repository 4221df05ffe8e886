//! What unit tests of this stage share: a bucket with a project, fetched.

use std::rc::Rc;

use super::prepare::{Around, Prepared, prepare};
use crate::{
    error::Result,
    facts::{Facts, TagsOrigin},
    fetch::{self, Fetched},
    paths::Paths,
    settings::{Env, Flags, Settings},
    testing::{Bucket, Ec2, Metadata, Played, world},
};

/// An instance with these tags.
pub(crate) fn facts(tags: &[(&str, &str)]) -> Facts {
    Facts {
        instance_id: "i-0abc".into(),
        region: "eu-west-1".into(),
        availability_zone: None,
        account_id: None,
        hostname: "host".into(),
        local_ipv4: None,
        local_ipv6: None,
        vpc_ipv4_cidr_blocks: Vec::new(),
        instance_type: None,
        life_cycle: None,
        image_id: None,
        architecture: None,
        instance_profile_arn: None,
        role_arn: None,
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        tags_origin: TagsOrigin::Metadata,
    }
}

/// A bucket, and where state is kept.
pub(crate) struct Stage {
    pub(crate) bucket: Rc<Bucket>,
    pub(crate) state: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new(objects: &[(&str, &str)]) -> Self {
        Self { bucket: Bucket::new(objects), state: tempfile::tempdir().unwrap() }
    }

    /// Prepares what is at a source.
    pub(crate) async fn prepare(&self, source: &str, environment: Option<&str>, facts: &Facts) -> Result<Prepared> {
        let flags =
            Flags { source: Some(source.into()), environment: environment.map(str::to_owned), ..Flags::default() };
        self.fetched(flags, facts, async |around, fetched| prepare(around, fetched).await).await
    }

    /// Fetches what is at the source of these flags, and does something with it.
    pub(crate) async fn fetched<T>(
        &self,
        flags: Flags,
        facts: &Facts,
        then: impl AsyncFnOnce(Around<'_>, Fetched) -> Result<T>,
    ) -> Result<T> {
        let clock = Played::new();
        let world = world(&clock, Metadata::new(&[]), Ec2::new([]), &self.bucket);
        let input = Settings::load(&flags, Env::default()).unwrap().with_tags(facts).unwrap();
        let paths = Paths::new(self.state.path(), "/x", "/x");
        let retry = clock.retry(60);
        let fetched = fetch::fetch(&world, &retry, &input, facts, &paths).await?;
        let standing_in = false;
        then(Around { world: &world, retry: &retry, input: &input, facts, paths: &paths, standing_in }, fetched).await
    }
}
