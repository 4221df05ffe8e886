//! Stands between the agent and its engine, and plays faults: a TCP address that leads to the engine's socket.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use super::http::{End, Fault, Kind};

/// A relay on loopback; it is there until the test ends.
pub struct Relay {
    addr: SocketAddr,
    faults: Arc<Mutex<Vec<Fault>>>,
}

impl Relay {
    /// A relay to the engine with this socket.
    pub fn start(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (faults, socket) = (Arc::<Mutex<Vec<Fault>>>::default(), socket.to_owned());
        let played = Arc::clone(&faults);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (played, socket) = (Arc::clone(&played), socket.clone());
                // A client that goes away in the middle is its own matter.
                thread::spawn(move || _ = relay(&client, &socket, &played));
            }
        });
        Self { addr, faults }
    }

    /// For `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("tcp://{}", self.addr)
    }

    /// Adds a fault; the first that hits is played.
    pub fn fault(&self, fault: Fault) {
        self.faults.lock().unwrap().push(fault);
    }
}

/// Serves one request: each gets a connection of its own.
fn relay(client: &TcpStream, socket: &PathBuf, faults: &Mutex<Vec<Fault>>) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fault = faults.lock().unwrap().iter_mut().find_map(|f| f.hits(method, target).then(|| f.kind.clone()));
    let end = match fault {
        Some(Kind::Answer(reply)) => {
            let length = reply.body.len();
            let head = format!("HTTP/1.1 {} Played\r\nconnection: close\r\ncontent-length: {length}\r\n", reply.status);
            let mut client = client;
            client.write_all(format!("{head}content-type: application/json\r\n\r\n").as_bytes())?;
            return client.write_all(&reply.body);
        }
        Some(Kind::Drop) => return Ok(()),
        Some(Kind::Silence) => return wait_for_end(&mut reader),
        Some(Kind::Delay(wait)) => {
            thread::sleep(wait);
            End::Whole
        }
        Some(Kind::Cut(n)) => End::Cut(n),
        Some(Kind::Hang(n)) => End::Hang(n),
        None => End::Whole,
        Some(other) => unreachable!("{other:?} is not played here"),
    };
    let server = UnixStream::connect(socket)?;
    let upgrade = head.to_lowercase().contains("\nconnection: upgrade");
    let head = if upgrade { head.clone() } else { head.replacen("\r\n", "\r\nConnection: close\r\n", 1) };
    (&server).write_all(head.as_bytes())?;
    thread::scope(|scope| {
        let body = scope.spawn(|| {
            _ = io::copy(&mut reader, &mut &server);
            // Who asked has gone away: so does the answer.
            _ = server.shutdown(Shutdown::Both);
        });
        let answered = answer(&server, client, end);
        _ = client.shutdown(Shutdown::Both);
        _ = server.shutdown(Shutdown::Both);
        _ = body.join();
        answered
    })
}

/// Passes an answer on, as far as it gets.
fn answer(server: &UnixStream, mut client: &TcpStream, end: End) -> io::Result<()> {
    let mut reader = BufReader::new(server);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        client.write_all(line.as_bytes())?;
    }
    let after = match end {
        End::Cut(n) | End::Hang(n) => n as u64,
        _ => u64::MAX,
    };
    pass(&mut reader.take(after), client)?;
    match end {
        End::Hang(_) => wait_for_end(&mut BufReader::new(client)),
        _ => Ok(()),
    }
}

/// Copies what comes as it comes.
fn pass(from: &mut impl Read, mut to: &TcpStream) -> io::Result<()> {
    let mut some = [0; 8192];
    loop {
        match from.read(&mut some)? {
            0 => return Ok(()),
            n => to.write_all(&some[..n])?,
        }
    }
}

fn wait_for_end(reader: &mut impl Read) -> io::Result<()> {
    io::copy(reader, &mut io::sink()).map(drop)
}
