//! Credentials that are kept between calls, until a service says that they have expired.
//!
//! The SDK keeps credentials until the time that came with them, whatever services answer: a role whose credentials
//! were exchanged early would be refused for hours.

use std::sync::{Arc, PoisonError, RwLock};

use aws_config::identity::IdentityCache;
use aws_smithy_runtime_api::client::{
    identity::{IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver},
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::config_bag::ConfigBag;

/// The SDK's own cache, which can be emptied. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<RwLock<SharedIdentityCache>>);

impl Kept {
    pub(super) fn new() -> Self {
        Self(Arc::new(RwLock::new(IdentityCache::lazy().build())))
    }

    /// Has the next call ask for credentials again.
    pub(super) fn forget(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = IdentityCache::lazy().build();
    }
}

impl ResolveCachedIdentity for Kept {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        IdentityFuture::new(async move { cache.resolve_cached_identity(resolver, components, config).await })
    }
}
