//! What a real kerfd serves to Prometheus, and what other people's NVML clients see on its machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use kerf_tests::{Capability, bins, poll, process, require};
use nvidia_ml::control::{FaultRequest, LoadRequest, fault, load};
use serde_json::Value;

use super::client::layout;
use super::world::{LIMIT, QUICK, SAMPLED, World};

/// The memory of the load on a slice.
const LOAD_BYTES: u64 = 4 << 30;

/// Runs a program that reads `text`, and returns whether it was content and what it said.
fn fed(command: &mut Command, text: &str) -> (bool, String) {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(text.as_bytes())
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// A host with everything that has metrics: slices of three kinds, leases, a load, a running container.
fn busy_host() -> Option<World> {
    let world = World::new("h100x8", SAMPLED)?;
    let slices = layout(&[(&["0", "1"], &[("1g.10gb", 3), ("3g.40gb", 1)])]);
    world.client.apply(slices).expect("it is applied");
    world.start("c0", "1g.10gb");
    world
        .client
        .lease("gpu:1", "default", "promised")
        .expect("a lease");
    let slice = world.slices_of(1).swap_remove(0);
    let (gi, uuid) = (slice.gi, slice.uuid.expect("a MIG device"));
    let request = LoadRequest {
        gpu: 1,
        gi: Some(gi),
        ci: None,
        sm_percent: 80,
        memory_bytes: LOAD_BYTES,
        pid: world.pid("c0"),
    };
    load(&world.kerfd.machine(), request).expect("a load");
    let of_slice = |text: &str, name: &str| -> Option<f64> {
        let mut lines = text.lines().filter(|line| line.starts_with(name));
        let line = lines.find(|line| line.contains(&uuid))?;
        line.rsplit_once(' ')?.1.parse().ok()
    };
    let busy = |text: &str| {
        text.contains("kerf_lease")
            && text.contains("3g.40gb")
            && of_slice(text, "kerf_slice_sm_activity_ratio{") == Some(0.8)
            && of_slice(text, "kerf_slice_memory_used_bytes{") >= Some(LOAD_BYTES as f64)
    };
    world.until("metrics of all that", || {
        world.kerfd.metrics().is_ok_and(|text| busy(&text))
    });
    Some(world)
}

#[test]
fn promtool_finds_nothing() {
    if !require(Capability::Promtool) {
        return;
    }
    let Some(world) = busy_host() else { return };
    let text = world.kerfd.metrics().expect("metrics");
    let promtool = bins::system("promtool").expect("it is installed");
    let (content, said) = fed(Command::new(promtool).args(["check", "metrics"]), &text);
    assert!(content && said.is_empty(), "{said}");
}

#[test]
fn the_parser_of_openmetrics_accepts_it() {
    if !require(Capability::Python) {
        return;
    }
    let Some(world) = busy_host() else { return };
    let python = bins::python_tool("python").expect("it is there");
    let accept = "application/openmetrics-text; version=1.0.0";
    let answer = world.kerfd.get_as("/metrics", accept).expect("an answer");
    let plain = world.kerfd.metrics().expect("metrics");
    for (module, text) in [("openmetrics.parser", answer.body), ("parser", plain)] {
        let script = format!(
            "import sys\n\
             from prometheus_client.{module} import text_string_to_metric_families as parse\n\
             families = list(parse(sys.stdin.read()))\n\
             print(len(families), sum(len(family.samples) for family in families))"
        );
        let (content, said) = fed(Command::new(&python).args(["-c", &script]), &text);
        let numbers: Vec<u32> = said
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        assert!(content && numbers.len() == 2, "{module}: {said}");
        assert!(numbers[0] > 40 && numbers[1] > 200, "{module}: {said}");
    }
}

/// UUIDs of MIG devices in the labels of slices.
fn uuids(text: &str) -> BTreeSet<String> {
    text.split("MIG-")
        .skip(1)
        .map(|rest| format!("MIG-{}", rest.split('"').next().unwrap_or_default()))
        .collect()
}

#[test]
fn the_series_of_a_slice_come_and_go_with_it() {
    let Some(world) = World::bare("h100x8", SAMPLED) else {
        return;
    };
    let shown = || uuids(&world.kerfd.metrics().expect("metrics"));
    let there = || -> BTreeSet<String> {
        let slices = world.client.slices();
        slices.into_iter().filter_map(|slice| slice.uuid).collect()
    };
    for count in [7, 2, 5, 0] {
        let slices = layout(&[(&["0", "6"], &[("1g.10gb", count)])]);
        world.client.apply(slices).expect("it is applied");
        let there = there();
        assert_eq!(there.len(), usize::try_from(count * 2).expect("few"));
        let agrees = poll::until_true("the series of the slices", LIMIT, || shown() == there);
        assert!(
            agrees.is_ok(),
            "{:?} are shown, {there:?} are there",
            shown()
        );
    }
}

/// GPUs that have a series of this family, by UUID, each with its value.
fn by_gpu(text: &str, family: &str) -> BTreeMap<String, f64> {
    let begin = format!("{family}{{gpu_uuid=\"");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&begin));
    lines
        .filter_map(|line| {
            let (uuid, value) = line.split_once("\"} ")?;
            Some((uuid.to_owned(), value.parse().ok()?))
        })
        .collect()
}

#[test]
fn a_gpu_that_hangs_keeps_the_age_of_its_sample_and_loses_its_sensors() {
    let Some(world) = World::bare("h100x8", QUICK) else {
        return;
    };
    let page = || world.kerfd.metrics().expect("metrics");
    let ages = |text: &str| by_gpu(text, "kerf_scrape_sample_age_seconds");
    let sensors = |text: &str| by_gpu(text, "kerf_gpu_temperature_celsius");
    world.until("a sample of each GPU", || sensors(&page()).len() == 8);
    let hung = world.client.inventory().gpus.swap_remove(3).uuid;
    fault(&world.kerfd.machine(), FaultRequest::Hang { gpu: 3 }).expect("the machine takes it");
    // Never is there a page without its age, also not while kerfd still holds the GPU to be well.
    world.until("the end of its sensors", || {
        let text = page();
        assert_eq!(ages(&text).len(), 8, "{text}");
        !sensors(&text).contains_key(&hung)
    });
    assert_eq!(sensors(&page()).len(), 7);
    world.until("an age that no other has", || {
        let text = page();
        let ages = ages(&text);
        assert_eq!(ages.len(), 8, "{text}");
        ages.get(&hung).is_some_and(|age| *age > 5.0)
    });
    fault(&world.kerfd.machine(), FaultRequest::Clear { gpu: 3 }).expect("the machine takes it");
    world.until("its sensors again", || sensors(&page()).len() == 8);
}

#[test]
fn a_gpu_instance_that_was_made_half_is_counted() {
    if !require(Capability::Python) {
        return;
    }
    let Some(world) = World::bare("h100x1", SAMPLED) else {
        return;
    };
    let slices = layout(&[(&["0"], &[("1g.10gb", 1)])]);
    world.client.apply(slices).expect("it is applied");
    // Somebody else takes the compute instance away.
    let gi = world.client.slices().swap_remove(0).gi;
    let script = format!(
        "from pynvml import *\n\
         nvmlInit()\n\
         gi = nvmlDeviceGetGpuInstanceById(nvmlDeviceGetHandleByIndex(0), {gi})\n\
         nvmlComputeInstanceDestroy(nvmlGpuInstanceGetComputeInstanceById(gi, 0))\n"
    );
    let mut client = Command::new(bins::python_tool("python").expect("it is there"));
    client.env("LD_LIBRARY_PATH", world.kerfd.machine());
    process::run(client.args(["-c", &script])).expect("the driver does it");
    world.until("a slice without a compute instance", || {
        let text = world.kerfd.metrics().expect("metrics");
        let mut lines = text.lines();
        lines.any(|line| {
            line.starts_with("kerf_slice_quarantined{")
                && !line.contains("mig_uuid=")
                && line.ends_with(" 1")
        })
    });
}

#[test]
fn ready_and_healthy_are_told_apart() {
    let Some(world) = World::bare("h100x1", SAMPLED) else {
        return;
    };
    let get = |path| world.kerfd.get(path).expect("an answer");
    assert_eq!(get("/healthz").status, 200);
    world.until("the first sample", || get("/readyz").body == "ready\n");
    let lost = FaultRequest::Lost { gpu: 0 };
    fault(&world.kerfd.machine(), lost).expect("the machine takes it");
    world.until("the loss to be told", || {
        get("/readyz").body.contains("): lost since ")
    });
    // Once, and not again by the name that kerfd has for it.
    let body = get("/readyz").body;
    assert_eq!(body.lines().count(), 2, "{body}");
    let counted = || {
        let metrics = world.kerfd.metrics().expect("metrics");
        let mut lines = metrics.lines();
        lines.any(|line| line == "kerf_degraded_reasons 1")
    };
    world.until("one reason in the metrics", counted);
    assert_eq!(
        get("/healthz").status,
        200,
        "a sick GPU is no reason to restart kerfd"
    );
    assert_eq!(get("/nothing").status, 404);
}

#[test]
fn other_clients_of_the_driver_see_the_gpus_and_what_kerf_cuts() {
    if !require(Capability::Python) {
        return;
    }
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    let slices = layout(&[
        (&["2"], &[("1g.10gb", 2), ("3g.40gb", 1)]),
        (&["5"], &[("7g.80gb", 1)]),
    ]);
    world.client.apply(slices).expect("it is applied");
    let client = |tool: &str, argument: &str| {
        let mut command = Command::new(bins::python_tool(tool).expect("it is there"));
        command
            .arg(argument)
            .env("LD_LIBRARY_PATH", world.kerfd.machine());
        process::run(command.env("COLUMNS", "200")).expect("it answers")
    };
    let document: Value = serde_json::from_str(&client("gpustat", "--json")).expect("JSON");
    let inventory = world.client.inventory();
    let expected: Vec<&str> = inventory.gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
    let gpus = document["gpus"].as_array().expect("a list");
    let found: Vec<&str> = gpus.iter().filter_map(|gpu| gpu["uuid"].as_str()).collect();
    assert_eq!(found, expected);
    let screen = client("nvitop", "--once");
    for gpu in &inventory.gpus {
        let address = gpu.pci.to_uppercase();
        assert!(screen.contains(&address), "{address} is not in\n{screen}");
    }
    for profile in ["1g.10gb", "3g.40gb", "7g.80gb"] {
        let count = if profile == "1g.10gb" { 2 } else { 1 };
        assert_eq!(
            screen.matches(profile).count(),
            count,
            "{profile} in\n{screen}"
        );
    }
}
