//! A board that was leased and is elsewhere now: nobody else gets it, nor its place.

use kerf_types::ContainerRef;
use kerf_types::lease::{Holder, SliceState, Subject};
use kerf_types::sharing::DeviceId;
use kerf_types::{Gpu, Health, MigMode, Timestamp};

use super::conflict;
use crate::host::bench::Bench;
use crate::host::{HostError, fixture};

fn holder() -> Holder {
    Holder::Container(ContainerRef::try_new("", "web").expect("a name"))
}

fn plain(index: u32) -> Gpu {
    Gpu {
        mig_mode: MigMode::Disabled,
        ..fixture::gpu(index)
    }
}

fn whole(gpu: &Gpu) -> Subject {
    Subject::Gpu {
        gpu: gpu.pci,
        uuid: gpu.uuid.clone(),
        share: None,
    }
}

/// The board of `one` at the place of `other`, as the driver reads it.
fn at_place_of(one: &Gpu, other: &Gpu) -> Gpu {
    Gpu {
        uuid: one.uuid.clone(),
        ..other.clone()
    }
}

fn entry(bench: &Bench, id: kerf_types::LeaseId) -> Option<String> {
    let view = bench.view();
    let entry = view.degraded.get(&format!("board of lease {id}"));
    entry.map(|entry| entry.why.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_boards_that_were_swapped_are_both_kept_back() {
    let mut bench = Bench::new();
    let (one, other) = (plain(0), plain(1));
    let id = bench.lease(holder(), vec![whole(&one)]);
    bench.host.take_gpu(one.clone());
    bench.host.take_gpu(other.clone());
    assert!(bench.host.named_gpu(other.uuid.as_str()).is_ok());
    bench.host.settle().await;
    assert_eq!(entry(&bench, id), None);

    let (elsewhere, instead) = (at_place_of(&one, &other), at_place_of(&other, &one));
    bench.host.take_gpu(elsewhere.clone());
    bench.host.take_gpu(instead.clone());
    for gpu in [&elsewhere, &instead] {
        for name in [gpu.uuid.to_string(), gpu.pci.to_string()] {
            let refused = bench.host.named_gpu(&name).expect_err("it is leased");
            assert!(matches!(refused, HostError::Busy { .. }), "{refused}");
        }
        assert!(bench.host.usage().gpus.contains_key(&gpu.pci));
    }
    bench.host.settle().await;
    let (uuid, was, now) = (&one.uuid, one.pci, other.pci);
    let why = format!("{uuid} was at {was} and is at {now} now");
    assert_eq!(entry(&bench, id), Some(why));

    bench.host.leases.remove(&id);
    bench.host.settle().await;
    assert_eq!(entry(&bench, id), None);
    for gpu in [&elsewhere, &instead] {
        assert!(bench.host.named_gpu(gpu.uuid.as_str()).is_ok());
    }
    assert!(bench.host.usage().gpus.is_empty());
}

#[tokio::test]
async fn a_board_that_moved_alone_is_not_given_and_leaves_its_lost_place_without_doubt() {
    let mut bench = Bench::new();
    let (one, other) = (plain(0), plain(1));
    let id = bench.lease(holder(), vec![whole(&one)]);
    let lost = |gpu: &Gpu| Gpu {
        health: Health::Lost {
            since: Timestamp(1),
        },
        ..gpu.clone()
    };
    bench.host.take_gpu(lost(&one));
    bench.host.note_doubts();
    bench.host.publish();
    // Gone is gone, and known.
    assert_eq!(entry(&bench, id), None);
    let elsewhere = at_place_of(&one, &other);
    bench.host.take_gpu(elsewhere.clone());
    bench.host.note_doubts();
    bench.host.publish();
    assert!(entry(&bench, id).is_some());
    let refused = bench.host.named_gpu(&elsewhere.pci.to_string());
    assert!(matches!(refused, Err(HostError::Busy { .. })));
    assert!(bench.host.must_be_free(elsewhere.pci).is_err(), "for vGPUs");
    let named = [elsewhere.pci].into();
    assert!(
        bench.host.is_on_any(&whole(&one), &named),
        "for maintenance"
    );
    assert!(conflict(&whole(&one), &whole(&elsewhere)));
    assert!(!conflict(&whole(&one), &whole(&other)));
}

#[tokio::test]
async fn slices_of_a_board_whose_slice_was_leased_elsewhere_are_not_free() {
    let mut bench = Bench::new();
    let mut gpu = fixture::divided(&[0, 1]);
    bench.lease(holder(), vec![fixture::subject(0)]);
    let states = |bench: &Bench| -> Vec<SliceState> {
        let slices = bench.host.slices();
        slices.iter().map(|slice| slice.state).collect()
    };
    bench.host.take_gpu(gpu.clone());
    assert_eq!(states(&bench), [SliceState::Reserved, SliceState::Free]);
    assert!(
        bench.host.usage().gpus.is_empty(),
        "its part alone is leased"
    );
    bench.host.inventory.gpus.clear();
    gpu.pci = plain(1).pci;
    bench.host.take_gpu(gpu.clone());
    assert_eq!(states(&bench), [SliceState::Reserved; 2]);
    let usage = bench.host.usage();
    assert!(usage.gpus.contains_key(&gpu.pci));
    assert!(usage.slices.len() == 2 && usage.shared.is_empty());
    let parts = bench.host.slices();
    assert!(parts.iter().all(|part| !part.is_idle));
    assert_eq!(DeviceId::Slice(parts[0].id).gpu(), gpu.pci);
}
