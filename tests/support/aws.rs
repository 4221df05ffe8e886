//! All of AWS behind one address, for `AWS_ENDPOINT_URL`: S3 by path, the other services by what they look like.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use jiff::{Timestamp, fmt::strtime};

use super::{
    api::{self, Api},
    gate::{Call, Gate, refusal},
    http::{Reply, Request, Server},
    imds::Instance,
    s3::{self, Store},
    scaling::Scaling,
};

/// Seconds that a signature may be away from the time of the services.
const SKEW: i64 = 900;

/// What the cloud holds. Change it at any time.
#[derive(Clone, Default)]
pub struct Cloud {
    pub store: Arc<Mutex<Store>>,
    pub api: Arc<Mutex<Api>>,
    pub instance: Arc<Mutex<Instance>>,
    pub scaling: Arc<Mutex<Scaling>>,
    /// What the role may do, and what it did.
    pub gate: Arc<Mutex<Gate>>,
    /// Seconds that the clock of the services is ahead of this machine's.
    pub ahead: Arc<AtomicI64>,
}

impl Cloud {
    /// Answers a request to any service.
    pub fn answer(&self, request: &Request) -> Reply {
        let now = Timestamp::now().as_second() + self.ahead.load(Ordering::Relaxed);
        let signed = request
            .header("x-amz-date")
            .and_then(|at| Timestamp::strptime("%Y%m%dT%H%M%S%z", at.replace('Z', "+0000")).ok());
        let late = signed.is_some_and(|at| at.as_second().abs_diff(now) > SKEW.unsigned_abs());
        let date = Timestamp::from_second(now).unwrap();
        let reply = if late { Self::too_late(request) } else { self.serve(request) };
        reply.with("date", strtime::format("%a, %d %b %Y %H:%M:%S GMT", date).unwrap())
    }

    /// What a signature of another time gets.
    fn too_late(request: &Request) -> Reply {
        if request.method == "POST" && request.path == "/" {
            return api::ec2_error(401, "AuthFailure", "AWS was not able to validate the provided access credentials");
        }
        let text = "The difference between the request time and the current time is too large.";
        Reply::new(403, s3::error("RequestTimeTooSkewed", text, &request.path, "TESTREQUESTSKEW"))
            .with("content-type", "application/xml")
    }

    fn serve(&self, request: &Request) -> Reply {
        let mut gate = self.gate.lock().unwrap();
        let calls = gate.calls(request);
        let asked = calls.first().map(|call| call.action.clone()).unwrap_or_default();
        if let Some(refused) = gate.pass(calls) {
            return refusal(&asked, &refused);
        }
        if request.method == "POST" && request.path == "/" {
            if request.header("authorization").is_some_and(|signed| signed.contains("/autoscaling/aws4_request")) {
                return self.scaling.lock().unwrap().answer(request);
            }
            return self.api.lock().unwrap().answer(&self.instance.lock().unwrap(), request);
        }
        let reply = self.store.lock().unwrap().answer(request);
        // That a key is not there is told only to those who may list the whole bucket.
        let bucket = request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let list = Call::new("s3:ListBucket", format!("arn:aws:s3:::{bucket}"));
        if reply.status == 404 && !gate.allows(&list) { refusal("s3", &list) } else { reply }
    }
}

impl Cloud {
    /// Serves on this address.
    pub fn serve_on(&self, addr: &str) -> Server {
        let told = self.clone();
        Server::start_on("aws", addr, None, move |request| told.answer(request))
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
        Self::start_on("127.0.0.1:0", instance)
    }

    /// The same on this address.
    pub fn start_on(addr: &str, instance: Arc<Mutex<Instance>>) -> Self {
        let cloud = Cloud { instance, ..Cloud::default() };
        Self { server: cloud.serve_on(addr), cloud }
    }

    /// Stores an object; its version id.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Vec<u8>>) -> String {
        self.cloud.store.lock().unwrap().put(bucket, key, body)
    }

    /// Changes the store.
    pub fn store<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.cloud.store.lock().unwrap())
    }

    /// Changes, or looks at, the hooks of the group.
    pub fn scaling<T>(&self, change: impl FnOnce(&mut Scaling) -> T) -> T {
        change(&mut self.cloud.scaling.lock().unwrap())
    }

    /// Changes, or looks at, what the role may do.
    pub fn gate<T>(&self, change: impl FnOnce(&mut Gate) -> T) -> T {
        change(&mut self.cloud.gate.lock().unwrap())
    }

    /// Changes the other APIs.
    pub fn api<T>(&self, change: impl FnOnce(&mut Api) -> T) -> T {
        change(&mut self.cloud.api.lock().unwrap())
    }
}
