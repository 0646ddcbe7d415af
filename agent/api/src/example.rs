//! One small machine, complete in every field, that the tests convert and show.

mod map;

use kerf_types::amd::{AmdGpu, AmdPartition, ComputePartition, MemoryPartition};
use kerf_types::fabric::{C2cLink, Fabric, FabricHealth, FabricState, FabricSummary};
use kerf_types::inventory::{Architecture, Driver, GpuProcess, NvLink, NvLinkRemote, PcieLink};
use kerf_types::inventory::{Gpu, Health, Inventory};
use kerf_types::{
    Bytes, CiId, ComputeInstance, DeviceMinor, Engines, GiId, GpuInstance, MigMode, PciAddress,
    Placement, Profile, ProfileId, Timestamp,
};

/// An address.
pub fn pci(text: &str) -> PciAddress {
    text.parse().expect("an address")
}

/// A place.
pub fn place(start: u32, size: u32) -> Placement {
    Placement::try_new(start, size).expect("a placement")
}

/// Two GPUs, one of them cut and one lost.
pub fn inventory() -> Inventory {
    Inventory {
        host: "node-1".to_owned(),
        driver: Some(Driver {
            version: "590.48.01".to_owned(),
            nvml_version: "13.590.48.01".to_owned(),
            cuda_version: Some("13.1".to_owned()),
        }),
        gpus: vec![cut_gpu(), lost_gpu()],
        amd: vec![amd_gpu()],
        numa_nodes: map::numa_nodes(),
        nics: map::nics(),
        problems: vec!["/sys/class/infiniband/mlx5_1/ports/1/rate cannot be read".to_owned()],
        map: std::sync::Arc::new(map::map()),
    }
}

/// An AMD GPU in two partitions, for which another memory mode was asked.
pub fn amd_gpu() -> AmdGpu {
    let partition = |kfd_node, render_minor| AmdPartition {
        kfd_node,
        gpu_id: 40_000 + kfd_node,
        render_minor,
        xccs: 4,
        memory: Some(Bytes(103_070_826_496)),
    };
    AmdGpu {
        index: 0,
        pci: pci("0000:05:00.0"),
        name: "AMD Instinct MI300X OAM".to_owned(),
        pci_device_id: 0x74a1_1002,
        unique_id: Some("b3a1c27f9d04e586".to_owned()),
        serial: Some("692200012345".to_owned()),
        memory: Bytes(206_141_652_992),
        memory_used: Some(Bytes(296_747_008)),
        utilisation_percent: Some(3),
        numa_node: Some(1),
        xccs: Some(8),
        hive: Some("00000000deadbeef".to_owned()),
        compute: Some(ComputePartition::Dpx),
        compute_modes: vec![ComputePartition::Spx, ComputePartition::Dpx],
        memory_mode: Some(MemoryPartition::Nps1),
        memory_modes: vec![MemoryPartition::Nps1, MemoryPartition::Nps4],
        pending_memory: Some(MemoryPartition::Nps4),
        partitions: vec![partition(2, 128), partition(3, 129)],
        processes: vec![4_242],
        health: Health::Ok,
    }
}

/// A GPU with one slice, a process on it and an NVLink of each kind.
pub fn cut_gpu() -> Gpu {
    let link = |link, active, remote| NvLink {
        link,
        active,
        version: 4,
        remote,
    };
    Gpu {
        index: 0,
        uuid: "GPU-5d4c3b2a-0000-4000-8000-000000000001"
            .parse()
            .expect("a UUID"),
        pci: pci("0000:1b:00.0"),
        minor: DeviceMinor(0),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        pci_device_id: 0x2330_10de,
        pci_subsystem_id: 0x16c1_10de,
        serial: Some("1654422013371".to_owned()),
        architecture: Architecture::Hopper,
        compute_capability: (9, 0),
        memory: Bytes(85_520_809_984),
        numa_node: Some(0),
        pcie: PcieLink {
            max_generation: 5,
            max_width: 16,
            current_generation: 1,
            current_width: 16,
        },
        nvlinks: vec![
            link(0, true, NvLinkRemote::Switch(Some(pci("0000:07:00.0")))),
            link(1, true, NvLinkRemote::Gpu(pci("0000:43:00.0"))),
            link(2, false, NvLinkRemote::Unknown),
        ],
        fabric: Some(Fabric {
            state: FabricState::Completed,
            status: Some(0),
            cluster: Some(*b"kerf's own rack!"),
            clique: Some(3),
            health: Some(FabricHealth {
                mask: 0x1a9,
                summary: Some(FabricSummary::LimitedCapacity),
            }),
        }),
        c2c: vec![C2cLink {
            link: 0,
            active: Some(true),
            mbps: Some(44_712),
        }],
        mig_mode: MigMode::Enabled,
        profiles: vec![profile()],
        instances: vec![instance()],
        processes: vec![GpuProcess {
            pid: 4_242,
            memory: Some(Bytes(1 << 30)),
            gi: Some(GiId(7)),
            ci: Some(CiId(0)),
        }],
        health: Health::Ok,
    }
}

fn profile() -> Profile {
    Profile {
        id: ProfileId(19),
        name: "1g.10gb".parse().expect("a profile"),
        slices: 1,
        memory: Bytes(10_468_982_784),
        sm_count: 16,
        engines: Engines {
            copy: 1,
            decoder: 1,
            encoder: 0,
            jpeg: 1,
            ofa: 0,
        },
        max_count: 7,
        placements: vec![place(0, 1), place(6, 1)],
        full_compute_profile: Some(ProfileId(0)),
        compute: Vec::new(),
    }
}

fn instance() -> GpuInstance {
    GpuInstance {
        id: GiId(7),
        profile: ProfileId(19),
        placement: place(6, 1),
        capability_minor: Some(DeviceMinor(66)),
        compute: vec![ComputeInstance {
            id: CiId(0),
            profile: ProfileId(0),
            placement: None,
            uuid: "MIG-0a1b2c3d-0000-5000-8000-000000000007"
                .parse()
                .expect("a UUID"),
            capability_minor: Some(DeviceMinor(67)),
        }],
    }
}

/// A GPU that has dropped off the bus, of which little is known.
pub fn lost_gpu() -> Gpu {
    Gpu {
        index: 1,
        uuid: "GPU-5d4c3b2a-0000-4000-8000-000000000002"
            .parse()
            .expect("a UUID"),
        pci: pci("0000:43:00.0"),
        minor: DeviceMinor(1),
        serial: None,
        architecture: Architecture::Other(8),
        numa_node: None,
        nvlinks: Vec::new(),
        fabric: None,
        c2c: Vec::new(),
        mig_mode: MigMode::Unsupported,
        profiles: Vec::new(),
        instances: Vec::new(),
        processes: Vec::new(),
        health: Health::Lost {
            since: Timestamp(1_795_478_400_000),
        },
        ..cut_gpu()
    }
}
