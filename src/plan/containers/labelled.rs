//! The labels of a container: the service's, Compose's and ours.

use serde_json::Value;

use crate::{
    compose::{Project, model::ServiceConfig},
    plan::{
        containers::{Options, hooks},
        json::mapping,
        labels,
    },
};

/// All labels of a container; `told` are those that say what it was made of.
pub(super) fn all(
    project: &Project,
    service: &ServiceConfig,
    number: u32,
    told: [(&str, String); 4],
    options: &Options,
) -> Value {
    let depends_on: Vec<String> =
        service.depends_on.iter().map(|(name, d)| format!("{name}:{}:{}", d.condition, d.restart)).collect();
    let files: Vec<String> = project.compose_files.iter().map(|file| file.display().to_string()).collect();
    let own = [
        (labels::PROJECT, project.name.clone()),
        (labels::SERVICE, service.name.clone()),
        (labels::VERSION, labels::compose_version(options.generation).to_owned()),
        (labels::WORKING_DIR, project.working_dir.display().to_string()),
        (labels::CONFIG_FILES, files.join(",")),
        (labels::ONEOFF, "False".to_owned()),
        (labels::NUMBER, number.to_string()),
        (labels::DEPENDS_ON, depends_on.join(",")),
        (labels::MANAGED, "true".to_owned()),
    ];
    let mut all = service.labels.clone();
    all.extend(own.map(|(key, value)| (key.to_owned(), value)));
    let optional = [
        (labels::ENVIRONMENT_FILE, options.environment_files.join(",")),
        (labels::INSTANCE, options.instance.clone().unwrap_or_default()),
        (labels::PRE_STOP, hooks::write(&service.pre_stop)),
    ];
    all.extend(
        optional.into_iter().chain(told).filter(|(_, v)| !v.is_empty()).map(|(key, value)| (key.to_owned(), value)),
    );
    mapping(&all)
}
