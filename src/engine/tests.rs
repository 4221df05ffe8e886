//! The adapter against a scripted engine on a real socket.

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use super::*;
use crate::{
    error::Class,
    redact::Secret,
    world::{Engine, RegistryLogin},
};

/// What the engine answers: a status and pieces of a body; with `cut`, the connection is closed before the end.
#[derive(Clone)]
struct Answer {
    status: u16,
    pieces: Vec<String>,
    cut: bool,
}

fn answer(status: u16, body: impl ToString) -> Answer {
    Answer { status, pieces: vec![body.to_string()], cut: false }
}

/// A request as the engine saw it.
#[derive(Clone, Debug)]
struct Seen {
    method: String,
    path: String,
    auth: String,
    body: String,
}

type Script = dyn Fn(&Seen) -> Answer + Send + Sync;

struct Fake {
    dir: tempfile::TempDir,
    socket: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    fn start(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("engine.sock");
        let fake = Self { dir, socket, seen: Arc::default() };
        fake.listen(Arc::new(script));
        fake
    }

    fn listen(&self, script: Arc<Script>) -> tokio::task::JoinHandle<()> {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move {
                    let service = service_fn(|request| serve(request, Arc::clone(&script), Arc::clone(&seen)));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        })
    }

    fn engine(&self) -> DockerEngine {
        DockerEngine::new(Some(&format!("unix://{}", self.socket.display()))).unwrap()
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

async fn serve(
    request: Request<Incoming>,
    script: Arc<Script>,
    all: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        auth: parts.headers.get("x-registry-auth").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let told = script(&seen);
    all.lock().unwrap().push(seen);
    let pieces = told.pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from(piece))));
    let cut = stream::iter(told.cut.then_some(())).then(|()| async {
        // What was written before has to be on its way, or the server drops it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("cut"))
    });
    let body = StreamBody::new(stream::iter(pieces).chain(cut)).boxed_unsync();
    Ok(Response::builder().status(told.status).body(body).unwrap())
}

fn version(api: &str) -> Answer {
    answer(200, json!({ "Version": "20.10.24", "ApiVersion": api, "MinAPIVersion": "1.12" }))
}

/// An engine of Debian 12 that answers all else with `then`.
fn debian(then: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Fake {
    Fake::start(move |seen| if seen.path == "/version" { version("1.41") } else { then(seen) })
}

#[tokio::test]
async fn nothing_is_connected_before_the_first_call() {
    let engine = DockerEngine::new(Some("unix:///nowhere/at/all.sock")).unwrap();
    let err = engine.version().await.unwrap_err();
    assert_eq!((err.cause, err.class), (Cause::EngineUnreachable, Class::Transient));
    assert!(err.message.contains("/nowhere/at/all.sock"), "{err}");
    assert!(DockerEngine::new(Some("ssh://host")).is_err());
    assert_eq!(DockerEngine::new(None).unwrap().host(), DEFAULT_HOST);
}

#[tokio::test]
async fn requests_carry_the_negotiated_version_and_the_planned_body() {
    let fake = debian(|_| answer(201, json!({ "Id": "abc", "Warnings": [] })));
    let body = json!({ "Image": "a:1", "HostConfig": { "KernelMemory": 7, "FieldOfTomorrow": { "x": [1] } } });
    assert_eq!(fake.engine().create_container("web", Some("linux/arm64"), &body).await.unwrap(), "abc");
    let seen = fake.seen();
    assert_eq!(seen[1].path, "/v1.41/containers/create?name=web&platform=linux%2Farm64");
    assert_eq!(serde_json::from_str::<Value>(&seen[1].body).unwrap(), body);
}

#[tokio::test]
async fn a_newer_engine_is_asked_in_the_newest_version_that_we_speak() {
    let fake = Fake::start(|seen| if seen.path == "/version" { version("1.99") } else { answer(200, "[]") });
    fake.engine().containers(&["a=b".into()]).await.unwrap();
    assert!(fake.seen()[1].path.starts_with(&format!("/v{}/containers/json?all=true", ApiVersion::NEWEST)));
}

#[tokio::test]
async fn engines_that_are_too_old_or_too_new_are_refused_by_name() {
    let old = Fake::start(|_| version("1.38"));
    let err = old.engine().info().await.unwrap_err();
    assert!(err.message.contains("API 1.38") && err.to_string().contains("20.10"), "{err}");
    let new = Fake::start(|_| answer(200, json!({ "Version": "99", "ApiVersion": "2.9", "MinAPIVersion": "2.1" })));
    assert_eq!(new.engine().info().await.unwrap_err().cause, Cause::EngineRefused);
}

#[tokio::test]
async fn a_restarted_engine_is_negotiated_with_again() {
    let fake = Fake { dir: tempfile::tempdir().unwrap(), socket: PathBuf::new(), seen: Arc::default() };
    let fake = Fake { socket: fake.dir.path().join("s"), ..fake };
    let serve_as = |api: &'static str| -> Arc<Script> {
        Arc::new(move |seen: &Seen| if seen.path == "/version" { version(api) } else { answer(200, "[]") })
    };
    let engine = fake.engine();
    let first = fake.listen(serve_as("1.41"));
    engine.containers(&[]).await.unwrap();
    first.abort();
    let _ = first.await;
    let err = engine.containers(&[]).await.unwrap_err();
    assert_eq!(err.class, Class::Transient, "{err}");
    std::fs::remove_file(&fake.socket).unwrap();
    fake.listen(serve_as("1.45"));
    engine.containers(&[]).await.unwrap();
    let last = fake.seen().pop().unwrap();
    assert!(last.path.starts_with("/v1.45/"), "{last:?}");
}

async fn pull_all(fake: &Fake) -> Result<Vec<PullLine>> {
    let login = RegistryLogin { user: "u".into(), password: Secret::new("~~~???>>>".into()) };
    let stream = fake.engine().pull("r.io/a/b:1", None, Some(&login)).await?;
    stream.map_ok(|m| (m.id, m.status, m.bytes)).try_collect().await
}

type PullLine = (Option<String>, String, Option<(u64, u64)>);

#[tokio::test]
async fn a_pull_reports_progress_and_sends_credentials_that_the_engine_can_read() {
    let fake = debian(|_| Answer {
        pieces: vec![
            "{\"status\":\"Pulling from a/b\",\"id\":\"1\"}\r\n{\"status\":\"Downloading\",\"progressDe".into(),
            "tail\":{\"current\":5,\"total\":9},\"id\":\"l\"}\r\n{\"status\":\"Status: done\"}\r\n".into(),
        ],
        ..answer(200, "")
    });
    let lines = pull_all(&fake).await.unwrap();
    assert_eq!(lines[1], (Some("l".into()), "Downloading".into(), Some((5, 9))));
    assert_eq!(lines.len(), 3);
    let request = fake.seen().pop().unwrap();
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, "/v1.41/images/create?fromImage=r.io%2Fa%2Fb&tag=1&platform=");
    assert!(!request.auth.contains(['+', '/']), "{}", request.auth);
    let auth = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE, &request.auth).unwrap();
    let auth: Value = serde_json::from_slice(&auth).unwrap();
    assert_eq!((&auth["username"], &auth["password"]), (&json!("u"), &json!("~~~???>>>")));
}

#[tokio::test]
async fn an_error_inside_the_stream_of_a_pull_is_an_error() {
    let line = json!({ "errorDetail": { "message": "toomanyrequests: slow" }, "error": "toomanyrequests: slow" });
    let fake = debian(move |_| answer(200, format!("{{\"status\":\"Pulling\"}}\r\n{line}\r\n")));
    let err = pull_all(&fake).await.unwrap_err();
    assert_eq!((err.cause, err.class), (Cause::ImagePull, Class::Throttled));
}

#[tokio::test]
async fn a_cut_pull_is_transient_wherever_it_is_cut() {
    let whole = "{\"status\":\"Pulling\"}\r\n{\"status\":\"Downloading\",\"id\":\"l\"}\r\n";
    for at in [0, 5, 22, whole.len() - 3] {
        let piece = whole[..at].to_owned();
        let fake = debian(move |_| Answer { pieces: vec![piece.clone()], cut: true, ..answer(200, "") });
        let err = pull_all(&fake).await.unwrap_err();
        assert_eq!((err.cause, err.class), (Cause::ImagePull, Class::Transient), "{at}: {err}");
    }
}

#[tokio::test]
async fn cut_and_senseless_answers_are_errors_and_no_panics() {
    let cut = debian(|_| Answer { cut: true, ..answer(200, "[{\"Id\":") });
    assert_eq!(cut.engine().containers(&[]).await.unwrap_err().class, Class::Transient);
    let short = debian(|_| answer(200, "[{\"Id\":"));
    assert_eq!(short.engine().containers(&[]).await.unwrap_err().class, Class::Transient);
    let html = debian(|_| answer(200, "<html>"));
    assert_eq!(html.engine().containers(&[]).await.unwrap_err().cause, Cause::EngineRefused);
    let odd = debian(|_| answer(500, "<html>no json</html>"));
    assert!(odd.engine().info().await.unwrap_err().message.contains("no json"));
}

#[tokio::test]
async fn what_is_not_there_is_none_and_what_is_gone_is_fine() {
    let fake = debian(|_| answer(404, json!({ "message": "No such container: x" })));
    let engine = fake.engine();
    assert_eq!(engine.inspect_container("x").await.unwrap(), None);
    assert_eq!(engine.inspect_image("r.io/x@sha256:12").await.unwrap(), None);
    assert_eq!(engine.inspect_volume("x").await.unwrap(), None);
    engine.stop_container("x", None).await.unwrap();
    engine.remove_container("x", true, false).await.unwrap();
    let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let err = engine.start_container(id).await.unwrap_err();
    assert_eq!(err.message, "could not start container 0123456789ab: No such container: x");
}

#[tokio::test]
async fn output_comes_line_by_line() {
    let frame = |kind: u8, text: &str| {
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
        String::from_utf8(bytes).unwrap()
    };
    let body = frame(1, "one\r\ntw") + &frame(1, "o\n") + &frame(2, "three");
    let fake = debian(move |_| answer(200, body.clone()));
    assert_eq!(fake.engine().logs("x", 20).await.unwrap(), ["one", "two", "three"]);
    assert_eq!(fake.engine().logs("x", 2).await.unwrap(), ["two", "three"]);
}

#[tokio::test]
async fn events_are_filtered_and_a_broken_stream_says_so() {
    let event = json!({ "Type": "container", "Action": "health_status: healthy", "Actor": { "ID": "c1" } });
    let fake = debian(move |_| Answer { cut: true, ..answer(200, format!("{event}\n")) });
    let mut events = fake.engine().events(&["l=1".into()]).await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    assert_eq!((first.container.as_str(), first.action.as_str()), ("c1", "health_status: healthy"));
    assert_eq!(events.next().await.unwrap().unwrap_err().class, Class::Transient);
    let asked = fake.seen().pop().unwrap().path;
    assert!(asked.contains("health_status") && asked.contains("since=") && !asked.contains("exec"), "{asked}");
}
