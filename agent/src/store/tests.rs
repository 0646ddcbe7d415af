//! What is written is there after a reopen; damage, roll-back and newer versions are told apart.

mod flush;
mod kept;
mod vgpu;

use kerf_api::json::history::{HistoryEntry, HistoryEntrySchema, HistoryKind, HistoryOutcome};
use kerf_types::lease::{Holder, InitProcess, Lease, LeaseState, Subject};
use kerf_types::{
    ContainerRef, DeviceKind, Fence, LeaseId, LeasedDevice, Placement, Share, SharingMode, SliceId,
    Timestamp,
};

use super::{HISTORY_KEPT, LeaseRow, Origin, PendingLaunch, Store, StoreError, Work};
use crate::process::BootMoment;
use crate::process::attach::{Attachment, Node, Phase};
use crate::process::cgroup::Cgroup;

fn lease(store: &mut Store) -> LeaseRow {
    let slice = SliceId {
        gpu: "0000:1b:00.0".parse().expect("an address"),
        placement: Placement::try_new(4, 4).expect("a placement"),
        compute: None,
    };
    let process = |pid| InitProcess {
        pid,
        start_ticks: 77,
        boot_id: "b".to_owned(),
    };
    let lease = Lease {
        id: LeaseId::new(1_000, [7; 10]),
        fence: store.next_fence().expect("a fence"),
        subjects: vec![
            Subject::Slice {
                slice,
                profile: "3g.40gb".parse().expect("a profile"),
                parent: "GPU-1".parse().expect("a UUID"),
                uuid: "MIG-1".parse().expect("a UUID"),
                share: None,
            },
            Subject::Gpu {
                gpu: slice.gpu,
                uuid: "GPU-2".parse().expect("a UUID"),
                share: Some(Share {
                    mode: SharingMode::Mps,
                    index: 1,
                    of: 4,
                }),
            },
        ],
        devices: vec![LeasedDevice {
            kind: DeviceKind::AmdPartition,
            name: "0000:c1:00.0-renderD129".parse().expect("a name"),
            pci: "0000:c1:00.0".parse().ok(),
            board: Some("f00dcafe".to_owned()),
        }],
        holder: Holder::User { uid: 1000 },
        state: LeaseState::Active,
        container: Some(ContainerRef::try_new("default", "c1").expect("a container")),
        init: Some(process(42)),
        on_demand: true,
        attached: true,
        imex: None,
        isolated: None,
        nearest_nics: vec!["mlx5_0".to_owned(), "mlx5_1".to_owned()],
        nearest_nvme: vec!["nvme0".to_owned()],
        created: Timestamp(5),
        expires: Some(Timestamp(9)),
    };
    let pending = PendingLaunch {
        runtime: process(43),
        pid_file: Some("/run/x/init.pid".into()),
    };
    LeaseRow {
        lease,
        pending: Some(pending),
        cut: vec![slice],
        wanted: "3g.40gb".to_owned(),
        by: Some(1000),
        until: Some(BootMoment::now()),
        cgroup: Some(Cgroup {
            folder: "/sys/fs/cgroup/devices/default/c1".into(),
            inode: 77,
        }),
        attachment: Some(attachment()),
        is_nameless: true,
    }
}

fn attachment() -> Attachment {
    Attachment {
        phase: Phase::Ending,
        nodes: vec![Node {
            path: "/dev/nvidia0".into(),
            numbers: (195, 0),
            mode: 0o666,
            owner: (0, 44),
        }],
        made: vec!["/dev/nvidia0".into()],
        allowed: vec![(195, 0)],
        was_promised: true,
    }
}

#[test]
fn rows_survive_a_reopen() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let row = lease(&mut store);
    store.put_lease_and_end(&row, &[]).expect("it is written");
    let cut = Work::Cut {
        gpu: "0000:1b:00.0".to_owned(),
        placement: "4:4".to_owned(),
        profile: 9,
        compute: None,
    };
    let number = store.begin_work(&cut).expect("it is written");
    drop(store);

    let mut store = Store::open(folder.path(), Timestamp(2), row.lease.fence).expect("it opens");
    assert_eq!(store.origin(), &Origin::Kept);
    assert_eq!(
        store.leases().expect("leases").0,
        std::slice::from_ref(&row)
    );
    assert_eq!(store.open_work().expect("work")[0].work, cut);
    assert!(store.next_fence().expect("a fence") > row.lease.fence);
    store.end_work(number).expect("it ends");
    store.end_lease(&row.lease, None).expect("it ends");
    assert!(store.leases().expect("leases").0.is_empty());
    assert!(store.open_work().expect("work").is_empty());
}

#[test]
fn a_promise_to_a_pod_survives_a_reopen() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let mut row = lease(&mut store);
    row.lease.holder = Holder::Pod {
        sandbox: "5f".to_owned(),
        uid: "b1c7".to_owned(),
    };
    store.put_lease(&row).expect("it is written");
    drop(store);
    let store = Store::open(folder.path(), Timestamp(2), row.lease.fence).expect("it opens");
    assert_eq!(store.leases().expect("leases").0, [row]);
}

/// What stands for whole instances reads as it always did, and is written so that an older kerfd reads it.
#[test]
fn parts_stand_beside_what_an_older_store_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let whole = lease(&mut store);
    let text = whole.to_json();
    assert!(
        !text.contains("compute") && !text.contains("cut_parts"),
        "{text}"
    );
    assert_eq!(LeaseRow::from_json(&text).expect("it reads"), whole);

    let mut row = whole;
    let Subject::Slice { slice, .. } = &mut row.lease.subjects[0] else {
        panic!("a slice");
    };
    slice.compute = Some(Placement { start: 1, size: 2 });
    row.cut = vec![*slice];
    let text = row.to_json();
    assert!(text.contains(r#""cut":[]"#), "{text}");
    assert!(text.contains("0000:1b:00.0-4-4-c1-2"), "{text}");
    assert_eq!(LeaseRow::from_json(&text).expect("it reads"), row);

    let old = r#"{"cut":{"gpu":"0000:1b:00.0","placement":"4:4","profile":9}}"#;
    let work: Work = serde_json::from_str(old).expect("it reads");
    assert_eq!(serde_json::to_string(&work).expect("it writes"), old);
}

#[test]
fn a_damaged_store_is_set_aside_and_fences_go_on_growing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    let mut store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let before = store.next_fence().expect("a fence");
    drop(store);
    std::fs::write(&path, b"this is not a database, it only looks like a file").expect("damage");

    let mut store = Store::open(folder.path(), Timestamp(2), before).expect("a rebuilt store");
    let Origin::Rebuilt { quarantined, .. } = store.origin().clone() else {
        panic!("{:?}", store.origin());
    };
    assert!(quarantined.exists());
    assert!(store.next_fence().expect("a fence") > before);
}

#[test]
fn a_restored_backup_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let epoch = store.epoch();
    drop(store);
    let seen = Fence::new(epoch, 1_000);
    let mut store = Store::open(folder.path(), Timestamp(2), seen).expect("it opens");
    assert_eq!(store.origin(), &Origin::RolledBack);
    assert!(store.next_fence().expect("a fence") > seen);
}

#[test]
fn a_newer_store_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store"));
    let connection =
        rusqlite::Connection::open(folder.path().join("state.db")).expect("the database");
    connection
        .pragma_update(None, "user_version", 99)
        .expect("a newer version");
    drop(connection);
    let error = Store::open(folder.path(), Timestamp(2), Fence(0)).expect_err("refused");
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
}

#[test]
fn a_full_disk_is_told_apart_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let row = lease(&mut store);
    store.put_lease(&row).expect("it is written");
    let pages: i64 = store
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .expect("pages");
    store
        .connection
        .pragma_update(None, "max_page_count", pages)
        .expect("no more pages");
    let long = Work::Layout {
        generation: 1,
        layout: "x".repeat(100_000),
        allow_reset: false,
        force: Vec::new(),
        places: None,
        history: None,
    };
    let error = store.begin_work(&long).expect_err("no room");
    assert!(error.is_disk_full(), "{error}");
    assert_eq!(store.leases().expect("leases").0, [row]);
}

#[test]
fn a_host_keeps_its_id_and_counts_its_starts_also_when_its_store_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a store");
    let id = open().host_id(None).expect("an id");
    let other = kerf_types::HostId::from_bits(7);
    assert_eq!(open().host_id(Some(other)).expect("an id"), id);
    let first = open().next_start().expect("a start");
    let second = open().next_start().expect("a start");
    assert!(second > first);
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(folder.path().join(name)));
    }
    // A later epoch, so its first start is later than all before it.
    let mut begun_anew = open();
    assert_eq!(begun_anew.host_id(Some(id)).expect("an id"), id);
    assert!(begun_anew.next_start().expect("a start") > second);
    assert_ne!(
        tempfile::tempdir()
            .map(|other| {
                let store = Store::open(other.path(), Timestamp(1), Fence(0));
                store.expect("a store").host_id(None).expect("an id")
            })
            .expect("a folder"),
        id
    );
}

fn entry(outcome: HistoryOutcome) -> HistoryEntry {
    HistoryEntry {
        schema: HistoryEntrySchema::V1,
        number: 0,
        kind: HistoryKind::Apply,
        begun_at: Timestamp(0).to_string(),
        ended_at: None,
        by: None,
        holder: None,
        layout_sha256: None,
        allow_reset: false,
        force_destroy: Vec::new(),
        plan: None,
        steps: Vec::new(),
        outcome,
        why: None,
        resumed: false,
        readback: Vec::new(),
    }
}

#[test]
fn what_was_cut_off_shows_and_the_oldest_are_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a store");
    let mut store = open();
    let done = store
        .begin_history(&entry(HistoryOutcome::Running))
        .expect("written");
    store
        .end_history(done, &entry(HistoryOutcome::Done))
        .expect("written");
    let cut = store
        .begin_history(&entry(HistoryOutcome::Running))
        .expect("written");
    drop(store);
    let mut store = open();
    assert_eq!(
        store.interrupt_history().expect("read"),
        [cut.unsigned_abs()]
    );
    assert!(store.interrupt_history().expect("read").is_empty());
    let outcome = |store: &Store, number| {
        let found = store.history_entry(number).expect("read");
        found.map(|entry| entry.outcome)
    };
    assert_eq!(outcome(&store, done), Some(HistoryOutcome::Done));
    assert_eq!(outcome(&store, cut), Some(HistoryOutcome::Interrupted));
    let numbers = |store: &Store, limit, number| {
        let rows = store.history(limit, number).expect("read");
        rows.into_iter()
            .map(|(number, _)| number)
            .collect::<Vec<u64>>()
    };
    assert_eq!(numbers(&store, 0, None), [2, 1]);
    assert_eq!(numbers(&store, 1, None), [2]);
    assert_eq!(numbers(&store, 0, Some(1)), [1]);
    for _ in 0..HISTORY_KEPT {
        store
            .begin_history(&entry(HistoryOutcome::Done))
            .expect("written");
    }
    assert_eq!(outcome(&store, cut), None);
    let kept = numbers(&store, 0, None);
    assert_eq!(i64::try_from(kept.len()), Ok(HISTORY_KEPT));
    assert_eq!(kept.first().copied(), u64::try_from(HISTORY_KEPT + 2).ok());
}
