//! The registry, through a real engine.

use std::time::Duration;

use super::{
    Must::{Converge, Fail},
    machines::{Done, Machine, nobody},
    rows,
};
use crate::support::{
    bed::Bed,
    http::{Fault, Kind, Reply},
    image::Image,
    registry::{Registry, error},
};

const MANIFEST: &str = "/manifests/";

fn faulty(path: &str, kind: Kind, times: usize) -> Machine {
    let machine = Machine::service();
    machine.registry().server.fault(Fault::on(path, kind).times(times));
    machine
}

/// The path of the layer, whose content is all that is large.
fn layer() -> String {
    Image::web().layer().to_owned()
}

fn busy(wait: Option<u64>) -> Kind {
    let reply = error(429, "TOOMANYREQUESTS", "too many requests");
    Kind::Answer(wait.map_or_else(|| reply.clone(), |wait| reply.clone().with("retry-after", wait)))
}

/// A machine whose image is at an address where nobody listens.
fn elsewhere() -> (Machine, String) {
    let address = nobody();
    let mut machine = Machine::service();
    let text = format!("services:\n  web: {{ image: \"{address}/app/web:1\", ports: [\"8080:80\"] }}\n");
    machine.bed.compose("shop", &text);
    machine.registry = None;
    (machine, address)
}

rows! { Registry:
    registry_late, Late, "each answer takes a second", Converge,
        || faulty("/v2/", Kind::Delay(Duration::from_secs(1)), usize::MAX).run();

    registry_up_late, Refused, "nobody listens for two seconds", Converge, || {
        let (machine, address) = elsewhere();
        machine.run_through_outage(|machine| {
            machine.registry = Some(Registry::with(&address, "app/web", "1", &Image::web()));
        })
    };

    registry_refused, Refused, "nobody ever listens", Fail(4, "rolecall: FAILED cause=image-pull \
        step=image:127.0.0.1:*/app/web:1 error=\"could not pull image 127.0.0.1:*/app/web:1: *connection refused (* tries in *)\"*"), || elsewhere().0.deadline(15).run();

    registry_reset, Reset, "one layer is cut by a reset", Converge,
        || faulty(&layer(), Kind::Reset(1000), 1).run();

    registry_truncated, Truncated, "one layer ends in the middle", Converge,
        || faulty(&layer(), Kind::Cut(1000), 1).run();

    registry_hangs_for_ever, Hangs, "every layer stops after its headers", Fail(4, "rolecall: FAILED cause=image-pull \
        step=image:127.0.0.1:*/app/web:1 error=\"could not pull image 127.0.0.1:*/app/web:1 in time: * MB of * MB came, and the \
        engine last said '*'\"*"),
        || faulty(&layer(), Kind::Hang(0), usize::MAX).deadline(12).run();

    registry_burst, Burst, "three manifests are HTTP 500", Converge,
        || faulty(MANIFEST, Kind::Answer(Reply::new(500, "")), 3).run();

    registry_asks_for_patience, RetryAfter, "two manifests are HTTP 429 with Retry-After: 1", Converge,
        || faulty(MANIFEST, busy(Some(1)), 2).run();

    registry_throttled, Throttled, "every manifest is HTTP 429", Fail(4, "rolecall: FAILED cause=image-pull \
        step=image:127.0.0.1:*/app/web:1 error=\"could not pull image 127.0.0.1:*/app/web:1: toomanyrequests* \
        (* tries in *)\" *hint=\"127.0.0.1:* limits how often it is asked*\""),
        || faulty(MANIFEST, busy(None), usize::MAX).deadline(15).run();

    registry_unauthorised, Unauthorised, "a token is given, and then refused", Fail(1, "rolecall: FAILED \
        cause=image-denied step=image:127.0.0.1:*/app/web:1 error=\"could not pull image 127.0.0.1:*/app/web:1: *\" *hint=\"check that the image exists, and the credentials for 127.0.0.1:* in x-rolecall.registries\""), || {
        let machine = Machine::service().deadline(20);
        let refused = machine.registry().unauthorised();
        machine.registry().server.fault(Fault::on("/v2/", Kind::Answer(refused)));
        machine.run()
    };

    registry_corrupt, Checksum, "one layer has a byte changed", Converge, || faulty(&layer(), Kind::Corrupt, 1).run();

    registry_corrupt_for_ever, Checksum, "every layer has a byte changed", Fail(5, "rolecall: FAILED \
        cause=checksum-mismatch step=image:127.0.0.1:*/app/web:1 error=\"could not pull image 127.0.0.1:*/app/web:1: filesystem \
        layer verification failed for digest sha256:* (* tries in *)\"*"),
        || faulty(&layer(), Kind::Corrupt, usize::MAX).deadline(15).run();

    registry_expired, Expired, "the token of the account's registry has expired, and a newer one is handed out", Converge,
        || ecr(false);

    registry_expired_for_ever, Expired, "the token of the account's registry has expired for ever", Fail(1, "rolecall: \
        FAILED cause=image-denied step=image:*.dkr.ecr.eu-west-1.amazonaws.com/app/web:1 error=\"*Your authorization token has \
        expired*\" need=\"ecr:GetAuthorizationToken*\"*"), || ecr(true);
}

/// A machine whose image is in the registry of its account, which says once, or for ever, that its login has expired.
fn ecr(for_ever: bool) -> Done {
    let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let start = || Some(crate::support::dockerd::Engine::with_hosts(&["--insecure-registry", host], &[host]));
    let bed = Bed::with_engine(crate::support::bed::binary(), start);
    let mut machine = Machine::service_on(bed).deadline(if for_ever { 15 } else { 60 });
    let registry = Registry::start_on("127.0.0.1:80");
    registry.push("app/web", "1", &Image::web());
    registry.require("AWS", crate::support::api::REGISTRY_PASSWORD);
    let text = "Your authorization token has expired. Reauthenticate and try again.";
    let expired = Fault::on(MANIFEST, Kind::Answer(error(403, "DENIED", text)));
    registry.server.fault(if for_ever { expired } else { expired.times(2) });
    let compose = format!("services:\n  web: {{ image: \"{host}/app/web:1\", ports: [\"8080:80\"] }}\n");
    machine.bed.compose("shop", &compose);
    machine.registry = Some(registry);
    machine.run()
}
