//! UUIDs and serial numbers: what the seed fixes, and what changes when a place is cut again.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::*;
use crate::model::machine::MigUuid;

#[test]
fn the_seed_fixes_every_identity() {
    let spec = tables::machine("h100x8").expect("a known machine");
    let nodes = machine("h100x8").nodes;
    let identities = |seed| {
        let gpus = Machine::new(spec, seed, nodes, START_US).gpus;
        gpus.into_iter()
            .map(|gpu| (gpu.uuid, gpu.serial))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(identities(7), identities(7));
    assert_eq!(identities(7).len(), 8);
    assert!(identities(7).is_disjoint(&identities(8)));
}

/// UUIDs of one place, cut twice.
fn cut_twice(policy: MigUuid) -> [Uuid; 2] {
    let mut machine = mig_machine("h100x1");
    machine.policy.mig_uuid = policy;
    [0, 1].map(|_| {
        let (gi, ci) = create_full(&mut machine, 14, Some(2));
        let uuid = machine.gpus[0].ci(ci.serial).expect("it is there").1.uuid;
        machine.destroy_ci(ci, START_US).expect("idle");
        machine.destroy_gi(gi, START_US).expect("empty");
        uuid
    })
}

#[test]
fn a_mig_uuid_changes_or_stays_by_policy() {
    let [first, second] = cut_twice(MigUuid::Changing);
    assert_ne!(first, second);
    assert_eq!([first, second].map(|uuid| uuid.get_version_num()), [5, 5]);
    let [first, second] = cut_twice(MigUuid::Stable);
    assert_eq!(first, second);
}

#[test]
fn no_two_mig_devices_share_a_uuid() {
    let mut machine = mig_machine("h100x1");
    machine.policy.mig_uuid = MigUuid::Stable;
    let gi = create(&mut machine, 0, None).expect("room");
    for _ in 0..7 {
        machine.create_ci(gi, 0, None, START_US).expect("room");
    }
    let uuids: BTreeSet<Uuid> = machine.gpus[0]
        .mig_devices()
        .map(|(_, ci)| ci.uuid)
        .collect();
    assert_eq!(uuids.len(), 7);
}
