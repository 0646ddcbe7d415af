//! Records of vGPUs survive, and a store from before there were any gets a place for them.

use kerf_types::{Fence, Timestamp};

use crate::store::schema::MIGRATIONS;
use crate::store::{Store, VgpuRow, VgpuState};

fn row(fence: u64) -> VgpuRow {
    VgpuRow {
        fence,
        state: VgpuState::Making,
        gpu: "0000:1b:00.0".to_owned(),
        function: "0000:1b:00.4".to_owned(),
        uuid: None,
        type_id: 1_145,
        type_name: "NVIDIA L40S-1B".to_owned(),
        gpu_instance: None,
        placement: None,
        uid: 1_000,
        for_containers: true,
        boot_id: "b".to_owned(),
        created_ms: 5,
    }
}

#[test]
fn records_survive_a_reopen_and_go_one_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a store");
    let mut store = open();
    // A fence has the epoch in its highest bits.
    let (first, mut second) = (row(7), row(u64::from(u16::MAX) << 48 | 8));
    store.put_vgpu(&first).expect("written");
    store.put_vgpu(&second).expect("written");
    second.state = VgpuState::Made;
    store.put_vgpu(&second).expect("written");
    drop(store);
    let mut store = open();
    let (mut found, damaged) = store.vgpus().expect("read");
    assert_eq!(damaged, [""; 0]);
    found.sort_by_key(|row| row.fence);
    assert_eq!(found, [first, second.clone()]);
    store.delete_vgpu(7).expect("written");
    assert_eq!(store.vgpus().expect("read").0, [second]);
}

#[test]
fn an_older_store_gets_a_place_for_them_and_an_unreadable_one_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    let older = rusqlite::Connection::open(&path).expect("a database");
    for migration in &MIGRATIONS[..5] {
        older.execute_batch(migration).expect("as it was released");
    }
    older
        .pragma_update(None, "user_version", 5)
        .expect("its version");
    older
        .execute("INSERT INTO history (document) VALUES ('kept')", [])
        .expect("written");
    drop(older);
    let mut store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("it opens");
    assert_eq!(store.vgpus().expect("a table").0, []);
    store.put_vgpu(&row(3)).expect("written");
    store
        .connection
        .execute("INSERT INTO vgpus VALUES (4, 'no document')", [])
        .expect("written");
    let (found, damaged) = store.vgpus().expect("read");
    assert_eq!(found, [row(3)]);
    assert!(damaged[0].starts_with("record 4 cannot"), "{damaged:?}");
    let kept: i64 = store
        .connection
        .query_row("SELECT count(*) FROM history", [], |row| row.get(0))
        .expect("read");
    assert_eq!(kept, 1);
}
