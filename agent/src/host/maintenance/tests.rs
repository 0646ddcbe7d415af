//! What is written down of maintenance, and what is left of it.

use std::collections::BTreeSet;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{PciAddress, Timestamp};

use super::{Kept, Maintenance, Requester, without};
use crate::store::MaintenanceRow;

fn pci(bus: u8) -> PciAddress {
    format!("0000:{bus:02x}:00.0").parse().expect("an address")
}

fn kept(whole_host: bool, gpus: &[u8]) -> Kept {
    let rule = LayoutRule {
        gpus: vec![GpuSelector::Pci(pci(0x1b))],
        ..LayoutRule::default()
    };
    let before = Layout { rules: vec![rule] };
    Kept {
        now: Maintenance {
            whole_host,
            gpus: gpus.iter().copied().map(pci).collect(),
            since: Timestamp(1_000),
            by: Some(Requester {
                uid: 7,
                gid: None,
                pid: None,
            }),
        },
        before,
    }
}

#[test]
fn what_is_written_down_is_what_is_read() {
    let one = kept(false, &[0x1b, 0x1c]);
    let read = Kept::from(MaintenanceRow::from(&one));
    assert_eq!((read.now, read.before), (one.now, one.before));
}

#[test]
fn gpus_leave_one_by_one_and_a_host_as_a_whole() {
    let first = BTreeSet::from([pci(0x1b)]);
    let both = kept(false, &[0x1b, 0x1c]);
    let less = without(&both, Some(&first))
        .expect("allowed")
        .expect("one is left");
    assert_eq!(less.now.gpus, BTreeSet::from([pci(0x1c)]));
    let second = BTreeSet::from([pci(0x1c)]);
    assert!(without(&less, Some(&second)).expect("allowed").is_none());
    assert!(without(&both, None).expect("allowed").is_none());
    let whole = kept(true, &[0x1b, 0x1c]);
    let error = without(&whole, Some(&first)).expect_err("not a part of it");
    assert!(error.to_string().contains("left as a whole"), "{error}");
}

#[test]
fn words_name_the_scope() {
    let since = "since 1970-01-01T00:00:01.000Z, asked for by uid 7";
    assert_eq!(
        kept(true, &[1]).now.words(),
        format!("the whole host {since}")
    );
    assert_eq!(
        kept(false, &[1]).now.words(),
        format!("GPU 0000:01:00.0 {since}")
    );
}
