//! `HostConfig`: how the container is run.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    compose::{Project, ServiceConfig},
    error::Result,
    plan::{
        containers::{Options, resources},
        json::{Body, mapping, texts},
        unsupported::refuse,
    },
};

/// All of `HostConfig` but networks and mounts.
pub(super) fn config(project: &Project, service: &ServiceConfig, options: &Options) -> Result<Body> {
    let (security, unconfined) = security_options(project, service, options)?;
    let mut body = Body::default();
    body.set("Annotations", mapping(&service.annotations))
        .set("CapAdd", capabilities(&service.cap_add))
        .set("CapDrop", capabilities(&service.cap_drop))
        .some("Init", service.init)
        .set("IpcMode", service.ipc.clone())
        .set("CgroupnsMode", service.cgroup.clone())
        .set("ReadonlyRootfs", service.read_only)
        .set("RestartPolicy", restart_policy(service))
        .set("ShmSize", service.shm_size.0)
        .set("Sysctls", mapping(&service.sysctls))
        .keep("PortBindings", port_bindings(service))
        .set("VolumeDriver", service.volume_driver.clone())
        .set("VolumesFrom", texts(&service.volumes_from))
        .set("Dns", texts(&service.dns))
        .set("DnsSearch", texts(&service.dns_search))
        .set("DnsOptions", texts(&service.dns_opt))
        .keep("ExtraHosts", service.extra_hosts.pairs(':'))
        .set("SecurityOpt", texts(&security))
        .set("StorageOpt", mapping(&service.storage_opt))
        .set("UsernsMode", service.userns_mode.clone())
        .set("UTSMode", service.uts.clone())
        .set("Privileged", service.privileged)
        .set("PidMode", service.pid.clone())
        .set("Tmpfs", tmpfs(service))
        .set("Isolation", service.isolation.clone())
        .set("Runtime", service.runtime.clone())
        .set("GroupAdd", texts(&service.group_add))
        .set("OomScoreAdj", service.oom_score_adj);
    if let Some(logging) = &service.logging {
        let mut log = Body::default();
        log.keep("Type", logging.driver.clone()).set("Config", mapping(&logging.options));
        body.keep("LogConfig", log);
    }
    if unconfined {
        body.keep("MaskedPaths", Vec::<String>::new()).keep("ReadonlyPaths", Vec::<String>::new());
    }
    resources::set(service, &mut body);
    Ok(body)
}

/// Capabilities by their full names, sorted, as Docker's own client sends them.
fn capabilities(names: &[String]) -> Value {
    let full = names.iter().map(|name| {
        let name = name.trim().to_uppercase();
        if name == "ALL" || name == "RESET" || name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
    });
    Value::from_iter(full.collect::<BTreeSet<_>>())
}

/// `path[:options]`.
fn tmpfs(service: &ServiceConfig) -> Value {
    let pairs = service.tmpfs.iter().map(|entry| {
        let (path, options) = entry.split_once(':').unwrap_or((entry, ""));
        (path.to_owned(), Value::from(options))
    });
    Value::Object(pairs.collect())
}

fn port_bindings(service: &ServiceConfig) -> Value {
    let mut bindings = Map::new();
    for port in &service.ports {
        let binding = json!({ "HostIp": port.host_ip, "HostPort": port.published });
        let key = format!("{}/{}", port.target, port.protocol);
        if let Some(list) = bindings.entry(key).or_insert_with(|| json!([])).as_array_mut() {
            list.push(binding);
        }
    }
    Value::Object(bindings)
}

/// `deploy.restart_policy` beats `restart`.
fn restart_policy(service: &ServiceConfig) -> Value {
    let named = |condition: &str, attempts: u64| {
        let name = match condition {
            "none" => "no",
            "any" => "always",
            other => other,
        };
        json!({ "Name": name, "MaximumRetryCount": attempts })
    };
    if let Some(policy) = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref()) {
        return named(&policy.condition, policy.max_attempts.unwrap_or_default());
    }
    if service.restart.is_empty() {
        return Value::Null;
    }
    let (name, attempts) = service.restart.split_once(':').unwrap_or((&service.restart, ""));
    named(name, attempts.parse().unwrap_or_default())
}

/// The engine's security options, and whether the masked paths of `/proc` and `/sys` are open.
fn security_options(project: &Project, service: &ServiceConfig, options: &Options) -> Result<(Vec<String>, bool)> {
    let mut parsed = Vec::new();
    let mut unconfined = false;
    for option in &service.security_opt {
        if option == "systempaths=unconfined" {
            unconfined = true;
            continue;
        }
        let pair = option.split_once('=').or_else(|| option.split_once(':'));
        match pair {
            None if option != "no-new-privileges" => {
                let why = format!("security_opt '{option}' is neither no-new-privileges nor a key=value");
                return Err(refuse(service, &why));
            }
            Some(("seccomp", profile)) if !matches!(profile, "unconfined" | "builtin") => {
                let path = project.working_dir.join(profile);
                let text = (options.read)(&path).map_err(|err| {
                    refuse(service, &format!("could not read its seccomp profile {}: {err}", path.display()))
                })?;
                let profile: Value = serde_json::from_slice(&text).map_err(|err| {
                    refuse(service, &format!("its seccomp profile {} is no JSON: {err}", path.display()))
                })?;
                parsed.push(format!("seccomp={profile}"));
            }
            _ => parsed.push(option.clone()),
        }
    }
    Ok((parsed, unconfined))
}
