//! An HTTP proxy that tunnels, wherever a client wants to go, to one address, and notes where that was.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A proxy on loopback; it is there until the test ends.
pub struct Proxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy to this address.
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                // A client that goes away in the middle is its own matter.
                thread::spawn(move || _ = tunnel(client, to, &noted));
            }
        });
        Self { address, asked }
    }

    /// The first lines of all requests.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn tunnel(client: TcpStream, to: SocketAddr, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    asked.lock().unwrap().push(line.trim_end().to_owned());
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let server = TcpStream::connect(to)?;
    (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut back, mut there) = (server.try_clone()?, client.try_clone()?);
    let answers = thread::spawn(move || {
        _ = io::copy(&mut back, &mut there);
        _ = there.shutdown(Shutdown::Write);
    });
    // A client speaks only after the answer, so nothing of it is left in the reader's buffer.
    io::copy(&mut reader, &mut &server)?;
    _ = server.shutdown(Shutdown::Write);
    _ = answers.join();
    Ok(())
}
