//! What unit tests share: an HTTP server that answers by script, byte for byte, and a clock on which waiting takes
//! no time.

mod absent;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    io::{BufRead as _, BufReader, Read as _},
    net::{TcpListener, TcpStream},
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    error::{Cause, Error, Result},
    redact::Secret,
    retry::Retry,
    world::{
        Clock, CloudApi, Imds, LifecycleCall, Object, ObjectEntry, ObjectRef, ObjectRequest, ObjectStore,
        RegistryLogin, World,
    },
};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Send so many bytes of the body, then close.
    cut: Option<usize>,
    hang: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None, hang: false }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Announces the whole body but breaks off after so many bytes.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// Reads the request and never answers.
    pub(crate) fn hang() -> Self {
        Self { hang: true, ..Self::new(200, "") }
    }
}

trait Stream: std::io::Read + std::io::Write + Send {}

impl<S: std::io::Read + std::io::Write + Send> Stream for S {}

/// An HTTP server on loopback that lives as long as the test process.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen("http", script, |stream| Box::new(stream))
    }

    /// The same over TLS; also the certificate that it shows, as PEM.
    pub(crate) fn start_tls(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let server = Self::listen("https", script, move |stream| {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(rustls::StreamOwned::new(session, stream))
        });
        (server, made.cert.pem())
    }

    fn listen(
        scheme: &str,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                let stream = wrap(stream);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(request) = read(&mut reader) {
                        log.lock().unwrap().push(request.clone());
                        let reply = script(&request);
                        if reply.hang {
                            std::thread::sleep(Duration::from_secs(60));
                        }
                        if !write(reader.get_mut(), &request, &reply) {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, seen }
    }

    /// An address where nobody listens.
    pub(crate) fn nowhere() -> Self {
        Self { url: "http://127.0.0.1:9".to_owned(), seen: Arc::default() }
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// `METHOD path` of all requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

fn read(reader: &mut BufReader<Box<dyn Stream>>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|value: &String| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Whether the connection stays open.
fn write(stream: &mut Box<dyn Stream>, request: &Request, reply: &Reply) -> bool {
    let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let sent = match (request.method.as_str(), reply.cut) {
        ("HEAD", _) => 0,
        (_, Some(bytes)) => bytes,
        _ => reply.body.len(),
    };
    let mut bytes = format!("{head}\r\n").into_bytes();
    bytes.extend_from_slice(&reply.body[..sent]);
    stream.write_all(&bytes).and_then(|()| stream.flush()).is_ok() && reply.cut.is_none()
}

/// A clock on which waiting takes no time.
pub(crate) struct Played(Cell<Duration>);

impl Played {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self(Cell::new(Duration::ZERO)))
    }

    /// A retry loop on this clock.
    pub(crate) fn retry(self: &Rc<Self>, seconds: u64) -> Retry {
        Retry::new(Rc::<Self>::clone(self), Some(Duration::from_secs(seconds)))
    }
}

#[async_trait(?Send)]
impl Clock for Played {
    fn now(&self) -> Duration {
        self.0.get()
    }

    async fn sleep(&self, wait: Duration) {
        // One turn of the scheduler, so that an operation that is ready wins over its timer.
        tokio::task::yield_now().await;
        self.0.set(self.0.get() + wait);
    }
}

/// A world in which only what is given is played.
pub(crate) fn world(clock: &Rc<Played>, imds: Rc<dyn Imds>, cloud: Rc<dyn CloudApi>, store: &Rc<Bucket>) -> World {
    World {
        clock: Rc::<Played>::clone(clock),
        imds,
        objects: Rc::<Bucket>::clone(store),
        web: Rc::new(absent::Absent),
        cloud,
        host: Rc::new(absent::Absent),
        engine: Rc::new(absent::Absent),
    }
}

/// Metadata from a table; `fail` answers first, in order, whatever is asked.
#[derive(Default)]
pub(crate) struct Metadata {
    pub(crate) items: RefCell<BTreeMap<String, String>>,
    pub(crate) fail: RefCell<VecDeque<Error>>,
    pub(crate) asked: RefCell<Vec<String>>,
}

impl Metadata {
    pub(crate) fn new(items: &[(&str, &str)]) -> Rc<Self> {
        let found = Self::default();
        found.items.borrow_mut().extend(items.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Rc::new(found)
    }
}

#[async_trait(?Send)]
impl Imds for Metadata {
    async fn get(&self, path: &str) -> Result<Option<String>> {
        self.asked.borrow_mut().push(path.to_owned());
        match self.fail.borrow_mut().pop_front() {
            Some(err) => Err(err),
            None => Ok(self.items.borrow().get(path).cloned()),
        }
    }
}

/// The EC2 API with scripted answers; the last one is repeated.
pub(crate) struct Ec2(RefCell<VecDeque<Result<BTreeMap<String, String>>>>, pub(crate) Cell<usize>);

impl Ec2 {
    pub(crate) fn new(answers: impl IntoIterator<Item = Result<BTreeMap<String, String>>>) -> Rc<Self> {
        Rc::new(Self(RefCell::new(answers.into_iter().collect()), Cell::new(0)))
    }
}

#[async_trait(?Send)]
impl CloudApi for Ec2 {
    async fn tags(&self, _: &str, _: &str) -> Result<BTreeMap<String, String>> {
        self.1.set(self.1.get() + 1);
        let mut answers = self.0.borrow_mut();
        let first = answers.pop_front().expect("nobody may ask the EC2 API here");
        if answers.is_empty() {
            answers.push_back(first.clone());
        }
        first
    }
    async fn parameter(&self, _: &str, _: &str) -> Result<Secret<String>> {
        unreachable!("not played")
    }
    async fn secret(&self, _: &str, _: &str, _: Option<&str>) -> Result<Secret<String>> {
        unreachable!("not played")
    }
    async fn registry_login(&self, _: &str, _: &str) -> Result<RegistryLogin> {
        unreachable!("not played")
    }
    async fn lifecycle(&self, _: &str, _: &LifecycleCall) -> Result<bool> {
        unreachable!("not played")
    }
}

/// One bucket in memory. `fail` answers reads first, `deny` those of its keys; `after_list` is put after each listing.
#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) objects: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) fail: RefCell<VecDeque<Error>>,
    pub(crate) deny: RefCell<BTreeMap<String, Error>>,
    pub(crate) after_list: RefCell<VecDeque<(String, Vec<u8>)>>,
    pub(crate) log: RefCell<Vec<String>>,
    modes: RefCell<BTreeMap<String, u32>>,
    /// How often each object was written.
    written: RefCell<BTreeMap<String, i64>>,
}

impl Bucket {
    pub(crate) fn new(objects: &[(&str, &str)]) -> Rc<Self> {
        let found = Self::default();
        for (key, body) in objects {
            found.objects.borrow_mut().insert((*key).to_owned(), body.as_bytes().to_vec());
        }
        Rc::new(found)
    }

    pub(crate) fn put(&self, key: &str, body: &str) {
        self.objects.borrow_mut().insert(key.to_owned(), body.as_bytes().to_vec());
        *self.written.borrow_mut().entry(key.to_owned()).or_default() += 1;
        self.modes.borrow_mut().remove(key);
    }

    /// Writes the metadata of an object anew.
    pub(crate) fn set_mode(&self, key: &str, mode: u32) {
        self.modes.borrow_mut().insert(key.to_owned(), mode);
        *self.written.borrow_mut().entry(key.to_owned()).or_default() += 1;
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.log.take()
    }
}

#[async_trait(?Send)]
impl ObjectStore for Bucket {
    async fn get(&self, object: &ObjectRef, request: &ObjectRequest) -> Result<Object> {
        self.log.borrow_mut().push(format!("get {}", object.key));
        if let Some(err) = self.fail.borrow_mut().pop_front() {
            return Err(err);
        }
        if let Some(err) = self.deny.borrow().get(&object.key) {
            return Err(err.clone());
        }
        let Some(body) = self.objects.borrow().get(&object.key).cloned() else {
            return Err(Error::new(Cause::SourceNotFound, format!("{} does not exist", object.key)));
        };
        let etag = crate::fetch::sha256(&body);
        if request.etag.as_ref().is_some_and(|wanted| *wanted != etag) {
            return Err(Error::new(Cause::SourceUnreachable, "it changed meanwhile").transient());
        }
        let mode = self.modes.borrow().get(&object.key).copied();
        Ok(Object { body, etag: Some(etag), version: None, mode })
    }

    async fn list(&self, _: &str, prefix: &str, _: &ObjectRequest, _: usize) -> Result<Vec<ObjectEntry>> {
        self.log.borrow_mut().push(format!("list {prefix}"));
        let entry = |(key, body): (&String, &Vec<u8>)| ObjectEntry {
            key: key.clone(),
            size: body.len() as u64,
            etag: crate::fetch::sha256(body),
            modified: Some(self.written.borrow().get(key).copied().unwrap_or_default()),
        };
        let found = self.objects.borrow().iter().filter(|(key, _)| key.starts_with(prefix)).map(entry).collect();
        if let Some((key, body)) = self.after_list.borrow_mut().pop_front() {
            self.objects.borrow_mut().insert(key, body);
        }
        Ok(found)
    }
}
