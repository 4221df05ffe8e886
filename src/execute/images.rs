//! Images: which have to be pulled, and pulling them.

mod platforms;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use futures_util::{
    StreamExt,
    future::{Either, select},
};
use serde_json::Value;
use tracing::info;

use crate::{
    error::{Cause, Error, Exit, Result},
    execute::{credentials::Credentials, host_logins},
    image_ref::ImageRef,
    manifest::extension::Mirrors,
    plan::{PullPolicy, image_identity::ImageIdentity, images::ImageNeed},
    redact::hide,
    retry::{Policy, Retry, seconds},
    world::{PullProgress, RegistryLogin, World},
};

/// A pull without a message for this long is given up and tried again.
const IDLE: Duration = Duration::from_mins(1);

/// How long a registry is asked again for a newer image of one that the engine has.
const REFRESH_PATIENCE: Duration = Duration::from_secs(20);

/// The least time between two lines about one pull.
const PROGRESS: Duration = Duration::from_secs(10);

/// Registries that limit their callers do so for minutes.
const PULL: Policy =
    Policy { base: Duration::from_secs(1), cap: Duration::from_mins(1), attempt_timeout: None, ..Policy::SERVICE };

/// An image that the engine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its id, and what it is known as in labels.
    pub identity: ImageIdentity,
    /// Paths that it declares as volumes.
    pub volumes: Vec<String>,
    /// The user that its containers run as, where a service names none.
    pub user: String,
}

impl Image {
    /// Reads the answer to `GET /images/{name}/json`.
    pub fn read(image: &Value) -> Self {
        let volumes = image["Config"]["Volumes"].as_object().into_iter().flatten().map(|(path, _)| path.clone());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self { identity: ImageIdentity::read(image), volumes: volumes.collect(), user: text(&image["Config"]["User"]) }
    }
}

/// Brings images.
pub struct Images {
    world: World,
    retry: Retry,
    credentials: Rc<Credentials>,
    mirrors: Mirrors,
    architecture: String,
}

impl Images {
    /// For the engine of `world`, whose answer to `GET /info` is `info`.
    pub fn new(world: World, retry: Retry, credentials: Rc<Credentials>, info: &Value) -> Self {
        let architecture = normal(info["Architecture"].as_str().unwrap_or_default()).to_owned();
        Self { world, retry, credentials, mirrors: Mirrors::default(), architecture }
    }

    /// The same, through these mirrors.
    #[must_use]
    pub fn through(self, mirrors: Mirrors) -> Self {
        Self { mirrors, ..self }
    }

    /// Whether an image has to be pulled, as far as the engine alone can tell.
    ///
    /// # Errors
    /// `image-not-found` where it must not be pulled and is not there.
    pub async fn must_pull(&self, need: &ImageNeed) -> Result<bool> {
        let reference = ImageRef::parse(&need.image)?;
        let there = self.world.engine.inspect_image(&need.image).await?;
        let there = there.filter(|image| self.misfit(platform(image), need).is_none());
        let Some(there) = there else {
            if need.policy == PullPolicy::Never {
                let message = format!("image {} is not there, and pull_policy is never", need.image);
                return Err(Error::new(Cause::ImageNotFound, message).hint("load it, or let it be pulled"));
            }
            return Ok(true);
        };
        // What a digest names cannot have changed.
        if reference.digest.is_some() {
            return Ok(false);
        }
        Ok(match need.policy {
            PullPolicy::Always => true,
            PullPolicy::Missing | PullPolicy::Never => false,
            PullPolicy::Every(every) => age(&there).is_none_or(|age| age >= every),
        })
    }

    /// Brings one image, where it has to be pulled, and looks whether it is what was asked for.
    ///
    /// # Errors
    /// `image-not-found`, `image-denied`, `image-pull`, and those of the engine.
    pub async fn ensure(&self, need: &ImageNeed) -> Result<Image> {
        let engine_says = format!("look for image {}", need.image);
        if self.retry.run(&engine_says, Policy::SERVICE, async |_| self.must_pull(need).await).await? {
            return self.brought(need, &self.retry).await;
        }
        let there = self.world.engine.inspect_image(&need.image).await?;
        Ok(there.as_ref().map(Image::read).unwrap_or_default())
    }

    /// Asks the registry for a newer image than `present`, if the policy wants that. It is best effort: what the engine
    /// has can run. The image to use, and why no newer one could be had.
    ///
    /// # Errors
    /// What came is not what it should be, or there is no space for it.
    pub async fn refresh(&self, need: &ImageNeed, present: Image) -> Result<(Image, Option<Error>)> {
        if !self.must_pull(need).await? {
            return Ok((present, None));
        }
        // The containers are still to be started in what is left.
        let patience = self.retry.remaining().map_or(REFRESH_PATIENCE, |left| REFRESH_PATIENCE.min(left / 4));
        match self.brought(need, &self.retry.clone().sooner(self.world.clock.now() + patience)).await {
            Ok(image) => Ok((image, None)),
            Err(err) if err.exit() == Exit::Integrity || err.cause == Cause::DiskFull => Err(err),
            Err(err) => Ok((present, Some(err))),
        }
    }

    /// Whether the engine has an image of this name that can run here.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn present(&self, need: &ImageNeed) -> Result<Option<Image>> {
        let there = self.world.engine.inspect_image(&need.image).await?;
        Ok(there.filter(|image| self.misfit(platform(image), need).is_none()).as_ref().map(Image::read))
    }

    async fn brought(&self, need: &ImageNeed, retry: &Retry) -> Result<Image> {
        self.offered_before_pull(need).await?;
        let what = format!("pull {}", need.image);
        let last = RefCell::new(None);
        let pulled = retry.run(&what, PULL, async |_| self.pull(need, &last).await).await;
        pulled.map_err(|err| match (err.cause, last.take()) {
            // What came last says more than that time was up.
            (Cause::Deadline, Some(last)) => {
                Error::new(Cause::ImagePull, format!("could not pull image {} in time: {last}", need.image)).transient()
            }
            _ => err.instead_of_deadline(Cause::ImagePull),
        })
    }

    async fn login(&self, reference: &ImageRef) -> Result<Option<RegistryLogin>> {
        if let Some(login) = self.credentials.find(&reference.registry) {
            return Ok(Some(login.clone()));
        }
        match reference.ecr() {
            Some((account, region)) => {
                let login = self.world.cloud.registry_login(region, account).await?;
                hide(login.password.reveal(), "[registry token]");
                Ok(Some(login))
            }
            None => Ok(host_logins::find(&*self.world.host, &reference.registry).await),
        }
    }

    /// What is pulled. What is pinned and has a mirror is known by the mirror's name, and asked for by it.
    fn source(&self, need: &ImageNeed) -> Result<String> {
        let pinned = ImageRef::parse(&need.image)?.digest.is_some();
        Ok(self.mirrors.of(&need.image).filter(|_| !pinned).unwrap_or_else(|| need.image.clone()))
    }

    /// Pulls once; `last` is where it stands.
    async fn pull(&self, need: &ImageNeed, last: &RefCell<Option<String>>) -> Result<Image> {
        let clock = &self.world.clock;
        let reference = ImageRef::parse(&need.image)?;
        let source = self.source(need)?;
        let source = source.as_str();
        let login = self.login(&ImageRef::parse(source)?).await?;
        let start = clock.now();
        info!(image = need.image, "pulling {source}");
        let mut messages = self.world.engine.pull(source, need.platform.as_deref(), login.as_ref()).await?;
        let mut progress = Progress::default();
        let mut told = start;
        loop {
            let message = match select(messages.next(), clock.sleep(IDLE)).await {
                Either::Left((message, _)) => message,
                Either::Right(_) => {
                    let message = format!("could not pull image {}: silent for {}", need.image, seconds(IDLE));
                    return Err(Error::new(Cause::ImagePull, message).transient());
                }
            };
            let Some(message) = message else { break };
            let message = message?;
            let status = message.status.clone();
            progress.add(message);
            last.replace(Some(format!("{progress} came, and the engine last said '{status}'")));
            if clock.now().saturating_sub(told) >= PROGRESS {
                told = clock.now();
                info!(image = need.image, "pulling {}: {progress}", need.image);
            }
        }
        // A stream that was cut at the end of a message looks whole; the engine's last word does not come then.
        if !progress.complete {
            let message = format!("could not pull image {}: the engine's answer broke off", need.image);
            return Err(Error::new(Cause::ImagePull, message).transient());
        }
        if source != need.image {
            self.world.engine.tag_image(source, &reference.repository(), reference.version()).await?;
        }
        let image = self.verified(need, &reference).await?;
        let size = image["Size"].as_u64().unwrap_or_default();
        info!(
            image = need.image,
            "pulled {} in {}, {}",
            need.image,
            seconds(clock.now().saturating_sub(start)),
            megabytes(size)
        );
        Ok(Image::read(&image))
    }

    /// The image as the engine has it after a pull.
    async fn verified(&self, need: &ImageNeed, reference: &ImageRef) -> Result<Value> {
        let name = &need.image;
        let image = self.world.engine.inspect_image(name).await?.ok_or_else(|| {
            let message = format!("image {name} is not there after it was pulled");
            Error::new(Cause::ImagePull, message).transient()
        })?;
        if let Some(wanted) = &reference.digest {
            let digests = image["RepoDigests"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let has = image["Id"] == wanted.as_str() || digests.into_iter().any(|digest| digest.ends_with(wanted));
            if !has {
                let message = format!("image {name} was pulled, and the engine knows it under another digest");
                return Err(Error::new(Cause::ChecksumMismatch, message));
            }
        }
        match self.misfit(platform(&image), need) {
            None => Ok(image),
            Some(why) => Err(Error::new(Cause::ImageNotFound, format!("image {name} {why}"))
                .hint("push it for this architecture, or choose another instance type")),
        }
    }

    /// Why an image of this operating system and architecture is not for this machine, or not for the platform that is
    /// asked for.
    fn misfit(&self, (os, architecture): (&str, &str), need: &ImageNeed) -> Option<String> {
        let architecture = normal(architecture);
        if architecture.is_empty() {
            return None;
        }
        if let Some(platform) = &need.platform {
            let mut parts = platform.split('/');
            let (wanted_os, wanted) = (parts.next().unwrap_or_default(), parts.next().map(normal));
            // A platform may be an architecture alone.
            let (wanted_os, wanted) = match wanted {
                Some(wanted) => (wanted_os, wanted),
                None if matches!(wanted_os, "linux" | "windows") => (wanted_os, architecture),
                None => (os, normal(wanted_os)),
            };
            let fits = wanted_os == os && wanted == architecture;
            return (!fits).then(|| format!("is for {os}/{architecture}, and {platform} is asked for"));
        }
        let fits = self.architecture.is_empty() || architecture == self.architecture;
        (!fits).then(|| format!("is for {os}/{architecture}, and this machine is {}", self.architecture))
    }
}

/// The operating system and the architecture of an image that the engine has.
fn platform(image: &Value) -> (&str, &str) {
    (image["Os"].as_str().unwrap_or("linux"), image["Architecture"].as_str().unwrap_or_default())
}

/// Architectures by the names that images use.
fn normal(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" | "arm64/v8" => "arm64",
        "armv7l" | "armv6l" | "armhf" | "armel" => "arm",
        "i386" | "i686" => "386",
        other => other,
    }
}

/// How long ago the engine last gave the image its name.
fn age(image: &Value) -> Option<Duration> {
    let tagged: jiff::Timestamp = image["Metadata"]["LastTagTime"].as_str()?.parse().ok()?;
    // A time before the epoch stands for none.
    (tagged.as_second() > 0)
        .then(|| Duration::try_from(jiff::Timestamp::now().duration_since(tagged)).unwrap_or_default())
}

/// What has come of a pull.
#[derive(Default)]
struct Progress {
    layers: BTreeMap<String, (u64, u64)>,
    complete: bool,
}

impl Progress {
    fn add(&mut self, message: PullProgress) {
        self.complete |= message.status.starts_with("Status: ");
        if let (Some(id), Some(bytes), "Downloading") = (message.id, message.bytes, message.status.as_str()) {
            self.layers.insert(id, bytes);
        }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (done, all) = self.layers.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        write!(f, "{} of {}", megabytes(done), megabytes(all))
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

#[cfg(test)]
mod tests;
