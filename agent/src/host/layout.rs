//! Planning and applying a whole layout.

use std::collections::BTreeMap;

use kerf_api::json::layout::LayoutDocument;
use kerf_planner::host::GpuName;
use kerf_planner::{HostPlan, HostRequest, Usage, plan_host};
use kerf_types::layout::{GpuSelector, Layout};
use kerf_types::mig::MigMode;
use kerf_types::{Inventory, MigUuid, PciAddress, Placement, ProfileId, Step};
use tokio::sync::mpsc;

use super::recover::STARTING;
use super::{Host, HostError, LayoutRequest, Progress};
use crate::errors::chain;
use crate::store::{Store, StoreError, Work, WorkRow};

/// What a generation stands for: on each GPU its MIG mode, and every instance with the devices in it.
pub type Shape = BTreeMap<PciAddress, (MigMode, Vec<(Placement, ProfileId, Vec<MigUuid>)>)>;

fn shape_of(inventory: &Inventory) -> Shape {
    let gpus = inventory.gpus.iter().map(|gpu| {
        let instances = gpu.instances.iter().map(|instance| {
            let devices = instance.compute.iter().map(|one| one.uuid.clone());
            (instance.placement, instance.profile, devices.collect())
        });
        (gpu.pci, (gpu.mig_mode, instances.collect()))
    });
    gpus.collect()
}

/// What a picture of the host does not show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Why nothing can be said of its GPUs, where that is so.
    pub blind: Option<String>,
    /// GPUs that the driver serves and that have never answered, by place in its list.
    pub unread: Vec<GpuName>,
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
    let mut selectors = request.layout.rules.iter().flat_map(|rule| &rule.gpus);
    if selectors.any(|selector| *selector == GpuSelector::All) {
        let silent = |gpu: &GpuName| (*gpu, "it has never been read".to_owned());
        plan.skipped.extend(sight.unread.iter().map(silent));
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
        let shape = shape_of(&self.inventory);
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
        let causes = [STARTING, "driver", "worker"];
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
        }
    }

    /// Plans and carries out a layout. A crash in between is made good by [`Host::resume_layout`].
    pub(super) async fn apply_layout(
        &mut self,
        request: &LayoutRequest,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<(u64, usize), HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.observe_all().await;
        self.note_shape();
        let (found, expected) = (self.generation, request.expected_generation);
        if expected != 0 && expected != found {
            return Err(HostError::Stale { found, expected });
        }
        let sight = self.sight();
        let plan = plan_by_sight(&sight, &self.inventory, &self.usage(), request)?;
        // A listener that is gone does not stop an apply: half a layout would help nobody.
        drop(
            progress
                .send(Progress::Planned(found, Box::new(plan.clone())))
                .await,
        );
        if plan.is_empty() {
            return Ok((found, 0));
        }
        let work = Work::Layout {
            generation: found,
            layout: layout_text(&request.layout)?,
            allow_reset: request.allow_reset,
        };
        let number = self.write(|store| store.begin_layout(&work))?;
        self.open_work
            .retain(|row| !matches!(row.work, Work::Layout { .. }));
        tracing::info!(plan.generation = found, "apply begins");
        let mut steps = 0;
        let outcome = self
            .carry_out(request, plan, Some(progress), &mut steps)
            .await;
        // A refused step leaves a state that the operator sees and decides on. Only a crash, or a step
        // whose outcome is unknown, leaves the intent open.
        let open = matches!(&outcome, Err(HostError::Step { source, .. })
            if source.is_unknown_outcome() || source.is_hang());
        if open {
            self.open_work.push(WorkRow { number, work });
        } else {
            self.write(|store| store.end_work(number))?;
        }
        outcome?;
        let text = format!("layout applied in {steps} steps");
        self.events.add("plan", &self.generation.to_string(), &text);
        Ok((self.generation, steps))
    }

    /// Carries out a plan. Where it leaves slices for later, only the modes come first, for then the driver
    /// tells where these slices may lie; nothing else changes until the whole layout is known to be possible.
    /// Adds the steps that were tried to `steps`.
    async fn carry_out(
        &mut self,
        request: &LayoutRequest,
        first: HostPlan,
        progress: Option<&mpsc::Sender<Progress>>,
        steps: &mut usize,
    ) -> Result<(), HostError> {
        if !first.is_first_part() {
            return self.carry_out_part(&first, progress, steps).await;
        }
        let whole = self.plan_with_modes(request, &first, progress, steps).await;
        // Only now: modes that were taken back have changed nothing, so that plans of before still hold.
        self.settle().await;
        let whole = whole?;
        if let Some(progress) = progress {
            let planned = Progress::Planned(self.generation, Box::new(whole.clone()));
            drop(progress.send(planned).await);
        }
        self.carry_out_part(&whole, progress, steps).await
    }

    /// Turns MIG on where nobody knows the profiles yet, and plans the layout again. A layout that cannot be
    /// had after all leaves these modes as they were.
    async fn plan_with_modes(
        &mut self,
        request: &LayoutRequest,
        first: &HostPlan,
        progress: Option<&mpsc::Sender<Progress>>,
        steps: &mut usize,
    ) -> Result<HostPlan, HostError> {
        let modes = mode_steps(first);
        *steps += modes.len();
        self.run_steps(&modes, progress).await?;
        let refusal = match plan(&self.inventory, &self.usage(), request) {
            Ok(whole) => return Ok(whole),
            Err(refusal) => refusal,
        };
        let back: Vec<Step> = modes.iter().rev().filter_map(taken_back).collect();
        *steps += back.len();
        if let Err(error) = self.run_steps(&back, progress).await {
            // The refusal is what the operator asked for; this is told beside it.
            let why = chain(&error);
            tracing::warn!(error = %why, "MIG stays on after a refused layout");
            let text = format!("MIG stays on after a refused layout: {why}");
            self.events.add("plan", &self.generation.to_string(), &text);
        }
        Err(refusal)
    }

    async fn carry_out_part(
        &mut self,
        plan: &HostPlan,
        progress: Option<&mpsc::Sender<Progress>>,
        steps: &mut usize,
    ) -> Result<(), HostError> {
        let part: Vec<_> = plan.steps().cloned().collect();
        *steps += part.len();
        let outcome = self.run_steps(&part, progress).await;
        self.settle().await;
        outcome
    }

    /// Finishes a layout that an earlier kerfd began: it is planned again from what is there now, so that
    /// it does not matter where the crash fell.
    pub(super) async fn resume_layout(
        &mut self,
        number: i64,
        layout: &str,
        allow_reset: bool,
    ) -> Result<(), HostError> {
        let layout = kerf_api::json::layout::parse(layout).map_err(|error| StoreError::Row {
            what: "layout",
            why: chain(&error),
        })?;
        let request = LayoutRequest {
            layout,
            allow_reset,
            expected_generation: 0,
        };
        let plan = plan(&self.inventory, &self.usage(), &request)?;
        tracing::info!("interrupted apply goes on");
        self.carry_out(&request, plan, None, &mut 0).await?;
        self.write(|store| store.end_work(number))
    }
}

/// The changes of mode on the GPUs whose slices wait for a second plan.
fn mode_steps(first: &HostPlan) -> Vec<Step> {
    let waiting = first.gpus.iter().filter(|gpu| !gpu.later.is_empty());
    let steps = waiting.flat_map(|gpu| &gpu.steps);
    steps
        .filter(|step| matches!(step, Step::SetMigMode { .. }))
        .cloned()
        .collect()
}

/// The step that takes a change of mode back.
fn taken_back(step: &Step) -> Option<Step> {
    match *step {
        Step::SetMigMode {
            gpu,
            enabled,
            allow_reset,
        } => Some(Step::SetMigMode {
            gpu,
            enabled: !enabled,
            allow_reset,
        }),
        _ => None,
    }
}

/// The layout as the document that the store keeps.
fn layout_text(layout: &Layout) -> Result<String, StoreError> {
    serde_json::to_string(&LayoutDocument::from(layout)).map_err(|error| StoreError::Row {
        what: "layout",
        why: error.to_string(),
    })
}
