//! Readings of a GPU with two leases, and what each of them is charged.

use std::time::{Duration, Instant};

use kerf_telemetry::usage::Usage;
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::sample::{GpuSample, SliceSample};
use kerf_types::{Bytes, CiId, GiId, LeaseId, Share, SharingMode, Timestamp};

use super::{Ledger, Scene};
use crate::host::fixture;

fn sample(at_joules: f64, activity: f64) -> GpuSample {
    GpuSample {
        gpu: fixture::gpu(0).uuid,
        taken: Timestamp(0),
        temperature_celsius: None,
        memory_temperature_celsius: None,
        power_watts: None,
        power_limit_watts: None,
        energy_joules: Some(at_joules),
        sm_clock_hertz: None,
        memory_clock_hertz: None,
        utilization_ratio: Some(0.9),
        memory_utilization_ratio: None,
        memory_used: Some(Bytes(64)),
        memory_total: None,
        ecc_corrected: None,
        ecc_uncorrected: None,
        pcie_replays: None,
        clock_event_reasons: None,
        sm_activity_ratio: None,
        slices: vec![SliceSample {
            gi: GiId(2),
            ci: CiId(1),
            uuid: fixture::mig_uuid(1),
            memory_used: Some(Bytes(7)),
            memory_total: None,
            sm_activity_ratio: Some(activity),
        }],
        processes: Vec::new(),
        last_xid: None,
    }
}

fn lease(number: u64, subject: Subject) -> Lease {
    Lease {
        id: LeaseId::new(number, [0; 10]),
        state: LeaseState::Active,
        ..fixture::lease(Holder::User { uid: 0 }, vec![subject])
    }
}

#[test]
fn each_lease_is_charged_for_its_own_part() {
    let slice = lease(1, fixture::subject(1));
    let whole = |share| Subject::Gpu {
        gpu: fixture::gpu(0).pci,
        uuid: fixture::gpu(0).uuid,
        share,
    };
    let gpu = lease(2, whole(None));
    let half = lease(
        3,
        whole(Some(Share {
            mode: SharingMode::TimeSlice,
            index: 0,
            of: 2,
        })),
    );
    let promised = Lease {
        state: LeaseState::Reserved,
        ..lease(4, whole(None))
    };
    let ids = [slice.id, gpu.id, half.id, promised.id];
    let leases = [slice, gpu, half, promised];
    let divided = fixture::divided(&[1]);
    let scene = Scene {
        gpu: &divided,
        slices: &[],
        leases: &leases,
    };
    let ledger = Ledger::default();
    for id in ids {
        ledger.open(id, Usage::default());
    }
    let begin = Instant::now();
    let at = |seconds| begin + Duration::from_secs(seconds);
    ledger.add(scene, &sample(100.0, 0.5), at(0));
    assert_eq!(
        ledger.usage(ids[0]),
        Usage::default(),
        "the first speaks for no span"
    );
    ledger.add(scene, &sample(160.0, 0.5), at(2));
    let seconds = |value| Some(Duration::from_secs(value));
    let used = ids.map(|id| ledger.usage(id));
    assert_eq!(used[0].busy, seconds(1), "the slice's own activity");
    assert_eq!(used[0].memory_peak, Some(Bytes(7)));
    assert_eq!(
        used[0].energy_joules, None,
        "its multiprocessors are not known"
    );
    assert_eq!(used[1].busy, Some(Duration::from_millis(1_800)));
    assert_eq!(
        (used[1].memory_peak, used[1].energy_joules),
        (Some(Bytes(64)), Some(60.0))
    );
    // Clients of a shared device are not told apart; its energy is divided.
    assert_eq!(
        (used[2].busy, used[2].memory_peak, used[2].energy_joules),
        (None, None, Some(30.0))
    );
    assert_eq!(used[3], Usage::default(), "nobody has it yet");
    // Nobody knows what was in a pause; from there on it goes on.
    ledger.add(scene, &sample(900.0, 1.0), at(100));
    assert_eq!(ledger.usage(ids[1]), used[1]);
    ledger.add(scene, &sample(910.0, 1.0), at(101));
    assert_eq!(ledger.close(ids[1]).energy_joules, Some(70.0));
    assert_eq!(ledger.usage(ids[1]), Usage::default(), "closed");
}
