//! Accounts of leases: opened when a container has a lease, closed with it, and kept in the store, where they outlive the
//! lease. Time held is counted on the clock of the boot; what the sensors tell comes from the ledger.

use std::time::{Duration, Instant};

use kerf_api::json::{LeaseUsage, LeaseUsageSchema};
use kerf_telemetry::usage::Usage;
use kerf_types::lease::LeaseState;
use kerf_types::{Bytes, LeaseId};

use super::{Host, HostError, now};
use crate::process::BootMoment;
use crate::store::{LeaseRow, Store, UsageRow};
use crate::usage::devices;

/// Time between two writes of accounts that are open: what a crash of kerfd loses of the sensors' part.
const KEEP_INTERVAL: Duration = Duration::from_secs(60);

/// An account that is open.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Account {
    began: BootMoment,
    document: LeaseUsage,
    /// When it was written last.
    kept: Option<Instant>,
}

impl Host {
    /// Opens the account of a lease that a container has now; one that is open goes on with that container.
    pub(super) fn open_account(&mut self, row: &LeaseRow) {
        let lease = &row.lease;
        let container = lease.container.as_ref().map(ToString::to_string);
        if let Some(account) = self.accounts.get_mut(&lease.id) {
            account.document.container = container.or(account.document.container.take());
            return;
        }
        let document = LeaseUsage {
            schema: LeaseUsageSchema::V1,
            lease_id: lease.id.to_string(),
            holder: lease.holder.to_string(),
            container,
            wanted: row.wanted.clone(),
            devices: devices(lease),
            begun_at: now().to_string(),
            ended_at: None,
            device_seconds: 0.0,
            busy_seconds: None,
            memory_peak_bytes: None,
            energy_joules: None,
        };
        let began = BootMoment::now();
        self.handle.ledger().open(lease.id, Usage::default());
        // It is written with the next look: a launch does not wait for the disk for its sake.
        let kept = None;
        let account = Account {
            began,
            document,
            kept,
        };
        self.accounts.insert(lease.id, account);
    }

    /// The account of a lease that ends now, to be written together with that.
    pub(super) fn last_account(&self, lease: LeaseId) -> Option<UsageRow> {
        let account = self.accounts.get(&lease)?;
        Some(self.row(lease, account, true))
    }

    /// Closes the account of a lease that has ended.
    pub(super) fn close_account(&mut self, lease: LeaseId) {
        self.accounts.remove(&lease);
        self.handle.ledger().close(lease);
    }

    /// Goes on with the accounts of an earlier kerfd, and closes those of leases that ended without it.
    pub(super) fn load_accounts(&mut self) {
        let rows = match self.store.open_usage() {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "accounts cannot be read");
                return;
            }
        };
        for row in rows {
            let (Ok(id), Ok(document)) = (
                row.lease.parse::<LeaseId>(),
                serde_json::from_str::<LeaseUsage>(&row.document),
            ) else {
                continue;
            };
            let (boot_id, ms) = row.began;
            let began = BootMoment { boot_id, ms };
            self.handle.ledger().open(id, usage_of(&document));
            let kept = None;
            let account = Account {
                began,
                document,
                kept,
            };
            self.accounts.insert(id, account);
            let lives = self.leases.get(&id);
            if lives.is_none_or(|row| row.lease.state == LeaseState::Reserved) {
                if let Some(row) = self.last_account(id) {
                    self.keep_account(&row);
                }
                self.close_account(id);
            }
        }
        let rows: Vec<LeaseRow> = self.leases.values().cloned().collect();
        for row in rows
            .iter()
            .filter(|row| row.lease.state != LeaseState::Reserved)
        {
            self.open_account(row);
        }
        // What an earlier kerfd knew is kept already, and what it did not is nothing yet.
        for account in self.accounts.values_mut() {
            account.kept = Some(Instant::now());
        }
    }

    /// Keeps what is known of the open ones: of a new one with the first look after it, and then not for each.
    pub(super) fn keep_accounts(&mut self) {
        let is_due = |account: &&mut Account| {
            let kept = account.kept;
            kept.is_none_or(|last| last.elapsed() >= KEEP_INTERVAL)
        };
        let due = self.accounts.iter_mut();
        let due: Vec<LeaseId> = due
            .map(|(lease, account)| (*lease, account))
            .filter(|(_, account)| is_due(account))
            .map(|(lease, account)| {
                account.kept = Some(Instant::now());
                lease
            })
            .collect();
        self.keep_these(&due);
    }

    /// Keeps all of them, for a kerfd that comes after this one.
    pub(super) fn keep_all_accounts(&mut self) {
        let all: Vec<LeaseId> = self.accounts.keys().copied().collect();
        self.keep_these(&all);
    }

    fn keep_these(&mut self, leases: &[LeaseId]) {
        for lease in leases {
            let account = self.accounts.get(lease);
            if let Some(row) = account.map(|account| self.row(*lease, account, false)) {
                self.keep_account(&row);
            }
        }
    }

    /// Documents of accounts, those that are open first.
    pub(super) fn accounts(&self, limit: u32) -> Result<Vec<String>, HostError> {
        let ended = self.store.ended_usage(limit).map_err(HostError::Store)?;
        let ended = ended.into_iter();
        let open = self.accounts.iter().rev();
        let open = open.map(|(lease, account)| text(&self.told(*lease, account, false)));
        let most = match limit {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        Ok(open
            .chain(ended.map(|row| row.document))
            .take(most)
            .collect())
    }

    fn told(&self, lease: LeaseId, account: &Account, is_ended: bool) -> LeaseUsage {
        let usage = self.handle.ledger().usage(lease);
        let now_here = BootMoment::now();
        let mut document = account.document.clone();
        // What a lease of an earlier boot held is what was kept of it then.
        if account.began.boot_id == now_here.boot_id {
            let held = Duration::from_millis(now_here.ms.saturating_sub(account.began.ms));
            let devices = u32::try_from(document.devices.len()).unwrap_or(u32::MAX);
            document.device_seconds = held.as_secs_f64() * f64::from(devices);
        }
        document.busy_seconds = usage.busy.map(|busy| busy.as_secs_f64());
        document.memory_peak_bytes = usage.memory_peak.map(|bytes| bytes.0);
        document.energy_joules = usage.energy_joules;
        document.ended_at = is_ended.then(|| now().to_string());
        document
    }

    fn row(&self, lease: LeaseId, account: &Account, is_ended: bool) -> UsageRow {
        UsageRow {
            lease: lease.to_string(),
            began: (account.began.boot_id.clone(), account.began.ms),
            is_ended,
            document: text(&self.told(lease, account, is_ended)),
        }
    }

    /// A store that takes nothing is told of already, and an account is no reason to refuse a container.
    fn keep_account(&mut self, row: &UsageRow) {
        drop(self.write(|store: &mut Store| store.put_usage(row)));
    }
}

fn text(document: &LeaseUsage) -> String {
    // Strings and finite numbers always serialize.
    serde_json::to_string(document).unwrap_or_default()
}

fn usage_of(document: &LeaseUsage) -> Usage {
    let busy = document.busy_seconds.map(Duration::try_from_secs_f64);
    Usage {
        busy: busy.and_then(Result::ok),
        memory_peak: document.memory_peak_bytes.map(Bytes),
        energy_joules: document.energy_joules,
    }
}
