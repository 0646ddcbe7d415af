//! Maintenance: somebody works on the driver or on a GPU, and kerf is out of the way.
//!
//! ```text
//! open --enter: nobody has the GPUs--> written down -> names withdrawn -> driver closed
//!   ^                                                                        |
//!   \--written off <- what the GPUs had is there again <- driver opened <-leave-/
//! ```
//! A process that has NVML initialised holds the node of every GPU open. So the driver is closed for the whole host, also
//! where one GPU is named: then what runs on the others goes on, and nothing new is given on any, since nobody could see
//! what is on it. A kerfd that starts in between stays out. Never ends anybody's work, and never opens the driver
//! before it is told to.

use std::collections::BTreeSet;
use std::time::Duration;

use kerf_api::json::history::{HistoryKind, Requester};
use kerf_types::inventory::Health;
use kerf_types::layout::Layout;
use kerf_types::lease::Lease;
use kerf_types::{PciAddress, Timestamp};

use super::layout::layout_text;
use super::publish::Standing;
use super::recover::STARTING;
use super::vgpu::VgpuRefusal;
use super::{Degraded, Host, HostError, now, record};
use crate::store::{MaintenanceRow, Store};

/// Name of its entry in `kerf status`.
pub(super) const MAINTENANCE: &str = "maintenance";

/// How long workers may take to end. An idle one takes milliseconds; one that is in a call ends after it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

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
pub(super) struct Kept {
    pub now: Maintenance,
    /// What the GPUs had when it began.
    before: Layout,
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

impl From<&Kept> for MaintenanceRow {
    fn from(kept: &Kept) -> Self {
        Self {
            whole_host: kept.now.whole_host,
            gpus: kept.now.gpus.iter().map(ToString::to_string).collect(),
            since_ms: kept.now.since.0,
            by: kept.now.by,
            // A layout of exact places always encodes.
            before: layout_text(&kept.before).unwrap_or_default(),
        }
    }
}

impl From<MaintenanceRow> for Kept {
    fn from(row: MaintenanceRow) -> Self {
        let gpus = row.gpus.iter().filter_map(|pci| pci.parse().ok());
        Self {
            now: Maintenance {
                whole_host: row.whole_host,
                gpus: gpus.collect(),
                since: Timestamp(row.since_ms),
                by: row.by,
            },
            before: kerf_api::json::layout::parse(&row.before).unwrap_or_default(),
        }
    }
}

impl Host {
    /// Takes up what a kerfd before us has left in maintenance, before anything is asked of the driver.
    pub(super) fn load_maintenance(&mut self) -> Result<(), HostError> {
        if let Some(row) = self.store.maintenance()? {
            self.stay_out(Kept::from(row));
        }
        Ok(())
    }

    /// Nothing new is begun while the driver is closed.
    pub(super) fn refuse_in_maintenance(&self) -> Result<(), HostError> {
        match &self.maintenance {
            Some(kept) => Err(HostError::Maintenance {
                why: kept.now.words(),
            }),
            None => Ok(()),
        }
    }

    /// Closes the driver, once nobody has a lease on the GPUs. GPUs that are in maintenance already stay so.
    pub(super) async fn enter_maintenance(
        &mut self,
        gpus: Option<BTreeSet<PciAddress>>,
        by: Requester,
    ) -> Result<Maintenance, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.observe_all().await;
        self.refuse_if_occupied(gpus.as_ref())?;
        let known = self.maintenance.clone();
        let kept = self.widened(known.clone(), gpus.as_ref(), by);
        // Daemons hold the driver open. Should the rest fail, the next look starts them again.
        self.suspend_shared(&kept.now.gpus).await?;
        let row = MaintenanceRow::from(&kept);
        self.write(|store| store.put_maintenance(&row))?;
        let gpus = kept.now.gpus.clone();
        let now = kept.now.clone();
        self.stay_out(kept);
        // With the GPUs out of the picture their names go; the files are renewed when this returns.
        self.settle().await;
        if !self.standing.as_ref().is_some_and(Standing::is_empty) {
            let cdi = self.degraded.get("cdi");
            let why = cdi.map_or("they stand still", |entry| entry.why.as_str());
            let why = format!("the CDI names cannot be withdrawn: {why}");
            self.go_back(known)?;
            return Err(HostError::Maintenance { why });
        }
        self.hardware.close(CLOSE_PATIENCE).await;
        let kind = HistoryKind::MaintenanceEnter;
        let entry = record::of_maintenance(kind, by, &gpus, None);
        drop(self.write(|store| store.begin_history(&entry)));
        tracing::info!(uid = by.uid, "driver closed for maintenance");
        self.events
            .add(MAINTENANCE, &self.config.host, &now.words());
        Ok(now)
    }

    /// What has not begun is as if nobody had asked for it.
    fn go_back(&mut self, known: Option<Kept>) -> Result<(), HostError> {
        match known {
            Some(known) => {
                let row = MaintenanceRow::from(&known);
                self.write(|store| store.put_maintenance(&row))?;
                self.stay_out(known);
            }
            None => {
                self.write(Store::end_maintenance)?;
                self.maintenance = None;
                self.degraded.remove(MAINTENANCE);
                self.hardware.reopen();
            }
        }
        self.publish();
        Ok(())
    }

    fn refuse_if_occupied(&self, gpus: Option<&BTreeSet<PciAddress>>) -> Result<(), HostError> {
        let uses = self.vgpu_uses();
        let mut carrying = uses.words();
        let carried = carrying.find(|(gpu, _)| gpus.is_none_or(|gpus| gpus.contains(gpu)));
        if let Some((gpu, by)) = carried {
            return Err(VgpuRefusal::Carries { gpu, by }.into());
        }
        let in_the_way = |lease: &&Lease| {
            let mut subjects = lease.subjects.iter().map(|subject| subject.gpu());
            subjects.any(|gpu| gpus.is_none_or(|gpus| gpus.contains(&gpu)))
        };
        let leases = self.leases.values().map(|row| &row.lease);
        let by: Vec<String> = leases.filter(in_the_way).map(who).collect();
        match by.as_slice() {
            [] => Ok(()),
            by => Err(HostError::Occupied { by: by.join("; ") }),
        }
    }

    /// What is in maintenance with these GPUs as well.
    fn widened(
        &self,
        known: Option<Kept>,
        gpus: Option<&BTreeSet<PciAddress>>,
        by: Requester,
    ) -> Kept {
        let mut kept = known.unwrap_or_else(|| Kept {
            now: Maintenance {
                whole_host: false,
                gpus: BTreeSet::new(),
                since: now(),
                by: Some(by),
            },
            before: self.had(),
        });
        let nvidia = self.inventory.gpus.iter().map(|gpu| gpu.pci);
        let all = || nvidia.chain(self.inventory.amd.iter().map(|gpu| gpu.pci));
        match gpus {
            None => {
                kept.now.whole_host = true;
                kept.now.gpus.extend(all());
            }
            Some(gpus) => kept.now.gpus.extend(gpus),
        }
        kept
    }

    /// From now on the driver is left alone, and every GPU is out of the picture.
    fn stay_out(&mut self, kept: Kept) {
        self.hardware.shut();
        let since = kept.now.since;
        let health = || Health::Maintenance { since };
        self.inventory
            .gpus
            .iter_mut()
            .for_each(|gpu| gpu.health = health());
        self.inventory
            .amd
            .iter_mut()
            .for_each(|gpu| gpu.health = health());
        let entry = Degraded {
            why: format!("{}: the driver is closed", kept.now.words()),
            hint: "`kerf maintenance leave` opens it and brings back what the GPUs had".to_owned(),
            since,
        };
        self.degraded.insert(MAINTENANCE.to_owned(), entry);
        self.maintenance = Some(kept);
    }

    /// Opens the driver, unless other GPUs are still in maintenance, and brings back what the GPUs had before anything
    /// is announced. Returns what is not well then.
    pub(super) async fn leave_maintenance(
        &mut self,
        gpus: Option<BTreeSet<PciAddress>>,
        by: Requester,
    ) -> Result<Vec<String>, HostError> {
        let Some(kept) = self.maintenance.clone() else {
            return Ok(Vec::new());
        };
        if let Some(less) = without(&kept, gpus.as_ref())? {
            let row = MaintenanceRow::from(&less);
            self.write(|store| store.put_maintenance(&row))?;
            self.stay_out(less);
            self.publish();
            return Ok(Vec::new());
        }
        self.maintenance = None;
        self.degraded.remove(MAINTENANCE);
        let entry = Degraded {
            why: "the driver is being opened again after maintenance".to_owned(),
            hint: "launches wait; what the GPUs had is brought back first".to_owned(),
            since: now(),
        };
        self.degraded.insert(STARTING.to_owned(), entry);
        self.hardware.reopen();
        self.observe_all().await;
        self.resume_work().await;
        // First it is written down, so that it is not lost with a driver that does not answer yet, or with us.
        let owed = self.owe(&kept.before);
        if owed.is_ok() {
            self.bring_back().await;
        }
        self.take_over_shared().await;
        let ended = owed.and_then(|()| self.write(Store::end_maintenance));
        self.degraded.remove(STARTING);
        if let Err(error) = ended {
            // A kerfd that starts now would stay out, so this one does too.
            self.stay_out(kept);
            self.hardware.close(CLOSE_PATIENCE).await;
            self.settle().await;
            return Err(error);
        }
        self.retry_releases().await;
        self.capacity += 1;
        self.settle().await;
        let unwell: Vec<String> = self
            .degraded
            .iter()
            .map(|(what, entry)| format!("{what}: {}", entry.why))
            .collect();
        let why = (!unwell.is_empty()).then(|| format!("not well then: {}", unwell.join("; ")));
        let kind = HistoryKind::MaintenanceLeave;
        let entry = record::of_maintenance(kind, by, &kept.now.gpus, why);
        drop(self.write(|store| store.begin_history(&entry)));
        tracing::info!(uid = by.uid, "driver open again after maintenance");
        self.events.add(
            MAINTENANCE,
            &self.config.host,
            "over: the driver is open again",
        );
        Ok(unwell)
    }
}

/// What is left in maintenance without these GPUs; `None` where nothing is.
fn without(kept: &Kept, gpus: Option<&BTreeSet<PciAddress>>) -> Result<Option<Kept>, HostError> {
    let Some(gpus) = gpus else {
        return Ok(None);
    };
    if kept.now.whole_host {
        let why = format!("{}; it is left as a whole, without --gpu", kept.now.words());
        return Err(HostError::Maintenance { why });
    }
    if kept.now.gpus.is_disjoint(gpus) {
        let why = format!("{}, and not the GPUs that were named", kept.now.words());
        return Err(HostError::Maintenance { why });
    }
    let mut less = kept.clone();
    less.now.gpus.retain(|pci| !gpus.contains(pci));
    Ok((!less.now.gpus.is_empty()).then_some(less))
}

/// Who has what, in words.
fn who(lease: &Lease) -> String {
    let holder = match &lease.container {
        Some(container) => format!("container {container}"),
        None => lease.holder.to_string(),
    };
    let gpus: BTreeSet<PciAddress> = lease.subjects.iter().map(|one| one.gpu()).collect();
    let gpus: Vec<String> = gpus.iter().map(ToString::to_string).collect();
    format!(
        "GPU {} by {holder} (lease {}, {})",
        gpus.join(", "),
        lease.id,
        lease.state.as_str()
    )
}

#[cfg(test)]
mod tests;
