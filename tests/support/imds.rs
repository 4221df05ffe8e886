//! Instance metadata as EC2 serves it, strict about version 2: a stand-in that is kinder than EC2 proves nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;

use super::http::{End, Reply, Request, Server};

/// Address of the first network interface.
const MAC: &str = "02:29:96:8f:6a:2d";

/// The account that the instance is in.
pub const ACCOUNT: &str = "123456789012";
/// The role, and the instance profile, of the instance.
pub const ROLE: &str = "rolecall-test-role";
/// The keys that the role gets.
pub const ACCESS_KEY: &str = "ASIATESTROLECALL0001";
pub const SECRET_KEY: &str = "test/secret/key/of/the/role";
pub const SESSION_TOKEN: &str = "test-session-token";

/// The signatures over the identity document, as far as anyone here looks at them: lines, none at their end.
pub const RSA2048: &str =
    "MIAGCSqGSIb3DQEHAqCAMIACAQExDzANBglghkgBZQMEAgEFADCABgkqhkiG9w0BBwGggCSABIIB\n3XsKICAidGVzdCI=";
pub const SIGNATURE: &str = "dExamplesvMQhQ54NYGBryQRuSD811JEbC2Ogyvay9MCn7uRlNAbcTest\nVxhr9AdHqs8OlXrVRZDw=";

/// Schema versions that EC2 knows, of those that matter; older ones have no tags.
const VERSIONS: &[&str] = &[
    "1.0",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-07-09",
    "2022-09-24",
    "latest",
];
const TAGS_SINCE: &str = "2021-03-23";

/// How the service behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Version 2, tokens required.
    V2,
    /// No tokens: asking for one is an error, everything else is answered without. No EC2 of today does this;
    /// imitations do.
    V1Only,
    /// The metadata endpoint of the instance is switched off.
    Disabled,
    /// The answer with the token dies on the way (a container behind a hop limit of 1).
    HopLimit,
}

/// The instance. Change it at any time.
#[derive(Clone, Debug)]
pub struct Instance {
    pub mode: Mode,
    pub id: String,
    pub region: String,
    pub zone: String,
    pub local_ipv4: String,
    pub local_ipv6: Option<String>,
    /// `on-demand` or `spot`.
    pub life_cycle: String,
    pub hostname: String,
    pub image: String,
    pub kind: String,
    /// `None`: no instance profile.
    pub role: Option<String>,
    /// The profile is announced, its credentials are not there yet.
    pub credentials_late: bool,
    /// The session token that the credentials carry.
    pub session: String,
    pub tags: BTreeMap<String, String>,
    /// Whether the instance lets its metadata tell its tags.
    pub tags_in_metadata: bool,
    /// A lifecycle state, for an instance of an auto scaling group.
    pub lifecycle_state: Option<String>,
    /// Every token given so far is refused from now on.
    pub revoke_tokens: bool,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            mode: Mode::V2,
            id: "i-0abcdef1234567890".into(),
            region: "eu-west-1".into(),
            zone: "eu-west-1b".into(),
            local_ipv4: "10.20.30.40".into(),
            local_ipv6: None,
            life_cycle: "on-demand".into(),
            hostname: "ip-10-20-30-40.eu-west-1.compute.internal".into(),
            image: "ami-0123456789abcdef0".into(),
            kind: "t3.small".into(),
            role: Some(ROLE.into()),
            credentials_late: false,
            session: SESSION_TOKEN.into(),
            tags: BTreeMap::new(),
            tags_in_metadata: true,
            lifecycle_state: None,
            revoke_tokens: false,
        }
    }
}

/// The running service.
pub struct Imds {
    pub server: Server,
    pub instance: Arc<Mutex<Instance>>,
}

impl Imds {
    /// On a free port, for `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub fn start() -> Self {
        Self::start_on("127.0.0.1:0", Arc::default())
    }

    /// On this address, telling of this instance: `169.254.169.254:80` where nothing else needs to be told.
    pub fn start_on(addr: &str, instance: Arc<Mutex<Instance>>) -> Self {
        let tokens: Mutex<BTreeMap<String, Instant>> = Mutex::default();
        let told = instance.clone();
        let server = Server::start_on("imds", addr, None, move |request| {
            let mut instance = told.lock().unwrap();
            let mut tokens = tokens.lock().unwrap();
            if std::mem::take(&mut instance.revoke_tokens) {
                tokens.clear();
            }
            answer(&instance, &mut tokens, request)
        });
        Self { server, instance }
    }

    /// Changes the instance.
    pub fn set(&self, change: impl FnOnce(&mut Instance)) {
        change(&mut self.instance.lock().unwrap());
    }

    /// Sets a tag of the instance.
    pub fn tag(&self, key: &str, value: &str) {
        self.set(|i| {
            i.tags.insert(key.to_owned(), value.to_owned());
        });
    }
}

fn answer(instance: &Instance, tokens: &mut BTreeMap<String, Instant>, request: &Request) -> Reply {
    let version = request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let path = request.path.trim_start_matches('/').strip_prefix(version).unwrap_or_default();
    match (instance.mode, request.method.as_str()) {
        (Mode::Disabled, _) => return error(403, "Forbidden"),
        (Mode::V1Only, "PUT") => return error(405, "Method Not Allowed"),
        (_, "PUT") => return token(instance, tokens, request),
        (_, "GET" | "HEAD") => {}
        _ => return error(405, "Method Not Allowed"),
    }
    if path == "/api/token" {
        return error(405, "Method Not Allowed").with("allow", "OPTIONS, PUT");
    }
    if instance.mode != Mode::V1Only {
        let valid = |t: &str| tokens.get(t).is_some_and(|until| Instant::now() < *until);
        if !request.header("x-aws-ec2-metadata-token").is_some_and(valid) {
            return error(401, "Unauthorized");
        }
    }
    if !VERSIONS.contains(&version) {
        return error(404, "Not Found");
    }
    let tags = version == "latest" || version >= TAGS_SINCE;
    match lookup(&tree(instance, tags), path) {
        Some(text) => Reply::new(200, text).with("content-type", "text/plain").with("server", "EC2ws"),
        None => error(404, "Not Found"),
    }
}

fn token(instance: &Instance, tokens: &mut BTreeMap<String, Instant>, request: &Request) -> Reply {
    if request.path != "/latest/api/token" {
        return error(405, "Method Not Allowed");
    }
    if request.headers.contains_key("x-forwarded-for") {
        return error(403, "Forbidden");
    }
    let ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds").and_then(|v| v.parse::<u64>().ok());
    let Some(ttl) = ttl.filter(|t| (1..=21_600).contains(t)) else {
        return error(400, "Bad Request");
    };
    let token = format!("AQAAATESTTOKEN{:06}==", tokens.len());
    tokens.insert(token.clone(), Instant::now() + Duration::from_secs(ttl));
    let mut reply = Reply::new(200, token).with("x-aws-ec2-metadata-token-ttl-seconds", ttl);
    if instance.mode == Mode::HopLimit {
        reply.end = End::Silence;
    }
    reply
}

/// Every leaf below a schema version.
fn tree(i: &Instance, tags: bool) -> BTreeMap<String, String> {
    let document = json!({
        "accountId": ACCOUNT, "architecture": "x86_64", "availabilityZone": i.zone, "billingProducts": null,
        "devpayProductCodes": null, "marketplaceProductCodes": null, "imageId": i.image, "instanceId": i.id,
        "instanceType": i.kind, "kernelId": null, "pendingTime": "2026-11-20T08:00:00Z",
        "privateIp": i.local_ipv4, "ramdiskId": null, "region": i.region, "version": "2017-09-30",
    });
    let mut tree = BTreeMap::from([
        ("/dynamic/instance-identity/document".to_owned(), serde_json::to_string_pretty(&document).unwrap()),
        ("/dynamic/instance-identity/rsa2048".into(), RSA2048.into()),
        ("/dynamic/instance-identity/signature".into(), SIGNATURE.into()),
        ("/meta-data/ami-id".into(), i.image.clone()),
        ("/meta-data/hostname".into(), i.hostname.clone()),
        ("/meta-data/instance-id".into(), i.id.clone()),
        ("/meta-data/instance-life-cycle".into(), i.life_cycle.clone()),
        ("/meta-data/instance-type".into(), i.kind.clone()),
        ("/meta-data/local-hostname".into(), i.hostname.clone()),
        ("/meta-data/local-ipv4".into(), i.local_ipv4.clone()),
        ("/meta-data/mac".into(), MAC.into()),
        (format!("/meta-data/network/interfaces/macs/{MAC}/vpc-ipv4-cidr-blocks"), "10.20.0.0/16".into()),
        ("/meta-data/placement/availability-zone".into(), i.zone.clone()),
        ("/meta-data/placement/region".into(), i.region.clone()),
        ("/meta-data/services/domain".into(), "amazonaws.com".into()),
        ("/meta-data/services/partition".into(), "aws".into()),
    ]);
    if let Some(address) = &i.local_ipv6 {
        tree.insert("/meta-data/ipv6".into(), address.clone());
    }
    if tags && i.tags_in_metadata {
        for (key, value) in &i.tags {
            tree.insert(format!("/meta-data/tags/instance/{key}"), value.clone());
        }
        if i.tags.is_empty() {
            tree.insert("/meta-data/tags/instance/".into(), String::new());
        }
    }
    if let Some(role) = &i.role {
        let arn = format!("arn:aws:iam::{ACCOUNT}:instance-profile/{role}");
        let info = json!({ "Code": "Success", "LastUpdated": "2026-11-20T08:00:00Z", "InstanceProfileArn": arn,
            "InstanceProfileId": "AIPATESTROLECALL" });
        tree.insert("/meta-data/iam/info".into(), info.to_string());
        if !i.credentials_late {
            let keys = json!({ "Code": "Success", "LastUpdated": "2026-11-20T08:00:00Z", "Type": "AWS-HMAC",
                "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "Token": i.session,
                "Expiration": "2099-01-01T00:00:00Z" });
            tree.insert(format!("/meta-data/iam/security-credentials/{role}"), keys.to_string());
        }
    }
    if let Some(state) = &i.lifecycle_state {
        tree.insert("/meta-data/autoscaling/target-lifecycle-state".into(), state.clone());
    }
    tree
}

/// A leaf, or the listing of a folder: its entries, folders with a slash.
fn lookup(tree: &BTreeMap<String, String>, path: &str) -> Option<String> {
    if let Some(text) = tree.get(path) {
        return Some(text.clone());
    }
    let folder = format!("{}/", path.trim_end_matches('/'));
    let entries: BTreeSet<String> = tree
        .keys()
        .filter_map(|leaf| leaf.strip_prefix(&folder))
        .map(|rest| rest.split_inclusive('/').next().unwrap_or_default().to_owned())
        .collect();
    let listed: Vec<String> = entries.into_iter().collect();
    (!listed.is_empty()).then(|| listed.join("\n"))
}

fn error(status: u16, title: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>{status} - {title}</title></head>\
         <body><h1>{status} - {title}</h1></body></html>"
    );
    Reply::new(status, body).with("content-type", "text/html").with("server", "EC2ws")
}
