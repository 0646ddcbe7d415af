//! When daemons are started again, and what is remembered of sharing.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use kerf_types::sharing::{Interval, Mps, Sharing, TimeSlice};
use kerf_types::{Bytes, PciAddress};

use super::copy;
use super::restarts::{Next, Restarts};

#[test]
fn a_daemon_that_ends_quickly_is_started_later_and_later_and_then_rests() {
    let mut restarts = Restarts::default();
    let pauses: Vec<Next> = (0..6).map(|_| restarts.ended(Duration::ZERO)).collect();
    let after = |ms| Next::After(Duration::from_millis(ms));
    let expected = [
        after(250),
        after(500),
        after(1_000),
        after(2_000),
        after(4_000),
        Next::Rest,
    ];
    assert_eq!(pauses, expected);
    assert_eq!(restarts.ended(Duration::from_secs(1)), Next::Rest);
    // One that has worked for a while has ended for another reason.
    assert_eq!(restarts.ended(Duration::from_secs(60)), after(250));
    assert_eq!(restarts.ended(Duration::from_secs(59)), after(500));
    assert_eq!(restarts.count(), 2);
}

fn shared() -> BTreeMap<PciAddress, Sharing> {
    let two = NonZeroU32::new(2).expect("two");
    let mps = Mps {
        clients: two,
        threads: Some(50),
        memory: Some(Bytes(3 << 20)),
    };
    let slices = TimeSlice {
        replicas: two,
        interval: Interval::Medium,
    };
    let gpu = |text: &str| text.parse::<PciAddress>().expect("an address");
    [
        (gpu("0000:1b:00.0"), Sharing::Mps(mps)),
        (gpu("0000:43:00.0"), Sharing::TimeSlice(slices)),
    ]
    .into()
}

#[test]
fn what_is_shared_is_remembered_within_its_boot() {
    let bytes = copy::encode("boot-1", &shared());
    assert_eq!(copy::decode(&bytes, "boot-1"), shared());
    assert_eq!(copy::decode(&bytes, "boot-2"), BTreeMap::new());
    assert_eq!(copy::decode(&bytes[1..], "boot-1"), BTreeMap::new());
    assert_eq!(copy::decode(b"", "boot-1"), BTreeMap::new());
}
