//! One HTTP request over TCP or a Unix socket: for asking containers, engines and registries.

use std::{io, path::PathBuf, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Whom to ask.
#[derive(Clone, Debug)]
pub enum To {
    Tcp(String),
    Unix(PathBuf),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Asks once.
pub fn request(
    to: &To,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> io::Result<Answer> {
    let mut request = hyper::Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let asked = async {
            match to {
                To::Tcp(addr) => send(tokio::net::TcpStream::connect(addr).await?, request).await,
                To::Unix(path) => send(tokio::net::UnixStream::connect(path).await?, request).await,
            }
        };
        tokio::time::timeout(Duration::from_secs(60), asked).await?
    })
}

async fn send<S>(stream: S, request: hyper::Request<Full<Bytes>>) -> io::Result<Answer>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// `GET` of a port of this network.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    request(&To::Tcp(format!("127.0.0.1:{port}")), "GET", path, &[], "")
}

/// What a container serves on a published port. It runs before it listens, and its port is open before that.
pub fn served(port: u16, path: &str) -> Answer {
    let start = std::time::Instant::now();
    loop {
        match get(port, path) {
            Ok(answer) => return answer,
            Err(err) => assert!(start.elapsed().as_secs() < 20, "port {port} serves nothing: {err}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
