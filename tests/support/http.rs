//! A small HTTP server on a thread of its own, which notes what it was asked and plays faults on command.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd as _,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::played::Played;

/// A request as the handler sees it.
pub struct Request {
    pub method: String,
    /// Decoded, without the query.
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// As announced.
    Whole,
    /// The connection ends after this many bytes of the body, with a last word (FIN).
    Cut(usize),
    /// The connection breaks after this many bytes of the body (RST).
    Reset(usize),
    /// Nothing more comes after this many bytes of the body.
    Hang(usize),
    /// Nothing comes at all, not even a status.
    Silence,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub end: End,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), end: End::Whole }
    }

    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Kind {
    /// This answer instead of the true one.
    Answer(Reply),
    /// The true answer, late.
    Delay(Duration),
    /// The connection closes without an answer.
    Drop,
    /// No answer ever.
    Silence,
    /// The true answer ends after this many bytes of its body.
    Cut(usize),
    /// The true answer breaks off after this many bytes of its body: the connection is reset.
    Reset(usize),
    /// The true answer stops after this many bytes of its body, and the connection stays open.
    Hang(usize),
    /// The true answer with this header instead of its own.
    Header(&'static str, String),
    /// The true answer with its first byte changed.
    Corrupt,
}

/// A fault and the requests it hits.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(super) kind: Kind,
    method: Option<&'static str>,
    path: String,
    skip: usize,
    count: usize,
}

impl Fault {
    /// Hits every request whose path or query contains `path`, until told otherwise.
    pub fn on(path: &str, kind: Kind) -> Self {
        Self { kind, method: None, path: path.to_owned(), skip: 0, count: usize::MAX }
    }

    /// A status with an empty body.
    pub fn status(path: &str, status: u16) -> Self {
        Self::on(path, Kind::Answer(Reply::new(status, "")))
    }

    /// Hits only requests of this method.
    pub fn method(mut self, method: &'static str) -> Self {
        self.method = Some(method);
        self
    }

    /// Lets the first `skip` pass.
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Hits `count` requests, then no more.
    pub fn times(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// Whether a request is hit, which counts.
    pub(super) fn hits(&mut self, method: &str, target: &str) -> bool {
        if self.count == 0 || self.method.is_some_and(|m| m != method) || !target.contains(&self.path) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.count = self.count.saturating_sub(1);
        true
    }
}

/// A request that was answered, for the log.
#[derive(Clone, Debug)]
pub struct Access {
    pub at: Duration,
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    pub headers: HeaderMap,
    pub status: u16,
    pub fault: bool,
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

struct Shared {
    name: &'static str,
    start: Instant,
    handler: Box<Handler>,
    faults: Mutex<Vec<Fault>>,
    log: Mutex<Vec<Access>>,
}

/// A running server.
pub struct Server {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on a free port of loopback.
    pub fn start(name: &'static str, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on(name, "127.0.0.1:0", None, handler)
    }

    /// Serves on this address, with TLS if told.
    pub fn start_on(
        name: &'static str,
        addr: &str,
        tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(addr).unwrap_or_else(|e| panic!("{name} on {addr}: {e}"));
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            name,
            start: Instant::now(),
            handler: Box::new(handler),
            faults: Mutex::default(),
            log: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, tls, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { addr, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://address`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Adds a fault; the first that hits is played.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().push(fault);
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// What was asked so far.
    pub fn log(&self) -> Vec<Access> {
        self.shared.log.lock().unwrap().clone()
    }

    /// How many requests had this in method, path or query ("GET /bucket/key").
    pub fn asked(&self, what: &str) -> usize {
        self.log().iter().filter(|a| format!("{} {}", a.method, a.target).contains(what)).count()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.shared.log.lock().unwrap().clear();
    }

    /// The log as people read it.
    pub fn told(&self) -> String {
        let mut text = format!("--- {} at {}\n", self.shared.name, self.addr);
        for a in self.log() {
            let fault = if a.fault { " (fault)" } else { "" };
            let _ = writeln!(text, "{:7.3} {} {} {}{fault}", a.at.as_secs_f64(), a.status, a.method, a.target);
        }
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let tls = tls.clone();
        tokio::spawn(async move {
            let socket = stream.as_fd().try_clone_to_owned().map(std::net::TcpStream::from);
            let service = service_fn(|request| answer(&shared, socket.as_ref().ok(), request));
            let server = hyper::server::conn::http1::Builder::new();
            // A client that goes away, or a fault that was played, is no matter of the server.
            let _ = match tls {
                None => server.serve_connection(TokioIo::new(stream), service).await,
                Some(config) => match tokio_rustls::TlsAcceptor::from(config).accept(stream).await {
                    Ok(stream) => server.serve_connection(TokioIo::new(stream), service).await,
                    Err(_) => Ok(()),
                },
            };
        });
    }
}

async fn answer(
    shared: &Shared,
    socket: Option<&std::net::TcpStream>,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<Played>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let method = parts.method.to_string();
    let fault = {
        let mut faults = shared.faults.lock().unwrap();
        faults.iter_mut().find_map(|f| f.hits(&method, &target).then(|| f.kind.clone()))
    };
    let mut access = Access {
        at: shared.start.elapsed(),
        method: method.clone(),
        target,
        headers: parts.headers.clone(),
        status: 0,
        fault: fault.is_some(),
    };
    let request = Request {
        method,
        path: percent(parts.uri.path()),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body,
    };
    if let Some(Kind::Drop | Kind::Silence) = fault {
        shared.log.lock().unwrap().push(access);
        if matches!(fault, Some(Kind::Silence)) {
            std::future::pending::<()>().await;
        }
        return Err(io::Error::other("dropped"));
    }
    let reply = match fault {
        Some(Kind::Answer(reply)) => reply,
        Some(kind) => spoil((shared.handler)(&request), kind).await,
        None => (shared.handler)(&request),
    };
    if reply.end == End::Silence {
        std::future::pending::<()>().await;
    }
    if let (End::Reset(_), Some(socket)) = (reply.end, socket) {
        tokio::net::TcpStream::from_std(socket.try_clone()?)?.set_zero_linger()?;
    }
    access.status = reply.status;
    shared.log.lock().unwrap().push(access);
    Ok(respond(&request.method, reply))
}

async fn spoil(mut reply: Reply, kind: Kind) -> Reply {
    match kind {
        Kind::Delay(wait) => tokio::time::sleep(wait).await,
        Kind::Cut(after) => reply.end = End::Cut(after),
        Kind::Reset(after) => reply.end = End::Reset(after),
        Kind::Hang(after) => reply.end = End::Hang(after),
        Kind::Header(name, value) => reply = reply.with(name, value),
        Kind::Corrupt => {
            let mut body = reply.body.to_vec();
            if let Some(first) = body.first_mut() {
                *first ^= 0x20;
            }
            reply.body = body.into();
        }
        Kind::Answer(_) | Kind::Drop | Kind::Silence => unreachable!("played before the handler"),
    }
    reply
}

fn respond(method: &str, reply: Reply) -> hyper::Response<Played> {
    let mut response = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if !matches!(reply.status, 204 | 304) {
        response = response.header("content-length", reply.body.len());
    }
    let (data, end) = match reply.end {
        _ if method == "HEAD" => (Bytes::new(), End::Whole),
        End::Whole | End::Silence => (reply.body, End::Whole),
        End::Cut(n) | End::Reset(n) | End::Hang(n) => (reply.body.slice(..n.min(reply.body.len())), reply.end),
    };
    response.body(Played::new(data, end)).unwrap()
}

fn percent(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = code.and_then(|c| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
