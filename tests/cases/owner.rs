//! Who owns a bucket, which endpoints of AWS are asked, and machines without IPv4.

use std::process::Command;

use crate::support::{
    aws::Aws,
    bed::{BUCKET, Bed},
    imds::Imds,
    net::IMDS_V6,
};

const SCRIPT: &str = "#!/bin/sh\necho hello from $ROLECALL_LOCAL_IPV6\n";

#[test]
fn tag_to_a_store_without_owners_is_refused() {
    let mut bed = Bed::without_engine();
    bed.agent = bed.agent.without("ROLECALL_TRUST_TAGS");
    bed.project("app", &[("10.sh", SCRIPT)]);
    let failed = bed.fails(2, "source-refused").names("could not check the owner of s3://");
    failed.hints("ROLECALL_BUCKET_OWNERS").hints("ROLECALL_PUBLIC_KEY").hints("ROLECALL_TRUST_TAGS=true");
    assert_eq!(bed.aws.server.asked("10.sh"), 0, "nothing was fetched");
    bed.config("trust-tags = true\n");
    bed.rolecall(&["plan"]).ready().prints("10.sh");
}

#[test]
fn machine_without_ipv4_reaches_its_source() {
    let bed = Bed::without_engine();
    // As in a subnet of IPv6 alone: no address, and no route to one, of the other family.
    let remove = "ip addr del 169.254.169.254/32 dev lo";
    assert!(Command::new("sh").args(["-c", remove]).status().unwrap().success());
    let imds = Imds::start_on(&format!("[{IMDS_V6}]:80"), bed.imds.instance.clone());
    imds.set(|instance| instance.local_ipv6 = Some("2001:db8::7".into()));
    let aws = Aws::start_on("[::1]:0", bed.imds.instance.clone());
    aws.put(BUCKET, "app/10.sh", SCRIPT);
    bed.imds.tag("Bootstrap", &format!("s3://{BUCKET}/app/"));
    let agent = bed.agent.without("AWS_EC2_METADATA_SERVICE_ENDPOINT").env("AWS_ENDPOINT_URL", aws.server.url());
    agent.run(&["plan"]).ready().prints("10.sh");
    agent.run(&["facts"]).ready().prints("2001:db8::7");
    // The credentials of the role came the same way.
    assert!(imds.server.asked("security-credentials/") > 0, "{}", imds.server.told());
}

#[test]
fn route_that_comes_late_is_awaited_over_ipv4() {
    let bed = Bed::without_engine();
    let ip = |args: &str| assert!(Command::new("ip").args(args.split(' ')).status().unwrap().success(), "ip {args}");
    // As before DHCP has answered: neither family has a route.
    ip("addr del 169.254.169.254/32 dev lo");
    ip("-6 addr del fd00:ec2::254/128 dev lo");
    bed.project("app", &[("10.sh", SCRIPT)]);
    let run = bed.agent.without("AWS_EC2_METADATA_SERVICE_ENDPOINT").env("ROLECALL_DEADLINE", "60s").spawn(&["plan"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    ip("addr add 169.254.169.254/32 dev lo");
    let _imds = Imds::start_on("169.254.169.254:80", bed.imds.instance.clone());
    run.wait().ready().prints("10.sh");
}
