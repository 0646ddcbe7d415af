//! The layout that this host is to have: what was applied last on each GPU.
//!
//! ```text
//! applied -> kept -- another boot --> unmet -> brought back, or degraded and told
//!                \-- its mode waits for a reset --> unmet until that came
//! ```
//! GPU instances never outlive a boot, so the first look of a kerfd in another boot makes them again, before anything is
//! announced. GPU by GPU: one that is missing, sick or busy does not hold up the others. A GPU on which the driver
//! refuses a step is left alone until somebody applies a layout or kerfd starts again.

use std::collections::{BTreeMap, BTreeSet};

use kerf_api::json::history::HistoryKind;
use kerf_api::json::layout::LayoutError;
use kerf_planner::HostPlan;
use kerf_planner::host::rules_by_gpu;
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{MigMode, PciAddress, Sharing};

use super::layout::layout_text;
use super::{Host, HostError, LayoutRequest};
use crate::errors::chain;
use crate::store::{KeptLayout, Store, Unread, Work, WorkRow};

/// What to do about a GPU whose layout is not there.
const HINT: &str = "apply a layout for it, or let `kerf apply --forget` forget what was kept";

/// Names of the entries about what does not read of it.
const KEPT: &str = "kept layout";
const OWED: &str = "layout before maintenance";

/// What to do about that.
const HINT_UNREAD: &str = "what GPUs had by it does not come back by itself: apply a layout again";

/// What an AMD GPU waits for.
pub(super) const AWAITS_RELOAD: &str =
    "its memory mode changes only when the driver is loaded anew";

/// The kept layout.
#[derive(Debug, Default)]
pub(super) struct Kept {
    rules: BTreeMap<PciAddress, LayoutRule>,
    /// What GPUs had before maintenance and do not have again.
    owed: BTreeMap<PciAddress, LayoutRule>,
    /// What did not read of both.
    unread: Unread,
    allow_reset: bool,
    pub(super) boot_id: String,
    unmet: BTreeMap<PciAddress, Unmet>,
}

impl Kept {
    /// What a row says in this boot, and for each part of it that does not read the name of its entry, and why.
    fn read(row: KeptLayout, boot_id: String) -> (Self, Vec<(&'static str, String)>) {
        let mut damage = Vec::new();
        let mut read = |what, text: &str, earlier: &str| {
            let mut part = Part::default();
            // What a kerfd before this one could not read comes first: the newer text knows better.
            for text in [earlier, text] {
                match by_gpu(text) {
                    Ok(rules) => part.rules.extend(rules),
                    Err(error) => {
                        damage.push((what, chain(&error)));
                        part.unread = text.to_owned();
                    }
                }
            }
            part
        };
        let rules = read(KEPT, &row.layout, &row.unread.layout);
        let owed = read(OWED, &row.owed, &row.unread.owed);
        // Nobody has noted how the GPUs of a text are that did not read before.
        let late = by_gpu(&row.unread.layout).unwrap_or_default();
        let is_unmet = |pci: &PciAddress| {
            row.boot_id != boot_id || row.unmet.contains(&pci.to_string()) || late.contains_key(pci)
        };
        let unmet = rules.rules.keys().copied().filter(is_unmet);
        let unmet = unmet.chain(owed.rules.keys().copied());
        let kept = Self {
            unmet: unmet.map(|pci| (pci, Unmet::Open)).collect(),
            rules: rules.rules,
            owed: owed.rules,
            unread: Unread {
                layout: rules.unread,
                owed: owed.unread,
            },
            allow_reset: row.allow_reset,
            boot_id,
        };
        (kept, damage)
    }

    /// As it is written down.
    fn row(&self) -> Result<KeptLayout, HostError> {
        let text = |rules: &BTreeMap<PciAddress, LayoutRule>| {
            let rules = rules.values().cloned().collect();
            layout_text(&Layout { rules })
        };
        Ok(KeptLayout {
            layout: text(&self.rules)?,
            owed: text(&self.owed)?,
            unread: self.unread.clone(),
            allow_reset: self.allow_reset,
            boot_id: self.boot_id.clone(),
            unmet: self.unmet.keys().map(ToString::to_string).collect(),
        })
    }

    /// The GPUs that do not have what they are to have.
    pub fn unmet(&self) -> impl Iterator<Item = PciAddress> {
        self.unmet.keys().copied()
    }

    /// Whether a GPU does not have what it is to have.
    pub fn is_unmet(&self, pci: PciAddress) -> bool {
        self.unmet.contains_key(&pci)
    }

    /// A GPU is to have this again.
    pub fn owe(&mut self, pci: PciAddress, rule: LayoutRule) {
        self.owed.insert(pci, rule);
        self.unmet.insert(pci, Unmet::Open);
    }

    /// What a GPU is to have.
    fn wanted(&self, pci: PciAddress) -> Option<&LayoutRule> {
        self.owed.get(&pci).or_else(|| self.rules.get(&pci))
    }
}

/// One of the two texts of a kept layout.
#[derive(Debug, Default)]
struct Part {
    rules: BTreeMap<PciAddress, LayoutRule>,
    /// What does not read of it.
    unread: String,
}

/// A GPU that does not have its layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unmet {
    /// It is looked at again.
    Open,
    /// The driver refused a step.
    GivenUp,
}

impl Kept {
    /// What was shared by it in this boot.
    pub(super) fn shared_in_this_boot(&self) -> Vec<(PciAddress, Sharing)> {
        let rules = self.rules.iter();
        let met = rules.filter(|(pci, _)| !self.unmet.contains_key(pci));
        met.filter_map(|(pci, rule)| Some((*pci, rule.sharing?)))
            .collect()
    }
}

fn name(pci: PciAddress) -> String {
    format!("layout of GPU {pci}")
}

impl Host {
    /// Takes up what was kept. In another boot nothing of it is there any more.
    pub(super) fn load_kept(&mut self) -> Result<(), HostError> {
        let Some(row) = self.store.kept_layout()? else {
            return Ok(());
        };
        let (kept, damage) = Kept::read(row, self.machine_boot());
        for (what, why) in damage {
            let why = format!("it does not read: {why}");
            self.degrade(what, why, HINT_UNREAD);
        }
        self.kept = kept;
        Ok(())
    }

    /// The boot of the machine whose GPUs these are.
    pub(super) fn machine_boot(&self) -> String {
        let path = self
            .config
            .paths
            .sysroot
            .join("proc/sys/kernel/random/boot_id");
        match std::fs::read_to_string(path) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => crate::process::boot_id(),
        }
    }

    /// Keeps a layout that was applied. GPUs that it does not name keep theirs; `waiting` have theirs only after a
    /// reset.
    pub(super) fn keep(
        &mut self,
        request: &LayoutRequest,
        waiting: &BTreeSet<PciAddress>,
    ) -> Result<(), HostError> {
        let rules = rules_by_gpu(&self.inventory, &request.layout)?;
        for (pci, rule) in rules {
            self.kept.unmet.remove(&pci);
            self.kept.owed.remove(&pci);
            self.recovered(&name(pci));
            self.kept.rules.insert(pci, rule);
        }
        for pci in waiting {
            self.keep_open(*pci);
            self.say_unmet(*pci, "its MIG mode changes only with a reset".to_owned());
        }
        for pci in self.awaits_reload(&request.layout) {
            self.keep_open(pci);
            self.say_unmet(pci, AWAITS_RELOAD.to_owned());
        }
        self.forget_unread();
        self.kept.allow_reset = request.allow_reset;
        self.kept.boot_id = self.machine_boot();
        self.save_kept()
    }

    pub(super) fn save_kept(&mut self) -> Result<(), HostError> {
        let row = self.kept.row()?;
        self.write(|store| store.keep_layout(&row))
    }

    /// Somebody has said what is to be from now on.
    fn forget_unread(&mut self) {
        self.kept.unread = Unread::default();
        self.recovered(KEPT);
        self.recovered(OWED);
    }

    /// Forgets what was kept.
    pub(super) fn forget_kept(&mut self) -> Result<(), HostError> {
        self.write(Store::forget_layout)?;
        self.forget_unread();
        let unmet = std::mem::take(&mut self.kept).unmet;
        for pci in unmet.into_keys() {
            self.recovered(&name(pci));
        }
        self.publish();
        Ok(())
    }

    /// Brings back what a boot took, and goes on where a reset was awaited.
    pub(super) async fn bring_back(&mut self) {
        // What somebody asked for and is not finished comes first: one layout has an intent at a time.
        let is_layout = |row: &WorkRow| matches!(row.work, Work::Layout { .. });
        let is_open = self.open_work.iter().any(is_layout);
        if self.kept.unmet.is_empty() || is_open || self.draining || !self.driver_answers() {
            return;
        }
        let before = self.kept.unmet.clone();
        for (pci, unmet) in &before {
            if *unmet == Unmet::Open {
                self.bring_back_one(*pci).await;
            }
        }
        if self.kept.unmet.keys().ne(before.keys()) {
            // What cannot be written is tried again at the next start, and then plans nothing.
            drop(self.save_kept());
        }
    }

    async fn bring_back_one(&mut self, pci: PciAddress) {
        let Some(mut rule) = self.kept.wanted(pci).cloned() else {
            self.kept.unmet.remove(&pci);
            return;
        };
        if let Some(wish) = rule.amd {
            return self.bring_back_amd(pci, wish).await;
        }
        let Ok(gpu) = self.gpu(pci) else {
            return self.say_unmet(pci, "it is not in this host".to_owned());
        };
        if !gpu.health.is_ok() {
            return self.say_unmet(pci, "it is not well".to_owned());
        }
        if is_awaited(gpu.mig_mode, rule.mig_enabled) {
            return self.say_unmet(pci, "its MIG mode changes only with a reset".to_owned());
        }
        if self.kept.owed.contains_key(&pci) {
            let Some(beside) = self.beside(gpu, &rule) else {
                return self.say_unmet(pci, "too little is known of it".to_owned());
            };
            rule = beside;
        }
        let (request, plan) = match self.plan_again(vec![rule]) {
            Ok(planned) => planned,
            Err(error) => return self.say_unmet(pci, chain(&error)),
        };
        match self.carry_out_again(&request, plan).await {
            Ok(waiting) if waiting.contains(&pci) => {
                self.say_unmet(pci, "its MIG mode changes only with a reset".to_owned());
            }
            Ok(_) => self.is_back(pci),
            Err(error) => self.give_up(pci, chain(&error)),
        }
    }

    /// The plan to what is kept for the GPUs of these addresses.
    pub(super) fn plan_kept(
        &self,
        gpus: &[PciAddress],
    ) -> Result<(LayoutRequest, HostPlan), HostError> {
        let rules = gpus.iter().filter_map(|pci| self.kept.wanted(*pci));
        self.plan_again(rules.cloned().collect())
    }

    /// The plan to a layout that kerfd itself asks for.
    fn plan_again(&self, rules: Vec<LayoutRule>) -> Result<(LayoutRequest, HostPlan), HostError> {
        let request = LayoutRequest {
            layout: Layout { rules },
            allow_reset: self.kept.allow_reset,
            expected_generation: 0,
            force: BTreeSet::new(),
            by: None,
        };
        let plan = super::layout::plan(&self.inventory, &self.usage(), &request)?;
        Ok((request, plan))
    }

    /// Returns the GPUs on which it waits for a reset.
    pub(super) async fn carry_out_again(
        &mut self,
        request: &LayoutRequest,
        plan: HostPlan,
    ) -> Result<BTreeSet<PciAddress>, HostError> {
        if plan.is_empty() {
            return Ok(BTreeSet::new());
        }
        let kind = HistoryKind::Reapply;
        let done = self.carry_out_recorded(request, plan, kind, None).await?;
        Ok(done.after_reset)
    }

    pub(super) fn keep_open(&mut self, pci: PciAddress) {
        self.kept.unmet.insert(pci, Unmet::Open);
    }

    /// A GPU has its layout again.
    pub(super) fn is_back(&mut self, pci: PciAddress) {
        self.kept.unmet.remove(&pci);
        self.kept.owed.remove(&pci);
        self.recovered(&name(pci));
        self.events
            .add("plan", &pci.to_string(), "the kept layout is there again");
    }

    /// The driver refuses, and asking it again would not help.
    pub(super) fn give_up(&mut self, pci: PciAddress, why: String) {
        self.kept.unmet.insert(pci, Unmet::GivenUp);
        self.say_unmet(pci, why);
    }

    pub(super) fn say_unmet(&mut self, pci: PciAddress, why: String) {
        let what = match self.kept.owed.contains_key(&pci) {
            true => "what it had before maintenance",
            false => "the layout that was applied",
        };
        let why = format!("it does not have {what}: {why}");
        self.degrade(&name(pci), why, HINT);
    }
}

/// The rules of a kept document by their GPUs.
fn by_gpu(text: &str) -> Result<BTreeMap<PciAddress, LayoutRule>, LayoutError> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rules = kerf_api::json::layout::parse(text)?.rules.into_iter();
    let one = |rule: LayoutRule| match rule.gpus.as_slice() {
        [GpuSelector::Pci(pci)] => Some((*pci, rule)),
        _ => None,
    };
    Ok(rules.filter_map(one).collect())
}

/// Whether a change of mode that was asked for waits for a reset.
fn is_awaited(mode: MigMode, on: bool) -> bool {
    matches!(
        (mode, on),
        (MigMode::EnablePending, true) | (MigMode::DisablePending, false)
    )
}

#[cfg(test)]
mod tests;
