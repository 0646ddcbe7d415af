//! What kerfd finds when it starts: rows of its store and the record of sharing, damaged in any way.
//!
//! A row that reads is written as it was read, for a row that changes on its way through a kerfd is a lease that
//! nobody finds again. One that does not read is told, and takes nothing with it.

use kerf_agent::host::sharing::copy;
use kerf_agent::store::{
    FleetRow, KeptLayout, LeaseRow, MaintenanceRow, RunDocument, SavedRows, VgpuRow, Work,
};
use kerf_api::json::history::HistoryEntry;
use kerf_scheduler::core::Change;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A row: its kind in the first line, with a key where it has one, and then its text.
pub fn store_rows(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Some((head, text)) = text.split_once('\n') else {
        return;
    };
    let (kind, key) = head.split_once(' ').unwrap_or((head, ""));
    match kind {
        "lease" => lease(text),
        "run" => run(text),
        "work" => work(text),
        "vgpu" => drop(comes_back::<VgpuRow>(text)),
        "maintenance" => drop(comes_back::<MaintenanceRow>(text)),
        "layout" => drop(comes_back::<KeptLayout>(text)),
        "history" => drop(comes_back::<HistoryEntry>(text)),
        _ => fleet(kind, key, text),
    }
}

fn lease(text: &str) {
    match LeaseRow::from_json(text) {
        Ok(row) => {
            let written = row.to_json();
            let again = LeaseRow::from_json(&written);
            assert_eq!(again.ok().as_ref(), Some(&row), "{written}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn run(text: &str) {
    match RunDocument::read(text) {
        Ok((row, spec)) => {
            assert_eq!(
                spec.is_some(),
                row.is_active(),
                "what goes on has its description"
            );
            let written = RunDocument::text(&row);
            let again = RunDocument::read(&written);
            assert_eq!(again.ok(), Some((row, spec)), "{written}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn work(text: &str) {
    let Some(work) = comes_back::<Work>(text) else {
        return;
    };
    match (&work, work.slice()) {
        (Work::Cut { gpu, .. }, Ok(slice)) => {
            let slice = slice.expect("a cut is of a slice");
            assert_eq!(gpu.parse(), Ok(slice.gpu));
        }
        (Work::Cut { .. }, Err(error)) => assert!(!error.to_string().is_empty()),
        (Work::Layout { .. } | Work::Mode { .. } | Work::Functions { .. }, slice) => {
            assert_eq!(slice, Ok(None))
        }
    }
}

fn fleet(kind: &str, key: &str, text: &str) {
    let row = FleetRow {
        kind: kind.to_owned(),
        key: key.to_owned(),
        text: text.to_owned(),
    };
    let mut rows = SavedRows::default();
    rows.add(row);
    let saved = &rows.saved;
    let jobs = saved
        .jobs
        .values()
        .cloned()
        .map(Box::new)
        .map(Change::PutJob);
    let members = saved
        .members
        .values()
        .cloned()
        .map(Box::new)
        .map(Change::PutMember);
    let decisions = saved
        .decisions
        .iter()
        .map(|(job, one)| Change::PutDecision(*job, *one));
    let memories = saved
        .memories
        .iter()
        .map(|(job, one)| Change::PutMemory(*job, one.clone()));
    let changes: Vec<Change> = jobs
        .chain(members)
        .chain(decisions)
        .chain(memories)
        .collect();
    match (changes.as_slice(), rows.unreadable.as_slice()) {
        ([change], []) => {
            let written = FleetRow::of(change).expect("it is written");
            assert_eq!((written.kind.as_str(), written.key.as_str()), (kind, key));
            let mut again = SavedRows::default();
            again.add(written);
            assert_eq!(again.saved, rows.saved);
            assert_eq!(again.unreadable, []);
        }
        ([], [wrong]) => assert!(!wrong.why.is_empty() && wrong.key == key),
        other => panic!("one row gives {other:?}"),
    }
}

/// What a text says, if it is of that kind.
fn comes_back<T>(text: &str) -> Option<T>
where
    T: Serialize + DeserializeOwned + std::fmt::Debug + PartialEq,
{
    let read: T = serde_json::from_str(text).ok()?;
    let written = serde_json::to_string(&read).expect("it has a form");
    let again: T = serde_json::from_str(&written).expect("kerfd reads what it writes");
    assert_eq!(again, read, "{written}");
    Some(read)
}

/// The record of which GPUs are shared.
pub fn sharing_record(bytes: &[u8]) {
    let boot = "fuzz-boot";
    let told = copy::decode(bytes, boot);
    if let Some(damage) = &told.damage {
        assert!(!damage.is_empty());
    }
    let written = copy::encode(boot, &told.gpus, &told.unsettled);
    let again = copy::decode(&written, boot);
    assert_eq!(
        (&again.gpus, &again.unsettled),
        (&told.gpus, &told.unsettled)
    );
    assert_eq!(again.damage, None);
    let other = copy::decode(&written, "another boot");
    assert_eq!(other, copy::Told::default(), "sharing ends with its boot");
}
