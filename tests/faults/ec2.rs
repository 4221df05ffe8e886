//! The EC2 API, where tags are only to be had there.

use std::time::Duration;

use super::{
    Must::{Converge, Fail},
    machines::{Done, Machine, nobody},
    rows,
};
use crate::support::{
    api::ec2_error,
    http::{Fault, Kind},
};

fn faulty(kind: Kind, times: usize) -> Machine {
    let machine = Machine::tags_by_api().deadline(60);
    machine.bed.aws.server.fault(Fault::on("/", kind).method("POST").times(times));
    machine
}

fn limited() -> Kind {
    Kind::Answer(ec2_error(503, "RequestLimitExceeded", "Request limit exceeded."))
}

fn skewed(ahead: i64) -> Done {
    Machine::tags_by_api().deadline(60).ahead(ahead).run()
}

fn elsewhere() -> (Machine, String) {
    let address = nobody();
    (Machine::tags_by_api().env("AWS_ENDPOINT_URL_EC2", |_| format!("http://{address}")), address)
}

rows! { Ec2:
    ec2_late, Late, "the answer takes three seconds", Converge,
        || faulty(Kind::Delay(Duration::from_secs(3)), 1).run();

    ec2_up_late, Refused, "nobody listens for two seconds", Converge, || {
        let (machine, address) = elsewhere();
        machine.deadline(60).run_through_outage(|machine| machine.bed.aws.cloud.serve_on(&address))
    };

    ec2_refused, Refused, "nobody ever listens", Fail(4, "rolecall: FAILED cause=cloud-unreachable step=facts \
        error=\"instance metadata shows no tags (they are off there by default), and the EC2 API does not give them: \
        could not read the tags of i-0abcdef1234567890 with ec2:DescribeTags: *onnection refused* (* tries in *)\"*"),
        || elsewhere().0.deadline(6).run();

    ec2_reset, Reset, "two answers are cut by a reset", Converge, || faulty(Kind::Reset(30), 2).run();

    ec2_truncated, Truncated, "two answers end in the middle", Converge, || faulty(Kind::Cut(30), 2).run();

    ec2_hangs, Hangs, "one answer stops after its headers", Converge, || faulty(Kind::Hang(0), 1).run();

    ec2_hangs_for_ever, Hangs, "every answer stops after its headers", Fail(4, "rolecall: FAILED \
        cause=cloud-unreachable step=facts error=\"wait for tag Bootstrap of i-0abcdef1234567890: no answer within *\"*"), || faulty(Kind::Hang(0), usize::MAX).deadline(6).run();

    ec2_burst, Burst, "two answers are HTTP 500 InternalError", Converge, || {
        faulty(Kind::Answer(ec2_error(500, "InternalError", "An internal error has occurred")), 2).run()
    };

    ec2_asks_for_patience, RetryAfter, "two answers are RequestLimitExceeded with Retry-After: 1", Converge, || {
        let Kind::Answer(reply) = limited() else { unreachable!() };
        faulty(Kind::Answer(reply.with("retry-after", 1)), 2).run()
    };

    ec2_throttled, Throttled, "every answer is RequestLimitExceeded", Fail(4, "rolecall: FAILED cause=tags-throttled \
        step=facts error=\"instance metadata shows no tags (they are off there by default), and the EC2 API is \
        throttled: could not read the tags of i-0abcdef1234567890 with ec2:DescribeTags: HTTP 503 RequestLimitExceeded: \
        Request limit exceeded (* tries in *)\" *hint=\"turn tags in instance metadata on: they are not throttled with \
        the fleet\""), || faulty(limited(), usize::MAX).deadline(6).run();

    ec2_unauthorised, Unauthorised, "every answer is HTTP 401 AuthFailure", Fail(4, "rolecall: FAILED cause=tags-denied \
        step=facts error=\"instance metadata shows no tags (they are off there by default), and the EC2 API refuses to: could \
        not read the tags of i-0abcdef1234567890 with ec2:DescribeTags: HTTP 401 AuthFailure: AWS was not able to validate the \
        provided access credentials (asked *\" need=\"ec2:DescribeTags on *\" hint=\"allow ec2:DescribeTags *\""), || {
        let text = "AWS was not able to validate the provided access credentials";
        faulty(Kind::Answer(ec2_error(401, "AuthFailure", text)), usize::MAX).deadline(6).run()
    };

    ec2_expired, Expired, "one answer is RequestExpired", Converge,
        || faulty(Kind::Answer(ec2_error(400, "RequestExpired", "Request has expired.")), 1).run();

    ec2_clock_behind, Skewed, "the API is 20 minutes ahead of this machine, and refuses with AuthFailure", Converge,
        || skewed(1200);

    ec2_clock_ahead, Skewed, "the API is 20 minutes behind this machine, and refuses with AuthFailure", Converge,
        || skewed(-1200);
}
