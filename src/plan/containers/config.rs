//! `Config`: what the container is, apart from how it is run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    compose::{
        Generation, Project,
        model::{Duration, HealthCheckConfig, ServiceConfig},
    },
    error::Result,
    plan::{
        containers::{Options, image_name},
        json::{Body, variables},
        unsupported,
    },
    world::ApiVersion,
};

/// The part of the body that is the container's own configuration.
pub(super) fn config(project: &Project, service: &ServiceConfig, options: &Options) -> Result<Body> {
    let proxies = options.proxies.iter().filter(|(name, _)| !service.environment.contains_key(*name));
    let proxies = proxies.map(|(name, value)| format!("{name}={value}"));
    let environment: Vec<String> = variables(&service.environment).chain(proxies).collect();
    let mut body = Body::default();
    body.set("Hostname", service.hostname.clone())
        .set("Domainname", service.domainname.clone())
        .set("User", service.user.clone())
        .set("ExposedPorts", exposed(service, options.generation))
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

fn exposed(service: &ServiceConfig, generation: Generation) -> Value {
    let ports = service.ports.iter().map(|port| format!("{}/{}", port.target, port.protocol));
    let each = |text: &String| if generation == Generation::Two { vec![text.clone()] } else { each_port(text) };
    let all: BTreeSet<String> = service.expose.iter().flat_map(each).chain(ports).collect();
    Value::Object(all.into_iter().map(|port| (port, json!({}))).collect())
}

/// The ports of a range such as `3000-3005/udp`, each alone: the engine reads no ranges. Compose does so since 5.0.
fn each_port(text: &str) -> Vec<String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let range = ports.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match range {
        Some((first, last)) if first <= last => (first..=last).map(|port: u16| format!("{port}/{protocol}")).collect(),
        _ => vec![text.to_owned()],
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposed_range_split_into_ports() {
        for (text, wanted) in [
            ("3000-3002", "3000/tcp 3001/tcp 3002/tcp"),
            ("53-54/udp", "53/udp 54/udp"),
            ("65535-65535", "65535/tcp"),
            ("80", "80"),
            ("80/udp", "80/udp"),
            ("5-3", "5-3"),
            ("1-70000", "1-70000"),
        ] {
            assert_eq!(each_port(text).join(" "), wanted, "{text}");
        }
    }
}
