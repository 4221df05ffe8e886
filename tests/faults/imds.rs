//! Instance metadata.

use std::time::Duration;

use super::{
    Must::{Converge, Fail},
    machines::{Machine, nobody},
    rows,
};
use crate::support::{
    http::{Fault, Kind, Reply},
    imds::Imds,
};

/// What the agent asks for itself; the SDK asks for credentials elsewhere.
const OURS: &str = "/2021-07-15/";
const DOCUMENT: &str = "identity/document";

fn faulty(fault: Fault) -> Machine {
    let machine = Machine::script();
    machine.bed.imds.server.fault(fault);
    machine
}

fn busy(wait: Option<u64>) -> Kind {
    let reply = Reply::new(503, "");
    Kind::Answer(wait.map_or_else(|| reply.clone(), |wait| reply.clone().with("retry-after", wait)))
}

fn elsewhere() -> (Machine, String) {
    let address = nobody();
    let machine = Machine::script().env("AWS_EC2_METADATA_SERVICE_ENDPOINT", |_| format!("http://{address}"));
    (machine, address)
}

rows! { Imds:
    imds_late, Late, "each answer takes a second", Converge,
        || faulty(Fault::on(OURS, Kind::Delay(Duration::from_secs(1)))).deadline(60).run();

    imds_up_late, Refused, "nobody listens for two seconds", Converge, || {
        let (machine, address) = elsewhere();
        machine.run_through_outage(|machine| Imds::start_on(&address, machine.bed.imds.instance.clone()))
    };

    imds_refused, Refused, "nobody ever listens", Fail(4, "rolecall: FAILED cause=imds-unreachable step=facts \
        error=\"could not get a metadata token from metadata service http://127.0.0.1:*: Connection refused (os error \
        111) (* tries in *)\"*"), || elsewhere().0.deadline(5).run();

    imds_reset, Reset, "two answers are cut by a reset", Converge,
        || faulty(Fault::on(DOCUMENT, Kind::Reset(20)).times(2)).run();

    imds_truncated, Truncated, "two answers end in the middle", Converge,
        || faulty(Fault::on(DOCUMENT, Kind::Cut(20)).times(2)).run();

    imds_truncated_for_ever, Truncated, "every identity document ends in the middle", Fail(4, "rolecall: FAILED \
        cause=imds-unreachable step=facts error=\"could not read dynamic/instance-identity/document from metadata \
        service http://127.0.0.1:*: * (* tries in *)\"*"),
        || faulty(Fault::on(DOCUMENT, Kind::Cut(20))).deadline(5).run();

    imds_hangs, Hangs, "one answer stops after its headers", Converge,
        || faulty(Fault::on(DOCUMENT, Kind::Hang(0)).times(1)).deadline(60).run();

    imds_hangs_for_ever, Hangs, "every answer stops after its headers", Fail(4, "rolecall: FAILED \
        cause=imds-unreachable step=facts error=\"could not read dynamic/instance-identity/document from metadata \
        service http://127.0.0.1:*: operation timed out*\"*"),
        || faulty(Fault::on(OURS, Kind::Hang(0))).deadline(8).run();

    imds_burst, Burst, "five answers are HTTP 500", Converge,
        || faulty(Fault::status(OURS, 500).times(5)).deadline(60).run();

    imds_asks_for_patience, RetryAfter, "two answers are HTTP 503 with Retry-After: 1", Converge,
        || faulty(Fault::on(OURS, busy(Some(1))).times(2)).deadline(60).run();

    imds_throttled, Throttled, "every answer is HTTP 503", Fail(4, "rolecall: FAILED cause=imds-unreachable step=facts \
        error=\"metadata service http://127.0.0.1:* answers dynamic/instance-identity/document with HTTP 503 (* tries \
        in *)\" *hint=\"something on this machine asks instance metadata too often: its limit is for the whole \
        machine\""), || faulty(Fault::on(OURS, busy(None))).deadline(5).run();

    imds_forgets_tokens, Unauthorised, "three fresh tokens are refused", Converge,
        || faulty(Fault::status(OURS, 401).times(3)).run();

    imds_refuses_tokens, Unauthorised, "every token is refused", Fail(4, "rolecall: FAILED cause=imds-refused \
        step=facts error=\"metadata service http://127.0.0.1:* refuses dynamic/instance-identity/document with 401 \
        although the token is fresh (* tries in *)\"*"), || faulty(Fault::status(OURS, 401)).deadline(5).run();
}
