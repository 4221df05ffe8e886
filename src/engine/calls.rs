//! The requests, one by one.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use bollard::{errors::Error as Bollard, query_parameters as query};
use futures_util::{StreamExt, stream::LocalBoxStream};
use serde_json::{Value, json};

use crate::{
    engine::{DockerEngine, STOP_ANSWER, STOP_MARGIN, errors::Subject, permits::Kind, streams},
    error::{Cause, Error, Result},
    world::{Engine, EngineEvent, PullProgress, RegistryLogin},
};

/// An answer as JSON again.
pub(super) fn json<T: serde::Serialize>(answer: &T) -> Result<Value> {
    serde_json::to_value(answer)
        .map_err(|err| Error::new(Cause::EngineRefused, format!("could not read the engine's answer: {err}")))
}

fn labelled(labels: &[String]) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), labels.to_vec())])
}

/// `None` for 404.
fn found<T>(answer: std::result::Result<T, Bollard>) -> std::result::Result<Option<T>, Bollard> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(err) => Err(err),
    }
}

#[async_trait(?Send)]
impl Engine for DockerEngine {
    async fn version(&self) -> Result<Value> {
        self.negotiate().await
    }

    async fn info(&self) -> Result<Value> {
        let answer = self.docker(None).await?.info().await;
        json(&answer.map_err(|err| self.fail("read its state", &Subject::Engine, err))?)
    }

    async fn containers(&self, labels: &[String]) -> Result<Vec<Value>> {
        let options = query::ListContainersOptionsBuilder::new().all(true).filters(&labelled(labels)).build();
        let answer = self.docker(None).await?.list_containers(Some(options)).await;
        answer.map_err(|err| self.fail("list its containers", &Subject::Engine, err))?.iter().map(json).collect()
    }

    async fn inspect_container(&self, id: &str) -> Result<Option<Value>> {
        let answer = found(self.docker(None).await?.inspect_container(id, None).await);
        answer.map_err(|err| self.fail("inspect", &Subject::container(id), err))?.as_ref().map(json).transpose()
    }

    async fn create_container(&self, name: &str, platform: Option<&str>, body: &Value) -> Result<String> {
        let mut options = query::CreateContainerOptionsBuilder::new().name(name);
        if let Some(platform) = platform {
            options = options.platform(platform);
        }
        let docker = self.docker(Some(body)).await?;
        let answer = docker.create_container(Some(options.build()), bollard::models::ContainerCreateBody::default());
        let answer = answer.await.map_err(|err| self.fail("create", &Subject::container(name), err))?;
        for warning in answer.warnings {
            tracing::warn!(container = name, "the engine says: {warning}");
        }
        Ok(answer.id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let answer = self.docker(None).await?.start_container(id, None).await;
        answer.map_err(|err| self.fail("start", &Subject::container(id), err))
    }

    async fn wait_container(&self, id: &str) -> Result<i64> {
        let connection = self.connection(Kind::Lasting, None).await?;
        let docker = connection.docker.clone().with_timeout(STOP_ANSWER);
        match docker.wait_container(id, None).next().await {
            Some(Ok(ended)) => Ok(ended.status_code),
            // Other codes than 0 are errors to bollard.
            Some(Err(Bollard::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(err)) => Err(self.fail("wait for", &Subject::container(id), err)),
            None => Err(Error::new(Cause::EngineUnreachable, format!("could not wait for container {id}: no answer"))
                .transient()),
        }
    }

    async fn stop_container(&self, id: &str, grace: Option<i64>) -> Result<()> {
        let mut options = query::StopContainerOptionsBuilder::new();
        let mut limit = STOP_ANSWER;
        if let Some(grace) = grace.and_then(|g| i32::try_from(g).ok()) {
            options = options.t(grace);
            limit = Duration::from_secs(grace.unsigned_abs().into()) + STOP_MARGIN;
        }
        let connection = self.connection(Kind::Lasting, None).await?;
        let docker = connection.docker.clone().with_timeout(limit);
        let answer = found(docker.stop_container(id, Some(options.build())).await);
        answer.map(drop).map_err(|err| self.fail("stop", &Subject::container(id), err))
    }

    async fn remove_container(&self, id: &str, force: bool, volumes: bool) -> Result<()> {
        let options = query::RemoveContainerOptionsBuilder::new().force(force).v(volumes).build();
        let answer = found(self.docker(None).await?.remove_container(id, Some(options)).await);
        answer.map(drop).map_err(|err| self.fail("remove", &Subject::container(id), err))
    }

    async fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        let options = query::RenameContainerOptionsBuilder::new().name(name).build();
        let answer = self.docker(None).await?.rename_container(id, options).await;
        answer.map_err(|err| self.fail(&format!("rename to {name}"), &Subject::container(id), err))
    }

    async fn upload(&self, id: &str, path: &str, tar: Vec<u8>, owned: bool) -> Result<()> {
        let mut options = query::UploadToContainerOptionsBuilder::new().path(path);
        if owned {
            options = options.copy_uidgid("true");
        }
        let options = options.build();
        let docker = self.docker(None).await?;
        let answer = docker.upload_to_container(id, Some(options), bollard::body_full(tar.into())).await;
        answer.map_err(|err| self.fail("copy files into", &Subject::container(id), err))
    }

    async fn download(&self, id: &str, path: &str, most: usize) -> Result<Option<Vec<u8>>> {
        let options = query::DownloadFromContainerOptionsBuilder::new().path(path).build();
        let docker = self.docker(None).await?;
        let answer = found(streams::bytes(docker.download_from_container(id, Some(options)), most).await);
        answer.map_err(|err| self.fail(&format!("read {path} of"), &Subject::container(id), err))
    }

    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<String>> {
        let options = query::LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let docker = self.connection(Kind::Lasting, None).await?;
        let mut all = Vec::new();
        let read = streams::lines(docker.logs(id, Some(options)), &mut |line| all.push(line.to_owned())).await;
        read.map_err(|err| self.fail("read the output of", &Subject::container(id), err))?;
        Ok(all.split_off(all.len().saturating_sub(lines)))
    }

    async fn exec(&self, id: &str, body: &Value, line: &mut dyn for<'l> FnMut(&'l str)) -> Result<i64> {
        let fail = |err| self.fail("run a command in", &Subject::container(id), err);
        let made = self.docker(Some(body)).await?.create_exec(id, bollard::models::ExecConfig::default()).await;
        let exec = made.map_err(fail)?.id;
        let tty = body.get("Tty").and_then(Value::as_bool).unwrap_or_default();
        let start = json!({ "Detach": false, "Tty": tty });
        let docker = self.connection(Kind::Lasting, Some(&start)).await?;
        if let bollard::exec::StartExecResults::Attached { output, .. } =
            docker.start_exec(&exec, None).await.map_err(fail)?
        {
            streams::lines(output, line).await.map_err(fail)?;
        }
        drop(docker);
        let done = self.docker(None).await?.inspect_exec(&exec).await.map_err(fail)?;
        done.exit_code.ok_or_else(|| {
            let message = format!("could not run a command in container {id}: its exit code is not known");
            Error::new(Cause::ContainerFailed, message)
        })
    }

    async fn inspect_image(&self, name: &str) -> Result<Option<Value>> {
        let answer = found(self.docker(None).await?.inspect_image(name).await);
        answer.map_err(|err| self.fail("inspect", &Subject::Image(name), err))?.as_ref().map(json).transpose()
    }

    async fn distribution(&self, image: &str, login: Option<&RegistryLogin>) -> Result<Value> {
        let credentials = streams::login(image, login)?;
        let docker = self.connection(Kind::Lasting, None).await?;
        let answer = docker.inspect_registry_image(image, credentials).await;
        json(&answer.map_err(|err| self.fail("ask the registry for the platforms of", &Subject::Image(image), err))?)
    }

    async fn pull(
        &self,
        image: &str,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
    ) -> Result<LocalBoxStream<'static, Result<PullProgress>>> {
        let connection = self.connection(Kind::Pull, None).await?;
        streams::pull(connection, &self.host, image, platform, login)
    }

    async fn tag_image(&self, image: &str, repository: &str, tag: &str) -> Result<()> {
        let options = query::TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
        let answer = self.docker(None).await?.tag_image(image, Some(options)).await;
        answer.map_err(|err| self.fail("tag", &Subject::Image(image), err))
    }

    async fn remove_image(&self, id: &str) -> Result<()> {
        let answer = found(self.docker(None).await?.remove_image(id, None::<query::RemoveImageOptions>, None).await);
        answer.map(drop).map_err(|err| self.fail("remove", &Subject::Image(id), err))
    }

    async fn networks(&self, labels: &[String]) -> Result<Vec<Value>> {
        let options = query::ListNetworksOptionsBuilder::new().filters(&labelled(labels)).build();
        let answer = self.docker(None).await?.list_networks(Some(options)).await;
        answer.map_err(|err| self.fail("list its networks", &Subject::Engine, err))?.iter().map(json).collect()
    }

    async fn create_network(&self, body: &Value) -> Result<String> {
        let name = body.get("Name").and_then(Value::as_str).unwrap_or_default();
        let docker = self.docker(Some(body)).await?;
        let answer = docker.create_network(bollard::models::NetworkCreateRequest::default()).await;
        Ok(answer.map_err(|err| self.fail("create", &Subject::Network(name), err))?.id)
    }

    async fn remove_network(&self, id: &str) -> Result<()> {
        let answer = found(self.docker(None).await?.remove_network(id).await);
        answer.map(drop).map_err(|err| self.fail("remove", &Subject::Network(id), err))
    }

    async fn connect_network(&self, network: &str, container: &str, endpoint: &Value) -> Result<()> {
        let body = json!({ "Container": container, "EndpointConfig": endpoint });
        let docker = self.docker(Some(&body)).await?;
        let answer = docker.connect_network(network, bollard::models::NetworkConnectRequest::default()).await;
        let what = format!("connect container {container} to");
        answer.map_err(|err| self.fail(&what, &Subject::Network(network), err))
    }

    async fn disconnect_network(&self, network: &str, container: &str) -> Result<()> {
        let body = json!({ "Container": container, "Force": true });
        let docker = self.docker(Some(&body)).await?;
        let answer = docker.disconnect_network(network, bollard::models::NetworkDisconnectRequest::default()).await;
        let what = format!("disconnect container {container} from");
        answer.map_err(|err| self.fail(&what, &Subject::Network(network), err))
    }

    async fn inspect_volume(&self, name: &str) -> Result<Option<Value>> {
        let answer = found(self.docker(None).await?.inspect_volume(name).await);
        answer.map_err(|err| self.fail("inspect", &Subject::Volume(name), err))?.as_ref().map(json).transpose()
    }

    async fn volumes(&self, labels: &[String]) -> Result<Vec<Value>> {
        let options = query::ListVolumesOptionsBuilder::new().filters(&labelled(labels)).build();
        let answer = self.docker(None).await?.list_volumes(Some(options)).await;
        let answer = answer.map_err(|err| self.fail("list its volumes", &Subject::Engine, err))?;
        answer.volumes.unwrap_or_default().iter().map(json).collect()
    }

    async fn create_volume(&self, body: &Value) -> Result<()> {
        let name = body.get("Name").and_then(Value::as_str).unwrap_or_default();
        let docker = self.docker(Some(body)).await?;
        let answer = docker.create_volume(bollard::models::VolumeCreateRequest::default()).await;
        answer.map(drop).map_err(|err| self.fail("create", &Subject::Volume(name), err))
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        let answer = found(self.docker(None).await?.remove_volume(name, None::<query::RemoveVolumeOptions>).await);
        answer.map(drop).map_err(|err| self.fail("remove", &Subject::Volume(name), err))
    }

    async fn events(&self, labels: &[String]) -> Result<LocalBoxStream<'static, Result<EngineEvent>>> {
        let docker = self.spoken(None).await?;
        Ok(self.events.follow(labels, || streams::events(&docker, &self.host, labels)))
    }
}
