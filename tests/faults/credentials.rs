//! Role credentials, as instance metadata hands them out.

use std::time::Duration;

use super::{
    Must::{Converge, Fail},
    machines::{Done, Machine},
    rows,
};
use crate::support::{
    http::{Fault, Kind, Reply},
    imds::SESSION_TOKEN,
};

const KEYS: &str = "security-credentials/rolecall-test-role";

fn faulty(fault: Fault) -> Machine {
    let machine = Machine::script();
    machine.bed.imds.server.fault(fault);
    machine.deadline(60)
}

/// A machine whose credentials have expired, and until when.
fn expired(renewed: bool) -> Done {
    let machine = Machine::script().deadline(if renewed { 60 } else { 6 });
    machine.bed.imds.set(|i| i.session = "expired-token".into());
    let run = machine.spawn();
    if renewed {
        while machine.bed.aws.server.asked("list-type") == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        machine.bed.imds.set(|i| i.session = SESSION_TOKEN.into());
    }
    Done { outcome: run.wait(), machine }
}

rows! { Credentials:
    credentials_late, Late, "the profile is announced, its credentials come two seconds later", Converge, || {
        let machine = Machine::script().deadline(60);
        machine.bed.imds.set(|i| i.credentials_late = true);
        machine.run_through_outage(|machine| machine.bed.imds.set(|i| i.credentials_late = false))
    };

    credentials_never_come, Late, "the profile is announced, its credentials never come", Fail(4, "rolecall: FAILED \
        cause=credentials-missing step=fetch error=\"could not list s3://rolecall-test/app/: no credentials (*); instance \
        profile arn:aws:iam::123456789012:instance-profile/rolecall-test-role is announced, its credentials are not \
        there yet (* tries in *)\"*"), || {
        let machine = Machine::script().deadline(6);
        machine.bed.imds.set(|i| i.credentials_late = true);
        machine.run()
    };

    credentials_refused, Refused, "eight connections are closed unanswered", Converge,
        || faulty(Fault::on(KEYS, Kind::Drop).times(8)).run();

    credentials_reset, Reset, "two answers are cut by a reset", Converge,
        || faulty(Fault::on(KEYS, Kind::Reset(20)).times(2)).run();

    credentials_truncated, Truncated, "two answers end in the middle", Converge,
        || faulty(Fault::on(KEYS, Kind::Cut(20)).times(2)).run();

    credentials_hang, Hangs, "one answer stops after its headers", Converge,
        || faulty(Fault::on(KEYS, Kind::Hang(0)).times(1)).run();

    credentials_hang_for_ever, Hangs, "every answer stops after its headers", Fail(4, "rolecall: FAILED \
        cause=credentials-missing step=fetch error=\"could not list s3://rolecall-test/app/: no credentials (*"),
        || faulty(Fault::on(KEYS, Kind::Hang(0))).deadline(20).run();

    credentials_burst, Burst, "six answers are HTTP 500", Converge,
        || faulty(Fault::status(KEYS, 500).times(6)).run();

    credentials_ask_for_patience, RetryAfter, "five answers are HTTP 503 with Retry-After: 1", Converge,
        || faulty(Fault::on(KEYS, Kind::Answer(Reply::new(503, "").with("retry-after", 1))).times(5)).run();

    credentials_throttled, Throttled, "every answer is HTTP 503", Fail(4, "rolecall: FAILED \
        cause=credentials-missing step=fetch error=\"could not list s3://rolecall-test/app/: no credentials (*"),
        || faulty(Fault::status(KEYS, 503)).deadline(6).run();

    credentials_forgotten_token, Unauthorised, "two fresh metadata tokens are refused", Converge,
        || faulty(Fault::status(KEYS, 401).times(2)).run();

    credentials_rotated, Expired, "what was handed out has expired, and is renewed while the run is under way",
        Converge, || expired(true);

    credentials_expired, Expired, "what is handed out has expired for ever", Fail(4, "rolecall: FAILED \
        cause=credentials-expired step=fetch error=\"could not list s3://rolecall-test/app/: HTTP 400 ExpiredToken: The \
        provided token has expired (request TESTREQUEST*) (* tries in *)\" need=\"credentials that have not expired\"*"), || expired(false);
}
