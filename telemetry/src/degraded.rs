//! Why a host is not wholly well, in words for people: what `/readyz` shows and `kerf status` may.
//!
//! A degraded host still serves; only one that has not looked at its hardware yet is not ready.

use kerf_types::Health;

use crate::snapshot::Snapshot;

/// One line per reason, worst things first; empty when all is well.
pub fn reasons(snapshot: &Snapshot) -> Vec<String> {
    let mut reasons = Vec::new();
    let driver = &snapshot.driver;
    if driver.unresponsive {
        reasons.push("the whole driver does not answer".to_owned());
    }
    if driver.abandoned_workers > 0 {
        reasons.push(format!(
            "{} driver workers hang in a call",
            driver.abandoned_workers
        ));
    }
    for gpu in &snapshot.gpus {
        let what = match &gpu.health {
            Health::Ok => continue,
            Health::Lost { since } => format!("lost since {since}"),
            Health::Unresponsive { since, operation } => {
                format!("no answer to {operation} since {since}")
            }
            Health::ResetRequired { since } => format!("needs a reset since {since}"),
            Health::Xid { since, code } => format!("critical error XID {code} at {since}"),
            // Meant, and told once for all of them.
            Health::Maintenance { .. } => continue,
        };
        reasons.push(format!("GPU {} ({}): {what}", gpu.pci, gpu.uuid));
    }
    if snapshot.store.corrupt {
        reasons.push("the store was corrupt, was put aside and rebuilt".to_owned());
    }
    if snapshot.store.disk_full {
        reasons.push("the store cannot be written: disk full".to_owned());
    }
    if snapshot.host.inventory_problems > 0 {
        reasons.push(format!(
            "{} parts of the inventory could not be read",
            snapshot.host.inventory_problems
        ));
    }
    reasons.extend(snapshot.notes.iter().cloned());
    reasons
}
