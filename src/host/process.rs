//! Who holds what: processes behind ports and files, as procfs(5) shows them.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    path::Path,
};

use crate::{
    error::{Cause, Error, Result},
    world::{Holder, Listener, Protocol},
};

/// State of a listening TCP socket, and of a UDP socket that is not connected (`include/net/tcp_states.h`).
const TCP_LISTEN: &str = "0A";
const UDP_OPEN: &str = "07";

/// The open TCP and UDP sockets of this machine, below `proc` (`/proc`), in the order of address and port.
pub fn listeners(proc: &Path) -> Result<Vec<Listener>> {
    let tables = [
        ("net/tcp", Protocol::Tcp, TCP_LISTEN),
        ("net/tcp6", Protocol::Tcp, TCP_LISTEN),
        ("net/udp", Protocol::Udp, UDP_OPEN),
        ("net/udp6", Protocol::Udp, UDP_OPEN),
    ];
    let mut sockets = Vec::new();
    for (table, protocol, state) in tables {
        let path = proc.join(table);
        match fs::read_to_string(&path) {
            Ok(text) => sockets.extend(text.lines().filter_map(|l| socket(l, protocol, state))),
            // Machines without IPv6 do not have two of them.
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => {}
            Err(err) => return Err(Error::io("read", &path, &err)),
        }
    }
    let pids = holders(proc, &sockets);
    let mut found: Vec<Listener> = Vec::new();
    for Socket { ip, port, protocol, inode } in sockets {
        let holder = pids.get(&inode).map(|pid| describe(proc, *pid));
        // A socket on `::` serves IPv4 as well unless it was told not to, which no table shows: ask by binding.
        if ip == Ipv6Addr::UNSPECIFIED && taken(Ipv4Addr::UNSPECIFIED.into(), port, protocol) {
            let ip = Ipv4Addr::UNSPECIFIED.into();
            found.push(Listener { ip, port, protocol, holder: holder.clone() });
        }
        found.push(Listener { ip, port, protocol, holder });
    }
    found.sort_by_key(|l| (l.ip, l.port, l.protocol));
    found.dedup();
    Ok(found)
}

/// What is known of a process, below `proc`.
pub fn describe(proc: &Path, pid: u32) -> Holder {
    let read = |name: &str| fs::read_to_string(proc.join(pid.to_string()).join(name)).unwrap_or_default();
    let cgroup = read("cgroup");
    Holder { pid, name: read("comm").trim_end().to_owned(), unit: unit(&cgroup), container: container(&cgroup) }
}

/// The processes whose program has this name, below `proc`.
pub fn named(proc: &Path, name: &str) -> Vec<u32> {
    let is =
        |pid: &u32| fs::read_to_string(proc.join(pid.to_string()).join("comm")).is_ok_and(|c| c.trim_end() == name);
    pids(proc).filter(is).collect()
}

/// Whether a process has a file open, below `proc`.
pub fn has_open(proc: &Path, pid: u32, file: &Path) -> bool {
    let Ok(file) = fs::canonicalize(file) else { return false };
    let links = fs::read_dir(proc.join(pid.to_string()).join("fd")).into_iter().flatten().flatten();
    links.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|open| open == file)
}

/// Asks a process to end (TERM); one that is gone already is fine.
pub fn terminate(pid: u32) -> Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let Some(target) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    match kill_process(target, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(err) => Err(Error::new(Cause::Io, format!("could not end process {pid}: {err}"))),
    }
}

/// Raises the limit of open files to what is usual, as far as this process may. Never above that: programs that are
/// started here get it too, and there are some that close every file that could be open.
pub fn allow_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const USUAL: u64 = 1024;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let allowed = maximum.map_or(USUAL, |most| most.min(USUAL));
    if current.is_some_and(|now| now < allowed) {
        // Without it less is done at the same time.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum });
    }
}

/// The arguments that a process was started with.
pub fn arguments(proc: &Path, pid: u32) -> Vec<String> {
    let text = fs::read(proc.join(pid.to_string()).join("cmdline")).unwrap_or_default();
    let parts = text.split(|b| *b == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// The processes that were started with this argument and have this variable, below `proc`.
pub fn started_with(proc: &Path, argument: &str, variable: &str) -> Vec<u32> {
    let has = |pid: u32| {
        let environment = fs::read(proc.join(pid.to_string()).join("environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|v| v.strip_prefix(variable.as_bytes()).is_some_and(|v| v.starts_with(b"=")))
    };
    pids(proc).filter(|pid| arguments(proc, *pid).iter().any(|a| a == argument) && has(*pid)).collect()
}

/// Sends a signal to the process group that a process leads; one that is gone already is fine.
pub fn signal_group(leader: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    ip: IpAddr,
    port: u16,
    protocol: Protocol,
    inode: u64,
}

/// A line of `/proc/net/tcp` and its like: number, local address, remote address, state, …, inode as tenth field.
fn socket(line: &str, protocol: Protocol, wanted: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != wanted {
        return None;
    }
    let (ip, port) = local.split_once(':')?;
    Some(Socket { ip: address(ip)?, port: u16::from_str_radix(port, 16).ok()?, protocol, inode: inode.parse().ok()? })
}

/// Addresses are printed as 32-bit words in the byte order of the machine.
fn address(hex: &str) -> Option<IpAddr> {
    if !matches!(hex.len(), 8 | 32) {
        return None;
    }
    let words = hex.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    if let Ok(v4) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
    Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
}

/// The unit in `/proc/PID/cgroup`: the last service or scope of a path, in either version of control groups.
fn unit(cgroup: &str) -> Option<String> {
    let path = |line: &str| line.splitn(3, ':').nth(2).map(str::to_owned);
    let in_path = |path: String| {
        path.rsplit('/').find(|part| [".service", ".scope"].iter().any(|kind| part.ends_with(kind))).map(str::to_owned)
    };
    cgroup.lines().filter_map(path).find_map(in_path)
}

/// The container in `/proc/PID/cgroup`: engines name the control group after its id, `docker-<id>.scope` with systemd and
/// `docker/<id>` without, whatever the parent is. Of containers within containers the outer one is meant.
fn container(cgroup: &str) -> Option<String> {
    let id = |part: &str| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let part = part.rsplit_once('-').map_or(part, |(_, id)| id);
        (part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit())).then(|| part.to_owned())
    };
    cgroup.lines().find_map(|line| line.splitn(3, ':').nth(2)?.split('/').find_map(id))
}

fn pids(proc: &Path) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Which process holds each of the sockets, by inode. The first process wins: a listening socket that is shared
/// is shared by a server with its own workers.
fn holders(proc: &Path, sockets: &[Socket]) -> BTreeMap<u64, u32> {
    let mut found = BTreeMap::new();
    if sockets.is_empty() {
        return found;
    }
    let mut all: Vec<u32> = pids(proc).collect();
    all.sort_unstable();
    for pid in all {
        // Processes end while we look; those of others cannot be read without root.
        let links = fs::read_dir(proc.join(pid.to_string()).join("fd")).into_iter().flatten().flatten();
        for link in links.filter_map(|fd| fs::read_link(fd.path()).ok()) {
            let inode = link.to_str().and_then(|l| l.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|i| sockets.iter().any(|s| s.inode == *i)) {
                found.entry(inode).or_insert(pid);
            }
        }
    }
    found
}

fn taken(ip: IpAddr, port: u16, protocol: Protocol) -> bool {
    let bound = match protocol {
        Protocol::Udp => UdpSocket::bind((ip, port)).map(drop),
        _ => TcpListener::bind((ip, port)).map(drop),
    };
    bound.is_err_and(|err| err.kind() == std::io::ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tables_are_read() {
        let line = "   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 21045 1";
        let read = socket(line, Protocol::Tcp, TCP_LISTEN).unwrap();
        assert_eq!((read.ip, read.port, read.inode), (Ipv4Addr::LOCALHOST.into(), 3306, 21045));
        let established = line.replace(" 0A ", " 01 ");
        assert_eq!(socket(&established, Protocol::Tcp, TCP_LISTEN), None);
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(socket(head, Protocol::Tcp, TCP_LISTEN), None);
        assert_eq!(address("00000000000000000000000001000000"), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(address("0000000000000000FFFF00000100007F"), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(address("0100"), None);
    }

    #[test]
    fn the_unit_is_read_from_both_versions_of_control_groups() {
        assert_eq!(unit("0::/system.slice/nginx.service\n").as_deref(), Some("nginx.service"));
        let old = "12:pids:/system.slice/postfix@-.service\n1:name=systemd:/system.slice/postfix@-.service\n";
        assert_eq!(unit(old).as_deref(), Some("postfix@-.service"));
        assert_eq!(unit("0::/system.slice/docker-abc.scope/init\n").as_deref(), Some("docker-abc.scope"));
        assert_eq!(unit("0::/\n"), None);
    }

    #[test]
    fn container_id_read_from_control_group() {
        let id = "4f".repeat(32);
        for path in [
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("0::/../../docker/{id}/init\n"),
            format!("12:pids:/docker/{id}\n1:name=systemd:/docker/{id}\n"),
        ] {
            assert_eq!(container(&path), Some(id.clone()), "{path}");
        }
        assert_eq!(container("0::/system.slice/docker.service\n"), None);
    }

    #[test]
    fn our_own_sockets_are_found_with_our_name() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let all = listeners(Path::new("/proc")).unwrap();
        for (port, protocol) in
            [(tcp.local_addr().unwrap().port(), Protocol::Tcp), (udp.local_addr().unwrap().port(), Protocol::Udp)]
        {
            let found: Vec<_> = all.iter().filter(|l| l.port == port && l.protocol == protocol).collect();
            assert_eq!(found.len(), 1, "{all:?}");
            assert_eq!(found[0].ip, IpAddr::from(Ipv4Addr::LOCALHOST));
            let holder = found[0].holder.as_ref().unwrap();
            assert_eq!(holder.pid, std::process::id());
            assert!(!holder.name.is_empty());
        }
    }

    #[test]
    fn a_socket_for_both_families_is_listed_for_both() {
        let Ok(both) = TcpListener::bind("[::]:0") else {
            return; // no IPv6 on this machine
        };
        let port = both.local_addr().unwrap().port();
        let all = listeners(Path::new("/proc")).unwrap();
        let ips: Vec<IpAddr> = all.iter().filter(|l| l.port == port).map(|l| l.ip).collect();
        assert_eq!(ips, [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()]);
    }
}
