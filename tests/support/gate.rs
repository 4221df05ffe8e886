//! IAM in front of the stand-ins: notes which action on which resource each request amounts to, and refuses what a
//! policy does not allow.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    http::{Reply, Request},
    imds::ACCOUNT,
    s3,
};

/// The six characters that end the ARN of each secret.
const SECRET_SUFFIX: &str = "-Ab12Cd";

/// An action on a resource, and what else the request says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub action: String,
    pub resource: String,
    /// Values of condition keys.
    pub context: BTreeMap<&'static str, String>,
}

impl Call {
    pub fn new(action: &str, resource: impl Into<String>) -> Self {
        Self { action: action.to_owned(), resource: resource.into(), context: BTreeMap::new() }
    }

    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.context.insert(key, value.into());
        self
    }
}

/// What stands between the agent and its cloud.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// The policy of the role; without one all is allowed.
    pub policy: Option<Value>,
    /// Keys that parameters, secrets and objects are encrypted with, by ARN.
    pub encrypted: BTreeMap<String, String>,
    /// Everything that was asked, allowed or not.
    pub calls: BTreeSet<Call>,
}

impl Gate {
    /// Notes the calls; the first that is not allowed.
    pub fn pass(&mut self, calls: Vec<Call>) -> Option<Call> {
        self.calls.extend(calls.iter().cloned());
        calls.into_iter().find(|call| !self.allows(call))
    }

    /// Whether the policy allows a call.
    pub fn allows(&self, call: &Call) -> bool {
        self.policy.as_ref().is_none_or(|policy| allows(policy, call))
    }

    /// What a request of a service amounts to. Services use keys with the permissions of who asks them.
    pub fn calls(&self, request: &Request) -> Vec<Call> {
        let signed = request.header("authorization").unwrap_or_default();
        let scope: Vec<&str> = signed
            .split([' ', ','])
            .find_map(|w| w.strip_prefix("Credential="))
            .map_or_else(Vec::new, |credential| credential.split('/').collect());
        let [_, _, region, service, _] = scope[..] else { return Vec::new() };
        let call = match service {
            "s3" => object(request),
            "ec2" | "autoscaling" => query(request, service, region),
            _ => json(request, service, region),
        };
        let key = self.encrypted.get(&call.resource).map(|key| {
            Call::new("kms:Decrypt", key).with("kms:ViaService", format!("{service}.{region}.amazonaws.com"))
        });
        std::iter::once(call).chain(key).collect()
    }
}

fn object(request: &Request) -> Call {
    let path = request.path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if key.is_empty() {
        let list = Call::new("s3:ListBucket", format!("arn:aws:s3:::{bucket}"));
        return match request.query.get("prefix") {
            Some(prefix) => list.with("s3:prefix", prefix),
            None => list,
        };
    }
    let action = if request.query.contains_key("versionId") { "s3:GetObjectVersion" } else { "s3:GetObject" };
    Call::new(action, format!("arn:aws:s3:::{bucket}/{key}"))
}

fn query(request: &Request, service: &str, region: &str) -> Call {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let get = |name: &str| form.get(name).cloned().unwrap_or_default();
    let action = format!("{service}:{}", get("Action"));
    match form.get("AutoScalingGroupName") {
        Some(group) => Call::new(
            &action,
            format!("arn:aws:autoscaling:{region}:{ACCOUNT}:autoScalingGroup:0f1e2d3c:autoScalingGroupName/{group}"),
        ),
        None => Call::new(&action, "*"),
    }
}

fn json(request: &Request, service: &str, region: &str) -> Call {
    let target = request.header("x-amz-target").unwrap_or_default();
    let action = format!("{service}:{}", target.rsplit('.').next().unwrap_or_default());
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let name = ["Name", "SecretId"].into_iter().find_map(|key| body[key].as_str()).unwrap_or_default();
    let resource = match service {
        _ if name.starts_with("arn:") => name.to_owned(),
        "ssm" => format!("arn:aws:ssm:{region}:{ACCOUNT}:parameter/{}", name.trim_start_matches('/')),
        "secretsmanager" => format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}{SECRET_SUFFIX}"),
        _ => "*".to_owned(),
    };
    Call::new(&action, resource)
}

/// What a request of a private registry amounts to.
pub fn of_registry(request: &Request, region: &str) -> Option<Call> {
    let path = request.path.strip_prefix("/v2/")?;
    let actions = [("/manifests/", "ecr:BatchGetImage"), ("/blobs/", "ecr:GetDownloadUrlForLayer")];
    actions.into_iter().find_map(|(part, action)| {
        let (repository, _) = path.split_once(part)?;
        Some(Call::new(action, format!("arn:aws:ecr:{region}:{ACCOUNT}:repository/{repository}")))
    })
}

/// The refusal, as the service writes it that was asked; it may lack a permission for another one, as for a key.
pub fn refusal(asked: &str, call: &Call) -> Reply {
    let Call { action, resource, .. } = call;
    let text = format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/rolecall-test-role/i-0abcdef1234567890 is not authorized to perform: \
         {action} on resource: {resource} because no identity-based policy allows the {action} action"
    );
    let xml = |body: String| Reply::new(403, body).with("content-type", "text/xml");
    match asked.split(':').next().unwrap_or_default() {
        "s3" => xml(s3::error("AccessDenied", &text, "", "TESTREQUESTGATE")),
        "ec2" => super::api::ec2_error(403, "UnauthorizedOperation", &text),
        "autoscaling" => super::scaling::error(403, "AccessDenied", &text),
        _ => Reply::new(400, serde_json::json!({ "__type": "AccessDeniedException", "message": text }).to_string())
            .with("content-type", "application/x-amz-json-1.1"),
    }
}

/// Whether a statement of the policy allows the call.
pub fn allows(policy: &Value, call: &Call) -> bool {
    let any = |value: &Value, text: &str| texts(value).iter().any(|pattern| matches(pattern, text));
    statements(policy).iter().any(|statement| {
        assert_eq!(statement["Effect"], "Allow");
        any(&statement["Action"], &call.action)
            && any(&statement["Resource"], &call.resource)
            && conditions(statement).iter().all(|(operator, key, values)| {
                assert!(matches!(operator.as_str(), "StringEquals" | "StringLike"), "{operator} is not known here");
                let value = call.context.iter().find(|(name, _)| *name == key).map(|(_, value)| value);
                value.is_some_and(|value| values.iter().any(|pattern| matches(pattern, value)))
            })
    })
}

/// The statements of a policy.
pub fn statements(policy: &Value) -> &Vec<Value> {
    assert_eq!(policy["Version"], "2012-10-17");
    policy["Statement"].as_array().unwrap()
}

/// Operator, key and values of all conditions of a statement.
pub fn conditions(statement: &Value) -> Vec<(String, String, Vec<String>)> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    operators
        .flat_map(|(operator, keys)| {
            let keys = keys.as_object().unwrap().iter();
            keys.map(|(key, values)| (operator.clone(), key.clone(), texts(values))).collect::<Vec<_>>()
        })
        .collect()
}

/// A text, or a list of them.
pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        other => other.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
    }
}

/// Whether a text fits a pattern: `*` is anything, `?` one character, `${*}` and the like what stands in the braces.
pub fn matches(pattern: &str, text: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("${") {
        let (literal, rest) = rest.split_once('}').expect("a variable ends");
        assert!(matches!(literal, "*" | "?" | "$"), "{literal} is not known here");
        return text.strip_prefix(literal).is_some_and(|text| matches(rest, text));
    }
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match (first, text.chars().next()) {
        ('*', Some(next)) => matches(rest, text) || matches(pattern, &text[next.len_utf8()..]),
        ('*', None) => matches(rest, text),
        ('?', Some(next)) => matches(rest, &text[next.len_utf8()..]),
        (c, Some(next)) if c == next => matches(rest, &text[next.len_utf8()..]),
        _ => false,
    }
}
