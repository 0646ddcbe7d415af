//! Readings in base units, of GPUs and of slices.

use std::time::Duration;

use kerf_api::partitioner::v1::Sample;
use kerf_api::partitioner::v1::request::Call;
use kerf_api::partitioner::v1::response::Outcome;
use kerf_types::Bytes;
use kerf_types::sample::GpuSample;
use nvidia_ml::control::{FaultRequest, LoadRequest, fault, load};

use crate::world::{Asks, PATIENCE, World, create, fill, mig};

/// More than the 100 ms that GPM wants between two samples.
const GAP: Duration = Duration::from_millis(150);

fn put(world: &World, gi: Option<u32>, sm_percent: u32, memory_bytes: u64) {
    let pid = std::process::id();
    let request = LoadRequest {
        gpu: 0,
        gi,
        ci: None,
        sm_percent,
        memory_bytes,
        pid,
    };
    load(&world.info.dir, request).expect("a process");
}

fn near(value: Option<f64>, expected: f64, slack: f64) {
    let value = value.expect("a value");
    assert!(
        (value - expected).abs() <= slack,
        "{value} is not {expected} ± {slack}"
    );
}

fn plausible(sample: &GpuSample) {
    let within = |value: Option<f64>, low: f64, high: f64| {
        let value = value.expect("a value");
        assert!(
            (low..=high).contains(&value),
            "{value} is not within {low} and {high}"
        );
    };
    within(sample.temperature_celsius, 20.0, 100.0);
    within(sample.memory_temperature_celsius, 20.0, 110.0);
    within(sample.power_watts, 30.0, 700.0);
    within(sample.power_limit_watts, 200.0, 700.0);
    within(sample.sm_clock_hertz, 1e8, 3e9);
    within(sample.memory_clock_hertz, 1e9, 5e9);
    assert!(sample.energy_joules.is_some_and(|joules| joules >= 0.0));
    assert_eq!(
        (sample.ecc_corrected, sample.ecc_uncorrected),
        (Some(0), Some(0))
    );
    assert_eq!(sample.pcie_replays, Some(0));
    assert!(sample.clock_event_reasons.is_some());
    assert!(sample.memory_total.is_some_and(|total| total.0 > 79 << 30));
}

#[test]
fn a_whole_gpu_under_load() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    put(&world, None, 80, 4 << 30);
    let first = worker.sample(0, PATIENCE).expect("a reading");
    plausible(&first);
    assert_eq!(
        first.sm_activity_ratio, None,
        "one GPM sample tells nothing"
    );
    assert!(
        first
            .utilization_ratio
            .is_some_and(|ratio| (0.0..=1.0).contains(&ratio))
    );
    assert!(first.memory_used.is_some_and(|used| used >= Bytes(4 << 30)));
    assert!(
        first
            .processes
            .iter()
            .any(|process| process.pid == std::process::id())
    );
    std::thread::sleep(GAP);
    let second = worker.sample(0, PATIENCE).expect("a reading");
    near(second.sm_activity_ratio, 0.8, 0.02);
    assert!(second.taken > first.taken);
    assert!(second.energy_joules >= first.energy_joules);
}

#[test]
fn slices_have_readings_of_their_own() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    for step in [
        mig(pci, true),
        create(pci, 9, 0, 4),
        fill(pci, 0, 4, 2),
        create(pci, 19, 6, 1),
        fill(pci, 6, 1, 0),
    ] {
        worker.step(&step);
    }
    let gpu = worker.gpu(0);
    put(&world, Some(gpu.instances[0].id.0), 60, 2 << 30);
    let first = worker.sample(0, PATIENCE).expect("a reading");
    assert_eq!(
        first.utilization_ratio, None,
        "not told while MIG is on, and so not zero"
    );
    assert!(
        first
            .slices
            .iter()
            .all(|slice| slice.sm_activity_ratio.is_none())
    );
    std::thread::sleep(GAP);
    let sample = worker.sample(0, PATIENCE).expect("a reading");
    let [busy, idle] = sample.slices.as_slice() else {
        panic!("{:?}", sample.slices)
    };
    for (slice, instance) in [busy, idle].into_iter().zip(&gpu.instances) {
        assert_eq!(
            (slice.gi, &slice.uuid),
            (instance.id, &instance.compute[0].uuid)
        );
    }
    assert!(busy.memory_used.is_some_and(|used| used >= Bytes(2 << 30)));
    assert!(
        idle.memory_total
            .is_some_and(|total| total.0 > 9 << 30 && total.0 < 10 << 30)
    );
    near(busy.sm_activity_ratio, 0.6, 0.02);
    near(idle.sm_activity_ratio, 0.0, 0.001);
    assert_eq!(
        sample.sm_activity_ratio, None,
        "the driver refuses it while MIG is on"
    );
}

/// One reading of a GPU cut into seven costs a bounded number of driver calls, since each may wait for a
/// lock that jobs hold too.
#[test]
fn a_reading_is_cheap() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    worker.step(&mig(pci, true));
    for start in 0..7 {
        worker.step(&create(pci, 19, start, 1));
        worker.step(&fill(pci, start, 1, 0));
    }
    worker
        .sample(0, PATIENCE)
        .expect("the first reading learns the profiles");
    let call = Call::Sample(Sample {
        index: 0,
        pci: None,
    });
    let Ok(Outcome::Sampled(sampled)) = worker.call(call, PATIENCE) else {
        panic!("no reading")
    };
    let sample = sampled.sample.expect("a reading");
    assert_eq!(sample.slices.len(), 7);
    assert!(sampled.driver_microseconds > 0);
    assert!(
        (60..=110).contains(&sampled.driver_calls),
        "{} calls",
        sampled.driver_calls
    );
}

#[test]
fn a_slice_made_anew_inherits_no_activity() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    for step in [mig(pci, true), create(pci, 19, 0, 1), fill(pci, 0, 1, 0)] {
        worker.step(&step);
    }
    worker.sample(0, PATIENCE).expect("a reading");
    std::thread::sleep(GAP);
    let sample = worker.sample(0, PATIENCE).expect("a reading");
    assert!(sample.slices[0].sm_activity_ratio.is_some());
    let gpu = worker.gpu(0);
    let (gi, ci) = (&gpu.instances[0], &gpu.instances[0].compute[0]);
    worker.step(&kerf_types::Step::DestroyComputeInstance {
        gpu: pci,
        gi: gi.id,
        ci: ci.id,
        uuid: ci.uuid.clone(),
    });
    worker.step(&fill(pci, 0, 1, 0));
    std::thread::sleep(GAP);
    let sample = worker.sample(0, PATIENCE).expect("a reading");
    assert_eq!(sample.slices[0].gi, gi.id);
    assert_eq!(
        sample.slices[0].sm_activity_ratio, None,
        "another life, another first sample"
    );
}

#[test]
fn ampere_has_no_gpm_and_says_so_by_silence() {
    let world = World::new("a100x1");
    let mut worker = world.worker();
    worker.sample(0, PATIENCE).expect("a reading");
    std::thread::sleep(GAP);
    let sample = worker.sample(0, PATIENCE).expect("a reading");
    assert_eq!(sample.sm_activity_ratio, None);
}

#[test]
fn the_newest_xid_stays() {
    let world = World::new("h100x8");
    let mut worker = world.worker();
    assert_eq!(
        worker.sample(0, PATIENCE).expect("a reading").last_xid,
        None
    );
    for number in [13, 94] {
        let xid = FaultRequest::Xid {
            gpu: 0,
            number,
            gi: None,
        };
        fault(&world.info.dir, xid).expect("a machine");
    }
    for _ in 0..2 {
        assert_eq!(
            worker.sample(0, PATIENCE).expect("a reading").last_xid,
            Some(94)
        );
    }
    let gpu = worker.gpu(0).pci;
    worker.step(&mig(gpu, true));
    let after = worker.sample(0, PATIENCE).expect("a reading");
    assert_eq!(after.last_xid, Some(94), "also over a change of mode");
    assert_eq!(
        worker.sample(1, PATIENCE).expect("a reading").last_xid,
        None,
        "not its neighbour's"
    );
}
