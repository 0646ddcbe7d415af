//! Planning and applying a whole layout.

use std::collections::{BTreeMap, BTreeSet};

use kerf_api::json::history::HistoryKind;
use kerf_api::json::layout::LayoutDocument;
use kerf_planner::host::{GpuName, settled};
use kerf_planner::{HostPlan, HostRequest, Usage, plan_host};
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::mig::MigMode;
use kerf_types::{Inventory, MigUuid, PciAddress, Placement, ProfileId, Sharing};
use tokio::sync::mpsc;

use super::maintenance::MAINTENANCE;
use super::recover::STARTING;
use super::{Host, HostError, LayoutDone, LayoutRequest, Progress};
use crate::store::{Store, StoreError};

/// What a generation stands for: on each GPU its MIG mode, and every instance with the devices in it; on each AMD GPU
/// its modes, and the one that it was asked for; and which GPUs are shared.
pub type Shape = (
    BTreeMap<PciAddress, (MigMode, Vec<(Placement, ProfileId, Vec<MigUuid>)>)>,
    super::partition::Modes,
    BTreeMap<PciAddress, Sharing>,
);

fn shape_of(inventory: &Inventory, shared: &BTreeMap<PciAddress, Sharing>) -> Shape {
    let gpus = inventory.gpus.iter().map(|gpu| {
        let instances = gpu.instances.iter().map(|instance| {
            let devices = instance.compute.iter().map(|one| one.uuid.clone());
            (instance.placement, instance.profile, devices.collect())
        });
        (gpu.pci, (gpu.mig_mode, instances.collect()))
    });
    let modes = super::partition::modes(inventory);
    (gpus.collect(), modes, shared.clone())
}

/// What a picture of the host does not show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Why nothing can be said of its GPUs, where that is so.
    pub blind: Option<String>,
    /// GPUs that the driver serves and that have never answered, by place in its list.
    pub unread: Vec<GpuName>,
    /// The same of AMD GPUs.
    pub unread_amd: Vec<GpuName>,
}

/// [`plan`] by somebody who knows what they do not see: what is not seen is never taken for not being there.
pub fn plan_by_sight(
    sight: &Sight,
    inventory: &Inventory,
    usage: &Usage,
    request: &LayoutRequest,
) -> Result<HostPlan, HostError> {
    if let Some(why) = &sight.blind {
        return Err(HostError::Blind { why: why.clone() });
    }
    let mut plan = plan(inventory, usage, request)?;
    let sweeps = |is_amd: bool| {
        let rules = request.layout.rules.iter();
        let of_kind = |rule: &&LayoutRule| rule.amd.is_some() == is_amd;
        let any = |rule: &LayoutRule| rule.gpus.iter().any(GpuSelector::is_sweeping);
        rules.filter(of_kind).any(any)
    };
    let silent = |gpu: &GpuName| (*gpu, "it has never been read".to_owned());
    if sweeps(false) {
        plan.skipped.extend(sight.unread.iter().map(silent));
    }
    if sweeps(true) {
        plan.amd_skipped.extend(sight.unread_amd.iter().map(silent));
    }
    Ok(plan)
}

/// The cheapest plan from what is there to a layout, vetted by the independent checker.
pub fn plan(
    inventory: &Inventory,
    usage: &Usage,
    request: &LayoutRequest,
) -> Result<HostPlan, HostError> {
    let question = HostRequest {
        inventory,
        layout: &request.layout,
        usage,
        allow_reset: request.allow_reset,
    };
    let plan = plan_host(&question)?;
    let violations = kerf_planner::check::check_host(&question, &plan);
    if !violations.is_empty() {
        let words: Vec<String> = violations
            .iter()
            .map(|(index, fault)| format!("GPU {index}: {fault}"))
            .collect();
        return Err(HostError::Unsafe {
            violations: words.join("; "),
        });
    }
    Ok(plan)
}

impl Host {
    /// Begins a new generation when the layout is not the one that was known, whoever changed it: a plan
    /// made before would be a plan for another host.
    pub(super) fn note_shape(&mut self) {
        let shape = shape_of(&self.inventory, self.shared.gpus());
        if self.shape.as_ref() == Some(&shape) {
            return;
        }
        // A store that cannot be written shows as degraded, and refuses every apply besides. The shape stays the
        // old one then, so that the next look tries again.
        if let Ok(generation) = self.write(Store::next_generation) {
            self.generation = generation;
            self.shape = Some(shape);
        }
    }

    /// What the picture of this moment does not show.
    pub(super) fn sight(&self) -> Sight {
        let causes = [STARTING, MAINTENANCE, "driver", "worker"];
        let blind = causes.iter().find_map(|what| {
            let entry = self.degraded.get(*what)?;
            Some(format!("{what}: {}", entry.why))
        });
        let listed = (0..).zip(self.listed.iter().flatten());
        let unread = listed
            .filter(|(_, pci)| self.gpu(**pci).is_err())
            .map(|(index, pci)| GpuName { index, pci: *pci });
        Sight {
            blind,
            unread: unread.collect(),
            unread_amd: self.unread_amd(),
        }
    }

    /// Plans and carries out a layout, and keeps it for the next boot. A crash in between is made good by
    /// [`Host::resume_layout`].
    pub(super) async fn apply_layout(
        &mut self,
        request: &LayoutRequest,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<LayoutDone, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.observe_all().await;
        self.note_shape();
        let (found, expected) = (self.generation, request.expected_generation);
        if expected != 0 && expected != found {
            return Err(HostError::Stale { found, expected });
        }
        let planned = self.planned(request);
        let planned = planned.and_then(|(wanted, plan)| {
            self.refuse_if_owned(&plan)?;
            Ok((wanted, plan))
        });
        let (request, plan) = match planned {
            Ok(planned) => planned,
            Err(error) => {
                let error = self.explained(error);
                self.record_refusal(request, &error);
                return Err(error);
            }
        };
        // A listener that is gone does not stop an apply: half a layout would help nobody.
        drop(
            progress
                .send(Progress::Planned(found, Box::new(plan.clone())))
                .await,
        );
        if plan.is_empty() {
            let kept = request.settled(&plan, &self.inventory);
            self.keep(&kept, &BTreeSet::new())?;
            self.revive_shared();
            self.publish();
            return Ok(LayoutDone {
                generation: found,
                after_reload: self.awaits_reload(&kept.layout),
                ..LayoutDone::default()
            });
        }
        let outcome = self
            .carry_out_recorded(&request, plan, HistoryKind::Apply, Some(progress))
            .await;
        if outcome.is_ok() {
            self.revive_shared();
        }
        // What has come of it is seen by everybody before the one who asked has an answer.
        self.publish();
        let done = outcome?;
        let text = format!("layout applied in {} steps", done.steps);
        self.events.add("plan", &self.generation.to_string(), &text);
        Ok(done)
    }

    fn planned(&self, request: &LayoutRequest) -> Result<(LayoutRequest, HostPlan), HostError> {
        let request = request.resolved(&self.config.gpu_labels, &self.inventory)?;
        let mut usage = self.usage();
        usage.forced.clone_from(&request.force);
        let plan = plan_by_sight(&self.sight(), &self.inventory, &usage, &request)?;
        Ok((request, plan))
    }
}

impl LayoutRequest {
    /// The same as its plan took it: slices that were split over GPUs are each GPU's own from now on.
    pub(super) fn settled(&self, plan: &HostPlan, inventory: &Inventory) -> Self {
        let layout = settled(&self.layout, plan, inventory);
        let request = self.clone();
        Self { layout, ..request }
    }
}

/// The layout as the document that the store keeps.
pub(super) fn layout_text(layout: &Layout) -> Result<String, StoreError> {
    serde_json::to_string(&LayoutDocument::from(layout)).map_err(|error| StoreError::Row {
        what: "layout",
        why: error.to_string(),
    })
}
