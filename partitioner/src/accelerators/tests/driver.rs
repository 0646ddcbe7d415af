//! What a driver's library tells of a GPU beside the kernel, as the map of the host has it.

use std::sync::Arc;

use kerf_types::inventory::{Architecture, Gpu, Health, Inventory, NvLink, NvLinkRemote, PcieLink};
use kerf_types::map::Accelerator;
use kerf_types::profile::{Engines, Profile};
use kerf_types::{Bytes, DeviceMinor, HostMap, MigMode, ProfileId};

use super::{address, nvidia};
use crate::topology::whole;

/// Every accelerator of a host with one H100, of which NVML tells all that it tells of any.
pub fn told() -> Vec<Accelerator> {
    let map = HostMap {
        accelerators: nvidia::sample().find().accelerators,
        ..HostMap::default()
    };
    let inventory = Inventory {
        gpus: vec![gpu()],
        map: Arc::new(map),
        ..Inventory::default()
    };
    whole(&inventory).accelerators
}

fn gpu() -> Gpu {
    let slice = Profile {
        id: ProfileId(19),
        name: "1g.10gb".parse().expect("a profile"),
        slices: 1,
        memory: Bytes(10 << 30),
        sm_count: 16,
        engines: Engines::default(),
        max_count: 7,
        placements: Vec::new(),
        full_compute_profile: None,
        compute: Vec::new(),
    };
    let link = NvLink {
        link: 0,
        active: true,
        version: 4,
        remote: NvLinkRemote::Unknown,
    };
    Gpu {
        index: 0,
        uuid: "GPU-0".parse().expect("a UUID"),
        pci: address(nvidia::AT),
        minor: DeviceMinor(3),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        pci_device_id: 0x2330_10de,
        pci_subsystem_id: 0,
        serial: None,
        architecture: Architecture::Hopper,
        compute_capability: (9, 0),
        memory: Bytes(80 << 30),
        numa_node: None,
        pcie: PcieLink::default(),
        nvlinks: vec![link],
        fabric: None,
        c2c: Vec::new(),
        mig_mode: MigMode::Enabled,
        profiles: vec![slice],
        instances: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
    }
}
