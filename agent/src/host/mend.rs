//! A layout of which a step was refused: it is gone on with once, from what is there by then, and else taken
//! back, so that the host has the new layout or the old one.
//!
//! Never tries a third time. What can neither be finished nor taken back is said in the error, and stands as it
//! is for the operator: the driver refuses, and asking it again would not help.

use std::collections::{BTreeMap, BTreeSet};

use kerf_planner::{GpuChange, HostPlan};
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{AmdGpu, Gpu, MigMode, PciAddress, Placement};

use super::carry::Listener;
use super::layout::plan;
use super::{Host, HostError, LayoutDone, LayoutRequest, partition};
use crate::errors::chain;

/// What GPUs had; `None` where it cannot be said.
pub(super) type Before = BTreeMap<PciAddress, Option<Had>>;

/// What a GPU had: its rule, and what a rule does not tell.
#[derive(Debug, PartialEq)]
pub(super) struct Had {
    rule: LayoutRule,
    /// A pending mode is neither on nor off.
    mode: Option<MigMode>,
    /// Instances without compute instances.
    bare: BTreeSet<Placement>,
}

impl Host {
    /// What the GPUs that a plan changes have now.
    pub(super) fn before(&self, plan: &HostPlan) -> Before {
        let changes = plan.gpus.iter().filter(|gpu| plan.changes(gpu.pci));
        let nvidia = changes.map(|change| change.pci);
        let amd = plan.amd.iter().filter(|gpu| !gpu.steps.is_empty());
        let all = nvidia.chain(amd.map(|change| change.gpu.pci));
        all.map(|pci| (pci, self.now_of(pci))).collect()
    }

    fn now_of(&self, pci: PciAddress) -> Option<Had> {
        let mut amd = self.inventory.amd.iter();
        if let Some(gpu) = amd.find(|gpu| gpu.pci == pci) {
            let (mode, bare) = (None, BTreeSet::new());
            return partition::rule_of(gpu).map(|rule| Had { rule, mode, bare });
        }
        let gpu = self.gpu(pci).ok()?;
        let bare = gpu.instances.iter();
        let bare = bare.filter(|instance| instance.compute.is_empty());
        Some(Had {
            rule: self.rule_now(gpu)?,
            mode: Some(gpu.mig_mode),
            bare: bare.map(|instance| instance.placement).collect(),
        })
    }

    /// What a GPU has now, and how it is shared.
    pub(super) fn rule_now(&self, gpu: &Gpu) -> Option<LayoutRule> {
        let rule = rule_of(gpu)?;
        // With MIG it is slices that are shared, and there may be none left.
        let is_empty = rule.places.as_ref().is_some_and(BTreeMap::is_empty);
        let sharing = self.shared.of(gpu.pci).filter(|_| !is_empty);
        Some(LayoutRule { sharing, ..rule })
    }

    /// Goes on after a refusal. `before` is what the GPUs had when the apply began.
    pub(super) async fn mend(
        &mut self,
        request: &LayoutRequest,
        before: &Before,
        mut refusal: HostError,
        progress: Listener<'_>,
        done: &mut LayoutDone,
    ) -> Result<(), HostError> {
        if !is_refusal(&refusal) {
            return Err(refusal);
        }
        let why = chain(&refusal);
        self.observe_all().await;
        let Err(second) = self.aim(request, progress, done).await else {
            tracing::warn!(error = %why, "step refused once, layout applied all the same");
            let text = format!("applied all the same after a refusal: {why}");
            self.events.add("plan", &self.generation.to_string(), &text);
            return Ok(());
        };
        if second.leaves_open() {
            return Err(second);
        }
        tracing::warn!(error = %why, second = %chain(&second), "layout is taken back");
        // Only what was read just now can be planned back: an old picture would show nothing to do.
        let (mut old, mut silent) = (Layout::default(), BTreeSet::new());
        for (pci, had) in before {
            match had {
                Some(had) if self.is_seen(*pci).await => old.rules.push(had.rule.clone()),
                _ => drop(silent.insert(*pci)),
            }
        }
        let back = LayoutRequest {
            layout: old,
            allow_reset: request.allow_reset,
            expected_generation: 0,
            force: BTreeSet::new(),
            by: None,
        };
        let outcome = self.aim(&back, None, done).await;
        if outcome.as_ref().is_err_and(HostError::leaves_open) {
            return outcome;
        }
        let why = outcome.as_ref().err().map(|error| chain(error));
        let left = self.say_half_done(before, &silent, why.as_deref());
        let mut told = match (why, left, silent.len()) {
            (Some(why), ..) => format!("; what was done before it stands, for {why}"),
            (None, 0, 0) => "; what was done before it was taken back".to_owned(),
            (None, 0, silent) => format!(
                "; what was done before it stands on {silent} GPUs, of which too little is known"
            ),
            (None, left, _) => format!("; what was done before it stands on {left} GPUs"),
        };
        if has_open_request(&self.inventory.amd, before) {
            told.push_str("; a memory mode that AMD GPUs were asked for stays asked for");
        }
        refusal.tell_after(told.into());
        let text = chain(&refusal);
        self.events.add("plan", &self.generation.to_string(), &text);
        Err(refusal)
    }

    /// Tells of GPUs that do not have again what they had `before`; how many of them were read. Of those that are
    /// `silent` it cannot be said.
    fn say_half_done(
        &mut self,
        before: &Before,
        silent: &BTreeSet<PciAddress>,
        why: Option<&str>,
    ) -> usize {
        let mut left = 0;
        for (pci, had) in before {
            if silent.contains(pci) {
                self.doubt_kept(
                    *pci,
                    "a change of it was refused; too little is known of it",
                );
            } else if self.now_of(*pci) != *had {
                left += 1;
                let why = why.unwrap_or("the driver has taken it otherwise");
                let why = format!("a change of it was refused and could not be taken back: {why}");
                self.lose_kept(*pci, &why);
            }
        }
        if left + silent.len() > 0 {
            // The host is what it is also where that cannot be written down.
            drop(self.save_kept());
        }
        left
    }

    /// Tells of GPUs whose mode was changed for a layout that cannot be had, and did not go back.
    pub(super) fn tell_mode_stays<'a>(
        &mut self,
        changed: impl Iterator<Item = &'a GpuChange>,
        error: &HostError,
    ) {
        let why = chain(error);
        tracing::warn!(error = %why, "MIG stays on after a refused layout");
        let text = format!("MIG stays on after a refused layout: {why}");
        self.events.add("plan", &self.generation.to_string(), &text);
        let stays = changed.filter(|change| {
            let now = self.gpu(change.pci).map(|gpu| gpu.mig_mode);
            now.is_ok_and(|now| now != change.from)
        });
        let stays: Vec<PciAddress> = stays.map(|change| change.pci).collect();
        for pci in stays {
            self.lose_kept(pci, &text);
        }
        drop(self.save_kept());
    }

    /// Plans from what is known now and carries that out, once.
    async fn aim(
        &mut self,
        request: &LayoutRequest,
        progress: Listener<'_>,
        done: &mut LayoutDone,
    ) -> Result<(), HostError> {
        let plan = plan(&self.inventory, &self.usage_but(&request.force), request)?;
        self.carry_out(request, plan, progress, done).await
    }

    /// Whether a GPU answers and is well.
    async fn is_seen(&mut self, pci: PciAddress) -> bool {
        if self.inventory.amd.iter().any(|gpu| gpu.pci == pci) {
            self.look_at_amd(pci).await;
            let mut amd = self.inventory.amd.iter();
            return amd.any(|gpu| gpu.pci == pci && gpu.health.is_ok());
        }
        let seen = self.look_at(pci).await;
        seen.is_ok_and(|gpu| gpu.health.is_ok())
    }
}

/// Whether one of these was asked for a memory mode. No driver takes that back: see [`partition`].
fn has_open_request(amd: &[AmdGpu], before: &Before) -> bool {
    let mut asked = amd.iter().filter(|gpu| gpu.pending_memory.is_some());
    asked.any(|gpu| before.contains_key(&gpu.pci))
}

/// Whether it is known that something was not done, so that going on or going back may help.
fn is_refusal(error: &HostError) -> bool {
    match error.failed_call() {
        Some(call) => call.is_refusal(),
        None => matches!(
            error,
            HostError::Sharing { .. }
                | HostError::DaemonInUse { .. }
                | HostError::RunFile { .. }
                | HostError::Differs { .. }
        ),
    }
}

/// The very places, so that what was taken back is where it was.
fn rule_of(gpu: &Gpu) -> Option<LayoutRule> {
    let mut places = BTreeMap::new();
    for instance in &gpu.instances {
        let whole = &gpu.profile(instance.profile)?.name;
        for slice in gpu.slice_ids(instance) {
            let spot = slice.spot();
            places.insert(spot, whole.part(spot.compute.map(|part| part.size)));
        }
    }
    Some(LayoutRule {
        gpus: vec![GpuSelector::Pci(gpu.pci)],
        mig_enabled: gpu.mig_mode.is_on(),
        places: gpu.mig_mode.is_on().then_some(places),
        ..LayoutRule::default()
    })
}

#[cfg(test)]
mod tests;
