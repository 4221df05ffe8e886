//! A project as its containers remember it: for a boot that has neither its source nor the values of what was kept.
//!
//! Order, conditions and grace stand in labels and in the engine; nothing is made, replaced or pulled, and no script
//! runs. Only containers of the last known good count, made by this very instance.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Context, evidence, stopped};
use crate::{
    compose::Project,
    error::{Cause, Error, Result},
    manifest::{
        self, Reading,
        extension::{Extension, Readiness},
        files::{Gathered, Staged},
    },
    plan::{
        Launch, Plan,
        containers::{self, Peers},
        labels, launch_steps,
        reconcile::{self, Action, Existing, Reconciled},
    },
};

const FILE: &str = "compose.yaml";

/// The containers that are there, as they are listed and as they are told in detail.
#[derive(Debug)]
pub struct There {
    /// By name.
    pub containers: BTreeMap<String, (Existing, Value)>,
    /// What is known of how they ended.
    past: reconcile::There,
}

/// Looks for the containers of a project that are `meant`, of those that this instance made.
///
/// # Errors
/// No engine, or no such container.
pub async fn there(cx: &Context, project: &str, instance: &str, meant: impl Fn(&Existing) -> bool) -> Result<There> {
    let engine = cx.world.engine.as_ref();
    let list = async |_| engine.containers(&labels::ours(project)).await;
    let listed = cx.engine(&cx.retry, "list", "the containers", list).await?;
    let mut all = BTreeMap::new();
    for one in listed.iter().map(Existing::read) {
        let ours = one.is_ours(project) && one.label(labels::INSTANCE) == instance && !one.is_temporary();
        if !ours || !meant(&one) {
            continue;
        }
        let inspect = async |_| engine.inspect_container(&one.id).await;
        if let Some(details) = cx.engine(&cx.retry, "inspect", &one.name, inspect).await? {
            all.insert(one.name.clone(), (one, details));
        }
    }
    if all.is_empty() {
        let message = format!("no container of project {project} is there");
        return Err(Error::new(Cause::ContainerFailed, message));
    }
    let listed: Vec<Existing> = all.values().map(|(one, _)| one.clone()).collect();
    let (stopped_by_us, completed) = (stopped::read(&cx.paths), evidence::completed(cx, &listed).await?);
    let past = reconcile::There { stopped_by_us, completed, ..reconcile::There::default() };
    Ok(There { containers: all, past })
}

impl There {
    /// The project that these containers are of, as far as starting and stopping them goes.
    ///
    /// # Errors
    /// Labels that no project can have had.
    pub fn project(&self, name: &str, dir: &Path) -> Result<Project> {
        let text = serde_json::to_vec(&json!({ "name": name, "services": self.services() })).unwrap_or_default();
        let gathered = Gathered::Single(BTreeMap::from([(FILE.to_owned(), text.into())]));
        let reading = Reading {
            dir: dir.to_owned(),
            files: vec![dir.join(FILE)],
            roles: vec!["all".to_owned()],
            ..Reading::default()
        };
        let staged = Staged::new(dir, &gathered);
        Ok(manifest::load(&staged, &reading, &Extension::default(), &BTreeMap::new())?)
    }

    /// Leaves out what was never started, or was since `begin`.
    pub fn untouched(&mut self, begin: Timestamp) {
        self.containers.retain(|_, (_, details)| {
            let started = details["State"]["StartedAt"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
            // A time before the epoch stands for none.
            started.is_some_and(|at| at.as_second() > 0 && at < begin)
        });
    }

    /// Starts what does not run and is not a job that is done, in order, and waits for all.
    ///
    /// # Errors
    /// No engine has been looked at.
    pub fn plan(&self, cx: &Context, project: &Project, unit: bool) -> Result<Plan> {
        let options = cx.launch()?.options();
        let mut reconciled = Reconciled::default();
        for (existing, _) in self.containers.values() {
            let Some(service) = project.services.get(existing.label(labels::SERVICE)) else { continue };
            let number = existing.label(labels::NUMBER).parse().unwrap_or(1);
            let mut desired = containers::container(project, service, number, &Peers::new(), &options)?;
            desired.name.clone_from(&existing.name);
            let done = reconcile::is_done(&desired, existing, &self.past);
            let action = if existing.is_up() || done { Action::Keep } else { Action::Start };
            reconciled.steps.push(reconcile::Step { desired, action, existing: Some(existing.clone()) });
        }
        Ok(launch_steps(Launch {
            project,
            reconciled,
            networks: Vec::new(),
            volumes: Vec::new(),
            missing: Vec::new(),
            ready: Readiness::default(),
            unit,
            replaced_images: Vec::new(),
            renamed_networks: Vec::new(),
        }))
    }

    fn services(&self) -> Map<String, Value> {
        let names: BTreeSet<&str> = self.containers.values().map(|(one, _)| one.label(labels::SERVICE)).collect();
        let service = |(one, details): &(Existing, Value)| {
            let (config, host) = (&details["Config"], &details["HostConfig"]);
            let mut service = json!({
                "image": config["Image"],
                "restart": host["RestartPolicy"]["Name"],
                "depends_on": depends_on(one.label(labels::DEPENDS_ON), &names),
                "expose": host["PortBindings"].as_object().into_iter().flatten().map(|(port, _)| port).collect::<Vec<_>>(),
            });
            if let Some(grace) = config["StopTimeout"].as_u64() {
                service["stop_grace_period"] = format!("{grace}s").into();
            }
            if config["Healthcheck"]["Test"].is_array() {
                service["healthcheck"] = json!({ "test": config["Healthcheck"]["Test"] });
            }
            (one.label(labels::SERVICE).to_owned(), escaped(service))
        };
        self.containers.values().map(service).collect()
    }
}

/// What the label says, of services that are there: `service:condition:restart,…`.
fn depends_on(label: &str, there: &BTreeSet<&str>) -> Map<String, Value> {
    let one = |item: &str| {
        let mut parts = item.split(':');
        let name = parts.next().filter(|name| there.contains(name))?;
        let condition = parts.next().unwrap_or("service_started");
        Some((name.to_owned(), json!({ "condition": condition })))
    };
    label.split(',').filter_map(one).collect()
}

/// Texts that nothing is to be replaced in.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace('$', "$$").into(),
        Value::Array(items) => items.into_iter().map(escaped).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, escaped(value))).collect(),
        other => other,
    }
}
