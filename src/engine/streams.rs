//! Answers that come in pieces: pulls, events, output.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bollard::{
    Docker, auth::DockerCredentials, container::LogOutput, errors::Error as Bollard, query_parameters as query,
};
use futures_util::{Stream, StreamExt, stream::LocalBoxStream};

use crate::{
    engine::{
        Connection,
        errors::{self, Subject},
    },
    error::Result,
    host::lines::Splitter,
    image_ref::ImageRef,
    world::{EngineEvent, PullProgress, RegistryLogin},
};

/// The events that change whether a container is ready. Health checks run as `exec`, whose events would drown these.
const EVENTS: [&str; 9] = ["create", "start", "restart", "die", "oom", "stop", "kill", "destroy", "health_status"];

/// HUP, USR1 and USR2: a program that gets one of them is asked for something, not to end.
const NOTICES: [&str; 3] = ["1", "10", "12"];

/// How long before the request its events start: what happens while it is under way is not missed.
const LOOK_BACK_SECS: u64 = 2;

/// Pulls an image; an error inside the stream is an error of the registry.
pub(super) fn pull(
    connection: Connection,
    host: &str,
    image: &str,
    platform: Option<&str>,
    login: Option<&RegistryLogin>,
) -> Result<LocalBoxStream<'static, Result<PullProgress>>> {
    let reference = ImageRef::parse(image)?;
    let mut options =
        query::CreateImageOptionsBuilder::new().from_image(&reference.repository()).tag(reference.version());
    if let Some(platform) = platform {
        options = options.platform(platform);
    }
    let credentials = login.map(|login| credentials(&reference, login));
    let (host, image) = (host.to_owned(), image.to_owned());
    let Connection { docker, permit } = connection;
    let stream = docker.create_image(Some(options.build()), None, credentials).map(move |message| {
        // Given back when the stream is dropped.
        let _held = &permit;
        let message = message.map_err(|err| errors::told("pull", &Subject::Pull(&image), &host, err))?;
        let bytes = message.progress_detail.and_then(|detail| {
            let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
            Some((number(detail.current)?, number(detail.total)?))
        });
        Ok(PullProgress { id: message.id, status: message.status.unwrap_or_default(), bytes })
    });
    Ok(stream.boxed_local())
}

/// A login for the registry of an image.
pub(super) fn login(image: &str, login: Option<&RegistryLogin>) -> Result<Option<DockerCredentials>> {
    let reference = ImageRef::parse(image)?;
    Ok(login.map(|login| credentials(&reference, login)))
}

fn credentials(reference: &ImageRef, login: &RegistryLogin) -> DockerCredentials {
    let secret = Some(login.password.reveal().clone());
    let server = Some(reference.credentials_key().to_owned());
    if login.user == "<token>" {
        DockerCredentials { identitytoken: secret, serveraddress: server, ..DockerCredentials::default() }
    } else {
        let user = Some(login.user.clone());
        DockerCredentials { username: user, password: secret, serveraddress: server, ..DockerCredentials::default() }
    }
}

/// Events of containers with these labels.
pub(super) fn events(
    docker: &Docker,
    host: &str,
    labels: &[String],
) -> impl Stream<Item = Result<EngineEvent>> + Send + use<> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let filters = HashMap::from([
        ("type".to_owned(), vec!["container".to_owned()]),
        ("event".to_owned(), EVENTS.map(str::to_owned).to_vec()),
        ("label".to_owned(), labels.to_vec()),
    ]);
    let since = now.saturating_sub(LOOK_BACK_SECS).to_string();
    let options = query::EventsOptionsBuilder::new().since(&since).filters(&filters).build();
    let host = host.to_owned();
    docker.events(Some(options)).map(move |event| {
        let event = event.map_err(|err| errors::told("follow the events of", &Subject::Engine, &host, err))?;
        let actor = event.actor.unwrap_or_default();
        let signal = actor.attributes.as_ref().and_then(|all| all.get("signal").map(String::as_str));
        let action = match (event.action.unwrap_or_default(), signal) {
            (action, Some(signal)) if action == "kill" && NOTICES.contains(&signal) => "signal".to_owned(),
            (action, _) => action,
        };
        Ok(EngineEvent { container: actor.id.unwrap_or_default(), action })
    })
}

/// Hands output on line by line.
pub(super) async fn lines(
    output: impl Stream<Item = std::result::Result<LogOutput, Bollard>>,
    line: &mut dyn FnMut(&str),
) -> std::result::Result<(), Bollard> {
    let mut output = std::pin::pin!(output);
    let mut splitter = Splitter::default();
    while let Some(chunk) = output.next().await {
        splitter.push(&chunk?.into_bytes(), line);
    }
    splitter.finish(line);
    Ok(())
}

/// All of an answer, if it has at most `most` bytes.
pub(super) async fn bytes<B: AsRef<[u8]>>(
    answer: impl Stream<Item = std::result::Result<B, Bollard>>,
    most: usize,
) -> std::result::Result<Vec<u8>, Bollard> {
    let mut answer = std::pin::pin!(answer);
    let mut all = Vec::new();
    while let Some(chunk) = answer.next().await {
        all.extend_from_slice(chunk?.as_ref());
        if all.len() > most {
            let err = std::io::Error::new(std::io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes"));
            return Err(Bollard::IOError { err });
        }
    }
    Ok(all)
}
