//! What is written down of maintenance, and what is left of it.

use std::collections::BTreeSet;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{PciAddress, Timestamp};

use super::{Kept, Maintenance, Requester, without};

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
        unread: None,
    }
}

#[test]
fn what_is_written_down_is_what_is_read() {
    let one = kept(false, &[0x1b, 0x1c]);
    let (read, damage) = Kept::read(one.row().expect("it encodes"));
    assert_eq!((read.now, read.before), (one.now, one.before));
    assert!(damage.is_empty(), "{damage:?}");
}

#[test]
fn what_does_not_read_counts_for_the_whole_host_and_is_told_and_written_back() {
    let mut row = kept(false, &[0x1b]).row().expect("it encodes");
    row.gpus.push("here".to_owned());
    row.before = "{".to_owned();
    let (read, damage) = Kept::read(row);
    assert!(read.now.whole_host && read.before.rules.is_empty());
    assert_eq!(read.now.gpus, BTreeSet::from([pci(0x1b)]));
    assert_eq!(damage.len(), 2, "{damage:?}");
    assert!(damage[0].contains("here"), "{damage:?}");
    assert_eq!(read.row().expect("it encodes").before, "{");
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
