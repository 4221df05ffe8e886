//! The resource part of `HostConfig`: limits, devices, block I/O.

use serde_json::{Value, json};

use crate::{
    compose::model::{BlkioConfig, DeviceRequest, ServiceConfig, ThrottleDevice},
    plan::json::{Body, mapping, texts},
};

/// Sets limits, reservations and devices; those of `deploy` beat those of the service.
pub(super) fn set(service: &ServiceConfig, body: &mut Body) {
    body.set("CgroupParent", service.cgroup_parent.clone())
        .set("Memory", service.mem_limit.0)
        .set("MemorySwap", service.memswap_limit.0)
        .set("MemorySwappiness", service.mem_swappiness.0)
        .set("MemoryReservation", service.mem_reservation.0)
        .keep("OomKillDisable", service.oom_kill_disable)
        .set("CpuCount", service.cpu_count)
        .set("CpuPeriod", service.cpu_period)
        .set("CpuQuota", service.cpu_quota)
        .set("CpuRealtimePeriod", service.cpu_rt_period)
        .set("CpuRealtimeRuntime", service.cpu_rt_runtime)
        .set("CpuShares", service.cpu_shares)
        .set("NanoCpus", nanos(service.cpus))
        .set("CpuPercent", hundredths(service.cpu_percent))
        .set("CpusetCpus", service.cpuset.clone())
        .set("DeviceCgroupRules", texts(&service.device_cgroup_rules))
        .set("PidsLimit", service.pids_limit);
    if let Some(blkio) = &service.blkio_config {
        block_io(blkio, body);
    }
    let mut asked = Vec::new();
    let resources = service.deploy.as_ref().map(|deploy| &deploy.resources);
    if let Some(limits) = resources.and_then(|r| r.limits.as_ref()) {
        body.set("Memory", limits.memory.0).set("NanoCpus", nanos(limits.cpus)).set("PidsLimit", limits.pids.max(0));
    }
    if let Some(promised) = resources.and_then(|r| r.reservations.as_ref()) {
        body.set("MemoryReservation", promised.memory.0);
        asked.extend(promised.devices.iter().map(|device| request(device, device.capabilities.clone())));
    }
    let (named, plain): (Vec<_>, Vec<_>) =
        service.devices.iter().partition(|device| device.source == device.target && is_cdi_name(&device.source));
    if !named.is_empty() {
        let names: Vec<_> = named.iter().map(|device| device.source.clone()).collect();
        asked.push(json!({ "Driver": "cdi", "DeviceIDs": names }));
    }
    let devices = plain.iter().map(|device| {
        json!({
            "PathOnHost": device.source,
            "PathInContainer": device.target,
            "CgroupPermissions": device.permissions,
        })
    });
    body.set("Devices", devices.collect::<Vec<_>>());
    asked.extend(service.gpus.iter().map(|gpu| {
        let mut capabilities = gpu.capabilities.clone();
        capabilities.push("gpu".to_owned());
        request(gpu, capabilities)
    }));
    body.set("DeviceRequests", asked);
    let ulimits = service.ulimits.iter().map(|(name, limit)| {
        let or_single = |value: i64| if value == 0 { limit.single } else { value };
        json!({ "Name": name, "Hard": or_single(limit.hard), "Soft": or_single(limit.soft) })
    });
    body.set("Ulimits", ulimits.collect::<Vec<_>>());
}

fn request(device: &DeviceRequest, capabilities: Vec<String>) -> Value {
    let mut body = Body::default();
    body.set("Driver", device.driver.clone())
        .set("Count", device.count.0)
        .set("DeviceIDs", texts(&device.device_ids))
        .keep("Capabilities", vec![capabilities])
        .set("Options", mapping(&device.options));
    body.into()
}

/// CPUs in billionths, in single precision first, as Compose computes it.
#[expect(clippy::cast_possible_truncation, reason = "no machine has that many CPUs")]
fn nanos(cpus: f32) -> i64 {
    (cpus * 1e9) as i64
}

#[expect(clippy::cast_possible_truncation, reason = "a percentage")]
fn hundredths(percent: f32) -> i64 {
    (percent * 100.0) as i64
}

/// `vendor.com/class=name`: a device of the Container Device Interface.
fn is_cdi_name(device: &str) -> bool {
    let letter = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    let end = |text: &str| text.ends_with(|c: char| c.is_ascii_alphanumeric());
    let only = |text: &str, more: &[char]| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c));
    let Some((kind, name)) = device.split_once('=') else { return false };
    let Some((vendor, class)) = kind.split_once('/') else { return false };
    let name_start = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    letter(vendor)
        && end(vendor)
        && only(vendor, &['_', '-', '.'])
        && letter(class)
        && end(class)
        && only(class, &['_', '-'])
        && name_start
        && end(name)
        && only(name, &['_', '-', '.', ':'])
}

fn block_io(blkio: &BlkioConfig, body: &mut Body) {
    let throttled = |devices: &[ThrottleDevice]| {
        Value::from(devices.iter().map(|d| json!({ "Path": d.path, "Rate": d.rate.0 })).collect::<Vec<_>>())
    };
    let weighted = blkio.weight_device.iter().map(|d| json!({ "Path": d.path, "Weight": d.weight }));
    body.set("BlkioWeight", blkio.weight)
        .set("BlkioWeightDevice", weighted.collect::<Vec<_>>())
        .set("BlkioDeviceReadBps", throttled(&blkio.device_read_bps))
        .set("BlkioDeviceReadIOps", throttled(&blkio.device_read_iops))
        .set("BlkioDeviceWriteBps", throttled(&blkio.device_write_bps))
        .set("BlkioDeviceWriteIOps", throttled(&blkio.device_write_iops));
}
