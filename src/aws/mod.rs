//! The real AWS: configuration, clients and errors of the SDK. Nothing else in the crate names it.
//!
//! The SDK never tries again by itself: `retry` does, under the deadline of the run.

mod classify;
mod cloud;
pub mod http;
mod identity;
mod s3;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse, result::SdkError, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::OnceCell;

use crate::{
    settings::Env,
    tls::Trust,
    world::{CloudApi, ObjectStore},
};
use classify::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the first byte of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest time for a whole answer, but for the body of an object, which is read under an idle timeout.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Requests need a region to be signed for even where an endpoint of one's own does not care which.
const ANY_REGION: &str = "us-east-1";

/// Objects and the other APIs, as the environment configures them. Nothing is read, resolved or connected before
/// the first call.
pub fn connect(env: &Env, trust: &Trust) -> (Rc<dyn ObjectStore>, Rc<dyn CloudApi>) {
    let shared = Rc::new(Shared::new(env, trust));
    (Rc::new(s3::S3::new(Rc::clone(&shared))), Rc::new(cloud::Cloud::new(shared)))
}

/// What all clients share: credentials, connections, the environment.
struct Shared {
    env: Env,
    http: http::SplitClient,
    identity: identity::Kept,
    config: OnceCell<SdkConfig>,
}

impl Shared {
    fn new(env: &Env, trust: &Trust) -> Self {
        Self {
            env: env.clone(),
            http: http::SplitClient::new(env, trust.clone()),
            identity: identity::Kept::new(),
            config: OnceCell::new(),
        }
    }

    /// What a failed call means. Credentials that have expired are not kept: the next try asks for new ones.
    fn failure<E>(&self, err: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let failure = Failure::of(err);
        if matches!(&failure, Failure::Answer(answer) if answer.expired()) {
            self.identity.forget();
        }
        failure
    }

    /// The configuration, loaded once: environment, profile, web identity, container and instance credentials, in
    /// the SDK's own order.
    async fn config(&self, region: Option<&str>) -> &SdkConfig {
        self.config
            .get_or_init(|| async {
                let timeouts = TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .operation_attempt_timeout(ANSWER_TIMEOUT)
                    .build();
                aws_config::defaults(BehaviorVersion::latest())
                    .http_client(self.http.clone())
                    .identity_cache(self.identity.clone())
                    .region(Region::new(self.region(region)))
                    .retry_config(RetryConfig::disabled())
                    .timeout_config(timeouts)
                    // Bodies are read under an idle timeout of our own.
                    .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                    .load()
                    .await
            })
            .await
    }

    fn region(&self, wanted: Option<&str>) -> String {
        wanted.or_else(|| self.env.region()).unwrap_or(ANY_REGION).to_owned()
    }
}

/// Clients of one service, one per key, made when first needed.
struct Clients<K, C>(RefCell<BTreeMap<K, C>>);

impl<K: Ord, C: Clone> Clients<K, C> {
    fn new() -> Self {
        Self(RefCell::new(BTreeMap::new()))
    }

    fn get(&self, key: K, make: impl FnOnce() -> C) -> C {
        self.0.borrow_mut().entry(key).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests;
