//! The steps that bring a host as far as an engine that answers and scripts that have run.

use std::{rc::Rc, time::Duration};

use super::{
    Action, Index, Plan, Step,
    ports::{self, PortCheck},
};
use crate::manifest::{
    extension::{HostFile, HostSettings, Upgrade},
    prepare::Prepared,
};

/// Package managers and mirrors may be slow, and a lock is waited for.
const PACKAGES: Duration = Duration::from_secs(20 * 60);

/// Download, installation and first start of the engine.
const DOCKER: Duration = Duration::from_secs(15 * 60);

/// Stopping what another instance left running, with whatever grace it has.
const STOP: Duration = Duration::from_secs(60 * 60);

/// A script of stage two may build, migrate or restore; the deadline of the run bounds it all the same.
const SCRIPT: Duration = Duration::from_secs(30 * 60);

/// Writing files that have been fetched already.
const FILES: Duration = Duration::from_secs(5 * 60);

/// The order of design: upgrade, packages, docker, scripts, with what another instance left
/// running stopped as soon as there is an engine; the files of the project beside all that. Where no script
/// could still free a port, ports are looked at before anything is installed. `upgraded` is what the image of this machine
/// was upgraded to, which is not done again.
pub fn host_steps(prepared: &Prepared, instance: &str, upgraded: Upgrade) -> Plan {
    let mut plan = Plan::default();
    let host = &prepared.manifest.extension.host;
    let mut before = Vec::new();
    if let Some(project) = prepared.manifest.project.as_ref().filter(|_| prepared.manifest.scripts.is_empty()) {
        let requests = ports::requests(project);
        if !requests.is_empty() {
            let check = PortCheck { requests, ..PortCheck::default() };
            let step = Step::new("ports", "", FILES, Action::Ports(check));
            before.push(plan.add(step, []));
        }
    }
    let mut files = None;
    if let Some(snapshot) = &prepared.files {
        let action = Action::Project { dir: prepared.dir.clone(), files: Rc::clone(snapshot) };
        let input = format!("{}\0{}", prepared.dir.display(), snapshot.digest());
        files = Some(plan.add(Step::new("project", &input, FILES, action), []));
    }
    before = engine_steps(&mut plan, host, (instance, upgraded), before);
    let foreign = Action::Foreign(instance.to_owned());
    before = vec![plan.add(Step::new("foreign", instance, STOP, foreign), before)];
    before.extend(files);
    before.extend(owners(&mut plan, prepared, before.clone()));
    for script in &prepared.manifest.scripts {
        let input = format!("{instance}\0{}", script.sha256);
        let step = Step::new(format!("script:{}", script.name), &input, SCRIPT, Action::Script(script.clone()));
        before = vec![plan.add(step, before)];
    }
    plan
}

/// Owners of files of the project, once the files are there and the packages that may create users.
fn owners(plan: &mut Plan, prepared: &Prepared, needs: Vec<Index>) -> Option<Index> {
    let all = prepared.manifest.extension.host.files.iter();
    let files: Vec<HostFile> = all.filter(|file| file.owner.is_some() || file.group.is_some()).cloned().collect();
    if files.is_empty() {
        return None;
    }
    let input = format!("{}\0{files:?}", prepared.dir.display());
    let action = Action::Owners { dir: prepared.dir.clone(), files };
    Some(plan.add(Step::new("owners", &input, FILES, action), needs))
}

/// Upgrade, packages and engine, one after the other; the last of them.
pub(super) fn engine_steps(
    plan: &mut Plan,
    host: &HostSettings,
    (instance, upgraded): (&str, Upgrade),
    mut before: Vec<Index>,
) -> Vec<Index> {
    if host.upgrade > upgraded {
        let step = Step::new(
            "upgrade",
            &format!("{instance}\0{}", host.upgrade.word()),
            PACKAGES,
            Action::Upgrade(host.upgrade),
        );
        before = vec![plan.add(step, before)];
    }
    if !host.packages.is_empty() {
        let step = Step::new("packages", &host.packages.join("\0"), PACKAGES, Action::Packages(host.packages.clone()));
        before = vec![plan.add(step, before)];
    }
    let input = host.docker.rendered();
    vec![plan.add(Step::new("docker", &input, DOCKER, Action::Docker(host.docker.clone())), before)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The journals of hosts name scripts and upgrades by these: another id runs them once more on the whole fleet.
    #[test]
    fn ids_of_scripts_and_upgrades_stay() {
        let step = |name: &str, input: &str| Step::new(name, input, SCRIPT, Action::Foreign(String::new())).id;
        assert_eq!(step("script:10.sh", &format!("i-1\0{}", "ab".repeat(32))), "9f95b4d999cc3871");
        assert_eq!(step("upgrade", "i-1\0security"), "3e02f2fe6da7bbc6");
    }
}
