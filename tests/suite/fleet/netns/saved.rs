//! What a host has in its store of a job, read while its kerfd runs or is dead.

use std::time::Duration;

use kerf_tests::world::Fleet;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// The decision that a majority of the three hosts that keep a job has accepted last: `open`, `committed`, `aborted` or
/// `closed`.
pub fn agreed(fleet: &Fleet, id: &str) -> Option<String> {
    let replicas = replicas(fleet, id);
    let accepted: Vec<&Value> = replicas.iter().map(|(_, row)| &row["accepted"]).collect();
    let is_agreed = |one: &&&Value| {
        let alike = accepted.iter().filter(|two| two["ballot"] == one["ballot"]);
        alike.count() >= 2
    };
    let round = |one: &&&Value| one["ballot"]["round"].as_u64();
    let last = accepted.iter().filter(is_agreed).max_by_key(round)?;
    let decision = last["value"]["decision"]["decision"].as_str();
    decision.map(str::to_owned)
}

/// The hosts that have a replica of a job's register.
pub fn keepers(fleet: &Fleet, id: &str) -> Vec<usize> {
    let replicas = replicas(fleet, id).into_iter();
    replicas.map(|(number, _)| number).collect()
}

fn replicas(fleet: &Fleet, id: &str) -> Vec<(usize, Value)> {
    let of = |number| {
        let rows = rows(fleet, number, "register").into_iter();
        rows.filter(|(key, _)| key == id)
            .map(move |(_, row)| (number, row))
    };
    (1..=fleet.hosts().len()).flat_map(of).collect()
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
