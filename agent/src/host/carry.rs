//! Carrying out the plan of a layout: written down before the first step, and GPU by GPU. After a crash `resume` goes on
//! with it.

use std::collections::BTreeSet;
use std::time::Instant;

use kerf_api::json::history::HistoryKind;
use kerf_planner::host::{SharingChange, placed, rules_by_gpu};
use kerf_planner::{GpuChange, HostPlan, Usage};
use kerf_types::layout::Layout;
use kerf_types::{MigMode, MigUuid, Step};
use tokio::sync::mpsc;

use super::layout::{layout_text, plan};
use super::{Host, HostError, LayoutDone, LayoutRequest, Progress, record};
use crate::store::{Work, WorkRow};

pub(super) type Listener<'a> = Option<&'a mpsc::Sender<Progress>>;

impl Host {
    /// Carries out a plan with its intent and its entry in the history, and keeps what somebody has applied for the next
    /// boot.
    pub(super) async fn carry_out_recorded(
        &mut self,
        request: &LayoutRequest,
        plan: HostPlan,
        kind: HistoryKind,
        progress: Listener<'_>,
    ) -> Result<LayoutDone, HostError> {
        // Whatever goes wrong from here on, the split stays what it was said to be.
        let settled = &request.settled(&plan, &self.inventory);
        let layout = layout_text(&settled.layout)?;
        let places = placed(&settled.layout, &plan, &self.inventory);
        let places = places.as_ref().map(layout_text).transpose()?;
        let history = self.begin_record(record::of_layout(request, kind))?;
        self.note_plan(&plan);
        let request = settled;
        let work = Work::Layout {
            generation: self.generation,
            layout,
            allow_reset: request.allow_reset,
            force: request.force.iter().map(ToString::to_string).collect(),
            places,
            history: Some(history),
        };
        let number = match self.write(|store| store.begin_layout(&work)) {
            Ok(number) => number,
            Err(error) => {
                self.end_record(Err(&error));
                return Err(error);
            }
        };
        self.open_work
            .retain(|row| !matches!(row.work, Work::Layout { .. }));
        tracing::info!(plan.generation = self.generation, "apply begins");
        let mut done = LayoutDone {
            history: Some(history),
            ..LayoutDone::default()
        };
        let before = self.before(&plan);
        let mut outcome = self.carry_out(request, plan, progress, &mut done).await;
        if let Err(refusal) = outcome {
            outcome = self
                .mend(request, &before, refusal, progress, &mut done)
                .await;
        }
        self.end_forced(&request.force, request.by).await;
        self.end_record(outcome.as_ref().map(drop));
        // Kept before the intent ends: between the two a crash would leave what is there until the next boot only.
        let kept = match outcome.is_ok() && kind == HistoryKind::Apply {
            true => self.keep(request, &done.after_reset),
            false => Ok(()),
        };
        // Only a crash, or a step whose outcome is unknown, leaves the intent open.
        if outcome.as_ref().err().is_some_and(HostError::leaves_open) || kept.is_err() {
            self.open_work.push(WorkRow { number, work });
        } else {
            self.write(|store| store.end_work(number))?;
        }
        outcome.and(kept)?;
        done.generation = self.generation;
        done.after_reload = self.awaits_reload(&request.layout);
        Ok(done)
    }

    /// Carries out a plan. Where it leaves slices for later, only the modes come first, for then the driver
    /// tells where these slices may lie; nothing else changes until the whole layout is known to be possible.
    pub(super) async fn carry_out(
        &mut self,
        request: &LayoutRequest,
        first: HostPlan,
        progress: Listener<'_>,
        done: &mut LayoutDone,
    ) -> Result<(), HostError> {
        self.carry_out_parts(request, first, progress, done).await?;
        self.is_reached(request, done)
    }

    /// Whether the layout is there by what was read back. Steps that all succeed do not lead to it where they were
    /// planned from a wrong picture.
    fn is_reached(&self, request: &LayoutRequest, done: &LayoutDone) -> Result<(), HostError> {
        let usage = self.usage_but(&request.force);
        let rest = match plan(&self.inventory, &usage, request) {
            Ok(rest) => rest,
            Err(_) => return self.is_excused(request),
        };
        let mut gpus = rest
            .gpus
            .iter()
            .filter(|change| !change.steps.is_empty() && !done.after_reset.contains(&change.pci));
        let amd = rest.amd.iter().find(|change| !change.steps.is_empty());
        let differs = gpus.next().map(|change| change.pci);
        match differs.or(amd.map(|change| change.gpu.pci)) {
            None => Ok(()),
            Some(gpu) => Err(HostError::Differs {
                gpu,
                after: Box::default(),
            }),
        }
    }

    /// What cannot be planned by now is told by its own entry where a GPU was lost meanwhile. Where all are well, what was
    /// read back of one is not what was there a moment ago.
    fn is_excused(&self, request: &LayoutRequest) -> Result<(), HostError> {
        let Ok(rules) = rules_by_gpu(&self.inventory, &request.layout) else {
            return Ok(());
        };
        let mut gpus = self.inventory.gpus.iter();
        if gpus.any(|gpu| rules.contains_key(&gpu.pci) && !gpu.health.is_ok()) {
            return Ok(());
        }
        match rules.into_keys().next() {
            None => Ok(()),
            Some(gpu) => Err(HostError::Differs {
                gpu,
                after: Box::default(),
            }),
        }
    }

    async fn carry_out_parts(
        &mut self,
        request: &LayoutRequest,
        first: HostPlan,
        progress: Listener<'_>,
        done: &mut LayoutDone,
    ) -> Result<(), HostError> {
        if !first.is_first_part() {
            return self.carry_out_part(&first, progress, done).await;
        }
        let whole = self.plan_with_modes(request, &first, progress, done).await;
        // Only now: modes that were taken back have changed nothing, so that plans of before still hold.
        self.settle().await;
        let whole = whole?;
        if !whole.is_empty() {
            self.note_plan(&whole);
        }
        if let Some(progress) = progress {
            let planned = Progress::Planned(self.generation, Box::new(whole.clone()));
            drop(progress.send(planned).await);
        }
        self.carry_out_part(&whole, progress, done).await
    }

    /// Turns MIG on where nobody knows the profiles yet, and plans the layout again, without the GPUs whose mode
    /// waits for a reset. A layout that cannot be had after all leaves these modes as they were.
    async fn plan_with_modes(
        &mut self,
        request: &LayoutRequest,
        first: &HostPlan,
        progress: Listener<'_>,
        done: &mut LayoutDone,
    ) -> Result<HostPlan, HostError> {
        let waiting = first.gpus.iter().filter(|gpu| !gpu.later.is_empty());
        let waiting: Vec<(&GpuChange, Vec<Step>)> = waiting.map(|gpu| (gpu, modes(gpu))).collect();
        // A change of mode ends how its GPU was shared, which is a step of its own in what was planned.
        let ends = |pci| first.sharing_of(pci).filter(|change| change.from.is_some());
        let counted = |change: &GpuChange, steps: &[Step]| {
            steps.len() + usize::from(ends(change.pci).is_some() && !steps.is_empty())
        };
        let of = waiting
            .iter()
            .map(|(change, steps)| counted(change, steps))
            .sum();
        let shared: Vec<_> = waiting
            .iter()
            .filter_map(|(change, _)| Some((change.pci, self.shared.of(change.pci)?)))
            .collect();
        let mut tried = 0;
        for (change, steps) in &waiting {
            let ended = ends(change.pci).filter(|_| !steps.is_empty());
            let outcome = self
                .change_mode_first(ended, steps, (tried, of), progress)
                .await;
            tried += counted(change, steps);
            done.steps += counted(change, steps);
            if let Err(error) = outcome {
                if !self.waits_for_reset(change, &error) {
                    return Err(error);
                }
                done.after_reset.insert(change.pci);
            }
        }
        let mut rules = rules_by_gpu(&self.inventory, &request.layout)?;
        rules.retain(|pci, _| !done.after_reset.contains(pci));
        let rest = LayoutRequest {
            layout: Layout {
                rules: rules.into_values().collect(),
            },
            ..request.clone()
        };
        let refusal = match plan(&self.inventory, &self.usage_but(&request.force), &rest) {
            Ok(whole) => return Ok(whole),
            Err(refusal) => refusal,
        };
        let steps = waiting.iter().flat_map(|(_, steps)| steps);
        let back: Vec<Step> = steps.rev().filter_map(taken_back).collect();
        done.steps += back.len();
        if let Err(error) = self.run_steps(&back, progress).await {
            // The refusal is what the operator asked for; this is told beside it.
            let changed = waiting.iter().filter(|(_, steps)| !steps.is_empty());
            self.tell_mode_stays(changed.map(|(change, _)| *change), &error);
            return Err(refusal);
        }
        self.share_again(&shared).await;
        Err(refusal)
    }

    /// Ends how a GPU is shared, where it is, and changes its mode.
    async fn change_mode_first(
        &mut self,
        ended: Option<&SharingChange>,
        steps: &[Step],
        (mut before, of): (usize, usize),
        progress: Listener<'_>,
    ) -> Result<(), HostError> {
        if let Some(ended) = ended {
            let begun = Instant::now();
            self.end_sharing(ended.gpu.pci).await?;
            before += 1;
            let ended = SharingChange {
                to: None,
                ..ended.clone()
            };
            tell_shared(progress, (before, of), &ended, begun);
        }
        self.run_steps_of(steps, (before, of), progress).await
    }

    async fn carry_out_part(
        &mut self,
        plan: &HostPlan,
        progress: Listener<'_>,
        done: &mut LayoutDone,
    ) -> Result<(), HostError> {
        let (mut before, of) = (0, plan.steps().count() + plan.sharing.len());
        let mut outcome = Ok(());
        for change in &plan.gpus {
            let result = self
                .carry_out_gpu(plan, change, (before, of), progress)
                .await;
            let is_shared = plan.sharing_of(change.pci).is_some();
            let steps = change.steps.len() + usize::from(is_shared);
            before += steps;
            done.steps += steps;
            match result {
                Err(error) if self.waits_for_reset(change, &error) => {
                    done.after_reset.insert(change.pci);
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
                Ok(()) => {}
            }
        }
        if outcome.is_ok() {
            outcome = self.carry_out_amd(plan, (before, of), progress, done).await;
        }
        // New slices of a shared GPU get their daemons.
        self.keep_shared();
        self.settle().await;
        outcome
    }

    /// One GPU: what is shared no longer, the steps, what is shared from now on.
    async fn carry_out_gpu(
        &mut self,
        plan: &HostPlan,
        change: &GpuChange,
        (mut before, of): (usize, usize),
        progress: Listener<'_>,
    ) -> Result<(), HostError> {
        let sharing = plan.sharing_of(change.pci);
        let begun = Instant::now();
        self.end_planned(plan, change.pci).await?;
        // An end and a beginning are one step, which is done with the beginning.
        if let Some(ended) = sharing.filter(|sharing| sharing.to.is_none()) {
            before += 1;
            tell_shared(progress, (before, of), ended, begun);
        }
        self.run_steps_of(&change.steps, (before, of), progress)
            .await?;
        self.read_back(&change.steps, (before, of)).await?;
        let begun = Instant::now();
        self.begin_planned(plan, change.pci).await?;
        if let Some(shared) = sharing.filter(|sharing| sharing.to.is_some()) {
            let number = before + change.steps.len() + 1;
            tell_shared(progress, (number, of), shared, begun);
        }
        Ok(())
    }

    /// Whether a change of mode was taken and waits for a reset: then the rest of the GPU's layout waits with it,
    /// and the other GPUs go on.
    fn waits_for_reset(&self, change: &GpuChange, error: &HostError) -> bool {
        let Some(call) = error.failed_call() else {
            return false;
        };
        let mode = self.gpu(change.pci).map(|gpu| gpu.mig_mode);
        let is_pending = matches!(
            (mode, change.to),
            (Ok(MigMode::EnablePending), MigMode::Enabled)
                | (Ok(MigMode::DisablePending), MigMode::Disabled)
        );
        is_pending && call.is_refusal()
    }

    /// Who uses what, but for what was given up by name and still lives.
    pub(super) fn usage_but(&self, force: &BTreeSet<MigUuid>) -> Usage {
        let instances = self.inventory.gpus.iter().flat_map(|gpu| &gpu.instances);
        let living = instances.flat_map(|instance| &instance.compute);
        let living = living
            .map(|one| &one.uuid)
            .filter(|uuid| force.contains(uuid));
        let mut usage = self.usage();
        usage.forced = living.cloned().collect();
        usage
    }
}

/// Tells whoever listens that the sharing of a GPU has ended or begun.
fn tell_shared(
    progress: Listener<'_>,
    (number, of): (usize, usize),
    change: &SharingChange,
    begun: Instant,
) {
    let took = begun.elapsed();
    let told = Progress::Sharing {
        number,
        of,
        change: change.clone(),
        took,
    };
    // A listener that is slow or gone does not hold up the hardware.
    drop(progress.map(|progress| progress.try_send(told)));
}

/// The changes of mode on a GPU.
fn modes(change: &GpuChange) -> Vec<Step> {
    let steps = change.steps.iter();
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
