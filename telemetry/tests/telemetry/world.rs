//! Snapshots to render: hosts of any size, the same for the same size.

use std::sync::Arc;

use kerf_telemetry::snapshot::{
    DriverFacts, GpuEntry, HostFacts, JobFacts, LeaseEntry, LeasedDevice, NvLinkCount,
    ProcessFacts, SliceEntry, StoreFacts,
};
use kerf_telemetry::{Exporter, SelfMetrics, Snapshot};
use kerf_types::inventory::{Architecture, Driver, GpuProcess, PcieLink};
use kerf_types::job::JobState;
use kerf_types::lease::{LeaseState, SliceState};
use kerf_types::sample::{GpuSample, SampleCost, SliceSample};
use kerf_types::{
    Bytes, CiId, ContainerRef, DeviceMinor, GiId, GpuUuid, Health, JobId, LeaseId, MigMode,
    MigUuid, PciAddress, Placement, Timestamp,
};

/// The time of every snapshot here.
pub const NOW: Timestamp = Timestamp(1_760_000_000_500);

/// A host with `gpus` GPUs of `slices` slices each; the first slice of each GPU is leased.
pub fn host(gpus: u32, slices: u32) -> Snapshot {
    Snapshot {
        taken: NOW,
        kerf_version: "0.1.0".to_owned(),
        allow_names: false,
        host: host_facts(),
        gpus: (0..gpus).map(|index| gpu(index, slices)).collect(),
        slices: (0..gpus)
            .flat_map(|index| (0..slices).map(move |at| slice(index, at)))
            .collect(),
        mps: Vec::new(),
        leases: (0..gpus).map(|index| lease(index, slices)).collect(),
        jobs: JobFacts {
            by_state: [(JobState::Running, 2), (JobState::Pending, 1)].into(),
            by_tenant: [(("physics".to_owned(), JobState::Running), 2)].into(),
            oldest_pending: Some(Timestamp(NOW.0 - 12_500)),
        },
        driver: DriverFacts {
            driver: Some(Driver {
                version: "590.48.01".to_owned(),
                nvml_version: "13.590.48.01".to_owned(),
                cuda_version: Some("13.1".to_owned()),
            }),
            unresponsive: false,
            abandoned_workers: 0,
        },
        store: StoreFacts {
            epoch: Some(1),
            corrupt: false,
            disk_full: false,
        },
        process: ProcessFacts {
            cpu_seconds: Some(1.25),
            resident: Some(Bytes(20 << 20)),
            open_fds: Some(24),
            max_fds: Some(1_024),
            threads: Some(4),
            started: Some(Timestamp(NOW.0 - 60_000)),
        },
        notes: Vec::new(),
    }
}

fn host_facts() -> HostFacts {
    HostFacts {
        hostname: "node1".to_owned(),
        boot_id: Some("6b0a8f1e-0000-4000-8000-000000000001".to_owned()),
        kernel: Some("6.1.0-30-amd64".to_owned()),
        booted: Some(Timestamp(NOW.0 - 86_400_000)),
        load: Some([0.5, 0.25, 0.125]),
        cpus: Some(112),
        memory_total: Some(Bytes(512 << 30)),
        memory_available: Some(Bytes(500 << 30)),
        inventory_problems: 0,
    }
}

/// UUID of a GPU of these hosts.
pub fn gpu_uuid(index: u32) -> GpuUuid {
    let text = format!("GPU-00000000-0000-4000-8000-{index:012x}");
    text.parse().expect("a GPU UUID")
}

/// UUID of a slice of these hosts.
pub fn mig_uuid(index: u32, at: u32) -> MigUuid {
    let text = format!("MIG-00000000-0000-5000-{at:04x}-{index:012x}");
    text.parse().expect("a MIG UUID")
}

fn gpu(index: u32, slices: u32) -> GpuEntry {
    GpuEntry {
        index,
        uuid: gpu_uuid(index),
        pci: PciAddress {
            domain: 0,
            bus: u8::try_from(0x1b + index).expect("few GPUs"),
            device: 0,
            function: 0,
        },
        minor: DeviceMinor(index),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        architecture: Architecture::Hopper,
        numa_node: Some(index / 4),
        health: Health::Ok,
        mig_mode: MigMode::Enabled,
        pcie: Some(PcieLink {
            max_generation: 5,
            max_width: 16,
            current_generation: 4,
            current_width: 16,
        }),
        nvlinks: Some(NvLinkCount {
            active: 18,
            total: 18,
        }),
        sample: Some(sample(index, slices)),
        cost: Some(SampleCost {
            calls: 21,
            microseconds: 1_500,
        }),
        fresh: true,
    }
}

fn sample(index: u32, slices: u32) -> GpuSample {
    GpuSample {
        gpu: gpu_uuid(index),
        taken: Timestamp(NOW.0 - 250),
        temperature_celsius: Some(34.0),
        memory_temperature_celsius: Some(41.0),
        power_watts: Some(71.62),
        power_limit_watts: Some(700.0),
        energy_joules: Some(1_234_567.89),
        sm_clock_hertz: Some(1.98e9),
        memory_clock_hertz: Some(2.619e9),
        utilization_ratio: None,
        memory_utilization_ratio: None,
        memory_used: Some(Bytes(604 << 20)),
        memory_total: Some(Bytes(80 << 30)),
        ecc_corrected: Some(0),
        ecc_uncorrected: Some(0),
        pcie_replays: Some(3),
        clock_event_reasons: Some(0x5),
        sm_activity_ratio: Some(0.125),
        slices: (0..slices).map(|at| slice_sample(index, at)).collect(),
        processes: vec![GpuProcess {
            pid: 4_242,
            memory: Some(Bytes(512 << 20)),
            gi: Some(GiId(7)),
            ci: Some(CiId(0)),
        }],
        last_xid: None,
    }
}

fn slice_sample(index: u32, at: u32) -> SliceSample {
    SliceSample {
        gi: GiId(7 + at),
        ci: CiId(0),
        uuid: mig_uuid(index, at),
        memory_used: Some(Bytes(12 << 20)),
        memory_total: Some(Bytes(9_856 << 20)),
        sm_activity_ratio: Some(0.5),
    }
}

fn slice(index: u32, at: u32) -> SliceEntry {
    SliceEntry {
        gpu: gpu_uuid(index),
        gi: GiId(7 + at),
        ci: Some(CiId(0)),
        uuid: Some(mig_uuid(index, at)),
        generation: 3,
        profile: Some("1g.10gb".parse().expect("a profile")),
        placement: Placement::try_new(at, 1).expect("a placement"),
        state: if at == 0 {
            SliceState::Leased
        } else {
            SliceState::Free
        },
        sm_count: Some(16),
    }
}

fn lease(index: u32, slices: u32) -> LeaseEntry {
    let number = u8::try_from(index).expect("few GPUs");
    LeaseEntry {
        id: LeaseId::new(NOW.0, [number; 10]),
        state: LeaseState::Active,
        devices: vec![LeasedDevice {
            gpu: gpu_uuid(index),
            mig: (slices > 0).then(|| mig_uuid(index, 0)),
        }],
        created: Timestamp(NOW.0 - 30_000),
        container: Some(ContainerRef::try_new("kerf", "train-0").expect("a container")),
        job: Some(JobId::new(NOW.0, [number; 10])),
        image: Some("registry.example/secret-project:1".to_owned()),
        tenant: Some("physics".to_owned()),
    }
}

/// An exporter with a registry of its own.
pub fn exporter() -> Arc<Exporter> {
    let own = SelfMetrics::try_new().expect("the families are sound");
    Arc::new(Exporter::new(Arc::new(own)))
}
