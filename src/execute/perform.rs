//! What each kind of step does, and how it is seen that it is done already.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use tracing::warn;

use crate::{
    error::{Cause, Class, Error, Result},
    execute::{
        Context, Outcome, Progress, containers, foreign, host_files,
        images::Image,
        machine::Machine,
        mounted, packages,
        readiness::{self, Awaited},
        resources,
        script::Script as ScriptRun,
        stop, units,
    },
    fetch::project,
    host::{files, proxy},
    manifest::scripts,
    plan::{
        Action, Step, containers as desired, images::ImageNeed, networks::RenamedNetwork, ports, reconcile,
        render::Verdict,
    },
    retry::Retry,
};

/// Whether a step is done already, so that it needs no attempt and leaves no trace.
///
/// # Errors
/// What keeps us from seeing it.
pub async fn check(cx: &Context, step: &Step) -> Result<bool> {
    let machine = || Machine::new(&cx.world, &cx.retry);
    match &step.action {
        Action::Project { dir, files } => Ok(project::preview(files, dir)?.none() && dir.exists()),
        Action::Owners { dir, files } => host_files::check(&machine(), dir, files).await,
        Action::Upgrade(_) => Ok(cx.done_before(&step.id)),
        Action::Script(script) => Ok(cx.script_done(&step.id, &script.sha256)),
        Action::Packages(names) => packages::check(&machine(), names).await,
        Action::Docker(settings) => cx.docker(&cx.retry, settings)?.check().await,
        // Without an engine nothing runs; one that is absent now is looked for again by the launch.
        Action::Foreign(instance) => {
            let engine = cx.world.engine.as_ref();
            Ok(foreign::running(engine, instance).await.map_or(true, |all| all.is_empty()))
        }
        Action::Image(need) => Ok(!cx.images(&cx.retry).await?.must_pull(need).await?),
        Action::Unit(grace) => units::check(&machine(), &binary()?, *grace).await,
        // The plan has a step for these only where there is something to do.
        Action::Network(_)
        | Action::RemoveNetwork(_)
        | Action::Volume(_)
        | Action::Container(_)
        | Action::Stop { .. }
        | Action::PreStart(_)
        | Action::Start(_)
        | Action::Remove { .. }
        | Action::Prune { .. }
        | Action::Ports(_)
        | Action::Ready { .. } => Ok(false),
    }
}

/// What a step would do, for `rolecall plan`; what cannot be seen from here is told as it is.
pub async fn foresee(cx: &Context, step: &Step) -> Verdict {
    match check(cx, step).await {
        Ok(true) => Verdict::Done,
        Ok(false) if matches!(step.action, Action::Ports(_)) => match apply(cx, &cx.retry, step, 1).await {
            Ok(_) => Verdict::Done,
            Err(err) => Verdict::Todo(format!("would fail: {err}")),
        },
        Ok(false) if let Action::Image(need) = &step.action => match offered(cx, need).await {
            Ok(()) => Verdict::Todo(step.describe()),
            Err(err) => Verdict::Todo(format!("would fail: {err}")),
        },
        Ok(false) => Verdict::Todo(step.describe()),
        Err(err) => Verdict::Todo(format!("{} ({err})", step.describe())),
    }
}

async fn offered(cx: &Context, need: &ImageNeed) -> Result<()> {
    cx.images(&cx.retry).await?.offered(need).await
}

/// Does what a step is for.
///
/// # Errors
/// Why it could not be done.
pub async fn apply(cx: &Context, retry: &Retry, step: &Step, attempt: u32) -> Result<Outcome> {
    let machine = || Machine::new(&cx.world, retry);
    let engine = cx.world.engine.as_ref();
    let changed = |what: &str| Ok(Outcome::Changed(what.to_owned()));
    match &step.action {
        Action::Project { dir, files } => Ok(Outcome::Changed(project::install(files, dir)?.to_string())),
        Action::Owners { dir, files } => host_files::apply(&machine(), dir, files).await,
        Action::Upgrade(which) => packages::Packages::of(&machine())?.upgrade(*which).await,
        Action::Packages(names) => packages::apply(&machine(), names).await,
        Action::Docker(settings) => cx.docker(retry, settings)?.apply().await,
        Action::Foreign(instance) => {
            let stop = async |_| foreign::stop(engine, instance).await;
            let count = cx.engine(retry, "stop", "containers of another instance", stop).await?;
            Ok(Outcome::Changed(format!("{count} containers stopped")))
        }
        Action::Script(script) => {
            run_script(cx, retry, script, attempt).await?;
            changed("ran to its end")
        }
        Action::Ports(check) => {
            let listeners = cx.world.host.listeners().await?;
            ports::held(check, &listeners, cx.occupants().await.as_deref())?;
            Ok(Outcome::Unchanged)
        }
        Action::Unit(grace) => units::apply(&machine(), &binary()?, *grace).await,
        Action::Image(need) => image(cx, retry, need).await,
        Action::Network(network) => {
            let project = cx.project()?.name.clone();
            cx.engine(retry, "create", &network.name, async |_| {
                resources::ensure_network(engine, &project, network).await
            })
            .await?;
            changed("created")
        }
        Action::Volume(volume) => {
            let project = cx.project()?.name.clone();
            cx.engine(retry, "create", &volume.name, async |_| {
                resources::ensure_volume(engine, &project, volume).await
            })
            .await?;
            changed("created")
        }
        Action::Container(step) => {
            let name = step.desired.name.clone();
            let create = async |attempt| {
                one_network_of_each_name(cx, step, attempt).await?;
                container(cx, step).await.map_err(|err| unless_ours(cx, err))
            };
            let id = cx.engine(retry, "create", &name, create).await?;
            cx.remember(&name, id);
            changed("created")
        }
        Action::Stop { existing, .. } => {
            cx.engine_and_containers(retry, "stop", &existing.name, async |_| stop::container(engine, existing).await)
                .await?;
            changed("stopped")
        }
        Action::PreStart(steps) => {
            let Some(first) = steps.first() else { return Ok(Outcome::Unchanged) };
            let owner = cx.container(first)?;
            let all: Vec<&reconcile::Step> = steps.iter().map(Rc::as_ref).collect();
            let run = async |_| containers::pre_start::run(engine, &all, &owner).await;
            cx.engine_and_containers(retry, "run", &format!("the pre_start hooks of {}", first.desired.service), run)
                .await?;
            changed("ran to their end")
        }
        Action::Start(step) => {
            let name = &step.desired.name;
            let id = cx.container(step)?;
            let start = async |attempt| {
                one_network_of_each_name(cx, step, attempt).await?;
                containers::start(engine, step, &id).await.map_err(|err| unless_ours(cx, err))
            };
            cx.engine_and_containers(retry, "start", name, start).await?;
            mounted::started(&cx.paths, step, &id)?;
            cx.remember(name, id);
            changed("started")
        }
        Action::Ready { service, containers, until, stable } => {
            let awaited = Awaited { service, containers, until: *until, stable: *stable };
            readiness::wait(cx, retry, awaited).await.map(|()| Outcome::Unchanged)
        }
        Action::Remove { existing, why } => {
            let remove = async |_| containers::remove(engine, existing, why).await;
            cx.engine_and_containers(retry, "remove", &existing.name, remove).await?;
            changed("removed")
        }
        Action::RemoveNetwork(network) => remove_network(cx, retry, network).await,
        Action::Prune { images } => prune(cx, images).await,
    }
}

/// Removes a network that nothing is in any more. The services run in the one in its place, so that an engine that
/// refuses is no failure; the next run tries again.
async fn remove_network(cx: &Context, retry: &Retry, network: &RenamedNetwork) -> Result<Outcome> {
    let remove = async |_| cx.world.engine.remove_network(&network.id).await;
    match cx.engine(retry, "remove", &network.name, remove).await {
        Ok(()) => Ok(Outcome::Changed("removed".to_owned())),
        Err(err) if err.cause == Cause::EngineRefused => {
            let message = format!("network {} could not be removed: {err}", network.name);
            warn!(network = network.name, "{message}");
            cx.tell(Progress::Warning(message));
            Ok(Outcome::Unchanged)
        }
        Err(err) => Err(err),
    }
}

async fn prune(cx: &Context, images: &[String]) -> Result<Outcome> {
    let mut gone = 0;
    for id in images {
        // Another tag or container may still need it; the engine knows.
        gone += usize::from(cx.world.engine.remove_image(id).await.is_ok());
    }
    files::remove(&cx.paths.replaced())?;
    Ok(Outcome::Changed(format!("{gone} images removed")))
}

async fn run_script(cx: &Context, retry: &Retry, script: &scripts::Script, attempt: u32) -> Result<()> {
    let mut env = cx.environment.clone();
    env.insert("ROLECALL_ATTEMPT".to_owned(), attempt.to_string());
    let run = ScriptRun { name: script.name.clone(), content: script.body.clone(), env, timeout: retry.remaining() };
    run.run(&cx.world, retry, &cx.paths).await?;
    cx.keep_content(&script.sha256);
    Ok(())
}

/// Brings an image, or a newer one than the engine has if that is asked for and can be had.
async fn image(cx: &Context, retry: &Retry, need: &ImageNeed) -> Result<Outcome> {
    let pulled = || Outcome::Changed("pulled".to_owned());
    let images = cx.images(retry).await?;
    let Some(before) = images.present(need).await? else {
        images.ensure(need).await?;
        return Ok(pulled());
    };
    let id = before.identity.id.clone();
    let (image, stale) = images.refresh(need, before).await?;
    if let Some(err) = stale {
        let told = format!("image {} could not be refreshed, and is used as it is: {err}", need.image);
        warn!(image = need.image, cause = err.cause.code(), "{told}");
        cx.tell(Progress::Warning(told));
    }
    Ok(if image.identity.id == id { Outcome::Unchanged } else { pulled() })
}

/// This very program, for the unit that calls it.
///
/// # Errors
/// The kernel does not tell.
pub fn binary() -> Result<PathBuf> {
    std::env::current_exe().map_err(|err| Error::io("find", Path::new("/proc/self/exe"), &err))
}

/// Makes a container. One that refers to others by their ids is described anew, now that those are there.
async fn container(cx: &Context, step: &Rc<reconcile::Step>) -> Result<String> {
    let engine = cx.world.engine.as_ref();
    let found = engine.inspect_image(&step.desired.image).await?;
    let image = found.as_ref().map(Image::read).ok_or_else(|| {
        Error::new(Cause::ImageNotFound, format!("image {} is gone before its container was made", step.desired.image))
    })?;
    if step.desired.references.is_empty() {
        return containers::prepare(engine, step, &image).await;
    }
    let launch = cx.launch()?;
    let there: Vec<_> = engine.containers(&[]).await?.iter().map(reconcile::Existing::read).collect();
    let peers = reconcile::peers(&launch.project.name, &there);
    let service = launch.project.services.get(&step.desired.service).ok_or_else(|| {
        Error::new(Cause::ContainerFailed, format!("service {} is not in the project", step.desired.service))
    })?;
    let desired = desired::container(&launch.project, service, step.desired.number, &peers, &launch.options())?;
    let step = reconcile::Step { desired, ..reconcile::Step::clone(step) };
    containers::prepare(engine, &step, &image).await
}

/// A missing source of a mount is awaited, since a disk may be mounted later. In our own folders nothing appears by itself.
fn unless_ours(cx: &Context, err: Error) -> Error {
    let missing = |folder: &Path| err.message.contains(&format!("source path does not exist: {}/", folder.display()));
    if missing(&cx.paths.state) || missing(&cx.paths.runtime) { err.class(Class::Permanent) } else { err }
}

/// A name that two networks have is refused; who tries again leaves one of them first.
async fn one_network_of_each_name(cx: &Context, step: &reconcile::Step, attempt: u32) -> Result<()> {
    if attempt > 1 {
        for name in &step.desired.networks {
            resources::unify(cx.world.engine.as_ref(), &step.desired.project, name).await?;
        }
    }
    Ok(())
}

/// Facts that a script sees besides those of interpolation.
pub fn script_environment(
    variables: &BTreeMap<String, String>,
    region: &str,
    bucket_url: Option<String>,
) -> BTreeMap<String, String> {
    let mut env = proxy::from_env();
    env.extend(variables.clone());
    env.insert("AWS_REGION".to_owned(), region.to_owned());
    env.insert("REGION".to_owned(), region.to_owned());
    env.extend(bucket_url.map(|url| ("S3_BUCKET_URL".to_owned(), url)));
    env
}
