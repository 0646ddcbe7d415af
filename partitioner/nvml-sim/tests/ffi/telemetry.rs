//! What varies: load, power, events, counters, through nvml-wrapper's safe API.

use std::ptr;
use std::thread;
use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PcieUtilCounter, TemperatureSensor,
};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::*;
use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlGpmMetricsGet_t};

use crate::common::{World, check, get, zero};
use nvidia_ml::control::{self, FaultRequest, LoadRequest};

fn wrapper(world: &World) -> Nvml {
    Nvml::builder()
        .lib_path(world.machine.library.as_os_str())
        .init()
        .expect("nvmlInit")
}

fn load(world: &World, gi: Option<u32>, sm_percent: u32, memory_bytes: u64) {
    let pid = std::process::id();
    let request = LoadRequest {
        gpu: 0,
        gi,
        ci: None,
        sm_percent,
        memory_bytes,
        pid,
    };
    control::load(world.dir(), request).expect("it fits");
}

#[test]
fn a_load_shows_everywhere() {
    let world = World::new("h100x1");
    let nvml = wrapper(&world);
    let gpu = nvml.device_by_index(0).expect("a GPU");
    assert_eq!(gpu.utilization_rates().expect("rates").gpu, 0);
    assert_eq!(gpu.clock_info(Clock::SM).expect("a clock"), 345);
    assert_eq!(gpu.memory_info().expect("memory").used >> 20, 0);
    load(&world, None, 100, 15_690 << 20);
    let rates = gpu.utilization_rates().expect("rates");
    assert_eq!((rates.gpu, rates.memory), (100, 11));
    assert_eq!(gpu.clock_info(Clock::Graphics).expect("a clock"), 1_980);
    assert_eq!(gpu.memory_info().expect("memory").used >> 20, 15_690);
    let power = gpu.power_usage().expect("power");
    assert!((620_000..=640_000).contains(&power), "{power}");
    assert!(
        (41..=66).contains(
            &gpu.temperature(TemperatureSensor::Gpu)
                .expect("a temperature")
        )
    );
    assert!(
        gpu.pcie_throughput(PcieUtilCounter::Receive)
            .expect("a rate")
            > 10_000
    );
    let processes = gpu.running_compute_processes().expect("processes");
    assert_eq!(processes.len(), 1);
    assert_eq!(processes[0].pid, std::process::id());
    assert_eq!(
        processes[0].used_gpu_memory,
        UsedGpuMemory::Used(15_690 << 20)
    );
    assert_eq!(processes[0].gpu_instance_id, None);
    assert!(
        gpu.running_graphics_processes()
            .expect("processes")
            .is_empty()
    );
    let samples = gpu.process_utilization_stats(None).expect("samples");
    assert_eq!(
        (samples[0].pid, samples[0].sm_util),
        (std::process::id(), 100)
    );
    let before = gpu.total_energy_consumption().expect("energy");
    thread::sleep(Duration::from_millis(200));
    let spent = gpu.total_energy_consumption().expect("energy") - before;
    assert!(
        spent >= 100_000,
        "200 ms at 630 W are 126 J, not {spent} mJ"
    );
}

#[test]
fn a_mig_device_has_memory_and_processes_and_no_utilisation() {
    let world = World::new("h100x1");
    let raw = world.nvml();
    let device = raw.gpu(0).expect("a GPU");
    raw.set_mig(device, true).expect("idle");
    raw.cut(device, 9, 4, 4);
    load(&world, Some(2), 90, 7_484 << 20);
    let nvml = wrapper(&world);
    let gpu = nvml.device_by_index(0).expect("a GPU");
    let mig = gpu.mig_device_by_index(0).expect("a MIG device");
    assert!(mig.mig_is_mig_device_handle().expect("an answer"));
    assert_eq!(
        mig.name().expect("a name"),
        "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    );
    assert_eq!(mig.memory_info().expect("memory").total >> 20, 40_448);
    assert_eq!(mig.running_compute_processes().expect("processes").len(), 1);
    assert!(matches!(
        mig.utilization_rates(),
        Err(NvmlError::NotSupported)
    ));
    assert!(matches!(
        gpu.utilization_rates(),
        Err(NvmlError::NotSupported)
    ));
    let process = &gpu.running_compute_processes().expect("processes")[0];
    assert_eq!(
        (process.gpu_instance_id, process.compute_instance_id),
        (Some(2), Some(0))
    );
    let attributes = mig.attributes().expect("attributes");
    assert_eq!(attributes.multiprocessor_count, 60);
    assert_eq!(mig.bar1_memory_info().expect("BAR1").total >> 20, 24_739);
}

#[test]
fn gpm_gives_each_slice_its_own_activity() {
    let world = World::new("h100x1");
    let raw = world.nvml();
    let device = raw.gpu(0).expect("a GPU");
    raw.set_mig(device, true).expect("idle");
    raw.cut(device, 9, 4, 4);
    raw.cut(device, 14, 0, 2);
    load(&world, Some(2), 80, 0);
    let nvml = wrapper(&world);
    let gpu = nvml.device_by_index(0).expect("a GPU");
    assert!(gpu.gpm_support().expect("an answer"));
    let metrics = [GpmMetricId::SmUtil, GpmMetricId::DramBwUtil];
    for (gi, expected) in [(2, 80.0), (3, 0.0)] {
        let first = gpu.gpm_mig_sample(gi).expect("a sample");
        thread::sleep(Duration::from_millis(120));
        let second = gpu.gpm_mig_sample(gi).expect("a sample");
        let values =
            nvml_wrapper::gpm::gpm_metrics_get(&nvml, &first, &second, &metrics).expect("metrics");
        let sm = values[0].as_ref().expect("a value").value;
        assert!((sm - expected).abs() < 0.5, "gi {gi}: {sm}");
    }
    assert!(matches!(gpu.gpm_mig_sample(9), Err(NvmlError::NotFound)));
    let ampere = World::new("a100x1");
    let nvml = wrapper(&ampere);
    assert!(
        !nvml
            .device_by_index(0)
            .expect("a GPU")
            .gpm_support()
            .expect("an answer")
    );
}

/// Cycles elapsed, cycles active and PCIe bytes received of a GPU instance, which only grow.
fn totals(raw: &crate::common::Nvml, gpu: nvmlDevice_t, gi: u32) -> [f64; 3] {
    let sample = || {
        let sample = get!(raw, nvmlGpmSampleAlloc, ptr::null_mut()).expect("a sample");
        // SAFETY: the device and the sample are the library's own.
        check(unsafe { raw.0.nvmlGpmMigSampleGet(gpu, gi, sample) }).expect("an instance");
        sample
    };
    let mut request: nvmlGpmMetricsGet_t = zero();
    (request.version, request.numMetrics) = (1, 3);
    request.sample1 = sample();
    request.sample2 = sample();
    let ids = [248, 249, 256];
    for (metric, id) in request.metrics.iter_mut().zip(ids) {
        metric.metricId = id;
    }
    // SAFETY: the request is of this version, and its samples were just taken.
    check(unsafe { raw.0.nvmlGpmMetricsGet(&mut request) }).expect("metrics");
    [0, 1, 2].map(|at| {
        assert_eq!(request.metrics[at].nvmlReturn, 0);
        request.metrics[at].value
    })
}

#[test]
fn gpm_counts_the_cycles_of_each_slice_from_the_start() {
    let world = World::new("b200x8");
    let raw = world.nvml();
    let device = raw.gpu(0).expect("a GPU");
    raw.set_mig(device, true).expect("idle");
    raw.cut(device, 9, 4, 4);
    raw.cut(device, 14, 0, 2);
    load(&world, Some(2), 80, 0);
    let (first, idle) = (totals(&raw, device, 2), totals(&raw, device, 3));
    // 68 multiprocessors at 1,965 MHz for 20 ms.
    let far = first[0] + 68.0 * 1_965.0 * 20_000.0;
    let second = loop {
        let now = totals(&raw, device, 2);
        if now[0] > far {
            break now;
        }
    };
    assert!(
        second
            .iter()
            .zip(first)
            .all(|(later, earlier)| *later > earlier)
    );
    assert!(second[1] < second[0], "active at most as long as elapsed");
    assert_eq!(idle[1], 0.0, "its sibling's load is not its own");
    let share = (second[1] - first[1]) / (second[0] - first[0]);
    assert!((share - 0.8).abs() < 0.01, "{share}");
}

#[test]
fn field_values_agree_with_their_functions() {
    let world = World::new("h100x8");
    let nvml = wrapper(&world);
    let gpu = nvml.device_by_index(0).expect("a GPU");
    let ids = [
        NVML_FI_DEV_MEMORY_TEMP,
        NVML_FI_DEV_POWER_MAX_LIMIT,
        NVML_FI_DEV_NVLINK_LINK_COUNT,
        NVML_FI_DEV_ECC_DBE_VOL_TOTAL,
        NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED,
        NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN,
    ];
    let values = gpu.field_values_for(&ids.map(FieldId)).expect("values");
    let values: Vec<String> = values
        .into_iter()
        .map(|value| format!("{:?}", value.expect("a sample").value.expect("a value")))
        .collect();
    assert_eq!(
        values,
        [
            "U32(48)",
            "U32(700000)",
            "U32(18)",
            "U64(0)",
            "U32(1)",
            "U64(0)"
        ]
    );
    let unknown = gpu.field_values_for(&[FieldId(9_999)]).expect("values");
    let unknown = unknown.into_iter().next().expect("one").expect("a sample");
    assert!(matches!(unknown.value, Err(NvmlError::NotSupported)));
}

#[test]
fn events_reach_every_waiting_client() {
    let world = World::new("h100x8");
    let nvml = wrapper(&world);
    let set = nvml.create_event_set().expect("a set");
    let wanted = EventTypes::CRITICAL_XID_ERROR | EventTypes::MIG_CONFIG_CHANGE;
    let set = nvml
        .device_by_index(1)
        .expect("a GPU")
        .register_events(wanted, set);
    let set = set.expect("supported kinds");
    assert!(matches!(set.wait(50), Err(NvmlError::Timeout)));
    let dir = world.dir().to_owned();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        for (gpu, number) in [(0, 13), (1, 31)] {
            let request = FaultRequest::Xid {
                gpu,
                number,
                gi: None,
            };
            control::fault(&dir, request).expect("a GPU");
        }
    });
    let event = set.wait(10_000).expect("an event");
    late.join().expect("no panic");
    assert_eq!(
        event.device.index().expect("an index"),
        1,
        "the other GPU is not registered"
    );
    assert!(event.event_type.contains(EventTypes::CRITICAL_XID_ERROR));
    let raw = world.nvml();
    raw.set_mig(raw.gpu(1).expect("a GPU"), true).expect("idle");
    let event = set.wait(10_000).expect("an event");
    assert!(event.event_type.contains(EventTypes::MIG_CONFIG_CHANGE));
    assert!(
        matches!(set.wait(50), Err(NvmlError::Timeout)),
        "each event comes once"
    );
}

#[test]
fn memory_errors_are_counted_and_remap_rows() {
    let world = World::new("h100x1");
    let nvml = wrapper(&world);
    let gpu = nvml.device_by_index(0).expect("a GPU");
    assert!(gpu.is_ecc_enabled().expect("a mode").currently_enabled);
    control::fault(
        world.dir(),
        FaultRequest::EccUncorrected { gpu: 0, count: 2 },
    )
    .expect("a GPU");
    let errors = gpu.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile);
    assert_eq!(errors.expect("a count"), 2);
    let raw = world.nvml();
    let device = raw.gpu(0).expect("a GPU");
    let (mut corrected, mut uncorrected, mut pending) = (9, 9, 9);
    let failed = get!(
        raw,
        nvmlDeviceGetRemappedRows,
        9,
        device,
        &mut corrected,
        &mut uncorrected,
        &mut pending
    );
    assert_eq!((corrected, uncorrected, pending, failed), (0, 2, 1, Ok(0)));
}

#[test]
fn settings_outlive_the_client_that_makes_them() {
    let world = World::new("h100x1");
    {
        let nvml = wrapper(&world);
        let mut gpu = nvml.device_by_index(0).expect("a GPU");
        gpu.set_power_management_limit(300_000)
            .expect("within the limits");
        assert!(gpu.set_power_management_limit(100).is_err());
        gpu.set_persistent(false).expect("a mode");
    }
    load(&world, None, 100, 0);
    let nvml = wrapper(&world);
    let gpu = nvml.device_by_index(0).expect("a GPU");
    assert_eq!(gpu.power_management_limit().expect("a limit"), 300_000);
    assert!(gpu.power_usage().expect("power") <= 300_000);
    assert!(!gpu.is_in_persistent_mode().expect("a mode"));
}
