//! A service.

use super::build::BUILD;
use super::deploy::{DEPLOY, DEVELOP, GPUS, HOOKS, PRE_START, ULIMITS};
use super::mounts::{DEVICE, FILE_MOUNTS, VOLUME};
use super::{
    BOOLEAN, COMMAND, DURATION, EXTRA_HOSTS, INTEGER, LIST_OR_DICT, NULL, NUMBER, Names, OPTIONS, Object, STRING,
    STRING_OR_LIST, STRINGS, Shape, UNIQUE_STRINGS, Unique, kind,
};

/// A service.
pub(super) const SERVICE: Shape = Shape::Object(&Object {
    attributes: &[
        ("annotations", LIST_OR_DICT),
        ("attach", BOOLEAN),
        ("blkio_config", BLKIO),
        ("build", Shape::Either(&[STRING, BUILD])),
        ("cap_add", UNIQUE_STRINGS),
        ("cap_drop", UNIQUE_STRINGS),
        ("cgroup", Shape::Choice(&["host", "private"])),
        ("cgroup_parent", STRING),
        ("command", COMMAND),
        ("configs", FILE_MOUNTS),
        ("container_name", Shape::Text(container_name, "a name of two or more letters, digits, '_', '.' and '-'")),
        ("cpu_count", Shape::Range(0, i64::MAX)),
        ("cpu_percent", Shape::Range(0, 100)),
        ("cpu_period", NUMBER),
        ("cpu_quota", NUMBER),
        ("cpu_rt_period", NUMBER),
        ("cpu_rt_runtime", NUMBER),
        ("cpu_shares", NUMBER),
        ("cpus", NUMBER),
        ("cpuset", STRING),
        ("credential_spec", CREDENTIAL_SPEC),
        ("depends_on", Shape::Either(&[UNIQUE_STRINGS, Shape::Dict(&DEPENDENCY, Names::Checked)])),
        ("deploy", Shape::Either(&[NULL, DEPLOY])),
        ("develop", Shape::Either(&[NULL, DEVELOP])),
        ("device_cgroup_rules", UNIQUE_STRINGS),
        ("devices", Shape::List(&Shape::Either(&[STRING, DEVICE]), Unique::No)),
        ("dns", STRING_OR_LIST),
        ("dns_opt", UNIQUE_STRINGS),
        ("dns_search", STRING_OR_LIST),
        ("domainname", STRING),
        ("entrypoint", COMMAND),
        ("env_file", Shape::Either(&[STRING, Shape::List(&Shape::Either(&[STRING, ENV_FILE]), Unique::No)])),
        ("environment", LIST_OR_DICT),
        ("expose", Shape::List(&NUMBER, Unique::Yes)),
        ("extends", Shape::Either(&[STRING, EXTENDS])),
        ("external_links", UNIQUE_STRINGS),
        ("extra_hosts", EXTRA_HOSTS),
        ("gpus", GPUS),
        ("group_add", Shape::List(&NUMBER, Unique::Yes)),
        ("healthcheck", HEALTHCHECK),
        ("hostname", STRING),
        ("image", STRING),
        ("init", BOOLEAN),
        ("ipc", STRING),
        ("isolation", STRING),
        ("label_file", Shape::Either(&[STRING, STRINGS])),
        ("labels", LIST_OR_DICT),
        ("links", UNIQUE_STRINGS),
        ("logging", LOGGING),
        ("mac_address", STRING),
        ("mem_limit", NUMBER),
        ("mem_reservation", INTEGER),
        ("mem_swappiness", INTEGER),
        ("memswap_limit", NUMBER),
        ("models", Shape::Either(&[UNIQUE_STRINGS, Shape::Dict(&Shape::Either(&[NULL, MODEL]), Names::Any)])),
        ("network_mode", STRING),
        ("networks", Shape::Either(&[UNIQUE_STRINGS, Shape::Dict(&Shape::Either(&[NULL, NETWORK]), Names::Checked)])),
        ("oom_kill_disable", BOOLEAN),
        ("oom_score_adj", Shape::Range(-1000, 1000)),
        ("pid", STRING),
        ("pids_limit", NUMBER),
        ("platform", STRING),
        ("ports", Shape::List(&Shape::Either(&[NUMBER, PORT]), Unique::Yes)),
        ("post_start", HOOKS),
        ("pre_start", Shape::SinceFive(&PRE_START)),
        ("pre_stop", HOOKS),
        ("privileged", BOOLEAN),
        ("profiles", UNIQUE_STRINGS),
        ("provider", PROVIDER),
        ("pull_policy", Shape::Text(pull_policy, "always, never, build, missing, refresh, daily, weekly or every_2h")),
        ("pull_refresh_after", STRING),
        ("read_only", BOOLEAN),
        ("restart", STRING),
        ("runtime", STRING),
        ("scale", INTEGER),
        ("secrets", FILE_MOUNTS),
        ("security_opt", UNIQUE_STRINGS),
        ("shm_size", NUMBER),
        ("stdin_open", BOOLEAN),
        ("stop_grace_period", DURATION),
        ("stop_signal", STRING),
        ("storage_opt", Shape::Dict(&Shape::Any, Names::Any)),
        ("sysctls", LIST_OR_DICT),
        ("tmpfs", STRING_OR_LIST),
        ("tty", BOOLEAN),
        ("ulimits", ULIMITS),
        ("use_api_socket", Shape::Scalar(kind::BOOLEAN)),
        ("user", STRING),
        ("userns_mode", STRING),
        ("uts", STRING),
        ("volumes", Shape::List(&Shape::Either(&[STRING, VOLUME]), Unique::Yes)),
        ("volumes_from", UNIQUE_STRINGS),
        ("working_dir", STRING),
    ],
    required: &[],
    extensible: true,
});

/// Somewhere in the text stand a letter or digit and behind it one more character of a name: that is all that Compose
/// asks for.
fn container_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.as_bytes().windows(2).any(|two| two[0].is_ascii_alphanumeric() && inner(two[1]))
}

fn pull_policy(text: &str) -> bool {
    let words = ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let every = text.split_once("every_").is_some_and(|(_, rest)| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        digits > 0 && rest[digits..].starts_with(['w', 'd', 'h', 'm', 's'])
    });
    every || words.iter().any(|word| text.contains(word))
}

const BLKIO_LIMITS: Shape = Shape::List(
    &Shape::Object(&Object { attributes: &[("path", STRING), ("rate", INTEGER)], required: &[], extensible: false }),
    Unique::No,
);

const BLKIO: Shape = Shape::Object(&Object {
    attributes: &[
        ("device_read_bps", BLKIO_LIMITS),
        ("device_read_iops", BLKIO_LIMITS),
        ("device_write_bps", BLKIO_LIMITS),
        ("device_write_iops", BLKIO_LIMITS),
        ("weight", INTEGER),
        (
            "weight_device",
            Shape::List(
                &Shape::Object(&Object {
                    attributes: &[("path", STRING), ("weight", INTEGER)],
                    required: &[],
                    extensible: false,
                }),
                Unique::No,
            ),
        ),
    ],
    required: &[],
    extensible: false,
});

const CREDENTIAL_SPEC: Shape = Shape::Object(&Object {
    attributes: &[("config", STRING), ("file", STRING), ("registry", STRING)],
    required: &[],
    extensible: true,
});

const DEPENDENCY: Shape = Shape::Object(&Object {
    attributes: &[
        ("condition", Shape::Choice(&["service_started", "service_healthy", "service_completed_successfully"])),
        ("required", Shape::Scalar(kind::BOOLEAN)),
        ("restart", BOOLEAN),
    ],
    required: &["condition"],
    extensible: true,
});

const ENV_FILE: Shape = Shape::Object(&Object {
    attributes: &[("format", STRING), ("path", STRING), ("required", BOOLEAN)],
    required: &["path"],
    extensible: false,
});

const EXTENDS: Shape = Shape::Object(&Object {
    attributes: &[("file", STRING), ("service", STRING)],
    required: &["service"],
    extensible: false,
});

const HEALTHCHECK: Shape = Shape::Object(&Object {
    attributes: &[
        ("disable", BOOLEAN),
        ("interval", DURATION),
        ("retries", NUMBER),
        ("start_interval", DURATION),
        ("start_period", DURATION),
        ("test", Shape::Either(&[STRING, STRINGS])),
        ("timeout", DURATION),
    ],
    required: &[],
    extensible: true,
});

const LOGGING: Shape = Shape::Object(&Object {
    attributes: &[
        ("driver", STRING),
        ("options", Shape::Dict(&Shape::Scalar(kind::STRING | kind::NUMBER | kind::NULL), Names::Any)),
    ],
    required: &[],
    extensible: true,
});

const MODEL: Shape = Shape::Object(&Object {
    attributes: &[("endpoint_var", STRING), ("model_var", STRING)],
    required: &[],
    extensible: true,
});

const NETWORK: Shape = Shape::Object(&Object {
    attributes: &[
        ("aliases", UNIQUE_STRINGS),
        ("driver_opts", OPTIONS),
        ("gw_priority", Shape::Scalar(kind::NUMBER)),
        ("interface_name", STRING),
        ("ipv4_address", STRING),
        ("ipv6_address", STRING),
        ("link_local_ips", UNIQUE_STRINGS),
        ("mac_address", STRING),
        ("priority", Shape::Scalar(kind::NUMBER)),
    ],
    required: &[],
    extensible: true,
});

const PORT: Shape = Shape::Object(&Object {
    attributes: &[
        ("app_protocol", STRING),
        ("host_ip", STRING),
        ("mode", STRING),
        ("name", STRING),
        ("protocol", STRING),
        ("published", INTEGER),
        ("target", INTEGER),
    ],
    required: &[],
    extensible: true,
});

const PROVIDER_VALUE: Shape = Shape::Scalar(kind::STRING | kind::NUMBER | kind::BOOLEAN);

const PROVIDER: Shape = Shape::Object(&Object {
    attributes: &[
        (
            "options",
            Shape::Dict(&Shape::Either(&[PROVIDER_VALUE, Shape::List(&PROVIDER_VALUE, Unique::No)]), Names::Any),
        ),
        ("type", STRING),
    ],
    required: &["type"],
    extensible: true,
});
