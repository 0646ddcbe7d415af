//! A GPU and a lease for tests of this crate.

use std::sync::Arc;

use kerf_types::inventory::{Architecture, Health, PcieLink};
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::{
    AmdGpu, Bytes, CiId, ComputeInstance, ComputePartition, DeviceMinor, Engines, Fence, GiId, Gpu,
    GpuInstance, Inventory, LeaseId, MemoryPartition, MigMode, Placement, Profile, ProfileId,
    SliceId, Timestamp,
};
use tokio::sync::mpsc;

use super::{Command, HostHandle};
use crate::config::Config;

/// An idle GPU with MIG on.
pub fn gpu(index: u32) -> Gpu {
    Gpu {
        index,
        uuid: format!("GPU-11111111-1111-1111-1111-00000000000{index}")
            .parse()
            .expect("a UUID"),
        pci: format!("0000:1{index}:00.0").parse().expect("an address"),
        minor: DeviceMinor(index),
        name: "GPU".to_owned(),
        pci_device_id: 0,
        pci_subsystem_id: 0,
        serial: None,
        architecture: Architecture::Hopper,
        compute_capability: (9, 0),
        memory: Bytes(0),
        numa_node: None,
        pcie: PcieLink::default(),
        nvlinks: Vec::new(),
        fabric: None,
        c2c: Vec::new(),
        mig_mode: MigMode::Enabled,
        profiles: Vec::new(),
        instances: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
    }
}

/// The same with one slice of one unit at its beginning.
pub fn cut(index: u32) -> Gpu {
    let id = ProfileId(19);
    let place: Placement = "0:1".parse().expect("a place");
    let profile = Profile {
        id,
        name: "1g.10gb".parse().expect("a name"),
        slices: 1,
        memory: Bytes(1 << 30),
        sm_count: 16,
        engines: Engines::default(),
        max_count: 7,
        placements: vec![place],
        full_compute_profile: Some(ProfileId(0)),
        compute: Vec::new(),
    };
    let instance = GpuInstance {
        id: GiId(7),
        profile: id,
        placement: place,
        capability_minor: None,
        compute: Vec::new(),
    };
    Gpu {
        profiles: vec![profile],
        instances: vec![instance],
        ..gpu(index)
    }
}

/// An idle AMD GPU of a hive, whole.
pub fn amd(index: u32) -> AmdGpu {
    AmdGpu {
        index,
        pci: format!("0000:2{index}:00.0").parse().expect("an address"),
        name: "AMD Instinct MI300X OAM".to_owned(),
        pci_device_id: 0x74a1_1002,
        unique_id: None,
        serial: None,
        memory: Bytes(192 << 30),
        memory_used: None,
        utilisation_percent: None,
        numa_node: None,
        xccs: Some(8),
        hive: Some("1".to_owned()),
        compute: Some(ComputePartition::Spx),
        compute_modes: vec![ComputePartition::Spx, ComputePartition::Cpx],
        memory_mode: Some(MemoryPartition::Nps1),
        memory_modes: vec![MemoryPartition::Nps1, MemoryPartition::Nps4],
        pending_memory: None,
        partitions: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
    }
}

/// A host of these.
pub fn inventory(gpus: Vec<Gpu>) -> Inventory {
    Inventory {
        host: "test".to_owned(),
        driver: None,
        gpus,
        amd: Vec::new(),
        numa_nodes: Vec::new(),
        nics: Vec::new(),
        problems: Vec::new(),
        map: Default::default(),
    }
}

/// GPU 0 with an instance at 4:4 that has one-slice parts of these starts. Part `n` is compute instance `n`.
pub fn divided(starts: &[u8]) -> Gpu {
    let part = |start: &u8| ComputeInstance {
        id: CiId((*start).into()),
        profile: ProfileId(0),
        placement: format!("{start}:1").parse().ok(),
        uuid: mig_uuid(*start),
        capability_minor: None,
    };
    let instance = GpuInstance {
        id: GiId(2),
        profile: ProfileId(9),
        placement: "4:4".parse().expect("a place"),
        capability_minor: None,
        compute: starts.iter().map(part).collect(),
    };
    Gpu {
        instances: vec![instance],
        ..gpu(0)
    }
}

/// The MIG device of a part of [`divided`].
pub fn mig_uuid(start: u8) -> kerf_types::MigUuid {
    let text = format!("MIG-22222222-2222-5222-9222-22222222222{start}");
    text.parse().expect("a MIG device")
}

/// The slice of a part of [`divided`].
pub fn part(start: u8) -> SliceId {
    let text = format!("0000:10:00.0-4-4-c{start}-1");
    text.parse().expect("a slice")
}

/// A lease's share in a part of [`divided`].
pub fn subject(start: u8) -> Subject {
    Subject::Slice {
        slice: part(start),
        profile: "1c.3g.40gb".parse().expect("a profile"),
        parent: gpu(0).uuid,
        uuid: mig_uuid(start),
        share: None,
    }
}

/// A lease of these that nobody has come for, and that lasts.
pub fn lease(holder: Holder, subjects: Vec<Subject>) -> Lease {
    Lease {
        id: LeaseId::new(1, [0; 10]),
        fence: Fence(1),
        subjects,
        devices: Vec::new(),
        holder,
        state: LeaseState::Reserved,
        container: None,
        init: None,
        on_demand: false,
        attached: false,
        imex: None,
        isolated: None,
        nearest_nics: Vec::new(),
        nearest_nvme: Vec::new(),
        created: Timestamp(0),
        expires: None,
    }
}

/// A way to an owner that the test plays: what is sent comes out of the other end.
pub fn handle(config: &Config) -> (HostHandle, mpsc::Receiver<Command>) {
    let (sender, inbox) = mpsc::channel(super::INBOX_BOUND);
    let view = super::publish::first_view(config, 0, 0);
    let (_, receiver) = super::channel::channel(Arc::new(view));
    (HostHandle::new(sender, receiver), inbox)
}
