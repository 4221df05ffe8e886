//! The environment as one value, so that tests do not have to change the process's own.

use std::collections::BTreeMap;

/// Environment variables. An empty value counts as not given, as it does for most tools that read these names.
#[derive(Clone, Debug, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process; those that are not UTF-8 are left out.
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether a variable says yes (`true` in any case, or `1`).
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// The endpoint that S3 requests go to, where it is not the cloud's own.
    pub fn s3_endpoint(&self) -> Option<&str> {
        if self.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
            return None;
        }
        self.get("AWS_ENDPOINT_URL_S3").or_else(|| self.get("AWS_ENDPOINT_URL"))
    }

    /// Variables that send requests to AWS in the clear and off this machine, where anyone on the way could change what is
    /// fetched.
    pub fn plain_endpoints(&self) -> Vec<&str> {
        let plain = |value: &str| {
            let url = url::Url::parse(value).ok().filter(|url| url.scheme() == "http");
            url.is_some_and(|url| match url.host() {
                Some(url::Host::Ipv4(ip)) => !(ip.is_loopback() || ip.is_link_local()),
                Some(url::Host::Ipv6(ip)) => !(ip.is_loopback() || ip.is_unicast_link_local()),
                Some(url::Host::Domain(name)) => name != "localhost",
                None => false,
            })
        };
        let endpoints = self.0.iter().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"));
        endpoints.filter(|(_, value)| plain(value)).map(|(name, _)| name.as_str()).collect()
    }

    /// Whether S3 is that of AWS, which checks the owner of a bucket: also by a dual-stack, FIPS or VPC endpoint.
    pub fn s3_is_aws(&self) -> bool {
        /// Domains of the partitions: `dnsSuffix` and `dualStackDnsSuffix` in
        /// <https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json>.
        const DOMAINS: [&str; 14] = [
            "amazonaws.com",
            "api.aws",
            "amazonaws.com.cn",
            "api.amazonwebservices.com.cn",
            "amazonaws.eu",
            "api.amazonwebservices.eu",
            "c2s.ic.gov",
            "api.aws.ic.gov",
            "sc2s.sgov.gov",
            "api.aws.scloud",
            "csp.hci.ic.gov",
            "api.aws.hci.ic.gov",
            "cloud.adc-e.uk",
            "api.cloud-aws.adc-e.uk",
        ];
        let Some(endpoint) = self.s3_endpoint() else { return true };
        let url = url::Url::parse(endpoint).ok();
        let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default().trim_end_matches('.');
        DOMAINS.iter().any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
    }

    /// The variables whose names `wanted` accepts, in the order of their names.
    pub fn matching(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&str, &str)> {
        let all = self.0.iter().filter(|(name, _)| wanted(name));
        all.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The region that the environment names.
    pub fn region(&self) -> Option<&str> {
        self.get("AWS_REGION").or_else(|| self.get("AWS_DEFAULT_REGION"))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
