//! A network of one's own: a namespace whose loopback is up and holds the addresses of instance metadata.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where instances find their metadata.
pub const IMDS_V4: &str = "169.254.169.254";
/// The same over IPv6.
pub const IMDS_V6: &str = "fd00:ec2::254";

/// Waits for the end of standard input, that is: of who started it, however it went; then removes their folder.
const HOLD: &str = "trap '' INT TERM HUP
    ip link set lo up && ip addr add 169.254.169.254/32 dev lo
    ip -6 addr add fd00:ec2::254/128 dev lo nodad
    echo ready; cat > /dev/null
    test -z \"$1\" || rm -rf \"$1\"";

/// A network namespace, there until this is dropped or this process is gone.
pub struct Net {
    holder: Child,
}

impl Net {
    /// Makes a namespace and moves the calling thread into it: threads and processes that it starts from now on
    /// are in it too.
    pub fn enter() -> Self {
        Self::hold("".as_ref())
    }

    /// The same; when it is over, also because this process was killed, `folder` is removed.
    pub fn with_folder(folder: &Path) -> Self {
        Self::hold(folder)
    }

    fn hold(folder: &Path) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this needs root: the tests start a Docker engine and a network of their own; run `make test`"
        );
        let mut holder = Command::new("setsid")
            .args(["unshare", "--net", "sh", "-c", HOLD, "hold"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setsid (util-linux) starts");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "could not set up a network namespace: is `ip` (iproute2) installed?");
        let space = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
        move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).expect("enter the namespace");
        Self { holder }
    }

    /// Takes away the addresses of instance metadata, and sends what goes there into the void: connections get no
    /// answer, as on a machine that is not on EC2 behind a firewall.
    pub fn without_metadata(&self) {
        let script = "ip addr del 169.254.169.254/32 dev lo; ip -6 addr del fd00:ec2::254/128 dev lo; \
            ip link add void type veth peer name void1 && ip link set void1 up && ip addr add 192.0.2.1/24 dev void && ip link set void up && \
            ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev void && ip route add default via 192.0.2.2";
        let space = format!("--net=/proc/{}/ns/net", self.holder.id());
        let status = Command::new("nsenter").args([&space, "sh", "-c", script]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// A port of loopback that is free now. In a namespace of one's own nobody else takes it.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
