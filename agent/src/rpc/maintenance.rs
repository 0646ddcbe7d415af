//! Maintenance over the API: entered with patience, left, and proven anew for each answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_api::convert::gpu_selector;
use kerf_api::json::history::Requester;
use kerf_api::v1;
use kerf_api::v1::maintenance_progress::{Event, Waiting};
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{ParseError, PciAddress};
use tokio::sync::mpsc;
use tonic::{Code, Status};

use super::auth::Peer;
use super::streams::channel;
use super::{Answers, Service, status};
use crate::config::Paths;
use crate::errors::chain;
use crate::host::proof::{Proof, prove};
use crate::host::{
    Command, FOR_MAINTENANCE, HostError, HostHandle, HostView, LayoutRequest, Maintenance,
};
use crate::process::holders::Holder;

/// Longest wait for leases to end, as for layouts.
const WAIT_LIMIT: Duration = Duration::from_secs(24 * 3_600);

/// Most GPUs that one call may name; a host has fewer.
const NAMES_LIMIT: usize = 256;

impl Service {
    /// Waits until nobody has the GPUs, and closes the driver.
    pub(super) fn begin_maintenance(
        &self,
        request: v1::EnterMaintenanceRequest,
        peer: Peer,
    ) -> Result<Answers<v1::MaintenanceProgress>, Status> {
        let gpus = named(&self.host, &request.gpus)?;
        let (answers, stream) = channel();
        let wait = Duration::from_millis(request.wait_ms).min(WAIT_LIMIT);
        let patience = Patience {
            host: self.host.clone(),
            answers: answers.clone(),
            until: Instant::now() + wait,
        };
        let (service, by) = (self.clone(), requester(peer));
        tokio::spawn(async move {
            let last = match patience.enter(gpus, by).await {
                Ok(()) => {
                    let document = service.proven(Vec::new()).await;
                    document.map(|document| answer(Event::Done(document)))
                }
                Err(error) => Err(Status::from(error)),
            };
            drop(answers.send(last).await);
        });
        Ok(stream)
    }

    /// Opens the driver again.
    pub(super) async fn end_maintenance(
        &self,
        request: &v1::LeaveMaintenanceRequest,
        peer: Peer,
    ) -> Result<v1::Maintenance, Status> {
        let (gpus, by) = (named(&self.host, &request.gpus)?, requester(peer));
        let left = self
            .host
            .ask(|reply| Command::LeaveMaintenance { gpus, by, reply });
        let unwell = left.await?;
        self.proven(unwell).await
    }

    /// What is in maintenance, with who has the driver open now.
    pub(super) async fn proven(&self, unwell: Vec<String>) -> Result<v1::Maintenance, Status> {
        let paths = self.config.borrow().config.paths.clone();
        let now = self.host.view().maintenance.clone();
        let looked = tokio::task::spawn_blocking(move || look(&paths, now, unwell)).await;
        looked.map_err(|error| Status::internal(error.to_string()))
    }
}

fn look(paths: &Paths, now: Option<Maintenance>, unwell: Vec<String>) -> v1::Maintenance {
    let proof = prove(paths, now.as_ref());
    document(now, proof, unwell)
}

fn document(now: Option<Maintenance>, proof: Proof, unwell: Vec<String>) -> v1::Maintenance {
    let holders = |of: Vec<Holder>| of.into_iter().map(holder).collect();
    let gpus = now.iter().flat_map(|now| &now.gpus);
    v1::Maintenance {
        active: now.is_some(),
        whole_host: now.as_ref().is_some_and(|now| now.whole_host),
        gpus: gpus.map(ToString::to_string).collect(),
        since_ms: now.as_ref().map_or(0, |now| now.since.0),
        by: now.as_ref().and_then(|now| now.by).map(|by| by.uid),
        ours: holders(proof.ours),
        others: holders(proof.others),
        unread: holders(proof.unread),
        modules: proof.modules,
        unwell,
    }
}

fn holder(holder: Holder) -> v1::DriverHolder {
    v1::DriverHolder {
        pid: holder.pid,
        command: holder.command,
        holds: holder.holds.into_iter().collect(),
    }
}

fn requester(peer: Peer) -> Requester {
    Requester {
        uid: peer.uid,
        gid: Some(peer.gid),
        pid: peer.pid,
    }
}

fn answer(event: Event) -> v1::MaintenanceProgress {
    v1::MaintenanceProgress { event: Some(event) }
}

/// The GPUs that are meant; `None` for the whole host. Where the driver was never open nobody knows their names, and
/// they go by their addresses.
fn named(host: &HostHandle, names: &[String]) -> Result<Option<BTreeSet<PciAddress>>, Status> {
    if names.len() > NAMES_LIMIT {
        let text = format!(
            "{} GPUs named, at most {NAMES_LIMIT} are allowed",
            names.len()
        );
        return Err(Status::invalid_argument(text));
    }
    let mut gpus = BTreeSet::new();
    for name in names {
        let selector = gpu_selector(name).map_err(|error: ParseError| {
            let hint = "see the GPUs in `kerf inventory`";
            status::refusal(Code::InvalidArgument, &error, hint)
        })?;
        match selector {
            GpuSelector::All => return Ok(None),
            GpuSelector::Pci(pci) if is_known(&host.view(), pci) => drop(gpus.insert(pci)),
            GpuSelector::Pci(pci) => {
                let (what, name) = ("GPU", pci.to_string());
                return Err(Status::from(HostError::NotFound { what, name }));
            }
            selector => gpus.extend(host.named_by(&naming(selector))?),
        }
    }
    if gpus.is_empty() && !names.is_empty() {
        let (what, name) = ("GPU", names.join(", "));
        return Err(Status::from(HostError::NotFound { what, name }));
    }
    Ok((!names.is_empty()).then_some(gpus))
}

fn is_known(view: &HostView, pci: PciAddress) -> bool {
    let in_maintenance = view.maintenance.as_ref();
    view.inventory.gpus.iter().any(|gpu| gpu.pci == pci)
        || view.inventory.amd.iter().any(|gpu| gpu.pci == pci)
        || in_maintenance.is_some_and(|now| now.gpus.contains(&pci))
}

/// A layout that is never planned, for the names in it.
fn naming(selector: GpuSelector) -> LayoutRequest {
    let rule = LayoutRule {
        gpus: vec![selector],
        ..LayoutRule::default()
    };
    LayoutRequest {
        layout: Layout { rules: vec![rule] },
        allow_reset: false,
        expected_generation: 0,
        force: BTreeSet::new(),
        by: None,
    }
}

/// Somebody who waits until nobody has a lease on the GPUs, until a moment.
struct Patience {
    host: HostHandle,
    answers: mpsc::Sender<Result<v1::MaintenanceProgress, Status>>,
    until: Instant,
}

impl Patience {
    /// No new lease is given on the GPUs meanwhile. Each new picture of the host is a reason to try again.
    async fn enter(
        &self,
        gpus: Option<BTreeSet<PciAddress>>,
        by: Requester,
    ) -> Result<(), HostError> {
        let waits = Arc::new(());
        self.hold(gpus.as_ref(), &waits).await;
        let mut views = self.host.watch();
        let mut said = String::new();
        loop {
            views.mark_unchanged();
            let wanted = gpus.clone();
            let asked = self.host.ask(|reply| Command::EnterMaintenance {
                gpus: wanted,
                by,
                reply,
            });
            let refusal = match asked.await {
                Err(error @ HostError::Occupied { .. }) if Instant::now() < self.until => error,
                outcome => return outcome.map(drop),
            };
            let why = chain(&refusal);
            if why != said {
                self.say(&why).await;
                said = why;
            }
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return Err(HostError::Ended) },
                () = tokio::time::sleep_until(self.until.into()) => {}
                () = self.answers.closed() => return Err(refusal),
            }
        }
    }

    async fn hold(&self, gpus: Option<&BTreeSet<PciAddress>>, waits: &Arc<()>) {
        let all = || {
            let view = self.host.view();
            let nvidia = view.inventory.gpus.iter().map(|gpu| gpu.pci);
            let amd = view.inventory.amd.iter().map(|gpu| gpu.pci);
            nvidia.chain(amd).collect()
        };
        let hold = Command::Hold {
            gpus: gpus.cloned().unwrap_or_else(all),
            waits: Arc::downgrade(waits),
            why: FOR_MAINTENANCE,
        };
        self.host.tell(hold).await;
    }

    async fn say(&self, why: &str) {
        let left = self.until.saturating_duration_since(Instant::now());
        let waiting = Waiting {
            why: why.to_owned(),
            left_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        };
        drop(self.answers.send(Ok(answer(Event::Waiting(waiting)))).await);
    }
}

#[cfg(test)]
mod tests;
