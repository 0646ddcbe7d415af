//! Shares: their words, what they promise, and which of them go together.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::{check_refused, check_round_trip};
use crate::ask::{Requirement, Shareable};
use crate::lease::Subject;
use crate::sharing::{Interval, Mps, Sharing, SharingMode, TimeSlice, mps_limit};
use crate::{Ask, Bytes, Isolation};

/// Every way of sharing.
pub fn modes() -> impl Strategy<Value = SharingMode> {
    prop_oneof![Just(SharingMode::Mps), Just(SharingMode::TimeSlice)]
}

/// Every device of which a share can be asked for.
pub fn shareables(requirement: BoxedStrategy<Requirement>) -> impl Strategy<Value = Shareable> {
    let alone = requirement.prop_filter_map("a share has no nvlink", |requirement| {
        let alone = Requirement {
            nvlink: None,
            only: Box::default(),
            ..requirement
        };
        (alone != Requirement::default()).then_some(Shareable::Capability(alone))
    });
    let slice = Shareable::Slice("1c.3g.40gb".parse().expect("a profile"));
    prop_oneof![Just(Shareable::Gpu), Just(slice), alone]
}

fn mps(clients: u32, memory: Option<u64>) -> Sharing {
    Sharing::Mps(Mps {
        clients: NonZeroU32::new(clients).expect("a client"),
        threads: Some(25),
        memory: memory.map(Bytes),
    })
}

fn slices(replicas: u32) -> Sharing {
    Sharing::TimeSlice(TimeSlice {
        replicas: NonZeroU32::new(replicas).expect("a replica"),
        interval: Interval::Short,
    })
}

#[test]
fn words_round_trip_and_a_share_is_asked_for_alone() {
    check_round_trip::<SharingMode>(&["mps", "time-slice"]);
    check_round_trip::<Interval>(&["default", "short", "medium", "long"]);
    check_round_trip::<Ask>(&[
        "gpu,mps",
        "gpu,time-slice",
        "3g.40gb,mps",
        "memory>=10GiB,fp8,mps",
    ]);
    let anywhere = "mps,memory>=10GiB".parse::<Ask>().expect("an ask");
    assert_eq!(anywhere.to_string(), "memory>=10GiB,mps");
    check_refused::<Ask>(&[
        "mps",
        "gpu:2,mps",
        "gpu,mps,mps",
        "gpu,mps,time-slice",
        "3g.40gb:2,mps",
        "memory>=1GiB,nvlink:2,mps",
        "gpu,MPS",
        "gpu, mps",
    ]);
}

#[test]
fn shares_conflict_unless_they_are_two_places_of_one_device() {
    let gpu = |share| Subject::Gpu {
        gpu: "0000:10:00.0".parse().expect("an address"),
        uuid: "GPU-1".parse().expect("a UUID"),
        share,
    };
    let slice = |place: &str, share| Subject::Slice {
        slice: format!("0000:10:00.0-{place}").parse().expect("a slice"),
        profile: "3g.40gb".parse().expect("a profile"),
        parent: "GPU-1".parse().expect("a UUID"),
        uuid: "MIG-1".parse().expect("a UUID"),
        share,
    };
    let four = mps(4, None);
    let (first, second) = (Some(four.share(0)), Some(four.share(1)));
    assert!(!gpu(first).conflicts(&gpu(second)));
    assert!(gpu(first).conflicts(&gpu(first)));
    // One that is counted in another way may be any of them.
    assert!(gpu(first).conflicts(&gpu(Some(slices(4).share(1)))));
    assert!(gpu(first).conflicts(&gpu(Some(mps(3, None).share(1)))));
    assert!(gpu(first).conflicts(&gpu(None)) && gpu(None).conflicts(&gpu(first)));
    assert!(!slice("0-4", first).conflicts(&slice("0-4", second)));
    assert!(slice("0-4", first).conflicts(&slice("0-2", second)));
    assert!(!slice("0-4", first).conflicts(&slice("4-4", first)));
    assert!(slice("0-4", first).conflicts(&gpu(second)));
    assert!(slice("0-4", first).conflicts(&slice("0-4", None)));
    let said = |subject: Subject| subject.isolation();
    assert_eq!(said(gpu(None)), Isolation::Device);
    assert_eq!(said(gpu(first)), Isolation::Mps);
    assert_eq!(said(slice("0-4", None)), Isolation::Hardware);
    assert_eq!(said(slice("0-4-c0-1", None)), Isolation::Compute);
    assert_eq!(said(gpu(Some(slices(2).share(0)))), Isolation::TimeSlice);
}

#[test]
fn memory_is_promised_only_as_far_as_all_can_have_it() {
    let gib = |count: u64| Bytes(count << 30);
    assert_eq!(mps(4, None).promises(gib(80)), None);
    assert_eq!(mps(4, Some(18 << 30)).promises(gib(80)), Some(gib(18)));
    assert_eq!(mps(4, Some(40 << 30)).promises(gib(80)), Some(gib(20)));
    assert_eq!(slices(4).promises(gib(80)), None);
}

#[test]
fn the_limit_of_clients_goes_with_the_slice() {
    assert_eq!(
        [1, 2, 3, 4, 7].map(|part| mps_limit(part, 7)),
        [6, 13, 20, 27, 48]
    );
    assert_eq!(mps_limit(1, 64), 1);
    assert_eq!(mps_limit(1, 0), 48);
}

#[test]
fn people_read_what_is_shared() {
    assert_eq!(
        mps(4, Some(18 << 30)).to_string(),
        "mps for 4 clients, each 25 % of the threads and 18GiB"
    );
    assert_eq!(slices(1).to_string(), "1 time slice, interval short");
    assert_eq!(mps(4, None).share(1).to_string(), "mps 2/4");
}
