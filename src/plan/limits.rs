//! Limits of services above what the host has.

use serde_json::Value;

use crate::{
    compose::{Diagnostic, Project, ServiceConfig, error::dotted},
    manifest::findings::Findings,
};

/// Compares with `GET /info`: the engine refuses a container that may use more processors than there are; a memory limit
/// above the memory of the host has no effect.
pub(crate) fn check(project: &Project, info: &Value, findings: &mut Findings) {
    for service in project.services.values() {
        let limits = service.deploy.as_ref().and_then(|deploy| deploy.resources.limits.as_ref());
        let deployed = ["deploy", "resources", "limits"];
        let (cpus, path) = match limits.filter(|limits| limits.cpus > 0.0) {
            Some(limits) => (limits.cpus, [&deployed[..], &["cpus"]].concat()),
            None => (service.cpus, vec!["cpus"]),
        };
        #[expect(clippy::cast_precision_loss, reason = "no host has so many processors")]
        let has = info["NCPU"].as_u64().map_or(f64::INFINITY, |count| count as f64);
        if f64::from(cpus) > has {
            let message = format!("{cpus} processors are asked for, and this host has {has}: the engine refuses that");
            findings
                .fault(placed(project, service, &path, message).help("lower the limit, or use a larger instance type"));
        }
        let (memory, path) = match limits.filter(|limits| limits.memory.0 > 0) {
            Some(limits) => (limits.memory.0, [&deployed[..], &["memory"]].concat()),
            None => (service.mem_limit.0, vec!["mem_limit"]),
        };
        let has = info["MemTotal"].as_i64().filter(|total| *total > 0).unwrap_or(i64::MAX);
        if memory > has {
            let message = format!("a limit of {} MiB is above the {} MiB of this host", memory >> 20, has >> 20);
            findings.warn(placed(project, service, &path, message));
        }
    }
}

fn placed(project: &Project, service: &ServiceConfig, below: &[&str], message: String) -> Diagnostic {
    let path = [&["services", service.name.as_str()][..], below].concat();
    Diagnostic::new(project.key_position(&path), dotted(&path), message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::execute::testing::project;

    #[test]
    fn limit_above_the_host_is_found_at_its_place() {
        let text = "services:\n  a: { image: a, cpus: 8, mem_limit: 64g }\n  b: { image: b, cpus: 2, mem_limit: 1g }\n  c:\n    image: c\n    deploy: { resources: { limits: { cpus: '2.5' } } }\n";
        let mut findings = Findings::default();
        check(&project(text), &json!({ "NCPU": 2, "MemTotal": 4_i64 << 30 }), &mut findings);
        let faults: Vec<String> = findings.diagnostics().iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0]
                .starts_with("compose.yaml:2:18: services.a.cpus: 8 processors are asked for, and this host has 2")
        );
        assert!(faults[1].starts_with("compose.yaml:6:38: services.c.deploy.resources.limits.cpus: 2.5"), "{faults:?}");
        assert_eq!(
            findings.warnings(),
            ["compose.yaml:2:27: services.a.mem_limit: a limit of 65536 MiB is above the 4096 MiB of this host"]
        );
        let mut findings = Findings::default();
        check(&project(text), &serde_json::Value::Null, &mut findings);
        assert!(findings.into_result().unwrap().is_empty(), "no engine");
    }
}
