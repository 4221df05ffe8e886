//! `CloudApi` on the SDK: tags, parameters, secrets, registry logins and lifecycle hooks.

use std::{collections::BTreeMap, rc::Rc};

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use base64::Engine as _;

use super::{
    Clients, Shared,
    classify::{Call, Failure},
};
use crate::{
    error::{Cause, Error, Result},
    redact::Secret,
    world::{CloudApi, LifecycleCall, RegistryLogin},
};

pub(super) struct Cloud {
    shared: Rc<Shared>,
    ec2: Clients<String, aws_sdk_ec2::Client>,
    ssm: Clients<String, aws_sdk_ssm::Client>,
    secrets: Clients<String, aws_sdk_secretsmanager::Client>,
    ecr: Clients<String, aws_sdk_ecr::Client>,
    scaling: Clients<String, aws_sdk_autoscaling::Client>,
}

impl Cloud {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self {
            shared,
            ec2: Clients::new(),
            ssm: Clients::new(),
            secrets: Clients::new(),
            ecr: Clients::new(),
            scaling: Clients::new(),
        }
    }

    async fn config(&self, region: &str) -> SdkConfig {
        let config = self.shared.config(Some(region)).await;
        config.to_builder().region(Region::new(region.to_owned())).build()
    }
}

fn call<'a>(what: &'a str, need: &'a str, missing: Cause) -> Call<'a> {
    Call { what, need, unreachable: Cause::CloudUnreachable, denied: Cause::CloudDenied, missing }
}

fn nothing(call: &Call<'_>, what: &str) -> Error {
    Error::new(call.missing, format!("could not {}: the answer holds no {what}", call.what))
}

#[async_trait(?Send)]
impl CloudApi for Cloud {
    async fn tags(&self, region: &str, instance: &str) -> Result<BTreeMap<String, String>> {
        let what = format!("read the tags of {instance} with ec2:DescribeTags");
        let call = call(&what, "ec2:DescribeTags on *", Cause::CloudUnreachable);
        let config = self.config(region).await;
        let client = self.ec2.get(region.to_owned(), || aws_sdk_ec2::Client::new(&config));
        let filter = aws_sdk_ec2::types::Filter::builder().name("resource-id").values(instance).build();
        let mut tags = BTreeMap::new();
        let mut page = None;
        loop {
            let request = client.describe_tags().filters(filter.clone()).set_next_token(page);
            let answer = request.send().await.map_err(|err| self.shared.failure(&err).error(&call))?;
            for tag in answer.tags() {
                if let (Some(key), Some(value)) = (tag.key(), tag.value()) {
                    tags.insert(key.to_owned(), value.to_owned());
                }
            }
            match answer.next_token.filter(|token| !token.is_empty()) {
                Some(token) => page = Some(token),
                None => return Ok(tags),
            }
        }
    }

    async fn parameter(&self, region: &str, name: &str) -> Result<Secret<String>> {
        let what = format!("read parameter {name} in {region}");
        let need = format!("ssm:GetParameter on parameter {name} (and kms:Decrypt on its key)");
        let call = call(&what, &need, Cause::ValueMissing);
        let config = self.config(region).await;
        let client = self.ssm.get(region.to_owned(), || aws_sdk_ssm::Client::new(&config));
        let answer = client.get_parameter().name(name).with_decryption(true).send().await;
        let answer = answer.map_err(|err| self.shared.failure(&err).error(&call))?;
        let value = answer.parameter.and_then(|parameter| parameter.value);
        value.map(Secret::new).ok_or_else(|| nothing(&call, "value"))
    }

    async fn secret(&self, region: &str, id: &str, stage: Option<&str>) -> Result<Secret<String>> {
        let what = format!("read secret {id} in {region}");
        let need = format!("secretsmanager:GetSecretValue on secret {id} (and kms:Decrypt on its key)");
        let call = call(&what, &need, Cause::ValueMissing);
        let config = self.config(region).await;
        let client = self.secrets.get(region.to_owned(), || aws_sdk_secretsmanager::Client::new(&config));
        let request = client.get_secret_value().secret_id(id).set_version_stage(stage.map(str::to_owned));
        let answer = request.send().await.map_err(|err| self.shared.failure(&err).error(&call))?;
        if let Some(text) = answer.secret_string {
            return Ok(Secret::new(text));
        }
        let bytes = answer.secret_binary.map(aws_smithy_types::Blob::into_inner).unwrap_or_default();
        match String::from_utf8(bytes) {
            Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
            _ => Err(nothing(&call, "text: a binary secret cannot be a variable")),
        }
    }

    async fn registry_login(&self, region: &str, account: &str) -> Result<RegistryLogin> {
        let what = format!("get a login for the registry of account {account} in {region}");
        let call = call(&what, "ecr:GetAuthorizationToken on *", Cause::CloudUnreachable);
        let config = self.config(region).await;
        let client = self.ecr.get(region.to_owned(), || aws_sdk_ecr::Client::new(&config));
        // The token opens every registry that the role may read, whichever account it was asked for.
        let answer = client.get_authorization_token().send().await;
        let answer = answer.map_err(|err| self.shared.failure(&err).error(&call))?;
        let token = answer.authorization_data().iter().find_map(|data| data.authorization_token());
        let token = token.ok_or_else(|| nothing(&call, "token"))?;
        let unreadable = || Error::new(call.unreachable, format!("could not {what}: the token cannot be read"));
        let plain = base64::engine::general_purpose::STANDARD.decode(token).map_err(|_| unreadable())?;
        let plain = String::from_utf8(plain).map_err(|_| unreadable())?;
        let (user, password) = plain.split_once(':').ok_or_else(unreadable)?;
        Ok(RegistryLogin { user: user.to_owned(), password: Secret::new(password.to_owned()) })
    }

    async fn lifecycle(&self, region: &str, told: &LifecycleCall) -> Result<bool> {
        let LifecycleCall { group, hook, instance, verdict } = told;
        let config = self.config(region).await;
        let client = self.scaling.get(region.to_owned(), || aws_sdk_autoscaling::Client::new(&config));
        let (action, failure) = if let Some(verdict) = verdict {
            let request = client.complete_lifecycle_action().auto_scaling_group_name(group);
            let request = request.lifecycle_hook_name(hook).instance_id(instance);
            let answer = request.lifecycle_action_result(verdict.name()).send().await;
            ("CompleteLifecycleAction", answer.err().map(|err| self.shared.failure(&err)))
        } else {
            let request = client.record_lifecycle_action_heartbeat().auto_scaling_group_name(group);
            let answer = request.lifecycle_hook_name(hook).instance_id(instance).send().await;
            ("RecordLifecycleActionHeartbeat", answer.err().map(|err| self.shared.failure(&err)))
        };
        match failure {
            None => Ok(true),
            Some(Failure::Answer(answer)) if answer.nothing_waits() => Ok(false),
            Some(failure) => {
                let what = match verdict {
                    Some(verdict) => format!("answer {} to hook {hook} of group {group}", verdict.name()),
                    None => format!("have hook {hook} of group {group} wait longer"),
                };
                let need = format!("autoscaling:{action} on group {group}");
                Err(failure.error(&call(&what, &need, Cause::CloudUnreachable)))
            }
        }
    }
}
