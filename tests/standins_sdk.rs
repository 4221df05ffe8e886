//! The stand-ins for metadata and S3 before the real SDK: what it sends they must take, what they send it must read.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::{Client, config::Builder, error::ProvideErrorMetadata as _, operation::RequestId as _};
use rolecall::{aws::http::SplitClient, settings::Env, tls::Trust};

use crate::support::{
    aws::Aws,
    http::{Fault, Kind},
    imds::Imds,
    s3::slow_down,
};

struct Sdk {
    _imds: Imds,
    aws: Aws,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// A client whose credentials come from our metadata.
fn sdk() -> Sdk {
    let imds = Imds::start();
    let aws = Aws::start(imds.instance.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let env = Env::default();
        let http = SplitClient::new(&env, Trust::from_env(&env));
        let provider = aws_config::provider_config::ProviderConfig::without_region().with_http_client(http.clone());
        let metadata =
            aws_config::imds::Client::builder().configure(&provider).endpoint(imds.server.url()).unwrap().build();
        let credentials = aws_config::imds::credentials::ImdsCredentialsProvider::builder()
            .imds_client(metadata)
            .configure(&provider)
            .build();
        let config: SdkConfig = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region("eu-west-1")
            .endpoint_url(aws.server.url())
            .credentials_provider(credentials)
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .load()
            .await;
        Client::from_conf(Builder::from(&config).force_path_style(true).build())
    });
    Sdk { _imds: imds, aws, client, runtime }
}

#[test]
fn the_sdk_reads_objects_versions_and_pages() {
    let sdk = sdk();
    let old = sdk.aws.put("bucket", "a b/ü+&.txt", "old");
    sdk.aws.put("bucket", "a b/ü+&.txt", "new");
    for n in 0..5 {
        sdk.aws.put("bucket", &format!("list/{n}"), vec![b'x'; n]);
    }
    sdk.aws.store(|s| s.page = 2);
    sdk.runtime.block_on(async {
        let got = sdk.client.get_object().bucket("bucket").key("a b/ü+&.txt").send().await.unwrap();
        let etag = got.e_tag().unwrap().to_owned();
        assert_eq!(got.version_id(), Some("v2"));
        assert_eq!(got.body.collect().await.unwrap().to_vec(), b"new");
        let pinned = sdk.client.get_object().bucket("bucket").key("a b/ü+&.txt").version_id(old).send().await.unwrap();
        assert_ne!(pinned.e_tag().unwrap(), etag);
        let mut pages = sdk.client.list_objects_v2().bucket("bucket").prefix("list/").into_paginator().send();
        let mut seen = Vec::new();
        while let Some(page) = pages.next().await {
            seen.extend(page.unwrap().contents().iter().map(|o| (o.key().unwrap().to_owned(), o.size().unwrap())));
        }
        let wanted: Vec<(String, i64)> = (0..5).map(|n| (format!("list/{n}"), n)).collect();
        assert_eq!(seen, wanted);
        let stale = sdk.client.get_object().bucket("bucket").key("list/1").if_match("\"other\"").send().await;
        assert_eq!(stale.unwrap_err().raw_response().unwrap().status().as_u16(), 412);
    });
}

#[test]
fn the_sdk_sees_the_codes_of_s3() {
    let sdk = sdk();
    sdk.aws.put("bucket", "key", "content");
    let code = |key: &str, owner: Option<&str>| {
        let call =
            sdk.client.get_object().bucket("bucket").key(key).set_expected_bucket_owner(owner.map(str::to_owned));
        let err = sdk.runtime.block_on(call.send()).unwrap_err();
        assert!(err.request_id().is_some());
        err.into_service_error().code().unwrap_or_default().to_owned()
    };
    assert_eq!(code("missing", None), "NoSuchKey");
    assert_eq!(code("key", Some("999999999999")), "AccessDenied");
    sdk.aws.server.fault(Fault::on("key", Kind::Answer(slow_down(Some(3)))).times(1));
    assert_eq!(code("key", None), "SlowDown");
    sdk.aws.store(|s| s.bucket("bucket").denied.insert("s3:ListBucket"));
    assert_eq!(code("missing", None), "AccessDenied");
    sdk.aws.store(|s| {
        s.regions = true;
        s.bucket("bucket").region = "us-east-2".into();
    });
    assert_eq!(code("key", None), "PermanentRedirect");
}
