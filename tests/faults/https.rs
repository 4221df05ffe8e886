//! A web server under TLS.

use std::time::Duration;

use super::{
    Must::{Converge, Fail},
    machines::{Done, Machine},
    rows,
};
use crate::support::{
    http::{Fault, Kind, Reply},
    tls::Authority,
};

fn faulty(kind: Kind, times: usize) -> Machine {
    let machine = Machine::https().deadline(60);
    machine.web().fault(Fault::on("/run.sh", kind).times(times));
    machine
}

fn always(kind: Kind) -> Done {
    faulty(kind, usize::MAX).deadline(6).run()
}

fn status(status: u16) -> Kind {
    Kind::Answer(Reply::new(status, ""))
}

rows! { Https:
    https_late, Late, "the answer takes three seconds", Converge,
        || faulty(Kind::Delay(Duration::from_secs(3)), 1).run();

    https_closed, Refused, "three connections are closed unanswered", Converge, || faulty(Kind::Drop, 3).run();

    https_refused, Refused, "nobody ever listens", Fail(4, "rolecall: FAILED cause=source-unreachable step=fetch \
        error=\"could not read https://localhost:*/run.sh: *onnection refused* (* tries in *)\"*"), || {
        let mut machine = Machine::https().deadline(6);
        machine.web = None;
        machine.run()
    };

    https_reset, Reset, "two answers are cut by a reset", Converge, || faulty(Kind::Reset(20), 2).run();

    https_truncated, Truncated, "two answers end in the middle", Converge, || faulty(Kind::Cut(20), 2).run();

    https_truncated_for_ever, Truncated, "every answer ends in the middle", Fail(4, "rolecall: FAILED \
        cause=source-unreachable step=fetch error=\"could not read https://localhost:*/run.sh: it broke off after 20 bytes: * \
        (* tries in *)\"*"), || always(Kind::Cut(20));

    https_hangs, Hangs, "one answer stops after its headers", Converge, || faulty(Kind::Hang(0), 1).run();

    https_hangs_for_ever, Hangs, "every answer stops after its headers", Fail(4, "rolecall: FAILED \
        cause=source-unreachable step=fetch error=\"fetch https://localhost:*/run.sh#sha256=*: no answer within *\"*"), || always(Kind::Hang(0));

    https_burst, Burst, "three answers are HTTP 502", Converge, || faulty(status(502), 3).run();

    https_asks_for_patience, RetryAfter, "two answers are HTTP 429 with Retry-After: 1", Converge,
        || faulty(Kind::Answer(Reply::new(429, "").with("retry-after", 1)), 2).run();

    https_throttled, Throttled, "every answer is HTTP 429", Fail(4, "rolecall: FAILED cause=source-unreachable \
        step=fetch error=\"could not read https://localhost:*/run.sh: HTTP 429 (* tries in *)\"*"),
        || always(status(429));

    https_unauthorised, Unauthorised, "the answer is HTTP 401", Fail(4, "rolecall: FAILED cause=source-denied step=fetch \
        error=\"could not read https://localhost:*/run.sh: HTTP 401\" *hint=\"a presigned address may have expired; a private \
        bucket is read by s3://\""), || always(status(401));

    https_pin, Checksum, "the content is not what its pin says", Fail(5, "rolecall: FAILED cause=checksum-mismatch \
        step=fetch error=\"https://localhost:*/run.sh#sha256=* has sha256 *, which is not the pinned one (* bytes)\" *hint=\"the \
        content changed after it was pinned: check who changed it, then pin the new sum\""), || always(Kind::Corrupt);

    https_expired, Expired, "a presigned address is refused with HTTP 403", Fail(4, "rolecall: FAILED \
        cause=source-denied step=fetch error=\"could not read https://localhost:*/run.sh: HTTP 403\" *hint=\"a presigned address \
        may have expired; a private bucket is read by s3://\""), || always(status(403));

    https_clock, Skewed, "the certificate is valid in 20 minutes", Fail(4, "rolecall: FAILED cause=source-unreachable \
        step=fetch error=\"could not read https://localhost:*/run.sh: invalid peer certificate: certificate not valid yet* (* \
        tries in *)\" *hint=\"the clock of this machine is off: check chrony or systemd-timesyncd\""), || early(20 * 60, 6);

    https_clock_put_right, Skewed, "the certificate is valid in four seconds", Converge, || early(4, 60);
}

/// A machine whose clock is behind that of who issued the certificate.
fn early(seconds: u64, deadline: u32) -> Done {
    let ahead = Duration::from_secs(seconds);
    Machine::https_with(|dir| Authority::valid_in(dir, &["localhost"], ahead)).deadline(deadline).run()
}
