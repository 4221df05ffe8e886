use super::*;
use crate::{error::Result, world::Holder};

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
    PortRequest { service: service.to_owned(), item: 0, port: port(text) }
}

fn listener(ip: &str, port: u16, name: &str, unit: Option<&str>) -> Listener {
    let holder = Holder { pid: 812, name: name.to_owned(), unit: unit.map(str::to_owned), container: None };
    Listener { ip: ip.parse().unwrap(), port, protocol: Protocol::Tcp, holder: Some(holder) }
}

#[test]
fn two_services_that_publish_one_port_are_both_named() {
    let err = clashes(&[request("web", "80"), request("db", "5432"), request("log", "80")]).unwrap_err().error;
    assert_eq!(err.cause, Cause::PortClash);
    assert_eq!(err.message, "services web and log both publish port 80/tcp");
    let err = clashes(&[request("web", "127.0.0.1:80"), request("log", "0.0.0.0:80")]).unwrap_err().error;
    assert_eq!(err.message, "services web and log both publish port 80/tcp (127.0.0.1:80/tcp and 0.0.0.0:80/tcp)");
}

#[test]
fn one_service_that_publishes_a_port_twice_is_named() {
    let err = clashes(&[request("web", "80"), request("web", "80")]).unwrap_err().error;
    assert_eq!(err.message, "service web publishes port 80/tcp twice");
    let err = clashes(&[request("web", "[::]:80"), request("web", "80")]).unwrap_err().error;
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

/// The check of a run that has compared nothing yet, or in which the containers with these ids stay.
fn check(requests: &[PortRequest], staying: &[&str]) -> PortCheck {
    PortCheck { requests: requests.to_vec(), staying: staying.iter().map(|&id| id.to_owned()).collect() }
}

fn judged(requests: &[PortRequest], listeners: &[Listener], occupants: Option<&[Occupant]>) -> Result<()> {
    held(&check(requests, &[]), listeners, occupants)
}

fn occupant(id: &str, service: Option<&str>, ports: &[&str]) -> Occupant {
    let ports = ports.iter().map(|text| port(text)).collect();
    Occupant { id: id.into(), name: format!("c-{id}"), service: service.map(str::to_owned), up: true, ports }
}

#[test]
fn a_process_that_holds_a_port_is_named_with_its_unit() {
    let nginx = listener("0.0.0.0", 80, "nginx", Some("nginx.service"));
    let err = judged(&[request("web", "80")], &[nginx], Some(&[])).unwrap_err();
    assert_eq!(err.cause, Cause::PortHeld);
    assert_eq!(err.message, "port 80/tcp of service web is held by nginx (pid 812, nginx.service)");
    assert!(err.hint.unwrap().contains("systemctl mask --now nginx.service"));
}

#[test]
fn every_port_that_is_held_is_told_at_once() {
    let sockets = [listener("127.0.0.1", 25, "exim4", None), listener("0.0.0.0", 80, "nginx", None)];
    let err =
        judged(&[request("mail", "25"), request("web", "80"), request("db", "5432")], &sockets, Some(&[])).unwrap_err();
    assert_eq!(
        err.message,
        "port 25/tcp of service mail is held by exim4 (pid 812); port 80/tcp of service web is held by nginx (pid 812)"
    );
}

#[test]
fn a_socket_on_another_address_or_family_is_not_in_the_way() {
    let local = listener("127.0.0.1", 80, "nginx", None);
    let v6 = listener("::", 80, "nginx", None);
    assert!(judged(&[request("web", "10.0.0.1:80")], std::slice::from_ref(&local), Some(&[])).is_ok());
    assert!(judged(&[request("web", "0.0.0.0:80")], std::slice::from_ref(&local), Some(&[])).is_err());
    assert!(judged(&[request("web", "0.0.0.0:80")], std::slice::from_ref(&v6), Some(&[])).is_ok());
    assert!(judged(&[request("web", "80")], std::slice::from_ref(&v6), Some(&[])).is_err());
    assert!(judged(&[request("web", "80/udp")], &[local], Some(&[])).is_ok());
}

#[test]
fn what_the_engine_holds_for_our_own_containers_is_ours() {
    let proxy = listener("0.0.0.0", 80, "docker-proxy", Some("docker.service"));
    let nginx = listener("0.0.0.0", 80, "nginx", None);
    let requests = [request("web", "80")];
    let ours = |text: &str| [occupant("a", Some("web"), &[text])];
    assert!(judged(&requests, std::slice::from_ref(&proxy), Some(&ours("80"))).is_ok());
    let err = judged(&requests, std::slice::from_ref(&proxy), Some(&ours("81"))).unwrap_err();
    assert!(err.hint.unwrap().contains("docker ps --filter publish=80"));
    let gone = judged(&requests, std::slice::from_ref(&nginx), Some(&ours("80")));
    assert!(gone.is_err(), "our container is gone, and nginx took its port");
    assert!(judged(&requests, &[proxy], None).is_ok(), "an engine that still starts its containers");
    assert!(judged(&requests, &[nginx], None).is_err());
}

#[test]
fn container_that_stays_is_named_with_its_service() {
    let mut own = listener("0.0.0.0", 80, "httpd", None);
    own.holder.as_mut().unwrap().container = Some("a".into());
    let requests = [request("web", "80")];
    let host = [occupant("a", Some("mon"), &[])];
    let judge = |staying: &[&str]| held(&check(&requests, staying), std::slice::from_ref(&own), Some(&host));
    let err = judge(&["a"]).unwrap_err();
    assert_eq!(err.message, "port 80/tcp of service web is held by service mon (container c-a)");
    assert!(!err.hint.unwrap().contains("stop process"));
    assert!(judge(&[]).is_ok(), "it is replaced, or nothing has been compared yet");
    let same = [occupant("a", Some("web"), &[])];
    assert!(held(&check(&requests, &["a"]), std::slice::from_ref(&own), Some(&same)).is_ok(), "its own process");
    let far = [occupant("b", None, &[])];
    assert!(held(&check(&requests, &[]), &[own], Some(&far)).unwrap_err().message.contains("httpd (pid 812)"));
}

#[test]
fn port_published_without_a_proxy_is_held() {
    let requests = [request("web", "80")];
    let stranger = occupant("s", None, &["80"]);
    let err = judged(&requests, &[], Some(std::slice::from_ref(&stranger))).unwrap_err();
    assert_eq!(err.message, "port 80/tcp of service web is held by container c-s");
    assert!(err.hint.unwrap().contains("docker stop c-s"));
    assert!(judged(&requests, &[], Some(&[Occupant { up: false, ..stranger }])).is_ok());
    let orphan = occupant("o", Some("old"), &["80"]);
    let kept = held(&check(&requests, &["o"]), &[], Some(std::slice::from_ref(&orphan))).unwrap_err();
    assert!(kept.hint.unwrap().contains("--remove-orphans"));
    assert!(held(&check(&requests, &[]), &[], Some(&[orphan])).is_ok());
}

fn project(text: &str) -> Project {
    crate::execute::testing::project(text)
}

#[test]
fn range_needs_a_port_for_each_container() {
    let web = |scale: u32, more: &str| {
        project(&format!("services: {{ web: {{ image: a, ports: ['18081-18085:80'], scale: {scale} }}{more} }}"))
    };
    let message = |project: Project| super::check(&project).unwrap_err().error.message;
    assert!(super::check(&web(5, "")).is_ok());
    assert_eq!(
        message(web(6, "")),
        "service web needs 6 ports of 18081-18085/tcp, one for each container, and these are 5"
    );
    assert_eq!(
        message(web(5, ", api: { image: a, ports: ['18085:80'] }")),
        "services api and web need 6 ports of 18081-18085/tcp, and these are 5"
    );
    assert!(super::check(&web(5, ", api: { image: a, ports: ['18085:80/udp', '18086:80'] }")).is_ok());
    let overlapping = ", api: { image: a, ports: ['18084-18087:80'], scale: 3 }";
    assert_eq!(message(web(5, overlapping)), "services api and web need 8 ports of 18081-18087/tcp, and these are 7");
    assert!(super::check(&web(4, overlapping)).is_ok());
    let apart = "services: { a: { image: a, ports: ['127.0.0.1:90-91:80'], scale: 2 }, b: { image: a, ports: \
                 ['127.0.0.2:90-91:80'], scale: 2 } }";
    assert!(super::check(&project(apart)).is_ok());
}

#[test]
fn ports_without_a_network_of_their_own_are_not_requested() {
    let mode = |mode: &str| {
        requests(&project(&format!("services: {{ web: {{ image: a, network_mode: '{mode}', ports: ['80:80'] }} }}")))
    };
    for ignored in ["host", "none", "container:x"] {
        assert_eq!(mode(ignored), [], "{ignored}");
    }
    assert_eq!(mode("bridge").len(), 1);
    let two = "services: { a: { image: a, network_mode: host, ports: ['80:80'] }, b: { image: a, ports: ['80:80'] } }";
    assert!(super::check(&project(two)).is_ok());
}
