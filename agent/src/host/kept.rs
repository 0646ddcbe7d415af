//! The layout that this host is to have: what was applied last on each GPU.
//!
//! ```text
//! applied -> kept -- another boot --> unmet -> brought back, or degraded and told
//!                |-- its mode waits for a reset --> unmet until that came
//!                \-- a change that can be neither finished nor taken back --> given up, and told
//! ```
//! GPU instances never outlive a boot, so the first look of a kerfd in another boot makes them again, before anything is
//! announced. GPU by GPU: one that is missing, sick or busy does not hold up the others. A GPU on which the driver
//! refuses a step is left alone until somebody applies a layout or kerfd starts again.

mod state;

use std::collections::BTreeSet;

use kerf_api::json::history::HistoryKind;
use kerf_planner::HostPlan;
use kerf_planner::host::rules_by_gpu;
use kerf_types::layout::{Layout, LayoutRule};
use kerf_types::{MigMode, PciAddress};

use super::{Host, HostError, LayoutRequest};
use crate::errors::chain;
use crate::store::{Store, UnreadPart, Work, WorkRow};
use state::Unmet;

pub(super) use state::Kept;

/// What to do about a GPU whose layout is not there.
const HINT: &str = "apply a layout for it, or let `kerf apply --forget` forget what was kept";

/// What to do about a text that does not read.
const HINT_UNREAD: &str = "what GPUs had by it does not come back by itself: apply layouts for all GPUs again, or let \
                           `kerf apply --forget` forget what was kept";

/// What an AMD GPU waits for.
pub(super) const AWAITS_RELOAD: &str =
    "its memory mode changes only when the driver is loaded anew";

/// Name of the entry about a part that does not read.
fn entry_of(part: UnreadPart) -> &'static str {
    match part {
        UnreadPart::Layout => "kept layout",
        UnreadPart::Owed => "layout before maintenance",
    }
}

fn name(pci: PciAddress) -> String {
    format!("layout of GPU {pci}")
}

impl Host {
    /// Takes up what was kept. In another boot nothing of it is there any more.
    pub(super) fn load_kept(&mut self) -> Result<(), HostError> {
        let boot_id = self.machine_boot();
        let Some(row) = self.store.kept_layout()? else {
            self.kept.boot_id = boot_id;
            return Ok(());
        };
        let (kept, damage) = Kept::read(row, boot_id);
        self.kept = kept;
        for (part, why) in damage {
            self.say_unread(part, &why);
        }
        for pci in self.kept.lost() {
            let why = "a change of it could be neither finished nor taken back";
            self.say_lost(pci, why);
        }
        Ok(())
    }

    pub(super) fn say_unread(&mut self, part: UnreadPart, why: &str) {
        let why = format!("it does not read: {why}");
        self.degrade(entry_of(part), why, HINT_UNREAD);
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
            self.recovered(&name(pci));
            self.kept.say(pci, rule);
        }
        for pci in waiting {
            self.keep_open(*pci);
            self.say_unmet(*pci, "its MIG mode changes only with a reset".to_owned());
        }
        for pci in self.awaits_reload(&request.layout) {
            self.keep_open(pci);
            self.say_unmet(pci, AWAITS_RELOAD.to_owned());
        }
        self.kept.forget_what_was_said(&self.all_gpus());
        self.recover_read();
        self.kept.allow_reset = request.allow_reset;
        self.kept.boot_id = self.machine_boot();
        self.save_kept()
    }

    /// Also those that have not answered yet.
    pub(super) fn all_gpus(&self) -> BTreeSet<PciAddress> {
        let nvidia = self.inventory.gpus.iter().map(|gpu| gpu.pci);
        let amd = self.inventory.amd.iter().map(|gpu| gpu.pci);
        let listed = self.listed.iter().flatten().chain(&self.listed_amd);
        nvidia.chain(amd).chain(listed.copied()).collect()
    }

    pub(super) fn save_kept(&mut self) -> Result<(), HostError> {
        let row = self.kept.row()?;
        self.write(|store| store.keep_layout(&row))
    }

    /// Entries go with the last text that they are about.
    fn recover_read(&mut self) {
        for part in [UnreadPart::Layout, UnreadPart::Owed] {
            if !self.kept.is_unread(part) {
                self.recovered(entry_of(part));
            }
        }
    }

    /// Forgets what was kept.
    pub(super) fn forget_kept(&mut self) -> Result<(), HostError> {
        self.write(Store::forget_layout)?;
        let unmet = std::mem::take(&mut self.kept).unmet;
        self.kept.boot_id = self.machine_boot();
        self.recover_read();
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
            return self.recovered(&name(pci));
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
        if let Err(error) = self.refuse_if_owned(&plan) {
            return self.say_unmet(pci, chain(&error));
        }
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
    pub(super) fn plan_again(
        &self,
        rules: Vec<LayoutRule>,
    ) -> Result<(LayoutRequest, HostPlan), HostError> {
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

    /// A GPU has neither what it had nor anything that was asked for. What was kept for it is made again by the next
    /// kerfd, not by this one, whom the driver has refused it.
    pub(super) fn lose_kept(&mut self, pci: PciAddress, why: &str) {
        if self.kept.wanted(pci).is_some() {
            return self.give_up(
                pci,
                format!("{why}; kerfd makes it again when it starts anew"),
            );
        }
        self.kept.unmet.insert(pci, Unmet::GivenUp);
        self.say_lost(pci, why);
    }

    /// It is not known what a GPU has after a change that was refused: it is looked at again.
    pub(super) fn doubt_kept(&mut self, pci: PciAddress, why: &str) {
        if self.kept.wanted(pci).is_none() {
            return self.lose_kept(pci, why);
        }
        self.keep_open(pci);
        self.say_unmet(pci, why.to_owned());
    }

    fn say_lost(&mut self, pci: PciAddress, why: &str) {
        self.degrade(
            &name(pci),
            format!("nothing is kept for it, and {why}"),
            HINT,
        );
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

/// Whether a change of mode that was asked for waits for a reset.
fn is_awaited(mode: MigMode, on: bool) -> bool {
    matches!(
        (mode, on),
        (MigMode::EnablePending, true) | (MigMode::DisablePending, false)
    )
}
