//! The layout for the next boot and what is in maintenance: tables of one document.

use kerf_types::{Fence, Timestamp};

use super::super::schema;
use super::super::{KeptLayout, MaintenanceRow, Store};

#[test]
fn one_layout_is_kept_also_by_a_store_of_an_earlier_version() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = rusqlite::Connection::open(folder.path().join("state.db")).expect("a database");
    for migration in &schema::MIGRATIONS[..3] {
        old.execute_batch(migration).expect("schema 3");
    }
    old.pragma_update(None, "user_version", 3).expect("version");
    drop(old);
    let open = || Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a store");
    let mut store = open();
    assert_eq!(store.kept_layout().expect("read"), None);
    let kept = |boot: &str| KeptLayout {
        unread: Vec::new(),
        layout: "{}".to_owned(),
        allow_reset: true,
        boot_id: boot.to_owned(),
        unmet: vec!["0000:1b:00.0".to_owned()],
        owed: String::new(),
    };
    for boot in ["a", "b"] {
        store.keep_layout(&kept(boot)).expect("written");
    }
    drop(store);
    let mut store = open();
    assert_eq!(store.kept_layout().expect("read"), Some(kept("b")));
    store.forget_layout().expect("forgotten");
    assert_eq!(store.kept_layout().expect("read"), None);
}

#[test]
fn maintenance_is_kept_and_what_does_not_read_is_the_whole_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a store");
    let mut store = open();
    assert_eq!(store.maintenance().expect("read"), None);
    let row = |gpus: &[&str]| MaintenanceRow {
        whole_host: false,
        gpus: gpus.iter().map(|gpu| (*gpu).to_owned()).collect(),
        since_ms: 3,
        by: None,
        before: "{}".to_owned(),
    };
    for gpus in [&["0000:1b:00.0"][..], &["0000:1b:00.0", "0000:43:00.0"]] {
        store.put_maintenance(&row(gpus)).expect("written");
    }
    drop(store);
    let mut store = open();
    let two = row(&["0000:1b:00.0", "0000:43:00.0"]);
    assert_eq!(store.maintenance().expect("read"), Some(two));
    store
        .connection
        .execute("UPDATE maintenance SET document = 'half'", [])
        .expect("damaged");
    let read = store.maintenance().expect("read").expect("still one");
    assert!(read.whole_host && read.gpus.is_empty());
    store.end_maintenance().expect("ended");
    assert_eq!(store.maintenance().expect("read"), None);
}
