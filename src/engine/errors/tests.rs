use super::*;

fn server(status: u16, message: &str) -> Bollard {
    Bollard::DockerResponseServerError { status_code: status, message: message.to_owned() }
}

fn stream(message: &str) -> Bollard {
    Bollard::DockerStreamError { error: message.to_owned() }
}

fn pull(image: &str, err: Bollard) -> Error {
    told("pull", &Subject::Pull(image), "unix:///s", err)
}

#[test]
fn every_answer_of_a_registry_has_a_class() {
    use Cause::{ChecksumMismatch, DiskFull, ImageDenied, ImageNotFound, ImagePull};
    use Class::{Permanent, Throttled, Transient};
    let table = [
        ("toomanyrequests: You have reached your pull rate limit.", ImagePull, Throttled),
        ("received unexpected HTTP status: 429 Too Many Requests", ImagePull, Throttled),
        ("unauthorized: authentication required", ImageDenied, Permanent),
        ("denied: requested access to the resource is denied", ImageDenied, Permanent),
        ("Head \"https://r.io/v2/a/manifests/1\": no basic auth credentials", ImageDenied, Permanent),
        ("error parsing HTTP 403 response body", ImageDenied, Permanent),
        ("manifest for r.io/a:1 not found: manifest unknown: manifest unknown", ImageNotFound, Permanent),
        ("manifest unknown", ImageNotFound, Permanent),
        ("name unknown: repository name not known to registry", ImageNotFound, Permanent),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", ImageNotFound, Permanent),
        ("write /var/lib/docker/tmp/x: no space left on device", DiskFull, Permanent),
        ("Get \"https://r.io/v2/\": x509: certificate signed by unknown authority", ImagePull, Permanent),
        ("x509: certificate has expired or is not yet valid: current time is before", ImagePull, Transient),
        ("Get \"http://10.0.0.1:40143/v2/\": connect: connection refused", ImagePull, Transient),
        ("error pulling r.io/a:1 sha256:4031404e: EOF", ImagePull, Transient),
        ("filesystem layer verification failed for digest sha256:404a", ChecksumMismatch, Transient),
        ("http: server gave HTTP response to HTTPS client", ImagePull, Permanent),
        ("Get \"https://r.io/v2/\": dial tcp 10.0.0.1:443: connect: connection refused", ImagePull, Transient),
        ("Get \"https://r.io/v2/\": dial tcp: lookup r.io on 127.0.0.53:53: server misbehaving", ImagePull, Transient),
        ("Get \"https://r.io/v2/\": net/http: TLS handshake timeout", ImagePull, Transient),
        ("Get \"https://r.io/v2/\": context deadline exceeded (Client.Timeout exceeded)", ImagePull, Transient),
        ("read tcp 10.0.0.2:5->10.0.0.1:443: read: connection reset by peer", ImagePull, Transient),
        ("unexpected EOF", ImagePull, Transient),
        ("received unexpected HTTP status: 503 Service Unavailable", ImagePull, Transient),
        ("received unexpected HTTP status: 500 Internal Server Error", ImagePull, Transient),
    ];
    for (message, cause, class) in table {
        for err in [stream(message), server(500, message), server(404, message)] {
            let told = pull("r.io/a:1", err);
            assert_eq!((told.cause, told.class), (cause, class), "{message}");
            assert!(told.message.starts_with("could not pull image r.io/a:1: "), "{told}");
        }
    }
}

#[test]
fn a_refusal_names_the_registry_and_what_is_missing() {
    let told = pull("ghcr.io/me/a", stream("denied: no"));
    assert!(told.hint.unwrap().contains("ghcr.io"));
    let told = pull("123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:1", server(500, "403 Forbidden"));
    assert_eq!((told.cause, told.class), (Cause::ImageDenied, Class::Denied));
    assert!(told.need.unwrap().contains("ecr:BatchGetImage"));
}

#[test]
fn every_answer_of_the_engine_has_a_class() {
    use Cause::{ContainerFailed, DiskFull, EngineRefused, PortHeld};
    use Class::{Permanent, Throttled, Transient};
    let table = [
        (
            400,
            "invalid mount config for type \"bind\": bind source path does not exist: /x",
            ContainerFailed,
            Transient,
        ),
        (400, "client version 1.53 is too new. Maximum supported API version is 1.41", EngineRefused, Transient),
        (403, "not allowed", EngineRefused, Permanent),
        (404, "No such container: web", EngineRefused, Permanent),
        (409, "Conflict. The container name \"/web\" is already in use", EngineRefused, Transient),
        (409, "removal of container 12 is already in progress", EngineRefused, Transient),
        (409, "Container 12 is not running", EngineRefused, Permanent),
        (400, "network app_default is ambiguous (2 matches found on name)", EngineRefused, Transient),
        (429, "slow down", EngineRefused, Throttled),
        (500, "Bind for 0.0.0.0:80 failed: port is already allocated", PortHeld, Permanent),
        (500, "listen tcp4 0.0.0.0:80: bind: address already in use", PortHeld, Permanent),
        (500, "mkdir /var/lib/docker/x: no space left on device", DiskFull, Permanent),
        (
            400,
            "failed to create task for container: OCI runtime create failed: exec: \"x\"",
            ContainerFailed,
            Permanent,
        ),
        (500, "could not select device driver \"\" with capabilities: [[gpu]]", ContainerFailed, Permanent),
        (
            500,
            "failed to update store for object type *libnetwork.endpointCnt: open : no such file",
            EngineRefused,
            Transient,
        ),
        (
            500,
            "driver failed programming external connectivity on endpoint web: all ports are allocated",
            PortHeld,
            Permanent,
        ),
        (
            500,
            "error while creating mount source path '/usr/x': mkdir /usr/x: read-only file system",
            ContainerFailed,
            Permanent,
        ),
        (
            500,
            "user specified IP address is supported only when connecting to networks with user configured subnets",
            EngineRefused,
            Permanent,
        ),
        (
            500,
            "network-scoped alias is supported only for containers in user defined networks",
            EngineRefused,
            Permanent,
        ),
        (500, "no available IPv4 addresses on this network's address pools: edge (1234)", EngineRefused, Permanent),
        (
            500,
            "could not find an available, non-overlapping IPv4 address pool among the defaults",
            EngineRefused,
            Permanent,
        ),
        (500, "all predefined address pools have been fully subnetted", EngineRefused, Permanent),
        (500, "Pool overlaps with other one on this address space", EngineRefused, Permanent),
        (
            403,
            "cannot create network 12 (br-12): conflicts with network 34 (br-34): networks have overlapping IPv4",
            EngineRefused,
            Permanent,
        ),
        (500, "path /srv is mounted on / but it is not a shared mount", ContainerFailed, Permanent),
        (
            500,
            "error gathering device information while adding custom device \"/dev/x\": no such file or directory",
            EngineRefused,
            Permanent,
        ),
        (500, "failed to create shim task: OCI runtime create failed: exec format error", ContainerFailed, Permanent),
        (500, "failed to set up container networking: operation not permitted", ContainerFailed, Permanent),
        (503, "This node is not a swarm manager. Use \"docker swarm init\"", EngineRefused, Permanent),
        (500, "iptables: No chain/target/match by that name", EngineRefused, Transient),
        (500, "cannot assign requested address", EngineRefused, Transient),
        (500, "cannot join network of a non running container: 12", EngineRefused, Transient),
        (500, "something odd", EngineRefused, Transient),
        (501, "not here", EngineRefused, Permanent),
        (502, "bad gateway", EngineRefused, Transient),
        (503, "the daemon is shutting down", EngineRefused, Transient),
        (504, "late", EngineRefused, Transient),
    ];
    for (status, message, cause, class) in table {
        let told = told("start", &Subject::container("web"), "unix:///s", server(status, message));
        assert_eq!((told.cause, told.class), (cause, class), "{status} {message}");
        assert!(told.message.starts_with("could not start container web: "), "{told}");
    }
}

/// As Docker 20.10 and 29, the kernel and the SDKs of the cloud phrase it.
#[test]
fn log_drivers_and_file_servers_have_a_class() {
    use Class::{Denied, Permanent, Transient};
    const LOG: &str = "failed to create task for container: failed to initialize logging driver: ";
    const NFS: &str = "error while mounting volume '/var/lib/docker/volumes/a/_data': failed to mount local volume: mount \
        :/export:/var/lib/docker/volumes/a/_data, data: addr=10.0.0.9: ";
    let table = [
        (LOG, "dial tcp 127.0.0.1:24224: connect: connection refused", Transient),
        (LOG, "dial tcp: lookup logs.eu-west-1.amazonaws.com: no such host", Transient),
        (LOG, "failed to create Cloudwatch log stream: RequestError: send request failed", Transient),
        (LOG, "failed to create Cloudwatch log stream: NoCredentialProviders: no valid providers in chain", Transient),
        (LOG, "failed to create Cloudwatch log stream: ThrottlingException: Rate exceeded", Transient),
        (LOG, "failed to create Cloudwatch log stream: AccessDeniedException: User: arn is not authorized", Denied),
        (LOG, "failed to create Cloudwatch log stream: ResourceNotFoundException: the log group", Permanent),
        (LOG, "unknown log opt 'x' for fluentd log driver", Permanent),
        (NFS, "connection refused", Transient),
        (NFS, "no route to host", Transient),
        (NFS, "invalid argument", Permanent),
    ];
    for (status, (start, end, class)) in [400, 500].into_iter().flat_map(|s| table.map(|row| (s, row))) {
        let told = refused("could not start container web", status, &format!("{start}{end}"));
        assert_eq!((told.cause, told.class), (Cause::ContainerFailed, class), "{status} {start}{end}");
        assert!(told.hint.is_some() || class == Permanent, "{told}");
    }
}

#[test]
fn an_engine_that_is_not_there_is_waited_for() {
    let engine = |err: Bollard| {
        let gone = lost(&err);
        let told = told("ask for its version", &Subject::Engine, "unix:///s", err);
        (told.cause, told.class, gone)
    };
    let io = |kind: io::ErrorKind| Bollard::IOError { err: io::Error::from(kind) };
    let waited_for = (Cause::EngineUnreachable, Class::Transient, true);
    assert_eq!(engine(Bollard::SocketNotFoundError("/s".into())), waited_for);
    assert_eq!(engine(io(io::ErrorKind::ConnectionRefused)), waited_for);
    assert_eq!(engine(io(io::ErrorKind::ConnectionReset)), waited_for);
    assert_eq!(engine(io(io::ErrorKind::UnexpectedEof)), waited_for);
    assert_eq!(engine(io(io::ErrorKind::Other)), waited_for);
    assert_eq!(engine(Bollard::RequestTimeoutError), (Cause::EngineUnreachable, Class::Transient, false));
    // No try helps where the socket may not be used.
    let (_, class, _) = engine(io(io::ErrorKind::PermissionDenied));
    assert_eq!(class, Class::Permanent);
}

#[test]
fn a_message_is_one_line() {
    let told = refused("could not start container web", 500, "first\n  second.\n");
    assert_eq!(told.message, "could not start container web: first second");
}
