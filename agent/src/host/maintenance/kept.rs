//! What is in maintenance, as it is known and as it is written down.

use std::collections::BTreeSet;

use kerf_api::json::history::Requester;
use kerf_types::layout::Layout;
use kerf_types::{PciAddress, Timestamp};

use super::super::HostError;
use super::super::layout::layout_text;
use crate::errors::chain;
use crate::store::{MaintenanceRow, StoreError};

/// What is in maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Whether the whole host is.
    pub whole_host: bool,
    /// The GPUs that are.
    pub gpus: BTreeSet<PciAddress>,
    /// Since when.
    pub since: Timestamp,
    /// Who asked for it; `None` where that is not known any more.
    pub by: Option<Requester>,
}

/// The same, with what the owner needs to leave it.
#[derive(Debug, Clone)]
pub(in crate::host) struct Kept {
    pub now: Maintenance,
    /// What the GPUs had when it began.
    pub before: Layout,
    /// The text of that where it does not read: it is written back as it is.
    pub unread: Option<String>,
}

impl Maintenance {
    /// What, since when and by whom.
    pub fn words(&self) -> String {
        let what = match self.gpus.len() {
            _ if self.whole_host => "the whole host".to_owned(),
            1 => "GPU ".to_owned(),
            _ => "GPUs ".to_owned(),
        };
        let gpus: Vec<String> = self.gpus.iter().map(ToString::to_string).collect();
        let gpus = if self.whole_host {
            String::new()
        } else {
            gpus.join(", ")
        };
        let who = self
            .by
            .map_or("nobody known".to_owned(), |by| format!("uid {}", by.uid));
        format!("{what}{gpus} since {}, asked for by {who}", self.since)
    }
}

impl Kept {
    /// As it is written down.
    pub fn row(&self) -> Result<MaintenanceRow, StoreError> {
        let before = match &self.unread {
            Some(text) => text.clone(),
            None => layout_text(&self.before)?,
        };
        Ok(MaintenanceRow {
            whole_host: self.now.whole_host,
            gpus: self.now.gpus.iter().map(ToString::to_string).collect(),
            since_ms: self.now.since.0,
            by: self.now.by,
            before,
        })
    }

    /// As it was written down, and what of that does not read. Whose GPU an address would be is not known then, so it is
    /// the whole host: to open a driver that somebody works on would be worse than to stay out of it.
    pub fn read(row: MaintenanceRow) -> (Self, Vec<String>) {
        let mut damage = Vec::new();
        let (mut gpus, mut whole_host) = (BTreeSet::new(), row.whole_host);
        for text in &row.gpus {
            match text.parse() {
                Ok(pci) => drop(gpus.insert(pci)),
                Err(error) => {
                    whole_host = true;
                    damage.push(format!("which GPUs it is about: {}", chain(&error)));
                }
            }
        }
        let read = kerf_api::json::layout::parse(&row.before);
        let (before, unread) = match read {
            Ok(before) => (before, None),
            Err(error) => {
                damage.push(format!("what the GPUs had: {}", chain(&error)));
                (Layout::default(), Some(row.before))
            }
        };
        let now = Maintenance {
            whole_host,
            gpus,
            since: Timestamp(row.since_ms),
            by: row.by,
        };
        let kept = Self {
            now,
            before,
            unread,
        };
        (kept, damage)
    }
}

/// What is left in maintenance without these GPUs; `None` where nothing is.
pub(super) fn without(
    kept: &Kept,
    gpus: Option<&BTreeSet<PciAddress>>,
) -> Result<Option<Kept>, HostError> {
    let Some(gpus) = gpus else {
        return Ok(None);
    };
    if kept.now.whole_host {
        let what = kept.now.words();
        return Err(HostError::LeftAsWhole { what });
    }
    if kept.now.gpus.is_disjoint(gpus) {
        let what = kept.now.words();
        return Err(HostError::NotInMaintenance { what });
    }
    let mut less = kept.clone();
    less.now.gpus.retain(|pci| !gpus.contains(pci));
    Ok((!less.now.gpus.is_empty()).then_some(less))
}
