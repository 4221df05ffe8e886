//! `Config`: what the container is, apart from how it is run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    compose::{
        Project,
        model::{Duration, HealthCheckConfig, ServiceConfig},
    },
    error::Result,
    plan::{
        containers::{Options, image_name},
        json::Body,
        unsupported,
    },
    world::ApiVersion,
};

/// The part of the body that is the container's own configuration.
pub(super) fn config(project: &Project, service: &ServiceConfig, options: &Options) -> Result<Body> {
    let proxies = options.proxies.iter().filter(|(name, _)| !service.environment.contains_key(*name));
    let environment: Vec<String> = service
        .environment
        .iter()
        .map(|(key, value)| value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}")))
        .chain(proxies.map(|(name, value)| format!("{name}={value}")))
        .collect();
    let mut body = Body::default();
    body.set("Hostname", service.hostname.clone())
        .set("Domainname", service.domainname.clone())
        .set("User", service.user.clone())
        .set("ExposedPorts", exposed(service))
        .set("Tty", service.tty)
        .set("OpenStdin", service.stdin_open)
        .keep("AttachStdout", true)
        .keep("AttachStderr", true)
        .some("Cmd", service.command.clone())
        .keep("Image", options.mirrors.known_as(&image_name(project, service)))
        .set("WorkingDir", service.working_dir.clone())
        .some("Entrypoint", service.entrypoint.clone())
        .set("NetworkDisabled", service.network_mode == "disabled")
        .set("StopSignal", service.stop_signal.clone())
        .set("Env", environment)
        .some("StopTimeout", service.stop_grace_period.map(|grace| grace.0 / 1_000_000_000));
    if let Some(check) = &service.healthcheck {
        body.keep("Healthcheck", health(service, check, options.api)?);
    }
    Ok(body)
}

fn exposed(service: &ServiceConfig) -> Value {
    let ports = service.ports.iter().map(|port| format!("{}/{}", port.target, port.protocol));
    let all: BTreeSet<String> = service.expose.iter().cloned().chain(ports).collect();
    Value::Object(all.into_iter().map(|port| (port, json!({}))).collect())
}

fn health(service: &ServiceConfig, check: &HealthCheckConfig, api: ApiVersion) -> Result<Value> {
    let nanos = |d: Option<Duration>| d.map_or(0, |d| d.0);
    if check.start_interval.is_some() {
        unsupported::needs(service, "healthcheck.start_interval", api, ApiVersion(1, 44), "Docker 25")?;
        if check.start_period.is_none() {
            let why = "healthcheck.start_interval has no effect without healthcheck.start_period";
            return Err(unsupported::refuse(service, why));
        }
    }
    let test = if check.disable { vec!["NONE".to_owned()] } else { check.test.clone() };
    let mut body = Body::default();
    body.set("Test", test)
        .set("Interval", nanos(check.interval))
        .set("Timeout", nanos(check.timeout))
        .set("StartPeriod", nanos(check.start_period))
        .set("StartInterval", nanos(check.start_interval))
        .set("Retries", check.retries.unwrap_or_default());
    Ok(body.into())
}
