//! A layout of which a step was refused: it is gone on with once, from what is there by then, and else taken
//! back, so that the host has the new layout or the old one.
//!
//! Never tries a third time. What can neither be finished nor taken back is said in the error, and stands as it
//! is for the operator: the driver refuses, and asking it again would not help.

use std::collections::{BTreeMap, BTreeSet};

use kerf_planner::{GpuChange, HostPlan};
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{AmdGpu, Gpu, PciAddress};

use super::carry::Listener;
use super::layout::plan;
use super::{Host, HostError, LayoutDone, LayoutRequest, partition};
use crate::errors::chain;

/// What GPUs had; `None` where it cannot be said.
pub(super) type Before = BTreeMap<PciAddress, Option<LayoutRule>>;

impl Host {
    /// What the GPUs that a plan changes have now.
    pub(super) fn before(&self, plan: &HostPlan) -> Before {
        let changes = plan.gpus.iter().filter(|gpu| plan.changes(gpu.pci));
        let nvidia = changes.map(|change: &GpuChange| change.pci);
        let amd = plan.amd.iter().filter(|gpu| !gpu.steps.is_empty());
        let all = nvidia.chain(amd.map(|change| change.gpu.pci));
        all.map(|pci| (pci, self.now_of(pci))).collect()
    }

    fn now_of(&self, pci: PciAddress) -> Option<LayoutRule> {
        let mut amd = self.inventory.amd.iter();
        match amd.find(|gpu| gpu.pci == pci) {
            Some(gpu) => partition::rule_of(gpu),
            None => self.rule_now(self.gpu(pci).ok()?),
        }
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
        for (pci, rule) in before {
            match rule {
                Some(rule) if self.is_seen(*pci).await => old.rules.push(rule.clone()),
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
        let mut told = match self.aim(&back, None, done).await {
            Ok(()) if silent.is_empty() => "; what was done before it was taken back".to_owned(),
            Ok(()) => {
                self.say_half_done(before, &silent, "too little is known of it");
                let count = silent.len();
                format!(
                    "; what was done before it stands on {count} GPUs, of which too little is known"
                )
            }
            Err(error) if error.leaves_open() => return Err(error),
            Err(error) => {
                let why = chain(&error);
                self.say_half_done(before, &silent, &why);
                format!("; what was done before it stands, for {why}")
            }
        };
        if has_open_request(&self.inventory.amd, before) {
            told.push_str("; a memory mode that AMD GPUs were asked for stays asked for");
        }
        refusal.tell_after(told.into());
        let text = chain(&refusal);
        self.events.add("plan", &self.generation.to_string(), &text);
        Err(refusal)
    }

    /// Tells of GPUs that do not have again what they had `before`. Of those that are `silent` it cannot be said.
    fn say_half_done(&mut self, before: &Before, silent: &BTreeSet<PciAddress>, why: &str) {
        for (pci, rule) in before {
            if silent.contains(pci) || !self.has_again(*pci, rule.as_ref()) {
                let why = format!("a change of it was refused and could not be taken back: {why}");
                self.lose_kept(*pci, why);
            }
        }
        // The host is what it is also where that cannot be written down.
        drop(self.save_kept());
    }

    /// Whether a GPU has what it had. A rule does not tell an instance from one without compute instances.
    fn has_again(&self, pci: PciAddress, had: Option<&LayoutRule>) -> bool {
        let instances = self.gpu(pci).into_iter().flat_map(|gpu| &gpu.instances);
        let mut bare = instances.filter(|instance| instance.compute.is_empty());
        bare.next().is_none() && self.now_of(pci).as_ref() == had
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
