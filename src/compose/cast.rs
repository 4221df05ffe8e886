//! Texts to other types, once they are interpolated, by the place they stand at.

use crate::compose::generation::Generation;
use crate::compose::node::Value;
use crate::compose::number;
use crate::compose::path;

/// The types that a place may ask for.
#[derive(Clone, Copy)]
enum Type {
    Bool,
    Int,
    Float,
}

/// Places whose texts are numbers or booleans.
const CASTS: &[(&str, Type)] = &[
    ("services.*.cpu_count", Type::Int),
    ("services.*.cpu_percent", Type::Float),
    ("services.*.cpu_period", Type::Int),
    ("services.*.cpu_quota", Type::Int),
    ("services.*.cpu_rt_period", Type::Int),
    ("services.*.cpu_rt_runtime", Type::Int),
    ("services.*.cpus", Type::Float),
    ("services.*.cpu_shares", Type::Int),
    ("services.*.init", Type::Bool),
    ("services.*.deploy.replicas", Type::Int),
    ("services.*.deploy.update_config.parallelism", Type::Int),
    ("services.*.deploy.update_config.max_failure_ratio", Type::Float),
    ("services.*.deploy.rollback_config.parallelism", Type::Int),
    ("services.*.deploy.rollback_config.max_failure_ratio", Type::Float),
    ("services.*.deploy.restart_policy.max_attempts", Type::Int),
    ("services.*.deploy.placement.max_replicas_per_node", Type::Int),
    ("services.*.healthcheck.retries", Type::Int),
    ("services.*.healthcheck.disable", Type::Bool),
    ("services.*.oom_kill_disable", Type::Bool),
    ("services.*.oom_score_adj", Type::Int),
    ("services.*.pids_limit", Type::Int),
    ("services.*.ports.[].target", Type::Int),
    ("services.*.privileged", Type::Bool),
    ("services.*.read_only", Type::Bool),
    ("services.*.scale", Type::Int),
    ("services.*.stdin_open", Type::Bool),
    ("services.*.tty", Type::Bool),
    ("services.*.ulimits.*", Type::Int),
    ("services.*.ulimits.*.hard", Type::Int),
    ("services.*.ulimits.*.soft", Type::Int),
    ("services.*.volumes.[].read_only", Type::Bool),
    ("services.*.volumes.[].volume.nocopy", Type::Bool),
    ("networks.*.external", Type::Bool),
    ("networks.*.internal", Type::Bool),
    ("networks.*.attachable", Type::Bool),
    ("networks.*.enable_ipv4", Type::Bool),
    ("networks.*.enable_ipv6", Type::Bool),
    ("volumes.*.external", Type::Bool),
    ("secrets.*.external", Type::Bool),
    ("configs.*.external", Type::Bool),
];

/// Places that Compose 5 has added.
const CASTS_OF_FIVE: &[(&str, Type)] =
    &[("services.*.depends_on.*.required", Type::Bool), ("services.*.depends_on.*.restart", Type::Bool)];

/// A text as the type that its place asks for; most places ask for a text.
pub(crate) fn at(place: &[&str], generation: Generation, text: String) -> Result<Value, &'static str> {
    let added = if generation == Generation::Five { CASTS_OF_FIVE } else { &[] };
    let Some((_, wanted)) = CASTS.iter().chain(added).find(|(pattern, _)| path::matches(place, pattern)) else {
        return Ok(Value::Text(text));
    };
    match wanted {
        Type::Bool => boolean(&text).map(Value::Bool).ok_or("expected a boolean: true or false"),
        Type::Int => text.parse().map(Value::Int).map_err(|_| "expected an integer"),
        Type::Float => {
            number::float(&text).filter(|value| value.is_finite()).map(Value::Float).ok_or("expected a number")
        }
    }
}

/// The booleans that Compose accepts in a text.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}
