//! Maintenance over the API: entered with patience, left, and proven anew for each answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::convert::gpu_selector;
use kerf_api::json::history::Requester;
use kerf_api::v1;
use kerf_api::v1::maintenance_progress::{Event, Waiting};
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{ParseError, PciAddress};
use tonic::{Code, Status};

use super::auth::Peer;
use super::patience::Patience;
use super::streams::channel;
use super::{Answers, Service, status};
use crate::errors::chain;
use crate::host::proof::{Proof, prove};
use crate::host::{Command, HoldFor, HostError, HostHandle, HostView, Maintenance};
use crate::process::holders::Holder;

/// How long what is read beside a look at who has the driver open may take: a hundred times what it does. Files of `/proc` wait for the
/// locks of the processes that they tell of, and one that hangs with a driver may hold its own.
const PROOF_PATIENCE: Duration = Duration::from_secs(10);

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
        let service = self.clone();
        tokio::spawn(async move {
            let patience = Patience::new(&service.host, &answers, request.wait_ms, waiting);
            let last = match patiently(&patience, gpus.as_ref(), peer.into()).await {
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
        let (gpus, by) = (named(&self.host, &request.gpus)?, peer.into());
        let left = self
            .host
            .ask(|reply| Command::LeaveMaintenance { gpus, by, reply });
        let unwell = left.await?;
        self.proven(unwell).await
    }

    /// What is in maintenance, with who has the driver open now.
    pub(super) async fn proven(&self, unwell: Vec<String>) -> Result<v1::Maintenance, Status> {
        let paths = self.config.borrow().config.paths.clone();
        let view = self.host.view();
        let library = paths.nvml.as_deref();
        let seen = self.processes.holders_of_driver(library).await;
        let seen = seen.map_err(|error| untold(&chain(&error)))?;
        let look = move || {
            let now = view.maintenance.clone();
            let proof = prove(seen, &paths, &view.inventory, now.as_ref());
            document(now, proof, unwell)
        };
        in_time(look, PROOF_PATIENCE).await
    }
}

/// What a look tells, if it ends.
async fn in_time<T: Send + 'static>(
    look: impl FnOnce() -> T + Send + 'static,
    patience: Duration,
) -> Result<T, Status> {
    match tokio::time::timeout(patience, tokio::task::spawn_blocking(look)).await {
        Ok(looked) => looked.map_err(|error| Status::internal(error.to_string())),
        Err(_) => {
            let limit = patience.as_secs();
            Err(untold(&format!("/proc does not answer within {limit} s")))
        }
    }
}

fn untold(why: &str) -> Status {
    let text = format!("who has the driver open cannot be told: {why}");
    let hint = "what was asked for is done; `kerf maintenance show` looks again";
    status::with_hint(Code::Unavailable, text, hint)
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
fn naming(selector: GpuSelector) -> Layout {
    let rule = LayoutRule {
        gpus: vec![selector],
        ..LayoutRule::default()
    };
    Layout { rules: vec![rule] }
}

fn waiting(why: String, left_ms: u64) -> v1::MaintenanceProgress {
    answer(Event::Waiting(Waiting { why, left_ms }))
}

/// Enters once nobody has the GPUs. No new lease is given on them meanwhile.
async fn patiently(
    patience: &Patience<'_, v1::MaintenanceProgress>,
    gpus: Option<&BTreeSet<PciAddress>>,
    by: Requester,
) -> Result<(), HostError> {
    let host = patience.host;
    let waits = Arc::new(());
    let all = || {
        let view = host.view();
        let nvidia = view.inventory.gpus.iter().map(|gpu| gpu.pci);
        let amd = view.inventory.amd.iter().map(|gpu| gpu.pci);
        nvidia.chain(amd).collect()
    };
    let hold = Command::Hold {
        gpus: gpus.cloned().unwrap_or_else(all),
        waits: Arc::downgrade(&waits),
        why: HoldFor::Maintenance,
    };
    host.tell(hold).await;
    let attempt = |is_patient| async move {
        let entered = host.ask(|reply| Command::EnterMaintenance {
            gpus: gpus.cloned(),
            by,
            is_patient,
            reply,
        });
        entered.await.map(drop)
    };
    patience.wait_until(attempt).await
}

#[cfg(test)]
mod tests;
