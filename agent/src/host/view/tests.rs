//! Divided instances as an operator, a holder and the planner see them.

use std::collections::BTreeMap;

use kerf_planner::Use;
use kerf_types::inventory::GpuProcess;
use kerf_types::lease::{Holder, Lease, LeaseState, SliceState};
use kerf_types::{CiId, ContainerRef, GiId};

use super::{Lives, SliceView, slices, usage};
use crate::host::fixture;
use crate::host::fixture::{divided, inventory, mig_uuid, part, subject};
use crate::host::vgpu::VgpuUses;

fn lease(start: u8) -> Lease {
    let container = ContainerRef::try_new("", "web").expect("a name");
    Lease {
        state: LeaseState::Active,
        on_demand: true,
        attached: false,
        ..fixture::lease(Holder::Container(container), vec![subject(start)])
    }
}

fn states(views: &[SliceView]) -> Vec<SliceState> {
    views.iter().map(|view| view.state).collect()
}

#[test]
fn each_part_is_a_slice_with_its_own_lease_and_its_own_device() {
    let inventory = inventory(vec![divided(&[0, 1, 2])]);
    let leases = [lease(1)];
    let views = slices(
        &inventory,
        &Lives::default(),
        leases.iter(),
        &VgpuUses::default(),
    );
    let ids: Vec<_> = views.iter().map(|view| view.id).collect();
    assert_eq!(ids, [0, 1, 2].map(part));
    let expected = [SliceState::Free, SliceState::Leased, SliceState::Free];
    assert_eq!(states(&views), expected);
    let devices: Vec<_> = views.iter().map(|view| view.device()).collect();
    let uuids = [0, 1, 2].map(mig_uuid);
    let known = [0, 1, 2].map(CiId).into_iter().zip(&uuids);
    assert_eq!(devices, known.map(Some).collect::<Vec<_>>());
    let none = VgpuUses::default();
    let usage = usage(&inventory, &views, &BTreeMap::new(), leases.iter(), &none);
    let used: Vec<_> = usage.slices.into_iter().collect();
    assert_eq!(used, [(part(1), Use::Leased("container web".to_owned()))]);
}

#[test]
fn a_process_counts_for_its_part_and_for_all_where_the_driver_does_not_tell() {
    let with = |ci: Option<u32>| {
        let mut gpu = divided(&[0, 1]);
        gpu.processes.push(GpuProcess {
            pid: 7,
            gi: Some(GiId(2)),
            ci: ci.map(CiId),
            memory: None,
        });
        let inventory = inventory(vec![gpu]);
        states(&slices(
            &inventory,
            &Lives::default(),
            [].iter(),
            &VgpuUses::default(),
        ))
    };
    assert_eq!(with(Some(1)), [SliceState::Free, SliceState::Quarantined]);
    assert_eq!(with(None), [SliceState::Quarantined; 2]);
}

#[test]
fn a_part_that_is_made_again_lives_anew_and_its_sibling_lives_on() {
    let mut lives = Lives::default();
    let count = |lives: &Lives| [0, 1].map(|start| lives.count(part(start)));
    lives.note(&divided(&[0, 1]));
    assert_eq!(count(&lives), [1, 1]);
    lives.note(&divided(&[0]));
    lives.note(&divided(&[0, 1]));
    assert_eq!(count(&lives), [1, 2]);
}
