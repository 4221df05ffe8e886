use super::*;

fn port(text: &str) -> HostPort {
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, "udp")) => (rest, Protocol::Udp),
        Some((rest, _)) => (rest, Protocol::Tcp),
        None => (text, Protocol::Tcp),
    };
    match rest.rsplit_once(':') {
        Some((ip, port)) => {
            HostPort { ip: Some(ip.trim_matches(['[', ']']).parse().unwrap()), port: port.parse().unwrap(), protocol }
        }
        None => HostPort { ip: None, port: rest.parse().unwrap(), protocol },
    }
}

fn request(service: &str, text: &str) -> PortRequest {
    PortRequest { service: service.to_owned(), port: port(text) }
}

fn listener(ip: &str, port: u16, name: &str, unit: Option<&str>) -> Listener {
    let holder = Holder { pid: 812, name: name.to_owned(), unit: unit.map(str::to_owned) };
    Listener { ip: ip.parse().unwrap(), port, protocol: Protocol::Tcp, holder: Some(holder) }
}

#[test]
fn two_services_that_publish_one_port_are_both_named() {
    let err = clashes(&[request("web", "80"), request("db", "5432"), request("log", "80")]).unwrap_err();
    assert_eq!(err.cause, Cause::PortClash);
    assert_eq!(err.message, "services web and log both publish port 80/tcp");
    let err = clashes(&[request("web", "127.0.0.1:80"), request("log", "0.0.0.0:80")]).unwrap_err();
    assert_eq!(err.message, "services web and log both publish port 80/tcp (127.0.0.1:80/tcp and 0.0.0.0:80/tcp)");
}

#[test]
fn one_service_that_publishes_a_port_twice_is_named() {
    let err = clashes(&[request("web", "80"), request("web", "80")]).unwrap_err();
    assert_eq!(err.message, "service web publishes port 80/tcp twice");
    let err = clashes(&[request("web", "[::]:80"), request("web", "80")]).unwrap_err();
    assert_eq!(err.message, "service web publishes port [::]:80/tcp and again as 80/tcp");
}

#[test]
fn addresses_decide_what_meets() {
    for (a, b, meet) in [
        ("80", "80", true),
        ("80", "80/udp", false),
        ("80", "81", false),
        ("0.0.0.0:80", "[::]:80", true),
        ("[::]:80", "10.0.0.1:80", true),
        ("10.0.0.1:80", "10.0.0.2:80", false),
        ("10.0.0.1:80", "10.0.0.1:80", true),
        ("127.0.0.1:80", "[::1]:80", false),
        ("0", "0", false),
    ] {
        assert_eq!(port(a).meets(&port(b)), meet, "{a} and {b}");
        assert_eq!(port(b).meets(&port(a)), meet, "{b} and {a}");
    }
}

#[test]
fn a_process_that_holds_a_port_is_named_with_its_unit() {
    let nginx = listener("0.0.0.0", 80, "nginx", Some("nginx.service"));
    let err = held(&[request("web", "80")], &[nginx], Some(&[])).unwrap_err();
    assert_eq!(err.cause, Cause::PortHeld);
    assert_eq!(err.message, "port 80/tcp of service web is held by nginx (pid 812, nginx.service)");
    assert!(err.hint.unwrap().contains("systemctl mask --now nginx.service"));
}

#[test]
fn every_port_that_is_held_is_told_at_once() {
    let sockets = [listener("127.0.0.1", 25, "exim4", None), listener("0.0.0.0", 80, "nginx", None)];
    let err =
        held(&[request("mail", "25"), request("web", "80"), request("db", "5432")], &sockets, Some(&[])).unwrap_err();
    assert_eq!(
        err.message,
        "port 25/tcp of service mail is held by exim4 (pid 812); port 80/tcp of service web is held by nginx (pid 812)"
    );
}

#[test]
fn a_socket_on_another_address_or_family_is_not_in_the_way() {
    let local = listener("127.0.0.1", 80, "nginx", None);
    let v6 = listener("::", 80, "nginx", None);
    assert!(held(&[request("web", "10.0.0.1:80")], std::slice::from_ref(&local), Some(&[])).is_ok());
    assert!(held(&[request("web", "0.0.0.0:80")], std::slice::from_ref(&local), Some(&[])).is_err());
    assert!(held(&[request("web", "0.0.0.0:80")], std::slice::from_ref(&v6), Some(&[])).is_ok());
    assert!(held(&[request("web", "80")], std::slice::from_ref(&v6), Some(&[])).is_err());
    assert!(held(&[request("web", "80/udp")], &[local], Some(&[])).is_ok());
}

#[test]
fn what_the_engine_holds_for_our_own_containers_is_ours() {
    let proxy = listener("0.0.0.0", 80, "docker-proxy", Some("docker.service"));
    let requests = [request("web", "80")];
    assert!(held(&requests, std::slice::from_ref(&proxy), Some(&[port("80")])).is_ok());
    let err = held(&requests, std::slice::from_ref(&proxy), Some(&[port("81")])).unwrap_err();
    assert!(err.hint.unwrap().contains("docker ps --filter publish=80"));
    let nginx = listener("0.0.0.0", 80, "nginx", None);
    assert!(held(&requests, &[nginx], Some(&[port("80")])).is_err(), "our container is gone, and nginx took its port");
    assert!(held(&requests, std::slice::from_ref(&proxy), None).is_ok(), "an engine that still starts its containers");
    assert!(held(&requests, &[listener("0.0.0.0", 80, "nginx", None)], None).is_err());
}
