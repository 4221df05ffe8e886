//! Values that every engine refuses when it creates a container: it names neither file nor line, and by then other
//! containers may have been replaced.

use super::Subject;
use crate::{
    compose::{Diagnostic, Project, ServiceConfig, error::dotted},
    image_ref::ImageRef,
    manifest::findings::Findings,
    plan::containers,
};

/// Stands for a value of `x-rolecall.variables` that is not known yet, and for any text with such a value in it.
const UNKNOWN: &str = "placeholder";

/// The engine takes no lower limit.
const MIN_MEMORY: i64 = 6 << 20;

/// The shortest time of a health check, in nanoseconds.
const MIN_CHECK: i64 = 1_000_000;

/// The signals of Linux by the names that the engine knows, but those of `RTMIN` and `RTMAX`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// capabilities(7), without `CAP_`, and the words of the engine for all and for the usual ones.
const CAPABILITIES: &[&str] = &[
    "ALL",
    "RESET",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for (project, service) in subject.project.iter().flat_map(|p| p.services.values().map(move |service| (p, service)))
    {
        let mut values = Values { project, service, on_host: subject.on_host, findings };
        values.image();
        values.names();
        values.restart();
        values.paths();
        values.memory();
        values.processors();
        values.health();
    }
}

struct Values<'a> {
    project: &'a Project,
    service: &'a ServiceConfig,
    on_host: bool,
    findings: &'a mut Findings,
}

impl Values<'_> {
    fn refuse(&mut self, below: &[&str], why: String, help: &str) {
        let path = [&["services", self.service.name.as_str()][..], below].concat();
        let fault = Diagnostic::new(self.project.key_position(&path), dotted(&path), why);
        self.findings.fault(if help.is_empty() { fault } else { fault.help(help) });
    }

    /// Whether a text is known here as its instance will have it.
    fn known(&self, text: &str) -> bool {
        self.on_host || !text.contains(UNKNOWN)
    }

    fn image(&mut self) {
        // Whatever has no image is refused elsewhere.
        if self.service.image.is_empty() {
            return;
        }
        let image = containers::image_name(self.project, self.service);
        // Tags of an instance count as empty elsewhere, and may be all of a tag, a name or a host of this one.
        let gap =
            image.is_empty() || image.ends_with([':', '@', '/', '-']) || image.starts_with('/') || image.contains("//");
        if let Err(err) = ImageRef::parse(&image)
            && self.known(&image)
            && (self.on_host || !gap)
        {
            self.refuse(&["image"], err.message, err.hint.as_deref().unwrap_or_default());
        }
    }

    fn names(&mut self) {
        let signal = &self.service.stop_signal;
        if !signal.is_empty() && self.known(signal) && !is_signal(signal) {
            self.refuse(&["stop_signal"], format!("'{signal}' is no signal"), "write it as SIGTERM, or as its number");
        }
        let service = self.service;
        for (attribute, names) in [("cap_add", &service.cap_add), ("cap_drop", &service.cap_drop)] {
            for (index, name) in names.iter().enumerate() {
                let upper = name.trim().to_uppercase();
                let plain = upper.strip_prefix("CAP_").unwrap_or(&upper);
                if !CAPABILITIES.contains(&plain) && self.known(name) {
                    let why = format!("'{name}' is no capability of Linux");
                    self.refuse(
                        &[attribute, &index.to_string()],
                        why,
                        "capabilities(7) names them all, as CAP_NET_ADMIN",
                    );
                }
            }
        }
    }

    fn restart(&mut self) {
        const HELP: &str = "use no, always, unless-stopped, on-failure or on-failure:5";
        let deployed = self.service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref());
        if let Some(policy) = deployed {
            let condition = policy.condition.as_str();
            if !matches!(condition, "" | "none" | "on-failure" | "any" | "no" | "always" | "unless-stopped") {
                let why = format!("the engine knows no restart policy '{condition}'");
                self.refuse(&["deploy", "restart_policy", "condition"], why, "use none, on-failure or any");
            } else if !matches!(condition, "" | "on-failure")
                && policy.max_attempts.is_some_and(|attempts| attempts > 0)
            {
                let why = format!("the engine counts no attempts with the condition '{condition}'");
                self.refuse(&["deploy", "restart_policy", "max_attempts"], why, "remove it, or use on-failure");
            }
            return;
        }
        let restart = self.service.restart.as_str();
        if restart.is_empty() || !self.known(restart) {
            return;
        }
        let (name, attempts) = restart.split_once(':').map_or((restart, None), |(name, count)| (name, Some(count)));
        let why = match (name, attempts) {
            ("no" | "always" | "unless-stopped" | "on-failure", None) => return,
            ("on-failure", Some(count)) if count.parse::<u32>().is_ok() => return,
            ("on-failure", Some(count)) => format!("'{count}' is no number of attempts"),
            ("no" | "always" | "unless-stopped", Some("0")) => return,
            ("no" | "always" | "unless-stopped", Some(_)) => format!("the engine counts no attempts with '{name}'"),
            _ => format!("the engine knows no restart policy '{restart}'"),
        };
        self.refuse(&["restart"], why, HELP);
    }

    fn paths(&mut self) {
        let working_dir = &self.service.working_dir;
        if !working_dir.is_empty() && !working_dir.starts_with('/') && self.known(working_dir) {
            let why = format!("'{working_dir}' is no absolute path");
            self.refuse(&["working_dir"], why, "begin it with a slash");
        }
        let mounts = self.service.volumes.iter().map(|volume| ("volumes", volume.target.as_str()));
        let mounts = mounts.enumerate().collect::<Vec<_>>();
        let memory =
            self.service.tmpfs.iter().map(|entry| entry.split_once(':').map_or(entry.as_str(), |(path, _)| path));
        let memory = memory.map(|path| ("tmpfs", path)).enumerate();
        for (index, (attribute, target)) in mounts.into_iter().chain(memory) {
            let why = match target {
                "/" => "a container cannot have a mount in place of its root folder".to_owned(),
                _ if target.starts_with('/') || !self.known(target) => continue,
                _ => format!("'{target}' is no absolute path in the container"),
            };
            let index = index.to_string();
            self.refuse(&[attribute, &index], why, "begin the path in the container with a slash, and name a folder");
        }
    }

    fn memory(&mut self) {
        let resources = self.service.deploy.as_ref().map(|deploy| &deploy.resources);
        let of = |resource: Option<i64>, plain: i64| {
            resource.filter(|bytes| *bytes > 0).map_or((plain, false), |b| (b, true))
        };
        let limit = resources.and_then(|r| r.limits.as_ref()).map(|limits| limits.memory.0);
        let promise = resources.and_then(|r| r.reservations.as_ref()).map(|promised| promised.memory.0);
        let (limit, limit_deployed) = of(limit, self.service.mem_limit.0);
        let (promise, promise_deployed) = of(promise, self.service.mem_reservation.0);
        let limit_at: &[&str] =
            if limit_deployed { &["deploy", "resources", "limits", "memory"] } else { &["mem_limit"] };
        let promise_at: &[&str] =
            if promise_deployed { &["deploy", "resources", "reservations", "memory"] } else { &["mem_reservation"] };
        for (bytes, at) in [(limit, limit_at), (promise, promise_at)] {
            if bytes > 0 && bytes < MIN_MEMORY {
                let why = format!("{bytes} bytes are less than the engine takes, 6 MiB");
                self.refuse(at, why, "sizes have units: 512m, 2g");
            }
        }
        if limit > 0 && promise > limit {
            let why = format!("{promise} bytes are reserved, more than the limit of {limit}");
            self.refuse(promise_at, why, "reserve no more than the limit");
        }
    }

    fn processors(&mut self) {
        let limits = self.service.deploy.as_ref().and_then(|deploy| deploy.resources.limits.as_ref());
        let whole = self.service.cpus > 0.0 || limits.is_some_and(|limits| limits.cpus > 0.0);
        let (period, quota) = (self.service.cpu_period, self.service.cpu_quota);
        for (attribute, value) in [("cpu_period", period), ("cpu_quota", quota)] {
            if whole && value > 0 {
                let why = format!("`cpus` and `{attribute}` exclude each other");
                self.refuse(&[attribute], why, "remove one of them");
            }
        }
        if period != 0 && !(1_000..=1_000_000).contains(&period) {
            self.refuse(&["cpu_period"], format!("{period} µs is not from 1 ms to 1 s"), "");
        }
        if quota > 0 && quota < 1_000 {
            self.refuse(&["cpu_quota"], format!("{quota} µs is less than 1 ms"), "");
        }
    }

    fn health(&mut self) {
        let Some(check) = &self.service.healthcheck else { return };
        let times = [
            ("interval", check.interval),
            ("timeout", check.timeout),
            ("start_period", check.start_period),
            ("start_interval", check.start_interval),
        ];
        for (attribute, time) in times {
            if time.is_some_and(|time| time.0 != 0 && time.0 < MIN_CHECK) {
                let why = "the engine takes nothing shorter than 1ms".to_owned();
                self.refuse(&["healthcheck", attribute], why, "durations have units: 30s, 1m30s");
            }
        }
    }
}

/// By its number, or by its name in either case, with or without `SIG`.
fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let beyond = |least: &str, sign: char, most: u32| {
        let rest = name.strip_prefix(least);
        rest.is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(sign).and_then(|n| n.parse().ok()).is_some_and(|n| (1..=most).contains(&n))
        })
    };
    SIGNALS.contains(&name) || beyond("RTMIN", '+', 15) || beyond("RTMAX", '-', 14)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{execute::testing::project, manifest::extension::Extension};

    fn faults(attributes: &str, on_host: bool) -> Vec<String> {
        let project = project(&format!("services:\n  web: {{ {attributes} }}\n"));
        let extension = Extension::default();
        let (project, dir) = (Some(&project), Path::new("/p"));
        let subject = Subject { project, extension: &extension, scripts: &[], dir, files: None, on_host };
        let mut findings = Findings::default();
        check(&subject, &mut findings);
        findings.diagnostics().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn value_that_the_engine_refuses_is_placed() {
        for (attributes, wanted) in [
            ("image: Upper/Case", "compose.yaml:2:10: services.web.image: invalid image reference 'Upper/Case'"),
            ("image: 'a b'", "invalid image reference 'a b'"),
            ("image: 'x@sha256:12'", "invalid image reference"),
            ("image: x, stop_signal: SIGFOO", "services.web.stop_signal: 'SIGFOO' is no signal"),
            ("image: x, stop_signal: RTMIN+99", "is no signal"),
            ("image: x, cap_add: [NET_ADMIN, FOO]", "services.web.cap_add[1]: 'FOO' is no capability"),
            ("image: x, cap_drop: [CAP_X]", "services.web.cap_drop[0]"),
            ("image: x, restart: sometimes", "services.web.restart: the engine knows no restart policy 'sometimes'"),
            ("image: x, restart: 'always:3'", "the engine counts no attempts with 'always'"),
            ("image: x, restart: 'on-failure:x'", "'x' is no number of attempts"),
            (
                "image: x, deploy: { restart_policy: { condition: often } }",
                "restart_policy.condition: the engine knows",
            ),
            (
                "image: x, deploy: { restart_policy: { condition: any, max_attempts: 3 } }",
                "max_attempts: the engine counts",
            ),
            ("image: x, working_dir: rel", "services.web.working_dir: 'rel' is no absolute path"),
            ("image: x, volumes: ['/a:/b', '/a:rel']", "services.web.volumes[1]: 'rel' is no absolute path"),
            ("image: x, volumes: ['/a:/']", "in place of its root folder"),
            ("image: x, tmpfs: 'rel:size=1m'", "services.web.tmpfs[0]: 'rel' is no absolute path"),
            ("image: x, mem_limit: 512", "services.web.mem_limit: 512 bytes are less than the engine takes"),
            (
                "image: x, mem_limit: 10m, mem_reservation: 20m",
                "services.web.mem_reservation: 20971520 bytes are reserved",
            ),
            (
                "image: x, deploy: { resources: { limits: { memory: 1m } } }",
                "deploy.resources.limits.memory: 1048576 bytes",
            ),
            ("image: x, cpus: 1, cpu_period: 5000", "`cpus` and `cpu_period` exclude each other"),
            ("image: x, cpu_period: 5", "is not from 1 ms to 1 s"),
            ("image: x, cpu_quota: 5", "is less than 1 ms"),
            (
                "image: x, healthcheck: { test: x, interval: 1us }",
                "services.web.healthcheck.interval: the engine takes",
            ),
        ] {
            let found = faults(attributes, true);
            assert!(found.len() == 1 && found[0].contains(wanted), "{attributes}: {found:?}");
        }
    }

    #[test]
    fn value_that_the_engine_takes_is_no_fault() {
        for attributes in [
            "image: 'registry:5000/a/b:1', stop_signal: sigrtmin+3, cap_add: [ALL, sys_time]",
            "image: x, restart: 'on-failure:3', stop_signal: '9', cap_drop: [cap_net_raw], working_dir: /srv",
            "image: x, restart: 'no', stop_signal: RTMAX-14, tmpfs: ['/run:size=1m', /tmp], volumes: ['/a', '/b:/c:ro']",
            "image: x, deploy: { restart_policy: { condition: on-failure, max_attempts: 3 } }, mem_limit: 6m",
            "image: x, deploy: { restart_policy: { condition: any } }, cpu_period: 5000, cpu_quota: -1",
            "image: x, mem_limit: 20m, mem_reservation: 20m, healthcheck: { test: x, interval: 0s, timeout: 1ms }",
        ] {
            assert_eq!(faults(attributes, true), Vec::<String>::new(), "{attributes}");
        }
    }

    #[test]
    fn value_that_only_the_instance_knows_is_no_fault_elsewhere() {
        for attributes in ["image: 'x:'", "image: '/x'", "image: x, restart: placeholder, stop_signal: placeholder"] {
            assert_eq!(faults(attributes, false), Vec::<String>::new(), "{attributes}");
            assert!(!faults(attributes, true).is_empty(), "{attributes}");
        }
    }
}
