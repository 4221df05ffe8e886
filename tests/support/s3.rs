//! S3, as far as reading goes: objects with versions, listings in pages, owners, regions, and refusals with the
//! codes that S3 uses. Path style.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use super::{
    http::{Reply, Request},
    imds::{ACCESS_KEY, ACCOUNT, SESSION_TOKEN},
};

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Version {
    pub id: String,
    pub body: Vec<u8>,
    pub etag: String,
    /// Headers after `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub region: String,
    pub owner: String,
    /// Anyone may read.
    pub public: bool,
    /// Refused to everyone: `s3:GetObject`, `s3:ListBucket`.
    pub denied: BTreeSet<&'static str>,
    /// Versions of each key, the last is the current one.
    pub objects: BTreeMap<String, Vec<Version>>,
}

/// All buckets.
#[derive(Clone, Debug)]
pub struct Store {
    pub buckets: BTreeMap<String, Bucket>,
    /// Keys in one page of a listing.
    pub page: usize,
    /// Whether a request that is signed for another region is sent to the bucket's own, as S3 does.
    pub regions: bool,
    requests: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self { buckets: BTreeMap::new(), page: 1000, regions: false, requests: 0 }
    }
}

impl Store {
    /// The bucket, made where it is not there: in the instance's account and region.
    pub fn bucket(&mut self, name: &str) -> &mut Bucket {
        self.buckets.entry(name.to_owned()).or_insert_with(|| Bucket {
            region: "eu-west-1".into(),
            owner: ACCOUNT.into(),
            public: false,
            denied: BTreeSet::new(),
            objects: BTreeMap::new(),
        })
    }

    /// Stores a new version of an object; its version id.
    pub fn put(&mut self, bucket: &str, key: &str, body: impl Into<Vec<u8>>) -> String {
        self.put_with(bucket, key, body, &[])
    }

    /// The same with metadata.
    pub fn put_with(&mut self, bucket: &str, key: &str, body: impl Into<Vec<u8>>, metadata: &[(&str, &str)]) -> String {
        let body = body.into();
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let versions = self.bucket(bucket).objects.entry(key.to_owned()).or_default();
        let id = format!("v{}", versions.len() + 1);
        let etag = hex::encode(&Sha256::digest(&body)[..16]);
        versions.push(Version { id: id.clone(), body, etag, metadata });
        id
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request) -> Reply {
        self.requests += 1;
        let id = format!("TESTREQUEST{:05}", self.requests);
        let reply = self.serve(request).unwrap_or_else(|refused| refused.reply(&request.path, &id));
        reply.with("x-amz-request-id", &id).with("x-amz-id-2", "test").with("server", "AmazonS3")
    }

    fn serve(&self, request: &Request) -> Result<Reply, Refused> {
        let path = request.path.trim_start_matches('/');
        let (name, key) = path.split_once('/').unwrap_or((path, ""));
        let bucket =
            self.buckets.get(name).ok_or(Refused::new(404, "NoSuchBucket", "The specified bucket does not exist"))?;
        self.region(request, bucket)?;
        authorise(request, bucket)?;
        match (request.method.as_str(), key) {
            ("HEAD", "") => Ok(Reply::new(200, "").with("x-amz-bucket-region", &bucket.region)),
            ("GET", "") if request.query.get("list-type").is_some_and(|t| t == "2") => {
                bucket.allow("s3:ListBucket")?;
                Ok(list(name, bucket, request, self.page))
            }
            ("GET" | "HEAD", key) if !key.is_empty() => get(bucket, key, request),
            _ => Err(Refused::new(501, "NotImplemented", "A header or query you provided is not implemented")),
        }
    }

    fn region(&self, request: &Request, bucket: &Bucket) -> Result<(), Refused> {
        let signed = request.header("authorization").and_then(|a| a.split('/').nth(2).map(str::to_owned));
        match signed {
            Some(region) if self.regions && region != bucket.region => {
                let text = "The bucket you are attempting to access must be addressed using the specified endpoint.";
                let status = if request.method == "HEAD" { 400 } else { 301 };
                Err(Refused::new(status, "PermanentRedirect", text).header("x-amz-bucket-region", &bucket.region))
            }
            _ => Ok(()),
        }
    }
}

impl Bucket {
    fn allow(&self, action: &'static str) -> Result<(), Refused> {
        if !self.denied.contains(action) {
            return Ok(());
        }
        Err(Refused::new(403, "AccessDenied", "Access Denied"))
    }
}

fn authorise(request: &Request, bucket: &Bucket) -> Result<(), Refused> {
    if let Some(owner) = request.header("x-amz-expected-bucket-owner")
        && owner != bucket.owner
    {
        return Err(Refused::new(403, "AccessDenied", "Access Denied"));
    }
    let Some(signature) = request.header("authorization") else {
        let text = "Access Denied";
        return if bucket.public { Ok(()) } else { Err(Refused::new(403, "AccessDenied", text)) };
    };
    if !signature.starts_with(&format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/")) {
        let text = "The AWS Access Key Id you provided does not exist in our records.";
        return Err(Refused::new(403, "InvalidAccessKeyId", text));
    }
    if request.header("x-amz-security-token").is_some_and(|token| token.starts_with("expired")) {
        return Err(Refused::new(400, "ExpiredToken", "The provided token has expired."));
    }
    if request.header("x-amz-security-token") != Some(SESSION_TOKEN) {
        return Err(Refused::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid."));
    }
    if request.header("x-amz-content-sha256").is_none() {
        return Err(Refused::new(
            400,
            "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256",
        ));
    }
    Ok(())
}

fn get(bucket: &Bucket, key: &str, request: &Request) -> Result<Reply, Refused> {
    bucket.allow("s3:GetObject")?;
    let versions = bucket.objects.get(key).filter(|v| !v.is_empty());
    let Some(versions) = versions else {
        // Without s3:ListBucket, S3 does not tell that a key is not there.
        bucket.allow("s3:ListBucket")?;
        return Err(Refused::new(404, "NoSuchKey", "The specified key does not exist."));
    };
    let version = match request.query.get("versionId") {
        None => versions.last(),
        Some(id) => versions.iter().find(|v| v.id == *id),
    };
    let version = version.ok_or(Refused::new(404, "NoSuchVersion", "The specified version does not exist."))?;
    let etag = format!("\"{}\"", version.etag);
    if request.header("if-match").is_some_and(|wanted| wanted.trim_matches('"') != version.etag) {
        let text = "At least one of the pre-conditions you specified did not hold";
        return Err(Refused::new(412, "PreconditionFailed", text));
    }
    if request.header("if-none-match").is_some_and(|known| known.trim_matches('"') == version.etag) {
        return Ok(Reply::new(304, "").with("etag", etag));
    }
    let reply = Reply::new(200, version.body.clone());
    let metadata = version.metadata.iter();
    let reply = metadata.fold(reply, |reply, (name, value)| reply.with(&format!("x-amz-meta-{name}"), value));
    Ok(reply
        .with("etag", etag)
        .with("x-amz-version-id", &version.id)
        .with("content-type", "binary/octet-stream")
        .with("last-modified", "Fri, 20 Nov 2026 08:00:00 GMT")
        .with("accept-ranges", "bytes")
        .with("x-amz-checksum-crc32", base64::engine::general_purpose::STANDARD.encode(crc32(&version.body))))
}

fn crc32(body: &[u8]) -> [u8; 4] {
    crc32fast::hash(body).to_be_bytes()
}

fn list(name: &str, bucket: &Bucket, request: &Request, page: usize) -> Reply {
    let text = |key: &str| request.query.get(key).cloned().unwrap_or_default();
    let prefix = text("prefix");
    let after = text("continuation-token").max(text("start-after"));
    let page = text("max-keys").parse().unwrap_or(1000).min(page);
    let mut found = bucket
        .objects
        .iter()
        .filter(|(key, versions)| key.starts_with(&prefix) && **key > after && !versions.is_empty())
        .peekable();
    let mut items = String::new();
    let mut last = String::new();
    let mut count = 0;
    while count < page
        && let Some((key, versions)) = found.next()
    {
        let version = &versions[versions.len() - 1];
        let _ = write!(
            items,
            "<Contents><Key>{}</Key><LastModified>2026-11-20T08:{:02}:{:02}.000Z</LastModified>\
             <ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            escape(key),
            versions.len() / 60 % 60,
            versions.len() % 60,
            version.etag,
            version.body.len()
        );
        last.clone_from(key);
        count += 1;
    }
    let more = found.peek().is_some();
    let next =
        if more { format!("<NextContinuationToken>{}</NextContinuationToken>", escape(&last)) } else { String::new() };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
         xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{name}</Name><Prefix>{}</Prefix>\
         <KeyCount>{count}</KeyCount><MaxKeys>{page}</MaxKeys><IsTruncated>{more}</IsTruncated>{items}{next}\
         </ListBucketResult>",
        escape(&prefix)
    );
    Reply::new(200, body).with("content-type", "application/xml").with("x-amz-bucket-region", &bucket.region)
}

/// An answer that S3 gives instead of what was asked for.
struct Refused {
    status: u16,
    code: &'static str,
    text: &'static str,
    header: Option<(&'static str, String)>,
}

impl Refused {
    fn new(status: u16, code: &'static str, text: &'static str) -> Self {
        Self { status, code, text, header: None }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.header = Some((name, value.to_owned()));
        self
    }

    fn reply(self, path: &str, id: &str) -> Reply {
        let reply =
            Reply::new(self.status, error(self.code, self.text, path, id)).with("content-type", "application/xml");
        match self.header {
            Some((name, value)) => reply.with(name, value),
            None => reply,
        }
    }
}

/// The XML of an error.
pub fn error(code: &str, text: &str, path: &str, id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{text}</Message>\
         <Resource>{}</Resource><RequestId>{id}</RequestId><HostId>test</HostId></Error>",
        escape(path)
    )
}

/// What S3 answers when it is asked too often; `retry_after` in seconds.
pub fn slow_down(retry_after: Option<u64>) -> Reply {
    let body = error("SlowDown", "Please reduce your request rate.", "/", "TESTREQUESTSLOW");
    let reply =
        Reply::new(503, body).with("content-type", "application/xml").with("x-amz-request-id", "TESTREQUESTSLOW");
    match retry_after {
        Some(seconds) => reply.with("retry-after", seconds),
        None => reply,
    }
}

/// Text inside XML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
