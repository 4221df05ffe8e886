//! `make demo`: an instance boots into three roles. EC2 (metadata, tags, S3, parameters) and an image registry live
//! in this process, Docker is a real engine of its own, and the agent is the real binary.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

use std::{
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use support::{
    agent::walk,
    bed::{Bed, binary},
    client::get,
    image::Image,
    imds::Imds,
    registry::Registry,
};

const BUCKET: &str = "shop-deploy";

fn main() -> ExitCode {
    let start = Instant::now();
    say("An instance boots. Its EC2 is embedded in this process, its Docker engine is real.");
    let mut bed = Bed::with(binary(), true);
    // In a network of its own the instance finds its metadata where every instance finds it.
    let metadata = Imds::start_on("169.254.169.254:80", bed.imds.instance.clone());
    bed.agent = bed.agent.without("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let registry = Registry::start_on("127.0.0.1:5000");
    for (name, tag) in [("shop/web", "1.4"), ("shop/worker", "1.4"), ("shop/cache", "7")] {
        registry.push(name, tag, &Image::web());
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/demo/project");
    for (path, content) in walk(folder.as_ref()) {
        bed.aws.put(BUCKET, &format!("prod/{path}"), content);
    }
    bed.aws.api(|api| _ = api.parameters.insert("/shop/greeting".into(), "hello".into()));
    for (key, value) in [("Bootstrap", "s3://shop-deploy/prod/"), ("Role", "web:worker:cache")] {
        bed.imds.tag(key, value);
        println!("    tag {key} = {value}");
    }
    for key in bed.aws.store(|s| s.bucket(BUCKET).objects.keys().cloned().collect::<Vec<_>>()) {
        println!("    s3://{BUCKET}/{key}");
    }

    let mut fine = step(&bed, "What would it do?", &["plan"]);
    fine &= step(&bed, "It does it.", &["run"]);
    fine &= answers();
    let before = bed.engine().snapshot();
    let asked = registry.server.log().len();
    fine &= step(&bed, "Once more: the same input does nothing the second time.", &["run"]);
    fine &= check("no container, image, network or volume has changed", bed.engine().snapshot() == before);
    fine &= check("the registry was not asked again", registry.server.log().len() == asked);
    fine &= step(&bed, "What happened?", &["status"]);
    println!("\n    metadata answered {} requests, S3 {}", metadata.server.log().len(), bed.aws.server.log().len());
    drop(bed);
    say(&format!("Cleaned up: no container, engine or file is left. {:.1} s in all.", start.elapsed().as_secs_f64()));
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(text: &str) {
    println!("\n\x1b[1m{text}\x1b[0m");
}

fn check(what: &str, holds: bool) -> bool {
    println!("    {} {what}", if holds { "ok  " } else { "FAIL" });
    holds
}

/// Runs the agent with its output in view.
fn step(bed: &Bed, title: &str, args: &[&str]) -> bool {
    say(title);
    println!("    $ rolecall {}", args.join(" "));
    let start = Instant::now();
    let status = bed.agent.command(args).stdout(Stdio::inherit()).stderr(Stdio::inherit()).status().unwrap();
    let took = start.elapsed();
    check(&format!("rolecall {} ({:.0} ms, {status})", args.join(" "), took.as_secs_f64() * 1e3), status.success())
}

/// Asks each container over the port that its role publishes.
fn answers() -> bool {
    say("The containers answer.");
    let expected = json!([
        [8080, "/", "<h1>The shop is open</h1>"],
        [8080, "/hello.txt", "hello from i-0abcdef1234567890"],
        [8080, "/orders/state.txt", "orders: 3 done"],
        [6379, "/", "hello"],
    ]);
    let mut fine = true;
    for row in expected.as_array().unwrap() {
        let port = u16::try_from(row[0].as_u64().unwrap()).unwrap();
        let (path, text) = (row[1].as_str().unwrap(), row[2].as_str().unwrap());
        let ask = || get(port, path).map_or_else(|e| e.to_string(), |a| a.text().trim().to_owned());
        // Running is not yet listening, for a service without a health check.
        let start = Instant::now();
        let mut seen = ask();
        while seen != text && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
            seen = ask();
        }
        fine &= check(&format!("curl http://127.0.0.1:{port}{path}: {seen}"), seen == text);
    }
    fine
}
