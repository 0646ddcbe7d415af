//! Records and jobs to test with.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_types::host_record::{
    Admission, Amount, CutPolicy, GpuHealth, GpuModel, GpuRecord, NvlinkReach, Occupancy,
    RecordVersion, SliceRecord,
};
use kerf_types::inventory::Architecture;
use kerf_types::job::JobSpec;
use kerf_types::peer::{By, SpecHash};
use kerf_types::{
    Bytes, Engines, HostId, HostRecord, JobId, MigMode, PciAddress, Placement, Profile, ProfileId,
};

/// Who submits here.
pub const BY: By = By {
    uid: 1_000,
    gid: 1_000,
    admin: false,
};

pub fn host_id(number: u8) -> HostId {
    HostId::from_bits(number.into())
}

pub fn job_id(number: u64) -> JobId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    JobId::new(number, random)
}

/// One profile: id, name, starts, size, maximum count, memory in GiB, decoders, full compute profile.
type Row = (u32, &'static str, &'static [u32], u32, u32, u64, u32, u32);

const H100: [Row; 6] = [
    (19, "1g.10gb", &[0, 1, 2, 3, 4, 5, 6], 1, 7, 10, 1, 0),
    (15, "1g.20gb", &[0, 2, 4, 6], 2, 4, 20, 1, 7),
    (14, "2g.20gb", &[0, 2, 4], 2, 3, 20, 2, 1),
    (9, "3g.40gb", &[0, 4], 4, 2, 40, 3, 2),
    (5, "4g.40gb", &[0], 4, 1, 40, 4, 3),
    (0, "7g.80gb", &[0], 8, 1, 80, 7, 4),
];

pub fn h100() -> GpuModel {
    let profile = |row: &Row| {
        let (id, name, starts, size, max_count, memory, decoder, full) = *row;
        let place = |start: &u32| Placement::try_new(*start, size).expect("a placement");
        Profile {
            id: ProfileId(id),
            name: name.parse().expect("a profile name"),
            slices: u32::from(name.as_bytes()[0] - b'0'),
            memory: Bytes(memory << 30),
            sm_count: 16,
            engines: Engines {
                copy: 1,
                decoder,
                ..Engines::default()
            },
            max_count,
            placements: starts.iter().map(place).collect(),
            full_compute_profile: Some(ProfileId(full)),
            compute: Vec::new(),
        }
    };
    let mut profiles: Vec<Profile> = H100.iter().map(profile).collect();
    profiles.sort_by_key(|profile| profile.id);
    GpuModel {
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        architecture: Architecture::Hopper,
        compute_capability: (9, 0),
        memory: Bytes(80 << 30),
        profiles,
    }
}

pub fn pci(index: u32) -> PciAddress {
    PciAddress {
        domain: 0,
        bus: u8::try_from(index).expect("a small index") + 0x10,
        device: 0,
        function: 0,
    }
}

pub fn gpu(index: u32) -> GpuRecord {
    GpuRecord {
        index,
        pci: pci(index),
        model: 0,
        health: GpuHealth::Ok,
        mig_mode: MigMode::Enabled,
        numa_node: Some(index / 4),
        nvlink: NvlinkReach::Switched,
        occupancy: Occupancy::Free,
        slices: Vec::new(),
    }
}

pub fn slice(start: u32, occupancy: Occupancy) -> SliceRecord {
    SliceRecord {
        profile: ProfileId(19),
        placement: Placement::try_new(start, 1).expect("a placement"),
        occupancy,
    }
}

pub fn record(number: u8, gpus: u32) -> HostRecord {
    HostRecord {
        id: host_id(number),
        name: format!("host-{number}").parse().expect("a host name"),
        address: format!("10.0.0.{number}:9451"),
        version: RecordVersion {
            epoch: 1,
            revision: 1,
        },
        labels: BTreeMap::new(),
        admission: Admission::Open,
        policy: CutPolicy {
            on_demand: true,
            mode_change_when_idle: true,
        },
        host_network: true,
        keeps_jobs: true,
        models: vec![h100()],
        gpus: (0..gpus).map(gpu).collect(),
        cpu_milli: Amount {
            total: 64_000,
            free: 64_000,
        },
        memory_bytes: Amount {
            total: 512 << 30,
            free: 512 << 30,
        },
        load_per_mille: 0,
        jobs: 0,
        job_labels: Vec::new(),
        price_milli_per_hour: None,
    }
}

pub fn spec(ask: &str, members: u32) -> JobSpec {
    JobSpec {
        name: "test".to_owned(),
        image: "test".to_owned(),
        accelerator: (!ask.is_empty()).then(|| ask.parse().expect("an ask")),
        members,
        ..JobSpec::default()
    }
}

pub fn hash(number: u64) -> SpecHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    SpecHash(bytes)
}

pub fn shared(record: HostRecord) -> Arc<HostRecord> {
    Arc::new(record)
}
