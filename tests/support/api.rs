//! The other APIs of the cloud, as far as the agent asks them: `DescribeTags`, parameters, secrets, registry tokens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use base64::Engine as _;
use serde_json::{Value, json};

use super::{
    http::{Reply, Request},
    imds::{ACCESS_KEY, Instance},
    s3::escape,
};

/// What the APIs know and refuse.
#[derive(Clone, Debug, Default)]
pub struct Api {
    /// Parameters by name, with the slash in front.
    pub parameters: BTreeMap<String, String>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, String>,
    /// Actions that the role may not use, such as `ec2:DescribeTags`.
    pub denied: BTreeSet<&'static str>,
    /// How often `DescribeTags` is throttled before it answers.
    pub throttled: usize,
    /// Tags in one page.
    pub page: Option<usize>,
}

impl Api {
    /// Answers a request.
    pub fn answer(&mut self, instance: &Instance, request: &Request) -> Reply {
        let signed = request.header("authorization").is_some_and(|a| a.contains(&format!("Credential={ACCESS_KEY}/")));
        match request.header("x-amz-target").map(str::to_owned) {
            Some(target) if !signed => {
                coded(400, "UnrecognizedClientException", &format!("the security token of {target} is invalid"))
            }
            Some(target) => self.json(&target, &serde_json::from_slice(&request.body).unwrap_or(Value::Null)),
            None if !signed => {
                ec2_error(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
            }
            None => self.ec2(instance, request),
        }
    }

    fn ec2(&mut self, instance: &Instance, request: &Request) -> Reply {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        if form.get("Action").map(String::as_str) != Some("DescribeTags") {
            return ec2_error(400, "InvalidAction", "The action is not valid for this web service.");
        }
        if self.throttled > 0 {
            self.throttled -= 1;
            return ec2_error(503, "RequestLimitExceeded", "Request limit exceeded.");
        }
        if self.denied.contains("ec2:DescribeTags") {
            return ec2_error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
        }
        // A client that forgets the filter gets the tags of the whole account, as it would from EC2.
        let filtered = form.values().any(|v| *v == instance.id);
        let mut all: Vec<(&str, &str, &str)> =
            instance.tags.iter().map(|(k, v)| (instance.id.as_str(), k.as_str(), v.as_str())).collect();
        if !filtered {
            all.push(("i-0ffffffffffffffff", "Role", "somebody-else"));
        }
        let from: usize = form.get("NextToken").and_then(|t| t.parse().ok()).unwrap_or(0);
        let page = self.page.unwrap_or(1000);
        let mut items = String::new();
        for (id, key, value) in all.iter().skip(from).take(page) {
            let _ = write!(
                items,
                "<item><resourceId>{id}</resourceId><resourceType>instance</resourceType><key>{}</key>\
                 <value>{}</value></item>",
                escape(key),
                escape(value)
            );
        }
        let next =
            if from + page < all.len() { format!("<nextToken>{}</nextToken>", from + page) } else { String::new() };
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeTagsResponse \
             xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>test</requestId><tagSet>{items}</tagSet>\
             {next}</DescribeTagsResponse>"
        );
        Reply::new(200, body).with("content-type", "text/xml;charset=UTF-8")
    }

    fn json(&self, target: &str, body: &Value) -> Reply {
        let action = target.rsplit('.').next().unwrap_or_default();
        let name = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (iam, answer) = match action {
            "GetParameter" => ("ssm:GetParameter", self.parameter(&name("Name"))),
            "GetSecretValue" => ("secretsmanager:GetSecretValue", self.secret(&name("SecretId"))),
            "GetAuthorizationToken" => ("ecr:GetAuthorizationToken", login()),
            _ => ("", coded(400, "UnknownOperationException", target)),
        };
        if self.denied.contains(iam) {
            return coded(400, "AccessDeniedException", &format!("not authorized to perform: {iam}"));
        }
        answer
    }

    fn parameter(&self, name: &str) -> Reply {
        match self.parameters.get(name) {
            Some(value) => answer(&json!({ "Parameter": { "Name": name, "Type": "SecureString", "Value": value,
                "Version": 1, "DataType": "text" } })),
            None => coded(400, "ParameterNotFound", ""),
        }
    }

    fn secret(&self, name: &str) -> Reply {
        match self.secrets.get(name) {
            Some(value) => answer(&json!({ "Name": name, "SecretString": value, "VersionId": "1",
                "VersionStages": ["AWSCURRENT"], "ARN": format!("arn:aws:secretsmanager:eu-west-1:0:secret:{name}") })),
            None => coded(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
        }
    }
}

/// The password of the registry token that is handed out.
pub const REGISTRY_PASSWORD: &str = "test-registry-password";

fn login() -> Reply {
    let token = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{REGISTRY_PASSWORD}"));
    answer(&json!({ "authorizationData": [{ "authorizationToken": token, "expiresAt": 4_070_908_800.0,
        "proxyEndpoint": "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com" }] }))
}

fn answer(body: &Value) -> Reply {
    Reply::new(200, body.to_string())
        .with("content-type", "application/x-amz-json-1.1")
        .with("x-amzn-requestid", "test")
}

fn coded(status: u16, code: &str, text: &str) -> Reply {
    Reply::new(status, json!({ "__type": code, "message": text }).to_string())
        .with("content-type", "application/x-amz-json-1.1")
        .with("x-amzn-requestid", "test")
}

/// An error as EC2 writes it.
pub fn ec2_error(status: u16, code: &str, text: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
         <Message>{text}</Message></Error></Errors><RequestID>test</RequestID></Response>"
    );
    Reply::new(status, body).with("content-type", "text/xml;charset=UTF-8")
}
