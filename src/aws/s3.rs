//! `ObjectStore` on the SDK: owners, regions, limits.

mod mode;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use async_trait::async_trait;
use aws_config::Region;
use aws_sdk_s3::{Client, primitives::ByteStream};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{
    Clients, Shared,
    classify::{Answer, Call, Failure},
};
use crate::{
    error::{Cause, Class, Error, Result},
    tls,
    world::{Object, ObjectEntry, ObjectRef, ObjectRequest, ObjectStore},
};

/// A stream that gives no byte for so long has died.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) struct S3 {
    shared: Rc<Shared>,
    clients: Clients<(String, bool), Client>,
    /// Regions that buckets turned out to be in.
    regions: RefCell<BTreeMap<String, String>>,
    /// Owners that buckets turned out to have, of those that are allowed.
    owners: RefCell<BTreeMap<String, String>>,
}

impl S3 {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self {
            shared,
            clients: Clients::new(),
            regions: RefCell::new(BTreeMap::new()),
            owners: RefCell::new(BTreeMap::new()),
        }
    }

    async fn client(&self, region: &str, bucket: &str) -> Client {
        let config = self.shared.config(Some(region)).await;
        // A dot in the name breaks the wildcard certificate of virtual hosts; other stores have no virtual hosts.
        let path_style = bucket.contains('.') || self.shared.env.s3_endpoint().is_some();
        self.clients.get((region.to_owned(), path_style), || {
            let config = aws_sdk_s3::config::Builder::from(config)
                .region(Region::new(region.to_owned()))
                .force_path_style(path_style)
                .build();
            Client::from_conf(config)
        })
    }

    /// Runs a call in the region of the bucket, which the answer to a first call elsewhere tells.
    async fn regional<T, E>(
        &self,
        bucket: &str,
        request: &ObjectRequest,
        op: impl AsyncFn(Client) -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let known = self.regions.borrow().get(bucket).cloned();
        let region = known.unwrap_or_else(|| self.shared.region(request.region.as_deref()));
        let failure = match op(self.client(&region, bucket).await).await {
            Ok(found) => return Ok(found),
            Err(err) => self.shared.failure(&err),
        };
        let Failure::Answer(Answer { region: Some(other), .. }) = &failure else { return Err(failure) };
        if *other == region || self.shared.env.s3_endpoint().is_some() {
            return Err(failure);
        }
        let client = self.client(other, bucket).await;
        self.regions.borrow_mut().insert(bucket.to_owned(), other.clone());
        op(client).await.map_err(|err| self.shared.failure(&err))
    }

    /// Runs a call with each allowed owner in turn, until one is not refused. `probe` is the same call without an
    /// owner, whose content nobody reads: where that is allowed, the owner was what was wrong.
    async fn owned<T>(
        &self,
        bucket: &str,
        request: &ObjectRequest,
        call: &Call<'_>,
        op: impl AsyncFn(Option<String>) -> Result<T, Failure>,
        probe: impl AsyncFn() -> Result<(), Failure>,
    ) -> Result<T> {
        if request.owners.is_empty() {
            return op(None).await.map_err(|failure| told(&failure, call));
        }
        let known = self.owners.borrow().get(bucket).filter(|owner| request.owners.contains(owner)).cloned();
        let candidates: Vec<String> = known.map_or_else(|| request.owners.clone(), |owner| vec![owner]);
        let mut refused = None;
        for owner in candidates {
            match op(Some(owner.clone())).await {
                Ok(found) => {
                    self.owners.borrow_mut().insert(bucket.to_owned(), owner);
                    return Ok(found);
                }
                Err(failure) if failure.class() == Class::Denied => refused = Some(failure),
                Err(failure) => return Err(told(&failure, call)),
            }
        }
        self.owners.borrow_mut().remove(bucket);
        let allowed = match probe().await {
            Ok(()) => true,
            // Whoever may be told that a key does not exist is not kept out by a permission.
            Err(Failure::Answer(answer)) => answer.missing(),
            Err(_) => false,
        };
        match refused {
            _ if allowed => Err(Error::new(
                Cause::OwnerMismatch,
                format!("bucket {bucket} does not belong to account {}", request.owners.join(" or ")),
            )
            .hint("if that account is meant, name it in --bucket-owners, ROLECALL_BUCKET_OWNERS or config.toml")),
            Some(failure) => Err(told(&failure, call)),
            None => Err(Error::new(call.denied, format!("could not {}: refused", call.what))),
        }
    }
}

/// The error of an S3 call; 403 and 404 need more words than other services' do.
fn told(failure: &Failure, call: &Call<'_>) -> Error {
    let mut err = failure.error(call);
    let Failure::Answer(answer) = failure else { return err };
    let said = answer.message.as_deref().unwrap_or_default();
    match answer.code() {
        _ if answer.status == 412 => {
            err = Error::new(Cause::SourceUnreachable, format!("could not {}: it changed meanwhile", call.what))
                .transient();
        }
        "InvalidObjectState" => {
            err = err.hint("the object is archived: restore it, or put it in another storage class");
        }
        _ if matches!(answer.status, 301 | 307 | 400) && answer.region.is_some() => {
            let region = answer.region.as_deref().unwrap_or_default();
            err = err
                .need(format!("the endpoint of {region}"))
                .hint(format!("the bucket is in {region}: name the endpoint of that region, or none at all"));
        }
        _ if err.class == Class::Denied && said.contains("kms:") => {
            err =
                err.need("kms:Decrypt on the key of the bucket").hint("allow kms:Decrypt on the key that encrypts it");
        }
        _ if err.class == Class::Denied => {
            err = err.hint(format!(
                "allow {}; without s3:ListBucket on the bucket a missing key is refused like this too",
                call.need
            ));
        }
        _ => {}
    }
    err
}

fn call<'a>(what: &'a str, need: &'a str) -> Call<'a> {
    Call {
        what,
        need,
        unreachable: Cause::SourceUnreachable,
        denied: Cause::SourceDenied,
        missing: Cause::SourceNotFound,
    }
}

#[async_trait(?Send)]
impl ObjectStore for S3 {
    async fn get(&self, object: &ObjectRef, request: &ObjectRequest) -> Result<Object> {
        let ObjectRef { bucket, key, version } = object;
        let what = format!("read s3://{bucket}/{key}");
        let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        let need = format!("{action} on arn:{}:s3:::{bucket}/{key}", partition(request.region.as_deref()));
        let call = call(&what, &need);
        let get = async |owner: Option<String>| {
            let op = async |client: Client| {
                let get = client.get_object().bucket(bucket).key(key).set_version_id(version.clone());
                let get = get.set_if_match(request.etag.as_ref().map(|etag| format!("\"{etag}\"")));
                get.set_expected_bucket_owner(owner.clone()).send().await
            };
            self.regional(bucket, request, op).await
        };
        let probe = async || {
            let op = async |client: Client| {
                client.get_object().bucket(bucket).key(key).set_version_id(version.clone()).send().await
            };
            self.regional(bucket, request, op).await.map(|_| ())
        };
        let answer = self.owned(bucket, request, &call, get, probe).await?;
        let announced = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let etag = answer.e_tag.as_deref().map(unquoted);
        let version = answer.version_id.clone();
        let mode = answer.metadata().and_then(|metadata| mode::of(&format!("s3://{bucket}/{key}"), metadata));
        let body = read(answer.body, announced, request.limit, &what).await?;
        Ok(Object { body, etag, version, mode })
    }

    async fn list(&self, bucket: &str, prefix: &str, request: &ObjectRequest, most: usize) -> Result<Vec<ObjectEntry>> {
        let what = format!("list s3://{bucket}/{prefix}");
        let need = format!("s3:ListBucket on arn:{}:s3:::{bucket}", partition(request.region.as_deref()));
        let call = call(&what, &need);
        let mut entries = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let list = async |owner: Option<String>| {
                let op = async |client: Client| {
                    let list = client.list_objects_v2().bucket(bucket).prefix(prefix);
                    list.set_continuation_token(page.clone()).set_expected_bucket_owner(owner.clone()).send().await
                };
                self.regional(bucket, request, op).await
            };
            let probe = async || {
                let op = async |client: Client| {
                    client.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(1).send().await
                };
                self.regional(bucket, request, op).await.map(|_| ())
            };
            let answer = self.owned(bucket, request, &call, list, probe).await?;
            for object in answer.contents() {
                let Some(key) = object.key() else { continue };
                entries.push(ObjectEntry {
                    key: key.to_owned(),
                    size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                    etag: object.e_tag().map(unquoted).unwrap_or_default(),
                    modified: object.last_modified().and_then(|at| at.to_millis().ok()),
                });
            }
            if entries.len() > most {
                return Err(Error::new(
                    Cause::SourceTooLarge,
                    format!("s3://{bucket}/{prefix} holds more than {most} objects"),
                )
                .hint("name a smaller prefix as source"));
            }
            page = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
            if page.is_none() {
                entries.sort_by(|a, b| a.key.cmp(&b.key));
                return Ok(entries);
            }
        }
    }
}

/// ARNs of other partitions start differently.
fn partition(region: Option<&str>) -> &'static str {
    match region.unwrap_or_default() {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// Reads a body whole: bounded, under an idle timeout, and complete.
async fn read(mut body: ByteStream, announced: Option<u64>, limit: u64, what: &str) -> Result<Vec<u8>> {
    let too_large = |size: &str| {
        Error::new(Cause::SourceTooLarge, format!("could not {what}: it has {size} bytes, the limit is {limit}"))
    };
    let broke =
        |reason: String| Error::new(Cause::SourceUnreachable, format!("could not {what}: {reason}")).transient();
    if let Some(announced) = announced.filter(|size| *size > limit) {
        return Err(too_large(&announced.to_string()));
    }
    let mut bytes = Vec::new();
    loop {
        match tokio::time::timeout(IDLE_TIMEOUT, body.next()).await {
            Err(_) => return Err(broke(format!("no byte came for {} s", IDLE_TIMEOUT.as_secs()))),
            Ok(None) => break,
            Ok(Some(Err(err))) => {
                return Err(broke(format!("it broke off after {} bytes: {}", bytes.len(), tls::root_cause(&err))));
            }
            Ok(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
        }
        if bytes.len() as u64 > limit {
            return Err(too_large("more"));
        }
    }
    match announced {
        Some(announced) if announced != bytes.len() as u64 => {
            Err(broke(format!("it was truncated: {} of {announced} bytes came", bytes.len())))
        }
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests;
