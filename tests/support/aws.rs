//! All of AWS behind one address, for `AWS_ENDPOINT_URL`: S3 by path, the other services by what they look like.

use std::sync::{Arc, Mutex};

use super::{
    api::Api,
    http::{Reply, Request, Server},
    imds::Instance,
    s3::Store,
};

/// What the cloud holds. Change it at any time.
#[derive(Clone, Default)]
pub struct Cloud {
    pub store: Arc<Mutex<Store>>,
    pub api: Arc<Mutex<Api>>,
    pub instance: Arc<Mutex<Instance>>,
}

impl Cloud {
    /// Answers a request to any service.
    pub fn answer(&self, request: &Request) -> Reply {
        if request.method == "POST" && request.path == "/" {
            return self.api.lock().unwrap().answer(&self.instance.lock().unwrap(), request);
        }
        self.store.lock().unwrap().answer(request)
    }
}

/// The running services.
pub struct Aws {
    pub server: Server,
    pub cloud: Cloud,
}

impl Aws {
    /// On a free port; `instance` is whose tags `DescribeTags` tells.
    pub fn start(instance: Arc<Mutex<Instance>>) -> Self {
        let cloud = Cloud { instance, ..Cloud::default() };
        let told = cloud.clone();
        let server = Server::start("aws", move |request| told.answer(request));
        Self { server, cloud }
    }

    /// Stores an object; its version id.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Vec<u8>>) -> String {
        self.cloud.store.lock().unwrap().put(bucket, key, body)
    }

    /// Changes the store.
    pub fn store<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.cloud.store.lock().unwrap())
    }

    /// Changes the other APIs.
    pub fn api<T>(&self, change: impl FnOnce(&mut Api) -> T) -> T {
        change(&mut self.cloud.api.lock().unwrap())
    }
}
