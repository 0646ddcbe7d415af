//! What a host has in its store of a job, read while its kerfd runs or is dead.

use std::time::Duration;

use kerf_tests::world::Fleet;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// What the register says of a job at the host that took it in: `open`, `committed`, `aborted` or `closed`.
pub fn decision(fleet: &Fleet, number: usize, id: &str) -> Option<String> {
    let rows = rows(fleet, number, "decision");
    let found = rows.into_iter().find(|(key, _)| key == id);
    found.and_then(|(_, row)| row["decision"].as_str().map(str::to_owned))
}

/// How far the members of a job are that a host holds.
pub fn phases(fleet: &Fleet, number: usize, id: &str) -> Vec<String> {
    let rows = rows(fleet, number, "member");
    let its = rows.iter().filter(|(key, _)| key.starts_with(id));
    its.filter_map(|(_, row)| row["phase"].as_str().map(str::to_owned))
        .collect()
}

/// Nothing where the store is being made or is busy: whoever waits asks again.
fn rows(fleet: &Fleet, number: usize, kind: &str) -> Vec<(String, Value)> {
    read(fleet, number, kind).unwrap_or_default()
}

fn read(fleet: &Fleet, number: usize, kind: &str) -> rusqlite::Result<Vec<(String, Value)>> {
    let path = fleet.host(number).expect("a host").state().join("state.db");
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    store.busy_timeout(Duration::from_millis(50))?;
    let mut query = store.prepare("SELECT key, document FROM fleet WHERE kind = ?1")?;
    let rows = query.query_map([kind], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (key, text) = row?;
        Ok((key, serde_json::from_str(&text).unwrap_or_default()))
    })
    .collect()
}
