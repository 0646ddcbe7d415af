//! What a power cut may take, and what it must leave: the journal is cut where it was flushed last.

use std::path::Path;

use kerf_types::lease::Holder;
use kerf_types::{Fence, Timestamp};

use super::{LeaseRow, Origin, Store, lease};

/// What `PRAGMA synchronous` says where each commit is flushed.
const FULL: i64 = 2;

fn open(folder: &Path, seen: Fence) -> Store {
    Store::open(folder, Timestamp(1), seen).expect("a store")
}

/// A copy of the store as it is on the disk now, its journal cut to so many bytes.
fn copy(from: &Path, journal: u64) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for name in ["state.db", "state.db-wal", "state.epoch"] {
        std::fs::copy(from.join(name), to.path().join(name)).expect("a copy");
    }
    let cut = std::fs::OpenOptions::new()
        .write(true)
        .open(to.path().join("state.db-wal"))
        .expect("the journal");
    cut.set_len(journal).expect("it is cut");
    to
}

fn journal(folder: &Path) -> u64 {
    let file = folder.join("state.db-wal");
    std::fs::metadata(file).expect("the journal").len()
}

#[test]
fn a_power_cut_takes_leases_and_gives_no_fence_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path(), Fence(0));
    store.reserve_fences().expect("a flushed write");
    let flushed = journal(folder.path());
    let row = lease(&mut store);
    store.put_lease_and_end(&row, &[]).expect("it is written");
    let last = store.next_fence().expect("a fence");
    assert!(journal(folder.path()) > flushed);

    let after = copy(folder.path(), flushed);
    let mut store = open(after.path(), Fence(0));
    assert!(store.leases().expect("leases").0.is_empty());
    assert!(store.next_fence().expect("a fence") > last);
}

#[test]
fn fences_go_on_beyond_each_block() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path(), Fence(0));
    assert!(!store.is_short_of_fences(), "nobody has needed one");
    let mut last = store.next_fence().expect("a fence");
    for _ in 0..600 {
        let next = store.next_fence().expect("a fence");
        assert!(next > last);
        last = next;
        if store.is_short_of_fences() {
            store.reserve_fences().expect("a flushed write");
            assert!(!store.is_short_of_fences());
        }
    }
    drop(store);
    assert!(open(folder.path(), last).next_fence().expect("a fence") > last);
}

/// Also one that lies within the block of fences that was reserved when it was made.
#[test]
fn a_backup_of_a_moment_ago_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path(), Fence(0));
    let mut row = lease(&mut store);
    store.put_lease_and_end(&row, &[]).expect("it is written");
    let backup = copy(folder.path(), journal(folder.path()));
    row.lease.id = kerf_types::LeaseId::new(1_001, [7; 10]);
    row.lease.fence = store.next_fence().expect("a fence");
    store.put_lease_and_end(&row, &[]).expect("it is written");
    let seen = row.lease.fence;
    assert_eq!(open(folder.path(), seen).origin(), &Origin::Kept);

    let mut store = open(backup.path(), seen);
    assert_eq!(store.origin(), &Origin::RolledBack);
    assert!(store.next_fence().expect("a fence") > seen);
}

#[test]
fn a_job_has_its_lease_on_the_disk_and_others_with_the_next_flush() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path(), Fence(0));
    let mut row = lease(&mut store);
    store.flush().expect("flushed");
    row.lease.holder = Holder::Job(kerf_types::JobId::new(1, [7; 10]));
    store.put_lease(&row).expect("it is written");
    assert!(!store.is_unflushed());
    row.lease.holder = Holder::User { uid: 1000 };
    for write in [
        |store: &mut Store, row: &LeaseRow| store.put_lease(row),
        |store: &mut Store, row: &LeaseRow| store.end_lease(&row.lease, None),
        |store: &mut Store, row: &LeaseRow| store.put_lease_and_end(row, &[1]),
    ] {
        write(&mut store, &row).expect("it is written");
        assert!(store.is_unflushed());
        store.flush().expect("flushed");
        assert!(!store.is_unflushed());
        let level = store
            .connection
            .pragma_query_value(None, "synchronous", |row| row.get(0));
        assert_eq!(level, Ok(FULL), "the next intent is flushed again");
    }
}
