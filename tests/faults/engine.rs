//! The Docker engine: a real one, behind a relay that plays faults.

use std::time::Duration;

use rustix::process::Signal;

use super::{
    Must::{Converge, Fail},
    machines::{Done, Machine, nobody},
    rows,
};
use crate::support::{
    http::{Fault, Kind, Reply},
    image::Image,
    relay::Relay,
};

const ONE: &str = "services:\n  web: { image: \"rolecall-test/web:1\", ports: [\"8080:80\"] }\n";

fn faulty(faults: &[Fault]) -> Machine {
    let machine = Machine::compose(ONE);
    let relay = Relay::start(&machine.bed.engine().socket());
    for fault in faults {
        relay.fault(fault.clone());
    }
    machine.env("DOCKER_HOST", |_| relay.host()).deadline(60)
}

fn broken() -> Kind {
    let body = r#"{"message":"internal error of the engine"}"#;
    Kind::Answer(Reply::new(500, body))
}

/// The engine ends by this signal, and comes back, while a layer is on its way.
fn restarted(signal: Signal) -> Done {
    let machine = Machine::service();
    let layer = Image::web().layer().to_owned();
    machine.registry().server.fault(Fault::on(&layer, Kind::Hang(1000)).times(1));
    let run = machine.spawn();
    while machine.registry().server.asked(&layer) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    machine.bed.engine().restart(signal);
    Done { outcome: run.wait(), machine }
}

/// One service with these attributes.
fn service(attributes: &str) -> Machine {
    Machine::compose(&format!("services:\n  web:\n    image: rolecall-test/web:1\n{attributes}"))
}

rows! { Engine:
    engine_late, Late, "it comes up two seconds after the run began", Converge, || {
        let machine = Machine::compose(ONE).deadline(60);
        machine.bed.engine().stay_down();
        machine.run_through_outage(|machine| machine.bed.engine().come_back())
    };

    engine_slow, Late, "each answer takes half a second", Converge,
        || faulty(&[Fault::on("/", Kind::Delay(Duration::from_millis(500)))]).run();

    engine_refused, Refused, "it never comes up", Fail(4, "rolecall: FAILED cause=engine-unreachable step=docker \
        error=\"could not ask for its version the engine at unix://*: * (* tries in *)\"*"), || {
        let machine = Machine::compose(ONE).deadline(6);
        machine.bed.engine().stay_down();
        machine.run()
    };

    engine_truncated, Truncated, "answers to creating, starting and inspecting end in the middle, twice each", Converge,
        || faulty(&[
            Fault::on("/containers/create", Kind::Cut(5)).times(2),
            Fault::on("/json", Kind::Cut(5)).times(2),
            Fault::on("/start", Kind::Cut(0)).times(2),
        ]).run();

    engine_events_break, Truncated, "the stream of events ends, three times", Converge,
        || faulty(&[Fault::on("/events", Kind::Cut(0)).times(3)]).run();

    engine_events_hang, Hangs, "the streams of events say nothing", Converge, || {
        let machine = Machine::compose("services:\n  web:\n    image: rolecall-test/web:1\n    ports: [\"8080:80\"]\n    \
            healthcheck: { test: [CMD, wget, -q, -O-, localhost], interval: 2s }\n");
        let relay = Relay::start(&machine.bed.engine().socket());
        relay.fault(Fault::on("/events", Kind::Hang(0)));
        machine.env("DOCKER_HOST", |_| relay.host()).deadline(60).run()
    };

    engine_hangs, Hangs, "it says nothing of itself after its headers, for ever", Fail(4, "rolecall: FAILED \
        cause=engine-unreachable step=plan error=\"ask the engine what it is: no answer within *\"*"),
        || faulty(&[Fault::on("/info", Kind::Hang(0))]).deadline(8).run();

    engine_silent_create, Hangs, "the answer to creating a container never comes", Fail(4, "rolecall: FAILED \
        cause=engine-unreachable step=container:shop-web-1 error=\"create shop-web-1: no answer within *\"*"),
        || faulty(&[Fault::on("/containers/create", Kind::Silence)]).deadline(8).run();

    engine_burst, Burst, "two answers each to creating and starting are HTTP 500", Converge,
        || faulty(&[
            Fault::on("/containers/create", broken()).times(2),
            Fault::on("/start", broken()).times(2),
        ]).run();

    engine_broken, Burst, "every answer to creating a container is HTTP 500", Fail(4, "rolecall: FAILED \
        cause=engine-refused step=container:shop-web-1 error=\"could not create container shop-web-1: internal error of the \
        engine (* tries in *)\"*"), || faulty(&[Fault::on("/containers/create", broken())]).deadline(8).run();

    engine_killed, Restarted, "SIGKILL while a layer is on its way", Converge, || restarted(Signal::KILL);

    engine_restarted, Restarted, "SIGTERM while a layer is on its way", Converge, || restarted(Signal::TERM);

    container_exits, Exits, "the command prints a line and exits with 7", Fail(1, "rolecall: FAILED cause=container-failed \
        step=ready:web error=\"container shop-web-1 exited with 7\"*"),
        || service("    command: [sh, -c, \"echo no such table; exit 7\"]\nx-rolecall: {}\n").run()
        .says("rolecall:   | no such table");

    engine_log_driver, Refused, "the server of a log driver never listens", Fail(4, "rolecall: FAILED cause=container-failed \
        step=start:shop-web-1 error=\"could not start container shop-web-1: *logging driver: *connection refused (* tries in *)\" \
        need=* hint=\"the log driver of the service does not reach its destination: *\""), || {
        let address = nobody();
        service(&format!("    logging: {{ driver: fluentd, options: {{ fluentd-address: \"{address}\" }} }}\n")).deadline(8).run()
    };

    container_cannot_start, Exits, "the command is no program of the image", Fail(1, "rolecall: FAILED \
        cause=container-failed step=start:shop-web-1 error=\"could not start container shop-web-1: *no-such-program*\"*"),
        || service("    command: [no-such-program]\n").run();

    container_unhealthy, Unhealthy, "the health check fails", Fail(1, "rolecall: FAILED cause=container-unhealthy \
        step=ready:web error=\"not ready within *: shop-web-1 is unhealthy: not yet\"*"),
        || service("    healthcheck: { test: [CMD-SHELL, \"echo not yet; false\"], interval: 1s, retries: 2 }\n\
        x-rolecall: { ready: { timeout: 8s } }\n").run().says("rolecall:   | health check: not yet");

    container_unhealthy_at_first, Unhealthy, "the health check fails for longer than its retries last, then passes",
        Converge, || service("    ports: [\"8080:80\"]\n    command: [sh, -c, \"sleep 6; touch /tmp/ok; httpd -f -p 80 -h /www\"]\n    \
        healthcheck: { test: [CMD, test, -e, /tmp/ok], interval: 1s, retries: 1 }\n").run();

    container_ends_later, Exits, "the command exits with 7 after three seconds", Fail(1, "rolecall: FAILED \
        cause=container-failed step=ready:web error=\"container shop-web-1 exited with 7\"*"),
        || service("    command: [sh, -c, \"sleep 3; echo no such table; exit 7\"]\nx-rolecall: {}\n").run();

    container_never_healthy, Unhealthy, "the health check fails within its start period, which does not end", Fail(1,
        "rolecall: FAILED cause=ready-timeout step=ready:web error=\"not ready within *: shop-web-1 is not healthy \
        yet*\"*"), || service("    healthcheck: { test: [CMD-SHELL, \"echo not yet; false\"], interval: 1s, \
        start_period: 1h }\nx-rolecall: { ready: { timeout: 5s } }\n").run();
}
