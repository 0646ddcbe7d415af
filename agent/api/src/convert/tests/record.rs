//! Records of hosts: any of them survives the way, is small, and what is wrong is refused with its place.

use std::collections::BTreeMap;

use kerf_types::host_record::{
    Admission, Amount, CutPolicy, GpuHealth, GpuModel, GpuRecord, NvlinkReach, Occupancy,
    RecordVersion, SliceRecord,
};
use kerf_types::inventory::Architecture;
use kerf_types::{
    Bytes, Engines, HostId, HostRecord, MigMode, PciAddress, Placement, Profile, ProfileId,
};
use proptest::prelude::*;
use prost::Message;

use super::check;
use crate::peer::v1;

/// One profile as `nvidia-smi mig -lgip` shows it: id, name, starts, size, maximum count, memory in MiB, decoders,
/// full compute profile.
type Row = (u32, &'static str, &'static [u32], u32, u32, u64, u32, u32);

const H100: [Row; 7] = [
    (0, "7g.80gb", &[0], 8, 1, 81_152, 7, 4),
    (5, "4g.40gb", &[0], 4, 1, 40_448, 4, 3),
    (9, "3g.40gb", &[0, 4], 4, 2, 40_448, 3, 2),
    (14, "2g.20gb", &[0, 2, 4], 2, 3, 20_096, 2, 1),
    (15, "1g.20gb", &[0, 2, 4, 6], 2, 4, 20_096, 1, 7),
    (19, "1g.10gb", &[0, 1, 2, 3, 4, 5, 6], 1, 7, 9_984, 1, 0),
    (20, "1g.10gb+me", &[0, 1, 2, 3, 4, 5, 6], 1, 1, 9_984, 1, 0),
];

fn h100() -> GpuModel {
    let profile = |row: &Row| {
        let (id, name, starts, size, max_count, memory, decoder, full) = row;
        let place = |start: &u32| Placement::try_new(*start, *size).expect("a place");
        Profile {
            id: ProfileId(*id),
            name: name.parse().expect("a profile name"),
            slices: 1,
            memory: Bytes(memory << 20),
            sm_count: 132,
            engines: Engines {
                copy: 1,
                decoder: *decoder,
                encoder: 0,
                jpeg: *decoder,
                ofa: 0,
            },
            max_count: *max_count,
            placements: starts.iter().map(place).collect(),
            full_compute_profile: Some(ProfileId(*full)),
            compute: Vec::new(),
        }
    };
    GpuModel {
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        architecture: Architecture::Hopper,
        compute_capability: (9, 0),
        memory: Bytes(81_559 << 20),
        profiles: H100.iter().map(profile).collect(),
    }
}

/// Eight H100, each cut into seven slices, on a host with some labels and jobs.
pub fn full_host() -> HostRecord {
    let slice = |start| SliceRecord {
        profile: ProfileId(19),
        placement: Placement::try_new(start, 1).expect("a place"),
        occupancy: Occupancy::Leased,
    };
    let gpu = |index: u32| GpuRecord {
        index,
        pci: format!("0000:{:02x}:00.0", 0x19 + index * 0x11)
            .parse()
            .expect("a PCI address"),
        model: 0,
        health: GpuHealth::Ok,
        mig_mode: MigMode::Enabled,
        numa_node: Some(index / 4),
        nvlink: NvlinkReach::Switched,
        occupancy: Occupancy::Free,
        slices: (0..7).map(slice).collect(),
    };
    let label = |at: u32| (format!("label-{at}"), format!("value-{at}"));
    HostRecord {
        id: HostId::from_bits(7 << 120),
        name: "gpu-host-0123-rack-17".parse().expect("a name"),
        address: "[2001:db8:1234:5678::9abc]:9451".to_owned(),
        version: RecordVersion {
            epoch: 3,
            revision: 1_234_567,
        },
        labels: (0..6).map(label).collect(),
        admission: Admission::Open,
        policy: CutPolicy {
            on_demand: true,
            mode_change_when_idle: true,
        },
        host_network: true,
        keeps_jobs: true,
        models: vec![h100()],
        gpus: (0..8).map(gpu).collect(),
        cpu_milli: Amount {
            total: 224_000,
            free: 13_500,
        },
        memory_bytes: Amount {
            total: 2 << 40,
            free: 1 << 40,
        },
        load_per_mille: 730,
        jobs: 56,
        job_labels: (0..6).map(label).collect(),
        price_milli_per_hour: Some(98_320),
    }
}

#[test]
fn a_host_of_eight_gpus_in_56_slices_stays_below_two_kib() {
    let bytes = v1::HostRecord::from(&full_host()).encode_to_vec().len();
    println!("8 x H100, 7 slices each, 12 labels: {bytes} bytes");
    assert!(bytes < 2_048, "{bytes} bytes");
    check::<HostRecord, v1::HostRecord>(&full_host());
}

fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-z]{0,12}", "[ -~]{0,20}", 0..6)
}

fn occupancy() -> impl Strategy<Value = Occupancy> {
    prop_oneof![
        Just(Occupancy::Free),
        Just(Occupancy::Leased),
        Just(Occupancy::Other)
    ]
}

fn gpu(index: u32) -> impl Strategy<Value = GpuRecord> {
    let health = prop_oneof![
        Just(GpuHealth::Ok),
        Just(GpuHealth::Lost),
        Just(GpuHealth::Unresponsive),
        Just(GpuHealth::ResetRequired),
        Just(GpuHealth::Maintenance),
        any::<u64>().prop_map(GpuHealth::Xid),
    ];
    let mode = prop_oneof![
        Just(MigMode::Unsupported),
        Just(MigMode::Disabled),
        Just(MigMode::Enabled),
        Just(MigMode::EnablePending),
        Just(MigMode::DisablePending),
    ];
    let nvlink = prop_oneof![
        Just(NvlinkReach::None),
        Just(NvlinkReach::Switched),
        prop::collection::btree_set(any::<u32>(), 1..5)
            .prop_map(|gpus| NvlinkReach::Gpus(gpus.into_iter().collect())),
    ];
    let slices =
        prop::collection::btree_map(0..63_u32, (any::<u32>(), 1..2_u32, occupancy()), 0..9);
    let rest = (
        any::<u32>(),
        any::<u8>(),
        0..32_u8,
        prop::option::of(any::<u32>()),
    );
    (health, mode, nvlink, slices, occupancy(), rest).prop_map(
        move |(health, mig_mode, nvlink, slices, occupancy, (domain, bus, device, numa_node))| {
            let slice = |(start, (profile, size, occupancy))| SliceRecord {
                profile: ProfileId(profile),
                placement: Placement::try_new(start, size).expect("on the grid"),
                occupancy,
            };
            GpuRecord {
                index,
                pci: PciAddress {
                    domain,
                    bus,
                    device,
                    function: u8::try_from(index).expect("few"),
                },
                model: 0,
                health,
                mig_mode,
                numa_node,
                nvlink,
                occupancy,
                slices: slices.into_iter().map(slice).collect(),
            }
        },
    )
}

fn any_record() -> impl Strategy<Value = HostRecord> {
    let gpus = (0..4_u32).map(gpu).collect::<Vec<_>>();
    let numbers = (any::<u16>(), any::<u64>(), 0..=1_000_u16, any::<u32>());
    let amounts = (any::<u32>(), any::<u32>(), prop::option::of(any::<u64>()));
    let words = (
        "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "[a-z0-9.:]{0,60}",
        pairs(),
        pairs(),
    );
    let admission = prop_oneof![
        Just(Admission::Open),
        Just(Admission::Cordoned),
        Just(Admission::Draining)
    ];
    (
        any::<u128>(),
        numbers,
        amounts,
        words,
        admission,
        gpus,
        any::<[bool; 2]>(),
    )
        .prop_map(
            |(id, numbers, amounts, words, admission, gpus, policy)| HostRecord {
                id: HostId::from_bits(id),
                name: words.0.parse().expect("a name"),
                address: words.1,
                version: RecordVersion {
                    epoch: numbers.0,
                    revision: numbers.1,
                },
                labels: words.2,
                admission,
                policy: CutPolicy {
                    on_demand: policy[0],
                    mode_change_when_idle: policy[1],
                },
                host_network: true,
                keeps_jobs: policy[0],
                models: vec![h100()],
                gpus,
                cpu_milli: Amount {
                    total: u64::from(amounts.0) + u64::from(amounts.1),
                    free: amounts.0.into(),
                },
                memory_bytes: Amount {
                    total: u64::MAX,
                    free: amounts.1.into(),
                },
                load_per_mille: numbers.2,
                jobs: numbers.3,
                job_labels: words.3.into_iter().collect(),
                price_milli_per_hour: amounts.2,
            },
        )
}

proptest! {
    #[test]
    fn any_record_survives_the_way(record in any_record()) {
        check::<HostRecord, v1::HostRecord>(&record);
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(message) = v1::HostRecord::decode(bytes.as_slice()) {
            drop(HostRecord::try_from(message));
        }
    }
}

/// Changes the wire form of a good record and expects this error.
fn refused(change: impl FnOnce(&mut v1::HostRecord), expected: &str) {
    let mut message = v1::HostRecord::from(&full_host());
    change(&mut message);
    let error = HostRecord::try_from(message).expect_err(expected);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_record_that_lies_or_is_huge_is_refused_with_its_place() {
    refused(
        |record| record.id.truncate(3),
        "id: 3 bytes is not a host id of 16",
    );
    refused(
        |record| record.gpus[3].model = 1,
        "gpus[3].model: 1 is not one of the models",
    );
    refused(
        |record| record.gpus[2].slices[0] = 1 << 18 | 63 << 11 | 2 << 4 | 1,
        "gpus[2].slices[0].placement: a placement expected, found \"63:2\": start:size within 64 units, size at least 1",
    );
    refused(
        |record| record.gpus[2].slices[1] = record.gpus[2].slices[0],
        "gpus[2].slices: 0:1 stands there twice",
    );
    refused(
        |record| record.cpu_milli_free = 300_000,
        "cpu_milli_free: more is free than there is",
    );
    refused(
        |record| record.load_per_mille = 1_001,
        "load_per_mille: 1001 is not 0 to 1000",
    );
    refused(
        |record| record.epoch = 70_000,
        "epoch: 70000 is not a small enough number",
    );
    refused(
        |record| record.admission = 9,
        "admission: 9 is not an admission",
    );
    refused(
        |record| {
            let many = (0..65).map(|at| (at.to_string(), String::new()));
            record.labels = many.collect();
        },
        "labels: 65 entries, at most 64 are allowed",
    );
    refused(
        |record| record.address = "x".repeat(261),
        "address: 261 bytes, at most 260 are allowed",
    );
    refused(
        |record| record.models[0].profiles[0].engines.push(1),
        "models[0].profiles[0].engines: 6 is not a list of five",
    );
}
