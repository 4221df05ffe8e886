//! S3: a prefix that is mirrored, and single objects.

use std::time::Duration;

use super::{
    Must::{Converge, Fail},
    machines::{Done, Machine, nobody},
    rows,
};
use crate::support::{
    bed::BUCKET,
    http::{Fault, Kind, Reply},
    s3::{error, slow_down},
};

const OBJECT: &str = "data.txt";

fn faulty(path: &str, kind: Kind, times: usize) -> Machine {
    let machine = Machine::script().deadline(60);
    machine.bed.aws.server.fault(Fault::on(path, kind).times(times));
    machine
}

fn elsewhere() -> (Machine, String) {
    let address = nobody();
    (Machine::script().env("AWS_ENDPOINT_URL_S3", |_| format!("http://{address}")), address)
}

fn skewed(ahead: i64) -> Done {
    Machine::script().deadline(60).ahead(ahead).run()
}

rows! { S3:
    s3_late, Late, "each answer takes a second", Converge,
        || faulty("/", Kind::Delay(Duration::from_secs(1)), usize::MAX).run();

    s3_up_late, Refused, "nobody listens for two seconds", Converge, || {
        let (machine, address) = elsewhere();
        machine.deadline(60).run_through_outage(|machine| machine.bed.aws.cloud.serve_on(&address))
    };

    s3_refused, Refused, "nobody ever listens", Fail(4, "rolecall: FAILED cause=source-unreachable step=fetch \
        error=\"could not list s3://rolecall-test/app/: *onnection refused* (* tries in *)\"*"),
        || elsewhere().0.deadline(6).run();

    s3_reset, Reset, "three objects are cut by a reset", Converge, || faulty(OBJECT, Kind::Reset(5000), 3).run();

    s3_listing_reset, Reset, "two listings are cut by a reset", Converge,
        || faulty("list-type", Kind::Reset(100), 2).run();

    s3_truncated, Truncated, "three objects end in the middle", Converge,
        || faulty(OBJECT, Kind::Cut(5000), 3).run();

    s3_truncated_for_ever, Truncated, "every object ends in the middle", Fail(4, "rolecall: FAILED \
        cause=source-unreachable step=fetch error=\"could not read s3://rolecall-test/app/conf/data.txt: it broke off after \
        5000 bytes: * (* tries in *)\"*"), || faulty(OBJECT, Kind::Cut(5000), usize::MAX).deadline(6).run();

    s3_listing_hangs, Hangs, "one listing stops after its headers", Converge,
        || faulty("list-type", Kind::Hang(50), 1).run();

    s3_hangs, Hangs, "one object stops after its headers", Converge, || faulty(OBJECT, Kind::Hang(0), 1).run();

    s3_hangs_for_ever, Hangs, "every object stops after its headers", Fail(4, "rolecall: FAILED \
        cause=source-unreachable step=fetch error=\"mirror s3://rolecall-test/app/: no answer within *\"*"),
        || faulty(OBJECT, Kind::Hang(0), usize::MAX).deadline(6).run();

    s3_burst, Burst, "five answers are HTTP 500 and 503", Converge, || {
        let machine = faulty("list-type", Kind::Answer(Reply::new(500, "")), 2);
        machine.bed.aws.server.fault(Fault::status(OBJECT, 503).times(3));
        machine.run()
    };

    s3_asks_for_patience, RetryAfter, "three answers are SlowDown with Retry-After: 1", Converge, || {
        let machine = faulty("list-type", Kind::Answer(slow_down(Some(1))), 1);
        machine.bed.aws.server.fault(Fault::on(OBJECT, Kind::Answer(slow_down(Some(1)))).times(2));
        machine.run()
    };

    s3_throttled, Throttled, "every answer is SlowDown", Fail(4, "rolecall: FAILED cause=source-unreachable step=fetch \
        error=\"could not list s3://rolecall-test/app/: HTTP 503 SlowDown: Please reduce your request rate (request \
        TESTREQUESTSLOW) (* tries in *)\"*"),
        || faulty("/", Kind::Answer(slow_down(None)), usize::MAX).deadline(6).run();

    s3_corrupt, Checksum, "one object has a byte changed, and S3's own checksum says so", Converge,
        || faulty(OBJECT, Kind::Corrupt, 1).run();

    s3_pin, Checksum, "an object is not what its pin says", Fail(5, "rolecall: FAILED cause=checksum-mismatch step=fetch \
        error=\"s3://rolecall-test/one/run.sh#sha256=* has sha256 *, which is not the pinned one (* bytes)\" *hint=\"the content \
        changed after it was pinned: check who changed it, then pin the new sum\""), || {
        let machine = Machine::single();
        machine.bed.aws.put(BUCKET, "one/run.sh", "#!/bin/sh\necho somebody else was here\n");
        machine.run()
    };

    s3_owner, Owner, "the bucket belongs to another account", Fail(5, "rolecall: FAILED cause=owner-mismatch step=fetch \
        error=\"bucket rolecall-test does not belong to account 123456789012 or 111122223333\" *hint=\"if that account is meant, name it in \
        --bucket-owners, ROLECALL_BUCKET_OWNERS or config.toml\""), || {
        let machine = Machine::script().env("ROLECALL_BUCKET_OWNERS", |_| "111122223333".into());
        machine.bed.aws.store(|s| s.bucket(BUCKET).owner = "999999999999".into());
        machine.run()
    };

    s3_expired, Expired, "one answer is ExpiredToken", Converge, || {
        let reply = Reply::new(400, error("ExpiredToken", "The provided token has expired.", "/", "TESTREQUEST"));
        faulty("list-type", Kind::Answer(reply.with("content-type", "application/xml")), 1).run()
    };

    s3_clock_behind, Skewed, "S3 is 20 minutes ahead of this machine", Converge, || skewed(1200);

    s3_clock_ahead, Skewed, "S3 is 20 minutes behind this machine", Converge, || skewed(-1200);
}
