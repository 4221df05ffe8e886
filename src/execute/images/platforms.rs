//! The platforms that a registry has an image for, asked before an image comes that this machine cannot run.

use std::time::Duration;

use serde_json::Value;
use tracing::debug;

use super::Images;
use crate::{
    error::{Cause, Error, Result},
    image_ref::{DOCKER_HUB, ImageRef},
    plan::images::ImageNeed,
};

/// How long a registry may take. One that is slower is asked for the image all the same.
const ANSWER: Duration = Duration::from_secs(5);

impl Images {
    /// Refuses an image that its registry has for other platforms only. Best effort: without an answer, the pull decides.
    ///
    /// # Errors
    /// `image-not-found` with the platforms that exist.
    pub async fn offered(&self, need: &ImageNeed) -> Result<()> {
        let platforms = match self.retry.bounded("ask for platforms", Some(ANSWER), self.platforms(need)).await {
            Ok(platforms) => platforms,
            Err(err) => {
                debug!("the platforms of image {} are not known before it is pulled: {err}", need.image);
                return Ok(());
            }
        };
        let fits = |(os, architecture): &(String, String)| {
            (need.platform.is_some() || os == "linux") && self.misfit((os, architecture), need).is_none()
        };
        if platforms.is_empty() || platforms.iter().any(fits) {
            return Ok(());
        }
        let mut names: Vec<String> =
            platforms.iter().map(|(os, architecture)| format!("{os}/{architecture}")).collect();
        names.dedup();
        let wanted = need.platform.clone().unwrap_or_else(|| format!("linux/{}", self.architecture));
        let message = format!("image {} does not exist for {wanted}, only for {}", need.image, names.join(", "));
        Err(Error::new(Cause::ImageNotFound, message)
            .hint("push it for this architecture, choose another instance type, or set `platform` of the service"))
    }

    /// The same before a pull. Docker Hub counts the question as a pull, and limits those without a login.
    pub(super) async fn offered_before_pull(&self, need: &ImageNeed) -> Result<()> {
        let reference = ImageRef::parse(self.source(need)?.as_str())?;
        if reference.registry == DOCKER_HUB && self.login(&reference).await.is_ok_and(|login| login.is_none()) {
            return Ok(());
        }
        self.offered(need).await
    }

    /// Operating systems and architectures.
    async fn platforms(&self, need: &ImageNeed) -> Result<Vec<(String, String)>> {
        let source = self.source(need)?;
        let login = self.login(&ImageRef::parse(&source)?).await?;
        let answer = self.world.engine.distribution(&source, login.as_ref()).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = answer["Platforms"].as_array().into_iter().flatten();
        let all = all.map(|platform| (text(&platform["os"]), text(&platform["architecture"])));
        // Attestations stand in the list as `unknown/unknown`.
        Ok(all.filter(|(os, _)| !os.is_empty() && os != "unknown").collect())
    }
}
