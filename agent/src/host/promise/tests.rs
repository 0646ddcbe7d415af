//! What ends with a promise that nobody was given anything by, and what does not.

use kerf_types::lease::{Holder, LeaseState, Subject};
use kerf_types::{ContainerRef, LeaseId, MigMode};

use super::is_untouched;
use crate::host::bench::Bench;
use crate::host::fixture;
use crate::store::LeaseRow;

/// A host on which nothing answers, with a promise of its only GPU that is in the store.
fn promised(is_nameless: bool) -> (Bench, LeaseRow) {
    let mut bench = Bench::new();
    let mut gpu = fixture::gpu(0);
    gpu.mig_mode = MigMode::Disabled;
    let whole = Subject::Gpu {
        gpu: gpu.pci,
        uuid: gpu.uuid.clone(),
        share: None,
    };
    bench.host.inventory = fixture::inventory(vec![gpu]);
    let container = ContainerRef::try_new("kerf", "job").expect("a name");
    let id = bench.lease(Holder::Container(container), vec![whole]);
    let mut row = bench.host.leases[&id].clone();
    row.lease.state = LeaseState::Reserved;
    row.is_nameless = is_nameless;
    bench.host.put(row.clone()).expect("it is kept");
    (bench, row)
}

fn kept(bench: &Bench, id: LeaseId) -> bool {
    let (rows, damaged) = bench.host.store.leases().expect("it reads");
    assert!(damaged.is_empty(), "{damaged:?}");
    rows.iter().any(|row| row.lease.id == id)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_without_a_name_is_taken_back_without_a_look_at_anything() {
    let (mut bench, row) = promised(true);
    let id = row.lease.id;
    assert!(is_untouched(&row) && kept(&bench, id));
    bench.host.release(id, "requested").await;
    assert!(!bench.host.leases.contains_key(&id) && !kept(&bench, id));
    assert!(bench.host.is_unshown && bench.host.degraded.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_with_a_name_waits_for_the_look_that_says_it_is_clean() {
    let (mut bench, row) = promised(false);
    let id = row.lease.id;
    bench.host.release(id, "requested").await;
    assert_eq!(bench.host.leases[&id].lease.state, LeaseState::Releasing);
    assert!(kept(&bench, id));
}

#[test]
fn what_a_container_has_or_a_cut_was_made_for_is_not_untouched() {
    let (_bench, row) = promised(true);
    let not = |change: &dyn Fn(&mut LeaseRow)| {
        let mut row = row.clone();
        change(&mut row);
        assert!(!is_untouched(&row), "{row:?}");
    };
    not(&|row| row.lease.state = LeaseState::Active);
    not(&|row| row.is_nameless = false);
    not(&|row| row.lease.imex = Some(1));
    not(&|row| row.cut.push(fixture::part(0)));
}
