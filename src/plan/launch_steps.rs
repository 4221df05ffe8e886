//! The steps from an engine that answers to services that are ready: only for what is not there already.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use super::{
    Action, Index, Launch, Plan, Step,
    grace::Grace,
    networks::NetworkAction,
    ports::{self, PortCheck, PortRequest},
    reconcile::{self, Reconciled},
    volumes::VolumeAction,
};
use crate::{compose::Project, manifest::extension::Readiness};

/// One image: gigabytes over a slow line; the idle timeout of the pull finds what hangs.
pub(super) const PULL: Duration = Duration::from_secs(30 * 60);

/// Requests to an engine on a slow disk; stopping what is replaced has its grace on top.
const ENGINE: Duration = Duration::from_secs(5 * 60);

/// The longest that a container may take to stop; its own grace ends earlier.
const GRACE_LIMIT: Duration = Duration::from_secs(60 * 60);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// It runs, and is healthy where it has a health check; a job may have ended with 0.
    Serving,
    /// It is healthy; without a health check that cannot be.
    Healthy,
    /// It has ended with 0.
    Completed,
}

/// The graph: images, networks and volumes beside each other, each container as soon as its own needs are there, each
/// start as soon as what it depends on is started, healthy or done.
pub fn launch_steps(launch: Launch<'_>) -> Plan {
    let mut builder = Builder { ready_when: launch.ready, ..Builder::default() };
    builder.plan.warnings = launch.warnings();
    let changing: BTreeSet<&str> =
        launch.reconciled.steps.iter().filter(|s| acts(s)).map(|s| s.desired.service.as_str()).collect();
    let mut requests = ports::requests(launch.project);
    requests.retain(|request| changing.contains(request.service.as_str()));
    if !requests.is_empty() {
        let check = PortCheck { requests: requests.clone(), staying: staying(&launch.reconciled) };
        builder.gate = vec![builder.plan.add(Step::new("ports", "", ENGINE, Action::Ports(check)), [])];
    }
    let order = ordered(launch.project, &launch.reconciled.steps);
    if launch.unit {
        let grace = Grace::of(launch.project, &order);
        builder.plan.warnings.extend(grace.warning());
        let step = Step::new(
            "unit",
            &format!("{} {}", grace.longest.as_millis(), grace.chain.as_millis()),
            ENGINE,
            Action::Unit(grace),
        );
        builder.unit = Some(builder.plan.add(step, builder.gate.clone()));
    }
    builder.objects(&launch);
    for (existing, why) in &launch.reconciled.remove {
        let action = Action::Remove { existing: existing.clone(), why: why.clone() };
        let step = Step::new(format!("remove:{}", existing.name), &existing.id, ENGINE + GRACE_LIMIT, action);
        let index = builder.plan.add(step, builder.gate.clone());
        builder.removals.push(index);
    }
    for step in launch.reconciled.steps {
        builder.containers.entry(step.desired.service.clone()).or_default().push(Rc::new(step));
    }
    builder.requests = requests;
    for service in &order {
        builder.service(service, &order);
    }
    // Last, so that a stricter wait which another service asks for stands for the general one.
    for service in &order {
        builder.wait(service, Until::Serving);
    }
    let needs: Vec<Index> = builder.ready.values().chain(&builder.removals).copied().collect();
    for network in launch.renamed_networks.into_iter().filter(|network| !network.in_the_way) {
        let step = Step::new(
            format!("remove-network:{}", network.name),
            &network.id.clone(),
            ENGINE,
            Action::RemoveNetwork(network),
        );
        builder.plan.add(step, needs.iter().copied());
    }
    if !launch.replaced_images.is_empty() {
        let needs: Vec<Index> = builder.ready.values().copied().collect();
        let input = launch.replaced_images.join("\0");
        let action = Action::Prune { images: launch.replaced_images };
        builder.plan.add(Step::new("prune", &input, ENGINE, action), needs);
    }
    builder.plan
}

#[derive(Default)]
struct Builder {
    plan: Plan,
    gate: Vec<Index>,
    unit: Option<Index>,
    images: BTreeMap<String, Index>,
    networks: BTreeMap<String, Index>,
    volumes: BTreeMap<String, Index>,
    removals: Vec<Index>,
    containers: BTreeMap<String, Vec<Rc<reconcile::Step>>>,
    /// Steps that stop what is started again once a service that it depends on has been replaced.
    stopped: BTreeMap<String, Vec<Index>>,
    started: BTreeMap<String, Vec<Index>>,
    ready: BTreeMap<(String, Until), Index>,
    ready_when: Readiness,
    /// Steps that stop what holds a port which another service gets, by container.
    freed: BTreeMap<String, Index>,
    /// Host ports of what is made or started.
    requests: Vec<PortRequest>,
}

impl Builder {
    fn objects(&mut self, launch: &Launch<'_>) {
        let needed: BTreeSet<&str> =
            launch.reconciled.steps.iter().filter(|s| makes(s)).flat_map(|s| s.desired.images()).collect();
        for need in launch.missing.iter().filter(|need| needed.contains(need.image.as_str())) {
            let step = Step::new(format!("image:{}", need.image), "", PULL, Action::Image(need.clone()));
            self.images.insert(need.image.clone(), self.plan.add(step, self.gate.clone()));
        }
        for (network, action) in &launch.networks {
            if matches!(action, NetworkAction::Keep | NetworkAction::KeepOther(_)) {
                continue;
            }
            // One that takes the place of another has the containers of that stopped: not before what replaces them has
            // been pulled.
            let moved = launch.renamed_networks.iter().any(|old| old.in_the_way && old.now == network.name);
            let (deadline, pulled) = if moved || *action == NetworkAction::Replace {
                (ENGINE + GRACE_LIMIT, self.images.values().copied().collect())
            } else {
                (ENGINE, Vec::new())
            };
            let action = Action::Network(network.clone());
            let step = Step::new(format!("network:{}", network.name), &network.hash, deadline, action);
            let needs = self.gate.iter().copied().chain(pulled);
            let index = self.plan.add(step, needs);
            self.networks.insert(network.name.clone(), index);
        }
        for (volume, action) in &launch.volumes {
            if *action == VolumeAction::Create {
                let action = Action::Volume(volume.clone());
                let step = Step::new(format!("volume:{}", volume.name), &volume.hash, ENGINE, action);
                self.volumes.insert(volume.name.clone(), self.plan.add(step, self.gate.clone()));
            }
        }
    }

    /// The steps of one service, after those of all that it depends on.
    fn service(&mut self, service: &str, order: &[String]) {
        let containers = self.containers.get(service).cloned().unwrap_or_default();
        let made: BTreeMap<String, Index> =
            containers.iter().filter(|c| makes(c)).map(|c| (c.desired.name.clone(), self.container(c))).collect();
        let stopped =
            if containers.iter().any(|c| replaces(c)) { self.stops(service, &made, order) } else { Vec::new() };
        let mut prepared = Vec::new();
        for container in containers.iter().filter(|c| acts(c)) {
            let desired = &container.desired;
            let mut needs: Vec<Index> = self.gate.iter().chain(&self.unit).copied().collect();
            let mut wishes = Vec::new();
            for (name, dependency) in &desired.depends_on {
                let awaited = self.awaited(name, &dependency.condition);
                if dependency.required { needs.extend(awaited) } else { wishes.extend(awaited) }
            }
            needs.extend(made.get(&desired.name));
            if !makes(container) {
                // A volume that it names may be made again.
                needs.extend(desired.volumes.iter().filter_map(|name| self.volumes.get(name)));
            }
            if replaces(container) {
                needs.extend(stopped.iter().copied());
            }
            needs.extend(self.freed(service, &made));
            if prepared.is_empty() && !desired.pre_start.is_empty() && containers.iter().all(|c| acts(c)) {
                let needs = needs.iter().chain(made.values()).copied();
                let step = Step::new(
                    format!("pre-start:{service}"),
                    &desired.hash,
                    ENGINE + GRACE_LIMIT,
                    Action::PreStart(containers.clone()),
                );
                prepared.push(self.plan.add(step, needs));
                for wish in &wishes {
                    self.plan.graph.wish(prepared[0], *wish);
                }
            }
            needs.extend(&prepared);
            let action = Action::Start(Rc::clone(container));
            // What is stopped first has the grace that it was made with, which may be longer than the present one.
            let deadline = if stops(container) { ENGINE + GRACE_LIMIT } else { ENGINE };
            let started =
                self.plan.add(Step::new(format!("start:{}", desired.name), &desired.hash, deadline, action), needs);
            self.started.entry(service.to_owned()).or_default().push(started);
            for wish in wishes {
                self.plan.graph.wish(started, wish);
            }
        }
    }

    /// Stops those that asked to be restarted with a service before it is replaced, each after those that depend on it.
    fn stops(&mut self, service: &str, made: &BTreeMap<String, Index>, order: &[String]) -> Vec<Index> {
        let mut all = Vec::new();
        for name in order.iter().rev() {
            let containers = self.containers.get(name).cloned().unwrap_or_default();
            if !containers.iter().any(|c| c.desired.depends_on.get(service).is_some_and(|d| d.restart)) {
                continue;
            }
            if !self.stopped.contains_key(name) {
                let why = format!("service '{service}' is replaced");
                let steps = containers.iter().filter(|c| stops(c)).filter_map(|c| self.stop(c, &why, made)).collect();
                self.stopped.insert(name.clone(), steps);
            }
            all.extend(self.stopped.get(name).into_iter().flatten());
        }
        all
    }

    /// Stops the containers of other services that are replaced and hold a port which this service publishes from now on.
    fn freed(&mut self, service: &str, made: &BTreeMap<String, Index>) -> Vec<Index> {
        let wanted: Vec<_> = self.requests.iter().filter(|r| r.service == service).map(|r| r.port).collect();
        let holds = |existing: &reconcile::Existing| existing.ports.iter().any(|p| wanted.iter().any(|w| w.meets(p)));
        let others = self.containers.iter().filter(|(name, _)| *name != service).flat_map(|(_, all)| all);
        let moved = others.filter(|c| replaces(c) && c.existing.as_ref().is_some_and(holds)).cloned();
        let moved: Vec<Rc<reconcile::Step>> = moved.collect();
        let mut stopped = Vec::new();
        for container in moved {
            let known = self.freed.get(&container.desired.name).copied();
            let why = format!("service '{service}' publishes its port from now on");
            if let Some(index) = known.or_else(|| self.stop(&container, &why, made)) {
                self.freed.insert(container.desired.name.clone(), index);
                stopped.push(index);
            }
        }
        stopped
    }

    /// Stops one that runs; not before the containers that it waits for, and the image of its own, are there.
    fn stop(&mut self, step: &reconcile::Step, why: &str, made: &BTreeMap<String, Index>) -> Option<Index> {
        let existing = step.existing.as_ref().filter(|existing| existing.is_up())?;
        let depends = |c: &Rc<reconcile::Step>| c.desired.depends_on.contains_key(&step.desired.service);
        let dependants = self.containers.iter().filter(|(_, all)| all.iter().any(depends));
        let before = dependants.filter_map(|(name, _)| self.stopped.get(name)).flatten();
        let needs: Vec<Index> =
            made.values().chain(before).chain(self.images.get(&step.desired.image)).copied().collect();
        let action = Action::Stop { existing: existing.clone(), why: why.to_owned() };
        let step = Step::new(format!("stop:{}", existing.name), &existing.id, ENGINE + GRACE_LIMIT, action);
        Some(self.plan.add(step, needs))
    }

    fn container(&mut self, step: &Rc<reconcile::Step>) -> Index {
        let desired = &step.desired;
        let mut needs: Vec<Index> = self.gate.iter().chain(&self.unit).chain(&self.removals).copied().collect();
        needs.extend(desired.images().filter_map(|image| self.images.get(image)));
        needs.extend(desired.networks.iter().filter_map(|name| self.networks.get(name)));
        needs.extend(desired.volumes.iter().filter_map(|name| self.volumes.get(name)));
        // A container that shares a namespace of another one is made when that one runs.
        needs.extend(desired.references.iter().filter_map(|name| self.started.get(name)).flatten());
        let action = Action::Container(Rc::clone(step));
        self.plan.add(Step::new(format!("container:{}", desired.name), &desired.hash, ENGINE, action), needs)
    }

    /// The steps that a dependency's condition waits for.
    fn awaited(&mut self, service: &str, condition: &str) -> Vec<Index> {
        match condition {
            "service_healthy" => self.wait(service, Until::Healthy).into_iter().collect(),
            "service_completed_successfully" => self.wait(service, Until::Completed).into_iter().collect(),
            _ => self.started.get(service).cloned().unwrap_or_default(),
        }
    }

    /// The step that waits for a service, made when it is first asked for.
    fn wait(&mut self, service: &str, until: Until) -> Option<Index> {
        let known = [until, Until::Healthy, Until::Completed].map(|u| self.ready.get(&(service.to_owned(), u)));
        let known = if until == Until::Serving { known.into_iter().flatten().next() } else { known[0] };
        if let Some(index) = known {
            return Some(*index);
        }
        let containers = self.containers.get(service).cloned().filter(|all| !all.is_empty())?;
        let needs = self.started.get(service).cloned().unwrap_or_default();
        let (name, wanted) = match until {
            Until::Serving => ("ready", None),
            Until::Healthy => ("healthy", Some(until)),
            Until::Completed => ("completed", Some(until)),
        };
        let action =
            Action::Ready { service: service.to_owned(), containers, until: wanted, stable: self.ready_when.stable };
        let index = self.plan.add(Step::new(format!("{name}:{service}"), "", self.ready_when.timeout, action), needs);
        self.ready.insert((service.to_owned(), until), index);
        Some(index)
    }
}

/// The containers of ours that are neither replaced nor removed.
fn staying(reconciled: &Reconciled) -> BTreeSet<String> {
    let kept = reconciled.steps.iter().filter(|step| !replaces(step)).filter_map(|step| step.existing.as_ref());
    kept.chain(&reconciled.orphans).map(|container| container.id.clone()).collect()
}

/// Whether anything is to be done for a container.
fn acts(step: &reconcile::Step) -> bool {
    step.action != reconcile::Action::Keep
}

/// Whether a container is made, as opposed to renamed, started or restarted.
fn makes(step: &reconcile::Step) -> bool {
    matches!(step.action, reconcile::Action::Create | reconcile::Action::Replace(_))
}

/// Whether a container takes the place of another one.
fn replaces(step: &reconcile::Step) -> bool {
    matches!(step.action, reconcile::Action::Replace(_))
}

/// Whether a container that runs is stopped first.
fn stops(step: &reconcile::Step) -> bool {
    matches!(step.action, reconcile::Action::Replace(_) | reconcile::Action::Restart(_))
}

/// Services in an order in which each stands after what it depends on; the loader has refused cycles.
fn ordered(project: &Project, steps: &[reconcile::Step]) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    let mut visiting = BTreeSet::new();
    let references: BTreeMap<&str, &BTreeSet<String>> =
        steps.iter().map(|s| (s.desired.service.as_str(), &s.desired.references)).collect();
    for name in project.services.keys() {
        visit(project, &references, name, &mut visiting, &mut order);
    }
    order
}

fn visit(
    project: &Project,
    references: &BTreeMap<&str, &BTreeSet<String>>,
    name: &str,
    visiting: &mut BTreeSet<String>,
    order: &mut Vec<String>,
) {
    let Some(service) = project.services.get(name) else { return };
    if !visiting.insert(name.to_owned()) {
        return;
    }
    for need in service.depends_on.keys().chain(references.get(name).into_iter().copied().flatten()) {
        visit(project, references, need, visiting, order);
    }
    order.push(name.to_owned());
}

#[cfg(test)]
mod tests;
