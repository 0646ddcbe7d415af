//! Numbers of a record that is made up.

use std::collections::BTreeMap;
use std::time::Duration;

use kerf_types::host_record::{
    Admission, Amount, CutPolicy, GpuHealth, GpuModel, GpuRecord, NvlinkReach, Occupancy,
    RecordVersion, SliceRecord,
};
use kerf_types::inventory::Architecture;
use kerf_types::{
    Bytes, Engines, HostId, HostRecord, MigMode, PciAddress, Placement, Profile, ProfileId,
    Timestamp,
};

use super::{ModelCount, Summary};
use crate::fleet::{FleetView, Node, Presence};

fn gpu(index: u32) -> GpuRecord {
    GpuRecord {
        index,
        pci: PciAddress {
            domain: 0,
            bus: u8::try_from(index).expect("a small index"),
            device: 0,
            function: 0,
        },
        model: 0,
        health: GpuHealth::Ok,
        mig_mode: MigMode::Disabled,
        numa_node: Some(0),
        nvlink: NvlinkReach::None,
        occupancy: Occupancy::Free,
        slices: Vec::new(),
    }
}

fn model(name: &str, profiles: Vec<Profile>) -> GpuModel {
    GpuModel {
        name: name.to_owned(),
        architecture: Architecture::Hopper,
        compute_capability: (9, 0),
        memory: Bytes(80 << 30),
        profiles,
    }
}

fn profile() -> Profile {
    Profile {
        id: ProfileId(19),
        name: "1g.10gb".parse().expect("a name"),
        slices: 1,
        memory: Bytes(10 << 30),
        sm_count: 16,
        engines: Engines::default(),
        max_count: 7,
        placements: vec![place(0), place(1)],
        full_compute_profile: None,
        compute: Vec::new(),
    }
}

fn place(start: u32) -> Placement {
    Placement::try_new(start, 1).expect("a placement")
}

/// A host with a GPU of every kind: cut, cut and empty, whole and free, leased, sick.
pub(crate) fn record(number: u8, name: &str) -> HostRecord {
    let slice = |start, occupancy| SliceRecord {
        profile: ProfileId(19),
        placement: place(start),
        occupancy,
    };
    let mut gpus: Vec<GpuRecord> = (0..5).map(gpu).collect();
    gpus[0].mig_mode = MigMode::Enabled;
    gpus[0].slices = vec![slice(0, Occupancy::Leased), slice(1, Occupancy::Free)];
    gpus[1].mig_mode = MigMode::Enabled;
    gpus[3].occupancy = Occupancy::Leased;
    gpus[4].health = GpuHealth::Xid(79);
    let amount = |total, free| Amount { total, free };
    HostRecord {
        id: HostId::from_bits(number.into()),
        name: name.parse().expect("a name"),
        address: format!("10.0.0.{number}:9451"),
        version: RecordVersion {
            epoch: 1,
            revision: 42,
        },
        labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
        admission: Admission::Open,
        policy: CutPolicy {
            on_demand: true,
            mode_change_when_idle: true,
        },
        host_network: true,
        keeps_jobs: true,
        models: vec![
            model("NVIDIA H100 80GB HBM3", vec![profile()]),
            model("NVIDIA L4", Vec::new()),
        ],
        gpus,
        cpu_milli: amount(64_000, 12_500),
        memory_bytes: amount(512 << 30, 100 << 30),
        load_per_mille: 425,
        jobs: 3,
        job_labels: Vec::new(),
        price_milli_per_hour: Some(1_500),
    }
}

/// This host, a peer that has told of itself, and one of the same name that has not and does not answer.
pub(crate) fn fleet() -> FleetView {
    let node = |number: u8, presence, record: Option<HostRecord>| Node {
        id: HostId::from_bits(number.into()),
        name: if number == 1 { "node-1" } else { "node-2" }.to_owned(),
        here: number == 1,
        address: format!("10.0.0.{number}:9451"),
        presence,
        since: Timestamp(5_000),
        record_age: record.as_ref().map(|_| Duration::from_millis(1_500)),
        record: record.map(std::sync::Arc::new),
    };
    FleetView {
        nodes: vec![
            node(1, Presence::Alive, Some(record(1, "node-1"))),
            node(2, Presence::Alive, Some(record(2, "node-2"))),
            node(3, Presence::Suspect, None),
        ],
        listens: true,
    }
}

#[test]
fn each_gpu_counts_where_it_belongs() {
    let mut record = record(1, "node-1");
    assert_eq!(
        Summary::of(&record),
        Summary {
            models: vec![ModelCount {
                name: "NVIDIA H100 80GB HBM3".to_owned(),
                count: 5,
                mig_capable: true,
            }],
            gpus: 5,
            gpus_ok: 4,
            gpus_in_maintenance: 0,
            gpus_free: 1,
            slices: 2,
            slices_free: 1,
            leased: 2,
        }
    );
    record.gpus[4].model = 1;
    let names: Vec<(String, u32, bool)> = Summary::of(&record)
        .models
        .into_iter()
        .map(|model| (model.name, model.count, model.mig_capable))
        .collect();
    assert_eq!(names[1], ("NVIDIA L4".to_owned(), 1, false));
    record.gpus[2].health = GpuHealth::Maintenance;
    let told = Summary::of(&record);
    assert_eq!(
        (told.gpus_ok, told.gpus_in_maintenance, told.gpus_free),
        (3, 1, 0)
    );
    record.gpus.clear();
    assert_eq!(Summary::of(&record), Summary::default());
}
