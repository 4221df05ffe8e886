//! `rolecall plan`: what `run` would do, without doing it.

use std::{cell::RefCell, path::Path, rc::Rc};

use super::{bring_up::unit, print, real, release_folder, stages::Session};
use crate::{
    cli::Wishes,
    error::{Error, Result},
    execute::{
        Context, baked,
        journal::Journal,
        launch,
        look::{self, Look},
        others, perform,
    },
    plan::{Action, Plan, Step, checks, host_steps, render},
    printable,
    settings::Flags,
};

/// Prints the steps of a run, and for each whether it is done already.
///
/// # Errors
/// Whatever keeps a run from getting to its plan.
pub async fn plan(flags: &Flags, wishes: Wishes, json: bool) -> Result<u8> {
    let (world, mut settings) = real::open(flags)?;
    // What is fetched to look at goes again: the state is a run's alone, and one may be under way.
    let scratch = tempfile::Builder::new().prefix("rolecall-plan-").tempdir();
    let scratch = scratch.map_err(|err| Error::io("make a folder in", &std::env::temp_dir(), &err))?;
    settings.paths.cache = scratch.path().to_owned();
    let session = Session::begin(world, settings);
    let (facts, mut input) = session.facts().await.map_err(|err| err.step("facts"))?;
    // Nor is anything remembered of it.
    let serials = scratch.path().join("serials.json");
    let _ = std::fs::copy(&input.trust.serials, &serials);
    input.trust.serials = serials;
    let fetched = session.fetch(&facts, &input).await.map_err(|err| err.step("fetch"))?;
    let prepared = session.prepare(&facts, &input, fetched).await.map_err(|err| err.step("fetch"))?;
    let findings = checks::of(&prepared, &facts, !input.trust.keys.is_empty());
    let warnings = findings.into_result().map_err(|err| err.step("plan"))?;
    let journal = Journal::reading(&session.paths.journal(), &facts.instance_id);
    let journal = Rc::new(RefCell::new(journal));
    let cx = session.context(&prepared, &facts, &input, journal, Box::new(|_| {}))?;
    let mut seen = render::Foreseen::default();
    seen.add(Plan { warnings, ..Plan::default() }, Vec::new());
    let host = host_steps(&prepared, &facts.instance_id, baked::upgraded(&session.paths));
    let pending = |step: &Step| matches!(step.action, Action::Script(_)) && !cx.done_before(&step.id);
    let scripts_pending = host.steps.iter().any(pending);
    let warnings = missing_interpreters(&host, pending);
    seen.add(Plan { warnings, ..Plan::default() }, Vec::new());
    foresee(&cx, host, &mut seen).await;
    if let Some(project) = &prepared.manifest.project {
        seen.project = Some(project.name.clone());
        let extension = &prepared.manifest.extension;
        let Wishes { remove_orphans } = wishes;
        let (instance, changes) = (&facts.instance_id, prepared.changes());
        let look =
            Look { project, prepared: &prepared, instance, changes, idle: true, remove_orphans, scripts_pending };
        look::look(&cx, look).await?;
        let alone = release_folder::check(&session, (&input, &facts), &prepared, true).await;
        alone.map_err(|err| err.step("plan"))?;
        let refresh = launch::refresh(&cx)?;
        foresee(&cx, refresh, &mut seen).await;
        let plan = launch::plan(&cx, extension, unit(&cx)).await.map_err(|err| err.step("plan"))?;
        foresee(&cx, plan, &mut seen).await;
        for other in others::plans(&cx, &project.name, &facts.instance_id).await? {
            foresee(&cx, other.plan, &mut seen).await;
        }
    }
    print(&if json { seen.json() } else { printable::lines(&seen.text()).into_owned() })?;
    Ok(0)
}

/// Interpreters of scripts that have not run, if this host does not have them.
fn missing_interpreters(host: &Plan, pending: impl Fn(&Step) -> bool) -> Vec<String> {
    let packages = host.steps.iter().any(|step| matches!(step.action, Action::Packages(_)));
    let scripts = host.steps.iter().filter(|step| pending(step)).filter_map(|step| match &step.action {
        Action::Script(script) => Some(script),
        _ => None,
    });
    let warning = |(index, script)| {
        let before = match (packages, index > 0) {
            (true, true) => Some("x-rolecall.host.packages or an earlier script"),
            (true, false) => Some("x-rolecall.host.packages"),
            (false, true) => Some("an earlier script"),
            (false, false) => None,
        };
        checks::missing_interpreter(script, before, &on_host)
    };
    scripts.enumerate().filter_map(warning).collect()
}

/// Whether this host has a program, by its path or in `PATH`.
fn on_host(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if program.contains('/') {
        Path::new(program).exists()
    } else {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    }
}

async fn foresee(cx: &Context, plan: Plan, seen: &mut render::Foreseen) {
    let mut verdicts = Vec::new();
    for step in &plan.steps {
        verdicts.push(perform::foresee(cx, step).await);
    }
    seen.add(plan, verdicts);
}
